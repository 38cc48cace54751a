"""Tests over mice, each on one number per mouse, for one data set or many at once.

Mice stand on the last axis; the axes before it are data sets, tested each by itself.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, combinations_with_replacement
from math import comb, factorial

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

# Up to here all sign flips, or all exchanges of mice, are tried; above, a fixed number is drawn.
MOST_ARRANGEMENTS = 2**16
DRAWN_ARRANGEMENTS = 10_000
# Up to 8 mice all resamples are weighed (6,435 of 8 mice); above, as many are drawn.
MOST_MICE_FOR_ALL_RESAMPLES = 8
DRAWN_RESAMPLES = 10_000
# Of three mice every ninth resample is one mouse over and over, and the interval endless; of four one in 64 is, and the
# interval hangs on how alike two mice happen to be.
FEWEST_MICE_TO_RESAMPLE = 5
# Arrangements that tie with the observed one differ from it by rounding only.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class MouseT:
    """t over mice, one per data set; ``estimate`` and ``standard_error`` in the unit of the numbers."""

    estimate: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    t: NDArray[np.float64]
    dof: NDArray[np.float64]
    p: NDArray[np.float64]

    def interval(self, confidence: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both ends of the t interval, in the unit of the numbers."""
        margin = stats.t.ppf((1 + confidence) / 2, self.dof) * self.standard_error
        return self.estimate - margin, self.estimate + margin


def t_over_mice(difference: NDArray[np.float64]) -> MouseT:  # (..., n_mice)
    """One-sample t test against 0 on mice minus one degrees of freedom.

    t is infinite (p = 0) when all mice agree to the last digit, NaN when all are 0. Raises ValueError for fewer than
    two mice. Equals ``scipy.stats.ttest_1samp``.
    """
    n = _at_least(2, difference)
    standard_error = difference.std(axis=-1, ddof=1) / np.sqrt(n)
    return _student(difference.mean(axis=-1), standard_error, np.full(standard_error.shape, n - 1.0))


def welch_t(
    a: NDArray[np.float64],  # (..., n_mice of a)
    b: NDArray[np.float64],  # (..., n_mice of b)
) -> MouseT:
    """a minus b over separate mice whose variances may differ. Equals ``scipy.stats.ttest_ind(equal_var=False)``.

    t is infinite (p = 0) when all mice of a group agree in both groups. Raises ValueError for fewer than two mice in
    a group. Method: Welch (1947).
    """
    by_group = [1 / _at_least(2, x) * x.var(axis=-1, ddof=1) for x in (a, b)]
    variance = by_group[0] + by_group[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        dof = variance**2 / sum(v**2 / (x.shape[-1] - 1) for v, x in zip(by_group, (a, b), strict=True))
    dof = np.where(variance > 0, dof, a.shape[-1] + b.shape[-1] - 2.0)
    return _student(a.mean(axis=-1) - b.mean(axis=-1), np.sqrt(variance), dof)


def sign_flip_p(
    difference: NDArray[np.float64],  # (..., n_mice)
    seed: int = 0,
) -> tuple[NDArray[np.float64], int]:
    """Two-sided p of the mean by flipping signs of whole mice, and of how many flips.

    Exact over all 2^n flips up to 16 mice, so that n mice never give less than 2 / 2^n; else over 10,000 flips drawn
    with ``seed``, the observed one counted. Method: Fisher (1935), section 21.
    """
    n = _at_least(2, difference)
    every_flip = 2**n <= MOST_ARRANGEMENTS
    if every_flip:
        signs = 1.0 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(DRAWN_ARRANGEMENTS, n))
    least = np.abs(difference.sum(axis=-1)) - _ROUNDING * np.abs(difference).sum(axis=-1)
    extreme = (np.abs(difference @ signs.T) >= least[..., None]).sum(axis=-1)
    return _share(extreme, len(signs), every_flip), len(signs)


def exchange_p(
    a: NDArray[np.float64],  # (..., n_mice of a)
    b: NDArray[np.float64],  # (..., n_mice of b)
    seed: int = 0,
) -> tuple[NDArray[np.float64], int]:
    """Two-sided p of Welch's t by exchanging whole mice between groups, and over how many exchanges.

    Exact over all exchanges up to 65,536 (9 mice of 18: 48,620); else over 10,000 drawn with ``seed``, the observed
    one counted. t rather than the difference, since groups may differ in their spread: Janssen (1997).
    """
    n_a, n_b = _at_least(2, a), _at_least(2, b)
    every_exchange = comb(n_a + n_b, n_a) <= MOST_ARRANGEMENTS
    in_a = _exchanges(n_a, n_b) if every_exchange else _drawn_exchanges(n_a, n_b, seed)
    pooled = np.concatenate([a, b], axis=-1)
    pooled = pooled - pooled.mean(axis=-1, keepdims=True)
    square = pooled**2
    observed = np.zeros(n_a + n_b)
    observed[:n_a] = 1.0
    t, found = (_arranged_t(pooled, square, rows, n_a, n_b) for rows in (in_a, observed[None]))
    extreme = (t >= found * (1 - _ROUNDING)).sum(axis=-1)
    return _share(extreme, len(in_a), every_exchange), len(in_a)


def bootstrap_interval(
    difference: NDArray[np.float64],  # (..., n_mice)
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % studentised bootstrap interval of the mean over mice, in the unit of the numbers; NaN under 5 mice.

    Whole mice are resampled: all resamples weighed by their chance up to 8 mice, 10,000 drawn with ``seed`` above.
    Ends are cut at 2.5 % each. Method: Efron and Tibshirani (1993), section 12.5.
    """
    n = _at_least(2, difference)
    mean, standard_error = difference.mean(axis=-1), difference.std(axis=-1, ddof=1) / np.sqrt(n)
    if n < FEWEST_MICE_TO_RESAMPLE:
        return np.full(mean.shape, np.nan), np.full(mean.shape, np.nan)
    counts, chance = _resamples(n, seed)
    shift, variance = _resampled(difference, counts)
    low, high = _quantiles(_studentised(shift, variance / n), chance)
    return mean - high * standard_error, mean - low * standard_error


def bootstrap_interval_between(
    a: NDArray[np.float64],  # (..., n_mice of a)
    b: NDArray[np.float64],  # (..., n_mice of b)
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % studentised bootstrap interval of a minus b, as `bootstrap_interval`; NaN under 5 mice in a group.

    Mice are resampled within their group, 10,000 times with ``seed``, and studentised as in Welch's t.
    """
    found = welch_t(a, b)
    if min(a.shape[-1], b.shape[-1]) < FEWEST_MICE_TO_RESAMPLE:
        return np.full(found.estimate.shape, np.nan), np.full(found.estimate.shape, np.nan)
    rng = np.random.default_rng(seed)
    drawn = [_resampled(x, _drawn_counts(x.shape[-1], rng)) for x in (a, b)]
    shift = drawn[0][0] - drawn[1][0]
    low, high = _quantiles(_studentised(shift, drawn[0][1] / a.shape[-1] + drawn[1][1] / b.shape[-1]), None)
    return found.estimate - high * found.standard_error, found.estimate - low * found.standard_error


def cohens_d(
    t: float,  # Student's t
    dof: float,
    d_per_t: float,  # 1 / sqrt(n) within mice, sqrt(1 / n_a + 1 / n_b) between groups
) -> tuple[float, float, float]:
    """Cohen's d with both ends of its exact 95 % interval, unitless; NaN where t is not finite.

    The ends are the noncentral t distributions under which a t as large, or as small, has a chance of 2.5 %.
    Method: Steiger and Fouladi (1997).
    """
    if not np.isfinite(t):
        return np.nan, np.nan, np.nan
    low, high = (float(special.nctdtrinc(dof, chance, t)) * d_per_t for chance in (0.975, 0.025))
    return float(t) * d_per_t, low, high


def intraclass_correlation(
    values: NDArray[np.float64],  # (n_cells,)
    mouse: NDArray[np.generic],  # (n_cells,)
) -> float:
    """ICC(1): the correlation of two cells of one mouse, unitless, at most 1, below 0 when mice are too alike.

    NaN with fewer than two mice, one cell for each, or values that are all the same. From the mean squares between
    and within mice, with the mean number of cells of Donner (1986) when mice differ in it; equals
    ``pingouin.intraclass_corr``'s ICC1 when they don't.
    """
    group = np.unique(mouse, return_inverse=True)[1]
    size = np.bincount(group)
    n, k = len(values), len(size)
    if k < 2 or n == k or np.ptp(values) == 0:
        return np.nan
    mean = np.bincount(group, weights=values) / size
    between = (size * (mean - values.mean()) ** 2).sum() / (k - 1)
    within = ((values - mean[group]) ** 2).sum() / (n - k)
    cells = (n - (size**2).sum() / n) / (k - 1)
    return float((between - within) / (between + (cells - 1) * within))


def _student(estimate: NDArray[np.float64], standard_error: NDArray[np.float64], dof: NDArray[np.float64]) -> MouseT:
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.divide(estimate, standard_error)
    return MouseT(estimate, standard_error, t, dof, 2 * stats.t.sf(np.abs(t), dof))


def _share(extreme: NDArray[np.intp], n: int, every: bool) -> NDArray[np.float64]:
    return extreme / n if every else (extreme + 1) / (n + 1)


@lru_cache(maxsize=8)
def _exchanges(n_a: int, n_b: int) -> NDArray[np.float64]:  # (n_exchanges, n_a + n_b), 1 in group a
    chosen = np.array(list(combinations(range(n_a + n_b), n_a)))
    in_a = np.zeros((len(chosen), n_a + n_b))
    np.put_along_axis(in_a, chosen, 1.0, axis=1)
    return in_a


def _drawn_exchanges(n_a: int, n_b: int, seed: int) -> NDArray[np.float64]:
    in_a = np.zeros((DRAWN_ARRANGEMENTS, n_a + n_b))
    in_a[:, :n_a] = 1.0
    return np.random.default_rng(seed).permuted(in_a, axis=1)


def _arranged_t(
    pooled: NDArray[np.float64],  # (..., n), mean 0
    square: NDArray[np.float64],  # (..., n)
    in_a: NDArray[np.float64],  # (n_exchanges, n), 1 in group a
    n_a: int,
    n_b: int,
) -> NDArray[np.float64]:  # (..., n_exchanges), |Welch's t|
    mean_a = pooled @ in_a.T / n_a
    mean_b = -mean_a * n_a / n_b
    square_a = square @ in_a.T
    square_b = square.sum(axis=-1, keepdims=True) - square_a
    variance_a = np.maximum(square_a - n_a * mean_a**2, 0) / (n_a * (n_a - 1))
    variance_b = np.maximum(square_b - n_b * mean_b**2, 0) / (n_b * (n_b - 1))
    return np.abs(_studentised(mean_a - mean_b, variance_a + variance_b))


@lru_cache(maxsize=8)
def _resamples(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """How often each mouse is drawn (n_resamples, n), and the chance of each resample, None when all the same."""
    if n > MOST_MICE_FOR_ALL_RESAMPLES:
        return _drawn_counts(n, np.random.default_rng(seed)), None
    drawn = combinations_with_replacement(range(n), n)
    counts = np.array([np.bincount(mice, minlength=n) for mice in drawn], dtype=np.float64)
    chance = factorial(n) / special.factorial(counts).prod(axis=1) / n**n
    return counts, chance


def _drawn_counts(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.multinomial(n, np.full(n, 1 / n), size=DRAWN_RESAMPLES).astype(np.float64)


def _resampled(
    values: NDArray[np.float64],  # (..., n)
    counts: NDArray[np.float64],  # (n_resamples, n)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # both (..., n_resamples): shift of the mean, variance
    n = values.shape[-1]
    centred = values - values.mean(axis=-1, keepdims=True)
    shift = centred @ counts.T / n
    return shift, np.maximum(centred**2 @ counts.T / n - shift**2, 0) * n / (n - 1)


def _studentised(shift: NDArray[np.float64], squared_error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shift over its standard error; infinite where the mice drawn are all the same, 0 where nothing shifts."""
    nothing = _ROUNDING**2 * np.max(shift**2, axis=-1, keepdims=True, initial=0)
    error = np.sqrt(np.where(squared_error > nothing, squared_error, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(shift**2 > nothing, shift / error, 0.0)


def _quantiles(
    t: NDArray[np.float64],  # (..., n_resamples)
    chance: NDArray[np.float64] | None,  # (n_resamples,)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if chance is None:
        last = t.shape[-1] - 1
        at = int(np.floor(0.025 * last)), int(np.ceil(0.975 * last))
        parted = np.partition(t, at, axis=-1)
        return parted[..., at[0]], parted[..., at[1]]
    order = np.argsort(t, axis=-1)
    reached = np.cumsum(chance[order], axis=-1)
    low = (reached < 0.025).sum(axis=-1, keepdims=True)
    high = (reached < 0.975).sum(axis=-1, keepdims=True)
    ordered = np.take_along_axis(t, order, axis=-1)
    return tuple(np.take_along_axis(ordered, at, axis=-1)[..., 0] for at in (low, high))


def _at_least(fewest: int, numbers: NDArray[np.float64]) -> int:
    n = numbers.shape[-1]
    if n < fewest:
        raise ValueError(f"a test over mice needs at least {fewest} with cells in both conditions, got {n}")
    return n
