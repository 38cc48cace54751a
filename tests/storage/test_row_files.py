"""Blocks of rows: they come back whole, replace those of their session, and leave nothing when they fail."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.declaration import Column, Table
from storage.lake import Lake
from storage.row_files import RowBlocks, write_row_files
from storage.tables import SPIKES


def spikes(session_id: str, time_s: list[float], unit_id: int = 1, first: int = 0) -> pa.Table:
    count = len(time_s)
    return SPIKES.rows(
        {"session_id": [session_id] * count, "unit_id": [unit_id] * count}
        | {"spike": range(first, first + count), "time_s": time_s}
    )


def write(lake: Lake, *blocks: pa.Table) -> None:
    lake.replace({}, blocks=[RowBlocks(SPIKES, lambda: iter(blocks))], message="spikes")


def there(lake: Lake) -> list[tuple]:
    return lake.query("SELECT session_id, unit_id, spike, time_s FROM recorded.spikes ORDER BY ALL").rows()


def test_blocks_of_several_sessions_come_back_in_one_file_each(lake: Lake) -> None:
    both = pa.concat_tables([spikes("a", [0.5, 1.5]), spikes("b", [2.5])])
    write(lake, both, spikes("a", [3.5], first=2))
    assert there(lake) == [("a", 1, 0, 0.5), ("a", 1, 1, 1.5), ("a", 1, 2, 3.5), ("b", 1, 0, 2.5)]
    assert len(list(lake.settings.data_folder.rglob("spikes/session_id=a/*.parquet"))) == 1


def test_blocks_replace_those_of_their_session_alone(lake: Lake) -> None:
    write(lake, spikes("a", [0.5, 1.5]), spikes("b", [2.5]))
    write(lake, spikes("a", [9.5]))
    assert there(lake) == [("a", 1, 0, 9.5), ("b", 1, 0, 2.5)]


def test_a_block_without_rows_adds_nothing(lake: Lake) -> None:
    write(lake, spikes("a", [0.5]), spikes("a", []))
    assert there(lake) == [("a", 1, 0, 0.5)]


def test_missing_values_are_null(lake: Lake) -> None:
    write(lake, spikes("a", [0.5]))
    assert lake.query("SELECT amplitude FROM recorded.spikes").rows() == [(None,)]


@pytest.mark.parametrize("said", [["one", "one"], ["one", "another"], [None, None], ["one", None]])
def test_texts_are_plain_texts_in_the_file(tmp_path: Path, said: list[str | None]) -> None:
    columns = (Column("session_id", "text", "whose"), Column("said", "text", "what", nullable=True))
    table = Table("recorded.words", "Words.", ("said",), ("session_id",), columns, ("session_id",), "files")
    block = table.rows({"session_id": ["a", "a"], "said": said})
    file = write_row_files(RowBlocks(table, lambda: iter([block])), tmp_path)["a"]
    assert pq.read_schema(file).field("said").type == pa.string()
    assert duckdb.sql(f"SELECT said FROM '{file}'").fetchall() == [(one,) for one in said]


@pytest.mark.parametrize("failure", ["a block of another schema", "an error half-way"])
def test_blocks_that_fail_leave_nothing(lake: Lake, failure: str) -> None:
    write(lake, spikes("a", [0.5]))
    files = sorted(lake.settings.data_folder.rglob("*.parquet"))

    def blocks() -> Iterator[pa.Table]:
        yield spikes("a", [1.5])
        if failure == "an error half-way":
            raise OSError("the disk went away")
        yield pa.table({"session_id": ["b"], "spike": [1]})

    with pytest.raises(OSError if "half-way" in failure else ValueError):
        lake.replace({}, blocks=[RowBlocks(SPIKES, blocks)], message="spikes")
    assert there(lake) == [("a", 1, 0, 0.5)]
    assert sorted(lake.settings.data_folder.rglob("*.parquet")) == files


def test_a_block_is_found_by_its_session_without_reading_the_others(lake: Lake) -> None:
    write(lake, spikes("a", [0.5, 1.5]), spikes("b", [2.5]))
    plan = lake.query("EXPLAIN ANALYZE SELECT count(*) FROM recorded.spikes WHERE session_id = 'b'")
    assert "Total Files Read: 1" in pl.Series(plan["explain_value"]).str.join("")[0]
