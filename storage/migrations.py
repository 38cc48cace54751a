"""Lakes of earlier versions brought up to date: tables made, columns added, rows carried over, nothing lost.

All of it is one transaction of the first opening for writing. Every row of a `recorded` table comes over or the lake
is left as it was. Results that today's tables can't say are set aside, whole, in the schema `earlier`; the night
computes them again, since whoever changes what a result says raises its recipe too. Earlier snapshots stay.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import duckdb

from storage.declaration import Table
from storage.lake_version import LAKE_VERSION, LakeMismatch, lake_version, statements_that_number
from storage.tables import TABLE_BY_NAME, TABLES

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Migration:
    """What one version changed that does not follow from the declarations.

    ``rows`` gives, for a table, the SELECT that makes its rows out of those of the version before, which it names
    `earlier`. New tables and new columns that may be NULL need no word here.
    """

    version: int
    name: str
    rows: Mapping[str, str] = field(default_factory=dict)


MIGRATIONS = (
    Migration(2, "everything that a lab records"),
    Migration(
        3,
        "the omission study",
        {
            # How many events were left out for missing frames wasn't counted: measured again by the next night.
            "derived.mean_responses": "SELECT *, 0::INTEGER AS missing_count FROM earlier WHERE false",
            "findings.contrasts": "SELECT * EXCLUDE (p_sign_flip) REPLACE (dof::DOUBLE AS dof), "
            "'omitted - presented' AS contrast, p_sign_flip AS p_permutation FROM earlier",
            "findings.decoder_scores": "SELECT *, 'condition' AS target FROM earlier",
            "findings.predictions": "SELECT *, 'condition' AS target, condition AS truth FROM earlier",
        },
    ),
    Migration(4, "response types and image coding"),
)
# Lakes made before they carried a number are told apart by a table that came with each version.
_CAME_WITH = {"findings.time_decoding": 3, "recorded.spikes": 2}
_Shape = tuple[tuple[str, str, bool], ...]  # name, type and whether it may be NULL, of each column in order


def bring_up_to_date(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that the attached lake lacks, and bring those of an earlier version to today's shape.

    Call it under the writers' turn. A lake of today's version gets missing tables and is not changed otherwise.
    Raises LakeMismatch, with the lake as it was, for a lake of a newer version and for what can't be carried over.
    """
    numbered = lake_version(connection)
    stored = stored_shapes(connection)
    version = numbered or max((v for name, v in _CAME_WITH.items() if name in stored), default=1)
    missing = [table for table in TABLES if table.name not in stored]
    is_old = bool(stored) and numbered != LAKE_VERSION
    changed = [t for t in TABLES if is_old and t.name in stored and stored[t.name] != _shape(t)]
    if numbered == LAKE_VERSION and not missing:
        return
    if is_old and (unknown := sorted(set(stored) - set(TABLE_BY_NAME))):
        raise LakeMismatch(f"the lake is of version {version} and holds tables that neurolake never made: {unknown}")
    connection.execute("BEGIN")
    try:
        for schema in sorted({table.schema_name for table in missing}):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for statement in (statement for table in missing for statement in table.ddl()):
            connection.execute(statement)
        said = [_carry_over(connection, table, stored[table.name], version) for table in changed]
        for table in (table for table in TABLES if is_old and table not in missing and table not in changed):
            _comment(connection, table)
        for statement in statements_that_number():
            connection.execute(statement)
        message = f"lake of version {version} brought to {LAKE_VERSION}" if is_old else "make tables"
        info = {"version": LAKE_VERSION, "tables": [table.name for table in missing], "carried_over": said}
        connection.execute("CALL lake.set_commit_message('neurolake', ?, extra_info => ?)", [message, json.dumps(info)])
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a failed COMMIT has ended the transaction already
            connection.execute("ROLLBACK")
        raise
    if changed:
        _log.warning("%s: %d tables made; %s", message, len(missing), "; ".join(said))


def stored_shapes(connection: duckdb.DuckDBPyConnection) -> dict[str, _Shape]:
    """Columns of every table of the attached lake in the declared schemas: name, type, whether it may be NULL."""
    found = connection.execute(
        """SELECT schema_name || '.' || table_name, column_name, data_type, is_nullable FROM duckdb_columns()
        WHERE database_name = 'lake' AND schema_name IN ('recorded', 'derived', 'findings')
        ORDER BY 1, column_index"""
    ).fetchall()
    shapes: dict[str, _Shape] = {}
    for table, *column in found:
        shapes[table] = (*shapes.get(table, ()), tuple(column))
    return shapes


def _shape(table: Table) -> _Shape:
    return tuple((column.name, column.sql_type, column.nullable) for column in table.columns)


def _carry_over(connection: duckdb.DuckDBPyConnection, table: Table, stored: _Shape, version: int) -> str:
    """Bring one table to its declared shape; returns what was done, in words."""
    carried = f"SELECT * FROM {table.name}"
    for migration in MIGRATIONS:
        if migration.version > version and table.name in migration.rows:
            carried = f"WITH earlier AS ({carried}) {migration.rows[table.name]}"
    found = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {carried}").fetchall()}
    _refuse_what_is_not_said(table, found, version)
    if table.road == "files":
        return _alter(connection, table, stored)
    before = _count(connection, f"SELECT * FROM {table.name}")
    connection.execute(f"CREATE TEMP TABLE carried_over AS {carried}")
    after = _count(connection, "SELECT * FROM carried_over")
    aside = ""
    if after != before:
        if table.schema_name == "recorded":
            raise LakeMismatch(f"{table.name} has {before} rows, and {after} would come over; nothing was changed")
        kept = f"earlier.{table.schema_name}_{table.short_name}_{version}"
        connection.execute("CREATE SCHEMA IF NOT EXISTS earlier")
        connection.execute(f"CREATE TABLE {kept} AS FROM {table.name}")
        aside = f", {before} set aside in {kept} and computed again by the next night"
    # Written anew, and not altered: rows are inserted by the columns' order, and a new column would stand last.
    for statement in (f"DROP TABLE {table.name}", *table.ddl()):
        connection.execute(statement)
    try:
        connection.execute(f"INSERT INTO {table.name} BY NAME FROM carried_over")
    except duckdb.ConstraintException as error:
        raise LakeMismatch(f"{table.name} can't be brought to version {LAKE_VERSION}: {error}") from error
    connection.execute("DROP TABLE carried_over")
    return f"{table.name}: {after} rows carried over{aside}"


def _refuse_what_is_not_said(table: Table, found: Mapping[str, str], version: int) -> None:
    """Raise LakeMismatch for columns whose values no declaration and no migration gives."""
    declared = {column.name: column for column in table.columns}
    wrong = [f"{name} has no place in it" for name in found if name not in declared]
    wrong += [f"{n} is new and may not be NULL" for n, c in declared.items() if n not in found and not c.nullable]
    wrong += [
        f"{name} is {kind} and should be {declared[name].sql_type}"
        for name, kind in found.items()
        if name in declared and kind != declared[name].sql_type
    ]
    if wrong:
        raise LakeMismatch(
            f"the lake is of version {version}, and {table.name} can't be brought to version {LAKE_VERSION} without "
            f"computing it again: {'; '.join(wrong)}. Nothing was changed; storage.migrations says what it knows"
        )


def _alter(connection: duckdb.DuckDBPyConnection, table: Table, stored: _Shape) -> str:
    """Add columns where the rows lie in files, which stay as they are: new files name their columns."""
    was = {name: nullable for name, _, nullable in stored}
    statements: list[str] = []
    for column in table.columns:
        if column.name not in was:
            statements.append(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.sql_type}")
        elif column.nullable and not was[column.name]:
            statements.append(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} DROP NOT NULL")
        elif was[column.name] and not column.nullable:
            raise LakeMismatch(f"{table.name} is kept as files, and {column.name} may be NULL in them")
    for statement in statements:
        connection.execute(statement)
    _comment(connection, table)
    return f"{table.name}: {len(statements)} columns altered"


def _comment(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Say of a table that stays what its columns mean today."""
    for statement in (one for one in table.ddl() if one.startswith("COMMENT")):
        connection.execute(statement)


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return connection.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]


def differing_columns(stored: Mapping[str, Sequence[tuple[str, str, bool]]]) -> list[str]:
    """Names of the columns in which a lake's tables and the declared ones differ; orders don't count."""
    declared = {(t.name, c.name): c.sql_type for t in TABLES for c in t.columns}
    there = {(table, name): kind for table, shape in stored.items() for name, kind, _ in shape}
    return sorted({".".join(key) for key, _ in declared.items() ^ there.items()})
