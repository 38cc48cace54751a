"""Trace matrices: what was written comes back, whole or in part, by both roads, at every snapshot."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import storage.traces
from storage.byte_ranges import LocalBytes
from storage.lake import Lake, open_lake
from storage.traces import NotDirect, TraceMatrix, TraceStream, _row_groups, read_trace_files, write_trace_file

UNITS = [17, 3, 1_000_000_007, 5]


@pytest.fixture
def matrix(rng: np.random.Generator) -> TraceMatrix:
    """Four units in no order, 50 frames, three values missing."""
    values = rng.standard_normal((4, 50), dtype=np.float32)
    values[1, 0] = values[1, 20] = values[3, 49] = np.nan
    return TraceMatrix("lab-007", "dff", np.array(UNITS), values)


@pytest.fixture(params=["one group a unit", "seven frames a group"])
def _groups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param.startswith("seven"):
        monkeypatch.setattr(storage.traces, "FRAMES_PER_GROUP", 7)


def _write(lake: Lake, *matrices: TraceMatrix) -> int:
    return lake.replace({}, traces=matrices, message="traces")


def _same_by_both_roads(lake: Lake, session_id: str = "lab-007", **chosen: object) -> np.ndarray:
    direct = read_trace_files(lake._trace_files(session_id, "dff"), **chosen)
    by_sql = lake._traces_by_sql(session_id, "dff", chosen.get("frames", slice(None)), chosen.get("units"))
    for one, other in zip(direct, by_sql, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    given = lake.traces(session_id, **chosen)
    np.testing.assert_array_equal(given.unit_id, direct[0])
    np.testing.assert_array_equal(given.values, direct[1])
    return given.values


@pytest.mark.usefixtures("_groups")
def test_a_matrix_comes_back_with_its_units_in_order(lake: Lake, matrix: TraceMatrix) -> None:
    _write(lake, matrix)
    back = lake.traces("lab-007")
    assert back.unit_id.tolist() == sorted(UNITS)
    assert back.values.dtype == np.float32
    np.testing.assert_array_equal(back.values, matrix.values[np.argsort(UNITS)])


def test_nan_is_null_in_sql_and_nan_in_the_matrix(lake: Lake, matrix: TraceMatrix) -> None:
    _write(lake, matrix)
    missing = lake.query("SELECT unit_id, frame FROM recorded.traces WHERE value IS NULL ORDER BY ALL")
    assert missing.rows() == [(3, 0), (3, 20), (5, 49)]
    assert lake.query("SELECT count(*) AS n FROM recorded.traces WHERE isnan(value)")["n"].item() == 0
    assert np.isnan(lake.traces("lab-007", units=[3]).values[0, [0, 20]]).all()


@pytest.mark.usefixtures("_groups")
@pytest.mark.parametrize(
    "frames", [slice(None), slice(0, 1), slice(6, 8), slice(13, 41), slice(49, 99), slice(-3, None)]
)
@pytest.mark.parametrize("units", [None, [5], [17, 3], [3, 3, 17]])
def test_a_part_equals_that_part_of_the_whole(
    lake: Lake, matrix: TraceMatrix, frames: slice, units: list[int] | None
) -> None:
    _write(lake, matrix)
    rows = [UNITS.index(unit) for unit in (units or sorted(UNITS))]
    np.testing.assert_array_equal(_same_by_both_roads(lake, frames=frames, units=units), matrix.values[rows][:, frames])


def test_spans_without_frames_and_choices_without_units_are_empty(lake: Lake, matrix: TraceMatrix) -> None:
    _write(lake, matrix)
    assert _same_by_both_roads(lake, frames=slice(60, 70)).shape == (4, 0)
    assert _same_by_both_roads(lake, frames=slice(9, 3)).shape == (4, 0)
    assert _same_by_both_roads(lake, units=[]).shape == (0, 50)


def test_a_span_with_a_step_is_refused(lake: Lake, matrix: TraceMatrix) -> None:
    _write(lake, matrix)
    with pytest.raises(ValueError, match="step 2"):
        lake.traces("lab-007", frames=slice(0, 10, 2))


@pytest.mark.parametrize("direct", [True, False])
def test_what_is_not_there_is_named(lake: Lake, matrix: TraceMatrix, direct: bool) -> None:
    _write(lake, matrix)
    if not direct:
        lake.query("DELETE FROM recorded.traces WHERE unit_id = 17")
    with pytest.raises(KeyError, match=r"\[4\]"):
        lake.traces("lab-007", units=[3, 4])
    with pytest.raises(KeyError, match="lab-00"):
        lake.traces("lab-00")
    with pytest.raises(KeyError, match="events"):
        lake.traces("lab-007", "events")


@pytest.mark.parametrize(
    "session_id", ["lab-007", "007", "x-2024-01-01", "2024-01-01", "p-1e5", "1e5", "true", "a.b_c"]
)
def test_session_ids_stay_text(lake: Lake, matrix: TraceMatrix, session_id: str) -> None:
    _write(lake, TraceMatrix(session_id, "dff", matrix.unit_id, matrix.values))
    assert lake.query("SELECT DISTINCT session_id, signal FROM recorded.traces").rows() == [(session_id, "dff")]
    assert _same_by_both_roads(lake, session_id).shape == (4, 50)


def test_every_snapshot_reads_alike_by_both_roads(lake: Lake, rng: np.random.Generator) -> None:
    written = {}
    for turn in range(5):
        values = rng.standard_normal((2 + turn % 2, 10 + turn), dtype=np.float32)
        written[_write(lake, TraceMatrix("a", "dff", np.arange(len(values)), values))] = values
        _write(lake, TraceMatrix("a-1", "dff", np.array([9]), np.zeros((1, 3), np.float32)))
    for snapshot, values in written.items():
        with open_lake(lake.settings, snapshot=snapshot) as then:
            assert then.snapshot_id == snapshot
            np.testing.assert_array_equal(_same_by_both_roads(then, "a"), values)
    # The lake that was open all along sees the newest.
    np.testing.assert_array_equal(_same_by_both_roads(lake, "a"), values)


def test_rows_that_came_by_sql_are_read_by_sql(lake: Lake) -> None:
    lake.query("INSERT INTO recorded.traces SELECT 'a', 'dff', 7, 9 - i, i / 10 FROM range(10) AS counted(i)")
    with pytest.raises(NotDirect):
        read_trace_files(lake._trace_files("a", "dff"))
    np.testing.assert_array_equal(lake.traces("a").values, np.arange(9, -1, -1, dtype=np.float32)[None] / 10)


def test_rows_added_by_sql_beside_a_file_are_read_too(lake: Lake, matrix: TraceMatrix) -> None:
    _write(lake, matrix)
    lake.query("INSERT INTO recorded.traces VALUES ('lab-007', 'dff', 3, 50, 1.5)")
    values = lake.traces("lab-007").values
    np.testing.assert_array_equal(values[:, :50], matrix.values[np.argsort(UNITS)])
    np.testing.assert_array_equal(values[:, 50], [1.5, np.nan, np.nan, np.nan])


def test_rows_deleted_by_sql_are_missing(lake: Lake, matrix: TraceMatrix) -> None:
    before = _write(lake, matrix)
    lake.query("DELETE FROM recorded.traces WHERE unit_id = 17 AND frame BETWEEN 10 AND 19")
    lake.query("DELETE FROM recorded.traces WHERE unit_id = 5")
    assert lake._trace_files("lab-007", "dff") is None
    back = lake.traces("lab-007")
    assert back.unit_id.tolist() == [3, 17, 1_000_000_007]
    np.testing.assert_array_equal(back.values[0], matrix.values[1])
    np.testing.assert_array_equal(back.values[1, 20:], matrix.values[0, 20:])
    assert np.isnan(back.values[1, 10:20]).all()
    with open_lake(lake.settings, snapshot=before) as then:
        np.testing.assert_array_equal(_same_by_both_roads(then), matrix.values[np.argsort(UNITS)])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda unit, frame: (unit, frame[::-1] + 1),  # not from frame 0
        lambda unit, frame: (np.where(frame < 5, 1, 2), frame),  # two units in a group
        lambda unit, frame: (unit, np.where(frame < 5, frame, frame + 1)),  # a gap
    ],
)
def test_files_of_another_layout_are_not_read_directly(
    tmp_path: Path, spoil: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> None:
    unit, frame = spoil(np.ones(10, np.int64), np.arange(10, dtype=np.int32))
    pq.write_table(
        pa.table({"unit_id": unit, "frame": frame, "value": np.zeros(10, np.float32)}), tmp_path / "other.parquet"
    )
    with pytest.raises(NotDirect):
        read_trace_files([str(tmp_path / "other.parquet")])


@pytest.mark.parametrize(
    ("units", "values", "says"),
    [
        (np.arange(2), np.zeros((3, 5), np.float32), "values must be"),
        (np.arange(2), np.zeros(2, np.float32), "values must be"),
        (np.arange(2), np.zeros((2, 5)), "values must be .* float64"),
        (np.arange(2, dtype=np.int32), np.zeros((2, 5), np.float32), "unit_id must be .* int32"),
        (np.array([1, 1]), np.zeros((2, 5), np.float32), "may stand once"),
    ],
    ids=["other count", "one dimension", "double", "narrow unit_id", "a unit twice"],
)
def test_units_that_do_not_fit_the_matrix_are_refused(
    tmp_path: Path, units: np.ndarray, values: np.ndarray, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        write_trace_file(TraceMatrix("a", "dff", units, values), tmp_path)
    assert list(tmp_path.rglob("*.parquet")) == []


def test_only_groups_without_missing_values_are_read_from_where_they_lie(tmp_path: Path, matrix: TraceMatrix) -> None:
    groups = list(_row_groups(LocalBytes(str(write_trace_file(matrix, tmp_path)))))
    assert {group.unit_id: group.values_at is not None for group in groups} == {
        3: False,
        5: False,
        17: True,
        UNITS[2]: True,
    }


def test_a_file_that_arrow_wrote_in_that_layout_is_read_directly(tmp_path: Path, matrix: TraceMatrix) -> None:
    path = str(tmp_path / "arrow.parquet")
    schema = pa.schema(
        [pa.field("unit_id", pa.int64(), False), pa.field("frame", pa.int32(), False), pa.field("value", pa.float32())],
        metadata={"neurolake.traces": "one page of values per row group"},
    )
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for unit, trace in zip(matrix.unit_id, matrix.values, strict=True):
            frames = pa.array(range(50), pa.int32())
            columns = [pa.array([unit] * 50, pa.int64()), frames, pa.array(trace, from_pandas=True)]
            writer.write_table(pa.table(columns, schema=schema))
    assert [group.values_at is not None for group in _row_groups(LocalBytes(path))] == [True, False, True, False]
    np.testing.assert_array_equal(read_trace_files([path], units=UNITS)[1], matrix.values)


@pytest.mark.parametrize("values", [np.zeros((0, 5), np.float32), np.zeros((3, 0), np.float32)])
def test_a_matrix_without_values_is_no_traces(lake: Lake, values: np.ndarray) -> None:
    _write(lake, TraceMatrix("a", "dff", np.arange(len(values)), values))
    with pytest.raises(KeyError, match="no 'dff' traces"):
        lake.traces("a")


# Signals that are streamed.


def _stream(matrix: TraceMatrix, spans: list[tuple[int, int]]) -> TraceStream:
    """The matrix as a stream that notes which spans were read."""

    def read(start: int, stop: int) -> np.ndarray:
        spans.append((start, stop))
        return matrix.values[:, start:stop]

    return TraceStream(matrix.session_id, matrix.signal, matrix.unit_id, matrix.frame_count, read)


@pytest.mark.parametrize("complete", [True, False])
def test_a_stream_is_read_in_spans_and_comes_back_whole(
    lake: Lake, matrix: TraceMatrix, complete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.traces, "VALUES_PER_SPAN", 4 * 20)
    if complete:
        matrix = TraceMatrix("lab-007", "dff", matrix.unit_id, np.nan_to_num(matrix.values))
    spans: list[tuple[int, int]] = []
    lake.replace({}, traces=[_stream(matrix, spans)], message="stream")
    np.testing.assert_array_equal(_same_by_both_roads(lake), matrix.values[np.argsort(UNITS)])
    np.testing.assert_array_equal(_same_by_both_roads(lake, frames=slice(15, 45), units=[3, 5]).shape, (2, 30))
    assert spans == [(0, 17), (17, 34), (34, 50)]


def test_a_stream_is_done_once_its_last_span_is_used(matrix: TraceMatrix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.traces, "VALUES_PER_SPAN", 4 * 20)
    happened: list[object] = []
    stream = replace(_stream(matrix, happened), done=lambda: happened.append("done"))
    for start, _ in stream.spans():
        happened.append(f"used from {start}")
    assert happened == [(0, 17), "used from 0", (17, 34), "used from 17", (34, 50), "used from 34", "done"]


def test_a_stream_that_fails_leaves_no_file(lake: Lake, matrix: TraceMatrix) -> None:
    def read(start: int, stop: int) -> np.ndarray:
        raise OSError("the disk went away")

    before = lake.snapshot_id
    streams = [matrix, TraceStream("lab-008", "dff", matrix.unit_id, 50, read)]
    with pytest.raises(OSError, match="went away"):
        lake.replace({}, traces=streams, message="stream")
    assert lake.snapshot_id == before
    assert list(lake.settings.data_folder.rglob("*.parquet")) == []
