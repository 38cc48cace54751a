"""Tables as a report shows them, and those of what went in."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from tasks.sentences import counted, cre_name, group_order
from tasks.sentences_effects import main_measure
from tasks.study_rows import StudyRows

NONE = "-"


@dataclass(frozen=True)
class ReportTable:
    """A table as the page shows it: cells as text, the first ``text_columns`` flush left, the others flush right.

    With ``grouped``, rows whose first cell is the same stand below it, and it is no column. With ``noted``, the last
    cell is a sentence about the row, which stands below the table, once for all rows that bear its mark. ``shown`` rows
    stand open, the others fold away. ``spans`` are headings above the headings; ``sql`` the statement that gives the
    rows; ``warning`` stands above the table.
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1
    grouped: bool = False
    noted: bool = False
    shown: int = 12
    spans: tuple[tuple[str, int], ...] = ()
    sql: str | None = None
    warning: str | None = None

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.rows} | {len(self.headings)}
        if len(widths) > 1 or (self.spans and sum(width for _, width in self.spans) != len(self.headings)):
            raise ValueError(f"{len(self.headings)} headings over rows of {sorted(widths)} cells, spans {self.spans}")

    @property
    def noted_texts(self) -> tuple[str, ...]:
        """Sentences about rows, each once, in the order of their marks."""
        return tuple(dict.fromkeys(row[-1] for row in self.rows if row[-1] != NONE)) if self.noted else ()

    @property
    def columns(self) -> slice:
        """The cells of a row that stand in columns."""
        return slice(int(self.grouped), -1 if self.noted else None)

    @property
    def column_spans(self) -> tuple[tuple[str, int], ...]:
        """Headings above the headings, with the number of columns below each."""
        widths = [width for _, width in self.spans]
        if widths:
            widths[0] -= self.grouped
            widths[-1] -= self.noted
        return tuple((text, width) for (text, _), width in zip(self.spans, widths, strict=True))


def mark(number: int) -> str:
    """The mark of a table's first note (0) and of those after it: a to z, then aa."""
    return (mark(number // 26 - 1) if number >= 26 else "") + "abcdefghijklmnopqrstuvwxyz"[number % 26]


def whole(number: int | None) -> str:
    """``1,204``, or a dash."""
    return NONE if number is None else f"{number:,}"


def main_measure_first(frame: pl.DataFrame, order: Callable[[Mapping], object]) -> list[dict]:
    """Rows measure by measure, the main one first, ordered within each."""
    main = main_measure(frame)
    measures: Iterable[str] = frame["measure"].unique(maintain_order=True)
    rank = {name: number for number, name in enumerate(sorted(measures, key=lambda name: name != main))}
    return sorted(frame.to_dicts(), key=lambda row: (rank[row["measure"]], order(row)))


def groups_table(rows: StudyRows) -> ReportTable:
    """Mice, cells, sessions and events of each group of cells."""
    sums = ("unit_count", "presented_count", "omitted_count", "dropped_count", "missing_count")
    cells = []
    if len(rows.sessions):
        groups = rows.sessions.group_by("cre_line", "exposure_level").agg(
            pl.col("session_id").n_unique().alias("session_count"),
            pl.col("mouse_id").n_unique().alias("mouse_count"),
            *(pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in sums),
        )
        for row in sorted(groups.to_dicts(), key=lambda row: group_order(row["cre_line"], row["exposure_level"])):
            counts = (whole(row[name]) for name in ("session_count", "mouse_count", *sums))
            cells.append((cre_name(row["cre_line"]), row["exposure_level"] or NONE, *counts))
    matched = "as many images as omissions" if rows.protocol == "rigorous" else "all of them"
    return ReportTable(
        f"What was measured. Events are those behind each mean response ({matched}); '-' where features came"
        " ready-made. A mouse or cell seen in several sessions counts in each exposure that it took part in. Dropped:"
        " too near the recording's edge; missing: left out for missing frames, in the cell with most.",
        ("cells", "image set", "sessions", "mice", "cells, over sessions", "images averaged", "omissions averaged",
         "events dropped", "events missing"),
        tuple(cells),
        text_columns=2,
        sql=f"SELECT * FROM recorded.sessions WHERE project = '{rows.study['project']}'",
    )  # fmt: skip


def sessions_table(rows: StudyRows) -> ReportTable:
    """The sessions of the study one by one."""
    counts = ("unit_count", "presented_count", "omitted_count", "dropped_count", "missing_count")
    return ReportTable(
        f"{counted(len(rows.sessions), 'session')}, one by one.",
        ("session", "mouse", "cells", "image set", "cells", "images averaged", "omissions averaged", "events dropped",
         "events missing"),
        tuple(
            (
                row["session_id"],
                row["mouse_id"] or NONE,
                cre_name(row["cre_line"]),
                row["exposure_level"] or NONE,
                *(whole(row[name]) for name in counts),
            )
            for row in rows.sessions.to_dicts()
        ),
        text_columns=4,
        shown=60,
    )  # fmt: skip


def excluded_table(rows: StudyRows) -> ReportTable:
    """Sessions of the project that the study has no responses of, each with the reason."""
    return ReportTable(
        f"{counted(len(rows.excluded), 'session')} of this project took no part.",
        ("session", "mouse", "reason"),
        tuple(
            (row["session_id"], row["mouse_id"] or NONE, (row["reason"] or NONE).replace("\n", "; "))
            for row in rows.excluded.to_dicts()
        ),
        text_columns=3,
        sql="SELECT * FROM excluded_sessions",
    )


def rejected_table(rows: StudyRows) -> ReportTable:
    """Files that were refused, with what stands there and what should."""
    columns = ("source_uri", "field", "found", "expected", "reader")
    return ReportTable(
        f"{counted(len(rows.rejected), 'file')} refused, of all sources.",
        ("file", "where", "what stands there", "what should", "reader"),
        tuple(tuple(str(row[name] or NONE) for name in columns) for row in rows.rejected.to_dicts()),
        text_columns=len(columns),
        shown=6,
        sql="SELECT * FROM recorded.rejected",
    )
