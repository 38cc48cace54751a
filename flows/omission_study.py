"""The omission study of one project: responses, statistics, decoders, report, from what the lake holds."""

from typing import Annotated, Literal

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.artifacts import leave_studies, leave_summary
from flows.incomplete import Incomplete
from flows.notify import TOLD_OF
from flows.progress import StepProgress
from flows.study_steps import study_steps
from models.event_responses import Window
from storage.due import Selection, require_known
from storage.lake import open_lake
from tasks.form import as_form
from tasks.present import StudySummary, summarise_study
from tasks.recipes import Recipe

_LONGEST_STEP_S = 0.1  # the slope from 0 to 0.2 s needs two samples


class OmissionChoice(BaseModel):
    """Which sessions take part, under which protocol, and which window around each onset is measured."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=as_form)

    project: Annotated[
        str, Field(description="the collection of sessions, as sources.yaml names it", examples=["simulated"])
    ]
    protocol: Annotated[
        Literal["rigorous", "published"],
        Field(description="'rigorous': no leakage, nothing extrapolated; 'published': as the source study did it"),
    ] = "rigorous"
    cre_lines: Annotated[
        list[str],
        Field(
            title="Driver lines",
            description="driver lines to take part, such as Vip-IRES-Cre, as recorded.sessions.cre_line has them; "
            "none: all",
            examples=[["Vip-IRES-Cre"]],
        ),
    ] = []
    session_ids: Annotated[
        list[str],
        Field(
            title="Sessions",
            description="sessions to take part, as recorded.sessions.session_id has them; none: all",
            examples=[["allen_vb-951980471"]],
        ),
    ] = []
    window_start_s: Annotated[
        float, Field(title="Window start (s)", description="start of the window, from onset", ge=-10, le=-0.1)
    ] = -1.0
    window_stop_s: Annotated[
        float, Field(title="Window end (s)", description="end of the window, from onset", ge=1.0, le=20)
    ] = 2.0
    sample_count: Annotated[
        int,
        Field(
            title="Samples in the window",
            description="evenly spaced, at most 0.1 s from one to the next",
            ge=12,
            le=2000,
        ),
    ] = 90
    per_event: Annotated[
        bool,
        Field(
            title="Keep every single response",
            description="also keep the sixteen features of every cell's response to every single event",
        ),
    ] = False

    @model_validator(mode="after")
    def _samples_are_close_enough(self) -> "OmissionChoice":
        step_s = (self.window_stop_s - self.window_start_s) / (self.sample_count - 1)
        if step_s > _LONGEST_STEP_S:
            raise ValueError(f"samples every {step_s:.3f} s are too far apart for the features: at most 0.1 s")
        return self

    @property
    def recipe(self) -> Recipe:
        return Recipe(Window(self.window_start_s, self.window_stop_s, self.sample_count), self.per_event)

    @property
    def chosen_sessions(self) -> Selection:
        return Selection(self.project, tuple(sorted(self.cre_lines)), tuple(sorted(self.session_ids)))


@flow(name="omission_study", **TOLD_OF)
def omission_study(choice: OmissionChoice) -> StudySummary:
    """Bring one project's omission study up to date, and say what it found."""
    with open_lake(read_only=True) as lake:
        require_known(lake, choice.chosen_sessions)
    with StepProgress() as steps:
        presented = study_steps(steps, choice.protocol, choice.recipe, flow_run.id, choice.chosen_sessions, again=True)
    summary = summarise_study(choice.project, presented, steps.failures, of="responses to omissions")
    leave_summary("omission-study", summary.lines, summary.reports)
    leave_studies(presented)
    if summary.failures:
        raise Incomplete(summary)
    return summary
