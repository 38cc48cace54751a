"""Decoders that see one value per time point: a logistic regression or discriminant for every fold and time."""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.linear_decoders import DecoderName, LinearDecoders, two_labels

# Times whose values are laid out one after the other at once: a cache line of float32 holds 16.
_TIMES_AT_ONCE = 8
_ROWS_AT_ONCE = 8192
_MOST_STEPS = 100
# A step that moves no row's log odds by more than this leaves an error of its square.
_LAST_STEP = 1e-5


def fit_each_time(
    values: NDArray[np.floating],  # (n_rows, n_times)
    y: NDArray[np.integer],  # (n_rows,), 0 or 1
    fold: NDArray[np.integer],  # (n_rows,), 0 .. n_folds - 1
    decoder: DecoderName = "logistic",
    C: float = 1.0,
) -> LinearDecoders:
    """For each fold and time, a decoder of the values at that time, learned from the rows of all other folds.

    ``values`` (n_rows, n_times), float32 or float64 in any unit; ``y`` (n_rows,) labels 0 and 1; ``fold``
    (n_rows,) names the fold that holds the row out. Returns coef (n_folds, n_times, 1). Raises ValueError for
    values that are not finite, fewer than two folds, a fold without rows or whose other rows have one label.

    "logistic" minimises C * sum of log losses + slope^2 / 2, intercept unpenalised, and equals
    ``sklearn.linear_model.LogisticRegression(C=C)`` at convergence; "lda" equals
    ``sklearn.discriminant_analysis.LinearDiscriminantAnalysis()``. Newton's method, damped by ln(1 + s) / s
    where s, the largest change of a row's log odds, exceeds 1: the loss falls at each step, on separable rows
    too (Sun and Tran-Dinh 2019, generalised self-concordant functions, eq. 13).
    """
    values, y = np.ascontiguousarray(values), two_labels(y, len(values))
    fold = _checked_folds(values, y, fold)
    if decoder not in ("logistic", "lda"):
        raise ValueError(f"decoder must be 'logistic' or 'lda', got {decoder!r}")
    if not C > 0:
        raise ValueError(f"C must be positive, got {C}")
    order = np.argsort(fold, kind="stable")
    start = np.append(0, np.cumsum(np.bincount(fold)))
    n_folds, n_times = len(start) - 1, values.shape[1]
    label = y[order].astype(np.float64)
    found = np.empty((n_times, n_folds, 2))
    kernel = _fit_logistic if decoder == "logistic" else _fit_lda

    def fit(first: int) -> int:
        return kernel(values, order, label, start, first, min(first + _TIMES_AT_ONCE, n_times), float(C), found)

    unfinished = sum(_on_all_cores(fit, range(0, n_times, _TIMES_AT_ONCE)))
    if unfinished:
        raise ValueError(f"{unfinished} logistic regressions did not converge in {_MOST_STEPS} Newton steps")
    found = found.swapaxes(0, 1)
    return LinearDecoders(intercept=found[..., 0], coef=found[..., 1:])


def held_out_probability(
    values: NDArray[np.floating],  # (n_rows, n_times)
    fold: NDArray[np.integer],  # (n_rows,)
    decoders: LinearDecoders,
) -> NDArray[np.float64]:
    """Probability of label 1 of each row at each time, (n_rows, n_times), by the decoder that did not see the row."""
    values, fold = np.ascontiguousarray(values), np.asarray(fold, dtype=np.int64)
    probability = np.empty(values.shape)
    slope = np.ascontiguousarray(decoders.coef[..., 0])
    intercept = np.ascontiguousarray(decoders.intercept)

    def predict(first: int) -> None:
        rows = slice(first, first + _ROWS_AT_ONCE)
        _predict(values[rows], fold[rows], intercept, slope, probability[rows])

    _on_all_cores(predict, range(0, len(values), _ROWS_AT_ONCE))
    return probability


def _checked_folds(
    values: NDArray[np.floating], y: NDArray[np.integer], fold: NDArray[np.integer]
) -> NDArray[np.integer]:
    fold = np.asarray(fold)
    if values.ndim != 2 or values.dtype not in (np.float32, np.float64):
        raise ValueError(f"values must be (n_rows, n_times) of float32 or float64, got {values.shape} {values.dtype}")
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite, got {int((~np.isfinite(values)).sum())} that are not")
    if fold.shape != (len(values),) or not np.issubdtype(fold.dtype, np.integer) or fold.min() < 0:
        raise ValueError(f"fold must be a number from 0 per row ({len(values)},), got {fold.shape} of {fold.dtype}")
    of_fold = np.stack([np.bincount(fold, y == label, minlength=fold.max() + 1) for label in (0, 1)])
    if of_fold.shape[1] < 2 or (of_fold.sum(axis=0) == 0).any():
        raise ValueError(f"folds must be 2 or more and all have rows, got rows {of_fold.sum(axis=0).astype(int)}")
    one_sided = (of_fold.sum(axis=1, keepdims=True) == of_fold).any(axis=0)
    if one_sided.any():
        raise ValueError(f"both labels are needed outside each fold, missing outside {np.flatnonzero(one_sided)}")
    return fold


def _on_all_cores(work: Callable[[int], object], firsts: Sequence[int]) -> list:
    # Threads of our own rather than numba's, which must not be entered from two threads of a flow at once.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(work, firsts))


# Sums may be taken in any order, so that the compiler works on several rows at once.
_VECTORISED = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}


@njit(inline="always", **_VECTORISED)
def _exp(x):
    """e to the x within 2 units in the last place, after Cephes; the library's own isn't vectorised in a loop."""
    x = min(max(x, -700.0), 700.0)
    k = math.floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 6.93145751953125e-1 - k * 1.42860682030941723212e-6
    rr = r * r
    odd = r * ((1.26177193074810590878e-4 * rr + 3.02994407707441961300e-2) * rr + 9.99999999999999999910e-1)
    even = ((3.00198505138664455042e-6 * rr + 2.52448340349684104192e-3) * rr + 2.27265548208155028766e-1) * rr + 2.0
    power_of_two = np.int64((np.int64(k) + 1023) << 52).view(np.float64)
    return (1.0 + 2.0 * odd / (even - odd)) * power_of_two


@njit(**_VECTORISED)
def _lay_out(values, order, first, last):
    """Values of some times as (n_some, n_rows), rows in the order of their folds."""
    x = np.empty((last - first, len(order)))
    for i in range(len(order)):
        row = order[i]
        for t in range(first, last):
            x[t - first, i] = values[row, t]
    return x


@njit(**_VECTORISED)
def _fit_lda(values, order, label, start, first, last, C, found):
    n_folds, n_rows = len(start) - 1, len(order)
    n_1 = label.sum()
    laid_out = _lay_out(values, order, first, last)
    moments = np.empty((n_folds, 5))  # rows of label 1, sums of x and x^2 over all rows, and over those of label 1
    for t in range(first, last):
        x = laid_out[t - first]
        mean = x.mean()
        for f in range(n_folds):
            s = ss = s_1 = ss_1 = count_1 = 0.0
            for i in range(start[f], start[f + 1]):
                v = x[i] - mean
                s += v
                ss += v * v
                s_1 += label[i] * v
                ss_1 += label[i] * v * v
                count_1 += label[i]
            moments[f] = (count_1, s, ss, s_1, ss_1)
        _, s, ss, s_1, ss_1 = moments.sum(axis=0)
        for f in range(n_folds):
            m_1 = n_1 - moments[f, 0]
            m_0 = n_rows - (start[f + 1] - start[f]) - m_1
            sum_1 = s_1 - moments[f, 3]
            sum_0 = s - moments[f, 1] - sum_1
            mean_1, mean_0 = sum_1 / m_1, sum_0 / m_0
            within = ss - moments[f, 2] - sum_1 * mean_1 - sum_0 * mean_0
            slope = (mean_1 - mean_0) * (m_1 + m_0) / within if within > 0 else 0.0
            found[t, f, 0] = math.log(m_1 / m_0) - slope * ((mean_1 + mean_0) / 2 + mean)
            found[t, f, 1] = slope
    return 0


@njit(**_VECTORISED)
def _loss_sums(x, label, b, w):
    """Gradient of the summed log loss by intercept and slope, and its three second derivatives."""
    g_b = g_w = h_bb = h_bw = h_ww = 0.0
    for i in range(len(x)):
        p = 1.0 / (1.0 + _exp(-(b + w * x[i])))
        q = p * (1.0 - p)
        g_b += p - label[i]
        g_w += (p - label[i]) * x[i]
        h_bb += q
        h_bw += q * x[i]
        h_ww += q * x[i] * x[i]
    return np.array([g_b, g_w, h_bb, h_bw, h_ww])


@njit(**_VECTORISED)
def _step(sums, w, C, penalty, farthest):
    """New intercept less the old one, the same of the slope, and the largest undamped change of log odds."""
    g_b, g_w = C * sums[0], C * sums[1] + penalty * w
    h_bb, h_bw, h_ww = C * sums[2], C * sums[3], C * sums[4] + penalty
    determinant = h_bb * h_ww - h_bw * h_bw
    d_b = (h_bw * g_w - h_ww * g_b) / determinant
    d_w = (h_bw * g_b - h_bb * g_w) / determinant
    change = abs(d_b) + abs(d_w) * farthest
    damping = math.log1p(change) / change if change > 1 else 1.0
    return damping * d_b, damping * d_w, change


@njit(**_VECTORISED)
def _fit_logistic(values, order, label, start, first, last, C, found):
    n_folds = len(start) - 1
    laid_out = _lay_out(values, order, first, last)
    by_fold = np.empty((n_folds, 5))
    unfinished = 0
    for t in range(first, last):
        x = laid_out[t - first]
        # Standardised over all rows: the same problem in other units, with the penalty to match.
        mean, sd = x.mean(), x.std()
        sd = sd if sd > 0 else 1.0
        farthest = 0.0
        for i in range(len(x)):
            x[i] = (x[i] - mean) / sd
            farthest = max(farthest, abs(x[i]))
        penalty = 1.0 / (sd * sd)
        # All rows first: their solution is near that of each fold, and one pass there is the first step of all.
        b = w = 0.0
        for _ in range(_MOST_STEPS):
            for f in range(n_folds):
                by_fold[f] = _loss_sums(x[start[f] : start[f + 1]], label[start[f] : start[f + 1]], b, w)
            of_all = by_fold.sum(axis=0)
            d_b, d_w, change = _step(of_all, w, C, penalty, farthest)
            if change < 1e-2:
                break
            b += d_b
            w += d_w
        for f in range(n_folds):
            b_f, w_f = b, w
            sums = of_all - by_fold[f]
            for _ in range(_MOST_STEPS):
                d_b, d_w, change = _step(sums, w_f, C, penalty, farthest)
                b_f += d_b
                w_f += d_w
                if change < _LAST_STEP:
                    break
                sums = _loss_sums(x[: start[f]], label[: start[f]], b_f, w_f)
                sums += _loss_sums(x[start[f + 1] :], label[start[f + 1] :], b_f, w_f)
            unfinished += not change < _LAST_STEP
            found[t, f, 1] = w_f / sd
            found[t, f, 0] = b_f - w_f * mean / sd
    return unfinished


@njit(**_VECTORISED)
def _predict(values, fold, intercept, slope, probability):
    for i in range(len(values)):
        f = fold[i]
        for t in range(values.shape[1]):
            probability[i, t] = 1.0 / (1.0 + _exp(-(intercept[f, t] + slope[f, t] * values[i, t])))
