"""The published feature table of Allen Visual Behavior, read to the last digit or refused with the line."""

from pathlib import Path

import polars as pl
import pytest

from storage.readers.choose import read_recording
from storage.readers.recording import Refused
from storage.tables import RESPONSE_FEATURES, SESSIONS, UNITS

FEATURES = (
    "AUC,PeakAmplitude,LatencyToPeak,TroughAmplitude,LatencyToTrough,PeakToTrough,Slope_0_200ms,FWHM,Energy,"
    "Mean_0_500ms,Mean_500_1000ms,Skewness,Kurtosis,ZeroCrossings,RiseTime_10to90,DecayTime_Half"
)
HEADER = f"cell_specimen_id,cre_line,omitted,exposure_level,mouse_id,{FEATURES}"
NUMBERS = "0.1,0.2,0.3146067415730336,-0.4,0.5,0.6,0.7,0.8,0.9,1.1,1.2,1.3,-1.4,20,1.5,1.6"


def row(
    cell: str = "11", cre: str = "Vip-IRES-Cre", omitted: str = "True", exposure: str = "novel", mouse: str = "1"
) -> str:
    return f"{cell},{cre},{omitted},{exposure},{mouse},{NUMBERS}"


def written(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "response_features.csv"
    path.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
    return path


def test_one_session_for_each_mouse_and_exposure(tmp_path):
    path = written(
        tmp_path,
        HEADER,
        row(),
        row(omitted="False"),
        row(exposure="familiar"),
        row(cell="12", mouse="2", cre="Sst-IRES-Cre"),
    )
    recording = read_recording(path, "allen")
    assert recording.session_ids == ("allen-1-novel", "allen-1-familiar", "allen-2-novel")
    sessions = pl.from_arrow(recording.rows[SESSIONS])
    assert sessions["subject_id"].to_list() == ["1", "1", "2"]
    assert sessions["cre_line"].to_list() == ["Vip-IRES-Cre", "Vip-IRES-Cre", "Sst-IRES-Cre"]
    assert sessions["unit_count"].to_list() == [1, 1, 1]
    assert sessions["frame_count"].null_count() == 3
    assert recording.rows[UNITS].num_rows == 3
    features = pl.from_arrow(recording.rows[RESPONSE_FEATURES])
    assert features["condition"].to_list() == ["omitted", "presented", "omitted", "omitted"]
    assert features["study_id"].unique().to_list() == [f"source:{recording.content_sha256}"]
    assert features.row(0)[4:] == tuple(
        int(text) if name == "ZeroCrossings" else float(text)
        for name, text in zip(FEATURES.split(","), NUMBERS.split(","), strict=True)
    )


@pytest.mark.parametrize(
    ("lines", "field", "found"),
    [
        ([row(), row(cell="")], "cell_specimen_id", "unknown cell '' on line 3"),
        ([row(cell="1.5")], "cell_specimen_id", "unknown cell '1.5' on line 2"),
        ([row(mouse="m1")], "mouse_id", "unknown mouse 'm1' on line 2"),
        ([row(), row(mouse="2", omitted="False")], "mouse_id", "cell_specimen_id 11 with 1 and, on line 3, 2"),
        ([row(), row(cell="12", cre="Sst-IRES-Cre")], "cre_line", "mouse_id 1 with Vip-IRES-Cre and, on line 3, Sst"),
        ([row(cre="")], "cre_line", "'' on line 2"),
        ([row(omitted="true")], "omitted", "'true' on line 2"),
        ([row(exposure="Novel"), row(exposure="old")], "exposure_level", "'Novel' on line 2 (and 1 lines more)"),
        ([row(), row()], "cell_specimen_id", "again '11' on line 3"),
        ([row().replace("0.1,0.2", "x,0.2")], "AUC", "'x' on line 2"),
        ([row().replace("0.1,0.2", "0.1,inf")], "PeakAmplitude", "'inf' on line 2"),
        ([row().replace("0.1,0.2", "0.1,")], "PeakAmplitude", "'' on line 2"),
        ([row().replace(",20,", ",20.5,")], "ZeroCrossings", "'20.5' on line 2"),
        ([row(), row() + ",1"], "line 3", "22 values"),
        ([row().rsplit(",", 1)[0]], "line 2", "20 values"),
        ([row().replace("Vip", '"Vip')], "line", "unexpected end"),
        ([], "rows", "a header and no rows"),
    ],
)
def test_what_is_wrong_in_a_row_is_named_with_its_line(tmp_path, lines, field, found):
    with pytest.raises(Refused) as caught:
        read_recording(written(tmp_path, HEADER, *lines), "allen")
    assert field in caught.value.field
    assert found in caught.value.found
    assert caught.value.expected


def test_columns_that_are_missing_are_named(tmp_path):
    path = written(tmp_path, HEADER.replace("mouse_id,", "").replace("FWHM", "Width"), row())
    with pytest.raises(Refused, match=r"header: found no column mouse_id, FWHM; expected the columns cell_specimen_id"):
        read_recording(path, "allen")


def test_a_column_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(Refused, match="AUC more than once"):
        read_recording(written(tmp_path, f"{HEADER},AUC", row() + ",1"), "allen")


def test_an_empty_file_is_refused(tmp_path):
    path = written(tmp_path)
    with pytest.raises(Refused, match="no reader knows this file: it is empty"):
        read_recording(path, "allen")
    with pytest.raises(Refused, match="found an empty file"):
        read_recording(path, "allen", "visual_behavior_features")


def test_another_encoding_is_refused_with_its_line(tmp_path):
    with pytest.raises(Refused, match="encoding: found byte 0xe9 on line 3; expected UTF-8"):
        read_recording(written(tmp_path, HEADER, row(), row(cre="Sst-é"), encoding="latin-1"), "allen")


def test_line_ends_and_byte_order_mark_of_windows_are_read(tmp_path):
    path = tmp_path / "response_features.csv"
    path.write_bytes(f"{HEADER}\r\n{row()}\r\n".encode("utf-8-sig"))
    assert read_recording(path, "allen").rows[RESPONSE_FEATURES].num_rows == 1


def test_the_published_table_is_read_whole(recordings):
    path = recordings / "visual_behavior" / "response_features.csv"
    recording = read_recording(path, "allen_vb")
    features = pl.from_arrow(recording.rows[RESPONSE_FEATURES])
    assert len(features) == 640
    assert features["unit_id"].n_unique() == 223
    assert len(recording.session_ids) == 22
    sessions = pl.from_arrow(recording.rows[SESSIONS])
    assert sessions["subject_id"].n_unique() == 13
    assert not sessions["simulated"].any()
    text = [line.split(",") for line in path.read_text().splitlines()[1:]]
    assert features["auc_dff_s"].to_list() == [float(line[5]) for line in text]
    assert features["decay_time_s"].to_list() == [float(line[-1]) for line in text]
