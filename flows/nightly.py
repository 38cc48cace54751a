"""The night: read what is new, measure responses, conclude on each project, report."""

from pathlib import Path
from typing import Annotated, Literal

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict, Field

from flows.artifacts import leave_recordings, leave_studies, leave_summary
from flows.incomplete import Incomplete
from flows.notify import TOLD_OF, tell_of_refusals
from flows.progress import StepProgress
from flows.study_steps import study_steps
from storage.due import new_files
from storage.lake import open_lake
from storage.sources import load_sources
from tasks.form import as_form
from tasks.ingest import ingest_file
from tasks.present import NightSummary, summarise
from tasks.recipes import Recipe


class NightChoice(BaseModel):
    """Which recordings are read if they are new, and under which protocol all projects are concluded on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=as_form)

    sources: Annotated[
        str,
        Field(
            description="a sources.yaml, or a folder, file or glob of recordings; an absolute path",
            examples=["/data/lab/sources.yaml", "/data/lab/2026-11/*.nwb"],
        ),
    ]
    protocol: Annotated[
        Literal["rigorous", "published"],
        Field(description="'rigorous': no leakage, nothing extrapolated; 'published': as the source study did it"),
    ] = "rigorous"


@flow(name="nightly", **TOLD_OF)
def nightly(choice: NightChoice) -> NightSummary:
    """Ingest what is new, and bring every project's findings, model and report up to date."""
    with StepProgress() as steps:
        with open_lake() as lake:
            search = new_files(lake, load_sources(choice.sources))
        files = steps.each("read", ingest_file, search.new, name=lambda file: Path(file.path).name)
        presented = study_steps(steps, choice.protocol, Recipe(), flow_run.id)
    summary = summarise(search, files, presented, steps.failures)
    leave_summary("night", summary.lines, summary.reports)
    leave_recordings(files)
    leave_studies(presented)
    tell_of_refusals(summary.rejected_count, summary.lines)
    if steps.failures:
        raise Incomplete(summary)
    return summary
