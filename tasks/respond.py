"""Event-locked responses and their features, for one session."""

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.event_windows import Window
from models.response_features import FEATURES, response_features, response_magnitude
from storage.declaration import Table
from storage.due import SessionDue
from storage.lake import Lake, open_lake
from storage.tables import (
    BEHAVIOR_RESPONSES,
    MEAN_RESPONSES,
    MEAN_SPIKE_PROB,
    RESPONSE_FEATURES,
    SPIKE_FEATURES,
    STUDIES,
)
from tasks.attempts import HOUR_S, PATIENT
from tasks.event_rows import event_rows
from tasks.mean_responses import behavior_means, means_of_snippets, means_of_traces
from tasks.per_session import PER_SESSION
from tasks.recipes import DEFAULT_RECIPE, Recipe
from tasks.session_study import session_study_row
from tasks.session_trials import EDGE, GAP_RATIO, session_events, session_signals, session_trials

_KEY = ("unit_id", "condition")


@task(
    **PATIENT,
    timeout_seconds=4 * HOUR_S,
    cache_policy=NO_CACHE,
    tags=["lake", PER_SESSION],
    task_run_name="responses of {due.session_id}",
)
def measure_responses(due: SessionDue, protocol: str, flow_run_id: str | None, recipe: Recipe = DEFAULT_RECIPE) -> str:
    """Mean responses and their features per unit and condition, under the id that was due.

    From whole traces, or else from snippets; spike probability and the animal's own signals are averaged too where the
    session has them, and single responses kept where the recipe asks. What can't be measured is noted in the study.
    """
    with open_lake() as lake:
        snapshot_id = lake.snapshot_id
        rows, notes = _session_rows(lake, due, protocol, recipe)
        tables = {table: table.rows(of_table) for table, of_table in rows.items()}
        tables[STUDIES] = STUDIES.rows([_study_row(due, protocol, snapshot_id, flow_run_id, recipe, notes)])
        info = {"study": due.study_id, "flow_run": flow_run_id}
        lake.replace(tables, message=f"responses of {due.session_id}", info=info)
    return due.study_id


def _session_rows(
    lake: Lake, due: SessionDue, protocol: str, recipe: Recipe
) -> tuple[dict[Table, pl.DataFrame], list[str]]:
    """Rows by table, and notes of what is missing from them."""
    window, seed = recipe.window, _seed(due)
    events = session_events(lake, due.session_id)
    if events.is_empty():
        return {}, ["the session has no events"]
    signals = session_signals(lake, due.session_id)
    if "dff" in signals:
        chosen, means = means_of_traces(lake, due.session_id, events, protocol, seed, window)
        note = None if chosen.averaged.any() else "no event's window lies wholly within the recording"
    else:
        chosen, means, note = means_of_snippets(lake, due.session_id, events, protocol, seed, window)
    if means is None:
        return {}, [note]
    rows = {
        MEAN_RESPONSES: means.rename({"mean": "mean_dff", "sem": "sem_dff"}),
        RESPONSE_FEATURES: _features(means, window),
    }
    if "spike_prob" in signals:
        _, spikes = means_of_traces(lake, due.session_id, events, protocol, seed, window, "spike_prob")
        names = {"mean": "mean_spike_prob", "sem": "sem_spike_prob"}
        rows[MEAN_SPIKE_PROB] = spikes.rename(names).drop("missing_count")
        rows[SPIKE_FEATURES] = _spike_features(spikes, window)
    behavior, notes = behavior_means(lake, due.session_id, chosen, protocol, window)
    if behavior is not None:
        rows[BEHAVIOR_RESPONSES] = behavior
    of_study = {"study_id": pl.lit(due.study_id), "session_id": pl.lit(due.session_id)}
    rows = {table: of_table.with_columns(**of_study) for table, of_table in rows.items()}
    if recipe.per_event:
        trials = session_trials(lake, due.session_id, protocol, window, subtract_baseline=False)
        rows |= event_rows(trials, due.study_id)
    return rows, notes


def _features(means: pl.DataFrame, window: Window) -> pl.DataFrame:
    features = response_features(_traces(means, window), window.times_s)
    return (
        means.select(_KEY)
        .gather_every(window.n_samples)
        .with_columns(pl.Series(name, features[name]).fill_nan(None) for name in FEATURES)
    )


def _spike_features(means: pl.DataFrame, window: Window) -> pl.DataFrame:
    magnitude = pl.Series("response_magnitude_spike_prob", response_magnitude(_traces(means, window), window.times_s))
    features = _features(means, window).rename({name: name.replace("_dff", "_spike_prob") for name in FEATURES})
    return features.with_columns(magnitude)


def _traces(means: pl.DataFrame, window: Window) -> np.ndarray:
    """Mean responses, (n_units * n_conditions, n_samples)."""
    return means["mean"].to_numpy().reshape(-1, window.n_samples)


def _seed(due: SessionDue) -> int:
    return int(due.study_id.removeprefix("responses-")[:8], 16)


def _study_row(
    due: SessionDue,
    protocol: str,
    snapshot_id: int,
    flow_run_id: str | None,
    recipe: Recipe,
    notes: list[str],
) -> dict:
    window = recipe.window
    parameters = {"start_s": window.start_s, "stop_s": window.stop_s, "n_samples": window.n_samples}
    parameters |= {"per_event": recipe.per_event, "edge": EDGE[protocol], "recipe": recipe.responses}
    if protocol == "rigorous":
        parameters["events"] = f"as many of each condition, drawn with seed {_seed(due)}"
        parameters["gap_ratio"] = GAP_RATIO[protocol]
    return session_study_row(due, "responses", protocol, parameters, snapshot_id, flow_run_id, notes)
