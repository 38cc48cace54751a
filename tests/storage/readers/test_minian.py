"""Minian's arrays in Zarr and netCDF, timed by their frames' numbers, with what the animal did beside them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import pytest
import zarr

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.pipelines import minian
from storage.readers.recording import Recording, Refused
from storage.tables import BEHAVIOR_SIGNALS, EVENTS, FRAMES, IMAGES, SESSIONS, UNITS

UNIT_ID = [4, 9, 2]
FRAME = np.arange(100, 140)  # Minian was given part of the movie
N_FRAMES = len(FRAME)
START = 1_766_172_594.5
RATE = {"rate_hz": 20}
WHOLE = {"write_empty_chunks": True}  # as Zarr 2 did, and Minian is written by


def arrays() -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """Each array and its axes, an axis naming its coordinate or its lack of one."""
    rng = np.random.default_rng(2)
    axes = {"unit_id": np.array(UNIT_ID), "frame": FRAME}
    footprints = np.zeros((3, 4, 5))
    footprints[0, 1, 2] = 2.0
    footprints[1, 2:4, 1] = [1.0, 3.0]
    traces = {name: (rng.normal(size=(3, N_FRAMES)), axes) for name in ("C", "S", "YrA")}
    return traces | {
        "A": (footprints, {"unit_id": np.array(UNIT_ID), "height": np.arange(10, 14), "width": np.arange(20, 25)}),
        "max_proj": (rng.normal(size=(4, 5)), {"height": None, "width": None}),
    }


def to_zarr(
    folder: Path, held: Mapping[str, tuple[np.ndarray, dict[str, Any]]], identity: Mapping[str, str], form: int = 2
) -> Path:
    """A store per array, as xarray writes Minian's."""
    for name, (values, axes) in held.items():
        group = zarr.open_group(folder / f"{name}.zarr", mode="w", zarr_format=form)
        store(group, name, values, list(axes), form)
        for axis, coordinate in axes.items():
            if coordinate is not None:
                store(group, axis, np.asarray(coordinate), [axis], form)
        for key, text in identity.items():
            store(group, key, np.array(text), [], form)
    return folder


def store(group: zarr.Group, name: str, values: np.ndarray, axes: list[str], form: int) -> None:
    names = {"dimension_names": axes} if form == 3 else {"attributes": {"_ARRAY_DIMENSIONS": axes}}
    chunks = {"chunks": (1, *values.shape[1:])} if values.ndim > 1 else {}
    array = group.create_array(name, shape=values.shape, dtype=values.dtype, config=WHOLE, **chunks, **names)
    array[...] = values


def to_netcdf(path: Path, held: Mapping[str, tuple[np.ndarray, dict[str, Any]]], identity: Mapping[str, str]) -> Path:
    """One file, as netCDF-4 lays it out: axes are dimension scales, also those without a coordinate."""
    with h5py.File(path, "w") as file:
        for key, text in identity.items():
            file[key] = text
        for name, (values, axes) in held.items():
            dataset = file.create_dataset(name, data=values)
            for place, (axis, coordinate) in enumerate(axes.items()):
                if axis not in file:
                    file[axis] = np.zeros(values.shape[place]) if coordinate is None else coordinate
                    nameless = f"This is a netCDF dimension but not a netCDF variable. {values.shape[place]:10}"
                    file[axis].make_scale(axis if coordinate is not None else nameless)
                dataset.dims[place].attach_scale(file[axis])
    return path


def timestamps(numbers: np.ndarray = FRAME, seconds: np.ndarray | None = None) -> str:
    seconds = START + 0.05 * (numbers - FRAME[0]) if seconds is None else seconds
    rows = [f"{number},{second!r},{second + 0.04!r}" for number, second in zip(numbers, seconds.tolist(), strict=True)]
    return "\n".join(["frame,timestamp_first,timestamp_last", *rows, ""])


def tracked(columns: list[str], rows: list[str], part: str = "LED") -> str:
    header = (["Tracker"] * len(columns), [part] * len(columns), columns)
    return "\n".join([*("," + ",".join(row) for row in header), *rows, ""])


def session(folder: Path, **parts: Any) -> Path:
    """A session's folder, ``S=(values, axes)`` replacing an array, a text a table, None leaving it out."""
    held = arrays() | {name: value for name, value in parts.items() if isinstance(value, tuple)}
    left_out = [name for name, value in parts.items() if value is None]
    to_zarr(
        folder / "neural_data",
        {name: value for name, value in held.items() if name not in left_out},
        parts.get("identity", {"animal": "mouse 412", "session": "day3"}),
    )
    tables = {
        "neural_timestamp": timestamps(np.arange(90, 150)),
        "behavior_timestamp": "\n".join(
            ["frame_index,unix_time", *(f"{n},{START + 0.1 * (n + 1)!r}" for n in range(3))]
        ),
        "behavior_position": tracked(["x", "y", "likelihood"], ["0,1.5,2.5,1.0", "1,,2.75,0.5", "2,3.5,4.5,0.25"]),
        "zone_tracking": tracked(
            ["x", "y", "zone", "arm_position", "neural_time"],
            [
                f"{frame},{x},7.0,{zone},{along},{START + 0.05 * (frame - 100)!r}"
                for frame, x, zone, along in (
                    (100, "", "Unknown", ""),
                    (101, 1.0, "Arm_1", 0.25),
                    (102, 2.0, "Arm_1", 0.5),
                    (104, 3.0, "Room_2", ""),
                    (105, 4.0, "Arm_1", 0.75),
                    (106, 5.0, "Arm_1", 1.0),
                )
            ],
        ),
    }
    for name, text in (tables | parts).items():
        if isinstance(text, str):
            (folder / (name if "." in name else f"{name}.csv")).write_text(text)
    return folder


def signals(recording: Recording) -> dict[str, np.ndarray]:
    """Each signal whole, (n_units, n_frames)."""
    return {one.signal: np.concatenate([span for _, span in one.spans()], axis=1) for one in recording.traces}


def behavior(recording: Recording) -> pl.DataFrame:
    (blocks,) = recording.blocks
    assert blocks.table is BEHAVIOR_SIGNALS
    return pl.concat([pl.DataFrame(pl.from_arrow(block)) for block in blocks.blocks()])


def test_arrays_are_the_signals_that_minian_means(tmp_path):
    recording = read_recording(session(tmp_path / "day3"), "lab")
    assert recording.session_ids == ("lab-mouse_412-day3",)
    (row,) = recording.rows[SESSIONS].to_pylist()
    assert (row["subject_id"], row["unit_count"], row["frame_count"]) == ("mouse 412", 3, N_FRAMES)
    assert row["rate_hz"] == pytest.approx(20)
    assert row["unit_filter"] is None
    assert row["started_at"] == datetime.fromtimestamp(START, UTC)
    found = signals(recording)
    assert set(found) == {"denoised", "deconvolved", "demixed"}
    for signal, name in (("denoised", "C"), ("deconvolved", "S"), ("demixed", "YrA")):
        np.testing.assert_array_equal(found[signal], arrays()[name][0].astype(np.float32))
    assert all(trace.unit_id.tolist() == UNIT_ID for trace in recording.traces)


def test_footprints_and_projection_come_with_it(tmp_path):
    recording = read_recording(session(tmp_path / "day3"), "lab")
    units = {row["unit_id"]: (row["x_px"], row["y_px"], row["area_px"]) for row in recording.rows[UNITS].to_pylist()}
    assert units == {4: (22.0, 11.0, 1.0), 9: (21.0, 12.75, 2.0), 2: (None, None, None)}
    (image,) = recording.rows[IMAGES].to_pylist()
    assert (image["image_name"], image["height_px"], image["width_px"]) == ("max_proj", 4, 5)
    np.testing.assert_array_equal(np.frombuffer(image["pixels"], "<f8").reshape(4, 5), arrays()["max_proj"][0])


def test_frames_are_timed_by_their_numbers(tmp_path):
    frames = read_recording(session(tmp_path / "day3"), "lab").rows[FRAMES]
    np.testing.assert_allclose(frames["time_s"].to_numpy(), 0.05 * np.arange(N_FRAMES), atol=1e-6)
    # Every other frame was analysed, and the table is the miniscope's own, in milliseconds.
    halved = {"unit_id": np.array(UNIT_ID), "frame": np.arange(100, 180, 2)}
    table = "\n".join(["Frame Number,Time Stamp (ms),Buffer Index", *(f"{n},{n * 50},0" for n in range(200))])
    parts: dict[str, Any] = {name: (arrays()[name][0], halved) for name in ("C", "S", "YrA")}
    for name in ("behavior_position", "behavior_timestamp", "zone_tracking", "neural_timestamp"):
        parts[name] = None
    recording = read_recording(session(tmp_path / "day4", **parts, **{"timeStamps.csv": table}), "lab")
    np.testing.assert_allclose(recording.rows[FRAMES]["time_s"].to_numpy(), 0.1 * np.arange(40), atol=1e-9)
    assert recording.rows[SESSIONS]["started_at"].to_pylist() == [None]


def test_position_comes_on_its_own_times(tmp_path):
    found = behavior(read_recording(session(tmp_path / "day3"), "lab"))
    assert found["signal"].unique(maintain_order=True).to_list() == [
        "position_x_px",
        "position_y_px",
        "position_likelihood",
        "position_cleaned_x_px",
        "position_cleaned_y_px",
        "arm_position_fraction",
    ]
    x = found.filter(signal="position_x_px")
    np.testing.assert_allclose(x["time_s"], [0.1, 0.2, 0.3], atol=1e-6)
    assert x["value"].to_list() == [1.5, None, 3.5]
    arm = found.filter(signal="arm_position_fraction")
    np.testing.assert_allclose(arm["time_s"], [0.0, 0.05, 0.1, 0.2, 0.25, 0.3], atol=1e-6)
    assert arm["value"].to_list() == [None, 0.25, 0.5, None, 0.75, 1.0]


def test_each_visit_of_a_zone_is_a_mark(tmp_path):
    graph = "zones:\n  Arm_1: {type: arm, points: [[0, 1], [2, 3]]}\n  Room_2: 3\n"
    recording = read_recording(session(tmp_path / "day3", **{"behavior_graph.yaml": graph}), "lab")
    events = pl.from_arrow(recording.rows[EVENTS])
    assert events["kind"].unique().to_list() == ["mark"]
    assert events["name"].to_list() == ["Arm_1", "Room_2", "Arm_1"]
    assert events["source_id"].to_list() == [101, 104, 105]
    np.testing.assert_allclose(events["onset_s"], [0.05, 0.2, 0.25], atol=1e-6)
    np.testing.assert_allclose(events["offset_s"], [0.2, 0.25, 0.3], atol=1e-6)
    assert events["attributes"].to_list() == ['{"zone_type": "arm"}', None, '{"zone_type": "arm"}']
    assert '"points": [[0, 1], [2, 3]]' in recording.rows[SESSIONS]["metadata"][0].as_py()


def test_a_description_names_the_tables(tmp_path):
    folder = session(tmp_path / "day3")
    (folder / "neural_data").rename(folder / "out")
    (folder / "neural_timestamp.csv").rename(folder / "times.csv")
    (folder / "behavior_position.csv").rename(folder / "dlc.csv")
    said = (
        "neural: {path: out, timestamp: times.csv}\nbehavior: {position: dlc.csv, bodypart: LED, mm_per_pixel: 0.5}\n"
    )
    (folder / "data_paths.yaml").write_text(said)
    recording = read_recording(folder, "lab")
    assert recording.rows[FRAMES].num_rows == N_FRAMES
    assert "position_x_px" in behavior(recording)["signal"]
    assert '"mm_per_pixel": 0.5' in recording.rows[SESSIONS]["metadata"][0].as_py()
    (folder / "data_paths.yaml").write_text(said.replace("dlc.csv", "absent.csv"))
    with pytest.raises(Refused, match=r"absent.csv: found nothing; expected the table"):
        read_recording(folder, "lab")


def test_arrays_alone_need_the_owners_rate(tmp_path):
    folder = session(tmp_path / "day3") / "neural_data"
    with pytest.raises(Refused, match=r"rate_hz unknown: neural_timestamp.csv absent; expected `about: \{rate_hz"):
        read_recording(folder, "lab")
    about = {"rate_hz": 10, "subject": "m412", "session": "d3"}
    recording = read_recording(folder, "lab", about=about)
    assert recording.session_ids == ("lab-d3",)
    assert recording.rows[SESSIONS]["subject_id"].to_pylist() == ["m412"]
    assert recording.rows[FRAMES]["time_s"].to_pylist()[:3] == [0.0, 0.1, 0.2]
    assert not recording.blocks
    with pytest.raises(Refused, match=r"20.0 Hz in sources.yaml, and neural_timestamp.csv; expected one of them"):
        read_recording(folder.parent, "lab", about=RATE)


def test_without_names_inside_the_folders_name_the_session(tmp_path):
    folder = session(tmp_path / "mouse 7" / "day3", identity={})
    assert read_recording(folder, "lab").session_ids == ("lab-day3",)
    assert read_recording(folder / "neural_data", "lab", about=RATE).session_ids == ("lab-day3-neural_data",)


@pytest.mark.parametrize("form", ["one file", "file per array"])
def test_netcdf_says_the_same_as_zarr(tmp_path, form):
    identity = {"animal": "mouse 412", "session": "day3"}
    folder = tmp_path / "minian"
    folder.mkdir()
    if form == "one file":
        to_netcdf(folder / "minian.nc", arrays(), identity)
    else:
        for name, held in arrays().items():
            to_netcdf(folder / f"{name}.nc", {name: held}, identity)
    found = read_recording(folder, "lab", about=RATE)
    expected = read_recording(to_zarr(tmp_path / "zarr", arrays(), identity), "lab", about=RATE)
    assert found.session_ids == expected.session_ids == ("lab-mouse_412-day3",)
    for table in (UNITS, FRAMES, IMAGES):
        assert found.rows[table].equals(expected.rows[table])
    for signal, values in signals(expected).items():
        np.testing.assert_array_equal(signals(found)[signal], values)


def test_zarr_of_format_3_and_axes_the_other_way_round_are_read(tmp_path):
    held = {name: (values.T, dict(reversed(axes.items()))) for name, (values, axes) in arrays().items()}
    recording = read_recording(to_zarr(tmp_path / "minian", held, {}, form=3), "lab", about=RATE)
    np.testing.assert_array_equal(signals(recording)["denoised"], arrays()["C"][0].astype(np.float32))
    assert recording.rows[UNITS]["y_px"].to_pylist() == [11.0, 12.75, None]


def test_units_of_another_order_are_put_in_that_of_c(tmp_path):
    values = arrays()["S"][0]
    axes = {"unit_id": np.array([2, 4, 9]), "frame": FRAME}
    found = signals(read_recording(session(tmp_path / "day3", S=(values, axes)), "lab"))
    np.testing.assert_array_equal(found["deconvolved"], values[[1, 2, 0]].astype(np.float32))


def axes_with(**changed: Any) -> dict[str, Any]:
    return {"unit_id": np.array(UNIT_ID), "frame": FRAME} | changed


TRACES = np.ones((3, N_FRAMES))


@pytest.mark.parametrize(
    ("parts", "field", "found"),
    [
        ({"C": (TRACES, axes_with(unit_id=np.array([4, 4, 2])))}, "C.zarr unit_id", "4 more than once"),
        ({"C": (TRACES, axes_with(unit_id=None))}, "C.zarr unit_id", "no coordinate"),
        ({"C": (TRACES, axes_with(unit_id=np.array([0.5, 1, 2])))}, "C.zarr unit_id", "0.5"),
        ({"C": (TRACES, axes_with(unit_id=np.array([np.nan, 1, 2])))}, "C.zarr unit_id", "nan"),
        ({"C": (TRACES, axes_with(unit_id=np.arange(4)))}, "C.zarr unit_id", "int64 of shape (4,)"),
        ({"C": (TRACES, axes_with(frame=None))}, "C.zarr frame", "no coordinate"),
        ({"C": (TRACES, axes_with(frame=FRAME[::-1].copy()))}, "C.zarr frame", "frame 138 after frame 139"),
        ({"C": (TRACES, axes_with(frame=FRAME + 11))}, "neural_timestamp.csv frame", "no time for frame 150"),
        ({"C": (TRACES, {"cell": np.array(UNIT_ID), "frame": FRAME})}, "C.zarr unit_id", "no coordinate"),
        ({"S": (TRACES, axes_with(unit_id=np.array([4, 9, 3])))}, "S.zarr unit_id", "unit 2 in one of the two"),
        ({"S": (TRACES[:, :-1], axes_with(frame=FRAME[:-1]))}, "S.zarr frame", "39 frames, 100 to 138"),
        ({"A": (np.ones((2, 4, 5)), {"unit_id": np.array([4, 9]), "height": None, "width": None})}, "A.zarr unit_id",
         "unit 2 in one"),
        ({"A": (np.full((3, 4, 5), np.nan), {"unit_id": np.array(UNIT_ID), "height": None, "width": None})},
         "A.zarr of unit 4", "aren't finite"),
        ({"max_proj": (np.ones((2, 4, 5)), {"quantile": None, "height": None, "width": None})}, "max_proj.zarr",
         "axes ('quantile'"),
        ({"neural_timestamp": "frame,time\n1,2\n"}, "neural_timestamp.csv header", "columns frame, time"),
        ({"neural_timestamp": timestamps(FRAME[::-1].copy())}, "neural_timestamp.csv line 3", "frame 138 after"),
        ({"neural_timestamp": timestamps().replace(",1766172594.5,", ",nan,")}, "line 2 timestamp_first", "'nan'"),
        ({"neural_timestamp": timestamps().replace("100,", "100.5,", 1)}, "line 2 frame", "'100.5'"),
        ({"neural_timestamp": timestamps(seconds=np.r_[np.arange(20.0), np.arange(20.0)])},
         "neural_timestamp.csv times", "running backwards at frame 120 (20 of 40"),
        ({"neural_timestamp": timestamps(seconds=np.r_[np.arange(20.0), 3.5, np.arange(21.0, 40)])},
         "neural_timestamp.csv times", "running backwards at frame 120 (1 of 40"),
        ({"behavior_timestamp": None}, "behavior_position.csv", "no table of its times"),
        ({"behavior_timestamp": "frame_index,unix_time\n0,3\n1,2\n"}, "behavior_timestamp.csv unix_time", "backwards"),
        ({"behavior_timestamp": "frame_index,unix_time\n0,1\n"}, "behavior_timestamp.csv frame_index", "for frame 1"),
        ({"behavior_position": tracked(["x", "y"], ["0,1.5"])}, "behavior_position.csv line 4", "2 values"),
        ({"behavior_position": tracked(["x", "x"], ["0,1.5,2"])}, "behavior_position.csv coords", "x, x"),
        ({"behavior_position": tracked(["x", "y"], ["1,1,1", "0,1,1"])}, "behavior_position.csv line 5",
         "frame 0 after"),
        ({"behavior_position": tracked(["x", "y"], ["0,inf,1"])}, "behavior_position.csv x", "'inf' in row 0"),
        ({"behavior_position": tracked(["x", "y"], ["0,left,1"])}, "behavior_position.csv x", "'left' in row 0"),
        ({"behavior_position": "x,y\n1,2\n"}, "behavior_position.csv rows", "2 rows"),
        ({"behavior_position": tracked(["x", "y"], ["0,1,1"]).replace("LED,LED", "LED,tail")},
         "behavior_position.csv bodyparts", "LED, tail"),
        ({"zone_tracking": tracked(["x", "y", "zone"], ["99,1,1,Arm_1"])}, "zone_tracking.csv frame", "frame 99"),
        ({"zone_tracking": tracked(["x", "y", "neural_time"], [f"101,1,1,{START + 0.5}"])},
         "zone_tracking.csv neural_time", "frame 101 at 0.500 s"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_place(tmp_path, parts, field, found):
    with pytest.raises(Refused) as caught:
        read_recording(session(tmp_path / "day3", **parts), "lab")
    assert field in caught.value.field
    assert found in caught.value.found
    assert caught.value.reader == "minian"


def test_one_wrong_time_among_many_is_put_between_its_neighbours(tmp_path):
    frame = np.arange(1200)
    seconds = START + 0.05 * frame
    for wrong, by in ((300, 1.7), (700, -19.0)):
        seconds[wrong] += by
    axes = {"unit_id": np.array(UNIT_ID), "frame": frame}
    traces: dict[str, Any] = {name: (np.ones((3, 1200)), axes) for name in ("C", "S", "YrA")}
    tables: dict[str, Any] = {"neural_timestamp": timestamps(frame, seconds), "zone_tracking": None}
    recording = read_recording(session(tmp_path / "day3", **traces, **tables), "lab")
    np.testing.assert_allclose(recording.rows[FRAMES]["time_s"].to_numpy(), 0.05 * frame, atol=1e-6)
    assert '"interpolated_frames": [300, 700]' in recording.rows[SESSIONS]["metadata"][0].as_py()
    for more in ((301, 1.6), (1199, -3.0), (900, -9.0)):  # two in a row, the last, and a third of 1,200
        changed = seconds.copy()
        changed[more[0]] += more[1]
        (tmp_path / "day3" / "neural_timestamp.csv").write_text(timestamps(frame, changed))
        with pytest.raises(Refused, match="time running backwards at frame 301"):
            read_recording(tmp_path / "day3", "lab")
    seconds[701:] += 1.0  # a wrong time beside a gap: when that frame was taken is not known
    (tmp_path / "day3" / "neural_timestamp.csv").write_text(timestamps(frame, seconds))
    with pytest.raises(Refused, match="time running backwards"):
        read_recording(tmp_path / "day3", "lab")


def test_frames_with_gaps_need_a_table(tmp_path):
    held = {"C": (TRACES, axes_with(frame=np.r_[FRAME[:20], FRAME[20:] + 5]))}
    with pytest.raises(Refused, match="frame 125 after frame 119, and no table of their times"):
        read_recording(to_zarr(tmp_path / "minian", held, {}), "lab", about=RATE)


def test_two_animals_in_one_folder_are_refused(tmp_path):
    folder = to_zarr(tmp_path / "minian", {"C": arrays()["C"]}, {"animal": "a"})
    to_zarr(folder, {"S": arrays()["S"]}, {"animal": "b"})
    with pytest.raises(Refused, match=r"S.zarr animal: found 'b', elsewhere 'a'; expected one"):
        read_recording(folder, "lab", about=RATE)


@pytest.mark.parametrize("name", ["C", "S", "A"])
def test_a_missing_or_torn_chunk_is_refused(tmp_path, name):
    folder = session(tmp_path / "day3")
    chunk = sorted((folder / "neural_data" / f"{name}.zarr" / name).glob("[0-9]*"))[0]
    content = chunk.read_bytes()
    chunk.write_bytes(content[: len(content) // 2])
    with pytest.raises(Refused, match=f"{name}.zarr array {name}: found"):
        read_recording(folder, "lab")
    chunk.unlink()
    with pytest.raises(Refused, match=f"{name}.zarr array {name}: found no chunk"):
        read_recording(folder, "lab")


def test_parts_that_lead_out_are_refused(tmp_path):
    folder = session(tmp_path / "day3")
    (folder / "neural_data" / "S.zarr").rename(tmp_path / "S.zarr")
    (folder / "neural_data" / "S.zarr").symlink_to(tmp_path / "S.zarr")
    with pytest.raises(Refused, match="a link that leads out"):
        read_recording(folder, "lab")
    folder = session(tmp_path / "day4")
    (folder / "neural_timestamp.csv").rename(tmp_path / "times.csv")
    (folder / "neural_timestamp.csv").symlink_to(tmp_path / "times.csv")
    with pytest.raises(Refused, match="a link that leads out"):
        read_recording(folder, "lab")


@pytest.mark.parametrize("outside", ["../times.csv", "/etc/hostname"])
@pytest.mark.parametrize("said", ["neural: {path: neural_data, timestamp: %s}", "behavior: {position: %s}"])
def test_a_description_that_names_others_files_is_refused(tmp_path, said, outside):
    folder = session(tmp_path / "day3")
    (tmp_path / "times.csv").write_text(timestamps(seconds=np.arange(N_FRAMES) / 7.0))
    (folder / "data_paths.yaml").write_text(said.replace("%s", outside))
    with pytest.raises(Refused, match=r"data_paths.yaml: found '.*'; expected files in its own folder"):
        read_recording(folder, "lab")


def test_missing_values_stay_missing_and_infinite_ones_are_refused(tmp_path):
    values = np.ones((3, N_FRAMES))
    values[1, 5] = np.nan
    found = signals(read_recording(session(tmp_path / "day3", S=(values, axes_with())), "lab"))["deconvolved"]
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 5]]
    values[0, 7] = np.inf
    recording = read_recording(session(tmp_path / "day4", S=(values, axes_with())), "lab")
    with pytest.raises(Refused, match=r"deconvolved of lab-.*: found inf in cell 4 at frame 7"):
        signals(recording)


def test_netcdf_that_is_packed_torn_or_nameless_is_refused(tmp_path):
    path = to_netcdf(tmp_path / "minian.nc", arrays(), {})
    with h5py.File(path, "r+") as file:
        file["S"].attrs["scale_factor"] = 0.1
    with pytest.raises(Refused, match=r"minian.nc S: found packed numbers"):
        read_recording(tmp_path, "lab", about=RATE)
    with h5py.File(path, "w") as file:
        file["C"] = TRACES
    with pytest.raises(Refused, match=r"minian.nc C: found axes without names"):
        read_recording(tmp_path, "lab", about=RATE)
    path.write_bytes(b"CDF\x02 an older form")
    with pytest.raises(Refused, match=r"minian.nc: found OSError"):
        read_recording(tmp_path, "lab", about=RATE)


def test_other_folders_are_not_minians(tmp_path):
    (tmp_path / "neural_timestamp.csv").write_text(timestamps())
    (tmp_path / "data_paths.yaml").write_text("neural: [" * 5000)
    assert not minian.recognises(tmp_path)
    assert not minian.recognises(tmp_path / "absent")
    for child in ("one", "two"):  # which of the two would the table be of?
        (tmp_path / child / "C.zarr").mkdir(parents=True)
    assert not minian.recognises(tmp_path)
    assert minian.recognises(tmp_path / "one")
    with pytest.raises(Refused, match=r"C.zarr arrays: found no C"):
        read_recording(tmp_path / "one", "lab", about=RATE)


def test_it_goes_into_a_lake(tmp_path, lake: Lake):
    recording = read_recording(session(tmp_path / "day3"), "lab")
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="day3")
    demixed = lake.traces("lab-mouse_412-day3", "demixed")
    assert demixed.unit_id.tolist() == sorted(UNIT_ID)
    np.testing.assert_array_equal(demixed.values, arrays()["YrA"][0][np.argsort(UNIT_ID)].astype(np.float32))
    found = lake.query("SELECT count(*) AS samples, count(value) AS known FROM recorded.behavior_signals")
    assert found.row(0) == (3 * 3 + 3 * 6, 3 * 3 - 1 + 3 * 6 - 1 - 2)


def test_the_real_session_has_10_units_and_10_000_frames(recordings):
    folder = recordings / "miniscope_maze" / "regression_1d"
    recording = read_recording(folder, "lab")
    assert recording.session_ids == ("lab-minian_testing-WL25_20251219_3dmaze",)
    (row,) = recording.rows[SESSIONS].to_pylist()
    assert (row["unit_count"], row["frame_count"], row["subject_id"]) == (10, 10_000, "minian_testing")
    assert row["rate_hz"] == pytest.approx(20, rel=0.02)
    assert '"not_read": ["C_lp.zarr"]' in row["metadata"]
    stored = zarr.open_group(folder / "neural_data" / "C.zarr", mode="r")["C"][:]
    np.testing.assert_array_equal(signals(recording)["denoised"], stored)
    # The 11 frames that the authors' own pipeline dropped for their times are those that are put between others.
    times = pl.read_csv(folder / "neural_timestamp.csv")["timestamp_first"].to_numpy()
    time_s = recording.rows[FRAMES]["time_s"].to_numpy()
    other = np.flatnonzero(np.abs(times - times[0] - time_s) > 1e-6)
    assert other.tolist() == [1825, 1845, 2159, 4402, 7410, 9492, 9522, 9529, 9586, 9595, 9614]
    assert np.abs(np.diff(time_s)[other] - 0.05).max() < 0.03
    found = behavior(recording)
    position = pl.read_csv(folder / "behavior_position.csv", skip_rows=2)
    assert found.filter(signal="position_x_px")["value"].to_list() == position["x"].to_list()
    zones = pl.read_csv(folder / "zone_tracking.csv", skip_rows=2)["zone"]
    visits = [zone for place, zone in enumerate(zones) if zone != "Unknown" and (not place or zone != zones[place - 1])]
    assert pl.from_arrow(recording.rows[EVENTS])["name"].to_list() == visits
    assert recording.rows[UNITS]["area_px"].null_count == 0
