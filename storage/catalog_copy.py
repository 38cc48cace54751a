"""The rows of a lake's catalog, copied from one database to another and compared: SQLite and Postgres, both ways."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

from storage.closed_catalog import NOTE_KEY
from storage.settings import Settings


class UnlikeCatalogs(Exception):
    """The two databases don't have the same tables of DuckLake's; nothing was copied."""


def copy_rows(settings: Settings, target: Settings, advance: Callable[[str], None]) -> None:
    """Replace every row of the target's catalog by those of the settings', in one transaction.

    Both must have been opened before, so that the extensions are there and DuckLake's tables too. The note that a
    catalog is closed (`storage.closed_catalog`) belongs to each and stays. ``advance`` is told of each table. Raises
    UnlikeCatalogs.
    """
    with _both(settings, target) as (connection, tables):
        connection.execute("BEGIN")
        for table, columns in tables.items():
            advance(table)
            listed = ", ".join(f'"{name}"' for name in columns)
            connection.execute(f"DELETE FROM target.{table}{_but_the_note(table)}")
            connection.execute(
                f"INSERT INTO target.{table} ({listed}) SELECT {listed} FROM source.{table}{_but_the_note(table)}"
            )
        connection.execute("COMMIT")


def differing_rows(settings: Settings, target: Settings) -> dict[str, int]:
    """How many rows only one of the two catalogs has, for each table in which they differ."""
    differing: dict[str, int] = {}
    with _both(settings, target) as (connection, tables):
        for table, columns in tables.items():
            # As the target has them: UUIDs, booleans and times are text and numbers on SQLite.
            cast = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in columns.items())
            here, there = (f"SELECT {cast} FROM {db}.{table}{_but_the_note(table)}" for db in ("source", "target"))
            counted = f"SELECT count(*) FROM (({here} EXCEPT ALL {there}) UNION ALL ({there} EXCEPT ALL {here}))"
            if count := connection.execute(counted).fetchall()[0][0]:
                differing[table] = count
    return differing


def _but_the_note(table: str) -> str:
    return f" WHERE key <> '{NOTE_KEY}'" if table == "ducklake_metadata" else ""


@contextmanager
def _both(settings: Settings, target: Settings) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, dict]]]:
    """Both catalogs' databases in one DuckDB, `source` and `target`, and their tables with each column's type there."""
    with duckdb.connect(config={"threads": settings.threads}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, one, mode in (("source", settings, ", READ_ONLY"), ("target", target, "")):
            kind, at = ("sqlite", str(one.catalog_file)) if one.catalog == "sqlite" else ("postgres", one.catalog)
            connection.execute(f"LOAD {kind}_scanner")
            quoted = "'" + at.replace("'", "''") + "'"
            connection.execute(f"ATTACH {quoted} AS {name} (TYPE {kind}{mode})")
        here, there = _columns(connection, "source"), _columns(connection, "target")
        if {table: list(columns) for table, columns in here.items()} != {
            t: list(columns) for t, columns in there.items()
        }:
            odd = sorted(set(here) ^ set(there)) or "the same tables with other columns"
            raise UnlikeCatalogs(
                f"the two catalogs are not of one form: {odd}. A table ducklake_inlined_data_... holds rows that "
                "another program put into the catalog; `CALL ducklake_flush_inlined_data('lake')` writes them to files"
            )
        yield connection, there


def _columns(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, dict[str, str]]:
    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = ? AND table_name LIKE 'ducklake%' ORDER BY table_name, column_index",
        [database],
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        tables.setdefault(table, {})[column] = kind
    return tables
