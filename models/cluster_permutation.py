"""Tests of a course over time that hold for all its points together: largest statistic, and mass of clusters."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_MOST_FOR_ALL_FLIPS = 12
_DRAWN_FLIPS = 4096


def sign_flips(n: int, seed: int = 0) -> NDArray[np.int64]:
    """Signs for each of n independent values, (n_flips, n), the first row without a flip.

    All 2^n up to n = 12, else 4,095 drawn with ``seed`` and the unflipped one. Raises ValueError for fewer than 2.
    """
    if n < 2:
        raise ValueError(f"sign flips need at least 2 values, got {n}")
    if n <= _MOST_FOR_ALL_FLIPS:
        return 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    signs = np.random.default_rng(seed).choice((-1, 1), size=(_DRAWN_FLIPS, n))
    signs[0] = 1
    return signs


def t_against_zero(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """One-sample t over the last axis but one: (..., n, n_times) to (..., n_times); 0 where all values are 0."""
    n = values.shape[-2]
    mean, sd = values.mean(axis=-2), values.std(axis=-2, ddof=1)
    # Values that agree to the last digits have an s.d. of rounding only.
    sd = np.where(sd > 1e-12 * np.abs(mean), sd, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(mean / sd * np.sqrt(n), nan=0.0, posinf=np.inf, neginf=-np.inf)


def t_threshold(n: int, p: float = 0.05) -> float:
    """The t that n independent values without effect exceed with probability p, one-sided."""
    return float(stats.t.ppf(1 - p, n - 1))


def max_statistic_p(null: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of relabellings whose largest value over time is at least that observed at each time, (n_times,).

    ``null`` (n_relabellings, n_times) is the statistic under each relabelling, larger meaning more effect, and
    its first row is the data as observed. One-sided, corrected for all times at once (Nichols and Holmes 2002);
    equals ``mne.stats.permutation_t_test`` where the statistic is |t|. Raises ValueError unless there are
    two rows.
    """
    null = _relabelled(null)
    largest = null.max(axis=1)
    return (largest[:, None] >= null[0] - _rounding(null)).mean(axis=0)


def cluster_p(
    null: NDArray[np.floating],  # (n_relabellings, n_times)
    threshold: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Runs of points above a threshold, and the p of each run's mass against the relabellings' largest.

    ``null`` as in ``max_statistic_p``, ``threshold`` in its unit. Returns the cluster of each time, (n_times,),
    from 0 and -1 outside, and its p, (n_times,), NaN outside. Mass is the sum of the statistic within a run
    (Maris and Oostenveld 2007): a small p says that there is an effect, not where it begins or ends. As
    ``mne.stats.permutation_cluster_1samp_test(tail=1)`` where the statistic is t, with every flip counted once.
    """
    null = _relabelled(null)
    above = null > threshold
    begins = above & ~np.pad(above, ((0, 0), (1, 0)))[:, :-1]
    number = np.where(above, begins.cumsum(axis=1) - 1, -1)  # (n_relabellings, n_times)
    largest = np.zeros(len(null))
    for cluster in range(number.max() + 1):
        largest = np.maximum(largest, np.where(number == cluster, null, 0.0).sum(axis=1))
    p = np.full(null.shape[1], np.nan)
    for cluster in range(number[0].max() + 1):
        inside = number[0] == cluster
        p[inside] = (largest >= null[0, inside].sum() - _rounding(null)).mean()
    return number[0], p


def _relabelled(null: NDArray[np.floating]) -> NDArray[np.floating]:
    if null.ndim != 2 or len(null) < 2:
        raise ValueError(f"null must be (n_relabellings, n_times) with the observed one first, got {null.shape}")
    return null


def _rounding(null: NDArray[np.floating]) -> float:
    # Relabellings that tie with the observed one differ from it by rounding only; they count as at least as far.
    finite = null[0][np.isfinite(null[0])]
    return 1e-10 * max(1.0, float(np.abs(finite).sum())) if len(finite) else 0.0
