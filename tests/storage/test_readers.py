"""A session comes back as it was written; and every file that is not sound is refused, with the reason."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from storage.content_hash import content_sha256
from storage.readers import choose, nwb_ophys
from storage.readers.choose import read_recording, reader_for
from storage.readers.recording import Recording, Refused
from storage.tables import EVENTS, FRAMES, SESSIONS, UNITS


def refusal(path: Path, project: str = "lab", reader: str | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        read_recording(path, project, reader)
    refused = caught.value
    assert refused.source_uri == str(path.absolute())
    assert str(refused) == f"{path.name}: {refused.field}: found {refused.found}; expected {refused.expected}"
    assert all((refused.field, refused.found, refused.expected))
    return refused


def rows(recording: Recording, table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(recording.rows[table]))


def test_a_session_comes_back_as_written(write_nwb, dff):
    path = write_nwb()
    recording = read_recording(path, "lab")
    assert recording.session_ids == ("lab-412",)
    assert rows(recording, SESSIONS).row(0, named=True) == {
        "session_id": "lab-412",
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
        "frame_count": 60,
        "rate_hz": pytest.approx(31.0),
        "source_uri": str(path),
        "content_sha256": content_sha256(path),
        "reader": "nwb_ophys",
        "reader_version": nwb_ophys.VERSION,
    }
    (trace,) = recording.traces
    assert trace.unit_id.tolist() == [1003, 1001, 1002]
    np.testing.assert_array_equal(trace.values, dff.T)
    np.testing.assert_array_equal(rows(recording, FRAMES)["time_s"].to_numpy(), np.arange(60) / 31.0)
    assert rows(recording, EVENTS).drop("session_id").rows() == [
        (0, "image", 0.1, 0.35, "im061", False),
        (1, "omission", 0.85, 1.1, None, False),
        (2, "image", 1.6, 1.85, "im065", True),
    ]


@pytest.mark.parametrize("mask", ["pixel", "image"])
def test_a_roi_has_its_centre_and_area(write_nwb, mask):
    units = rows(read_recording(write_nwb(mask=mask), "lab"), UNITS)
    assert units.drop("session_id").rows() == [
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
    assert rows(recording, SESSIONS)["exposure_level"].item() is None


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
    assert rows(read_recording(write_nwb(genotype=genotype), "lab"), SESSIONS)["cre_line"].item() == cre_line


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
        ({"data": np.full((60, 3), np.inf)}, "traces data", "inf in ROI 0 at frame 0", "finite"),
        ({"unit": "percent"}, "traces unit", "percent", "fraction"),
        ({"dff_name": "raw"}, "dF/F", "none in modules ['ophys']", "one dF/F series"),
        ({"subject_id": None}, "subject", "no subject_id", "animal"),
        ({"session_id": "4=12"}, "session_id", "'lab-4=12'", "A-Z"),
        ({"presentations": {"image_name": ["a"]}}, "presentations omitted", "no column omitted", "omitted"),
        ({"presentations": {"omitted": [False]}}, "presentations image_name", "no column image_name", "image_name"),
        ({"presentations": {"image_name": ["a"], "omitted": [3]}}, "omitted", "'3' at row 0", "true or false"),
        ({"presentations": {"image_name": [""], "omitted": [False]}}, "image_name", "no name at row 0", "image"),
        ({"start_time": [0.1, np.nan, 1.6]}, "start_time", "nan at row 1", "finite"),
        ({"start_time": [0.1, 1.6, 0.8]}, "events onset_s", "event 2 of lab-412 at 0.8 s, after one at 1.6", "order"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_wrong_in_a_session_is_named(write_nwb, parts, field, found, expected):
    refused = refusal(write_nwb(**parts))
    assert field in refused.field
    assert found in refused.found
    assert expected in refused.expected
    assert (refused.reader, refused.reader_version) == ("nwb_ophys", nwb_ophys.VERSION)
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
    assert refused.found == "unknown cell: row 99 of cells, which has 3 rows"


def test_a_file_cut_in_half_is_refused(write_nwb):
    path = write_nwb()
    os.truncate(path, path.stat().st_size // 2)
    assert "truncated" in refusal(path).found


def test_a_file_damaged_inside_is_refused(write_nwb, tmp_path):
    path = write_nwb()
    content = bytearray(path.read_bytes())
    content[1000:9000] = b"\xff" * 8000
    path.write_bytes(content)
    assert refusal(path).field


@pytest.mark.parametrize(("content", "found"), [(b"", "empty"), (b"no HDF5 here" * 100, "OSError")])
def test_an_nwb_by_name_only_is_refused_not_ignored(tmp_path, content, found):
    path = tmp_path / "mouse_412.nwb"
    path.write_bytes(content)
    refused = refusal(path)
    assert refused.field == "file"
    assert found in refused.found
    assert "HDF5" in refused.expected


def test_hdf5_that_is_no_nwb_is_refused(tmp_path):
    path = tmp_path / "matrix.h5"
    with h5py.File(path, "w") as file:
        file["values"] = np.zeros(3)
    assert refusal(path).reader == "nwb_ophys"


def test_a_link_to_nowhere_and_a_folder_are_refused(tmp_path):
    (tmp_path / "gone.nwb").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.nwb").mkdir()
    assert "FileNotFoundError" in refusal(tmp_path / "gone.nwb").found
    refused = refusal(tmp_path / "folder.nwb")
    assert "IsADirectoryError" in refused.found
    assert refused.content_sha256 is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(write_nwb):
    path = write_nwb()
    path.chmod(0)
    assert "PermissionError" in refusal(path).found


def test_a_file_that_cannot_be_read_is_refused(write_nwb, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(choose, "content_sha256", denied)
    assert refusal(write_nwb()).found == "PermissionError: Permission denied"


def test_a_file_that_grows_while_it_is_read_is_refused(write_nwb, monkeypatch):
    path = write_nwb()

    def appended(recording):
        with open(path, "ab") as file:
            file.write(b"more")
        return recording

    monkeypatch.setattr(choose, "checked", appended)
    assert "changing" in refusal(path).found


def test_a_fault_of_the_reader_is_a_refusal_too(write_nwb, monkeypatch):
    def faulty(*arguments):
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(nwb_ophys, "read", faulty)
    assert refusal(write_nwb()).found == "ZeroDivisionError: nothing to divide by"


def test_a_file_no_reader_knows_is_refused_with_its_header(tmp_path):
    path = tmp_path / "licks.csv"
    path.write_text("mouse,lick_s\n1,2.0\n")
    refused = refusal(path)
    assert refused.found == "no reader knows this file: columns mouse, lick_s"
    assert "nwb_ophys" in refused.expected
    assert "visual_behavior_features" in refused.expected
    assert refused.reader is None


def test_a_reader_is_found_by_content_or_by_name(write_nwb, tmp_path):
    path = write_nwb()
    renamed = shutil.copy(path, tmp_path / "session.h5")
    assert reader_for(Path(renamed)) is nwb_ophys
    assert reader_for(path, "visual_behavior_features").NAME == "visual_behavior_features"
    with pytest.raises(ValueError, match="no reader is called 'nwb'; there are nwb_ophys"):
        reader_for(path, "nwb")
    assert "no reader is called 'nwb'" in refusal(path, reader="nwb").found


def test_a_project_that_no_session_id_could_begin_with_is_refused(write_nwb):
    assert refusal(write_nwb(), project="my lab").field == "project"


def test_a_name_that_is_not_utf8_is_refused_or_read_like_any_other(write_nwb, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/mouse_\xff.nwb")
    os.rename(write_nwb(), odd)
    assert read_recording(odd, "lab").source_uri.endswith("mouse_\\xff.nwb")


def test_the_real_spike_file_is_refused_for_its_want_of_a_subject(recordings):
    assert refusal(recordings / "nwb" / "A8604-211122.nwb").field == "subject"


def test_every_row_is_of_its_declared_type(write_nwb):
    for table, given in read_recording(write_nwb(), "lab").rows.items():
        assert isinstance(given, pa.Table)
        assert given.schema.equals(table.arrow_schema)
