"""Rows of a session's responses to single events, which are many and made on request."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from models.response_features import FEATURES, response_features
from storage.declaration import Table
from storage.tables import EVENT_FEATURES, EVENT_RESPONSES
from tasks.session_trials import SessionTrials

_MEAN_UNTIL_S = 0.75  # when the next flash is due


def event_rows(trials: SessionTrials, study_id: str) -> dict[Table, pl.DataFrame]:
    """Features, and means before and after onset, of every unit's response to every event without a missing frame.

    ``trials`` with their baseline. Raises ValueError where the window has no sample before onset or in 0 to 0.75 s.
    """
    baseline, after = trials.times_s < 0, (trials.times_s >= 0) & (trials.times_s < _MEAN_UNTIL_S)
    if not (baseline.any() and after.any()):
        raise ValueError(f"single responses need samples before onset and in 0 to {_MEAN_UNTIL_S} s")
    found = list(_unit_rows(trials, baseline, after))
    if not found:
        return {}
    of_study = {"study_id": pl.lit(study_id), "session_id": pl.lit(trials.session_id)}
    rows = pl.concat(found).with_columns(**of_study)
    means = ["mean_dff", "baseline_dff"]
    return {EVENT_FEATURES: rows.drop(means), EVENT_RESPONSES: rows.drop(FEATURES)}


def _unit_rows(trials: SessionTrials, baseline: np.ndarray, after: np.ndarray) -> Iterator[pl.DataFrame]:
    for unit_id, responses in zip(trials.unit_id, trials.values, strict=True):
        whole = ~np.isnan(responses).any(axis=1)
        values = responses[whole].astype(np.float64)
        level = values[:, baseline].mean(axis=1)
        keys = {"unit_id": np.repeat(unit_id, len(values)), "event_id": trials.event_id[whole]}
        means = {"mean_dff": values[:, after].mean(axis=1), "baseline_dff": level}
        features = response_features(values - level[:, None], trials.times_s)
        yield pl.DataFrame(keys | means | features, nan_to_null=True)
