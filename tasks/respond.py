"""Event-locked responses and their features, for one session."""

import json
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.event_responses import mean_response
from models.matched_events import equal_numbers
from models.response_features import FEATURES, response_features
from storage.due import SessionDue
from storage.lake import Lake, open_lake
from storage.tables import MEAN_RESPONSES, RESPONSE_FEATURES, STUDIES
from tasks.recipes import RESPONSES_RECIPE, WINDOW

EDGE = {"rigorous": "drop", "published": "hold"}


@task(cache_policy=NO_CACHE, tags=["lake"], task_run_name="responses of {due.session_id}")
def measure_responses(due: SessionDue, protocol: str, flow_run_id: str | None) -> str:
    """Mean response per unit and condition, and sixteen features of each, under the id that was due."""
    with open_lake() as lake:
        snapshot_id = lake.snapshot_id
        responses = _mean_responses(lake, due, protocol)
        rows = {STUDIES: STUDIES.rows([_study_row(due, protocol, snapshot_id, flow_run_id, responses is None)])}
        if responses is not None:
            rows[MEAN_RESPONSES] = MEAN_RESPONSES.rows(responses)
            rows[RESPONSE_FEATURES] = RESPONSE_FEATURES.rows(_features(responses))
        info = {"study": due.study_id, "flow_run": flow_run_id}
        lake.replace(rows, message=f"responses of {due.session_id}", info=info)
    return due.study_id


def _mean_responses(lake: Lake, due: SessionDue, protocol: str) -> pl.DataFrame | None:
    """Rows of derived.mean_responses, samples in order within unit and condition; None without events."""
    dff = lake.traces(due.session_id, "dff")
    frame_s = lake.answer("session_frames", session_id=due.session_id)["time_s"].to_numpy()
    events = lake.answer("session_onsets", session_id=due.session_id)
    onset_s, condition_of = events["onset_s"].to_numpy(), events["condition"].to_numpy()
    inside = (onset_s + WINDOW.start_s >= frame_s[0]) & (onset_s + WINDOW.stop_s <= frame_s[-1])
    averaged = inside.copy() if protocol == "rigorous" else np.ones(len(onset_s), dtype=bool)
    if protocol == "rigorous":
        averaged[inside] = equal_numbers(condition_of[inside], np.random.default_rng(_seed(due)))
    frames = []
    for condition in np.unique(condition_of[averaged]):
        of_condition = condition_of == condition
        found = mean_response(dff.values, frame_s, onset_s[averaged & of_condition], WINDOW, EDGE[protocol])
        n_units, n_samples = found.mean.shape
        frames.append(
            pl.DataFrame(
                {
                    "unit_id": np.repeat(dff.unit_id, n_samples),
                    "sample": np.tile(np.arange(n_samples), n_units),
                    "time_s": np.tile(WINDOW.times_s, n_units),
                    "mean_dff": found.mean.ravel(),
                    "sem_dff": found.sem.ravel(),
                    "event_count": np.repeat(found.n_events, n_samples),
                }
            ).with_columns(
                study_id=pl.lit(due.study_id),
                session_id=pl.lit(due.session_id),
                condition=pl.lit(condition),
                dropped_count=pl.lit(int((of_condition & ~inside).sum()) if protocol == "rigorous" else 0),
            )
        )
    return pl.concat(frames) if frames else None


def _seed(due: SessionDue) -> int:
    return int(due.study_id.removeprefix("responses-")[:8], 16)


def _features(responses: pl.DataFrame) -> pl.DataFrame:
    keys = responses.select("study_id", "session_id", "unit_id", "condition").gather_every(WINDOW.n_samples)
    traces = responses["mean_dff"].to_numpy().reshape(-1, WINDOW.n_samples)  # (n_units * n_conditions, n_samples)
    features = response_features(traces.astype(np.float64), WINDOW.times_s)
    return keys.with_columns(pl.Series(name, features[name]).fill_nan(None) for name in FEATURES)


def _study_row(due: SessionDue, protocol: str, snapshot_id: int, flow_run_id: str | None, no_events: bool) -> dict:
    parameters = {"start_s": WINDOW.start_s, "stop_s": WINDOW.stop_s, "n_samples": WINDOW.n_samples}
    if protocol == "rigorous":
        parameters["events"] = f"as many of each condition, drawn with seed {_seed(due)}"
    return {
        "study_id": due.study_id,
        "kind": "responses",
        "project": due.project,
        "session_id": due.session_id,
        "protocol": protocol,
        "parameters": json.dumps(parameters | {"edge": EDGE[protocol], "recipe": RESPONSES_RECIPE}),
        "inputs": json.dumps([due.content_sha256]),
        "code_version": version("neurolake"),
        "snapshot_id": snapshot_id,
        "flow_run_id": flow_run_id,
        "notes": "the session has no events" if no_events else None,
        "finished_at": datetime.now(UTC),
    }
