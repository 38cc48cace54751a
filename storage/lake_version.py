"""The version of a lake's tables, written in the lake itself as the view neurolake.lake_version."""

from importlib.metadata import version as version_of_package

import duckdb

# Raised with every change of the declared tables; storage.migrations says how rows of the version before come over.
LAKE_VERSION = 4


class LakeMismatch(Exception):
    """The lake's tables are not those that this version of neurolake declares."""


def lake_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The version that the attached lake carries; None for lakes made before there were numbers.

    Raises LakeMismatch when it is newer than this neurolake's: what its tables mean isn't known here.
    """
    there = connection.execute(
        "SELECT 1 FROM duckdb_views() "
        "WHERE database_name = 'lake' AND schema_name = 'neurolake' AND view_name = 'lake_version'"
    ).fetchall()
    if not there:
        return None
    [(found, written_by)] = connection.execute("SELECT version, written_by FROM lake.neurolake.lake_version").fetchall()
    if found > LAKE_VERSION:
        raise LakeMismatch(
            f"the lake is of version {found}, written by neurolake {written_by}; this is neurolake {_here()}, which "
            f"knows lakes up to version {LAKE_VERSION}. Nothing was changed: use neurolake {written_by} or a newer one"
        )
    return found


def statements_that_number() -> list[str]:
    """SQL that writes today's version into the lake that is in use, in the transaction that makes its tables."""
    # A view, since it belongs to a snapshot as the tables do, and holds neither rows nor files.
    return [
        "CREATE SCHEMA IF NOT EXISTS neurolake",
        f"CREATE OR REPLACE VIEW neurolake.lake_version AS SELECT {LAKE_VERSION} AS version, '{_here()}' AS written_by",
    ]


def _here() -> str:
    return version_of_package("neurolake")
