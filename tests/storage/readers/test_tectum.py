"""The tectum folder: traces of all ROIs, stimuli at the frames that its authors' analysis starts from."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.recording import Recording, Refused
from storage.readers.studies import tectum
from storage.tables import EVENTS, FRAMES, SESSIONS, UNITS

VALUES = np.array([[0.5, 0.25, 0.125, -0.5], [1.0, 2.0, 3.0, 4.0]])
METADATA = """%Metadata for:
 FileName : <memory>
 Comment :   F4 ; lineshift2xyz2
>Devices start
 PCm : 0.01
<Devices end
>Context start : Measure
%SIZE
 D3Size : 4
%VOXEL
 WidthStep : 0.8
 D3Step : 500
 D3Origin : 0
 WidthUnit : \xb5m
 D3Unit : ms
"""
PROTOCOL = """prey_direction,stim1_dur,stim1_presence,stim1_size_x,stim2_presence,stim3_presence,stim_type,t
,3.1,0,0,0,0,pause,0.0
0.0,3.1,1,8,0,0,after_stim,0.75
0.0,3.1,0,0,0,0,after_last_stim,0.76
0.0,3.1,0,0,1,0,after_stim,1.0
0.0,3.1,0,0,0,1,after_stim,1.9
"""


def matrix(values: np.ndarray, rois: list | None = None) -> str:
    rois = list(range(len(values))) if rois is None else rois
    lines = ["," + ",".join(map(str, range(values.shape[1])))]
    lines += [",".join([str(roi), *map(repr, map(float, row))]) for roi, row in zip(rois, values, strict=True)]
    return "\n".join(lines) + "\n"


def written(folder: Path, **parts: str | None) -> Path:
    """The folder of a recording of two ROIs and four frames; ``protocol=...`` replaces a file, None leaves it out."""
    folder.mkdir(exist_ok=True)
    names = {"rois": "all_rois_df.csv", "protocol": "stimulus_protocol.csv", "metadata": "F4_metadata.txt"}
    names |= {"passed": "rois_r2_pass.csv"}
    held = {"rois": matrix(VALUES), "protocol": PROTOCOL, "metadata": METADATA, "passed": matrix(VALUES[1:])} | parts
    for part, text in held.items():
        if text is not None:
            (folder / names[part]).write_text(text, encoding="latin-1")
    return folder


def refusal(folder: Path) -> Refused:
    with pytest.raises(Refused) as caught:
        read_recording(folder, "fish")
    assert caught.value.reader == "zebrafish_tectum"
    return caught.value


def dff(recording: Recording) -> np.ndarray:
    (trace,) = recording.traces
    assert trace.signal == "dff"
    return np.concatenate([values for _, values in trace.spans()], axis=1)


def test_all_rois_come_back_with_the_microscopes_frames(tmp_path):
    recording = read_recording(written(tmp_path / "F4"), "fish")
    assert recording.session_ids == ("fish-F4",)
    np.testing.assert_array_equal(dff(recording), VALUES.astype(np.float32))
    assert recording.rows[UNITS]["unit_id"].to_pylist() == [0, 1]
    assert recording.rows[FRAMES]["time_s"].to_pylist() == [0.0, 0.5, 1.0, 1.5]
    session = recording.rows[SESSIONS].to_pylist()[0]
    assert (session["unit_count"], session["frame_count"], session["rate_hz"]) == (2, 4, 2.0)
    assert json.loads(session["metadata"])["femtonics"] == {
        "Metadata.FileName": "<memory>",
        "Metadata.Comment": "F4 ; lineshift2xyz2",
        "Devices.PCm": "0.01",
        "SIZE.D3Size": "4",
        "VOXEL.WidthStep": "0.8",
        "VOXEL.D3Step": "500",
        "VOXEL.D3Origin": "0",
        "VOXEL.WidthUnit": "µm",
        "VOXEL.D3Unit": "ms",
    }


def test_a_stimulus_stands_at_the_frame_in_which_it_was_logged(tmp_path):
    events = pl.from_arrow(read_recording(written(tmp_path / "F4"), "fish").rows[EVENTS])
    assert events.select("event_id", "kind", "name", "source_id", "onset_s").rows() == [
        (0, "stimulus", "prey", 1, 0.5),
        (1, "stimulus", "looming", 3, 1.0),
        (2, "stimulus", "dimming", 4, 1.5),
    ]
    assert json.loads(events["attributes"][0]) == {
        "stimulus": "stim1",
        "stim1_dur": 3.1,
        "stim1_presence": 1,
        "stim1_size_x": 8,
        "prey_direction": 0.0,
        "stim_type": "after_stim",
        "frame": 1,
        "logged_s": 0.75,
    }


def test_the_authors_selection_is_not_part_of_the_recording(tmp_path):
    folder = written(tmp_path / "F4")
    before = read_recording(folder, "fish")
    assert {file.name for file in tectum.parts(folder)} == {
        "all_rois_df.csv",
        "stimulus_protocol.csv",
        "F4_metadata.txt",
    }
    (folder / "rois_r2_pass.csv").write_text("something else")
    assert read_recording(folder, "fish").content_sha256 == before.content_sha256
    assert not tectum.recognises(written(tmp_path / "only", rois=None))


def test_an_empty_cell_is_missing(tmp_path):
    folder = written(tmp_path / "F4", rois=matrix(VALUES).replace("0.125", ""))
    np.testing.assert_array_equal(dff(read_recording(folder, "fish"))[0], np.float32([0.5, 0.25, np.nan, -0.5]))


def test_a_protocol_that_shows_nothing_makes_no_events(tmp_path):
    folder = written(tmp_path / "F4", protocol="stim1_presence,t\n0,0.0\n")
    assert EVENTS not in read_recording(folder, "fish").rows


def test_the_owner_may_say_the_rate_that_the_metadata_lacks(tmp_path):
    folder = written(tmp_path / "F4", metadata=METADATA.replace(" D3Step : 500\n", ""))
    assert "VOXEL.D3Step absent" in refusal(folder).found
    recording = read_recording(folder, "fish", about={"rate_hz": 2.0, "subject": "MF343", "session": "day1"})
    assert recording.rows[FRAMES]["time_s"].to_pylist() == [0.0, 0.5, 1.0, 1.5]
    assert recording.rows[SESSIONS]["subject_id"].to_pylist() == ["MF343"]
    assert recording.session_ids == ("fish-day1",)


@pytest.mark.parametrize(
    ("parts", "field", "found"),
    [
        ({"metadata": METADATA.replace("D3Size : 4", "D3Size : 5")}, "SIZE.D3Size", "4 frames in all_rois_df.csv, 5"),
        ({"metadata": METADATA.replace("D3Unit : ms", "D3Unit : s")}, "VOXEL.D3Step", "500.0 s"),
        ({"metadata": METADATA.replace(" D3Unit : ms\n", "")}, "VOXEL.D3Step", "500.0 None"),
        ({"metadata": METADATA.replace("500", "0")}, "VOXEL.D3Step", "0.0 ms"),
        ({"metadata": METADATA.replace("500", "half a second")}, "VOXEL.D3Step", "'half a second'"),
        ({"metadata": METADATA.replace("D3Origin : 0", "D3Origin : inf")}, "VOXEL.D3Origin", "'inf'"),
        ({"rois": matrix(VALUES).replace(",0,1,2", ",0,2,1", 1)}, "all_rois_df.csv", "'2' in the header"),
        ({"rois": ""}, "all_rois_df.csv", "'no frames' in the header"),
        ({"rois": ",0,1,2,3\n"}, "all_rois_df.csv", "a header and no rows"),
        ({"rois": matrix(VALUES).replace("0.25", "0.2x")}, "all_rois_df.csv", "0.2x"),
        ({"rois": matrix(VALUES).replace(",4.0", "")}, "all_rois_df.csv", "Expected 5 columns, got 4"),
        ({"rois": matrix(VALUES, rois=[0, "1.5"])}, "all_rois_df.csv", "1.5"),
        ({"rois": matrix(VALUES, rois=[0, ""])}, "all_rois_df.csv", "1 rows without a ROI"),
        ({"rois": matrix(VALUES, rois=[3, 3])}, "recorded.units", "unit_id 3"),
        ({"rois": matrix(VALUES).replace("3.0", "inf")}, "dff", "inf in cell 1 at frame 2"),
        ({"protocol": PROTOCOL.replace("1.9", "2.0")}, "stimulus_protocol.csv t", "'2.0' on line 6"),
        ({"protocol": PROTOCOL.replace("0.75", "-0.1")}, "stimulus_protocol.csv t", "'-0.1' on line 3"),
        ({"protocol": PROTOCOL.replace("0.75", "nan")}, "stimulus_protocol.csv t", "'nan' on line 3"),
        ({"protocol": PROTOCOL.replace("1,8,0,0", "1,8,1,0")}, "stimulus_protocol.csv", "stim1 and stim2 on line 3"),
        ({"protocol": PROTOCOL.replace("1,8,0,0", "on,8,0,0")}, "stimulus_protocol.csv", "stim1 on line 3"),
        ({"protocol": PROTOCOL.replace(",t\n", ",time\n")}, "stimulus_protocol.csv header", "no column t"),
        ({"protocol": PROTOCOL.splitlines()[0]}, "stimulus_protocol.csv rows", "a header and no rows"),
        ({"protocol": PROTOCOL + "1,2\n"}, "stimulus_protocol.csv line 7", "2 values"),
    ],
)
def test_what_does_not_hold_is_refused_with_its_place(tmp_path, parts, field, found):
    refused = refusal(written(tmp_path / "F4", **parts))
    assert field in refused.field
    assert found in refused.found
    assert refused.expected


def test_two_matrices_in_a_folder_are_refused(tmp_path):
    folder = written(tmp_path / "F4")
    (folder / "all_rois_left.csv").write_text(matrix(VALUES))
    assert refusal(folder).found == "all_rois_df.csv, all_rois_left.csv for all_rois*.csv"


def test_folders_without_all_three_are_not_claimed(tmp_path):
    for part in ("rois", "protocol", "metadata"):
        assert not tectum.recognises(written(tmp_path / part, **{part: None}))
    assert not tectum.recognises(tmp_path / "nowhere")


def test_the_published_recording_has_the_published_stimulus_frames(recordings):
    folder = recordings / "zebrafish_tectum"
    recording = read_recording(folder, "tectum")
    assert recording.session_ids == ("tectum-zebrafish_tectum",)
    expected = np.loadtxt(folder / "all_rois_df.csv", delimiter=",", skiprows=1)[:, 1:]
    assert expected.shape == (352, 439)
    np.testing.assert_array_equal(dff(recording), expected.astype(np.float32))
    time_s = recording.rows[FRAMES]["time_s"].to_numpy()
    np.testing.assert_allclose(np.diff(time_s), 0.9565608, rtol=1e-12)
    events = pl.from_arrow(recording.rows[EVENTS])
    onset_frame = np.searchsorted(time_s, events["onset_s"].to_numpy())
    np.testing.assert_array_equal(time_s[onset_frame], events["onset_s"].to_numpy())
    frames = {name: onset_frame[events["name"] == name].tolist() for name in ("prey", "looming", "dimming")}
    assert frames == {"prey": [46, 80, 115, 150, 184, 219], "looming": [252, 286, 319], "dimming": [353, 386, 420]}


def test_what_landed_selects_the_rois_that_the_authors_selected(recordings, lake: Lake):
    """A kernel of tau 1.5 s and r2 above 0.05 keep 163 ROIs: 55 prey, 92 looming, 16 dimming."""
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    folder = recordings / "zebrafish_tectum"
    recording = read_recording(folder, "tectum")
    lake.replace(recording.rows, traces=recording.traces, message="ingest")
    session_id = "tectum-zebrafish_tectum"
    values = lake.traces(session_id, "dff").values
    time_s = lake.query("SELECT time_s FROM recorded.frames ORDER BY frame")["time_s"].to_numpy()
    events = lake.query("SELECT name, onset_s FROM recorded.events")
    kernel = np.exp(-time_s / 1.5)
    regressors = []
    for name in ("prey", "looming", "dimming"):
        pulses = np.isin(time_s, events.filter(name=name)["onset_s"].to_numpy()).astype(float)
        regressors.append(np.convolve(pulses, kernel / kernel.sum())[: len(time_s)])
    X = np.array(regressors).T
    fit = LinearRegression().fit(X, values.T)
    kept = r2_score(values.T, fit.predict(X), multioutput="raw_values") > 0.05
    assert np.bincount(fit.coef_[kept].argmax(axis=1)).tolist() == [55, 92, 16]
    passed = np.loadtxt(folder / "rois_r2_pass.csv", delimiter=",", skiprows=1)[:, 1:]
    np.testing.assert_array_equal(values[kept], passed.astype(np.float32))
