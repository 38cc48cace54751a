"""Whether two brain regions differ in the share of their ROIs that are of a type, over animals or over ROIs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW


@dataclass(frozen=True)
class ShareDifference:
    """Share of one region minus share of the other, its 95 % interval and two-sided p; NaN where there is none."""

    test: str
    difference: float
    ci_low: float
    ci_high: float
    p: float


def over_animals(share_a: NDArray[np.float64], share_b: NDArray[np.float64]) -> ShareDifference:
    """Welch's t-test of the shares of the animals of each region, (n_animals_a,) and (n_animals_b,).

    Interval and p are NaN where no animal differs from the others of its region. Raises ValueError for shares outside
    0 to 1, or fewer than two animals in a region: their spread is what the difference is held against.
    """
    share_a, share_b = np.asarray(share_a, dtype=np.float64), np.asarray(share_b, dtype=np.float64)
    if min(len(share_a), len(share_b)) < 2:
        raise ValueError(f"each region needs two animals, got {len(share_a)} and {len(share_b)}")
    if not all(((one >= 0) & (one <= 1)).all() for one in (share_a, share_b)):
        raise ValueError("shares must be 0 to 1")
    difference = float(share_a.mean() - share_b.mean())
    if share_a.std() == 0 and share_b.std() == 0:
        return ShareDifference("welch over animals", difference, np.nan, np.nan, np.nan)
    compared = CompareMeans(DescrStatsW(share_a), DescrStatsW(share_b))
    _, p, _ = compared.ttest_ind(usevar="unequal")
    low, high = compared.tconfint_diff(0.05, usevar="unequal")
    return ShareDifference("welch over animals", difference, float(low), float(high), float(p))


def over_rois(count_a: int, total_a: int, count_b: int, total_b: int) -> ShareDifference:
    """Fisher's exact test of the counts, each ROI for itself, with Newcombe's interval (1998, method 10).

    ROIs of one animal are not independent: with one animal it says whether these two recordings differ, not regions.
    Raises ValueError for counts above their totals, or a region without ROIs.
    """
    if not (0 <= count_a <= total_a and 0 <= count_b <= total_b and total_a and total_b):
        raise ValueError(f"counts must be within totals above 0, got {count_a} of {total_a}, {count_b} of {total_b}")
    table = [[count_a, total_a - count_a], [count_b, total_b - count_b]]
    low, high = confint_proportions_2indep(count_a, total_a, count_b, total_b, method="newcomb")
    difference = count_a / total_a - count_b / total_b
    return ShareDifference("fisher over ROIs", difference, float(low), float(high), float(fisher_exact(table).pvalue))


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:  # (n_tests,)
    """Holm's corrected p values of those of ``p`` (n_tests,) that are numbers; NaN for the others."""
    p = np.asarray(p, dtype=np.float64)
    corrected, there = np.full(p.shape, np.nan), np.isfinite(p)
    if there.any():
        corrected[there] = multipletests(p[there], method="holm")[1]
    return corrected
