"""The data dictionary: `python -m storage.dictionary` writes docs/data-dictionary.md from the declared tables."""

import argparse
import sys
from pathlib import Path

from storage.declaration import Column, Table
from storage.tables import TABLES

PATH = Path(__file__).resolve().parents[1] / "docs" / "data-dictionary.md"
_SCHEMAS = {
    "recorded": "what the experiment gave",
    "derived": "what was computed per unit",
    "findings": "what was concluded",
}


def render() -> str:
    """The dictionary as Markdown, one section for each table in the order of declaration."""
    parts = [
        "# Data dictionary",
        "",
        "Every table of the lake. Made from `storage/tables.py` by `make dictionary`; don't edit it by hand.",
        "",
        "Times are seconds on the session's own clock, fluorescence is dF/F as a fraction, missing values are NULL.",
    ]
    for schema, meaning in _SCHEMAS.items():
        parts += ["", f"## `{schema}`: {meaning}"]
        for table in TABLES:
            if table.schema_name == schema:
                parts += ["", *_section(table)]
    return "\n".join(parts) + "\n"


def _section(table: Table) -> list[str]:
    facts = [f"Key: {_names(table.key)}.", f"A write replaces all rows of the same {_names(table.replaced_by)}."]
    if table.partition:
        facts.append(f"Partitioned by {_names(table.partition)}.")
    if table.road == "files":
        facts.append("Written as Parquet files beside the catalog, one for each session (and signal, of traces).")
    facts += [f"Each row has its {_names(columns)} in `{parent}`." for parent, columns in table.parents.items()]
    return [
        f"### `{table.name}`",
        "",
        table.meaning,
        "",
        " ".join(facts),
        "",
        "| column | type | unit | may be missing | values | meaning |",
        "|---|---|---|---|---|---|",
        *(_row(column) for column in table.columns),
    ]


def _row(column: Column) -> str:
    cells = (
        f"`{column.name}`",
        column.sql_type,
        column.unit or "",
        "yes" if column.nullable else "",
        _values(column),
        column.meaning,
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _values(column: Column) -> str:
    if column.one_of:
        return ", ".join(f"`{value}`" for value in column.one_of)
    bounds = ((">=", column.at_least), (">", column.above), ("<=", column.at_most))
    return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


def main() -> int:
    """Write the dictionary, or with --check say whether it is stale; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m storage.dictionary", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when the file is stale")
    if not parser.parse_args().check:
        PATH.write_text(render(), encoding="utf-8")
        print(f"written  {PATH}")
        return 0
    if PATH.exists() and PATH.read_text(encoding="utf-8") == render():
        return 0
    print(f"{PATH} is stale: run `make dictionary`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
