"""Two-class linear decoders, one per fold and time point, and the numbers that score them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

DecoderName = Literal["logistic", "lda"]


@dataclass(frozen=True, eq=False)
class LinearDecoders:
    """Log odds of label 1 are ``intercept + coef @ features``, in the features' own units.

    ``intercept`` is (n_folds, n_times), ``coef`` (n_folds, n_times, n_features).
    """

    intercept: NDArray[np.float64]
    coef: NDArray[np.float64]


def area_under_roc(
    score: NDArray[np.floating],  # (..., n_rows), larger means label 1
    y: NDArray[np.integer],  # (n_rows,), 0 or 1
) -> NDArray[np.float64]:
    """Area under the ROC curve of each vector of scores, (...), in 0 .. 1.

    ``score`` (..., n_rows) in any unit, ``y`` (n_rows,) labels 0 and 1. Ties count half. Raises ValueError for
    labels that are not one per row, or of one kind only. Mann-Whitney U over the product of counts; equals
    ``sklearn.metrics.roc_auc_score``.
    """
    y = two_labels(y, score.shape[-1])
    n_1 = int(y.sum())
    rank_sum = midranks(score)[..., y == 1].sum(axis=-1)
    return (rank_sum - n_1 * (n_1 + 1) / 2) / (n_1 * (len(y) - n_1))


def midranks(score: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks from 1 along the last axis, ties sharing their mean rank; the shape of ``score``.

    Equals ``scipy.stats.rankdata(axis=-1)``, several times as fast where few vectors hold a tie.
    """
    flat = score.reshape(-1, score.shape[-1])
    order = np.argsort(flat, axis=-1)
    ranks = np.empty(flat.shape)
    np.put_along_axis(ranks, order, np.arange(1.0, flat.shape[1] + 1)[None], axis=-1)
    in_order = np.take_along_axis(flat, order, axis=-1)
    tied = (in_order[:, 1:] == in_order[:, :-1]).any(axis=-1)
    if tied.any():
        ranks[tied] = rankdata(flat[tied], axis=-1)
    return ranks.reshape(score.shape)


def two_labels(y: NDArray[np.integer], n_rows: int) -> NDArray[np.integer]:
    """The labels, when they are ``n_rows`` integers 0 and 1 with both among them; else ValueError."""
    y = np.asarray(y)
    if y.shape != (n_rows,) or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"y must be ({n_rows},) integer labels, got {y.shape} of {y.dtype}")
    found = np.unique(y)
    if found.tolist() != [0, 1]:
        raise ValueError(f"y must hold both labels 0 and 1, got {found[:5].tolist()}")
    return y
