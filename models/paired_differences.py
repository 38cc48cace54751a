"""Whether one model predicts units better than another: the same units twice, with an interval and a test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, wilcoxon


@dataclass(frozen=True)
class PairedDifference:
    """Median of first less second over units, its interval, and p; the last three are NaN with fewer than two units."""

    median: float
    low: float
    high: float
    p: float
    n_units: int


def paired_difference(
    first: NDArray[np.floating],  # (n_units,)
    second: NDArray[np.floating],  # (n_units,)
    level: float = 0.95,
    n_draws: int = 2000,
    seed: int = 0,
) -> PairedDifference:
    """Median over units of ``first`` less ``second``, any unit; units where either is NaN are left out.

    The interval is a percentile bootstrap over units, p Wilcoxon's signed ranks, two-sided (SciPy); both take units as
    independent of each other. p is 1 where no unit differs. Raises ValueError for lengths that differ.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"each unit needs two values, got {first.shape} and {second.shape}")
    difference = first - second
    difference = difference[np.isfinite(difference)]
    if len(difference) < 2:
        median = float(difference[0]) if len(difference) else np.nan
        return PairedDifference(median, np.nan, np.nan, np.nan, len(difference))
    median = float(np.median(difference))
    if np.ptp(difference) == 0:
        p = 1.0 if median == 0 else float(wilcoxon(difference).pvalue)
        return PairedDifference(median, median, median, p, len(difference))
    interval = bootstrap(
        (difference,), np.median, confidence_level=level, n_resamples=n_draws, method="percentile", rng=seed
    ).confidence_interval
    p = float(wilcoxon(difference).pvalue)
    return PairedDifference(median, float(interval.low), float(interval.high), p, len(difference))
