"""A study's report: one page that stands alone, with its numbers, the figures, and how to open the same rows."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tasks.calibration import calibration_table, power_table
from tasks.figures import ReportFigure
from tasks.findings import findings
from tasks.report_method import method_section
from tasks.report_page import page_templates, pretty, write_page
from tasks.report_sections import sections
from tasks.study_rows import StudyRows

QUESTION = (
    "Do VIP and SST cells respond differently when an expected image is omitted than when one is shown, and is that so"
    " for familiar and for novel images?"
)


@dataclass(frozen=True, eq=False)
class ReportContent:
    """What a report is made of: the study's rows, figures that need more than rows, and where else to look.

    ``links`` are addresses (http, https) or commands.
    """

    rows: StudyRows
    written_at: datetime
    spike_figures: Sequence[ReportFigure] = ()
    links: Mapping[str, str] = field(default_factory=dict)


def render(content: ReportContent) -> str:
    """The report as one HTML page, which asks nothing of the network."""
    rows = content.rows
    return _PAGES.get_template("report.html.j2").render(
        content=content,
        study=rows.study,
        simulated=rows.simulated,
        promotion=rows.promotion,
        question=QUESTION,
        findings=findings(rows),
        sections=(*sections(rows, content.spike_figures), method_section(rows, calibration_table(), power_table())),
        ask=lambda sql: ask_command(sql, rows.study["snapshot_id"]),
        statements=_other_statements(rows),
        parameters=pretty(rows.study["parameters"]),
        inputs=pretty(rows.study["inputs"]),
    )


def write_report(content: ReportContent, folder: Path) -> Path:
    """Write the page into a folder as ``<date>-<project>-<study_id>.html``, whole or not at all."""
    study = content.rows.study
    return write_page(render(content), folder, content.written_at, study["project"], study["study_id"])


def ask_command(sql: str, snapshot_id: int) -> str:
    """The shell command that gives a statement's rows.

    Findings, scores of units and refusals are read as they are now: the study's snapshot is from before it wrote them.
    """
    statement = sql.strip().removesuffix(";")
    quoted = f'"{statement}"' if not re.search(r'["$`\\!]', statement) else shlex.quote(statement)
    written_later = r"\bfindings\.|\brecorded\.rejected\b|\bderived\.unit_scores\b|\bexcluded_sessions\b"
    snapshot = "" if re.search(written_later, statement) else f"--snapshot {snapshot_id} "
    return f"python -m storage.ask {snapshot}{quoted}"


def _other_statements(rows: StudyRows) -> dict[str, str]:
    """What the page shows no table of; ids and projects are of letters that SQL takes as they are."""
    of_study = f"WHERE study_id = '{rows.study['study_id']}'"
    return {
        "predictions of held-out rows": f"SELECT * FROM findings.predictions {of_study}",
        "whose rows each fold learned from": f"SELECT * FROM findings.splits {of_study}",
        "decoders learned at one time and tested at another": f"SELECT * FROM findings.time_generalisation {of_study}",
        "indices, places on maps and motifs of cells": f"SELECT * FROM derived.unit_scores {of_study}",
        "the study itself": f"SELECT * FROM findings.studies {of_study}",
    }


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


_PAGES = page_templates()
_PAGES.filters["score"] = _score
