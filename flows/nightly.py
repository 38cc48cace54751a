"""The night: read what is new, measure responses, conclude on each project, report."""

from pathlib import Path
from typing import Annotated, Literal

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel, Field

from flows.progress import NightProgress
from storage.due import new_files, reports_due, responses_due, studies_due
from storage.lake import open_lake
from storage.sources import load_sources
from tasks.conclude import DECODER_COUNT, conclude_study
from tasks.ingest import ingest_file
from tasks.present import NightSummary, present_study, summarise
from tasks.recipes import RESPONSES_RECIPE, STUDY_RECIPE
from tasks.respond import measure_responses


class NightChoice(BaseModel):
    """What a person fills in to run a night by hand."""

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


class NightIncomplete(Exception):
    """Some steps of the night failed; everything else is in the lake, and the next night tries them again."""

    def __init__(self, summary: NightSummary) -> None:
        super().__init__("; ".join(summary.failures))
        self.summary = summary


@flow(name="nightly")
def nightly(choice: NightChoice) -> NightSummary:
    """Ingest what is new, and bring every project's findings, model and report up to date."""
    protocol = choice.protocol
    with NightProgress() as night:
        with open_lake() as lake:
            search = new_files(lake, load_sources(choice.sources))
        files = night.each("read", ingest_file, search.new, name=lambda file: Path(file.path).name)

        with open_lake() as lake:
            sessions = responses_due(lake, protocol, RESPONSES_RECIPE)
        night.each("responses", measure_responses, sessions, protocol, flow_run.id, name=lambda due: due.session_id)

        with open_lake() as lake:
            studies = studies_due(lake, protocol, RESPONSES_RECIPE, STUDY_RECIPE)
        night.each(
            "decoders",
            conclude_study,
            studies,
            protocol,
            flow_run.id,
            name=lambda due: due.project,
            parts=DECODER_COUNT,
        )

        with open_lake() as lake:
            reports = reports_due(lake, protocol)
        presented = night.each("reports", present_study, reports, name=str)
    summary = summarise(search, files, presented, night.failures)
    if night.failures:
        raise NightIncomplete(summary)
    return summary
