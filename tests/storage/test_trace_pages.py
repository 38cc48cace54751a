"""Pages of traces: every library that reads Parquet reads the same of them, and filters find what there is."""

from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import storage.traces
from storage.lake import Lake
from storage.traces import TraceMatrix, read_trace_files, write_trace_file

SMALLEST, LARGEST = np.finfo(np.float32).min, np.finfo(np.float32).max
NAN = np.nan


def with_missing(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Its first row whole, of its second the ends missing, of its third all, of the others some."""
    values = values.copy()
    values[1, [0, -1]] = NAN
    values[2] = NAN
    values[3:][rng.random(values[3:].shape) < 0.3] = NAN
    return values


@pytest.fixture(
    params=[(1, 1), (1, 2), (5, 7), (5, 8), (4, 9), (4, 128), (4, 129), (4, 130), (20, 1000), (1, 2**20 + 1)], ids=str
)
def complete(request, rng) -> np.ndarray:
    """(n_units, n_frames) of numbers of any size and sign, both zeros among them."""
    values = (rng.standard_normal(request.param) * 10.0 ** rng.integers(-40, 38, request.param)).astype(np.float32)
    extremes = [0.0, -0.0, LARGEST, SMALLEST, 1e-45]
    values.flat[: len(extremes)] = extremes[: values.size]
    return values


def written(folder: Path, values: np.ndarray, unit_id: np.ndarray | None = None) -> Path:
    ids = np.arange(len(values)) if unit_id is None else unit_id
    return write_trace_file(TraceMatrix("a", "dff", ids, values), folder)


def rows_of(values: np.ndarray, unit_id: np.ndarray) -> pl.DataFrame:
    n_units, n_frames = values.shape
    return pl.DataFrame(
        {
            "unit_id": np.repeat(unit_id, n_frames),
            "frame": np.tile(np.arange(n_frames, dtype=np.int32), n_units),
            "value": pl.Series(values.ravel()).fill_nan(None),
        }
    )


def read_by_all(path: Path) -> dict[str, pl.DataFrame]:
    chosen = "SELECT unit_id, frame, value FROM read_parquet(?, hive_partitioning = false)"
    with duckdb.connect() as connection:
        by_duckdb = connection.execute(chosen, [str(path)]).pl()
    names = ["unit_id", "frame", "value"]
    return {
        "pyarrow": pl.DataFrame(pl.from_arrow(pq.ParquetFile(path).read())),
        "polars": pl.read_parquet(path, columns=names, hive_partitioning=False),
        "duckdb": by_duckdb,
    }


def require_same_by_all(path: Path, values: np.ndarray, unit_id: np.ndarray) -> None:
    expected = rows_of(values, unit_id)
    for library, found in read_by_all(path).items():
        assert found.equals(expected), library
        # Bit by bit: zeros of either sign are equal.
        bits = found["value"].fill_null(NAN).to_numpy().view(np.uint32)
        assert (bits == expected["value"].fill_null(NAN).to_numpy().view(np.uint32)).all(), library
    ids, direct = read_trace_files([str(path)])
    np.testing.assert_array_equal(ids, unit_id)
    np.testing.assert_array_equal(direct, values)
    np.testing.assert_array_equal(np.signbit(direct), np.signbit(values) & ~np.isnan(values))


def test_every_library_reads_what_was_written(tmp_path, complete):
    require_same_by_all(written(tmp_path, complete), complete, np.arange(len(complete)))


def test_every_library_reads_missing_values_as_missing(tmp_path, complete, rng):
    if len(complete) < 4:
        complete = np.repeat(complete[:, :3000], 4, axis=0)
    values = with_missing(complete, rng)
    require_same_by_all(written(tmp_path, values), values, np.arange(len(values)))


def test_units_of_any_id_in_groups_of_a_few_frames(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(storage.traces, "FRAMES_PER_GROUP", 7)
    unit_id = np.array([2**63 - 1, -(2**63), -1, 0, 63, 64, -64, -65, 2**31, 1_086_000_000])
    values = rng.standard_normal((10, 100), dtype=np.float32)
    path = written(tmp_path, values, unit_id)
    order = np.argsort(unit_id)
    ids, direct = read_trace_files([str(path)])
    np.testing.assert_array_equal(ids, unit_id[order])
    np.testing.assert_array_equal(direct, values[order])
    for found in read_by_all(path).values():
        assert found.sort("unit_id", "frame").equals(rows_of(values[order], unit_id[order]))


def test_a_file_without_frames_has_no_rows(tmp_path):
    path = written(tmp_path, np.zeros((3, 0), np.float32))
    assert all(len(found) == 0 for found in read_by_all(path).values())
    assert pq.read_metadata(path).num_row_groups == 0


def test_statistics_are_those_of_the_values(tmp_path, rng):
    values = with_missing(rng.standard_normal((6, 50), dtype=np.float32) - 10, rng)
    metadata = pq.read_metadata(written(tmp_path, values, np.arange(6) - 3))
    for index in range(6):
        unit, frame, value = (metadata.row_group(index).column(at).statistics for at in range(3))
        assert (unit.min, unit.max, unit.null_count) == (index - 3, index - 3, 0)
        assert (frame.min, frame.max, frame.null_count) == (0, 49, 0)
        missing = int(np.isnan(values[index]).sum())
        assert value.null_count == missing
        assert value.has_min_max == (missing < 50)
        if missing < 50:
            assert (value.min, value.max) == (np.nanmin(values[index]), np.nanmax(values[index]))


def test_where_one_zero_is_an_end_of_the_range_the_other_lies_in_it(tmp_path):
    statistics = pq.read_metadata(written(tmp_path, np.array([[0.0, 0.0], [-0.0, -0.0]], np.float32)))
    for index in range(2):
        value = statistics.row_group(index).column(2).statistics
        assert np.signbit([value.min, value.max]).tolist() == [True, False]


CONDITIONS = [
    ("value > 1.5", lambda unit, frame, value: value > 1.5),
    ("value < -99", lambda unit, frame, value: value < -99),
    ("value = 0", lambda unit, frame, value: value == 0),
    ("value >= 3.4028234663852886e38", lambda unit, frame, value: value == LARGEST),
    ("value IS NULL", lambda unit, frame, value: np.isnan(value)),
    ("value IS NOT NULL AND unit_id = 2", lambda unit, frame, value: ~np.isnan(value) & (unit == 2)),
    ("unit_id = 3 AND frame BETWEEN 6 AND 15", lambda unit, frame, value: (unit == 3) & (frame >= 6) & (frame <= 15)),
    ("unit_id IN (0, 5, 99) AND frame = 49", lambda unit, frame, value: (unit % 5 == 0) & (frame == 49)),
    ("frame >= 50 OR unit_id < 0", lambda unit, frame, value: frame >= 50),
    ("value BETWEEN -0.5 AND 0.5 AND frame < 7", lambda unit, frame, value: (abs(value) <= 0.5) & (frame < 7)),
]


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS, ids=[condition for condition, _ in CONDITIONS])
def test_filters_find_what_there_is(lake: Lake, rng, condition, holds, monkeypatch):
    monkeypatch.setattr(storage.traces, "FRAMES_PER_GROUP", 7)
    values = rng.standard_normal((6, 50), dtype=np.float32)
    values[0, 3], values[1, 9], values[4, :7], values[5, 49] = LARGEST, SMALLEST, -0.0, 0.0
    values = with_missing(values, rng)
    lake.replace({}, traces=[TraceMatrix("a", "dff", np.arange(6), values)], message="traces")
    frame, unit = np.meshgrid(np.arange(50), np.arange(6))
    expected = rows_of(values, np.arange(6)).filter(pl.Series(holds(unit, frame, values).ravel()))
    found = lake.query(f"SELECT unit_id, frame, value FROM recorded.traces WHERE {condition} ORDER BY unit_id, frame")
    assert found.equals(expected)
    (path,) = lake._trace_files("a", "dff")
    by_polars = pl.scan_parquet(path, hive_partitioning=False).filter(pl.sql_expr(condition)).collect()
    assert by_polars.equals(expected)


def test_arrow_filters_by_the_statistics_too(tmp_path, rng):
    values = rng.standard_normal((6, 50), dtype=np.float32)
    path = written(tmp_path, values)
    found = pq.read_table(path, filters=(pc.field("value") > 1.0) & (pc.field("unit_id") == 4), partitioning=None)
    assert found["value"].to_pylist() == [one for one in values[4].tolist() if one > 1.0]


def test_infinite_values_are_found(tmp_path):
    """Readers refuse them; what writes them all the same finds them again."""
    values = np.array([[1.0, np.inf], [-np.inf, NAN]], np.float32)
    require_same_by_all(written(tmp_path, values), values, np.arange(2))


def test_many_frames_of_which_a_few_are_missing(tmp_path, rng):
    values = rng.standard_normal((2, 200_000), dtype=np.float32)
    values[1, ::1000] = NAN
    require_same_by_all(written(tmp_path, values), values, np.arange(2))


@pytest.mark.parametrize("missing", range(1, 20))
def test_a_few_missing_values_are_never_taken_for_whole_pages(tmp_path, rng, missing):
    values = rng.standard_normal((3, 64), dtype=np.float32)
    values[1, rng.permutation(64)[:missing]] = NAN
    np.testing.assert_array_equal(read_trace_files([str(written(tmp_path, values))])[1], values)
