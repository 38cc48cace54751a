"""Maintenance of the lake: the turn that it needs, and one file in place of many in the tables that get rows.

What else belongs to it: `storage.maintain_snapshots` and `storage.maintain_files`.
"""

import getpass
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import duckdb

from storage.attach import connect
from storage.declaration import Table
from storage.lake import open_lake
from storage.settings import Settings
from storage.tables import TABLE_BY_NAME, TABLES
from storage.turns import WHOLE_LAKE, turn


@dataclass(frozen=True)
class Merged:
    """How many files a table's rows lay in, and lie in now."""

    table: str
    files_before: int
    files_after: int


@contextmanager
def lake_to_maintain(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that may write to a lake which is there and of this version.

    Raises LakeMissing and LakeMismatch: maintenance makes no lake and changes none of another version.
    """
    open_lake(settings, read_only=True).close()
    with closing(connect(settings, read_only=False)) as connection:
        if settings.data_on_s3:
            # DuckDB 1.5 hangs for ever when an upload in parts fails to begin; parts of this size never are.
            connection.execute("SET s3_uploader_max_filesize = '5TB'")
        yield connection


def tables_to_merge(settings: Settings) -> list[str]:
    """Names of the tables that get rows (road ``insert``) and whose rows lie in more than one file."""
    with lake_to_maintain(settings) as connection:
        return [t.name for t in TABLES if t.road == "insert" and _file_count(connection, t) > 1]


def merge_small_files(settings: Settings, table_name: str) -> Merged:
    """Merge the small files of a table, each partition's among themselves; every snapshot reads as it did.

    The merged file says of each row since which snapshot it is there; the old files are scheduled for removal. Raises
    ValueError for a table that is written as files: those are read straight, and merging would mix their forms.
    """
    table = TABLE_BY_NAME[table_name]
    if table.road == "files":
        raise ValueError(f"{table.name} is written as files, which are never merged")
    with lake_to_maintain(settings) as connection, turn(settings, [WHOLE_LAKE]):
        before = _file_count(connection, table)
        connection.execute("BEGIN")
        try:
            done = connection.execute(
                "CALL ducklake_merge_adjacent_files('lake', ?, schema => ?)", [table.short_name, table.schema_name]
            ).fetchall()
            if done:
                connection.execute(
                    "CALL lake.set_commit_message(?, ?, extra_info => ?)",
                    [getpass.getuser(), f"merge files of {table.name}", json.dumps({"table": table.name})],
                )
            # A snapshot for nothing is not wanted.
            connection.execute("COMMIT" if done else "ROLLBACK")
        except BaseException:
            connection.close()  # which rolls back, in whatever state the error left the transaction
            raise
        return Merged(table.name, before, _file_count(connection, table))


def _file_count(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    counted = "SELECT count(*) FROM ducklake_list_files('lake', ?, schema => ?)"
    return connection.execute(counted, [table.short_name, table.schema_name]).fetchall()[0][0]
