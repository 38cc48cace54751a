"""An image-coding study as a report, a page for the run that made it, and closing lines."""

from datetime import datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from storage.lake import Lake, open_lake
from storage.registry_pages import PagesMissing, keep_report, pages_of
from tasks.attempts import HOUR_S, PATIENT
from tasks.figures import as_png
from tasks.figures_encoding import models_figure
from tasks.image_coding_rows import CodingRows, coding_rows
from tasks.image_coding_tables import model_order
from tasks.present import Presented
from tasks.sentences import one_line
from tasks.sentences_images import brief_sentences
from tasks.shown_coding import shown_coding
from tasks.study_page import page_of, report_place

_MOST_MODELS = 6  # linked from a report


@task(**PATIENT, timeout_seconds=HOUR_S, cache_policy=NO_CACHE, tags=["lake"], task_run_name="report of {study_id}")
def present_images(study_id: str) -> Presented:
    """Write the HTML report of a study that the lake holds, unless it is there."""
    # Figures of spectra need torch, which takes seconds to import.
    from tasks.figures_inputs import gallery_figure
    from tasks.report_images import CodingContent, write_images_report

    with open_lake(read_only=True) as lake:
        rows = coding_rows(lake, study_id)
        folder = lake.settings.reports_folder
        path = next(iter(sorted(folder.glob(f"*-{study_id}.html"))), None)
        if path is None:
            content = CodingContent(rows, shown_coding(lake, rows), datetime.now().astimezone(), _links(lake, rows))
            path = write_images_report(content, folder)
            _keep(lake, rows, path)
    figures = {}
    if len(rows.summary):
        figures["How well units are predicted"] = as_png(models_figure(rows.scores, model_order(rows)))
    if len(rows.comparisons.filter(protocol=rows.protocol)):
        figures["What excites units"] = as_png(gallery_figure(rows, rows.protocol))
    found = tuple(images_found_lines(rows))
    return Presented(rows.study["project"], str(path), found, images_page(rows, path, figures))


def images_found_lines(rows: CodingRows) -> list[str]:
    """A study in a few short lines, and what was not possible."""
    lines = list(brief_sentences(rows))
    excluded = rows.excluded
    lines += [f"not possible: {row['session_id']}: {row['notes']}" for row in excluded.head(3).to_dicts()]
    if len(excluded) > 3:
        lines.append(f"and {len(excluded) - 3} more; the report says why")
    return [one_line(line) for line in lines]


def images_page(rows: CodingRows, report: Path, figures: dict[str, bytes]) -> str:
    """Findings, two figures, and the SQL that gives the rows, as Markdown; the report's path is the worker's."""
    project, protocol, study_id = (rows.study[name] for name in ("project", "protocol", "study_id"))
    statements = [
        f"FROM findings.studies WHERE study_id = '{study_id}';",
        f"FROM findings.image_coding WHERE study_id = '{study_id}';",
        "FROM latest_image_coding;",
        "FROM units_by_predictability;",
        "FROM derived.excitatory_inputs WHERE is_best;",
    ]
    title = f"Image coding of {project}, {protocol} protocol"
    found = images_found_lines(rows)
    return page_of(title, found, rows.simulated, figures.items(), [report_place(report)], statements)


def _links(lake: Lake, rows: CodingRows) -> dict[str, str]:
    """Where to ask, where the runs are, and the registered networks: their pages where MLflow is a server."""
    this_run = url_for("flow-run", flow_run.id) if flow_run.id else None
    links = {"ask the lake in SQL": "make sql", "open the runs in Prefect": this_run or "make prefect"}
    registered = rows.models.drop_nulls("model_name")
    for row in registered.head(_MOST_MODELS).to_dicts():
        name = f"{row['model_name']}, version {row['model_version']}"
        try:
            pages = pages_of(lake.settings, row["model_name"], row["model_version"], row["mlflow_run_id"])
        except PagesMissing:
            pages = None
        links[name] = pages.model if pages else "make models"
    return links


def _keep(lake: Lake, rows: CodingRows, report: Path) -> None:
    """Put the report beside the study's networks; one that is on disk is no failure for being there alone."""
    for row in rows.models.drop_nulls("model_name").filter(protocol=rows.protocol).to_dicts():
        try:
            if pages_of(lake.settings, row["model_name"], row["model_version"], row["mlflow_run_id"]):
                keep_report(lake.settings, row["mlflow_run_id"], report)
        except PagesMissing:
            return
