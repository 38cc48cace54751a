"""Decoding through time from single trials: a row is one cell's response to one event, a decoder sees one value.

A linear score of one value is monotone in it, and its slope has the sign of the difference between the classes'
means, in the discriminant and in the logistic alike (the loss is convex, and falls from slope 0 to that side). So the
area under the ROC of a decoder learned at any time, and under any relabelling, follows exactly from ranks and class
sums, without fitting it again.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.cluster_permutation import cluster_p, max_statistic_p, sign_flips
from models.linear_decoders import DecoderName, area_under_roc, midranks, two_labels
from models.pointwise_decoders import fit_each_time
from models.time_decoding import TimeCourse, mean_and_sem, tested_over_mice

# The one-sided 5 % point of a normal deviate: what a time's statistic must exceed to be part of a cluster.
_Z_THRESHOLD = 1.645


def decode_stratified(
    values: NDArray[np.floating],  # (n_rows, n_times)
    y: NDArray[np.integer],  # (n_rows,), 1 = omitted
    fold: NDArray[np.integer],  # (n_rows,)
    decoders: Sequence[DecoderName] = ("logistic", "lda"),
    n_permutations: int = 500,
    seed: int = 42,
    every: int = 3,
) -> dict[DecoderName, TimeCourse]:
    """Scores by decoder of folds that mix all rows, as `published`: rows of one cell and one mouse fall on both sides.

    ``values`` (n_rows, n_times), any unit, finite; ``y`` (n_rows,) labels 0 and 1; ``fold`` (n_rows,) as
    ``stratified_folds`` gives it. Means and s.e.m. are over folds. Labels are shuffled within folds
    ``n_permutations`` times: p_max is of the mean AUC, clusters of its z among the shuffles, above 1.645. Decoders of
    every ``every``-th time are tested at each of these times. Raises ValueError as ``fit_each_time`` does, and
    for a fold with one label.
    """
    y = two_labels(y, len(values))
    accuracy = _accuracy_by_fold(values, y, fold, decoders)
    rng = np.random.default_rng(seed)
    n_folds, n_times = int(fold.max()) + 1, values.shape[1]
    centre = values.mean(axis=0, dtype=np.float64)
    sum_1 = np.empty((n_permutations + 1, n_folds, n_times))  # over each fold's rows of label 1, observed ones first
    area = np.empty_like(sum_1)
    of_all, n_1, n_0 = np.empty((n_folds, n_times)), np.empty(n_folds), np.empty(n_folds)
    for f in range(n_folds):
        rows = np.flatnonzero(fold == f)
        label = two_labels(y[rows], len(rows))
        labels = np.tile(label.astype(np.float64), (n_permutations + 1, 1))
        labels[1:] = rng.permuted(labels[1:], axis=1)
        inside = values[rows] - centre
        n_1[f], n_0[f] = label.sum(), len(label) - label.sum()
        sum_1[:, f], of_all[f] = labels @ inside, inside.sum(axis=0)
        rank_sum = labels @ midranks(inside.T).T
        area[:, f] = (rank_sum - n_1[f] * (n_1[f] + 1) / 2) / (n_1[f] * n_0[f])
    slope_sign = _slope_sign(sum_1, of_all - sum_1, n_1, n_0)
    auc = (0.5 + slope_sign * (area - 0.5)).mean(axis=1)  # (1 + n_permutations, n_times)
    spread = auc.std(axis=0)
    deviate = (auc - auc.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    auc_by_fold = 0.5 + slope_sign[0] * (area[0] - 0.5)
    tested = (max_statistic_p(auc), *cluster_p(deviate, _Z_THRESHOLD), n_permutations)
    generalisation = _generalisation(slope_sign[0], area[0], every)
    return _courses(auc_by_fold, accuracy, tested, generalisation)


def decode_left_out_mice(
    values: NDArray[np.floating],  # (n_rows, n_times)
    y: NDArray[np.integer],  # (n_rows,), 1 = omitted
    mouse: NDArray[np.integer],  # (n_rows,), 0 .. n_mice - 1
    decoders: Sequence[DecoderName] = ("logistic", "lda"),
    every: int = 3,
) -> dict[DecoderName, TimeCourse]:
    """Scores by decoder of each mouse by what was learned from the others, as `rigorous`.

    Arguments as in ``decode_stratified``; ``mouse`` (n_rows,) numbers the mice. Means and s.e.m. are over mice.
    Under the null, omitted and presented may be swapped for a whole mouse, so every mouse's labels are swapped
    in every combination and the decoders learned anew: p_max is of the mean AUC, clusters of its t over mice,
    above the one-sided 5 % point. Flipping the signs of (AUC - .5) instead would call 8 to 10 % of nulls
    significant at 5 %: mice that share their training rows share its luck. As swapping all mice changes
    nothing, the smallest p is 1 / 2^(n_mice - 1). Raises ValueError as ``fit_each_time`` does, and for a mouse
    with one label.
    """
    y = two_labels(y, len(values))
    accuracy = _accuracy_by_fold(values, y, mouse, decoders)
    n_mice, n_times = int(mouse.max()) + 1, values.shape[1]
    centre = values.mean(axis=0, dtype=np.float64)
    sums, counts = np.empty((2, n_mice, n_times)), np.empty((2, n_mice))
    area = np.empty((n_mice, n_times))  # of the values themselves, before a decoder turns them
    for m in range(n_mice):
        rows = np.flatnonzero(mouse == m)
        inside = values[rows] - centre
        area[m] = area_under_roc(inside.T, y[rows])
        for label in (0, 1):
            sums[label, m] = inside[y[rows] == label].sum(axis=0)
            counts[label, m] = np.count_nonzero(y[rows] == label)
    flips = sign_flips(n_mice)
    kept = flips[:, :, None] > 0
    slope_sign = _slope_sign(
        np.where(kept, sums[1], sums[0]),
        np.where(kept, sums[0], sums[1]),
        np.where(kept[..., 0], counts[1], counts[0]),
        np.where(kept[..., 0], counts[0], counts[1]),
    )
    above_chance = slope_sign * flips[:, :, None] * (area - 0.5)  # (n_flips, n_mice, n_times)
    tested = (*tested_over_mice(above_chance), len(flips))
    return _courses(0.5 + above_chance[0], accuracy, tested, _generalisation(slope_sign[0], area, every))


def _courses(
    auc: NDArray[np.float64],  # (n_folds, n_times), the same of every linear decoder of one value
    accuracy: Mapping[DecoderName, NDArray[np.float64]],
    tested: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], int],
    generalisation: NDArray[np.float64],
) -> dict[DecoderName, TimeCourse]:
    return {
        name: TimeCourse(*mean_and_sem(auc), *mean_and_sem(of_decoder), *tested, generalisation)
        for name, of_decoder in accuracy.items()
    }


def _slope_sign(
    sum_1: NDArray[np.float64],  # (n_relabellings, n_folds, n_times), over the rows of label 1 in each fold
    sum_0: NDArray[np.float64],
    n_1: NDArray[np.float64],  # (n_folds,) or (n_relabellings, n_folds)
    n_0: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Which way each fold's decoder turns the values, +1 or -1 (0 for equal means), as ``sum_1``."""
    mean_1 = (sum_1.sum(axis=1, keepdims=True) - sum_1) / (n_1.sum(axis=-1, keepdims=True) - n_1)[..., None]
    mean_0 = (sum_0.sum(axis=1, keepdims=True) - sum_0) / (n_0.sum(axis=-1, keepdims=True) - n_0)[..., None]
    return np.sign(mean_1 - mean_0)


def _generalisation(
    slope_sign: NDArray[np.float64],  # (n_folds, n_times)
    area: NDArray[np.float64],  # (n_folds, n_times)
    every: int,
) -> NDArray[np.float64]:
    learned, tested = slope_sign[:, ::every], area[:, ::every] - 0.5
    return 0.5 + learned.T @ tested / len(tested)


def _accuracy_by_fold(
    values: NDArray[np.floating], y: NDArray[np.integer], fold: NDArray[np.integer], decoders: Sequence[DecoderName]
) -> dict[DecoderName, NDArray[np.float64]]:
    """Share of right answers, (n_folds, n_times), of each decoder."""
    found = {}
    for name in decoders:
        fitted = fit_each_time(values, y, fold, name)
        found[name] = np.empty(fitted.intercept.shape)
        for f, (intercept, coef) in enumerate(zip(fitted.intercept, fitted.coef[..., 0], strict=True)):
            rows = np.flatnonzero(fold == f)
            found[name][f] = ((intercept + coef * values[rows] > 0) == (y[rows, None] == 1)).mean(axis=0)
    return found
