"""What a lake holds, to compare it with a copy: rows and a fingerprint of every table, and every snapshot."""

from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from storage.attach import connect
from storage.settings import Settings


@dataclass(frozen=True)
class TableContent:
    """Rows of one table at one snapshot, and a sum over hashes of them that any other row changes."""

    snapshot_id: int
    table: str
    row_count: int
    fingerprint: int


@dataclass(frozen=True)
class LakeContents:
    """Every table now and at one earlier snapshot, and every snapshot with time, changes, author, message and JSON."""

    tables: tuple[TableContent, ...]
    snapshots: tuple[tuple[object, ...], ...]

    @property
    def current(self) -> tuple[TableContent, ...]:
        """The tables as they are now."""
        return tuple(one for one in self.tables if one.snapshot_id == self.snapshots[-1][0])

    def differences(self, other: "LakeContents") -> list[str]:
        """What differs, in words; nothing when both hold the same."""
        names = sorted({(one.snapshot_id, one.table) for one in set(self.tables) ^ set(other.tables)})
        tables = [f"{table} at snapshot {snapshot}" for snapshot, table in names]
        numbers = sorted({one[0] for one in set(self.snapshots) ^ set(other.snapshots)})
        return tables + [f"snapshot {number}" for number in numbers]


def lake_contents(settings: Settings, advance: Callable[[str], None] = lambda _: None) -> LakeContents:
    """Read a lake wholly, now and at the snapshot in the middle of its history.

    ``advance`` is told of each table that was read. Whether the catalog is closed isn't asked.
    """
    with connect(settings, read_only=True) as lake:
        found = lake.execute("FROM ducklake_snapshots('lake') ORDER BY snapshot_id").fetchall()
        last, middle = found[-1][0], found[len(found) // 2][0]
        tables = _tables_of(lake, last, advance)
    if middle != last:
        with connect(settings, read_only=True, snapshot=middle) as lake:
            tables += _tables_of(lake, middle, advance)
    return LakeContents(tuple(tables), tuple((row[0], *map(str, row[1:])) for row in found))


def _tables_of(lake: duckdb.DuckDBPyConnection, snapshot: int, advance: Callable[[str], None]) -> list[TableContent]:
    names = lake.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL"
    ).fetchall()
    contents = []
    for schema, table in names:
        counted = f'SELECT count(*), coalesce(sum(hash(one)::HUGEINT), 0) FROM lake."{schema}"."{table}" AS one'
        [(rows, fingerprint)] = lake.execute(counted).fetchall()
        contents.append(TableContent(snapshot, f"{schema}.{table}", rows, int(fingerprint)))
        advance(f"{schema}.{table}")
    return contents
