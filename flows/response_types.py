"""Response types of a project: regressors, selection, classes and clusters of ROIs, from what the lake holds."""

from typing import Annotated, Literal

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.artifacts import leave_studies, leave_summary
from flows.incomplete import Incomplete
from flows.notify import TOLD_OF
from flows.progress import StepProgress
from models.roi_clusters import ClusterChoice
from storage.due import Selection, require_known
from storage.lake import open_lake
from storage.response_types_due import fits_due, types_concluded, types_due
from tasks.conclude_response_types import conclude_types
from tasks.fit_regressors import fit_session
from tasks.form import as_form
from tasks.present import StudySummary, summarise_study
from tasks.present_response_types import present_types
from tasks.response_type_recipe import EVENT_KINDS, RUNNING, SLOWEST_S, TypesRecipe

_EventKind = Literal["image", "omission", "stimulus", "lick", "reward", "optotagging", "mark"]


class ResponseTypesChoice(BaseModel):
    """Which sessions take part, what their ROIs are regressed on, and how ROIs are selected, assigned and clustered."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=as_form)

    project: Annotated[
        str | None,
        Field(
            description="the collection of sessions, as sources.yaml names it; none: every project with ROIs to fit",
            examples=["tectum"],
        ),
    ] = None
    protocol: Annotated[
        Literal["rigorous", "published"],
        Field(
            description="which one the findings rest on; the report shows both. 'rigorous': chance by circular "
            "shifts, false discoveries controlled; 'published': in-sample r2 above a threshold, as the source did it"
        ),
    ] = "rigorous"
    session_ids: Annotated[
        list[str],
        Field(
            title="Sessions",
            description="sessions to take part, as recorded.sessions.session_id; none: all",
            examples=[["allen_vb-951980471"]],
        ),
    ] = []
    signal: Annotated[
        Literal["dff", "fluorescence", "corrected", "demixed", "denoised"],
        Field(description="signal of recorded.traces; whatever is no dF/F is put over its baseline first"),
    ] = "dff"
    baseline: Annotated[
        Literal["own percentile", "running percentile"],
        Field(
            description="baseline of raw fluorescence under 'rigorous': the ROI's 5th percentile, or a running one; "
            "'published' takes the 5th percentile across ROIs in each frame, as the source did"
        ),
    ] = "own percentile"
    tau_s: Annotated[
        float | None,
        Field(
            title="Decay (s)",
            description="decay time constant of the kernel, for both protocols; none: 'published' "
            "takes the source's 1.5 s, 'rigorous' the kernel below",
            gt=0,
            le=60,
        ),
    ] = None
    kernel_from: Annotated[
        Literal["indicator", "between events", "best fit"],
        Field(
            title="Kernel of",
            description="where 'rigorous' takes the decay from; 'indicator': the literature; 'between events': how "
            "traces decay by themselves in this recording; 'best fit': the decay with which events explain most",
        ),
    ] = "indicator"
    indicator: Annotated[
        str | None,
        Field(description="calcium indicator; none: the one that each session names", examples=["GCaMP6s"]),
    ] = None
    with_rise: Annotated[
        bool, Field(title="With the rise", description="a kernel that rises and decays, where the rise is known")
    ] = False
    slowest_s: Annotated[
        float | None,
        Field(
            title="Slowest change (s)",
            description="slower changes, such as bleaching, are taken out of traces and regressors under 'rigorous'; "
            "none: nothing is. Well above the time between events of a kind",
            gt=0,
            le=100_000,
        ),
    ] = SLOWEST_S
    events: Annotated[
        list[_EventKind],
        Field(description="kinds of events that are regressors, as far as a session has them; stimuli by their names"),
    ] = list(EVENT_KINDS)
    each_image: Annotated[
        bool, Field(title="Each image by itself", description="a regressor for each image, and not one for all")
    ] = False
    behavior: Annotated[
        list[str],
        Field(
            title="Signals of the animal",
            description="continuous regressors, as recorded.behavior_signals.signal has them; where a session has them",
            examples=[[RUNNING]],
        ),
    ] = [RUNNING]
    smallest_r2: Annotated[float, Field(title="Smallest r2", description="what 'published' selects by", ge=0, lt=1)] = (
        0.05
    )
    fdr: Annotated[
        float, Field(title="False discoveries", description="share of the ROIs that 'rigorous' selects", gt=0, lt=0.5)
    ] = 0.05
    margin_level: Annotated[
        float,
        Field(
            title="Level of the margin",
            description="at which the largest coefficient has to exceed the second "
            "under 'rigorous'; else the ROI is 'ambiguous'",
            gt=0,
            lt=0.5,
        ),
    ] = 0.05
    response_frames: Annotated[
        int, Field(title="Frames of a response", description="over which the mean response is taken", ge=1, le=1000)
    ] = 5
    cluster_method: Annotated[
        Literal["average", "single", "complete", "weighted", "centroid", "median", "ward"],
        Field(title="Linkage", description="how distances between clusters are taken"),
    ] = "average"
    distance: Annotated[Literal["correlation", "euclidean"], Field(description="between the traces of two ROIs")] = (
        "correlation"
    )
    cluster_count: Annotated[
        int | None,
        Field(title="Clusters", description="how many; none: by silhouette and stability", ge=2, le=200),
    ] = None
    most_clustered: Annotated[
        int,
        Field(
            title="Most ROIs clustered",
            description="sessions with more are not clustered: the matrix of distances grows with the square",
            ge=0,
            le=20_000,
        ),
    ] = 2000
    regions: Annotated[
        list[str],
        Field(description="brain regions to count and compare; none: all", examples=[["VISp", "VISl"]]),
    ] = []
    csv: Annotated[bool, Field(title="Tables as CSV", description="also write every table beside the report")] = False

    @model_validator(mode="after")
    def _linkage_and_distance_go_together(self) -> "ResponseTypesChoice":
        ClusterChoice(method=self.cluster_method, distance=self.distance)
        return self

    @property
    def recipe(self) -> TypesRecipe:
        return TypesRecipe(
            signal=self.signal,
            baseline=self.baseline,
            kernel_from=self.kernel_from,
            indicator=self.indicator,
            tau_s=self.tau_s,
            with_rise=self.with_rise,
            slowest_s=self.slowest_s,
            event_kinds=tuple(dict.fromkeys(self.events)),
            each_image=self.each_image,
            behavior=tuple(dict.fromkeys(self.behavior)),
            smallest_r2=self.smallest_r2,
            fdr=self.fdr,
            margin_level=self.margin_level,
            response_frames=self.response_frames,
            method=self.cluster_method,
            distance=self.distance,
            cluster_count=self.cluster_count,
            most_clustered=self.most_clustered,
            regions=tuple(sorted(set(self.regions))),
        )

    @property
    def chosen_sessions(self) -> Selection:
        return Selection(self.project, session_ids=tuple(sorted(self.session_ids)))


@flow(name="response_types", **TOLD_OF)
def response_types(choice: ResponseTypesChoice) -> StudySummary:
    """Bring a project's response types up to date under both protocols, and say what was found."""
    recipe, chosen = choice.recipe, choice.chosen_sessions
    with open_lake(read_only=True) as lake:
        require_known(lake, chosen)
    with StepProgress() as steps:
        with open_lake() as lake:
            sessions = fits_due(lake, recipe.by_protocol, chosen)
        steps.each("sessions", fit_session, sessions, flow_run.id, recipe, name=lambda due: due.session_id)
        with open_lake() as lake:
            studies = types_due(lake, choice.protocol, recipe.by_protocol, recipe.study, chosen)
        steps.each(
            "studies", conclude_types, studies, choice.protocol, flow_run.id, recipe, name=lambda due: due.project
        )
        with open_lake() as lake:
            concluded = types_concluded(lake, choice.protocol, recipe.by_protocol, recipe.study, chosen)
        presented = steps.each("reports", present_types, concluded, choice.csv, name=str)
    project = choice.project or "every project"
    summary = summarise_study(project, presented, steps.failures, of="traces", with_models=False)
    leave_summary("response-types", summary.lines, summary.reports)
    leave_studies(presented, "response-types")
    if summary.failures:
        raise Incomplete(summary)
    return summary
