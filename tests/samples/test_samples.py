"""The sample sessions are standard NWB, say that they are simulated, and hold what was simulated."""

import numpy as np
import polars as pl
import pytest

from models.simulate import simulate_change_detection
from samples import write_sessions as script
from storage.content_hash import content_sha256
from storage.readers.choose import read_recording
from storage.tables import EVENTS, FRAMES, SESSIONS, UNITS

PLAN = script.sample_plan(mice=1, cells=3, minutes=1.0)
ARGUMENTS = ["--seed", "7", "--mice", "1", "--cells", "3", "--minutes", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sessions")
    assert script.main(["--into", str(folder), *ARGUMENTS]) == 0
    return folder


def test_each_session_is_read_as_it_was_simulated(folder):
    sessions = list(simulate_change_detection(PLAN))
    assert sorted(path.stem for path in folder.iterdir()) == sorted(session.session_name for session in sessions)
    for session in sessions:
        recording = read_recording(folder / f"{session.session_name}.nwb", "simulated")
        row = pl.from_arrow(recording.rows[SESSIONS]).row(0, named=True)
        assert row["session_id"] == f"simulated-{session.session_name}"
        assert row["subject_id"] == session.subject_id
        assert row["cre_line"] == session.cre_line
        assert row["exposure_level"] == session.exposure_level
        assert row["simulated"]
        traces = {trace.signal: trace for trace in recording.traces}
        assert set(traces) == {"dff", "spike_prob"}
        np.testing.assert_array_equal(traces["dff"].values, session.dff)
        np.testing.assert_array_equal(traces["spike_prob"].values, session.spike_prob)
        for trace in traces.values():
            np.testing.assert_array_equal(trace.unit_id, session.unit_id)
        np.testing.assert_array_equal(recording.rows[FRAMES]["time_s"].to_numpy(), session.frame_s)
        units = pl.from_arrow(recording.rows[UNITS])
        np.testing.assert_allclose(units["x_px"], session.x_px, atol=0.51)
        np.testing.assert_allclose(units["y_px"], session.y_px, atol=0.51)
        events = pl.from_arrow(recording.rows[EVENTS])
        np.testing.assert_array_equal(events["onset_s"], session.onset_s)
        np.testing.assert_array_equal(events["kind"] == "omission", session.omitted)
        np.testing.assert_array_equal(events["is_change"], session.is_change)
        shown = [None if gone else name for name, gone in zip(session.image_name, session.omitted, strict=True)]
        assert events["image_name"].to_list() == shown


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    script.write_sessions(PLAN, tmp_path)
    for path in folder.iterdir():
        assert content_sha256(path) == content_sha256(tmp_path / path.name)


def test_what_exists_is_left_alone(folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    script.main(["--into", str(folder), *ARGUMENTS])
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert "make nightly" in capsys.readouterr().out


def test_a_sample_is_valid_nwb(folder):
    from pynwb import validate

    assert not validate(path=next(folder.iterdir()))
