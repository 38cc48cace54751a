"""Data checks: queries that return the rows which break a rule. `python -m storage.check` runs them all.

Rules that follow from the declarations (keys, missing values, bounds, parents) are written from them; the others
stand in sql/checks, one file each.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import polars as pl
from rich.console import Console
from rich.progress import track
from rich.table import Table as Page
from rich.text import Text

import sql
from storage.attach import LakeMissing
from storage.declaration import Column, Table
from storage.lake import Lake, LakeMismatch, open_lake
from storage.object_store import StoreFailed
from storage.tables import TABLES


@dataclass(frozen=True)
class Check:
    """A rule, and the statement whose rows break it."""

    name: str
    rule: str
    statement: str


@dataclass(frozen=True)
class CheckResult:
    """The rows that break a rule; none when the lake is sound."""

    name: str
    rule: str
    offending: pl.DataFrame


def all_checks() -> list[Check]:
    """Every check: those that the declarations imply, then those of sql/checks."""
    declared = [check for table in TABLES for check in _declared_checks(table)]
    written = [Check(name, _rule(sql.check(name)), sql.check(name)) for name in sql.names("checks")]
    return declared + written


def run_check(lake: Lake, check: Check) -> CheckResult:
    """Run one check on the lake."""
    return CheckResult(check.name, check.rule, lake.query(check.statement))


def run_checks(lake: Lake) -> list[CheckResult]:
    """Run every check on the lake."""
    return [run_check(lake, check) for check in all_checks()]


def _declared_checks(table: Table) -> Iterator[Check]:
    key = ", ".join(table.key)
    yield Check(
        f"{table.name}: key",
        f"each {key} stands once",
        f"SELECT {key}, count(*) AS row_count FROM {table.name} GROUP BY ALL HAVING count(*) > 1",
    )
    for column in table.columns:
        for kind, rule, breaks in _column_rules(column):
            where = f"{table.name}.{column.name}"
            shown = ", ".join(dict.fromkeys((*table.key, column.name)))
            yield Check(f"{where}: {kind}", rule, f"SELECT {shown} FROM {table.name} WHERE {breaks}")
    for parent, columns in table.parents.items():
        same = " AND ".join(f"child.{name} = parent.{name}" for name in columns)
        distinct = f"SELECT DISTINCT {', '.join(columns)} FROM {table.name}"
        orphans = f"SELECT * FROM ({distinct}) AS child ANTI JOIN {parent} AS parent ON {same}"
        yield Check(f"{table.name}: {parent}", f"each {', '.join(columns)} stands in {parent}", orphans)


def _column_rules(column: Column) -> Iterator[tuple[str, str, str]]:
    """Kind, rule and the condition that breaks it, for all that a declaration says of a column."""
    if not column.nullable:
        yield "missing", "never missing", f"{column.name} IS NULL"
    if column.type in ("real", "double"):
        yield "NaN", "missing values are NULL, never NaN", f"isnan({column.name})"
    if column.one_of:
        values = ", ".join(f"'{value}'" for value in column.one_of)
        yield "values", f"one of {values}", f"{column.name} NOT IN ({values})"
    for kind, bound, sign in (
        ("at least", column.at_least, "<"),
        ("at most", column.at_most, ">"),
        ("above", column.above, "<="),
    ):
        if bound is not None:
            yield kind, f"{kind} {bound:g}", f"{column.name} {sign} {bound:g}"


def _rule(statement: str) -> str:
    return statement.splitlines()[0].removeprefix("-- ").split(": ", 1)[1]


def main() -> int:
    """Run every check and print the rows that break a rule; exit status 1 when there are any."""
    argparse.ArgumentParser(prog="python -m storage.check", description=main.__doc__).parse_args()
    console = Console()
    try:
        with open_lake(read_only=True) as lake:
            checks = all_checks()
            results = [run_check(lake, check) for check in track(checks, "checking", console=console, transient=True)]
    except (LakeMissing, LakeMismatch, StoreFailed, duckdb.Error) as error:
        print(str(error), file=sys.stderr)
        return 2
    broken = [result for result in results if len(result.offending)]
    for result in broken:
        title = Text(f"{result.name}: {result.rule}")
        page = Page(*result.offending.columns, title=title, title_justify="left")
        for row in result.offending.head(5).rows():
            # As Text: rich would take a path like '[vip]/a.nwb' for its own markup.
            page.add_row(*(Text(str(value)) for value in row))
        console.print(page)
        console.print(f"{len(result.offending)} rows\n", highlight=False)
    sound = f"{len(results) - len(broken)} of {len(results)} checks find nothing"
    console.print(sound + ("" if not broken else "; ask for the rows above with `make sql`"), highlight=False)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
