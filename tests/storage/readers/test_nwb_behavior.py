"""Signals of the animal in NWB, each under its name and unit; what it did, as events; and pictures of the plane."""

import json

import h5py
import numpy as np
import pytest
from pynwb import TimeSeries
from pynwb.base import Images
from pynwb.behavior import (
    BehavioralEvents,
    BehavioralTimeSeries,
    EyeTracking,
    Position,
    PupilTracking,
    SpatialSeries,
)
from pynwb.image import GrayscaleImage, RGBAImage, RGBImage
from pynwb.misc import AnnotationSeries, IntervalSeries

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.nwb import nwb_behavior
from storage.readers.nwb.nwb_behavior import unit_suffix
from storage.tables import BEHAVIOR_SIGNALS, EVENTS, IMAGES, SESSIONS
from tests.storage.readers.planted_nwb import by_pynwb, refusal, rows, written

pytestmark = pytest.mark.filterwarnings(
    "ignore:BehavioralEvents is deprecated", "ignore:AnnotationSeries is deprecated"
)

TIME_S = np.array([0.0, 0.5, 0.5, 2.0])


def one(name: str = "running_speed", data=(1.0, np.nan, 3.0, -4.0), unit: str = "cm/s", **said) -> TimeSeries:
    timing = {} if "rate" in said else {"timestamps": TIME_S}
    return TimeSeries(name=name, data=np.array(data), unit=unit, **timing, **said)


def behavior(*held):
    """A part with these in the processing module of behaviour."""

    def part(nwbfile):
        module = nwbfile.create_processing_module("behavior", "d")
        for container in held:
            module.add(container)

    return part


def signals(path) -> dict[str, tuple[list, list]]:
    """Times and values of each signal."""
    read = rows(read_recording(path, "lab"), BEHAVIOR_SIGNALS)
    assert all(part["sample"].to_list() == list(range(len(part))) for _, part in read.group_by("signal"))
    return {
        str(name): (part["time_s"].to_list(), part["value"].to_list())
        for (name,), part in read.group_by("signal", maintain_order=True)
    }


def left_out(path) -> dict:
    return json.loads(rows(read_recording(path, "lab"), SESSIONS)["metadata"].item()).get("left_out", {})


def test_a_signal_comes_with_its_times_and_its_unit(tmp_path):
    def acquired(nwbfile):
        nwbfile.add_acquisition(one())

    path = written(tmp_path / "m.nwb", acquired)
    assert signals(path) == {"running_speed_cm_per_s": (TIME_S.tolist(), [1.0, None, 3.0, -4.0])}
    with by_pynwb(path) as nwbfile:
        held = nwbfile.acquisition["running_speed"]
        np.testing.assert_array_equal(signals(path)["running_speed_cm_per_s"][0], held.timestamps[:])


def test_every_container_of_behaviour_is_read(tmp_path):
    def xy(name: str, columns: int, unit: str) -> SpatialSeries:
        data = np.arange(4.0 * columns).reshape(4, columns)
        return SpatialSeries(name=name, data=data, unit=unit, rate=2.0, reference_frame="corner")

    parts = behavior(
        Position(spatial_series=[xy("Head", 2, "meters")]),
        EyeTracking(spatial_series=[xy("gaze", 3, "degrees")]),
        PupilTracking(time_series=[one("pupil_area", unit="pixels^2")]),
        BehavioralTimeSeries(time_series=[one("wheelTurns", unit="a.u."), one("paw", np.ones((4, 5)), "mm")]),
        one("lick_sensor", [True, False, True, True], "n.a."),
    )
    read = signals(written(tmp_path / "m.nwb", parts))
    assert set(read) == {
        "head_x_m",
        "head_y_m",
        "gaze_x_deg",
        "gaze_y_deg",
        "gaze_z_deg",
        "pupil_area_px2",
        "wheel_turns_au",
        *[f"paw_{column}_mm" for column in range(5)],
        "lick_sensor",
    }
    assert read["head_y_m"] == ([0.0, 0.5, 1.0, 1.5], [1.0, 3.0, 5.0, 7.0])
    assert read["lick_sensor"][1] == [1.0, 0.0, 1.0, 1.0]


def test_signals_of_one_name_are_called_by_their_place(tmp_path):
    parts = behavior(
        BehavioralTimeSeries(name="left", time_series=[one("speed")]),
        BehavioralTimeSeries(name="right", time_series=[one("speed")]),
    )
    read = signals(written(tmp_path / "m.nwb", parts))
    assert set(read) == {"processing_behavior_left_speed_cm_per_s", "processing_behavior_right_speed_cm_per_s"}


def test_a_conversion_gives_the_unit(tmp_path):
    parts = behavior(one("speed", [1, 2, 3, 4], "cm/s", conversion=0.5, offset=1.0))
    assert signals(written(tmp_path / "m.nwb", parts))["speed_cm_per_s"][1] == [1.5, 2.0, 2.5, 3.0]


@pytest.mark.parametrize(
    ("unit", "suffix"),
    [
        ("cm/s", "cm_per_s"),
        ("meters per second", "m_per_s"),
        ("m / s^2", "m_per_s2"),
        ("pixels^2", "px2"),
        ("px²", "px2"),
        ("%", "percent"),
        ("a.u.", "au"),
        ("Volts", "v"),
        ("µm", "um"),
        ("unknown", ""),
        ("n/a", ""),
        ("n.a.", ""),
        ("", ""),
        (None, ""),
        ("degrees Celsius", "degrees_celsius"),
    ],
)
def test_a_unit_is_the_end_of_a_name(unit, suffix):
    assert unit_suffix(unit) == suffix


@pytest.mark.parametrize("per_block", [1, 3, 1000])
def test_blocks_of_any_size_give_the_same_samples(tmp_path, monkeypatch, per_block, lake: Lake):
    monkeypatch.setattr(nwb_behavior, "_ROWS_PER_BLOCK", per_block)
    path = written(tmp_path / "m.nwb", behavior(one(), one("pos", np.arange(8.0).reshape(4, 2), "cm")))
    recording = read_recording(path, "lab")
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="planted")
    stored = lake.query(
        "SELECT signal, list(value ORDER BY sample) FROM recorded.behavior_signals GROUP BY 1 ORDER BY 1"
    )
    assert stored.rows() == [
        ("pos_0_cm", [0.0, 2.0, 4.0, 6.0]),
        ("pos_1_cm", [1.0, 3.0, 5.0, 7.0]),
        ("running_speed_cm_per_s", [1.0, None, 3.0, -4.0]),
    ]


def test_what_is_no_signal_is_named(tmp_path):
    def acquired(nwbfile):
        nwbfile.add_acquisition(one("pose", np.zeros((4, 9)), "px"))
        nwbfile.add_acquisition(IntervalSeries(name="runs", data=[1, -1], timestamps=[0.0, 1.0]))
        nwbfile.add_acquisition(one())

    assert left_out(written(tmp_path / "m.nwb", acquired)) == {
        "acquisition/pose": "TimeSeries (4, 9)",
        "acquisition/runs": "IntervalSeries (2,)",
    }


def test_what_the_animal_did_is_events(tmp_path):
    def acquired(nwbfile):
        log = AnnotationSeries(name="log", data=["door", "lights"], timestamps=[0.1, 1.0])
        nwbfile.add_acquisition(log)

    licks = TimeSeries(name="licks", data=[1.0, 1.0], unit="n.a.", timestamps=[0.2, 0.9])
    rewards = TimeSeries(name="rewards", data=[0.005], unit="ml", timestamps=[0.3])
    cues = TimeSeries(name="cue", data=[[1, 2]], unit="n.a.", timestamps=[0.25])
    path = written(tmp_path / "m.nwb", behavior(BehavioralEvents(time_series=[licks, rewards, cues])), acquired)
    read = rows(read_recording(path, "lab"), EVENTS)
    assert read.select("event_id", "kind", "name", "onset_s", "offset_s").rows() == [
        (0, "mark", "door", 0.1, 0.1),
        (1, "lick", "licks", 0.2, 0.2),
        (2, "mark", "cue", 0.25, 0.25),
        (3, "reward", "rewards", 0.3, 0.3),
        (4, "lick", "licks", 0.9, 0.9),
        (5, "mark", "lights", 1.0, 1.0),
    ]
    said = [None if one is None else json.loads(one) for one in read["attributes"]]
    assert said[2:4] == [{"value": [1, 2], "unit": "n.a."}, {"value": 0.005, "unit": "ml"}]
    assert read_recording(path, "lab").blocks == ()


def changed(path, name: str, stored) -> None:
    with h5py.File(path, "r+") as file:
        held = file["processing/behavior/running_speed"]
        said = dict(held[name].attrs)
        del held[name]
        held[name] = stored
        held[name].attrs.update(said)


@pytest.mark.parametrize("per_block", [1, 1000])
@pytest.mark.parametrize(
    ("name", "stored", "found"),
    [
        ("timestamps", [0.0, 1.0, 0.9, 2.0], "time running backwards at sample 2, to 0.9 s"),
        ("timestamps", [0.0, 1.0, np.nan, 2.0], "nan at sample 2"),
        ("timestamps", [0.0, 1.0, 2.0], "3 timestamps for 4 frames"),
        ("data", [0.0, np.inf, 1.0, 2.0], "inf in row"),
    ],
)
def test_a_signal_that_is_not_sound_is_refused(tmp_path, monkeypatch, per_block, name, stored, found):
    monkeypatch.setattr(nwb_behavior, "_ROWS_PER_BLOCK", per_block)
    path = written(tmp_path / "m.nwb", behavior(one()))
    changed(path, name, stored)
    assert found in refusal(path).found


def test_events_without_a_time_are_refused(tmp_path):
    licks = TimeSeries(name="licks", data=[1.0, 1.0], unit="n.a.", timestamps=[0.2, np.nan])
    refused = refusal(written(tmp_path / "m.nwb", behavior(BehavioralEvents(time_series=[licks]))))
    assert refused.field == "processing/behavior/BehavioralEvents/licks timestamps"
    assert refused.found == "nan at sample 1"


def test_pictures_are_kept_in_their_type(tmp_path, rng):
    pictures = {
        "mean": rng.random((3, 4), np.float32),
        "max": rng.integers(0, 60_000, (3, 4), np.uint16),
        "depth": rng.integers(-9, 9, (2, 2), np.int16),
    }
    colours = {"rgb": rng.integers(0, 255, (2, 3, 3), np.uint8), "rgba": rng.random((2, 3, 4))}
    grey = [GrayscaleImage(name=name, data=data) for name, data in pictures.items()]
    held = [*grey, RGBImage(name="rgb", data=colours["rgb"]), RGBAImage(name="rgba", data=colours["rgba"])]
    path = written(tmp_path / "m.nwb", behavior(Images(name="summary", images=held)))
    read = {row["image_name"]: row for row in rows(read_recording(path, "lab"), IMAGES).iter_rows(named=True)}
    for name, data in (pictures | colours).items():
        row = read[name]
        shape = row["height_px"], row["width_px"], row["channel_count"]
        stored = np.frombuffer(row["pixels"], row["pixel_type"]).reshape(shape)
        np.testing.assert_array_equal(stored.reshape(data.shape), data)
        assert row["kind"] == "projection"
    assert {name: row["pixel_type"] for name, row in read.items()} == {
        "mean": "float32",
        "max": "uint16",
        "depth": "float64",
        "rgb": "uint8",
        "rgba": "float64",
    }


def test_pictures_of_one_name_are_called_by_their_place_and_large_ones_named(tmp_path):
    def images(name: str, *held):
        return Images(name=name, images=list(held))

    parts = behavior(
        images("a", GrayscaleImage(name="mean", data=np.zeros((2, 2)))),
        images("b", GrayscaleImage(name="mean", data=np.zeros((2, 2)))),
        images("c", GrayscaleImage(name="ids", data=np.zeros((2, 2), np.int64))),
    )
    path = written(tmp_path / "m.nwb", parts)
    read = rows(read_recording(path, "lab"), IMAGES)
    assert read["image_name"].to_list() == ["processing/behavior/a/mean", "processing/behavior/b/mean"]
    assert left_out(path) == {"processing/behavior/c/ids": "GrayscaleImage (2, 2)"}
