"""Means and correlations that pass over missing values, and are NaN, without a warning, where nothing is left."""

import numpy as np
from numpy.typing import NDArray


def nan_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis of what isn't NaN; NaN where all of it is."""
    known = (~np.isnan(values)).sum(axis=0)
    return np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)


def nan_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's r over the last axis, of the places where neither is NaN.

    ``a`` and ``b`` (..., n) of one shape; returns (...). NaN where fewer than two places are left, or either never
    changes in them.
    """
    missing = np.isnan(a) | np.isnan(b)
    n = np.maximum((~missing).sum(axis=-1, keepdims=True), 1)
    centred = []
    for values in (a, b):
        known = np.where(missing, 0.0, values)
        centred.append(np.where(missing, 0.0, known - known.sum(axis=-1, keepdims=True) / n))
        # A constant's mean may miss it by rounding, and the rest would correlate.
        lowest = np.where(missing, np.inf, values).min(axis=-1, keepdims=True, initial=np.inf)
        highest = np.where(missing, -np.inf, values).max(axis=-1, keepdims=True, initial=-np.inf)
        centred[-1] = np.where(lowest < highest, centred[-1], 0.0)
    ab, aa, bb = (np.einsum("...n,...n->...", *pair) for pair in (centred, (centred[0],) * 2, (centred[1],) * 2))
    scale = np.sqrt(aa * bb)
    return np.where(scale > 0, ab / np.where(scale > 0, scale, 1.0), np.nan)
