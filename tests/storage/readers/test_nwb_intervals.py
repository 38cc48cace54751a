"""Intervals of NWB: trials with their outcomes, and every other table of times as events in order of onset."""

import json

import h5py
import numpy as np
import pytest
from pynwb import TimeSeries
from pynwb.epoch import TimeIntervals
from pynwb.event import EventsTable

from storage.readers.choose import read_recording
from storage.tables import EVENTS, SESSIONS, TRIALS
from tests.storage.readers.planted_nwb import by_pynwb, refusal, rows, written

pytestmark = pytest.mark.filterwarnings("ignore:EnumData is experimental")


def trials(**columns: list):
    """A part of one trial a second, each half a second long, with these columns."""

    def part(nwbfile):
        for name in columns:
            nwbfile.add_trial_column(name, name)
        for row in range(len(next(iter(columns.values())))):
            told = {name: given[row] for name, given in columns.items()}
            nwbfile.add_trial(start_time=float(row), stop_time=row + 0.5, **told)

    return part


def table(name: str, start: list[float], stop: list[float], **columns: list):
    """A part of intervals with these columns."""

    def part(nwbfile):
        held = TimeIntervals(name=name, description="d")
        for column in columns:
            held.add_column(column, column)
        for row, (first, last) in enumerate(zip(start, stop, strict=True)):
            told = {column: given[row] for column, given in columns.items()}
            held.add_interval(start_time=first, stop_time=last, **told)
        nwbfile.add_time_intervals(held)

    return part


def attributes(frame) -> list[dict]:
    return [json.loads(said) for said in frame["attributes"]]


def test_a_trial_keeps_all_that_is_said_of_it(tmp_path):
    told = {"outcome": ["hit", "miss"], "contrast": [0.5, np.nan], "side": ["left", "right"], "cells": [[1, 2], [3, 4]]}
    path = written(tmp_path / "m.nwb", trials(**told))
    recording = read_recording(path, "lab")
    read = rows(recording, TRIALS)
    assert read.drop("attributes").rows() == [(0, 0.0, 0.5, "hit"), (1, 1.0, 1.5, "miss")]
    assert attributes(read) == [
        {"contrast": 0.5, "side": "left", "cells": [1, 2]},
        {"contrast": None, "side": "right", "cells": [3, 4]},
    ]
    with by_pynwb(path) as nwbfile:
        assert read["start_s"].to_list() == nwbfile.trials["start_time"][:].tolist()
        assert [one["side"] for one in attributes(read)] == nwbfile.trials["side"][:].tolist()
    assert rows(recording, EVENTS).is_empty()
    assert "frame_count" not in rows(recording, SESSIONS).columns


@pytest.mark.parametrize(
    ("columns", "outcomes"),
    [
        (
            {"outcome": ["Hit", "false alarm", "correct-reject", "MISS"]},
            ["hit", "false_alarm", "correct_reject", "miss"],
        ),
        ({"trial_outcome": ["correct", "", "incorrect"]}, ["correct", None, "incorrect"]),
        ({"result": ["aborted", "auto_rewarded", "correct rejection"]}, ["aborted", "auto_rewarded", "correct_reject"]),
        ({"outcome": ["hit", "early lick"]}, None),
        ({"outcome": [1, 0]}, None),
        ({"trial_type": ["go", "catch"]}, None),
        ({"previous_outcome": ["hit", "miss"]}, None),
        ({"correct": [True, False]}, ["correct", "incorrect"]),
        ({"is_correct": [1.0, np.nan, 0.0]}, ["correct", None, "incorrect"]),
        ({"correct": [0.25, 0.5]}, None),
        ({"hit": [True, False, False], "miss": [False, True, False]}, ["hit", "miss", None]),
        ({"hit": [True, True], "auto_rewarded": [True, False]}, [None, "hit"]),
        ({"outcome": ["hit", "miss"], "correct": [False, True]}, ["hit", "miss"]),
        ({"hit": [2.5, 0.1]}, None),
    ],
)
def test_an_outcome_is_told_by_words_and_flags_that_say_nothing_else(tmp_path, columns, outcomes):
    read = rows(read_recording(written(tmp_path / "m.nwb", trials(**columns)), "lab"), TRIALS)
    if outcomes is None:
        assert "outcome" not in read.columns
        assert set(attributes(read)[0]) == set(columns)
    else:
        assert read["outcome"].to_list() == outcomes


def test_a_trial_has_the_number_that_the_table_gives_it(tmp_path):
    def part(nwbfile):
        for number in (4, 9):
            nwbfile.add_trial(start_time=float(number), stop_time=np.nan, id=number)

    read = rows(read_recording(written(tmp_path / "m.nwb", part), "lab"), TRIALS)
    assert read.rows() == [(4, 4.0), (9, 9.0)]


def test_all_other_intervals_are_events_in_order_of_onset(tmp_path):
    def epochs(nwbfile):
        nwbfile.add_epoch(start_time=0.0, stop_time=10.0, tags=["wake", "maze"])
        nwbfile.add_invalid_time_interval(start_time=2.0, stop_time=3.0, tags=["light on"])

    def module(nwbfile):
        held = TimeIntervals(name="rewards", description="d")
        held.add_interval(start_time=4.5, stop_time=4.6)
        nwbfile.create_processing_module("behavior", "d").add(held)

    parts = [
        epochs,
        table("drifting_gratings_presentations", [5.0, 1.0], [6.0, 2.0], orientation=[45.0, 90.0]),
        table("licks", [1.5], [1.5]),
        table("laser", [2.5], [np.nan], label=["blue"]),
        module,
    ]
    read = rows(read_recording(written(tmp_path / "m.nwb", *parts), "lab"), EVENTS)
    assert read.drop("attributes").rows() == [
        (0, "mark", "wake, maze", 0, 0.0, 10.0),
        (1, "stimulus", "drifting_gratings", 1, 1.0, 2.0),
        (2, "lick", "licks", 0, 1.5, 1.5),
        (3, "mark", "light on", 0, 2.0, 3.0),
        (4, "mark", "blue", 0, 2.5, None),
        (5, "reward", "rewards", 0, 4.5, 4.6),
        (6, "stimulus", "drifting_gratings", 0, 5.0, 6.0),
    ]
    assert read["attributes"].to_list() == [None, '{"orientation": 90.0}', *[None] * 4, '{"orientation": 45.0}']


IMAGES = {"image_name": ["im1", "omitted", "im2"], "omitted": [False, True, False], "is_change": [True, False, False]}


def test_images_stand_among_other_events_as_they_do_alone(tmp_path):
    images = table("natural_presentations", [1.0, 2.0, 3.0], [1.25, 2.25, 3.25], **IMAGES, block=[0, 0, 1])
    gray = table("spontaneous_presentations", [2.5], [2.6], image_name=["gray"])
    path = written(tmp_path / "m.nwb", images, gray, table("licks", [2.0], [2.0]))
    recording = read_recording(path, "lab")
    read = rows(recording, EVENTS)
    assert read.select("event_id", "kind", "name", "onset_s", "image_name", "is_change").rows() == [
        (0, "image", None, 1.0, "im1", True),
        (1, "omission", None, 2.0, None, False),
        (2, "lick", "licks", 2.0, None, None),
        (3, "stimulus", "spontaneous", 2.5, None, None),
        (4, "image", None, 3.0, "im2", False),
    ]
    assert json.loads(read["attributes"][3]) == {"image_name": "gray"}
    left_out = json.loads(rows(recording, SESSIONS)["metadata"].item())["left_out"]
    assert left_out == {"intervals/natural_presentations/block": "not kept of image presentations"}
    alone = rows(read_recording(written(tmp_path / "n.nwb", images), "lab"), EVENTS)
    assert alone.drop("event_id").rows() == read.select(alone.columns).drop("event_id")[[0, 1, 4]].rows()


def test_two_tables_of_images_are_refused(tmp_path):
    both = [table(f"{name}_presentations", [1.0, 2.0, 3.0], [1.1, 2.1, 3.1], **IMAGES) for name in ("a", "b")]
    refused = refusal(written(tmp_path / "m.nwb", *both))
    assert (refused.field, refused.found) == ("intervals", "a_presentations, b_presentations")


def test_an_events_table_has_instants_and_lengths(tmp_path):
    def part(nwbfile):
        held = EventsTable(name="licks", description="d")
        held.add_event(timestamp=0.5, duration=0.1)
        held.add_event(timestamp=0.75, duration=np.nan)
        nwbfile.add_events_table(held)
        pulses = EventsTable(name="pulses", description="d")
        pulses.add_event(timestamp=0.6, annotation="start")
        nwbfile.add_events_table(pulses)

    read = rows(read_recording(written(tmp_path / "m.nwb", part), "lab"), EVENTS)
    assert read.select("kind", "name", "onset_s", "offset_s").rows() == [
        ("lick", "licks", 0.5, 0.6),
        ("mark", "start", 0.6, 0.6),
        ("lick", "licks", 0.75, 0.75),
    ]


def test_columns_of_every_kind_say_what_pynwb_says(tmp_path):
    def part(nwbfile):
        probe = nwbfile.create_device("probe")
        group = nwbfile.create_electrode_group("shank", description="d", location="CA1", device=probe)
        for number in (5, 6, 7):
            nwbfile.add_electrode(id=number, group=group, location="CA1")
        sync = TimeSeries(name="sync", data=[1.0, 2.0, 3.0], unit="n.a.", rate=1.0)
        nwbfile.add_acquisition(sync)
        nwbfile.add_trial_column("site", "of stimulation", table=nwbfile.electrodes)
        nwbfile.add_trial_column("sites", "recorded", table=nwbfile.electrodes, index=True)
        nwbfile.add_trial_column("side", "of the port", enum=["left", "right"])
        nwbfile.add_trial_column("shank", "stimulated")
        nwbfile.add_trial_column("rgb", "colour")
        told = {"shank": group, "rgb": [0.5, 0.25, 1.0], "timeseries": [sync]}
        nwbfile.add_trial(start_time=0.0, stop_time=1.0, site=2, sites=[0, 2], side="right", **told)
        nwbfile.add_trial(start_time=1.0, stop_time=2.0, site=0, sites=[], side="left", **told)

    path = written(tmp_path / "m.nwb", part)
    recording = read_recording(path, "lab")
    both = {"shank": "shank", "rgb": [0.5, 0.25, 1.0]}
    assert attributes(rows(recording, TRIALS)) == [
        {"site": 7, "sites": [5, 7], "side": "right"} | both,
        {"site": 5, "sites": [], "side": "left"} | both,
    ]
    with by_pynwb(path) as nwbfile:
        assert nwbfile.trials["side"][:].tolist() == ["right", "left"]
        assert nwbfile.trials["site"][:].index.tolist() == [7, 5]
    left_out = json.loads(rows(recording, SESSIONS)["metadata"].item())["left_out"]
    assert left_out == {"intervals/trials/timeseries": "lists of TimeSeriesReferenceVectorData"}


def test_columns_too_wide_for_a_row_are_named(tmp_path):
    many = trials(licks=[list(np.arange(70.0)), list(np.arange(70.0))], side=["l", "r"])
    recording = read_recording(written(tmp_path / "m.nwb", many), "lab")
    assert attributes(rows(recording, TRIALS)) == [{"side": "l"}, {"side": "r"}]
    left_out = json.loads(rows(recording, SESSIONS)["metadata"].item())["left_out"]
    assert left_out == {"intervals/trials/licks": "VectorData of more than 64 values a row"}


@pytest.mark.parametrize(
    ("place", "column", "change", "field", "found"),
    [
        ("trials", "start_time", lambda t: [np.nan, 1.0], "intervals/trials start_time", "nan at row 0 (1 of 2 rows)"),
        ("trials", "stop_time", lambda t: [0.5, np.inf], "recorded.trials stop_s", "inf in row"),
        ("trials", "stop_time", lambda t: [0.5, 0.5], "recorded.trials stop_s", "trial 1 of lab-7 ending at 0.5 s"),
        ("trials", "id", lambda t: [3, 3], "recorded.trials", "more than one row"),
        ("trials", "id", lambda t: [-1, 3], "recorded.trials trial_id", "-1 in row"),
        ("laser", "start_time", lambda t: [np.inf], "intervals/laser start_time", "inf at row 0"),
        ("laser", "stop_time", lambda t: [0.1], "recorded.events offset_s", "ending at 0.1 s, begun at 0.25 s"),
    ],
)
def test_what_is_wrong_in_a_row_is_named(tmp_path, place, column, change, field, found):
    path = written(tmp_path / "m.nwb", trials(side=["l", "r"]), table("laser", [0.25], [0.5]))
    with h5py.File(path, "r+") as file:
        file[f"intervals/{place}/{column}"][...] = change(None)
    refused = refusal(path)
    assert field in refused.field
    assert found in refused.found


@pytest.mark.parametrize(
    ("column", "change", "field", "found"),
    [
        ("start_time", lambda held: held.astype("S4"), "intervals/trials start_time", "text"),
        ("side", lambda held: held[:1], "intervals/trials", "Columns must be the same length"),
        ("id", lambda held: np.arange(3), "intervals/trials", "same number of ids as length of columns"),
        ("tags_index", lambda held: held[:1] * 0 + 4, "intervals/trials", "Columns must be the same length"),
        ("tags_index", lambda held: np.array([3, 2]), "intervals/trials tags_index", "an end of 2 in row 1"),
        ("tags_index", lambda held: np.array([1, 9]), "intervals/trials tags_index", "4 values, rows that end at 9"),
    ],
)
def test_columns_that_do_not_fit_their_table_are_refused(tmp_path, column, change, field, found):
    def tagged(nwbfile):
        nwbfile.add_trial_column("side", "side")
        nwbfile.add_trial_column("tags", "tags", index=True)
        for row in range(2):
            nwbfile.add_trial(start_time=float(row), stop_time=row + 0.5, side="l", tags=["a", "b"])

    path = written(tmp_path / "m.nwb", tagged)
    with h5py.File(path, "r+") as file:
        held = file["intervals/trials"]
        stored, said = change(held[column][:]), dict(held[column].attrs)
        del held[column]
        held[column] = stored
        held[column].attrs.update(said)
    refused = refusal(path)
    assert refused.field == field
    assert found in refused.found
