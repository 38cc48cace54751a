"""Ask the lake one question: `python -m storage.ask "SELECT ..."` prints a table, or writes CSV or Parquet."""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table as Page
from rich.text import Text

from storage.attach import LakeMissing
from storage.lake import LakeMismatch, open_lake
from storage.settings import Settings

_EXAMPLES = """examples:
  python -m storage.ask "SELECT project, count(*) AS sessions FROM recorded.sessions GROUP BY project"
  python -m storage.ask "FROM findings.contrasts" --out contrasts.csv
  python -m storage.ask "FROM recorded.sessions" --snapshot 12
"""
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+|\(\s*(ANALYZE|FORMAT)\b[^()]*\)\s*)?", re.IGNORECASE)
# Only these, since others delete files before they find out that the lake is read-only (ducklake_cleanup_old_files),
# hide a statement in a text (query), or read files past DuckDB's own guard (sqlite_scan).
_TABLE_FUNCTIONS = {
    "current_snapshot", "duckdb_columns", "duckdb_functions", "duckdb_schemas", "duckdb_tables", "duckdb_types",
    "duckdb_views", "ducklake_current_snapshot", "ducklake_last_committed_snapshot", "ducklake_list_files",
    "ducklake_snapshots", "ducklake_table_changes", "ducklake_table_deletions", "ducklake_table_info",
    "ducklake_table_insertions", "generate_series", "histogram", "histogram_values", "json_each", "json_tree",
    "last_committed_snapshot", "pragma_table_info", "pragma_version", "range", "repeat", "repeat_row", "snapshots",
    "table_changes", "table_deletions", "table_info", "table_insertions", "unnest",
}  # fmt: skip


class NotAQuestion(ValueError):
    """A statement that does something other than ask."""


def ask(statement: str, settings: Settings | None = None, snapshot: int | None = None) -> pl.DataFrame:
    """The answer to one SELECT or EXPLAIN, from the lake as it is or was at a snapshot.

    Raises NotAQuestion for anything else, duckdb.Error for SQL that DuckDB refuses, LakeMissing without a lake.
    """
    refuse_other_than_questions(statement)
    with open_lake(settings, read_only=True, snapshot=snapshot) as lake:
        return lake.query(statement)


@contextmanager
def _answer(statement: str, settings: Settings, snapshot: int | None) -> Iterator[Iterator[pa.Table]]:
    """As `ask`, but in parts, since an answer may be larger than memory; the first part has no rows."""
    refuse_other_than_questions(statement)
    with open_lake(settings, read_only=True, snapshot=snapshot) as lake:
        reader = lake._connection.execute(statement).to_arrow_reader(100_000)
        yield chain([reader.schema.empty_table()], (pa.Table.from_batches([batch]) for batch in reader))


def refuse_other_than_questions(statement: str) -> None:
    """Raise NotAQuestion unless the text is one SELECT, or the EXPLAIN of one; duckdb.Error if it is no SQL."""
    kinds = [found.type.name for found in duckdb.extract_statements(statement)]
    if kinds == ["CREATE", "SELECT"] and re.search(r"\bPIVOT\b", statement, re.IGNORECASE):
        raise NotAQuestion("PIVOT makes a type unless it names its values: PIVOT table ON column IN ('a', 'b')")
    if len(kinds) != 1:
        raise NotAQuestion(f"one SELECT or EXPLAIN at a time, found {', '.join(kinds) or 'no statement'}")
    if kinds == ["EXPLAIN"]:
        explain = _EXPLAIN.match(statement)
        if explain is None:
            raise NotAQuestion(
                "EXPLAIN is read as EXPLAIN SELECT or EXPLAIN ANALYZE SELECT, without comments before it"
            )
        return refuse_other_than_questions(statement[explain.end() :])
    if kinds != ["SELECT"]:
        raise NotAQuestion(f"only SELECT and EXPLAIN, found {kinds[0]}; tables change through flows alone")
    if refused := sorted(_called_on_tables(statement) - _TABLE_FUNCTIONS):
        raise NotAQuestion(f"only tables of the lake are asked here, found a call of {', '.join(refused)}")
    return None


def _called_on_tables(select: str) -> set[str]:
    """Names of the functions that a SELECT calls in place of a table, wherever in it they stand."""
    with duckdb.connect() as connection:
        parsed = json.loads(connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [select]).fetchone()[0])
    if parsed["error"]:
        raise NotAQuestion(f"DuckDB can't take this SELECT apart: {parsed['error_message']}")
    called, left = set(), [parsed]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if node.get("type") == "TABLE_FUNCTION":
                called.add(node["function"]["function_name"].lower())
            left += node.values()
        elif isinstance(node, list):
            left += node
    return called


def write_answer(answer: Iterator[pa.Table], path: Path, settings: Settings) -> int:
    """Write the parts of an answer as CSV or Parquet, whole or not at all, and return the number of rows.

    Raises ValueError for another suffix and for a place within the lake.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"--out must end in .csv or .parquet, got {path.name!r}")
    data = [] if settings.data_on_s3 else [settings.data_folder]
    for folder in (settings.catalog_file.parent, *data):
        if path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"--out must lie outside the lake, got {path}")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"--out must lie in a folder that is there, got {path}")
    write = _write_csv if path.suffix == ".csv" else _write_parquet
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        row_count = write(answer, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return row_count


def _write_csv(answer: Iterator[pa.Table], path: Path) -> int:
    row_count = 0
    with path.open("wb") as file:
        for number, part in enumerate(answer):
            pl.from_arrow(part).write_csv(file, include_header=number == 0)
            row_count += part.num_rows
    return row_count


def _write_parquet(answer: Iterator[pa.Table], path: Path) -> int:
    first = next(answer)
    row_count = 0
    with pq.ParquetWriter(path, first.schema) as writer:
        for part in chain([first], answer):
            writer.write_table(part)
            row_count += part.num_rows
    return row_count


def _print_answer(answer: Iterator[pa.Table], row_limit: int, console: Console) -> None:
    parts, row_count = [], 0
    for part in answer:
        if not parts or row_count < row_limit:
            parts.append(part)
        row_count += part.num_rows
    shown = pl.from_arrow(pa.concat_tables(parts)).head(row_limit)
    if shown.columns == ["explain_key", "explain_value"]:
        console.print(Text("\n".join(shown["explain_value"])))
        return
    page = Page()
    for name, kind in shown.schema.items():
        page.add_column(Text(name), justify="right" if kind.is_numeric() else "left", overflow="fold")
    for row in shown.rows():
        # As Text: rich would take a path like '[vip]/a.nwb' for its own markup.
        page.add_row(*(Text("" if value is None else str(value)) for value in row))
    console.print(page)
    rest = ", the rest with --out" if len(shown) < row_count else ""
    console.print(f"{len(shown)} of {row_count} rows{rest}", highlight=False)


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
    console = Console() if sys.stdout.isatty() else Console(width=10_000)  # a pipe has no edge to fold at
    try:
        settings = Settings()
        with _answer(chosen.statement, settings, chosen.snapshot) as answer:
            if chosen.out:
                row_count = write_answer(answer, chosen.out, settings)
                console.print(
                    f"{row_count} rows written to {chosen.out}", markup=False, highlight=False, soft_wrap=True
                )
            else:
                _print_answer(answer, chosen.rows, console)
    except (LakeMissing, LakeMismatch, ValueError, OSError, duckdb.Error, pl.exceptions.PolarsError) as error:
        print(_on_one_line(error), file=sys.stderr)
        return 2
    return 0


def _on_one_line(error: Exception) -> str:
    """The message without DuckDB's picture of the statement, which the one who asked has before them."""
    return " ".join(str(error).split("\n\nLINE ")[0].split())


if __name__ == "__main__":
    sys.exit(main())
