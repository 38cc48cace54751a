"""ROI responses of NWB: a session comes back as it was written, each signal under its name, or is refused."""

import json
import warnings
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest
from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation

from storage.content_hash import content_sha256
from storage.lake import Lake
from storage.readers import nwb, nwb_ophys
from storage.readers.choose import read_recording
from storage.tables import EVENTS, FRAMES, SESSIONS, UNITS
from tests.storage.readers.planted_nwb import by_pynwb, plane, refusal, rows, series, values, written

pytestmark = pytest.mark.filterwarnings("ignore:The linked table for DynamicTableRegion")


def test_a_session_comes_back_as_written(write_nwb, dff):
    path = write_nwb()
    recording = read_recording(path, "lab")
    assert recording.session_ids == ("lab-412",)
    said = rows(recording, SESSIONS).row(0, named=True)
    metadata = json.loads(said.pop("metadata"))
    assert metadata["imaging_planes"]["plane"]["excitation_lambda"] == 910.0
    assert "left_out" not in metadata
    assert said == {
        "project": "lab",
        "subject_id": "mouse1",
        "cre_line": "Vip-IRES-Cre",
        "genotype": "Vip-IRES-Cre/wt;Ai148(TIT2L-GC6f-ICL-tTA2)/wt",
        "sex": "F",
        "exposure_level": "novel",
        "indicator": "GCaMP6f",
        "location": "VISp",
        "started_at": datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
        "simulated": True,
        "unit_count": 3,
        "signals": "dff",
        "frame_count": 60,
        "rate_hz": pytest.approx(31.0),
        "source_uri": str(path),
        "content_sha256": content_sha256(path),
        "reader": "nwb",
        "reader_version": nwb.VERSION,
    }
    (trace,) = recording.traces
    assert trace.unit_id.tolist() == [1003, 1001, 1002]
    np.testing.assert_array_equal(trace.values, dff.T)
    np.testing.assert_array_equal(rows(recording, FRAMES)["time_s"].to_numpy(), np.arange(60) / 31.0)
    assert rows(recording, EVENTS).rows() == [
        (0, "image", 0.1, 0.35, "im061", False),
        (1, "omission", 0.85, 1.1, None, False),
        (2, "image", 1.6, 1.85, "im065", True),
    ]


@pytest.mark.parametrize("mask", ["pixel", "image"])
def test_a_roi_has_its_centre_and_area(write_nwb, mask):
    units = rows(read_recording(write_nwb(mask=mask), "lab"), UNITS)
    assert units.rows() == [
        (1003, 12.0, 20.5, 2.0),
        (1001, 10.0, 20.5, 2.0),
        (1002, 11.0, 20.5, 2.0),
    ]


def test_a_rate_gives_the_time_of_each_frame(write_nwb):
    recording = read_recording(write_nwb(timing={"rate": 20.0, "starting_time": 3.0}), "lab")
    np.testing.assert_allclose(rows(recording, FRAMES)["time_s"].to_numpy(), 3.0 + np.arange(60) / 20)


def test_without_specimen_ids_a_cell_is_its_row_id(write_nwb):
    assert read_recording(write_nwb(cell_specimen_id=None), "lab").traces[0].unit_id.tolist() == [2, 0, 1]


def test_a_conversion_is_applied(write_nwb, dff):
    values = read_recording(write_nwb(conversion=0.5), "lab").traces[0].values
    np.testing.assert_allclose(values, dff.T / 2)


@pytest.mark.parametrize("presentations", [None, {name: [] for name in ("image_name", "omitted", "is_change")}])
def test_a_session_may_have_no_events(write_nwb, presentations):
    recording = read_recording(write_nwb(presentations=presentations), "lab")
    assert recording.rows[EVENTS].num_rows == 0
    assert "exposure_level" not in rows(recording, SESSIONS).columns


@pytest.mark.parametrize(
    ("parts", "session_id"),
    [
        ({"session_id": None, "identifier": "951980471"}, "lab-951980471"),
        ({"session_id": None}, "lab-mouse1-20260105T093000Z"),
    ],
)
def test_a_session_without_id_is_named_by_what_it_has(write_nwb, parts, session_id):
    assert read_recording(write_nwb(**parts), "lab").session_ids == (session_id,)


@pytest.mark.parametrize(
    ("genotype", "cre_line"),
    [
        ("Sst-IRES-Cre/wt;Ai148(TIT2L-GC6f-ICL-tTA2)/wt", "Sst-IRES-Cre"),
        ("Slc17a7-IRES2-Cre/wt;Camk2a-tTA/wt;Ai93(TITL-GCaMP6f)/wt", "Slc17a7-IRES2-Cre"),
        ("wt/wt", None),
        ("Vip-IRES-Cre/wt;Sst-IRES-Cre/wt", None),
        (None, None),
    ],
)
def test_the_cre_line_is_the_driver_in_the_genotype(write_nwb, genotype, cre_line):
    said = rows(read_recording(write_nwb(genotype=genotype), "lab"), SESSIONS).row(0, named=True)
    assert said.get("cre_line") == cre_line


FRAME_S = np.arange(60) / 31.0


def times(**changed: float) -> dict:
    time_s = FRAME_S.copy()
    for frame, value in changed.items():
        time_s[int(frame[1:])] = value
    return {"timing": {"timestamps": time_s}}


@pytest.mark.parametrize(
    ("parts", "field", "found", "expected"),
    [
        (times(_7=np.nan), "traces timestamps", "nan at frame 7", "increasing seconds"),
        (times(_7=0.0), "traces timestamps", "running backwards at frame 7 (0.0 s after", "increasing seconds"),
        (times(_7=FRAME_S[6]), "traces timestamps", "standing still at frame 7", "increasing seconds"),
        ({"region": [2, 0]}, "traces rois", "2 ROIs for 3 columns", "one ROI"),
        ({"cell_specimen_id": [1, 2, 1]}, "cells cell_specimen_id", "cell 1 more than once", "once"),
        ({"cell_specimen_id": [1.0, 2.0, np.nan]}, "cell_specimen_id", "unknown cell: float64", "integers"),
        ({"data": np.full((60, 3), np.inf)}, "dff of lab-412", "inf in cell 1003 at frame 0", "finite"),
        ({"unit": "percent"}, "traces unit", "percent", "fraction"),
        ({"subject_id": None, "session_id": None}, "session_id", "no subject_id", "a session_id"),
        ({"session_id": "4=12"}, "session_id", "'lab-4=12'", "A-Z"),
        ({"presentations": {"image_name": ["a"]}}, "presentations omitted", "no column omitted", "omitted"),
        ({"presentations": {"omitted": [False]}}, "presentations image_name", "no column image_name", "image_name"),
        ({"presentations": {"image_name": ["a"], "omitted": [3]}}, "omitted", "'3' at row 0", "true or false"),
        ({"presentations": {"image_name": [""], "omitted": [False]}}, "image_name", "no name at row 0", "image"),
        ({"start_time": [0.1, np.nan, 1.6]}, "start_time", "nan at row 1", "finite"),
        ({"start_time": [0.1, 1.6, 0.8]}, "presentations start_time", "0.8 s at row 2, after 1.6 s", "order"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_wrong_in_a_session_is_named(write_nwb, parts, field, found, expected):
    refused = refusal(write_nwb(**parts))
    assert field in refused.field
    assert found in refused.found
    assert expected in refused.expected
    assert refused.reader_version == nwb.VERSION
    assert len(refused.content_sha256) == 64


def test_an_exposure_that_is_neither_familiar_nor_novel_is_refused(write_nwb):
    columns = {"image_name": ["a"], "omitted": [False], "exposure_level": ["Novel 1"]}
    refused = refusal(write_nwb(presentations=columns))
    assert refused.field == "recorded.sessions exposure_level"
    assert "'Novel 1'" in refused.found


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_more_times_than_frames_are_refused(write_nwb):
    path = write_nwb()
    with h5py.File(path, "r+") as file:
        # pynwb doesn't write such a file, but reads it.
        series = file["processing/ophys/dff/traces"]
        data = series["data"][:-1]
        attributes = dict(series["data"].attrs)
        del series["data"]
        series["data"] = data
        series["data"].attrs.update(attributes)
    refused = refusal(path)
    assert refused.field == "processing/ophys/dff/traces timestamps"
    assert refused.found == "60 timestamps for 59 frames"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_roi_outside_the_segmentation_is_an_unknown_cell(write_nwb):
    path = write_nwb()
    with h5py.File(path, "r+") as file:
        file["processing/ophys/dff/traces/rois"][1] = 99
    refused = refusal(path)
    assert refused.found == "row 99 of cells, which has 3 rows"


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
        segmented = ImageSegmentation()
        nwbfile.processing["ophys"].add(segmented)
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
    assert "changing" in refusal_of_spans(recording)


def refusal_of_spans(recording) -> str:
    with pytest.raises(Exception, match="found") as caught:
        values(recording)
    return str(caught.value)


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
