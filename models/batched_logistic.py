"""Logistic regressions of several features, one per fold and time point, solved together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.linear_decoders import LinearDecoders, two_labels
from models.time_folds import Fold

_MOST_STEPS = 100
# A step that moves no row's log odds by more than this leaves an error of its square.
_LAST_STEP = 1e-5
# Times are taken together up to so many numbers: beyond the processor's cache, more of them bring nothing.
_NUMBERS_AT_ONCE = 500_000


def fit_logistic_folds(
    X: NDArray[np.floating],  # (n_times, n_rows, n_features)
    y: NDArray[np.integer],  # (n_rows,), 0 or 1
    folds: Sequence[Fold],
    C: float = 1.0,
    standardise: bool = False,
) -> LinearDecoders:
    """L2-regularised logistic regressions, one per fold and time.

    ``X`` (n_times, n_rows, n_features), float, any unit; ``y`` (n_rows,) labels 0 and 1. Minimises C * sum of
    log losses + |coef|^2 / 2, intercept unpenalised, over each fold's training rows: equals
    ``sklearn.linear_model.LogisticRegression(C=C)`` at convergence, with ``standardise`` behind a
    ``StandardScaler`` fitted to the same rows. Features may exceed rows. Raises ValueError for values that are
    not finite, or a fold whose training rows have one label.

    Newton's method over all times of a fold at once, from the solution of all rows, damped by ln(1 + s) / s
    where s, the largest change of a row's log odds, exceeds 1: the loss falls at each step, on separable rows
    too (Sun and Tran-Dinh 2019, generalised self-concordant functions, eq. 13).
    """
    X, y = np.asarray(X), two_labels(y, X.shape[1])
    if not np.isfinite(X).all():
        raise ValueError(f"X must be finite, got {int((~np.isfinite(X)).sum())} numbers that are not")
    if not C > 0:
        raise ValueError(f"C must be positive, got {C}")
    for fold in folds:
        two_labels(y[fold.train], len(fold.train))
    n_times, n_rows, n_features = X.shape
    coef = np.empty((len(folds), n_times, n_features + 1))  # the intercept last
    at_once = max(1, _NUMBERS_AT_ONCE // (n_rows * n_features))
    for first in range(0, n_times, at_once):
        times = slice(first, first + at_once)
        coef[:, times] = _fit(X[times].astype(np.float64), y, folds, C, standardise)
    return LinearDecoders(intercept=coef[..., -1], coef=coef[..., :-1])


def _fit(
    X: NDArray[np.float64], y: NDArray[np.integer], folds: Sequence[Fold], C: float, standardise: bool
) -> NDArray[np.float64]:
    # Standardised over all rows: the same problems in other units, with penalties to match.
    mean, sd = X.mean(axis=1), _sd(X)
    design = np.concatenate([(X - mean[:, None]) / sd[:, None], np.ones((*X.shape[:2], 1))], axis=2)
    of_all = _newton(design, y, _penalty(1.0 if standardise else 1 / sd**2, mean.shape), C, None)
    found = np.empty((len(folds), *of_all.shape))
    for number, fold in enumerate(folds):
        train = design[:, fold.train]
        penalty = _penalty(_sd(train[..., :-1]) ** 2 if standardise else 1 / sd**2, mean.shape)
        beta = _newton(train, y[fold.train], penalty, C, of_all)
        coef = beta[:, :-1] / sd
        found[number] = np.column_stack([coef, beta[:, -1] - (coef * mean).sum(axis=1)])
    return found


def _sd(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation over rows, (n_times, n_features), 1 where a feature doesn't vary."""
    sd = X.std(axis=1)
    return np.where(sd > 1e-12 * np.abs(X).max(axis=1), sd, 1.0)


def _penalty(of_features: NDArray[np.float64] | float, shape: tuple[int, int]) -> NDArray[np.float64]:
    return np.column_stack([np.broadcast_to(of_features, shape), np.zeros(shape[0])])


def _newton(
    design: NDArray[np.float64],  # (n_times, n_rows, n_features + 1), the last column ones
    y: NDArray[np.integer],  # (n_rows,)
    penalty: NDArray[np.float64],  # (n_times, n_features + 1)
    C: float,
    start: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    beta = np.zeros_like(penalty) if start is None else start.copy()
    diagonal = np.arange(penalty.shape[1])
    left = np.arange(len(beta))  # times not yet solved
    for _ in range(_MOST_STEPS):
        rows, b = design[left], beta[left]
        p = expit((rows @ b[..., None])[..., 0])
        gradient = C * (rows.mT @ (p - y)[..., None])[..., 0] + penalty[left] * b
        hessian = C * (rows.mT @ ((p * (1 - p))[..., None] * rows))
        hessian[:, diagonal, diagonal] += penalty[left]
        step = np.linalg.solve(hessian, gradient[..., None])
        change = np.abs(rows @ step)[..., 0].max(axis=1)
        damping = np.where(change > 1, np.log1p(change) / np.maximum(change, 1), 1.0)
        beta[left] = b - damping[:, None] * step[..., 0]
        left = left[change > _LAST_STEP]
        if len(left) == 0:
            return beta
    raise ValueError(f"{len(left)} logistic regressions did not converge in {_MOST_STEPS} Newton steps")
