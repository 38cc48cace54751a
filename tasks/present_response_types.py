"""A response-type study as a report, CSV files on request, a page for the run that made it, and closing lines."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from storage.lake import Lake, open_lake
from tasks.attempts import HOUR_S, PATIENT
from tasks.figures import as_png
from tasks.figures_response_types import r2_figure, share_figure
from tasks.present import Presented
from tasks.report_response_types import TypesContent, write_types_report
from tasks.response_types_rows import TypesRows, types_rows
from tasks.response_types_traces import shown_sessions
from tasks.sentences import one_line
from tasks.sentences_response_types import brief_sentences
from tasks.study_page import page_of, report_place

_OF_FITS = (
    "derived.regressors",
    "derived.regressor_fits",
    "derived.roi_types",
    "derived.roi_clusters",
    "derived.cluster_counts",
)


@task(**PATIENT, timeout_seconds=HOUR_S, cache_policy=NO_CACHE, tags=["lake"], task_run_name="report of {study_id}")
def present_types(study_id: str, with_csv: bool = False) -> Presented:
    """Write the HTML report of a study that the lake holds, unless it is there; with ``with_csv`` its tables beside it.

    CSV files stand in a folder of the report's name: a file for each of the study's tables.
    """
    with open_lake(read_only=True) as lake:
        rows = types_rows(lake, study_id)
        folder = lake.settings.reports_folder
        path = next(iter(sorted(folder.glob(f"*-{study_id}.html"))), None)
        if path is None:
            links = {"ask the lake in SQL": "make sql", "open the runs in Prefect": _this_run() or "make prefect"}
            content = TypesContent(rows, shown_sessions(lake, rows), datetime.now().astimezone(), links)
            path = write_types_report(content, folder)
        if with_csv:
            write_csv(lake, rows, path.with_suffix(""))
    return Presented(rows.study["project"], str(path), tuple(types_found_lines(rows)), types_page(rows, path))


def write_csv(lake: Lake, rows: TypesRows, folder: Path) -> list[Path]:
    """Each of the study's tables as CSV in a folder, each file whole or not at all; those that are there stay."""
    of_study = {
        name: lake.query(f"SELECT * FROM {name} WHERE study_id = $id ORDER BY ALL", id=rows.study["study_id"])
        for name in ("findings.response_types", "findings.response_type_tests")
    }
    of_fits = {
        name: lake.query(f"SELECT * FROM {name} WHERE list_contains($ids, study_id) ORDER BY ALL", ids=rows.inputs)
        for name in _OF_FITS
    }
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in (of_study | of_fits | {"rois": rows.rois, "sessions": rows.sessions}).items():
        path = folder / f"{name.rpartition('.')[2]}.csv"
        if not path.exists():
            unfinished = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                frame.write_csv(unfinished)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
        written.append(path)
    return written


def types_found_lines(rows: TypesRows) -> list[str]:
    """A study in a few short lines, and the sessions that could not take part."""
    lines = list(brief_sentences(rows))
    excluded = rows.excluded.filter(protocol=rows.protocol)
    lines += [f"left out: {row['session_id']}: {row['notes']}" for row in excluded.head(3).to_dicts()]
    if len(excluded) > 3:
        lines.append(f"and {len(excluded) - 3} more left out; the report says why")
    return [one_line(line) for line in lines]


def types_page(rows: TypesRows, report: Path) -> str:
    """Findings, two figures, and the SQL that gives the rows, as Markdown; the report's path is the worker's."""
    project, protocol, study_id = (rows.study[name] for name in ("project", "protocol", "study_id"))
    figures: Mapping[str, bytes] = {}
    if len(rows.rois):
        figures = {"Response types by region": as_png(share_figure(rows)), "r2 of every ROI": as_png(r2_figure(rows))}
    statements = [
        f"FROM findings.studies WHERE study_id = '{study_id}';",
        f"FROM findings.response_types WHERE study_id = '{study_id}';",
        "FROM latest_response_types;",
        "FROM rois_by_type;",
    ]
    title = f"Response types of {project}, {protocol} protocol"
    found = types_found_lines(rows)
    return page_of(title, found, rows.simulated, figures.items(), [report_place(report)], statements)


def _this_run() -> str | None:
    return url_for("flow-run", flow_run.id) if flow_run.id else None
