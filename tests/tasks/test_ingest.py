"""One file into the lake: replaced, refused, or refused because it crashed its reader."""

import hashlib
import math
import os
import time
from ctypes import PyDLL
from pathlib import Path

import pytest
import yaml

from models.simulate import ChangeDetectionPlan
from samples.write_sessions import write_sessions
from storage.due import NewFile, new_files
from storage.lake import Lake, open_lake
from storage.settings import Settings
from storage.sources import load_sources
from storage.tables import TABLES
from tasks import ingest, isolation
from tasks.ingest import ingest_file, read_into_lake
from tasks.isolation import ProcessDied, ProcessHung, run_isolated

FILES = Path(__file__).resolve().parents[1] / "storage" / "readers" / "files"
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


def hold_the_interpreter(seconds: float) -> None:
    """As a C library that never ends: no other thread of the process runs."""
    PyDLL(None).usleep(int(seconds * 1e6))


def test_a_process_that_hangs_is_killed_and_the_next_call_runs(monkeypatch: pytest.MonkeyPatch):
    run_isolated(math.sqrt, 9)
    monkeypatch.setattr(isolation, "SILENCE_S", 3)
    with pytest.raises(ProcessHung, match="silent for"):
        run_isolated(hold_the_interpreter, 60)
    assert run_isolated(math.sqrt, 16) == 4
    with pytest.raises(ProcessHung, match="over 2 s"):
        run_isolated(time.sleep, 60, limit_s=2)
    run_isolated(time.sleep, 5)  # long, but alive


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


def test_a_changed_file_replaces_its_session_in_one_snapshot(lake: Lake, described: Path):
    ingest_file.fn(found(described))
    before = lake.snapshot_id
    matrix = described.with_suffix(".csv")
    matrix.write_text("9,9,9\n")
    assert ingest_file.fn(found(described)).session_ids == ("lab-day1",)
    assert lake.snapshot_id == before + 1
    assert lake.traces("lab-day1").values.tolist() == [[9, 9, 9]]
    assert lake.query("SELECT unit_count, frame_count FROM recorded.sessions").rows() == [(1, 3)]
    with open_lake(lake.settings, snapshot=before) as then:
        assert then.traces("lab-day1").values.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_the_same_content_under_two_names_is_one_session(lake: Lake, described: Path, tmp_path: Path):
    again = tmp_path / "in" / "again"
    again.mkdir()
    for file in described.parent.iterdir():
        (again / file.name).write_bytes(file.read_bytes())
    search = new_files(lake, load_sources(str(tmp_path / "in")))
    assert (len(search.new), search.known_count) == (1, 1)
    ingest_file.fn(search.new[0])
    assert new_files(lake, load_sources(str(tmp_path / "in"))).new == ()
    assert lake.query("SELECT count(*) FROM recorded.sessions").item() == 1


def test_the_files_of_a_described_recording_are_not_offered_again(lake: Lake, described: Path):
    (described.parent / "alone.csv").write_text("1,2\n")
    search = new_files(lake, load_sources(str(described.parent)))
    assert [Path(file.path).name for file in search.new] == ["alone.csv", "day1.yaml"]


def test_what_the_owner_says_otherwise_makes_another_recording(lake: Lake, described: Path, tmp_path: Path):
    described.unlink()
    said = {"format": "matrix", "orientation": "cells_by_frames", "rate_hz": 20, "signal": "dff", "session": "day1"}
    sources = tmp_path / "sources.yaml"
    for rate_hz in (20, 30):
        source = {"name": "lab", "paths": ["in/lab/day1.csv"], "reader": "lab_files"}
        source["about"] = said | {"rate_hz": rate_hz}
        sources.write_text(yaml.safe_dump({"sources": [source]}))
        (file,) = new_files(lake, load_sources(sources)).new
        assert ingest_file.fn(file).refusal is None
        assert lake.query("SELECT rate_hz FROM recorded.sessions").rows() == [(pytest.approx(rate_hz),)]
        assert new_files(lake, load_sources(sources)).new == ()


def test_links_out_of_the_folder_and_what_is_no_file_are_refused_and_not_opened(lake: Lake, described: Path):
    folder = described.parent
    secret = folder.parent / "secret.csv"
    secret.write_text("frame,1,label\n0,0.5,0\n")
    (folder / "linked.csv").symlink_to(secret)
    (folder / "linked").symlink_to(folder.parent)
    os.mkfifo(folder / "pipe.csv")  # opening one waits for ever
    described.with_suffix(".csv").unlink()
    described.with_suffix(".csv").symlink_to(secret)
    for _ in range(2):
        search = new_files(lake, load_sources(str(folder)))
        for file in search.new:
            ingest_file.fn(file)
    assert search.new == ()
    refused = lake.query("SELECT source_uri, found FROM recorded.rejected ORDER BY source_uri").rows()
    reasons = {Path(uri).name: found for uri, found in refused}
    assert set(reasons) == {"day1.yaml", "linked", "linked.csv", "pipe.csv"}
    assert "no plain file" in reasons.pop("pipe.csv")
    assert all("leads out of" in found for found in reasons.values()), reasons
    assert lake.query("FROM recorded.sessions").is_empty()


@pytest.mark.parametrize("name", ["a'; DROP TABLE recorded.sessions; --.csv", "$project.csv", "a=b.csv", "\udcff.csv"])
def test_a_name_is_never_taken_for_sql(lake: Lake, described: Path, name: str):
    odd = described.parent / name
    described.with_suffix(".csv").rename(odd)
    (file,) = (one for one in new_files(lake, load_sources(str(described.parent))).new if one.path == str(odd))
    assert ingest_file.fn(file).refusal
    uri = os.fsencode(odd).decode("utf-8", errors="backslashreplace")
    assert lake.query("SELECT source_uri FROM recorded.rejected").rows() == [(uri,)]
    assert new_files(lake, load_sources(str(odd))).new == ()


def test_the_rows_are_the_same_whatever_the_number_of_threads(tmp_path: Path, described: Path):
    files = [described, *sorted(FILES.glob("*.nwb"))]
    hashes = set()
    for threads in (1, 2, 4):
        settings = Settings(home=tmp_path / f"home{threads}", threads=threads)
        for file in files:
            assert read_into_lake(found(file), settings).refusal is None
        with open_lake(settings, read_only=True) as lake:
            hashes.add(rows_sha256(lake))
    assert len(hashes) == 1


def rows_sha256(lake: Lake) -> str:
    """Hash of all rows of all tables in order of their keys."""
    digest = hashlib.sha256()
    for table in TABLES:
        rows = lake.query(f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}")
        digest.update(rows.hash_rows().to_numpy().tobytes())
    return digest.hexdigest()


def found(path: Path) -> NewFile:
    return NewFile("lab", None, str(path), str(path.parent))


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """A matrix of two cells and three frames, and the YAML that describes it."""
    folder = tmp_path / "in" / "lab"
    folder.mkdir(parents=True)
    (folder / "day1.csv").write_text("1,2,3\n4,5,6\n")
    path = folder / "day1.yaml"
    path.write_text("format: matrix\norientation: cells_by_frames\nrate_hz: 20\nsignal: dff\n")
    return path
