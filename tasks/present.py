"""A study's rows as a report, and the outcome of a night or a study as the lines that a person sees last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import shorten

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from storage.due import Search
from storage.lake import open_lake
from storage.registry_pages import PagesMissing, RegistryPages, keep_report, pages_of
from storage.settings import Settings
from tasks.attempts import HOUR_S, PATIENT
from tasks.closing_lines import found_lines, summary_lines, todo_lines
from tasks.figures_spikes import spike_figures
from tasks.ingest import Ingested
from tasks.report import ReportContent, write_report
from tasks.study_page import study_page
from tasks.study_rows import study_rows


@dataclass(frozen=True)
class Presented:
    """A study's report on disk, what it found in a few lines, and its page of Markdown for the run that made it."""

    project: str
    report: str
    found: tuple[str, ...]
    page: str


@dataclass(frozen=True)
class NightSummary:
    """What a night did, and what it says in the end."""

    session_count: int
    rejected_count: int
    reports: tuple[str, ...]
    failures: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class StudySummary:
    """What a study that was run alone found, and what it says in the end."""

    project: str
    reports: tuple[str, ...]
    failures: tuple[str, ...]
    lines: tuple[str, ...]


@task(**PATIENT, timeout_seconds=HOUR_S, cache_policy=NO_CACHE, tags=["lake"], task_run_name="report of {study_id}")
def present_study(study_id: str) -> Presented:
    """Write the HTML report of a study that the lake holds, and keep it beside the model where MLflow is a server."""
    with open_lake(read_only=True) as lake:
        rows = study_rows(lake, study_id)
        pages = _pages(lake.settings, rows.promotion)
        content = ReportContent(
            rows=rows,
            written_at=datetime.now().astimezone(),
            spike_figures=spike_figures(lake, rows.study["project"], rows.inputs, study_id),
            links=_links(rows.promotion, pages),
        )
        path = write_report(content, lake.settings.reports_folder)
        pages = _kept(lake.settings, rows.promotion, pages, path)
    return Presented(rows.study["project"], str(path), tuple(found_lines(rows)), page=study_page(rows, path, pages))


def summarise(
    search: Search, files: Sequence[Ingested], presented: Sequence[Presented], failures: Sequence[str]
) -> NightSummary:
    """The night in lines: what went in, what was refused and why, what was found, what to do next."""
    session_count = sum(len(file.session_ids) for file in files)
    rejected = [(Path(file.path).name, shorten(file.refusal, 240)) for file in files if file.refusal]
    reports = tuple(study.report for study in presented)
    lines = summary_lines(session_count, rejected, _found(presented), reports)
    lines += [f"failed   {failure}" for failure in failures]
    if search.passed_over_count:
        lines.insert(1, f"{search.passed_over_count} files of other kinds passed over")
    return NightSummary(session_count, len(rejected), reports, tuple(failures), tuple(lines))


def summarise_study(
    project: str, presented: Sequence[Presented], failures: Sequence[str], *, of: str, with_models: bool = True
) -> StudySummary:
    """A study in lines: what was found, what to do next, what failed.

    It is a study ``of`` something that sessions need for it; one ``with_models`` registers some.
    """
    reports = tuple(study.report for study in presented)
    found = _found(presented)
    if not found and not failures:
        found = [f"{project}: no session with {of} took part, so there is no study"]
    lines = (*found, *todo_lines(reports, with_models), *(f"failed   {failure}" for failure in failures))
    return StudySummary(project, reports, tuple(failures), lines)


def _found(presented: Sequence[Presented]) -> list[str]:
    return [line for study in presented for line in (f"{study.project}:", *(f"  {line}" for line in study.found))]


def _pages(settings: Settings, promotion: Mapping | None) -> RegistryPages | None:
    if promotion is None:
        return None
    try:
        return pages_of(settings, promotion["model_name"], promotion["model_version"], promotion["mlflow_run_id"])
    except PagesMissing as missing:
        get_run_logger().warning("The report has no links to its model: %s", missing)
        return None


def _kept(
    settings: Settings, promotion: Mapping | None, pages: RegistryPages | None, report: Path
) -> RegistryPages | None:
    """The pages, once the report is among them. A report that is on disk is no failure for being there alone."""
    if pages is None:
        return None
    try:
        keep_report(settings, promotion["mlflow_run_id"], report)
    except PagesMissing as missing:
        get_run_logger().warning("The report is not beside its model: %s", missing)
        return None
    return pages


def _links(promotion: Mapping | None, pages: RegistryPages | None) -> dict[str, str]:
    this_run = url_for("flow-run", flow_run.id) if flow_run.id else None
    links = {"ask the lake in SQL": "make sql", "open the runs in Prefect": this_run or "make prefect"}
    if pages:
        links |= {"open the model in MLflow": pages.model, "open its training in MLflow": pages.run}
    elif promotion:
        links |= {"open the models in MLflow": "make models", "MLflow run": promotion["mlflow_run_id"]}
    return links
