"""A lab's matrices, logs and trials, described beside them: read to the last value, or refused with file and line."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.foreign import text_numbers
from storage.readers.lab import lab_cells, lab_entries, lab_files
from storage.readers.recording import Recording, Refused
from storage.sources import Source, found_files
from storage.tables import BEHAVIOR_SIGNALS, EVENTS, FRAME_LABELS, FRAMES, SESSIONS, TRIALS, UNITS

YAML = "format: matrix\nsignal: dff\norientation: cells_by_frames\nrate_hz: 10\nsubject: m12\n"
CSV = "0.1,0.2,0.3,0.4\n1.1,,1.3,NaN\n"
VALUES = np.array([[0.1, 0.2, 0.3, 0.4], [1.1, np.nan, 1.3, np.nan]], np.float32)


def written(folder: Path, yaml: str = YAML, **files: str) -> Path:
    """``day3.yaml`` beside day3.csv, and further files by name, ``_`` for the dot."""
    for name, content in {"day3_csv": CSV, **files}.items():
        (folder / ".".join(name.rsplit("_", 1))).write_text(content)
    (folder / "day3.yaml").write_text(yaml)
    return folder / "day3.yaml"


def rows(recording: Recording, table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(recording.rows[table]))


def metadata(recording: Recording) -> dict:
    return json.loads(rows(recording, SESSIONS)["metadata"].item())


def refusal(path: Path, **how) -> Refused:
    with pytest.raises(Refused) as caught:
        read_recording(path, "lab", **how)
    assert caught.value.reader == "lab_files"
    return caught.value


def test_a_matrix_is_a_session_by_naming_the_folder(tmp_path):
    path = written(tmp_path, YAML + "session: day3\nlocation: M2\nindicator: GCaMP6f\nmetadata: {laser_mw: 30}\n")
    (tmp_path / "settings.yaml").write_text("format: tiff\nlaser: 30\n")
    (found,) = found_files(Source(name="lab", paths=(str(tmp_path),))).recordings
    assert (found.path, found.reader) == (path, "lab_files")
    recording = read_recording(found.path, "lab", root=found.root)
    assert recording.session_ids == ("lab-day3",)
    session = rows(recording, SESSIONS).row(0, named=True)
    said = ("subject_id", "location", "indicator", "unit_count", "frame_count", "rate_hz", "simulated", "signals")
    assert [session[name] for name in said] == ["m12", "M2", "GCaMP6f", 2, 4, 10.0, False, "dff"]
    assert metadata(recording) == {"files": {"matrix": "day3.csv"}, "laser_mw": "30"}
    (trace,) = recording.traces
    assert (trace.signal, trace.unit_id.tolist()) == ("dff", [0, 1])
    np.testing.assert_array_equal(trace.values, VALUES)
    assert rows(recording, FRAMES)["time_s"].to_list() == [0.0, 0.1, 0.2, 0.3]


def test_it_goes_into_the_lake(tmp_path, lake: Lake):
    yaml = (
        YAML + "events: {file: log.csv, time_unit: s, clock: frames}\nbehavior: {speed_cm_per_s: {file: speed.csv}}\n"
    )
    path = written(tmp_path, yaml, log_csv="time,event\n0.1,TONE\n", speed_csv="1\n2\n\n4\n")
    recording = read_recording(path, "lab")
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="test")
    found = lake.query("SELECT unit_id, frame, value FROM recorded.traces ORDER BY unit_id, frame")
    np.testing.assert_array_equal(found["value"].to_numpy().reshape(2, 4), VALUES)
    speed = lake.query("SELECT sample, time_s, value FROM recorded.behavior_signals ORDER BY sample")
    assert speed.rows() == [(0, 0.0, 1.0), (1, 0.1, 2.0), (2, 0.2, None), (3, 0.3, 4.0)]
    assert lake.query("SELECT kind, name FROM recorded.events").rows() == [("mark", "TONE")]


@pytest.mark.parametrize(
    ("yaml", "session_id"),
    [
        (YAML, "lab-day3"),
        (YAML + "started_at: 2026-01-05T09:30:00+01:00\n", "lab-m12-20260105T083000Z"),
        (YAML + "session: 007\n", "lab-007"),
    ],
)
def test_a_session_is_called_as_said_else_by_subject_and_start_else_as_the_yaml(tmp_path, yaml, session_id):
    assert read_recording(written(tmp_path, yaml), "lab").session_ids == (session_id,)


def test_what_a_recording_is_made_of_makes_its_hash(tmp_path):
    yaml = YAML.replace("signal: dff", "matrices: {dff: sub/d.csv, deconvolved: s.npy}")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d.csv").write_text(CSV)
    np.save(tmp_path / "s.npy", VALUES)
    path = written(tmp_path, yaml)
    assert lab_files.parts(path) == sorted([path, tmp_path / "s.npy", tmp_path / "sub" / "d.csv"])
    before = read_recording(path, "lab").content_sha256
    (tmp_path / "day3.csv").write_text("not read")
    assert read_recording(path, "lab").content_sha256 == before
    np.save(tmp_path / "s.npy", VALUES + 1)
    assert read_recording(path, "lab").content_sha256 != before


@pytest.mark.parametrize("orientation", ["cells_by_frames", "frames_by_cells"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "npy"])
@pytest.mark.parametrize("streamed", [False, True])
def test_every_form_of_a_matrix_gives_the_same_values(tmp_path, rng, monkeypatch, orientation, suffix, streamed):
    if streamed:
        monkeypatch.setattr(lab_cells, "VALUES_PER_SPAN", 0)
        monkeypatch.setattr("storage.traces.VALUES_PER_SPAN", 30)
        monkeypatch.setattr(text_numbers, "_MOST_BYTES_IN_MEMORY", 0)
    values = rng.normal(0, 1, (3, 50)).astype(np.float32)
    shown = values if orientation == "cells_by_frames" else values.T
    if suffix == "npy":
        np.save(tmp_path / "day3.npy", np.asfortranarray(shown.astype(np.float64)))
    else:
        delimiter = {"csv": ",", "tsv": "\t", "txt": " "}[suffix]
        np.savetxt(tmp_path / f"day3.{suffix}", shown, delimiter=delimiter, fmt="%.9g")
    (tmp_path / "day3.yaml").write_text(YAML.replace("cells_by_frames", orientation))
    (trace,) = read_recording(tmp_path / "day3.yaml", "lab").traces
    spans = list(trace.spans())
    assert len(spans) == (5 if streamed else 1)
    np.testing.assert_array_equal(np.concatenate([span for _, span in spans], axis=1), values)


def test_cells_keep_their_numbers_or_their_names(tmp_path):
    yaml = YAML.replace("cells_by_frames", "frames_by_cells") + "header: true\n"
    numbered = read_recording(written(tmp_path, yaml, day3_csv="412,7\n1,2\n3,4\n"), "lab")
    assert rows(numbered, UNITS).select("unit_id", "name").rows() == [(412, None), (7, None)]
    assert numbered.traces[0].unit_id.tolist() == [412, 7]
    named = read_recording(written(tmp_path, yaml, day3_csv="c1,007\n1,2\n3,4\n"), "lab")
    assert rows(named, UNITS).select("unit_id", "name").rows() == [(0, "c1"), (1, "007")]
    rows_named = read_recording(written(tmp_path, YAML + "index: true\n", day3_csv="9,1,2\n8,3,4\n"), "lab")
    assert rows_named.traces[0].unit_id.tolist() == [9, 8]


def test_columns_of_the_matrix_that_are_no_cells(tmp_path):
    yaml = (
        "format: matrix\nsignal: dff\norientation: frames_by_cells\nheader: true\nindex: true\nleave_out: [trial]\n"
        "timestamps: {column: t, time_unit: ms}\nlabels: {column: moving, names: {1: moving}}\n"
        "behavior: {speed_cm_per_s: {column: speed}}\n"
    )
    table = ",t,a,speed,b,moving,trial\n5,0,1,10,4,0,1\n6,50,2,,5,1,1\n7,120,3,30,6,1,2\n"
    recording = read_recording(written(tmp_path, yaml, day3_csv=table), "lab")
    assert recording.traces[0].values.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert rows(recording, UNITS)["name"].to_list() == ["a", "b"]
    assert rows(recording, FRAMES)["time_s"].to_list() == [0.0, 0.05, 0.12]
    assert rows(recording, SESSIONS)["rate_hz"].item() == pytest.approx(1 / 0.06)
    assert rows(recording, FRAME_LABELS).select("frame", "label", "label_name").rows() == [
        (0, 0, None),
        (1, 1, "moving"),
        (2, 1, "moving"),
    ]
    (blocks,) = recording.blocks
    (speed,) = blocks.blocks()
    assert speed.schema.equals(BEHAVIOR_SIGNALS.arrow_schema)
    assert speed["value"].to_pylist() == [10.0, None, 30.0]
    assert speed["time_s"].to_pylist() == [0.0, 0.05, 0.12]


def test_times_and_labels_in_files_of_their_own(tmp_path):
    yaml = YAML.replace("rate_hz: 10\n", "timestamps: {file: t.csv, time_unit: us}\nlabels: {file: l.npy}\n")
    np.save(tmp_path / "l.npy", np.array([2, 0, 0, 1], np.uint8))
    times = "1700000000000001\n1700000000050002\n1700000000100003\n1700000000150004\n"
    recording = read_recording(written(tmp_path, yaml, t_csv=times), "lab")
    expected = [1700000000.000001, 1700000000.050002, 1700000000.100003, 1700000000.150004]
    assert rows(recording, FRAMES)["time_s"].to_list() == expected
    assert rows(recording, FRAME_LABELS)["label"].to_list() == [2, 0, 0, 1]


def test_percent_becomes_a_fraction(tmp_path):
    yaml = YAML.replace("signal: dff", "matrices: {dff: day3.csv, deconvolved: s.csv}\ndff_unit: percent")
    recording = read_recording(written(tmp_path, yaml, s_csv="1,2,3,4\n5,6,7,8\n"), "lab")
    values = {trace.signal: trace.values for trace in recording.traces}
    np.testing.assert_allclose(values["dff"], VALUES / 100, rtol=1e-6)
    assert values["deconvolved"].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_signals_of_the_animal_at_times_of_their_own(tmp_path):
    yaml = YAML + (
        "behavior:\n"
        "  position_cm: {file: track.csv, column: x, time_column: t, time_unit: ms, clock: {zero_s: 2}}\n"
        "  pupil_area_px2: {file: track.csv, column: pupil, time_column: t, time_unit: ms, clock: {zero_s: 2}}\n"
    )
    recording = read_recording(written(tmp_path, yaml, track_csv="t,x,note,pupil\n2000,1,,5\n2010,2,a b,\n"), "lab")
    found = pl.concat([pl.DataFrame(pl.from_arrow(block)) for block in recording.blocks[0].blocks()])
    assert found.select("signal", "sample", "time_s", "value").rows() == [
        ("position_cm", 0, 0.0, 1.0),
        ("position_cm", 1, pytest.approx(0.01), 2.0),
        ("pupil_area_px2", 0, 0.0, 5.0),
        ("pupil_area_px2", 1, pytest.approx(0.01), None),
    ]


def test_imaging_in_runs_lies_where_its_events_are(tmp_path):
    yaml = (
        YAML + "started_by: {event: BEGIN, frames: 2}\nevents: {file: log.txt, columns: [time, event], time_unit: ms}\n"
    )
    recording = read_recording(written(tmp_path, yaml, log_txt="5000 BEGIN\n 5050 LICK\n9000 BEGIN\n"), "lab")
    np.testing.assert_allclose(rows(recording, FRAMES)["time_s"], [5.0, 5.1, 9.0, 9.1])
    assert rows(recording, EVENTS)["onset_s"].to_list() == [5.0, 5.05, 9.0]
    assert metadata(recording)["started_by"] == {"event": "BEGIN", "frames": 2}
    short = written(tmp_path, yaml, log_txt="5000 BEGIN\n")
    assert refusal(short).found == "1 events BEGIN for 4 frames, among events BEGIN"


def test_an_unknown_rate_numbers_the_frames(tmp_path):
    recording = read_recording(written(tmp_path, YAML.replace("10", "unknown")), "lab")
    assert rows(recording, FRAMES)["time_s"].to_list() == [0.0, 1.0, 2.0, 3.0]
    assert rows(recording, SESSIONS)["rate_hz"].item() is None
    assert "unknown" in metadata(recording)["frame_times"]


FRAMES_FIRST = YAML.replace("cells_by_frames", "frames_by_cells") + "header: true\n"


@pytest.mark.parametrize(
    ("yaml", "files", "field", "found", "expected"),
    [
        (YAML, {"day3_csv": "1,x\n"}, "day3.csv line 1", "text 'x' in column 2", "a number"),
        (YAML, {"day3_csv": "1,2\n3\n"}, "day3.csv line 2", "1 values", "2, as in the first row"),
        (YAML, {"day3_csv": "1,inf\n"}, "day3.csv line 1", "inf in column 2", "a number"),
        (YAML, {"day3_csv": "1e300,1\n"}, "day3.csv line 1", "1e+300 in column 1", "a number"),
        (YAML, {"day3_csv": ""}, "day3.csv rows", "no row of numbers", "rows"),
        (YAML, {"day3_txt": "1 2\n"}, "matrix", "day3.csv, day3.txt beside day3.yaml", "or the key matrix"),
        (YAML + "matrix: other.csv\n", {}, "matrix", "no file other.csv", "a file in"),
        (YAML + "matrix: day3.dat2\n", {"day3_dat2": "1 2"}, "day3.dat2 separator", "a file *.dat2", "`separator:`"),
        (YAML + "matrix: m.npy\n", {"m_npy": "no array"}, "m.npy", "ValueError", "a whole .npy file"),
        (YAML + "index: true\n", {"day3_csv": "a,1\na,2\n"}, "day3.csv cells", "a more than once", "each cell once"),
        (
            FRAMES_FIRST + "index: true\n",
            {"day3_csv": ",a\n1,5\n3,6\n"},
            "day3.csv line 3",
            "frame '3', after '1'",
            "count",
        ),
        (FRAMES_FIRST + "leave_out: [b]\n", {"day3_csv": "a\n1\n"}, "day3.csv header", "no column b; there are a", "b"),
        (FRAMES_FIRST + "leave_out: [a]\n", {"day3_csv": "a\n1\n"}, "day3.csv shape", "0 cells x 1 frames", "cells"),
        (
            YAML.replace("signal: dff", "matrices: {dff: day3.csv, deconvolved: s.csv}"),
            {"s_csv": "1,2,3\n4,5,6\n"},
            "s.csv shape",
            "2 cells x 3 frames",
            "2 x 4, as of the signal dff",
        ),
        (
            YAML.replace("signal: dff", "index: true\nmatrices: {dff: day3.csv, deconvolved: s.csv}"),
            {"day3_csv": "a,1\nb,2\n", "s_csv": "b,1\na,2\n"},
            "s.csv cells",
            "other names",
            "the same cells",
        ),
        (
            YAML.replace("rate_hz: 10", "timestamps: {file: t.csv, time_unit: s}"),
            {"t_csv": "0\n1\n2\n"},
            "time",
            "3 values",
            "4, one for each frame",
        ),
        (
            YAML.replace("rate_hz: 10", "timestamps: {file: t.csv, column: t, time_unit: s}"),
            {"t_csv": "n,t\n0,0\n1,1\n2,0.5\n3,2\n"},
            "timestamps",
            "time running backwards at frame 2",
            "increasing",
        ),
        (
            YAML.replace("rate_hz: 10", "timestamps: {file: t.csv, time_unit: s}"),
            {"t_csv": "0,0\n1,1\n"},
            "t.csv column",
            "2 columns",
            "`column:`",
        ),
        (
            YAML.replace("rate_hz: 10", "timestamps: {file: t.csv, column: t, time_unit: s}"),
            {"t_csv": "t\n0\n\n1\n2\n"},
            "time",
            "3 values",
            "4",
        ),
        (YAML + "labels: {file: l.csv}\n", {"l_csv": "0\n1\n0.5\n1\n"}, "label", "0.5 at frame 2", "whole numbers"),
        (YAML + "labels: {file: l.csv}\n", {"l_csv": "0\n1\n\n1\n"}, "label", "nan at frame 2", "whole numbers"),
        (YAML + "labels: {file: l.csv}\n", {"l_csv": "0\n1\n"}, "label", "2 values", "4, one for each frame"),
        (YAML + "behavior: {x_cm: {file: x.csv}}\n", {"x_csv": "0\n1\n"}, "x_cm", "2 values", "4, one for each"),
        (
            YAML + "behavior: {x_cm: {file: x.csv, column: x, time_column: t, time_unit: s, clock: frames}}\n",
            {"x_csv": "t,x\n1,1\n0,1\n"},
            "x.csv t",
            "time running backwards in row 2: 0 after 1",
            "order of time",
        ),
        (
            YAML + "behavior: {x_cm: {file: x.csv, column: x, time_column: t, time_unit: s, clock: frames}}\n",
            {"x_csv": "t,x\n1,1\n,1\n"},
            "x.csv line 3",
            "t ''",
            "a number for t",
        ),
        (YAML.replace("m12", "m 12") + "session: a b\n", {}, "session", "'lab-a b'", "characters out of"),
        (YAML.replace("matrix", "matrx"), {}, "format", "'matrx' on line 1", "one of matrix, movement, mat"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path, yaml, files, field, found, expected):
    refused = refusal(written(tmp_path, yaml, **files))
    assert refused.field == field
    assert found in refused.found
    assert expected in refused.expected
    assert len(refused.content_sha256) == 64


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2), (0, 4)])
def test_an_array_that_is_no_matrix_is_refused(tmp_path, shape):
    np.save(tmp_path / "m.npy", np.zeros(shape))
    refused = refusal(written(tmp_path, YAML + "matrix: m.npy\n"))
    assert refused.field == "m.npy shape"
    np.save(tmp_path / "m.npy", np.zeros((2, 2), dtype=complex))
    assert "complex128" in refusal(tmp_path / "day3.yaml").found


def test_names_of_a_npy_are_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((2, 2)))
    assert refusal(written(tmp_path, YAML + "matrix: m.npy\nheader: true\n")).found == "header of a .npy"


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    path = written(tmp_path / "in", YAML + "matrix: link.csv\n")
    (tmp_path / "secret.csv").write_text(CSV)
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "secret.csv")
    assert "a link that leads out of" in refusal(path).found


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (YAML, True),
        ("# mine\r\n'format' : \"mat\"  # v7\r\nfile: x.mat\r\n", True),
        ("{format: movement, rate_hz: 10}", True),
        ('{"format": "matrix", "signal": "dff"}', True),
        ("format: matrx\norientation: cells_by_frames\n", True),
        ("format: matrix\n\tbroken: [\n", True),
        ("format: tiff\n", False),
        ("orientation: cells_by_frames\n", False),
        ("export:\n  format: matrix\n", False),
        ("", False),
        ("\x00\xff" * 10, False),
    ],
)
def test_a_description_is_known_by_its_format(tmp_path, text, known):
    path = tmp_path / "any.yml"
    path.write_bytes(text.encode("latin-1"))
    assert lab_files.recognises(path) is known
    assert lab_files.parts(path)[0] == path


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet="format:matix\n -[]{}\"'&*!#,|>%@", max_size=60).map(str.encode))
def test_odd_descriptions_never_stop_a_search(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("odd") / "odd.yaml"
    path.write_bytes(b"format: matrix\n" + content)
    lab_files.recognises(path)
    assert path in lab_files.parts(path)
    with pytest.raises(Refused):
        read_recording(path, "lab", "lab_files")


def test_other_files_are_not_ours(tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "day3.csv").write_text(YAML)
    (tmp_path / "big.yaml").write_text(YAML + "#" * 300_000)
    assert not any(
        lab_files.recognises(tmp_path / name) for name in ("folder.yaml", "day3.csv", "big.yaml", "gone.yaml")
    )


def test_the_owner_describes_what_has_no_yaml(tmp_path):
    (tmp_path / "m.csv").write_text(CSV)
    about = {"format": "matrix", "signal": "dff", "orientation": "cells_by_frames", "rate_hz": 10, "subject": 412}
    by_file = read_recording(tmp_path / "m.csv", "lab", "lab_files", about=about)
    assert by_file.session_ids == ("lab-m",)
    by_folder = read_recording(tmp_path, "lab", "lab_files", about=about | {"matrix": "m.csv", "session": "s"})
    assert by_folder.session_ids == ("lab-s",)
    for recording in (by_file, by_folder):
        np.testing.assert_array_equal(recording.traces[0].values, VALUES)
        assert rows(recording, SESSIONS)["subject_id"].item() == "412"
    assert lab_files.parts(tmp_path / "m.csv", about) == [tmp_path / "m.csv"]
    other = read_recording(tmp_path / "m.csv", "lab", "lab_files", about=about | {"rate_hz": 20})
    assert other.content_sha256 != by_file.content_sha256


def test_what_the_owner_says_wrongly_is_named_too(tmp_path):
    (tmp_path / "m.csv").write_text(CSV)
    about = {"format": "matrix", "signal": "dff", "orientation": "cells_by_frames", "rate_hz": 10}
    for said, field in [
        ({}, "about.format"),
        (about | {"rate": 3}, "about.rate"),
        (about | {"matrix": "gone.csv"}, "about.matrix"),
        (about | {"matrix": "../m.csv"}, "about.matrix"),
    ]:
        refused = refusal(tmp_path / "m.csv", reader_name="lab_files", about=said)
        assert refused.field == field
    assert refusal(tmp_path, reader_name="lab_files", about=about).found == "no key matrix"


def test_the_owner_may_add_to_a_yaml_but_not_contradict_it(tmp_path):
    path = written(tmp_path)
    recording = read_recording(path, "lab", about={"indicator": "GCaMP6s", "rate_hz": "10"})
    assert rows(recording, SESSIONS)["indicator"].item() == "GCaMP6s"
    refused = refusal(path, about={"rate_hz": 20})
    assert (refused.field, refused.expected) == ("rate_hz", "each key once")


def test_every_row_is_of_its_declared_type(tmp_path):
    yaml = YAML + "events: {file: log.csv, time_unit: s, clock: frames}\ntrials: {start_event: TONE}\n"
    recording = read_recording(written(tmp_path, yaml, log_csv="time,event\n0.1,TONE\n"), "lab")
    assert TRIALS in recording.rows
    for table, found in recording.rows.items():
        assert isinstance(found, pa.Table)
        assert found.schema.equals(table.arrow_schema)


def test_the_page_for_labs_can_be_copied_as_it_stands(tmp_path, monkeypatch):
    page = (Path(__file__).parents[3] / "docs" / "lab-files.md").read_text()
    for name, content in re.findall(r"^\*\*(\S+)\*\*\n\n```\w+\n(.*?)^```", page, re.M | re.S):
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S):
        exec(code, {})
    search = found_files(Source(name="lab", paths=(str(tmp_path),)))
    assert (search.passed_over, search.missing) == (0, ())
    read = {one.path.name: read_recording(one.path, "lab", one.reader, root=one.root) for one in search.recordings}
    assert sorted(read) == [
        *("belt1.yaml", "day3.yaml", "day4.yaml", "touch1.yaml", "touch2.yaml", "walk1.yaml", "walk2.yaml"),
    ]
    assert rows(read["day3.yaml"], EVENTS).select("kind", "onset_s", "attributes").rows() == [
        ("mark", 0.05, None),
        ("lick", 0.12, '{"port": "left"}'),
        ("reward", 0.15, '{"port": "left"}'),
    ]
    assert rows(read["day4.yaml"], FRAME_LABELS)["label_name"].to_list() == ["still", "still", "moving"]
    touch = rows(read["touch1.yaml"], TRIALS).select("start_s", "stop_s", "outcome").row(0)
    assert touch == (pytest.approx(0.1), pytest.approx(0.3), "correct")
    assert metadata(read["touch1.yaml"])["log_notes"] == ["Name Value", "Animal ID ts7"]
    assert rows(read["touch2.yaml"], TRIALS)["outcome"].to_list() == ["correct", "incorrect"]
    for name in ("walk1.yaml", "walk2.yaml"):
        assert rows(read[name], FRAME_LABELS)["label_name"].to_list() == ["none", "contralateral", "ipsilateral"]
    belt = {trace.signal: trace.values for trace in read["belt1.yaml"].traces}
    np.testing.assert_array_equal(belt["dff"], belt["deconvolved"])
    assert rows(read["belt1.yaml"], EVENTS)["name"].to_list() == ["LICK", "LICK"]


def test_the_page_for_labs_names_every_key():
    page = (Path(__file__).parents[3] / "docs" / "lab-files.md").read_text()
    entries = [one for one in vars(lab_entries).values() if isinstance(one, type) and issubclass(one, BaseModel)]
    for model in (*lab_files.FORMATS.values(), *entries):
        for key in model.model_fields:
            named = re.search(rf"`[^`]*\b{key}\b[^`]*`", page)
            assert named or key == "sample_rate_hz", f"{key} of {model.__name__}"
