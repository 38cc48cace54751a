"""A study's report: one page that stands alone, with its numbers, the figures, and how to open the same rows."""

import base64
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.figures import CSS_PX_PER_INCH, DPI, ReportFigure
from tasks.sentences import (
    counted,
    cre_name,
    cre_order,
    decimals_for,
    findings,
    fixed,
    main_measure,
    majority_share,
    measure_name,
    measure_unit,
    p_text,
)

QUESTION = (
    "Do VIP and SST cells respond differently when an expected image is omitted than when one is shown, and is that so"
    " for familiar and for novel images?"
)
PROTOCOLS = ("published", "rigorous")
_NONE = "-"


@dataclass(frozen=True, eq=False)
class ReportContent:
    """What a report is made of: rows as the lake gives them, and how each table's rows are asked for.

    ``sql`` is keyed by ``sessions``, ``rejected``, ``decoders``, ``contrasts``, ``anova`` (shown beside that table),
    or by any other title (shown under "How it was made"), and holds whole statements without ``$`` parameters.
    ``links`` are addresses (http, https) or commands.
    ``simulated`` is true when no animal was recorded in some of the sessions.
    """

    study: Mapping
    sessions: pl.DataFrame
    rejected: pl.DataFrame
    contrasts: pl.DataFrame
    anova: pl.DataFrame
    decoders: pl.DataFrame
    predictions: pl.DataFrame
    promotion: Mapping | None
    simulated: bool
    written_at: datetime
    figures: tuple[ReportFigure, ...] = ()
    sql: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportTable:
    """A table as the page shows it: cells as text, all but the first ``text_columns`` columns flush right.

    ``shown`` rows stand open, the others fold away. ``spans`` are headings above the headings.
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1
    shown: int = 12
    spans: tuple[tuple[str, int], ...] = ()


def render(content: ReportContent) -> str:
    """The report as one HTML page, which asks nothing of the network."""
    majority = majority_share(content.predictions, content.study["protocol"]) if len(content.predictions) else None
    commands = {title: ask_command(sql, content.study["snapshot_id"]) for title, sql in content.sql.items()}
    tables = {
        "sessions": _sessions_table(content.sessions),
        "rejected": _rejected_table(content.rejected),
        "decoders": _decoders_table(content.decoders, content.promotion, content.study["protocol"]),
        "contrasts": _contrasts_table(content.contrasts),
        "anova": _anova_table(content.anova),
    }
    return _PAGE.get_template("report.html.j2").render(
        content=content,
        study=content.study,
        question=QUESTION,
        findings=findings(
            content.contrasts,
            content.anova,
            content.decoders,
            content.study,
            content.sessions,
            majority,
            content.promotion["decoder"] if content.promotion else None,
        ),
        tables=tables,
        commands=commands,
        other_commands={title: command for title, command in commands.items() if title not in tables},
        parameters=_pretty(content.study["parameters"]),
        inputs=_pretty(content.study["inputs"]),
    )


def write_report(content: ReportContent, folder: Path) -> Path:
    """Write the page into a folder as ``<date>-<project>-<study_id>.html``, whole or not at all."""
    names = (re.sub(r"[^A-Za-z0-9._-]+", "-", content.study[key]) for key in ("project", "study_id"))
    path = folder / f"{content.written_at:%Y-%m-%d}-{'-'.join(names)}.html"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(render(content), encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def ask_command(sql: str, snapshot_id: int) -> str:
    """The shell command that gives a statement's rows.

    Findings and refusals are read as they are now: the study's snapshot is from before it wrote its findings.
    """
    statement = sql.strip().removesuffix(";")
    quoted = f'"{statement}"' if not re.search(r'["$`\\!]', statement) else shlex.quote(statement)
    snapshot = "" if re.search(r"\bfindings\.|\brecorded\.rejected\b", statement) else f"--snapshot {snapshot_id} "
    return f"python -m storage.ask {snapshot}{quoted}"


def _sessions_table(sessions: pl.DataFrame) -> ReportTable:
    rows = sorted(sessions.to_dicts(), key=lambda row: (cre_order(row["cre_line"]), row["exposure_level"] or "~"))
    cells = (
        (
            cre_name(row["cre_line"]),
            row["exposure_level"] or _NONE,
            *(f"{row[f'{noun}_count']:,}" for noun in ("session", "mouse", "unit")),
        )
        for row in rows
    )
    return ReportTable(
        "Sessions in the lake. A mouse or cell seen in several sessions counts in each exposure that it took part in.",
        ("cells", "image set", "sessions", "mice", "cells, over sessions"),
        tuple(cells),
        text_columns=2,
    )


def _rejected_table(rejected: pl.DataFrame) -> ReportTable:
    columns = ("source_uri", "field", "found", "expected", "reader")
    return ReportTable(
        f"{counted(len(rejected), 'file')} refused, of all sources.",
        ("file", "where", "what stands there", "what should", "reader"),
        tuple(tuple(str(row[name] or _NONE) for name in columns) for row in rejected.to_dicts()),
        text_columns=len(columns),
        shown=6,
    )


def _decoders_table(decoders: pl.DataFrame, promotion: Mapping | None, protocol: str) -> ReportTable:
    """Both protocols side by side, a row per decoder."""
    found = {(row["protocol"], row["decoder"]): row for row in decoders.to_dicts()}
    scores = ("lomo_accuracy", "test_accuracy", "test_f1", "test_roc_auc")
    rows = []
    for name in dict.fromkeys(row["decoder"] for row in decoders.to_dicts()):
        of_protocols = (found.get((which, name), {}) for which in PROTOCOLS)
        registered = " (registered)" if promotion and promotion["decoder"] == name else ""
        rows.append((name + registered, *(_score(row.get(score)) for row in of_protocols for score in scores)))
    folds = {row["protocol"]: f", {counted(row['fold_count'], 'fold')}" for row in decoders.to_dicts()}
    return ReportTable(
        f"Omitted against presented, both protocols; this study's is {protocol}. Accuracy is the share of right"
        " answers. Rigorous tests on whole mice held out; published on a random split of rows.",
        ("decoder", *(("mice left out, accuracy", "test accuracy", "test F1", "test AUC") * len(PROTOCOLS))),
        tuple(rows),
        spans=(("", 1), *((f"{which}{folds.get(which, ': did not run')}", len(scores)) for which in PROTOCOLS)),
    )


def _contrasts_table(contrasts: pl.DataFrame) -> ReportTable:
    rows = _main_measure_first(contrasts, lambda row: (cre_order(row["cre_line"]), row["exposure_level"]))
    return ReportTable(
        "Omitted minus presented within each cell, averaged within each mouse, tested over mice (t test; sign flips of"
        " whole mice beside it). Holm's correction is over all rows.",
        ("measure", "cells", "image set", "difference", "95 % CI", "t (df)", "p", "p, Holm", "p, flips", "mice",
         "cells", "left out"),
        tuple(_contrast_cells(row) for row in rows),
        text_columns=3,
    )  # fmt: skip


def _contrast_cells(row: Mapping) -> tuple[str, ...]:
    decimals = decimals_for((row["ci_high"] - row["ci_low"]) / 2)
    t = _NONE if row["t"] is None else f"{fixed(row['t'], 2)} ({row['dof']})"
    return (
        _measure(row["measure"]),
        cre_name(row["cre_line"]),
        row["exposure_level"],
        fixed(row["difference"], decimals, "+"),
        f"{fixed(row['ci_low'], decimals)} to {fixed(row['ci_high'], decimals)}",
        t,
        *(p_text(row[name]) for name in ("p", "p_holm", "p_sign_flip")),
        *(f"{row[name]:,}" for name in ("mouse_count", "cell_count", "excluded_cell_count")),
    )


def _anova_table(anova: pl.DataFrame) -> ReportTable:
    rows = _main_measure_first(anova, lambda row: 0)
    cells = (
        (
            _measure(row["measure"]),
            row["term"].replace("cre_line", "cre line").replace("exposure_level", "exposure"),
            *(_NONE if row["sum_sq"] is None else f"{row['sum_sq']:.3g}", f"{row['dof']:,.0f}"),
            *(_NONE if row["f"] is None else fixed(row["f"], 2), p_text(row["p"])),
        )
        for row in rows
    )
    return ReportTable(
        "Three-way ANOVA over cells, type II, as published.",
        ("measure", "term", "sum of squares", "df", "F", "p"),
        tuple(cells),
        text_columns=2,
        shown=sum(row["measure"] == main_measure(anova) for row in rows),
    )


def _main_measure_first(frame: pl.DataFrame, order: Callable[[Mapping], object]) -> list[dict]:
    main = main_measure(frame)
    measures: Iterable[str] = frame["measure"].unique(maintain_order=True)
    rank = {name: number for number, name in enumerate(sorted(measures, key=lambda name: name != main))}
    return sorted(frame.to_dicts(), key=lambda row: (rank[row["measure"]], order(row)))


def _measure(name: str) -> str:
    unit = measure_unit(name)
    return f"{measure_name(name)} ({unit})" if unit else measure_name(name)


def _score(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _typeset(text: str) -> str:
    """A sentence or number with true minus signs, and no line break within a number's expression."""
    text = re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", text)
    return re.sub(
        r"(?<=\d) (?=%|dF/F|s\b|mice|mouse|cells?\b)|(?<=[=<]) (?=\S)|(?<=\bp) (?=[=<])", "\N{NO-BREAK SPACE}", text
    )


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _png_address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _png_width(png: bytes) -> int:
    """Width on the page, from the header of the PNG."""
    return int.from_bytes(png[16:20], "big") * CSS_PX_PER_INCH // DPI


_PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGE.filters |= {"typeset": _typeset, "png_address": _png_address, "png_width": _png_width, "score": _score}
