"""One session's responses to images: counts, reliability, what sets units apart, raster order, firing around onset."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.image_reliability import ReliabilityChoice, UnitReliability, unit_reliability
from models.image_responses import mean_responses, trials_by_image
from models.image_selectivity import (
    extreme_pairs,
    outlying_units,
    response_entropy,
    response_variance,
    unit_correlations,
)
from models.presentation_counts import presentation_counts
from models.published_oracle import published_oracle
from models.raster_order import raster_order
from models.unit_choice import chosen_by_percentile, chosen_by_reliability
from storage.declaration import Table
from storage.image_coding_due import PartDue
from storage.lake import Lake
from storage.tables import PRESENTATION_PSTHS, RASTER_ORDER, SPIKE_COUNTS, UNIT_PAIRS, UNIT_RELIABILITY
from tasks.attempts import HOUR_S, PATIENT
from tasks.image_coding_recipe import DEFAULT_RECIPE, CodingRecipe
from tasks.image_part import write_part
from tasks.image_sessions import BLANK, ImageSession, image_session
from tasks.per_session import PER_SESSION
from tasks.raster_activity import RasterActivity, raster_activity

_BEFORE_S, _PSTH_BIN_S, _MOST_PSTH_BINS = 0.1, 0.01, 200


@task(
    **PATIENT,
    timeout_seconds=4 * HOUR_S,
    cache_policy=NO_CACHE,
    tags=["lake", PER_SESSION],
    task_run_name="responses to images of {due.session_id}",
)
def measure_images(due: PartDue, flow_run_id: str | None, recipe: CodingRecipe = DEFAULT_RECIPE) -> str:
    """Counts, reliability and likeness of a session's units, by the id that was due; the same for both protocols.

    A session that can't take part gets a study without rows, whose notes say why.
    """
    title = f"responses to images of {due.session_id}"
    return write_part(due, "image_responses", title, recipe.responses, flow_run_id, recipe, _measured)


def _measured(lake: Lake, due: PartDue, recipe: CodingRecipe) -> tuple[dict[Table, pl.DataFrame], list[str]]:
    session = image_session(lake, due.session_id, recipe)
    rows, notes = response_rows(session, recipe)
    return rows, [*session.notes, *notes]


def response_rows(session: ImageSession, recipe: CodingRecipe) -> tuple[dict[Table, pl.DataFrame], list[str]]:
    """Rows by table, and notes of what is missing from them."""
    trials = trials_by_image(session.counts, session.image, session.n_images)  # (n_units, n_images, n_repeats)
    means = mean_responses(trials)
    correlations = unit_correlations(means)
    reliability, notes = _reliability(trials, recipe)
    pairs = extreme_pairs(correlations.r)
    rows = {
        UNIT_RELIABILITY: _unit_rows(session, means, reliability, recipe),
        UNIT_PAIRS: pl.DataFrame(
            {"unit_id": session.unit_id[pairs.first], "other_unit_id": session.unit_id[pairs.second], "r": pairs.r}
        ),
    }
    if session.trains is not None:
        rows[SPIKE_COUNTS] = _count_rows(session)
        rows[PRESENTATION_PSTHS] = _psth_rows(session, means)
        try:
            rows[RASTER_ORDER] = _order_rows(session, raster_activity(session))
        except ValueError as error:
            notes.append(f"no order of units for rasters: {error}")
    return rows, notes


def _reliability(trials: NDArray[np.float64], recipe: CodingRecipe) -> tuple[UnitReliability | None, list[str]]:
    try:
        return unit_reliability(trials, ReliabilityChoice(seed=recipe.seed)), []
    except ValueError as error:
        return None, [f"reliability is not measured, and units are chosen by their variance: {error}"]


def _unit_rows(
    session: ImageSession, means: NDArray[np.float64], reliability: UnitReliability | None, recipe: CodingRecipe
) -> pl.DataFrame:
    """One row per unit; ``means`` (n_units, n_images)."""
    n_units = len(session.unit_id)
    variance, correlations, outliers = response_variance(means), unit_correlations(means), outlying_units(means)
    missing = np.full(n_units, np.nan)
    named = ("oracle", "low", "high", "split_half", "spearman_brown", "explainable_variance", "signal_to_noise")
    measured = {name: missing if reliability is None else getattr(reliability, name) for name in named}
    # Above the median variance of units that change, where nothing tells how reliable they are.
    changing = variance > 0
    typical = np.median(variance[changing]) if changing.any() else np.inf
    by_variance = changing & (variance >= typical)
    known = ~(np.isnan(measured["oracle"]) | np.isnan(variance))
    by_percentile = chosen_by_percentile(measured["oracle"], variance) if known.any() else by_variance
    by_reliability = by_variance if reliability is None else chosen_by_reliability(measured["low"])
    total = session.counts[:, session.image != BLANK].sum(axis=1)
    never = np.where(total == 0, "it fired no spike in any window", np.where(changing, "", "it never changes"))
    brown = measured["spearman_brown"]
    partners = [
        np.where(at >= 0, session.unit_id[at], -1) for at in (correlations.most_alike, correlations.least_alike)
    ]
    return pl.DataFrame(
        {
            "unit_id": session.unit_id,
            "spike_count": total,
            "image_count": np.full(n_units, 0 if reliability is None else reliability.n_images),
            "mean_count": np.nanmean(means, axis=1),
            "variance": variance,
            "entropy_nats": response_entropy(means),
            "oracle": measured["oracle"],
            "oracle_published": published_oracle(session.counts, session.image, seed=recipe.seed),
            "oracle_low": measured["low"],
            "oracle_high": measured["high"],
            "split_half": measured["split_half"],
            "spearman_brown": np.where(np.abs(brown) <= 1, brown, np.nan),
            "explainable_variance": measured["explainable_variance"],
            "signal_to_noise": measured["signal_to_noise"],
            "outlying": outliers.outlying,
            "outlier_score": outliers.score,
            "most_alike_unit_id": [int(one) if one >= 0 else None for one in partners[0]],
            "highest_r": correlations.highest_r,
            "least_alike_unit_id": [int(one) if one >= 0 else None for one in partners[1]],
            "lowest_r": correlations.lowest_r,
            "chosen_by_percentile": by_percentile,
            "chosen_by_reliability": by_reliability,
            "note": [one or None for one in never],
        },
        schema_overrides={"note": pl.String, "most_alike_unit_id": pl.Int64, "least_alike_unit_id": pl.Int64},
    )


def _count_rows(session: ImageSession) -> pl.DataFrame:
    """A row per unit and presentation."""
    return pl.DataFrame(
        {
            "unit_id": np.repeat(session.unit_id, len(session.event_id)),
            "event_id": np.tile(session.event_id, len(session.unit_id)),
            "spike_count": session.counts.ravel(),
        }
    ).with_columns(start_s=pl.lit(session.start_s), stop_s=pl.lit(session.stop_s), width_s=pl.lit(session.width_s))


def _psth_rows(session: ImageSession, means: NDArray[np.float64]) -> pl.DataFrame:
    """Rates around onset, averaged over all images, over the unit's best one, and over the blank."""
    n_bins = min(round((_BEFORE_S + session.stop_s + _BEFORE_S) / _PSTH_BIN_S), _MOST_PSTH_BINS)
    edges_s = -_BEFORE_S + _PSTH_BIN_S * np.arange(n_bins + 1)
    counts = presentation_counts(
        session.trains, session.onset_s, edges_s, closed="left"
    )  # (units, presentations, bins)
    best = np.nanargmax(means, axis=1)
    image = session.image
    parts = []
    for unit, unit_id in enumerate(session.unit_id):
        chosen = {"all images": image != BLANK, "best image": image == best[unit], "blank": image == BLANK}
        for shown, of_shown in chosen.items():
            if of_shown.any():
                rate_hz = counts[unit, of_shown].mean(axis=0) / _PSTH_BIN_S
                columns = {"unit_id": int(unit_id), "shown": shown, "presentation_count": int(of_shown.sum())}
                bins = {"bin": np.arange(n_bins), "centre_s": edges_s[:-1] + _PSTH_BIN_S / 2, "rate_hz": rate_hz}
                parts.append(pl.DataFrame(bins).with_columns(**{name: pl.lit(one) for name, one in columns.items()}))
    return pl.concat(parts)


def _order_rows(session: ImageSession, activity: RasterActivity) -> pl.DataFrame:
    """Places of the units in each raster: of all blocks, and of each where there are several."""
    scopes = {"all blocks": activity.block > 0}
    numbers = np.unique(activity.block[activity.block > 0])
    if len(numbers) > 1:
        scopes |= {f"block {number}": activity.block == number for number in numbers}
    parts = []
    for scope, bins in scopes.items():
        found = raster_order(activity.counts[:, bins])
        place = np.empty(len(found.order), np.int64)
        place[found.order] = np.arange(len(place))
        parts.append(
            pl.DataFrame({"unit_id": session.unit_id, "place": place}).with_columns(
                scope=pl.lit(scope), rule=pl.lit(found.rule)
            )
        )
    return pl.concat(parts)
