"""The movement format: neurons, frames, and 0 none, 1 contralateral, 2 ipsilateral; or refused with its line."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from storage.lake import Lake
from storage.readers.choose import read_recording, reader_for
from storage.readers.lab import movement, movement_table
from storage.readers.recording import Recording, Refused
from storage.tables import FRAME_LABELS, FRAMES, SESSIONS, UNITS

CSV = "frame,n1,n2,label\n0,0.1,0.5,0\n1,0.2,,1\n2,0.3,0.7,2\n"
VALUES = np.array([[0.1, 0.2, 0.3], [0.5, np.nan, 0.7]], np.float32)


def rows(recording: Recording, table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(recording.rows[table]))


def written(folder: Path, content: str = CSV, name: str = "walk_3.csv") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def saved(folder: Path, **arrays: np.ndarray) -> Path:
    given = {"frame": np.arange(3), "neurons": VALUES.T, "label": np.array([0, 1, 2], np.int8)} | arrays
    np.savez(folder / "walk_3.npz", **{name: array for name, array in given.items() if array is not None})
    return folder / "walk_3.npz"


@pytest.mark.parametrize("form", ["csv", "tsv", "npz"])
@pytest.mark.parametrize("said_by", ["owner", "yaml"])
def test_a_session_comes_back_as_written(tmp_path, form, said_by):
    if form == "npz":
        path = saved(tmp_path)
    else:
        path = written(tmp_path, CSV.replace(",", "\t") if form == "tsv" else CSV, f"walk_3.{form}")
    assert reader_for(path) is movement
    if said_by == "yaml":
        path = written(tmp_path, "format: movement\nrate_hz: 10\nsubject: g4\nlocation: M1\n", "walk_3.yaml")
        recording = read_recording(path, "grid")
    else:
        recording = read_recording(path, "grid", about={"rate_hz": 10, "subject": "g4", "location": "M1"})
    assert recording.session_ids == ("grid-walk_3",)
    session = rows(recording, SESSIONS).row(0, named=True)
    said = ("subject_id", "location", "unit_count", "frame_count", "rate_hz")
    assert [session[name] for name in said] == ["g4", "M1", 2, 3, 10.0]
    (trace,) = recording.traces
    assert trace.signal == "dff"
    np.testing.assert_array_equal(trace.values, VALUES)
    assert rows(recording, UNITS)["name"].to_list() == ([None, None] if form == "npz" else ["n1", "n2"])
    assert rows(recording, FRAMES)["time_s"].to_list() == [0.0, 0.1, 0.2]
    assert rows(recording, FRAME_LABELS).drop("session_id").rows() == [
        (0, 0, "none"),
        (1, 1, "contralateral"),
        (2, 2, "ipsilateral"),
    ]


def test_a_session_of_many_neurons_goes_into_the_lake(tmp_path, rng, lake: Lake):
    values = rng.normal(0, 1, (500, 431)).astype(np.float32)
    labels = rng.integers(0, 3, 500)
    table = np.column_stack([np.arange(100, 600), values, labels])
    header = ",".join(["frame", *map(str, range(1, 432)), "label"])
    np.savetxt(tmp_path / "m1.csv", table, delimiter=",", fmt="%.9g", header=header, comments="")
    recording = read_recording(tmp_path / "m1.csv", "grid", about={"rate_hz": 15.0, "signal": "denoised"})
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="test")
    found = lake.query("SELECT unit_id, value FROM recorded.traces WHERE signal = 'denoised' ORDER BY unit_id, frame")
    assert found["unit_id"].unique().to_list() == list(range(1, 432))
    np.testing.assert_array_equal(found["value"].to_numpy().reshape(431, 500), values.T)
    assert lake.query("SELECT label FROM recorded.frame_labels ORDER BY frame")["label"].to_list() == labels.tolist()
    assert '"first_frame": 100' in rows(recording, SESSIONS)["metadata"].item()


def test_subject_and_start_name_a_session(tmp_path):
    about = {"rate_hz": 10, "subject": 4, "started_at": "2026-01-05T09:30:00Z"}
    assert read_recording(written(tmp_path), "grid", about=about).session_ids == ("grid-4-20260105T093000Z",)


def test_without_a_rate_it_says_where_to_put_one(tmp_path):
    with pytest.raises(Refused) as caught:
        read_recording(written(tmp_path), "grid")
    assert caught.value.reader == "movement"
    assert caught.value.field == "rate_hz"
    assert "walk_3.yaml" in caught.value.expected
    assert "sources.yaml" in caught.value.expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CSV.replace("0.7,2", "0.7,3"), "walk_3.csv line 4: found label 3; expected one of 0 none, 1 contralateral, 2"),
        (CSV.replace("0.7,2", "0.7,"), "walk_3.csv line 4: found label nan"),
        (CSV.replace("0.7,2", "0.7,0.5"), r"walk_3.csv line 4: found label 0\.5"),
        (CSV.replace("0.7,2", "0.7,left"), r"walk_3.csv line 4: found text 'left' in column 4 \(label\)"),
        (CSV.replace("2,0.3", "3,0.3"), "walk_3.csv line 4: found frame 3 after 1; expected frames that count up"),
        (CSV.replace("2,0.3", "1,0.3"), "walk_3.csv line 4: found frame 1 after 1"),
        (CSV.replace("0,0.1", ",0.1"), "walk_3.csv line 2: found frame nan; expected a whole number"),
        (CSV.replace("0,0.1", "0.5,0.1"), r"walk_3.csv line 2: found frame 0\.5; expected a whole number"),
        (CSV.replace("0.2", "high"), r"walk_3.csv line 3: found text 'high' in column 2 \(n1\)"),
        (CSV.replace("0.2,,", "0.2,"), "walk_3.csv line 3: found 3 values; expected 4"),
        (CSV.replace("n2", "n1"), "walk_3.csv header: found n1 more than once"),
        ("frame,n1,label\n", "walk_3.csv rows: found no row of numbers"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_with_its_line(tmp_path, content, said):
    with pytest.raises(Refused, match=said):
        read_recording(written(tmp_path, content), "grid", about={"rate_hz": 10})


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"label": np.array([0, 1, 5])}, "walk_3.npz row 2: found label 5"),
        ({"frame": np.array([0, 2, 3])}, "walk_3.npz row 1: found frame 2 after 0"),
        ({"frame": np.arange(4)}, r"walk_3.npz array frame: found int64 of shape \(4,\); expected frame \(n_frames,\)"),
        ({"neurons": VALUES}, "walk_3.npz array frame"),
        ({"neurons": VALUES[:, :, None]}, r"walk_3.npz array frame|shape \(2, 3, 1\)"),
        ({"neurons": np.zeros((3, 0))}, "walk_3.npz shape: found 0 cells x 3 frames"),
        ({"label": np.array(["a", "b", "c"])}, "walk_3.npz array label: found <U1"),
        ({"label": np.array([{}, {}, {}])}, "walk_3.npz array label: found Python objects"),
    ],
)
def test_what_is_wrong_in_arrays_is_named(tmp_path, arrays, said):
    with pytest.raises(Refused, match=said):
        read_recording(saved(tmp_path, **arrays), "grid", about={"rate_hz": 10})


def test_arrays_too_large_for_memory_are_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(movement_table, "_MOST_BYTES", 10)
    with pytest.raises(Refused, match="array neurons: found 24 bytes; expected at most 10 bytes, or a CSV"):
        read_recording(saved(tmp_path), "grid", about={"rate_hz": 10})


def test_only_its_own_files_are_recognised(tmp_path):
    for name, content in {
        "a.csv": "frame,label\n0,0\n",
        "b.csv": "frame,n1,labels\n",
        "c.csv": "time,n1,label\n",
        "d.csv": "",
        "e.csv": '"frame,n1,label',
        "f.md": CSV,
        "g.npz": "PK no zip",
    }.items():
        assert not movement.recognises(written(tmp_path, content, name)), name
    assert not movement.recognises(saved(tmp_path, label=None))
    assert movement.recognises(written(tmp_path, '\ufeff"Frame", n1 ,"Label"\r\nbroken'))
    with pytest.raises(OSError, match="gone"):
        movement.recognises(tmp_path / "gone.csv")


def test_the_owner_names_no_files_for_a_bare_table(tmp_path):
    about = {"rate_hz": 10, "events": {"file": "log.csv", "time_unit": "s", "clock": "frames"}}
    with pytest.raises(Refused, match=r"about.events: found the unknown key events; expected one of session, subject"):
        read_recording(written(tmp_path), "grid", about=about)
