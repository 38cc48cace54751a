"""One session's models under a protocol: trained, scored on images held out, and registered."""

from functools import partial

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.devices import chosen_device, device_in_words
from models.image_responses import trials_by_image
from models.image_splits import split_images
from storage.declaration import Table
from storage.image_coding_due import PartDue
from storage.lake import Lake
from storage.tables import ENCODING_MODELS, ENCODING_SCORES, LEARNING_CURVES, PREDICTED_RESPONSES
from tasks.attempts import HOUR_S, PATIENT
from tasks.image_coding_recipe import DEFAULT_RECIPE, CodingRecipe
from tasks.image_part import write_part
from tasks.image_sessions import ImageSession, Unfit, image_session, session_pictures


@task(
    **PATIENT,
    timeout_seconds=24 * HOUR_S,
    cache_policy=NO_CACHE,
    tags=["lake", "registry"],
    task_run_name="networks of {due.session_id}, {due.protocol}",
)
def train_networks(
    due: PartDue, flow_run_id: str | None, recipe: CodingRecipe = DEFAULT_RECIPE, device: str = "auto"
) -> str:
    """Train, score and register a session's models under a protocol, by the id that was due.

    A session that can't take part gets a study without rows, whose notes say why.
    """
    title = f"networks of {due.session_id}, {due.protocol}"
    computed = partial(_model_rows, device=device)
    return write_part(due, "encoding_models", title, recipe.training(due.protocol), flow_run_id, recipe, computed)


def chosen_units(lake: Lake, due: PartDue, session: ImageSession, recipe: CodingRecipe) -> np.ndarray:
    """Places (n_chosen,) of the units that get exciting inputs, the most reliable first. Raises Unfit for none."""
    by_percentile = recipe.chooses_by_percentile(due.protocol)
    chosen = lake.answer("chosen_units", study_id=due.responses_study, by_percentile=by_percentile)
    if chosen.is_empty():
        raise Unfit("no unit is reliable enough to be studied further")
    return np.searchsorted(session.unit_id, chosen["unit_id"].to_numpy())[: recipe.unit_count]


def _model_rows(
    lake: Lake, due: PartDue, recipe: CodingRecipe, device: str
) -> tuple[dict[Table, pl.DataFrame], list[str]]:
    """Rows by table, and notes of where it ran and what is missing."""
    snapshot_id = lake.snapshot_id
    session = image_session(lake, due.session_id, recipe)
    pictures = session_pictures(lake, session, recipe.image_shape)
    units = chosen_units(lake, due, session, recipe) if due.protocol == "published" else None
    trials = trials_by_image(session.counts, session.image, session.n_images)  # (n_units, n_images, n_repeats)
    # torch takes seconds to import, and sessions that are left out don't need it.
    from tasks.encoding_rows import curve_rows, model_rows, prediction_rows, score_rows
    from tasks.register_network import register_network
    from tasks.session_models import published_models, rigorous_models
    from tasks.torch_threads import use_threads

    use_threads(lake.settings.threads)
    try:
        split = split_images(np.array(session.image_name), seed=recipe.seed)
        if units is None:
            fine = session_pictures(lake, session, recipe.linear_shape).grey
            models = rigorous_models(pictures.grey, fine, trials, split, recipe, device)
        else:
            models = published_models(pictures.grey, trials, split, recipe, device, units, session.unit_id)
    except ValueError as error:
        raise Unfit(f"no network can be trained: {error}") from error
    scores, notes = score_rows(session, trials, split, models, due.protocol)
    registered = register_network(lake, due, session, pictures, trials, split, models, snapshot_id)
    of_models = model_rows(models, split, due.protocol)
    of_models = of_models.with_columns(
        pl.when(model=models.kept_name).then(pl.lit(value)).alias(name) for name, value in registered.items()
    )
    rows = {
        ENCODING_MODELS: of_models,
        ENCODING_SCORES: scores,
        LEARNING_CURVES: curve_rows(models),
        PREDICTED_RESPONSES: prediction_rows(session, trials, split, models),
    }
    return rows, [device_in_words(chosen_device(device)), *models.notes, *notes]
