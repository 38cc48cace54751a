"""One folder in now: the reading step of the night alone, for recordings that shall not wait until 02:00."""

import os
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.artifacts import leave_recordings, leave_summary
from flows.incomplete import Incomplete
from flows.notify import TOLD_OF, tell_of_refusals
from flows.progress import StepProgress
from storage.due import new_files
from storage.lake import open_lake
from storage.sources import load_sources
from tasks.form import as_form
from tasks.ingest import ingest_file
from tasks.present import NightSummary, summarise


class IngestChoice(BaseModel):
    """Which recordings are read now, if the lake has not met them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=as_form)

    sources: Annotated[
        str,
        Field(
            description=(
                "a sources.yaml, or a folder, file or glob of recordings; an absolute path on the worker's machine. "
                "Sessions are named after the sources of the yaml, or after the folder"
            ),
            examples=["/data/lab/sources.yaml", "/data/lab/2026-11-21"],
        ),
    ]

    @field_validator("sources")
    @classmethod
    def _absolute(cls, sources: str) -> str:
        if not os.path.isabs(os.path.expanduser(sources)):
            raise ValueError(f"must be an absolute path (a worker starts in a folder of its own), got {sources!r}")
        return sources


@flow(name="ingest", **TOLD_OF)
def ingest(choice: IngestChoice) -> NightSummary:
    """Read what is new at the sources; the next night, or a study that is started, computes on it.

    Raises FileNotFoundError when a path of the sources leads to nothing, before anything is read.
    """
    with StepProgress() as steps:
        with open_lake() as lake:
            search = new_files(lake, load_sources(choice.sources))
        if search.missing:
            raise FileNotFoundError(f"nothing at {', '.join(search.missing)}, on the machine of the worker")
        files = steps.each("read", ingest_file, search.new, name=lambda file: Path(file.path).name)
    summary = summarise(search, files, (), steps.failures)
    leave_summary("ingest", summary.lines, summary.reports)
    leave_recordings(files)
    tell_of_refusals(summary.rejected_count, summary.lines)
    if steps.failures:
        raise Incomplete(summary)
    return summary
