"""What a decoder at each time point scores, and how sure one may be of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cluster_permutation import cluster_p, max_statistic_p, sign_flips, t_against_zero, t_threshold


@dataclass(frozen=True, eq=False)
class TimeCourse:
    """Scores of one group of sessions at each time, (n_times,) where not said otherwise.

    ``auc`` and ``accuracy`` are means over folds or mice with their s.e.m.; ``p_max`` is the p of the AUC
    corrected for all times; ``cluster`` numbers runs of times above the cluster threshold from 0, -1 outside,
    and ``p_cluster`` is NaN outside. ``generalisation`` is the AUC (n_train_times, n_test_times).
    ``n_permutations`` relabellings stand behind both p; with 0 of them p is NaN throughout.
    """

    auc: NDArray[np.float64]
    auc_sem: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    accuracy_sem: NDArray[np.float64]
    p_max: NDArray[np.float64]
    cluster: NDArray[np.int64]
    p_cluster: NDArray[np.float64]
    n_permutations: int
    generalisation: NDArray[np.float64]


def course_over_mice(
    auc: NDArray[np.float64],  # (n_mice, n_times)
    accuracy: NDArray[np.float64],  # (n_mice, n_times)
    generalisation: NDArray[np.float64],  # (n_mice, n_train_times, n_test_times)
) -> TimeCourse:
    """Scores of mice whose decoders share no rows: means over mice, tested against .5 by flipping mice's signs.

    Each mouse counts once. p_max is of the mean AUC; clusters are of its t over mice, above the one-sided 5 %
    point. The smallest p is 1 / 2^n_mice; a single mouse has none. Since information can't be negative, this
    tests whether any mouse carries it, not how common that is (Allefeld, Goergen and Haynes 2016).
    """
    n_mice, n_times = auc.shape
    means = (*mean_and_sem(auc), *mean_and_sem(accuracy))
    if n_mice < 2:
        none = np.full(n_times, np.nan)
        return TimeCourse(*means, none, np.full(n_times, -1), none, 0, generalisation.mean(axis=0))
    flipped = sign_flips(n_mice)[:, :, None] * (auc - 0.5)  # (n_flips, n_mice, n_times)
    p_max, cluster, p_of_cluster = tested_over_mice(flipped)
    return TimeCourse(*means, p_max, cluster, p_of_cluster, len(flipped), generalisation.mean(axis=0))


def tested_over_mice(
    above_chance: NDArray[np.float64],  # (n_relabellings, n_mice, n_times)
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """p_max of the mean over mice, and cluster and p_cluster of its t, each (n_times,); observed values first."""
    # Not t for the largest: with few mice its denominator is now and then tiny somewhere, and power goes.
    p_max = max_statistic_p(above_chance.mean(axis=1))
    return p_max, *cluster_p(t_against_zero(above_chance), t_threshold(above_chance.shape[1]))


def mean_and_sem(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard error over the first axis, the latter NaN for a single score."""
    mean = scores.mean(axis=0)
    if len(scores) < 2:
        return mean, np.full_like(mean, np.nan)
    return mean, scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
