"""One session's exciting inputs under a protocol, through the network that was registered, and their comparison."""

from functools import partial

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.devices import chosen_device, device_in_words
from storage.declaration import Table
from storage.image_coding_due import PartDue
from storage.lake import Lake
from storage.model_files import NetworkRegistry
from storage.registry import ModelVersion
from storage.tables import ASCENT_STEPS, EXCITATORY_INPUTS, INPUT_COMPARISONS, PATTERN_RESPONSES
from tasks.attempts import HOUR_S, PATIENT
from tasks.image_coding_recipe import DEFAULT_RECIPE, CodingRecipe
from tasks.image_part import write_part
from tasks.image_sessions import Unfit, image_session, session_patterns, session_pictures
from tasks.train_networks import chosen_units


@task(
    **PATIENT,
    timeout_seconds=24 * HOUR_S,
    cache_policy=NO_CACHE,
    tags=["lake", "registry"],
    task_run_name="exciting inputs of {due.session_id}, {due.protocol}",
)
def make_inputs(
    due: PartDue, flow_run_id: str | None, recipe: CodingRecipe = DEFAULT_RECIPE, device: str = "auto"
) -> str:
    """Most exciting inputs, Gabors and their comparison for a session's chosen units, by the id that was due.

    A session that can't take part gets a study without rows, whose notes say why.
    """
    title = f"exciting inputs of {due.session_id}, {due.protocol}"
    computed = partial(_input_rows, device=device)
    return write_part(due, "exciting_inputs", title, recipe.inputs(due.protocol), flow_run_id, recipe, computed)


def _input_rows(
    lake: Lake, due: PartDue, recipe: CodingRecipe, device: str
) -> tuple[dict[Table, pl.DataFrame], list[str]]:
    registered = lake.answer("registered_network", study_id=due.training_study)
    session = image_session(lake, due.session_id, recipe)
    # torch takes seconds to import, and sessions that are left out don't need it.
    from models.encoding_model import rebuilt
    from models.shown_images import on_display
    from tasks.input_rows import comparison_rows, image_rows, pattern_rows, step_rows
    from tasks.session_inputs import published_inputs, rigorous_inputs
    from tasks.session_models import first_two
    from tasks.torch_threads import use_threads

    use_threads(lake.settings.threads)
    row = registered.row(0, named=True)
    version = ModelVersion(row["model_name"], row["model_version"], row["mlflow_run_id"])
    kept = NetworkRegistry(lake.settings).network(version)
    said = kept.configuration
    wanted = session.unit_id[chosen_units(lake, due, session, recipe)]
    output = {unit: at for at, unit in enumerate(said["unit_id"])}
    units = [output[unit] for unit in wanted.tolist() if unit in output]
    if not units:
        raise Unfit("the network knows none of the chosen units")
    unit_id = pl.Series(said["unit_id"]).gather(units).to_numpy()
    pictures = session_pictures(lake, session, tuple(said["image_shape"]))
    learned = [session.image_name.index(name) for name in said["image_names"]["train"]]
    place = chosen_device(device)
    first, second = first_two(rebuilt(said["model"], kept.weights).to(place).requires_grad_(False))
    patterns = session_patterns(lake, session)
    counts = None
    if patterns is not None:
        rank = pl.Series(session.unit_id).index_of
        counts = patterns.means()[0][[rank(int(unit)) for unit in unit_id]]
    shown = on_display(first, white=said["white"])
    outputs, learned_from = pl.Series(units).to_numpy(), pictures.display[learned]
    try:
        if due.protocol == "published":
            found = published_inputs(shown, outputs, learned_from, patterns, counts, recipe)
        else:
            other = None if second is None else on_display(second, white=said["white"])
            found = rigorous_inputs(shown, other, outputs, learned_from, patterns, counts, recipe)
    except ValueError as error:
        raise Unfit(f"no exciting inputs: {error}") from error
    rows = {
        EXCITATORY_INPUTS: image_rows(unit_id, found),
        ASCENT_STEPS: step_rows(unit_id, found),
        INPUT_COMPARISONS: comparison_rows(unit_id, found, due.protocol),
    }
    if found.predicted_patterns is not None:
        rows[PATTERN_RESPONSES] = pattern_rows(unit_id, found, patterns, counts)
    return rows, [device_in_words(place), *found.notes]
