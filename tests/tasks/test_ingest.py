"""One file into the lake: replaced, refused, or refused because it crashed its reader."""

import math
import os
from pathlib import Path

import pytest

from models.simulate import ChangeDetectionPlan
from samples.write_sessions import write_sessions
from storage.due import NewFile, new_files
from storage.lake import Lake
from storage.sources import load_sources
from tasks import ingest
from tasks.ingest import ingest_file
from tasks.isolation import ProcessDied, run_isolated

PLAN = ChangeDetectionPlan(n_vip_mice=1, n_sst_mice=0, cells_per_mouse=2, duration_s=60)


def crash(*_: object) -> None:
    os.abort()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_sessions(PLAN, tmp_path / "lab")[0]


def test_a_crash_is_an_error_and_the_next_call_runs():
    assert run_isolated(math.sqrt, 9) == 3
    with pytest.raises(ProcessDied, match="abort"):
        run_isolated(os.abort)
    assert run_isolated(math.sqrt, 16) == 4


def test_what_the_function_raises_comes_through():
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        run_isolated(math.sqrt, -1)


def test_a_file_that_crashes_its_reader_is_rejected_and_not_tried_again(
    lake: Lake, recording: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ingest, "read_into_lake", crash)
    outcome = ingest_file.fn(NewFile("lab", None, str(recording)))
    assert "crashed" in outcome.refusal
    row = lake.query("FROM recorded.rejected").row(0, named=True)
    assert (row["source_uri"], row["reader"]) == (str(recording), None)
    assert new_files(lake, load_sources(str(recording))).new == ()


def test_the_same_bytes_again_are_known_under_any_name(lake: Lake, recording: Path):
    ingest_file.fn(NewFile("lab", None, str(recording)))
    copied = recording.with_name("copied.nwb")
    copied.write_bytes(recording.read_bytes())
    search = new_files(lake, load_sources(str(copied)))
    assert (search.new, search.known_count) == ((), 1)


def test_two_files_may_not_claim_one_session(lake: Lake, recording: Path, tmp_path: Path):
    ingest_file.fn(NewFile("lab", None, str(recording)))
    other = write_sessions(ChangeDetectionPlan(n_vip_mice=1, n_sst_mice=0, cells_per_mouse=3, duration_s=60), tmp_path)
    claimant = next(path for path in other if path.name == recording.name)
    outcome = ingest_file.fn(NewFile("lab", None, str(claimant)))
    assert "which" in outcome.refusal
    assert str(recording) in outcome.refusal
    kept = lake.query("SELECT source_uri, unit_count FROM recorded.sessions").row(0)
    assert kept == (str(recording), 2)


def test_a_file_mended_after_its_refusal_leaves_the_rejected(lake: Lake, recording: Path):
    whole = recording.read_bytes()
    recording.write_bytes(whole[:5000])
    assert ingest_file.fn(NewFile("lab", None, str(recording))).refusal
    recording.write_bytes(whole)
    assert ingest_file.fn(NewFile("lab", None, str(recording))).session_ids
    assert lake.query("SELECT count(*) FROM recorded.rejected").item() == 0
    assert lake.query("SELECT count(*) FROM recorded.sessions").item() == 1


def test_a_session_whose_file_breaks_later_stays_as_it_was(lake: Lake, recording: Path):
    ingest_file.fn(NewFile("lab", None, str(recording)))
    before = lake.query("FROM recorded.sessions")
    recording.write_bytes(b"")
    assert ingest_file.fn(NewFile("lab", None, str(recording))).refusal
    assert lake.query("FROM recorded.sessions").equals(before)
    assert lake.query("SELECT count(*) FROM recorded.rejected").item() == 1
