"""Simulated recordings as a lab's own files: they go in as they were simulated, and are written once."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.simulate_response_types import ResponseTypesPlan, simulate_response_types
from samples.write_recordings import main, write_recordings
from storage.due import NewFile
from storage.lake import Lake
from tasks.ingest import read_into_lake

PLAN = ResponseTypesPlan(regions=("left_tectum",), rois_per_class=1, running_rois=1, noise_rois=2, repeats=2)


def test_a_recording_goes_in_as_it_was_simulated(lake: Lake, tmp_path: Path):
    [folder] = write_recordings(PLAN, tmp_path)
    [truth] = simulate_response_types(PLAN)
    done = read_into_lake(NewFile("fish", None, str(folder / f"{folder.name}.yaml"), str(tmp_path)), lake.settings)
    [session] = done.session_ids
    assert lake.traces(session).values == pytest.approx(truth.dff)
    events = lake.query("SELECT kind, name, onset_s FROM recorded.events ORDER BY onset_s")
    assert events["name"].to_list() == truth.stimulus
    assert events["onset_s"].to_numpy() == pytest.approx(truth.onset_s)
    assert set(events["kind"]) == {"stimulus"}
    running = lake.query("SELECT value FROM recorded.behavior_signals ORDER BY sample")["value"].to_numpy()
    assert running == pytest.approx(truth.running_cm_s)
    row = lake.query("SELECT simulated, location, metadata FROM recorded.sessions").row(0, named=True)
    assert (row["simulated"], row["location"]) == (True, "left_tectum")
    planted = np.array(json.loads(row["metadata"])["response_class"], dtype=int)
    assert planted.tolist() == truth.response_class.tolist()


def test_what_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture):
    arguments = ["--into", str(tmp_path), "--animals", "1"]
    assert main(arguments) == 0
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == written
    assert capsys.readouterr().out.splitlines()[2].startswith("0 simulated recordings written")
