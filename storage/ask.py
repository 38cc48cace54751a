"""Ask the lake one question: `python -m storage.ask "SELECT ..."` prints a table, or writes CSV or Parquet."""

import argparse
import os
import sys
from pathlib import Path

import duckdb
import polars as pl
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table as Page

from storage.attach import LakeMissing
from storage.lake import LakeMismatch, open_lake
from storage.settings import Settings

_EXAMPLES = """examples:
  python -m storage.ask "SELECT project, count(*) AS sessions FROM recorded.sessions GROUP BY project"
  python -m storage.ask "FROM findings.contrasts" --out contrasts.csv
  python -m storage.ask "FROM recorded.sessions" --snapshot 12
"""


class NotAQuestion(ValueError):
    """A statement that does something other than ask."""


def ask(statement: str, settings: Settings | None = None, snapshot: int | None = None) -> pl.DataFrame:
    """The answer to one SELECT or EXPLAIN, from the lake as it is or was at a snapshot.

    Raises NotAQuestion for anything else, duckdb.Error for SQL that DuckDB refuses, LakeMissing without a lake.
    """
    refuse_other_than_questions(statement)
    with open_lake(settings, read_only=True, snapshot=snapshot) as lake:
        return lake.query(statement)


def refuse_other_than_questions(statement: str) -> None:
    """Raise NotAQuestion unless the text is one SELECT, or the EXPLAIN of one; duckdb.Error if it is no SQL."""
    statements = duckdb.extract_statements(statement)
    if len(statements) != 1:
        raise NotAQuestion(f"one SELECT or EXPLAIN at a time, found {len(statements)} statements")
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        explained = statements[0].query.strip()[len("EXPLAIN") :].strip()
        if explained[:7].upper() == "ANALYZE":
            explained = explained[7:]
        return refuse_other_than_questions(explained)
    if kind != duckdb.StatementType.SELECT:
        raise NotAQuestion(f"only SELECT and EXPLAIN, found {kind.name}; tables change through flows alone")
    # Lake maintenance hides in functions that a SELECT can call.
    if called := [name for name in _maintenance_functions() if name in statement.lower()]:
        raise NotAQuestion(f"only SELECT and EXPLAIN, found a call of {', '.join(called)}, which can change the lake")
    return None


def _maintenance_functions() -> tuple[str, ...]:
    return (
        "ducklake_add_data_files",
        "ducklake_cleanup_old_files",
        "ducklake_commit",
        "ducklake_delete_orphaned_files",
        "ducklake_expire_snapshots",
        "ducklake_flush_inlined_data",
        "ducklake_merge_adjacent_files",
        "ducklake_rewrite_data_files",
        "ducklake_set_commit_message",
        "ducklake_set_option",
    )


def write_answer(answer: pl.DataFrame, path: Path, settings: Settings) -> None:
    """Write an answer as CSV or Parquet, whole or not at all.

    Raises ValueError for another suffix and for a place within the lake.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"--out must end in .csv or .parquet, got {path.name!r}")
    for folder in (settings.catalog_file.parent, settings.data_folder):
        if path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"--out must lie outside the lake, got {path}")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.suffix == ".csv":
            answer.write_csv(unfinished)
        else:
            answer.write_parquet(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _page(answer: pl.DataFrame, row_limit: int) -> Page:
    page = Page()
    for name, kind in answer.schema.items():
        page.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
    for row in answer.head(row_limit).rows():
        page.add_row(*("" if value is None else str(value) for value in row))
    return page


def main() -> int:
    """Answer the question on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m storage.ask",
        description="Ask the lake one SELECT; nothing can be changed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("statement", help="one SELECT (or FROM table), or EXPLAIN of one")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all rows to FILE.csv or FILE.parquet")
    parser.add_argument("--snapshot", type=int, metavar="N", help="ask the lake as it was at snapshot N")
    parser.add_argument("--rows", type=int, default=40, metavar="N", help="rows to print (default 40)")
    chosen = parser.parse_args()
    console = Console()
    try:
        settings = Settings()
        answer = ask(chosen.statement, settings, chosen.snapshot)
        if chosen.out:
            write_answer(answer, chosen.out, settings)
            console.print(f"{len(answer)} rows written to {chosen.out}", highlight=False, soft_wrap=True)
            return 0
    except (NotAQuestion, LakeMissing, LakeMismatch, ValidationError, ValueError, duckdb.Error) as error:
        print(str(error), file=sys.stderr)
        return 2
    console.print(_page(answer, chosen.rows))
    shown = min(len(answer), chosen.rows)
    console.print(f"{shown} of {len(answer)} rows" + (", the rest with --out" if shown < len(answer) else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
