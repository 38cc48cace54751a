"""The units table of NWB: units with their metrics and places, spikes in order, or the unit that breaks it."""

import json

import h5py
import numpy as np
import polars as pl
import pytest
from pynwb.ophys import DfOverF

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.nwb import nwb_units
from storage.tables import SESSIONS, SPIKES, UNITS
from tests.storage.readers.planted_nwb import by_pynwb, plane, refusal, rows, series, values, written

TIMES = [np.array([0.5, 1.5, 1.5, 4.0]), np.empty(0), np.array([0.25, 0.75])]
pytestmark = pytest.mark.filterwarnings("ignore:The linked table for DynamicTableRegion")


def probe(nwbfile) -> None:
    """Three units on four electrodes in two structures; the second without spikes."""
    device = nwbfile.create_device("probe")
    group = nwbfile.create_electrode_group("shank", description="d", location="HPC", device=device)
    for structure in ("CA1", "CA1", "VISp", " "):
        nwbfile.add_electrode(group=group, location=structure)
    for name in (
        "quality",
        "firing_rate",
        "snr",
        "isi_violations_ratio",
        "presence_ratio",
        "amplitude_cutoff",
        "depth",
    ):
        nwbfile.add_unit_column(name, name)
    told = {
        "quality": ["good", "mua", ""],
        "firing_rate": [4.0, 0.0, np.nan],
        "snr": [2.5, np.nan, 1.0],
        "isi_violations_ratio": [0.1, 0.0, 0.2],
        "presence_ratio": [0.9, 0.0, 0.5],
        "amplitude_cutoff": [0.01, 0.5, 0.1],
        "depth": [10, 20, 30],
    }
    for number, electrodes in enumerate([[0, 1], [1, 2], [3]]):
        nwbfile.add_unit(
            id=[7, 3, 5][number],
            spike_times=TIMES[number],
            electrodes=electrodes,
            waveform_mean=np.zeros((4, 2)),
            **{name: one[number] for name, one in told.items()},
        )


def test_units_come_with_their_metrics_and_places(tmp_path):
    path = written(tmp_path / "m.nwb", probe)
    recording = read_recording(path, "lab")
    units = rows(recording, UNITS)
    assert units.select(pl.exclude("attributes")).to_dict(as_series=False) == {
        "unit_id": [7, 3, 5],
        # Two structures don't say in which of them the second lies, nor does an empty one.
        "structure": ["CA1", None, None],
        "quality": ["good", "mua", None],
        "rate_hz": [4.0, 0.0, None],
        "snr": [2.5, None, 1.0],
        "isi_violations": [0.1, 0.0, 0.2],
        "presence_ratio": [0.9, 0.0, 0.5],
        "amplitude_cutoff": [0.01, 0.5, 0.1],
    }
    assert [json.loads(said) for said in units["attributes"]] == [
        {"depth": 10, "electrodes": [0, 1]},
        {"depth": 20, "electrodes": [1, 2]},
        {"depth": 30, "electrodes": [3]},
    ]
    said = rows(recording, SESSIONS).row(0, named=True)
    assert said["unit_count"] == 3
    assert not {"frame_count", "rate_hz", "signals"} & set(said)
    assert json.loads(said["metadata"])["left_out"] == {"units/waveform_mean": "waveforms"}


def test_spikes_come_in_order_within_their_unit(tmp_path, lake: Lake):
    path = written(tmp_path / "m.nwb", probe)
    recording = read_recording(path, "lab")
    spikes = rows(recording, SPIKES)
    assert spikes.rows() == [(7, 0, 0.5), (7, 1, 1.5), (7, 2, 1.5), (7, 3, 4.0), (5, 0, 0.25), (5, 1, 0.75)]
    with by_pynwb(path) as nwbfile:
        for number, unit in enumerate(nwbfile.units.id[:]):
            read = spikes.filter(unit_id=int(unit))["time_s"].to_numpy()
            np.testing.assert_array_equal(read, nwbfile.units.get_unit_spike_times(number))
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="planted")
    assert lake.query("SELECT count(*), sum(time_s) FROM recorded.spikes").rows() == [(6, 8.5)]


@pytest.mark.parametrize("per_block", [1, 2, 3, 5])
def test_blocks_of_any_size_give_the_same_spikes(tmp_path, monkeypatch, per_block):
    path = written(tmp_path / "m.nwb", probe)
    whole = rows(read_recording(path, "lab"), SPIKES)
    monkeypatch.setattr(nwb_units, "_SPIKES_PER_BLOCK", per_block)
    assert rows(read_recording(path, "lab"), SPIKES).equals(whole)


def test_amplitudes_stand_with_their_spikes(tmp_path):
    def parts(nwbfile):
        nwbfile.add_unit_column("spike_amplitudes", "of each spike", index=True)
        nwbfile.add_unit(spike_times=[0.5, 1.5], spike_amplitudes=[60.0, np.nan])
        nwbfile.add_unit(spike_times=[0.1], spike_amplitudes=[70.0])

    spikes = rows(read_recording(written(tmp_path / "m.nwb", parts), "lab"), SPIKES)
    assert spikes["amplitude"].to_list() == [60.0, None, 70.0]


def test_amplitudes_of_other_numbers_of_spikes_are_attributes(tmp_path):
    def parts(nwbfile):
        nwbfile.add_unit_column("spike_amplitudes", "of some spikes", index=True)
        nwbfile.add_unit(spike_times=[0.5, 1.5], spike_amplitudes=[60.0])

    recording = read_recording(written(tmp_path / "m.nwb", parts), "lab")
    assert "amplitude" not in rows(recording, SPIKES).columns
    assert json.loads(rows(recording, UNITS)["attributes"].item()) == {"spike_amplitudes": [60.0]}


@pytest.mark.parametrize("column", ["location", "brain_area", "structure", "ecephys_structure_acronym"])
def test_a_column_of_structures_goes_before_the_electrodes(tmp_path, column):
    def parts(nwbfile):
        probe(nwbfile)
        nwbfile.add_unit_column(column, "where it lies", data=["CA3", "", "VISl"])

    assert rows(read_recording(written(tmp_path / "m.nwb", parts), "lab"), UNITS)["structure"].to_list() == [
        "CA3",
        None,
        "VISl",
    ]


def test_units_need_no_spikes(tmp_path):
    def parts(nwbfile):
        nwbfile.add_unit_column("quality", "label")
        nwbfile.add_unit(quality="good")

    recording = read_recording(written(tmp_path / "m.nwb", parts), "lab")
    assert recording.blocks == ()
    assert rows(recording, UNITS).rows() == [(0, "good")]


def test_cells_and_units_of_one_file_are_told_apart(tmp_path):
    def parts(nwbfile):
        probe(nwbfile)
        cells = plane(nwbfile, count=4)
        dff = DfOverF(name="dff", roi_response_series=[series("traces", cells, np.zeros((5, 4)))])
        nwbfile.processing["ophys"].add(dff)

    recording = read_recording(written(tmp_path / "m.nwb", parts), "lab")
    assert rows(recording, UNITS).select("unit_id", "name").rows() == [
        (0, "cells/0"),
        (1, "cells/1"),
        (2, "cells/2"),
        (3, "cells/3"),
        (4, "units/7"),
        (5, "units/3"),
        (6, "units/5"),
    ]
    assert values(recording)["dff"].shape == (4, 5)
    assert rows(recording, SPIKES)["unit_id"].unique().sort().to_list() == [4, 6]


def changed(path, name: str, change) -> None:
    with h5py.File(path, "r+") as file:
        held = file["units"][name]
        held[...] = change(held[:])


@pytest.mark.parametrize(
    ("name", "change", "field", "found"),
    [
        (
            "spike_times",
            lambda t: np.array([0.5, 1.5, 1.4, 4.0, 0.25, 0.75]),
            "units spike_times",
            "1.4 s, after 1.5 s in spike 2 of unit 7",
        ),
        ("spike_times", lambda t: np.where(t == 0.25, np.nan, t), "units spike_times", "nan s in spike 0 of unit 5"),
        ("spike_times", lambda t: np.where(t == 4.0, np.inf, t), "units spike_times", "inf s in spike 3 of unit 7"),
        ("spike_times_index", lambda i: [4, 4, 5], "units spike_times_index", "6 values, rows that end at 5"),
        ("spike_times_index", lambda i: [4, 3, 6], "units spike_times_index", "an end of 3 in row 1"),
        ("id", lambda i: [7, 3, 7], "units id", "unit 7 more than once"),
        ("electrodes", lambda e: [0, 1, 1, 2, 9], "units electrodes", "row 9 of electrodes, which has 4 rows"),
        ("presence_ratio", lambda v: [0.9, -1.0, 0.5], "recorded.units presence_ratio", "-1.0 in row"),
    ],
)
@pytest.mark.parametrize("per_block", [1, 1_000_000])
def test_what_is_wrong_with_a_unit_is_named(tmp_path, monkeypatch, name, change, field, found, per_block):
    monkeypatch.setattr(nwb_units, "_SPIKES_PER_BLOCK", per_block)
    path = written(tmp_path / "m.nwb", probe)
    changed(path, name, change)
    refused = refusal(path)
    assert refused.field == field
    assert found in refused.found


@pytest.mark.parametrize(
    ("kind", "found"),
    [("i8", "int64 of shape (6,)"), ("S8", "|S8 of shape (6,)")],
)
def test_times_that_are_no_seconds_are_refused(tmp_path, kind, found):
    path = written(tmp_path / "m.nwb", probe)
    with h5py.File(path, "r+") as file:
        table = file["units"]
        held = table["spike_times"][:].astype(kind)
        said = dict(table["spike_times"].attrs)
        del table["spike_times"]
        table["spike_times"] = held
        table["spike_times"].attrs.update(said)
        table["spike_times_index"].attrs["target"] = table["spike_times"].ref
    assert found in refusal(path).found


def test_times_without_an_index_are_refused(tmp_path):
    path = written(tmp_path / "m.nwb", probe)
    with h5py.File(path, "r+") as file:
        table = file["units"]
        del table["spike_times_index"]
        held = table["spike_times"][:3]
        said = dict(table["spike_times"].attrs)
        del table["spike_times"]
        table["spike_times"] = held
        table["spike_times"].attrs.update(said)
    assert refusal(path).field == "units spike_times"
