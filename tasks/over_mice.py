"""Averages over mice: each mouse counts once, however many cells it gave."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats


@dataclass(frozen=True)
class MeanOverMice:
    """A mean and its 95 % interval (t); the interval is None with fewer than two mice."""

    mean: float
    ci_low: float | None
    ci_high: float | None
    mouse_count: int


def mean_over_mice(of_mice: np.ndarray) -> MeanOverMice:
    """Mean of one value per mouse (n_mice,), with its t interval. Raises ValueError when there is none."""
    if len(of_mice) == 0:
        raise ValueError("a mean over mice needs at least one mouse")
    mean = float(np.mean(of_mice))
    if len(of_mice) < 2:
        return MeanOverMice(mean, None, None, 1)
    half = float(stats.t.ppf(0.975, len(of_mice) - 1) * stats.sem(of_mice))
    return MeanOverMice(mean, mean - half, mean + half, len(of_mice))


def mouse_means(rows: pl.DataFrame, value: str, by: Sequence[str] = ()) -> pl.DataFrame:
    """One row per mouse (and whatever else is named): the mean of a value over its cells, and how many those are."""
    return (
        rows.drop_nulls(["mouse_id", value])
        .group_by(*by, "mouse_id")
        .agg(pl.col(value).cast(pl.Float64).mean(), cell_count=pl.len())
        .sort(*by, "mouse_id", nulls_last=True)
    )


def omission_effects(features: pl.DataFrame, measure: str) -> pl.DataFrame:
    """Omitted minus presented of a measure within each cell that has both, averaged within each mouse.

    One row per cre line, exposure level and mouse, with the columns ``effect`` and ``cell_count``.
    """
    group = ["cre_line", "exposure_level", "mouse_id"]
    cells = (
        features.drop_nulls([*group, measure])
        .group_by(*group, "session_id", "unit_id")
        .agg(
            effect=pl.col(measure).filter(condition="omitted").mean()
            - pl.col(measure).filter(condition="presented").mean()
        )
    )
    return mouse_means(cells, "effect", group[:2])
