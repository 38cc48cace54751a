"""Image coding of one project: which units answer images, what networks predict of them, and what excites them."""

from typing import Annotated, Literal

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict, Field

from flows.artifacts import leave_studies, leave_summary
from flows.incomplete import Incomplete
from flows.notify import TOLD_OF
from flows.progress import StepProgress
from models.devices import chosen_device, device_in_words
from storage.due import Selection, require_known
from storage.image_coding_due import (
    CodingRecipes,
    coding_concluded,
    coding_due,
    image_responses_due,
    inputs_due,
    training_due,
)
from storage.lake import open_lake
from tasks.conclude_images import conclude_images
from tasks.form import as_form
from tasks.image_coding_recipe import PROTOCOLS, SOURCE_UNIT_COUNT, CodingRecipe
from tasks.make_inputs import make_inputs
from tasks.measure_images import measure_images
from tasks.present import StudySummary, summarise_study
from tasks.present_images import present_images
from tasks.train_networks import train_networks


class ImageCodingChoice(BaseModel):
    """Which sessions take part, which of their units are studied further, and how networks are trained and asked."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=as_form)

    project: Annotated[
        str | None,
        Field(
            description="the collection of sessions, as sources.yaml names it; none: every project with images and "
            "spikes",
            examples=["simulated"],
        ),
    ] = None
    protocol: Annotated[
        Literal["rigorous", "published"],
        Field(
            description="which one the findings rest on; the report shows both. 'rigorous': one network of all units, "
            "units chosen by the interval of their reliability; 'published': a network for each unit, as the source did"
        ),
    ] = "rigorous"
    session_ids: Annotated[
        list[str],
        Field(
            title="Sessions",
            description="sessions to take part, as recorded.sessions.session_id; none: all",
            examples=[["allen_neuropixels-798911424"]],
        ),
    ] = []
    selection: Annotated[
        Literal["by protocol", "reliability", "percentiles"],
        Field(
            description="which units are studied further; 'reliability': the interval of their oracle lies above 0; "
            "'percentiles': oracle above its 60th and variance above its 50th, as the source chose"
        ),
    ] = "by protocol"
    unit_count: Annotated[
        int | None,
        Field(
            title="Units with exciting inputs",
            description="of each session, the most reliable of the chosen ones; they also get a network each under "
            "'published'. None: all of them on a GPU, and four, as in the source, on a machine without one",
            ge=1,
            le=10_000,
        ),
    ] = None
    window_start_s: Annotated[
        float, Field(title="Window start (s)", description="spikes count from here, from onset", ge=-1, le=10)
    ] = 0.0
    window_stop_s: Annotated[
        float | None,
        Field(title="Window end (s)", description="to here; none: to the end of the presentation", gt=0, le=20),
    ] = None
    image_height_px: Annotated[
        int, Field(title="Image height (px)", description="of the grey images that models see", ge=16, le=512)
    ] = 60
    image_width_px: Annotated[
        int, Field(title="Image width (px)", description="of the grey images that models see", ge=16, le=512)
    ] = 96
    readout: Annotated[
        Literal["by validation", "factorised", "gaussian", "pyramid"],
        Field(
            description="how units read the shared core under 'rigorous'; 'by validation': a network is trained with "
            "each, and the readout that predicts validation images best is kept. 'published' takes the pyramid"
        ),
    ] = "by validation"
    network_count: Annotated[
        int,
        Field(
            title="Networks",
            description="trained from different seeds under 'rigorous'; with two or more, the second judges the "
            "first one's exciting inputs",
            ge=1,
            le=20,
        ),
    ] = 2
    most_epochs: Annotated[
        int, Field(title="Most epochs", description="after which training ends at the latest", ge=1, le=10_000)
    ] = 200
    start_count: Annotated[
        int, Field(title="Noise starts", description="of each exciting input under 'rigorous'", ge=1, le=64)
    ] = 4
    step_count: Annotated[
        int | None,
        Field(title="Steps", description="of each ascent; none: 200, and 1000 under 'published'", ge=1, le=100_000),
    ] = None
    screen_width_deg: Annotated[
        float,
        Field(title="Screen width (deg)", description="of the visual field that an image covers", gt=0, le=360),
    ] = 120.0
    screen_height_deg: Annotated[
        float,
        Field(title="Screen height (deg)", description="of the visual field that an image covers", gt=0, le=180),
    ] = 95.0
    seed: Annotated[int, Field(description="of the split of images, and of the first network", ge=0, le=2**31 - 1)] = 0
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        Field(description="what networks run on; 'auto': a GPU where there is one"),
    ] = "auto"

    def recipe(self, device: str) -> CodingRecipe:
        """What decides the study's rows, on a device that is 'cpu' or 'cuda'."""
        return CodingRecipe(
            start_s=self.window_start_s,
            stop_s=self.window_stop_s,
            image_shape=(self.image_height_px, self.image_width_px),
            selection=self.selection,
            unit_count=self.unit_count or (None if device == "cuda" else SOURCE_UNIT_COUNT),
            network_count=self.network_count,
            readout=self.readout,
            most_epochs=self.most_epochs,
            start_count=self.start_count,
            step_count=self.step_count,
            seed=self.seed,
            screen_deg=(self.screen_width_deg, self.screen_height_deg),
        )

    @property
    def chosen_sessions(self) -> Selection:
        return Selection(self.project, session_ids=tuple(sorted(self.session_ids)))


@flow(name="image_coding", **TOLD_OF)
def image_coding(choice: ImageCodingChoice) -> StudySummary:
    """Bring a project's image coding up to date under both protocols, and say what was found."""
    device, chosen = chosen_device(choice.device), choice.chosen_sessions
    get_run_logger().info("Training %s", device_in_words(device))
    recipe = choice.recipe(device)
    recipes = recipes_of(recipe)
    with open_lake(read_only=True) as lake:
        require_known(lake, chosen)
    with StepProgress() as steps:
        with open_lake() as lake:
            sessions = image_responses_due(lake, recipes, chosen)
        steps.each("responses", measure_images, sessions, flow_run.id, recipe, name=lambda due: due.session_id)
        for step, part_due, task in (("networks", training_due, train_networks), ("inputs", inputs_due, make_inputs)):
            with open_lake() as lake:
                parts = part_due(lake, recipes, chosen)
            steps.each(
                step, task, parts, flow_run.id, recipe, device, name=lambda due: f"{due.session_id}, {due.protocol}"
            )
        with open_lake() as lake:
            studies = coding_due(lake, choice.protocol, recipes, chosen)
        steps.each(
            "studies", conclude_images, studies, choice.protocol, flow_run.id, recipe, name=lambda due: due.project
        )
        with open_lake() as lake:
            concluded = coding_concluded(lake, choice.protocol, recipes, chosen)
        presented = steps.each("reports", present_images, concluded, name=str)
    project = choice.project or "every project"
    summary = summarise_study(project, presented, steps.failures, of="images and responses to them")
    leave_summary("image-coding", summary.lines, summary.reports)
    leave_studies(presented, "image-coding")
    if summary.failures:
        raise Incomplete(summary)
    return summary


def recipes_of(recipe: CodingRecipe) -> CodingRecipes:
    """Names of what each part of the study is computed by."""
    return CodingRecipes(
        responses=recipe.responses,
        training={protocol: recipe.training(protocol) for protocol in PROTOCOLS},
        inputs={protocol: recipe.inputs(protocol) for protocol in PROTOCOLS},
        study=recipe.study,
    )
