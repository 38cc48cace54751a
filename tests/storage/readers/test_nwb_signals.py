"""ROI signals of NWB: each under its name, planes together or not at all, large ones span by span."""

import json
import warnings

import h5py
import numpy as np
import pytest
from pynwb.ophys import DfOverF, Fluorescence

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.nwb import nwb_ophys
from storage.readers.recording import Refused
from storage.tables import SESSIONS, UNITS
from tests.storage.readers.planted_nwb import by_pynwb, plane, refusal, rows, series, values, written

pytestmark = pytest.mark.filterwarnings("ignore:The linked table for DynamicTableRegion")


def dff_of(nwbfile, *held) -> None:
    nwbfile.processing["ophys"].add(DfOverF(name="dff", roi_response_series=list(held)))


def fluorescence_of(nwbfile, name: str, *held) -> None:
    nwbfile.processing["ophys"].add(Fluorescence(name=name, roi_response_series=list(held)))


def counted(n_rois: int = 3, start: float = 0.0) -> np.ndarray:
    """(8, n_rois), no two values the same."""
    return (start + np.arange(8.0 * n_rois)).reshape(8, n_rois)


def test_every_signal_of_the_same_cells_comes_under_its_name(tmp_path):
    def parts(nwbfile):
        cells = plane(nwbfile)
        dff_of(nwbfile, series("traces", cells, counted()))
        # The third cell first, and one of them alone.
        fluorescence_of(nwbfile, "Fluorescence", series("roi", cells, counted(start=100), [2, 0, 1]))
        fluorescence_of(nwbfile, "Neuropil", series("plane0", cells, counted(1, start=200)[:, 0], [1]))

    path = written(tmp_path / "m.nwb", parts)
    recording = read_recording(path, "lab")
    with by_pynwb(path) as nwbfile:
        held = nwbfile.processing["ophys"]
        expected = {
            "dff": held["dff"]["traces"].data[:].T,
            "fluorescence": held["Fluorescence"]["roi"].data[:].T,
            "neuropil": held["Neuropil"]["plane0"].data[:][np.newaxis],
        }
    assert {one.signal: one.unit_id.tolist() for one in recording.traces} == {
        "dff": [0, 1, 2],
        "fluorescence": [2, 0, 1],
        "neuropil": [1],
    }
    assert rows(recording, SESSIONS)["signals"].item() == "dff,fluorescence,neuropil"
    for signal, read in values(recording).items():
        np.testing.assert_array_equal(read, expected[signal].astype(np.float32))


@pytest.mark.parametrize(
    ("container", "name", "signal"),
    [
        ("Fluorescence", "RoiResponseSeries", "fluorescence"),
        ("Fluorescence", "DeltaFOverF", "dff"),
        ("Fluorescence", "neuropil", "neuropil"),
        ("Fluorescence", "neuropil_corrected", "corrected"),
        ("Fluorescence", "Denoised", "denoised"),
        ("Deconvolved", "plane0", "deconvolved"),
        ("demixed_trace", "traces", "demixed"),
        ("corrected_fluorescence", "traces", "corrected"),
        ("Fluorescence", "filtered_events", "filtered_events"),
        ("Fluorescence", "event_amplitudes", "events"),
        ("Fluorescence", "spike_prob", "spike_prob"),
        ("Fluorescence", "Baseline", None),
        (None, "RawFluorescence", "fluorescence"),
        (None, "dff", "dff"),
        (None, "RoiResponseSeries", None),
    ],
)
def test_a_series_is_the_signal_that_its_name_or_its_containers_tells(tmp_path, container, name, signal):
    def parts(nwbfile):
        one = series(name, plane(nwbfile), counted())
        fluorescence_of(nwbfile, container, one) if container else nwbfile.processing["ophys"].add(one)

    path = written(tmp_path / "m.nwb", parts)
    if signal:
        np.testing.assert_array_equal(values(read_recording(path, "lab"))[signal], counted().T)
    else:
        where = f"processing/ophys/{container}/{name}" if container else f"processing/ophys/{name}"
        assert refusal(path).found == f"none, but {where} (RoiResponseSeries (8, 3), of no signal that its name tells)"


def planes(nwbfile, **second) -> None:
    """Two planes of three and two cells, whose rows are both numbered from 0."""
    shallow, deep = plane(nwbfile, "shallow"), plane(nwbfile, "deep", 2, "VISl")
    held = (series("one", shallow, counted()), series("two", deep, counted(2, start=100), **second))
    dff_of(nwbfile, *held)


def test_planes_on_one_time_axis_are_one_session(tmp_path):
    recording = read_recording(written(tmp_path / "m.nwb", planes), "lab")
    np.testing.assert_array_equal(values(recording)["dff"], np.vstack([counted().T, counted(2, start=100).T]))
    units = rows(recording, UNITS).select("unit_id", "name", "structure", "x_px").rows()
    assert units == [
        (0, "shallow/0", "VISp", 0.0),
        (1, "shallow/1", "VISp", 1.0),
        (2, "shallow/2", "VISp", 2.0),
        (3, "deep/0", "VISl", 0.0),
        (4, "deep/1", "VISl", 1.0),
    ]
    assert "location" not in rows(recording, SESSIONS).columns
    assert rows(recording, SESSIONS)["indicator"].item() == "GCaMP6f"


def test_cells_of_several_planes_keep_ids_that_tell_them_apart(tmp_path):
    def parts(nwbfile):
        tables = plane(nwbfile, "shallow"), plane(nwbfile, "deep", 2)
        tables[0].add_column("cell_specimen_id", "the cell", data=[11, 12, 13])
        tables[1].add_column("cell_specimen_id", "the cell", data=[21, 22])
        dff_of(nwbfile, series("one", tables[0], counted()), series("two", tables[1], counted(2)))

    units = rows(read_recording(written(tmp_path / "m.nwb", parts), "lab"), UNITS)
    assert units["unit_id"].to_list() == [11, 12, 13, 21, 22]
    assert "name" not in units.columns


@pytest.mark.parametrize("second", [{"timestamps": np.arange(8) / 10 + 0.05}, {"starting_time": 0.05, "rate": 10.0}])
def test_planes_on_times_of_their_own_are_refused(tmp_path, second):
    refused = refusal(written(tmp_path / "m.nwb", lambda nwbfile: planes(nwbfile, **second)))
    assert refused.field == "dff"
    assert refused.found == "other frame times in processing/ophys/dff/two than in processing/ophys/dff/one"


@pytest.mark.parametrize(("data", "timing"), [(counted()[:4], {"rate": 5.0}), (counted(), {"rate": 9.0})])
def test_another_signal_on_other_times_is_left_out_and_named(tmp_path, data, timing):
    def parts(nwbfile):
        cells = plane(nwbfile)
        dff_of(nwbfile, series("traces", cells, counted()))
        fluorescence_of(nwbfile, "Fluorescence", series("raw", cells, data, **timing))

    recording = read_recording(written(tmp_path / "m.nwb", parts), "lab")
    assert set(values(recording)) == {"dff"}
    left_out = json.loads(rows(recording, SESSIONS)["metadata"].item())["left_out"]
    said = "fluorescence on other frame times than processing/ophys/dff/traces"
    assert left_out == {"processing/ophys/Fluorescence/raw": said}


def test_two_series_of_one_signal_for_the_same_cells_are_refused(tmp_path):
    def parts(nwbfile):
        cells = plane(nwbfile)
        dff_of(nwbfile, series("traces", cells, counted()), series("detrended", cells, counted(1), [1]))

    refused = refusal(written(tmp_path / "m.nwb", parts))
    assert refused.field == "dff"
    names = "processing/ophys/dff/detrended, processing/ophys/dff/traces"
    assert refused.found == f"2 of them for the same ROIs: {names}"


def test_a_large_signal_is_read_span_by_span(tmp_path, monkeypatch, lake: Lake, rng):
    data = rng.integers(-500, 500, (40, 3)).astype(np.int16)

    def parts(nwbfile):
        cells = plane(nwbfile)
        dff_of(nwbfile, series("traces", cells, data, [2, 0, 1], conversion=0.01, offset=-0.5))

    path = written(tmp_path / "m.nwb", parts)
    monkeypatch.setattr(nwb_ophys, "_WHOLE_VALUES", 10)
    monkeypatch.setattr("storage.traces.VALUES_PER_SPAN", 21)
    recording = read_recording(path, "lab")
    (trace,) = recording.traces
    spans = list(trace.spans())
    assert [(start, one.shape) for start, one in spans[:2]] == [(0, (3, 7)), (7, (3, 7))]
    np.testing.assert_allclose(np.concatenate([one for _, one in spans], axis=1), data.T * 0.01 - 0.5, rtol=1e-6)
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="planted")
    read = lake.traces("lab-7")
    np.testing.assert_allclose(read.values, data.T[[1, 2, 0]] * 0.01 - 0.5, rtol=1e-6)
    with open(path, "ab") as file:
        file.write(b"more")
    with pytest.raises(Refused, match="it changing while it was read"):
        values(recording)


def test_what_the_table_says_of_a_roi_is_kept(tmp_path):
    def parts(nwbfile):
        cells = plane(nwbfile)
        cells.add_column("accepted", "by the curator", data=[True, False, True])
        cells.add_column("kind", "of cell", data=["pyramidal", "", "basket"])
        cells.add_column("wide", "too much of it", data=np.zeros((3, 65)))
        dff_of(nwbfile, series("traces", cells, counted(2), [2, 0]))

    recording = read_recording(written(tmp_path / "m.nwb", parts), "lab")
    assert [json.loads(said) for said in rows(recording, UNITS)["attributes"]] == [
        {"accepted": True, "kind": "basket"},
        {"accepted": True, "kind": "pyramidal"},
    ]
    left_out = json.loads(rows(recording, SESSIONS)["metadata"].item())["left_out"]
    assert left_out == {"cells/wide": "VectorData of more than 64 values a row"}


def test_masks_that_are_nearly_all_zeros_are_read(write_nwb):
    """Deflated they take a thousandth of their size, which is no absurd promise of a mask."""
    path = write_nwb(mask="image")
    with h5py.File(path, "r+") as file:
        table = file["processing/ophys/ImageSegmentation/cells"]
        said = dict(table["image_mask"].attrs)
        del table["image_mask"]
        masks = table.create_dataset("image_mask", (3, 2048, 2048), "f4", compression="gzip")
        for roi in range(3):
            masks[roi, 100, 200 + roi] = 1
        masks.attrs.update(said)
        assert masks.size * 4 > 200 * masks.id.get_storage_size()
    assert rows(read_recording(path, "lab"), UNITS).select("x_px", "y_px", "area_px").rows() == [
        (202.0, 100.0, 1.0),
        (200.0, 100.0, 1.0),
        (201.0, 100.0, 1.0),
    ]


@pytest.mark.parametrize(
    ("place", "change", "found"),
    [
        ("rois", lambda held: np.array([0, 1]), "2 ROIs for 3 columns"),
        ("rois", lambda held: np.array([0, 1, -1]), "row -1 of cells"),
        ("rois", lambda held: np.array([0, 1, 1]), "cell 1 more than once"),
        ("data", lambda held: held.astype("S8"), "|S8 of shape (8, 3)"),
        ("data", lambda held: held[:0], "shape (0, 3)"),
        ("data", lambda held: held[:, :, np.newaxis], "incorrect shape for data: got (8, 3, 1)"),
        ("timestamps", lambda held: held[:-1], "7 timestamps for 8 frames"),
        ("timestamps", lambda held: held[::-1], "time running backwards at frame 1"),
        ("timestamps", lambda held: held.astype("S8"), "|S8 of shape (8,)"),
    ],
)
def test_a_series_that_does_not_fit_itself_is_refused(tmp_path, place, change, found):
    def parts(nwbfile):
        dff_of(nwbfile, series("traces", plane(nwbfile), counted(), timestamps=np.arange(8) / 10))

    path = written(tmp_path / "m.nwb", parts)
    with h5py.File(path, "r+") as file:
        held = file["processing/ophys/dff/traces"]
        stored, said = change(held[place][:]), dict(held[place].attrs)
        del held[place]
        held[place] = stored
        held[place].attrs.update(said)
    assert found in refusal(path).found


@pytest.mark.parametrize(
    ("said", "field", "found"),
    [
        ({"conversion": float("nan")}, "conversion", "nan and 0.0"),
        ({"offset": float("inf")}, "conversion", "1.0 and inf"),
        ({"rate": float("nan")}, "rate", "nan from 0.0 s"),
        ({"rate": 10.0, "starting_time": float("inf")}, "rate", "10.0 from inf s"),
        ({"unit": "%"}, "unit", "%"),
    ],
)
def test_numbers_that_tell_no_time_or_unit_are_refused(tmp_path, said, field, found):
    def parts(nwbfile):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dff_of(nwbfile, series("traces", plane(nwbfile), counted(), **said))

    refused = refusal(written(tmp_path / "m.nwb", parts))
    assert refused.field == f"processing/ophys/dff/traces {field}"
    assert refused.found == found
