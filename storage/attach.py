"""A DuckDB connection with the lake attached: extensions, catalogs, read-only guard, earlier snapshots."""

from contextlib import suppress

import duckdb

import sql
from storage.settings import Settings

# After attaching: no file outside the lake, and no way back. The shell's safe mode does the same.
GUARD = ("SET enable_external_access = false", "SET lock_configuration = true")


class LakeMissing(Exception):
    """There is no lake yet where the settings say."""


def connect(settings: Settings, *, read_only: bool, snapshot: int | None = None) -> duckdb.DuckDBPyConnection:
    """DuckDB with the lake attached and in use.

    Read-only connections can touch no file outside the lake and can't be unlocked again: a guard against
    accidents, not malice. Raises LakeMissing when a lake that doesn't exist is opened for reading.
    """
    if read_only and settings.catalog == "sqlite" and not settings.catalog_file.exists():
        raise LakeMissing(f"no lake at {settings.catalog_file}; `make nightly` makes one (NEUROLAKE_HOME says where)")
    connection = duckdb.connect(config={"threads": settings.threads})
    connection.execute("SET TimeZone = 'UTC'")
    guard = GUARD if read_only else ()
    for statement in (*attach_statements(settings, read_only=read_only, snapshot=snapshot), *guard):
        if statement.startswith("LOAD "):
            _load(connection, statement.removeprefix("LOAD "))
            continue
        try:
            connection.execute(statement)
        except duckdb.InvalidInputException as error:
            if "creating a new DuckLake is explicitly disabled" not in str(error):
                raise
            # DuckDB's own words hold the catalog's address, and a password with it.
            raise LakeMissing("the catalog of NEUROLAKE_CATALOG holds no lake; `make nightly` makes one") from None
    return connection


def attach_statements(settings: Settings, *, read_only: bool, snapshot: int | None = None) -> list[str]:
    """The SQL that attaches the lake, in the order that works; also what `make sql` hands to the DuckDB shell."""
    sqlite = settings.catalog == "sqlite"
    catalog = f"sqlite:{settings.catalog_file}" if sqlite else f"postgres:{settings.catalog}"
    # Small inserts are kept in files too: with them inlined in the catalog, later options crash DuckDB 1.5.
    options = [f"DATA_PATH {_literal(f'{settings.data_folder}/')}", "DATA_INLINING_ROW_LIMIT 0"]
    options += ["OVERRIDE_DATA_PATH true"]  # the folder may have been moved or copied since it was made
    options += ["META_BUSY_TIMEOUT 60000"] if sqlite else []
    options += ["READ_ONLY"] if read_only else []
    options += [f"SNAPSHOT_VERSION {int(snapshot)}"] if snapshot is not None else []
    statements = [
        "LOAD ducklake",
        f"LOAD {'sqlite_scanner' if sqlite else 'postgres_scanner'}",
        f"ATTACH {_literal(f'ducklake:{catalog}')} AS lake ({', '.join(options)})",
        "USE lake",
    ]
    if read_only:
        statements += [f"SET allowed_directories = [{_literal(f'{settings.data_folder}/')}]"]
    return statements


def view_statements() -> list[str]:
    """The SQL that makes the views of sql/views in a connection that has the lake attached."""
    return [f"CREATE TEMP VIEW {name} AS {text.strip().removesuffix(';')}" for name, text in sql.views().items()]


def install_extensions(settings: Settings) -> None:
    """Put the DuckDB extensions where both the library and the shell find them."""
    with duckdb.connect() as connection:
        _load(connection, "ducklake")
        _load(connection, "sqlite_scanner" if settings.catalog == "sqlite" else "postgres_scanner")


def _load(connection: duckdb.DuckDBPyConnection, extension: str) -> None:
    with suppress(duckdb.Error):
        connection.execute(f"LOAD {extension}")
        return
    # The wheels of the lock bring the extensions, so that a machine without internet has them too.
    from duckdb_extensions import import_extension

    import_extension(extension.removesuffix("_scanner"))
    connection.execute(f"LOAD {extension}")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
