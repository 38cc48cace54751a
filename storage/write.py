"""The one write path: rows for any number of tables replace those with the same key, in one transaction."""

import getpass
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from storage.declaration import Table
from storage.new_file import data_path, discard
from storage.object_store import StoreFailed, StorePath
from storage.row_files import RowBlocks, write_row_files
from storage.settings import Settings
from storage.tables import REJECTED, TABLES, TRACES
from storage.traces import Traces, write_trace_file
from storage.turns import turn

_CONFLICT_SIGNS = ("conflict", "retry count", "database is locked", "could not serialize", "deadlock", "duplicate key")
# Encoding Parquet is the larger part of a write and leaves the interpreter free, and while one file is put on disk
# others go on; more would hold more spans in memory.
_FILES_AT_ONCE = 3
# DuckDB 1.5 hangs for ever when an upload in parts fails to begin and its end then succeeds; with fewer bytes than one
# of its parts (80 MB) it sends the file whole.
_BYTES_PER_INSERT = 64_000_000
_Delete = tuple[Table, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class _File:
    """A Parquet file that was written beside the catalog, to be registered as one session's rows of a table."""

    table: Table
    session_id: str
    path: Path | StorePath


def replace_rows(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    rows: Mapping[Table, pa.Table],
    *,
    traces: Sequence[Traces] = (),
    blocks: Sequence[RowBlocks] = (),
    forget_sessions: Iterable[str] = (),
    forget_rejected: Iterable[str] = (),
    message: str,
    info: Mapping[str, object],
    admit: Callable[[], None] = lambda: None,
) -> int:
    """Write rows so that they appear everywhere or nowhere, and return the snapshot they made.

    Every row of a table that shares its ``replaced_by`` values with a new row goes; sessions to forget lose all
    rows in all tables; files to forget leave recorded.rejected. ``rows`` must have the declared Arrow schema
    (`Table.rows` gives it): ValueError otherwise. Conflicts with other writers are tried again for lock_timeout_s, then
    raised as duckdb.Error; StoreFailed when S3 fails. ``admit`` is called once it is this write's turn, to raise what
    speaks against it. Files that a failed write leaves behind belong to no snapshot and are never read.
    """
    for table, new in rows.items():
        _refuse_undeclared(table, new)
    files = _written(traces, blocks, data_path(settings))
    gone = sorted({*forget_sessions, *(file.session_id for file in files)})
    deletes: list[_Delete] = [(file.table, (("session_id", file.session_id),)) for file in files]
    deletes += [(REJECTED, (("source_uri", uri),)) for uri in forget_rejected]
    deletes += [(table, key) for table, new in rows.items() for key in _keys(table, new)]
    deletes = list(dict.fromkeys(deletes))
    locks = [f"{column}={value}" for _, key in deletes for column, value in key]
    locks += [f"session_id={session}" for session in gone]

    give_up_at = time.monotonic() + settings.lock_timeout_s
    for attempt in count(1):
        try:
            with turn(settings, locks):
                admit()
                return _commit(connection, _in_parts(rows, settings), files, gone, deletes, message, info)
        except duckdb.Error as error:
            if settings.data_on_s3 and "HTTP" in str(error):
                raise StoreFailed(f"nothing was written; {settings.data_address} (NEUROLAKE_DATA): {error}") from error
            if time.monotonic() > give_up_at or not any(sign in str(error).lower() for sign in _CONFLICT_SIGNS):
                raise
            time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 6)))


def _written(traces: Sequence[Traces], blocks: Sequence[RowBlocks], data: Path | StorePath) -> list[_File]:
    """Every file, on disk; none of them when one can't be written."""

    def of_traces(one: Traces) -> list[_File]:
        return [_File(TRACES, one.session_id, write_trace_file(one, data))]

    def of_blocks(rows: RowBlocks) -> list[_File]:
        return [_File(rows.table, session, path) for session, path in write_row_files(rows, data).items()]

    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        # Rows first: what is begun last is finished alone, and a signal is written sooner than a table.
        futures = [pool.submit(of_blocks, rows) for rows in blocks] + [pool.submit(of_traces, one) for one in traces]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        if any(future.exception() for future in done):
            pool.shutdown(cancel_futures=True)
            written = [file for future in futures if not _failed(future) for file in future.result()]
            discard(*(file.path for file in written))
        return [file for future in futures if not future.cancelled() for file in future.result()]


def _failed(future: Future) -> bool:
    return future.cancelled() or future.exception() is not None


def _commit(
    connection: duckdb.DuckDBPyConnection,
    rows: Iterable[tuple[Table, pa.Table]],
    files: Sequence[_File],
    gone: Sequence[str],
    deletes: Sequence[_Delete],
    message: str,
    info: Mapping[str, object],
) -> int:
    connection.execute("BEGIN")
    try:
        # Deletes first: a delete after an add takes the added rows away without an error.
        filled = _tables_with_files(connection)
        for table, key in dict.fromkeys((*_deletes_of_sessions(connection, gone), *deletes)):
            if table.short_name not in filled:
                continue
            condition = " AND ".join(f"{column} = ?" for column, _ in key)
            connection.execute(f"DELETE FROM {table.name} WHERE {condition}", [value for _, value in key])
        for file in files:
            connection.execute(
                "CALL ducklake_add_data_files('lake', ?, ?, schema => ?, hive_partitioning => true)",
                [file.table.short_name, str(file.path), file.table.schema_name],
            )
        for table, new in rows:
            connection.register("new_rows", new)
            connection.execute(f"INSERT INTO {table.name} SELECT * FROM new_rows")
            connection.unregister("new_rows")
        connection.execute(
            "CALL lake.set_commit_message(?, ?, extra_info => ?)",
            [getpass.getuser(), message, json.dumps(dict(info), default=str)],
        )
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a failed COMMIT has ended the transaction already
            connection.execute("ROLLBACK")
        raise
    # All of the result: one read half-way keeps SQLite's shared lock, and nobody else could commit.
    return connection.execute("FROM lake.last_committed_snapshot()").fetchall()[0][0]


def _in_parts(rows: Mapping[Table, pa.Table], settings: Settings) -> Iterator[tuple[Table, pa.Table]]:
    """What each INSERT takes: all rows of a table, on S3 in parts of _BYTES_PER_INSERT or of a single row."""
    left = [(table, new) for table, new in rows.items() if new.num_rows]
    while left:
        table, new = left.pop(0)
        if settings.data_on_s3 and new.nbytes > _BYTES_PER_INSERT and new.num_rows > 1:
            half = new.num_rows // 2
            left[:0] = [(table, new.slice(0, half)), (table, new.slice(half))]
        else:
            yield table, new


def _deletes_of_sessions(connection: duckdb.DuckDBPyConnection, gone: Sequence[str]) -> list[_Delete]:
    """Deletes of all that the lake has of these sessions; none of those it hasn't, which spares a new one ten scans."""
    if not gone:
        return []
    # IN, whose values are held against each file's least and greatest; of list_contains nothing is known beforehand.
    places = ", ".join("?" * len(gone))
    known = connection.execute(
        f"SELECT session_id FROM recorded.sessions WHERE session_id IN ({places})", list(gone)
    ).fetchall()
    tables = [table for table in TABLES if "session_id" in table.column_names]
    return [(table, (("session_id", session),)) for (session,) in known for table in tables]


def _tables_with_files(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Names of the tables that have rows: each DELETE looks through the catalog, and most tables are often empty.

    A table without files is empty because rows are never kept in the catalog itself (`storage.attach`).
    """
    found = connection.execute("SELECT table_name FROM ducklake_table_info('lake') WHERE file_count > 0").fetchall()
    return frozenset(name for (name,) in found)


def _refuse_undeclared(table: Table, new: pa.Table) -> None:
    if table.road == "files":
        raise ValueError(f"{table.name} is written as files, not as rows")
    if not new.schema.equals(table.arrow_schema):
        raise ValueError(f"rows for {table.name} don't have the declared schema; found {new.schema}")
    for column in table.columns:
        values = new.column(column.name)
        if not column.nullable and values.null_count:
            raise ValueError(f"rows for {table.name}: {column.name} is missing in {values.null_count} rows")
        if pa.types.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py():
            raise ValueError(f"rows for {table.name}: {column.name} holds NaN; missing values are NULL")


def _keys(table: Table, new: pa.Table) -> list[tuple[tuple[str, str], ...]]:
    distinct = new.select(list(table.replaced_by)).group_by(list(table.replaced_by)).aggregate([]).to_pylist()
    return [tuple((column, row[column]) for column in table.replaced_by) for row in distinct]
