"""A study's rows as a report, and a night's outcome as the lines that a person sees last."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import shorten

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.due import Search
from storage.lake import Lake, open_lake
from tasks.figures import study_figures
from tasks.ingest import Ingested
from tasks.report import ReportContent, write_report
from tasks.sentences import found_lines, majority_share, summary_lines


@dataclass(frozen=True)
class Presented:
    """A study's report on disk, and what it found in a few lines."""

    project: str
    report: str
    found: tuple[str, ...]


@dataclass(frozen=True)
class NightSummary:
    """What a night did, and what it says in the end."""

    session_count: int
    rejected_count: int
    reports: tuple[str, ...]
    failures: tuple[str, ...]
    lines: tuple[str, ...]


@task(cache_policy=NO_CACHE, tags=["lake"], task_run_name="report of {study_id}")
def present_study(study_id: str) -> Presented:
    """Write the HTML report of a study that the lake holds."""
    with open_lake(read_only=True) as lake:
        content = _content(lake, study_id)
        path = write_report(content, lake.settings.reports_folder)
    majority = majority_share(content.predictions, content.study["protocol"]) if len(content.predictions) else None
    registered = content.promotion["decoder"] if content.promotion else None
    found = found_lines(content.contrasts, content.decoders, content.study, majority, registered)
    return Presented(content.study["project"], str(path), tuple(found))


def summarise(
    search: Search, files: Sequence[Ingested], presented: Sequence[Presented], failures: Sequence[str]
) -> NightSummary:
    """The night in lines: what went in, what was refused and why, what was found, what to do next."""
    session_count = sum(len(file.session_ids) for file in files)
    rejected = [(Path(file.path).name, shorten(file.refusal, 240)) for file in files if file.refusal]
    found = [line for study in presented for line in (f"{study.project}:", *(f"  {line}" for line in study.found))]
    reports = tuple(study.report for study in presented)
    lines = summary_lines(session_count, rejected, found, reports)
    lines += [f"failed   {failure}" for failure in failures]
    if search.passed_over_count:
        lines.insert(1, f"{search.passed_over_count} files of other kinds passed over")
    return NightSummary(session_count, len(rejected), reports, tuple(failures), tuple(lines))


def _content(lake: Lake, study_id: str) -> ReportContent:
    study = _findings(lake, "studies", study_id).row(0, named=True)
    project, protocol = study["project"], study["protocol"]
    inputs = json.loads(study["inputs"])
    features = lake.answer("features_of_project", project=project, studies=inputs)
    responses = lake.answer("group_mean_responses", studies=inputs)
    predictions = _findings(lake, "predictions", study_id)
    promotions = _findings(lake, "promotions", study_id).to_dicts()
    sessions = lake.answer("sessions_by_project").filter(pl.col("project") == project)
    simulated = lake.query(
        "SELECT coalesce(bool_or(simulated), false) AS simulated FROM recorded.sessions WHERE project = $project",
        project=project,
    ).item()
    return ReportContent(
        study=study,
        sessions=sessions,
        rejected=lake.answer("rejected_files"),
        contrasts=_findings(lake, "contrasts", study_id),
        anova=_findings(lake, "anova", study_id),
        decoders=lake.answer("decoder_table", study_id=study_id),
        predictions=predictions,
        promotion=promotions[0] if promotions else None,
        simulated=simulated,
        written_at=datetime.now().astimezone(),
        figures=study_figures(responses, features, predictions, protocol),
        sql=_statements(study_id, project),
        links=_links(promotions),
    )


def _findings(lake: Lake, table: str, study_id: str) -> pl.DataFrame:
    return lake.query(f"SELECT * FROM findings.{table} WHERE study_id = $study_id", study_id=study_id)


def _statements(study_id: str, project: str) -> dict[str, str]:
    """What a person types to see the rows behind each table; both names are of letters that SQL takes as they are."""
    of_study = f"WHERE study_id = '{study_id}'"
    return {
        "sessions": f"SELECT * FROM recorded.sessions WHERE project = '{project}'",
        "rejected": "SELECT * FROM recorded.rejected",
        "contrasts": f"SELECT * FROM findings.contrasts {of_study}",
        "anova": f"SELECT * FROM findings.anova {of_study}",
        "decoders": f"SELECT * FROM findings.decoder_scores {of_study}",
        "predictions of held-out rows": f"SELECT * FROM findings.predictions {of_study}",
        "the study itself": f"SELECT * FROM findings.studies {of_study}",
    }


def _links(promotions: Sequence[Mapping]) -> dict[str, str]:
    links = {"ask the lake in SQL": "make sql", "open the runs in Prefect": "make prefect"}
    if promotions:
        links["open the models in MLflow"] = "make models"
        links["MLflow run"] = promotions[0]["mlflow_run_id"]
    return links
