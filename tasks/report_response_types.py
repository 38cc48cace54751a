"""The report of response types: one page that stands alone, with figures, tables, and a viewer of every ROI."""

import base64
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from markupsafe import Markup

from tasks.figures_response_types import study_figures, type_colors
from tasks.figures_rois import session_figures
from tasks.report_page import page_templates, pretty, write_page
from tasks.report_sections import Block, Fold, Heading, Paragraph, Points, Section
from tasks.report_tables import ReportTable
from tasks.response_type_recipe import TypesRecipe
from tasks.response_types_rows import TypesRows
from tasks.response_types_tables import (
    clusters_table,
    coefficients_table,
    excluded_table,
    protocols_table,
    regressors_table,
    sessions_table,
    tests_table,
    types_table,
)
from tasks.response_types_traces import ShownSession
from tasks.roi_viewer import as_script_json, left_out_said, viewer_data, viewer_script
from tasks.sentences_response_types import types_findings

QUESTION = (
    "Which ROIs respond to the stimuli and to what the animal does, to which of them each responds most, and do brain"
    " regions differ in that?"
)
_PAGES = page_templates()


@dataclass(frozen=True, eq=False)
class TypesContent:
    """What a report is made of: the study's rows, the sessions whose traces it shows, and where else to look."""

    rows: TypesRows
    shown: Sequence[ShownSession]
    written_at: datetime
    links: Mapping[str, str] = field(default_factory=dict)


def render_types(content: TypesContent) -> str:
    """The report as one HTML page, which asks nothing of the network."""
    rows, shown = content.rows, content.shown
    colors = type_colors(rows)
    data = viewer_data(rows, shown, colors) if shown else None
    script = viewer_script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return _PAGES.get_template("report_response_types.html.j2").render(
        content=content,
        study=rows.study,
        simulated=rows.simulated,
        question=QUESTION,
        findings=types_findings(rows),
        sections=tuple(section for section in _sections(rows, shown, colors) if section.blocks),
        viewer=None if data is None else Markup(as_script_json(data)),
        viewer_left_out=() if data is None else left_out_said(data, shown),
        script=Markup(script),
        # The page runs this one program and no other, whatever a name from a file might hold.
        script_digest=f"sha256-{digest}",
        ask=_ask,
        parameters=pretty(rows.study["parameters"]),
        inputs=pretty(rows.study["inputs"]),
    )


def write_types_report(content: TypesContent, folder: Path) -> Path:
    """Write the page into a folder as ``<date>-<project>-<study_id>.html``, whole or not at all."""
    study = content.rows.study
    return write_page(render_types(content), folder, content.written_at, study["project"], study["study_id"])


def _ask(sql: str) -> str:
    """The shell command that gives a statement's rows, of the lake as it is: the study's snapshot is from before it."""
    return f"python -m storage.ask {shlex.quote(sql)}"


def _sections(rows: TypesRows, shown: Sequence[ShownSession], colors: Mapping[str, str]) -> tuple[Section, ...]:
    clusters = clusters_table(rows)
    of_sessions = tuple(block for one in shown for block in session_figures(rows, one, colors))
    return (
        Section("data", "What went in", _data(rows)),
        Section("types", "Response types", _types(rows, shown)),
        Section("rois", "ROIs, clusters and places", (*of_sessions, *_headed("Clusters and types", clusters))),
        Section("method", "Method", _method(rows)),
    )


def _data(rows: TypesRows) -> tuple[Block, ...]:
    sessions, excluded, regressors = sessions_table(rows), excluded_table(rows), regressors_table(rows)
    notes = tuple(f"{note} ({where})" for note, where in rows.notes)
    return (
        sessions if sessions.rows else Paragraph("No session could take part.", is_warning=True),
        *_headed("Regressors", regressors),
        Heading("Left out"),
        excluded if excluded.rows else Paragraph("Every session of the choice took part under both protocols."),
        *((Heading("What else was left out, and cautions"), Points(notes)) if notes else ()),
    )


def _types(rows: TypesRows, shown: Sequence[ShownSession]) -> tuple[Block, ...]:
    if rows.rois.is_empty():
        return ()
    coefficients, both, tests = coefficients_table(rows), protocols_table(rows), tests_table(rows)
    return (
        *study_figures(rows, shown),
        *_headed("Types by region", types_table(rows)),
        *_headed("Regions compared", tests),
        *_headed("The same ROIs under both protocols", both),
        *((Fold("Coefficients and mean responses", (coefficients,)),) if coefficients.rows else ()),
    )


def _drift(recipe: TypesRecipe) -> str:
    if recipe.slowest_s is None:
        return "drift, such as bleaching, is left in, and may pass for responses; "
    return f"changes of {recipe.slowest_s:g} s and slower, such as bleaching, are first taken out of both sides; "


def _method(rows: TypesRows) -> tuple[Block, ...]:
    recipe = rows.recipe
    count = recipe.cluster_count or "the number with the best silhouette among those that are stable"
    return (
        Paragraph(
            "Every ROI is regressed on all regressors of its session at once, by least squares with an intercept. A"
            " regressor of events is a train of ones at their frames, convolved with the indicator's kernel, which is"
            " cut at the recording's length and has sum 1 (after Miri et al. 2011)."
        ),
        Paragraph(
            f"Published, as the source did it: a decay alone, in-sample r2 above {recipe.smallest_r2:g}, and the type"
            " of the largest coefficient. An r2 in sample grows with every regressor and with slow drift, and"
            " no chance is taken into account."
        ),
        Paragraph(
            f"Rigorous: {_drift(recipe)}the regressors are shifted in a circle against the traces by every admissible"
            " number of frames, which keeps the slowness of both; an ROI is selected where its r2 stands out, with the"
            f" false-discovery rate held at {recipe.fdr:g} over the session's ROIs. r2 is also given on whole stretches"
            " of time that took no part in the fit. The type is the largest coefficient among events where it exceeds"
            f" the second clearly (level {recipe.margin_level:g}, with standard errors that know of autocorrelation),"
            " 'ambiguous' where not; a ROI that no event clearly drives, and a signal of the animal does, has that for"
            " a type."
        ),
        Paragraph(
            f"Clusters: {recipe.method} linkage of the {recipe.distance} distance of traces, {count}. Regions are"
            " compared over animals where each has two, and over ROIs otherwise, with the caution beside it."
        ),
    )


def _headed(title: str, table: ReportTable) -> tuple[Block, ...]:
    return (Heading(title), table) if table.rows else ()
