"""Linear regression of every ROI on all regressors at once, by one solve for all, in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.linalg import solve_triangular

from models.regressors import Regressors, refuse_collinear
from models.time_folds import Fold

_BYTES_AT_ONCE = 1 << 22  # of one working matrix in 64 bits: what a processor's cache holds


@dataclass(frozen=True, eq=False)
class RegressorFits:
    """Least squares with an intercept.

    ``coefficient`` (n_rois, n_regressors), dF/F per unit of the regressor; ``intercept`` (n_rois,), dF/F; ``r2``
    (n_rois,), share of the ROI's variance that the regressors explain in the frames they were fitted to. A ROI that
    never changes, as one of zeros, or misses a frame isn't fitted: ``is_fitted`` (n_rois,) is False, all else NaN.
    """

    coefficient: NDArray[np.float64]
    intercept: NDArray[np.float64]
    r2: NDArray[np.float64]
    is_fitted: NDArray[np.bool_]


def fit_regressors(dff: NDArray[np.floating], regressors: Regressors) -> RegressorFits:
    """The regression of each ROI on all regressors and an intercept, as in ``sklearn.linear_model.LinearRegression``.

    ``dff`` (n_rois, n_frames). Raises ValueError for other shapes or collinear regressors, with their names.
    """
    dff, basis = _matrix(dff, regressors), orthonormal(regressors)
    n_rois, n_regressors = len(dff), len(regressors.names)
    coefficient = np.full((n_rois, n_regressors), np.nan)
    intercept, r2 = np.full(n_rois, np.nan), np.full(n_rois, np.nan)
    is_fitted = np.zeros(n_rois, dtype=bool)
    for rois, mean, centred, fitted in centred_rows(dff):
        along = centred @ basis.rows.T  # (n_some, n_regressors)
        total = np.einsum("rf,rf->r", centred, centred)
        coefficient[rois] = basis.coefficients(along)
        intercept[rois] = mean - coefficient[rois] @ regressors.values.mean(axis=1)
        r2[rois] = np.divide((along**2).sum(axis=1), total, out=np.full(len(total), np.nan), where=fitted)
        is_fitted[rois] = fitted
    coefficient[~is_fitted], intercept[~is_fitted] = np.nan, np.nan
    return RegressorFits(coefficient, intercept, r2, is_fitted)


def coefficient_covariance(
    dff: NDArray[np.floating],  # (n_rois, n_frames)
    regressors: Regressors,
) -> NDArray[np.float64]:  # (n_rois, n_regressors, n_regressors)
    """How the coefficients of each ROI would vary with other noise of the same autocorrelation.

    (X'X)^-1 (X'SX) (X'X)^-1, where S is the covariance of the ROI's residuals as its periodogram has it: that of the
    coefficients of those residuals over all circular shifts, so that slow noise counts for what it is; textbook errors
    take each frame for independent. NaN for ROIs that aren't fitted. Raises ValueError as ``fit_regressors``.
    """
    dff, basis = _matrix(dff, regressors), orthonormal(regressors)
    n_frames, n_regressors = regressors.n_frames, len(regressors.names)
    spectrum = rfft(basis.rows, axis=1)  # (n_regressors, n_frequencies)
    # Frequencies but the first and, of an even number of frames, the last stand for two.
    weight = np.full(spectrum.shape[1], 2.0)
    weight[0] = 1.0
    if n_frames % 2 == 0:
        weight[-1] = 1.0
    cross = (spectrum[:, None].conj() * spectrum[None]).real * weight / n_frames**2
    cross = cross.reshape(n_regressors**2, -1)
    # Residuals are that many dimensions short of the noise.
    cross *= n_frames / (n_frames - n_regressors - 1)
    covariance = np.full((len(dff), n_regressors, n_regressors), np.nan)
    for rois, _, centred, fitted in centred_rows(dff):
        centred -= (centred @ basis.rows.T) @ basis.rows
        power = np.abs(rfft(centred, axis=1)) ** 2  # (n_some, n_frequencies)
        along = (power @ cross.T).reshape(-1, n_regressors, n_regressors)
        left = basis.coefficients(along)  # each row of a matrix: its columns are still to come
        covariance[rois] = basis.coefficients(left.swapaxes(1, 2))
        covariance[rois][~fitted] = np.nan
    return covariance


def held_out_r2(
    dff: NDArray[np.floating],  # (n_rois, n_frames)
    regressors: Regressors,
    folds: Sequence[Fold],
) -> NDArray[np.float64]:  # (n_rois,)
    """Share of the variance of held-out frames that regressions fitted to the other frames explain.

    1 - sum of squared errors / sum of squared distances from the mean of the frames learned from, both over the
    held-out frames of all folds; below 0 where the regressors say less than that mean. ``folds`` as of ``event_folds``.
    NaN for ROIs that aren't fitted. Raises ValueError for shapes, or regressors that are collinear in the frames
    learned from, as when none of them holds a stimulus.
    """
    dff = _matrix(dff, regressors)
    solved = []
    for number, fold in enumerate(folds):
        try:
            refuse_collinear(regressors.names, regressors.values[:, fold.train])
        except ValueError as error:
            raise ValueError(f"fold {number + 1} of {len(folds)} has too little to learn from: {error}") from error
        design = np.vstack([np.ones(len(fold.train)), regressors.values[:, fold.train]])
        test = np.vstack([np.ones(len(fold.test)), regressors.values[:, fold.test]])
        # What each frame learned from adds to the prediction of each held-out frame, by way of the coefficients.
        solved.append((fold, np.linalg.pinv(design), test))
    r2 = np.full(len(dff), np.nan)
    for rois, _, centred, fitted in centred_rows(dff):
        error, total = np.zeros(len(centred)), np.zeros(len(centred))
        for fold, solve, test in solved:
            learned = centred[:, fold.train]
            held_out = centred[:, fold.test]
            error += ((held_out - (learned @ solve) @ test) ** 2).sum(axis=1)
            total += ((held_out - learned.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        r2[rois] = np.where(fitted, 1 - np.divide(error, total, out=np.ones(len(total)), where=total > 0), np.nan)
    return r2


@dataclass(frozen=True, eq=False)
class Orthonormal:
    """Centred regressors made orthonormal: ``rows`` (n_regressors, n_frames), and the triangle that leads back."""

    rows: NDArray[np.float64]
    triangle: NDArray[np.float64]

    def coefficients(self, along: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coefficients of the regressors, of what lies along the rows, both (..., n_regressors)."""
        flat = along.reshape(-1, along.shape[-1])
        return solve_triangular(self.triangle, flat.T).T.reshape(along.shape)


def orthonormal(regressors: Regressors) -> Orthonormal:
    """Regressors less their means, orthonormal. Raises ValueError for collinear ones, with their names."""
    refuse_collinear(regressors.names, regressors.values)
    centred = regressors.values - regressors.values.mean(axis=1, keepdims=True)
    rows, triangle = np.linalg.qr(centred.T)
    # The rounding of the means would leave a trace's mean in its coefficients.
    return Orthonormal(np.ascontiguousarray(rows.T - rows.T.mean(axis=1, keepdims=True)), triangle)


def centred_rows(
    dff: NDArray[np.floating], copies: int = 1
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]]:
    """Some ROIs at a time: their slice, means, traces less the means in 64 bits, and which can be fitted.

    As many as leave ``copies`` such matrices within a fixed memory. Those that can't be fitted come as zeros.
    """
    n_at_once = max(1, _BYTES_AT_ONCE // (8 * dff.shape[1] * copies))
    for start in range(0, len(dff), n_at_once):
        rois = slice(start, min(start + n_at_once, len(dff)))
        centred = dff[rois].astype(np.float64)
        # A constant's own mean can differ from it in the last digit: what never changes is known by its range.
        fitted = np.isfinite(centred).all(axis=1) & (centred.max(axis=1) > centred.min(axis=1))
        centred[~fitted] = 0.0
        mean = centred.mean(axis=1)
        centred -= mean[:, None]
        yield rois, mean, centred, fitted


def _matrix(dff: NDArray[np.floating], regressors: Regressors) -> NDArray[np.floating]:
    dff = np.asarray(dff)
    if dff.ndim != 2 or dff.shape[1] != regressors.n_frames:
        raise ValueError(f"traces must be (n_rois, {regressors.n_frames}) as the regressors are, got {dff.shape}")
    return dff
