"""Ground truth for spike inference: each entry a session, spikes in seconds beside dF/F; or refused with its entry."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.io

from storage.lake import Lake
from storage.readers.choose import read_recording, reader_for
from storage.readers.recording import Recording, Refused
from storage.readers.studies import spike_ground_truth
from storage.tables import FRAMES, IMAGES, SESSIONS, UNITS

TIME_S = np.array([[0.05, 0.08, 0.11, 0.14]])
DFF = np.array([[0.1, np.nan, 0.3, -0.1]])
AP = np.array([[400.0], [812.5], [1100.0]])  # 1e-4 s


def entry(**changed: object) -> dict[str, object]:
    fields = {"fluo_time": TIME_S, "fluo_mean": DFF, "events_AP": AP, "template": np.zeros((0, 0)), "F0": 76.5}
    return {name: value for name, value in (fields | changed).items() if value is not None}


def written(folder: Path, *entries: dict[str, object], name: str = "CAttached_fish1_cell1_mini.mat") -> Path:
    cells = np.empty((1, len(entries)), object)
    for place, one in enumerate(entries):
        cells[0, place] = one
    scipy.io.savemat(folder / name, {"CAttached": cells}, do_compression=True)
    return folder / name


def rows(recording: Recording, table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(recording.rows[table]))


def spikes(recording: Recording) -> dict[str, list[float]]:
    found = pl.concat([pl.DataFrame(pl.from_arrow(block)) for rows in recording.blocks for block in rows.blocks()])
    by_session = found.group_by(["session_id"], maintain_order=True)
    return {str(session_id): group["time_s"].to_list() for (session_id,), group in by_session}


def test_each_entry_is_a_session_with_one_cell(tmp_path):
    folder = tmp_path / "DS10-GCaMP6f-m-V1-neuropil-corrected"
    folder.mkdir()
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 4] = 1
    later = entry(
        fluo_time=np.array([1.0, 2.0]),
        fluo_mean=np.array([[0.5], [0.6]]),
        fluo_raw=np.array([50.0, 60]),
        events_AP=np.zeros((0, 0), np.uint8),
        AVG_movie=np.arange(24.0).reshape(4, 6),
        ROI_map_input=mask,
    )
    recording = read_recording(written(folder, entry(template=np.ones(3)), later), "cascade")
    first, second = (f"cascade-CAttached_fish1_cell1_mini-{number}" for number in (1, 2))
    assert recording.session_ids == (first, second)
    sessions = rows(recording, SESSIONS)
    assert sessions.select("unit_count", "frame_count", "indicator", "location").rows() == [
        (1, 4, "GCaMP6f", "V1"),
        (1, 2, "GCaMP6f", "V1"),
    ]
    np.testing.assert_allclose(sessions["rate_hz"], [1 / 0.03, 1.0])
    data_set = {"data_set": folder.name, "species": "mouse"}
    assert json.loads(sessions["metadata"][0]) == data_set | {"entry": 1, "not_read": ["template"]}
    assert json.loads(sessions["metadata"][1]) == data_set | {"entry": 2}
    np.testing.assert_allclose(spikes(recording)[first], [0.04, 0.08125, 0.11])
    assert second not in spikes(recording)
    traces = {(trace.session_id, trace.signal): trace.values for trace in recording.traces}
    np.testing.assert_array_equal(traces[first, "dff"], DFF.astype(np.float32))
    np.testing.assert_array_equal(traces[second, "fluorescence"], [[50, 60]])
    assert rows(recording, FRAMES)["time_s"].to_list() == [*TIME_S[0], 1.0, 2.0]
    units = rows(recording, UNITS)
    assert units["name"].to_list() == ["CAttached_fish1_cell1_mini"] * 2
    assert units.select("x_px", "y_px", "area_px").rows() == [(None, None, None), (4.0, 1.5, 2.0)]
    assert json.loads(units["attributes"][0]) == {"F0": 76.5}
    image = rows(recording, IMAGES).row(0, named=True)
    assert (image["session_id"], image["image_name"], image["height_px"]) == (second, "AVG_movie", 4)


def test_the_owner_knows_better_than_the_folder(tmp_path):
    about = {"subject": "fish1", "indicator": "OGB-1", "session": "f1"}
    recording = read_recording(written(tmp_path, entry()), "cascade", about=about)
    assert recording.session_ids == ("cascade-f1-1",)
    assert rows(recording, SESSIONS).select("subject_id", "indicator", "location").row(0) == ("fish1", "OGB-1", None)


def test_spikes_are_put_in_order_and_that_is_said(tmp_path):
    recording = read_recording(written(tmp_path, entry(events_AP=AP[[2, 0, 1]])), "cascade")
    np.testing.assert_allclose(next(iter(spikes(recording).values())), [0.04, 0.08125, 0.11])
    assert json.loads(rows(recording, UNITS)["attributes"].item())["unordered_spikes"] == 1


def test_it_goes_into_the_lake(tmp_path, lake: Lake):
    recording = read_recording(written(tmp_path, entry(), entry()), "cascade")
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="test")
    found = lake.query("SELECT session_id, count(*) AS n FROM recorded.spikes GROUP BY ALL ORDER BY ALL")
    assert found["n"].to_list() == [3, 3]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"events_AP": None}, r"CAttached\{2\}: found no events_AP; expected fluo_time, fluo_mean, events_AP"),
        ({"fluo_mean": DFF[:, :3]}, r"CAttached\{2\}.fluo_mean: found 3 values for 4 times; expected one for each"),
        ({"fluo_raw": DFF[:, :3]}, r"CAttached\{2\}.fluo_raw: found 3 values for 4 times"),
        ({"fluo_mean": np.zeros((2, 2))}, r"CAttached\{2\}.fluo_mean: found float64 of shape \(2, 2\)"),
        ({"fluo_mean": "text"}, r"CAttached\{2\}.fluo_mean: found str; expected one row of numbers"),
        ({"fluo_mean": DFF + 1j}, r"CAttached\{2\}.fluo_mean: found complex128"),
        ({"fluo_time": np.zeros((0, 0))}, r"CAttached\{2\}.fluo_time: found no values|float64 of shape"),
        ({"fluo_time": TIME_S[:, ::-1]}, r"CAttached\{2\}.fluo_time: found time running backwards at frame 1"),
        ({"fluo_time": np.array([0, 1, np.nan, 3])}, r"CAttached\{2\}.fluo_time: found nan at frame 2"),
        (
            {"events_AP": -AP},
            r"CAttached\{2\}.events_AP: found -400 at spike 0; expected times of 0 or more, in 1e-4 s",
        ),
        ({"events_AP": np.array([1.0, np.nan])}, r"CAttached\{2\}.events_AP: found nan at spike 1"),
        (
            {"events_AP": AP / 1e4},
            r"CAttached\{2\}.events_AP: found spikes from 4e-06 to 1.1e-05 s, frames from 0.05 to",
        ),
    ],
)
def test_what_is_wrong_in_an_entry_is_named(tmp_path, changed, said):
    with pytest.raises(Refused, match=said):
        read_recording(written(tmp_path, entry(), entry(**changed)), "cascade")


def test_other_and_torn_mats(tmp_path):
    path = written(tmp_path, entry())
    assert spike_ground_truth.recognises(path)
    scipy.io.savemat(tmp_path / "other.mat", {"dff": DFF})
    assert not spike_ground_truth.recognises(tmp_path / "other.mat")
    assert reader_for(tmp_path / "other.mat") is None
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 50])
    assert spike_ground_truth.recognises(path)
    with pytest.raises(Refused, match="file: found"):
        read_recording(path, "cascade")
    (tmp_path / "torn.mat").write_bytes(content[: len(content) - 50])
    assert not spike_ground_truth.recognises(tmp_path / "torn.mat")


@pytest.mark.parametrize(("data_set", "files", "entries", "rate_hz"), [("DS06", 8, 23, 30.05), ("DS09", 11, 33, 60.06)])
def test_the_published_recordings_are_read_whole(recordings, data_set, files, entries, rate_hz):
    paths = sorted((recordings / "spike_inference" / "ground_truth").glob(f"{data_set}*/*.mat"))
    assert len(paths) == files
    read = 0
    for path in paths:
        recording = read_recording(path, "cascade")
        sessions = rows(recording, SESSIONS)
        np.testing.assert_allclose(sessions["rate_hz"], rate_hz, rtol=1e-3)
        assert set(sessions["indicator"]) == {"GCaMP6f"}
        time_s = rows(recording, FRAMES).partition_by("session_id", maintain_order=True)
        of_session, traces = spikes(recording), {trace.session_id: trace for trace in recording.traces}
        held = scipy.io.loadmat(path)["CAttached"].ravel()
        assert len(held) == len(sessions)
        for one, session_id, frames in zip(held, recording.session_ids, time_s, strict=True):
            source = one[0, 0]
            np.testing.assert_array_equal(frames["time_s"], source["fluo_time"].ravel())
            np.testing.assert_array_equal(traces[session_id].values, source["fluo_mean"].astype(np.float32))
            np.testing.assert_array_equal(of_session[session_id], source["events_AP"].ravel() / 1e4)
        read += len(held)
    assert read == entries
