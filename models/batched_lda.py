"""Linear discriminants of several features, one per fold and time point, in closed form for all times at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.linear_decoders import LinearDecoders, two_labels
from models.time_folds import Fold


def fit_lda_folds(
    X: NDArray[np.floating],  # (n_times, n_rows, n_features)
    y: NDArray[np.integer],  # (n_rows,), 0 or 1
    folds: Sequence[Fold],
) -> LinearDecoders:
    """Linear discriminants with covariances shrunk after Ledoit and Wolf (2004), one per fold and time.

    ``X`` (n_times, n_rows, n_features), float, any unit; ``y`` (n_rows,) labels 0 and 1. Each class's
    covariance is shrunk in units of its own s.d., and both are averaged by the class's share of training rows,
    which is also its prior: equals ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")`` of
    scikit-learn. Features may exceed rows. Raises ValueError for values that are not finite, or a fold whose
    training rows have fewer than two of a label.
    """
    X, y = np.asarray(X), two_labels(y, X.shape[1])
    if not np.isfinite(X).all():
        raise ValueError(f"X must be finite, got {int((~np.isfinite(X)).sum())} numbers that are not")
    n_times, _, n_features = X.shape
    intercept, coef = np.empty((len(folds), n_times)), np.empty((len(folds), n_times, n_features))
    for number, fold in enumerate(folds):
        rows = [fold.train[y[fold.train] == label] for label in (0, 1)]
        if min(map(len, rows)) < 2:
            raise ValueError(f"fold {number} learns from {len(rows[0])} and {len(rows[1])} rows of labels 0 and 1")
        share = [len(of_label) / len(fold.train) for of_label in rows]
        (mean_0, within_0), (mean_1, within_1) = (_mean_and_covariance(X[:, of_label]) for of_label in rows)
        within = share[0] * within_0 + share[1] * within_1
        # By pseudo-inverse: a feature that never varies has no variance, and no weight.
        coef[number] = (np.linalg.pinv(within, hermitian=True) @ (mean_1 - mean_0)[..., None])[..., 0]
        intercept[number] = np.log(share[1] / share[0]) - (coef[number] * (mean_0 + mean_1)).sum(axis=1) / 2
    return LinearDecoders(intercept, coef)


def _mean_and_covariance(X: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (n_times, n_features) and shrunk covariance (n_times, n_features, n_features) of one class's rows."""
    X = X.astype(np.float64)
    n_times, n_rows, n_features = X.shape
    mean = X.mean(axis=1)
    X -= mean[:, None]
    sd = X.std(axis=1)
    sd[sd == 0] = 1.0
    X /= sd[:, None]
    covariance = X.mT @ X / n_rows
    if n_features > 1:
        trace = np.trace(covariance, axis1=1, axis2=2)
        level = trace / n_features
        squared = (covariance**2).sum(axis=(1, 2))
        distance = (squared - 2 * level * trace + n_features * level**2) / n_features
        fourth = ((X**2).sum(axis=2) ** 2).sum(axis=1) / n_rows
        noise = np.minimum((fourth - squared) / (n_features * n_rows), distance)
        shrinkage = np.divide(noise, distance, out=np.zeros(n_times), where=noise != 0)
        covariance *= (1 - shrinkage)[:, None, None]
        diagonal = np.arange(n_features)
        covariance[:, diagonal, diagonal] += (shrinkage * level)[:, None]
    return mean, sd[:, :, None] * covariance * sd[:, None, :]
