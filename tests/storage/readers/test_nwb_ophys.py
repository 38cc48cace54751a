"""A two-photon session in NWB comes back as it was written, or is refused with the place and the reason."""

import json
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest

from storage.content_hash import content_sha256
from storage.readers.choose import read_recording
from storage.readers.nwb import nwb
from storage.tables import EVENTS, FRAMES, SESSIONS, UNITS
from tests.storage.readers.planted_nwb import refusal, rows


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
