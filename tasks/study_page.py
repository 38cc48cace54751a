"""A study as a page of Markdown for the run that made it: what it found, its main figures, where everything is."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from storage.registry_pages import RegistryPages
from tasks.closing_lines import found_lines
from tasks.figures import as_png, held_out_rows, roc_figure
from tasks.figures_intervals import interval_figures
from tasks.figures_responses import mean_figures
from tasks.report_page import page_image
from tasks.study_rows import StudyRows

_MARKS = re.compile(r"([\\`*\[<])")  # what begins something in Markdown within a line, or in HTML


def study_page(rows: StudyRows, report: Path, pages: RegistryPages | None) -> str:
    """Findings, figures, links, and the SQL that gives the rows; the report's path is one on the worker's machine."""
    project, protocol, study_id = (rows.study[name] for name in ("project", "protocol", "study_id"))
    return page_of(
        f"{project}, {protocol} protocol",
        found_lines(rows),
        rows.simulated,
        _figures(rows),
        _places(rows, report, pages),
        _statements(rows, study_id),
    )


def page_of(
    title: str,
    found: Iterable[str],
    simulated: bool,
    figures: Iterable[tuple[str, bytes]],
    places: Iterable[str],
    statements: Sequence[str],
) -> str:
    """A study's page: what it found, figures by title, where everything is (in Markdown), and SQL for its rows."""
    parts = [
        f"**{as_text(title)}**",
        "\n".join(f"- {as_text(line)}" for line in found),
        "**No animal was recorded in some of these sessions: they are simulated.**" if simulated else "",
        *(f"![{name}]({page_image(png)})\n\n*{name}*" for name, png in figures),
        "\n".join(f"- {line}" for line in places),
        "**Rows**, asked by `make sql`, or one by one with `python -m storage.ask`:\n\n" + as_code(statements),
    ]
    return "\n\n".join(part for part in parts if part)


def report_place(report: Path) -> str:
    """Where a report lies, in words."""
    return f"the report as a file on the worker's machine: `{report}`"


def as_code(lines: Sequence[str]) -> str:
    """Lines that are shown as they are: names from files hold what Markdown would take for its own."""
    return "\n".join(f"    {' '.join(line.splitlines())}" for line in lines)


def as_text(text: str) -> str:
    """Text from a file, on one line, escaped so that it is shown as it is."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def _figures(rows: StudyRows) -> Iterator[tuple[str, bytes]]:
    """The mean responses, the effects with their intervals, and the decoders' ROC curves: those there are rows for."""
    means = mean_figures(rows.responses, rows.behavior.clear())
    for figure in (*means, *interval_figures(rows.contrasts, rows.group_tests)):
        yield figure.title, figure.png
    if len(held_out_rows(rows.predictions, rows.protocol, "condition")):
        yield "ROC of decoders on mice left out", as_png(roc_figure(rows.predictions, rows.protocol))


def _places(rows: StudyRows, report: Path, pages: RegistryPages | None) -> list[str]:
    on_disk = report_place(report)
    lines = [f"[the report, with every figure and table]({pages.report})", on_disk] if pages else [on_disk]
    if promotion := rows.promotion:
        name, run = as_text(promotion["model_name"]), promotion["mlflow_run_id"]
        model, training = f"the model {name}, version {promotion['model_version']}", f"its training, MLflow run {run}"
        lines += [f"[{model}]({pages.model})", f"[{training}]({pages.run})"] if pages else [model, training]
        lines.append("it is champion now" if promotion["promoted"] else "the champion stays: it was no better")
    return lines


def _statements(rows: StudyRows, study_id: str) -> list[str]:
    """SQL of each kind of row that the study has; an id is of letters that SQL takes as they are."""
    of_study = f"WHERE study_id = '{study_id}';"
    tables = {
        "findings.contrasts": rows.contrasts,
        "findings.mixed_effects": rows.mixed_effects,
        "findings.anova": rows.anova,
        "findings.decoder_scores": rows.decoders,
        "findings.predictions": rows.predictions,
        "findings.time_decoding": rows.time_decoding,
        "derived.unit_scores": rows.unit_scores,
    }
    return [
        f"FROM findings.studies {of_study}",
        *(f"FROM {table} {of_study}" for table, found in tables.items() if len(found)),
        *([f"FROM findings.promotions {of_study}"] if rows.promotion else []),
        f"FROM latest_features WHERE protocol = '{rows.protocol}';",
        "FROM effects_per_mouse;",
        "FROM excluded_sessions;",
    ]
