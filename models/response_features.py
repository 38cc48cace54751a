"""Sixteen numbers that describe a response, and its magnitude, each one function for any number of traces."""

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import simpson

FEATURES: tuple[str, ...] = (
    "auc_dff_s",
    "peak_dff",
    "peak_latency_s",
    "trough_dff",
    "trough_latency_s",
    "peak_to_trough_dff",
    "slope_dff_per_s",
    "fwhm_s",
    "energy_dff2",
    "mean_0_500ms_dff",
    "mean_500_1000ms_dff",
    "skewness",
    "kurtosis",
    "zero_crossings",
    "rise_time_s",
    "decay_time_s",
)


def response_features(
    trace: NDArray[np.floating],  # (..., n_samples), dF/F
    times_s: NDArray[np.floating],  # (n_samples,), seconds from onset, increasing
) -> dict[str, NDArray[np.float64]]:  # each (...)
    """The features named in ``FEATURES``, in that order, of each trace.

    ``trace`` (..., n_samples), dF/F; ``times_s`` (n_samples,), seconds from onset. Each feature is float64 of
    the leading shape (...). Over the whole window:

    - auc_dff_s: Simpson's integral; energy_dff2: sum of squares over samples
    - peak_dff, trough_dff: largest and smallest value; *_latency_s: time of the first such value, negative
      when it lies before onset; peak_to_trough_dff: their difference
    - slope_dff_per_s: least-squares line over 0 to 0.2 s, both included
    - fwhm_s: last minus first time at or above half the peak; 0 with fewer than two such samples
    - mean_0_500ms_dff, mean_500_1000ms_dff: means over [0, 0.5) and [0.5, 1.0) s
    - skewness, kurtosis (Fisher, 0 for a normal law): biased moments, as ``scipy.stats`` gives by default
    - zero_crossings: changes of sign from one sample to the next; through an exact 0 counts as two
    - rise_time_s: first time at or above 90 % less first time at or above 10 % of the trace scaled to 0 .. 1
    - decay_time_s: first time from the peak on at or below half the peak, less the peak's time; 0 when never

    A constant trace has rise time 0 and NaN skewness and kurtosis. A trace with a value that is not finite is
    NaN in all features. Raises ValueError when shapes disagree, times do not strictly increase, or the window
    lacks two samples in 0 to 0.2 s or one in either interval of the means. Source: the feature definitions of
    the visual-behaviour omission study whose table is in ``shared/recordings``.
    """
    trace, times_s = np.asarray(trace, dtype=np.float64), np.asarray(times_s, dtype=np.float64)
    if times_s.ndim != 1 or trace.ndim < 1 or trace.shape[-1] != len(times_s):
        raise ValueError(f"trace must be (..., n_samples of times_s), got {trace.shape} with {times_s.shape}")
    if not np.isfinite(times_s).all() or (np.diff(times_s) <= 0).any():
        raise ValueError("times_s must be finite and strictly increase")
    rows = trace.reshape(-1, len(times_s))
    finite = np.isfinite(rows).all(axis=1)
    found = _features_of_finite(rows[finite], times_s)
    features = {}
    for name in FEATURES:
        column = np.full(len(rows), np.nan)
        column[finite] = found[name]
        features[name] = column.reshape(trace.shape[:-1])
    return features


def response_magnitude(
    trace: NDArray[np.floating],  # (..., n_samples), any unit
    times_s: NDArray[np.floating],  # (n_samples,), seconds from onset
) -> NDArray[np.float64]:  # (...)
    """Mean over 0 to 1 s less mean over -1 to 0 s, each without its end, in the trace's unit.

    ``trace`` (..., n_samples); ``times_s`` (n_samples,), seconds from onset. NaN where a sample is, and everywhere when
    the times don't span -1 to 1 s. Source: the visual-behaviour omission study's repeat on inferred spikes.
    """
    trace, times_s = np.asarray(trace, dtype=np.float64), np.asarray(times_s, dtype=np.float64)
    if trace.shape[-1:] != times_s.shape:
        raise ValueError(f"trace must be (..., n_samples of times_s), got {trace.shape} with {times_s.shape}")
    if times_s[0] > -1 or times_s[-1] < 1:
        return np.full(trace.shape[:-1], np.nan)
    rows = trace.reshape(-1, len(times_s))
    return (_mean_between(rows, times_s, 0.0, 1.0) - _mean_between(rows, times_s, -1.0, 0.0)).reshape(trace.shape[:-1])


def _features_of_finite(y: NDArray[np.float64], t: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Features of traces ``y`` (n_traces, n_samples), all finite, at times ``t`` (n_samples,)."""
    at_peak, at_trough = y.argmax(axis=1), y.argmin(axis=1)
    peak, trough = y.max(axis=1), y.min(axis=1)
    skewness, kurtosis = _moments(y)
    return {
        "auc_dff_s": simpson(y, x=t, axis=1),
        "peak_dff": peak,
        "peak_latency_s": t[at_peak],
        "trough_dff": trough,
        "trough_latency_s": t[at_trough],
        "peak_to_trough_dff": peak - trough,
        "slope_dff_per_s": _slope(y, t),
        "fwhm_s": _width(y, t, peak / 2),
        "energy_dff2": np.einsum("ij,ij->i", y, y),
        "mean_0_500ms_dff": _mean_between(y, t, 0.0, 0.5),
        "mean_500_1000ms_dff": _mean_between(y, t, 0.5, 1.0),
        "skewness": skewness,
        "kurtosis": kurtosis,
        "zero_crossings": np.count_nonzero(np.diff(np.sign(y), axis=1), axis=1).astype(np.float64),
        "rise_time_s": _rise_time(y, t, peak, trough),
        "decay_time_s": _decay_time(y, t, peak, at_peak),
    }


def _slope(y: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    early = (t >= 0) & (t <= 0.2)
    if np.count_nonzero(early) < 2:
        raise ValueError(f"slope needs 2 samples between 0 and 0.2 s, times_s has {np.count_nonzero(early)}")
    centred = t[early] - t[early].mean()
    # The weights of a least-squares slope sum to 0, so the trace need not be centred.
    return y[:, early] @ (centred / (centred @ centred))


def _width(y: NDArray[np.float64], t: NDArray[np.float64], half: NDArray[np.float64]) -> NDArray[np.float64]:
    above = y >= half[:, None]
    first, last = above.argmax(axis=1), len(t) - 1 - above[:, ::-1].argmax(axis=1)
    # Without any sample above (a peak below zero) first and last are the two ends.
    return np.where(above.any(axis=1), t[last] - t[first], 0.0)


def _mean_between(y: NDArray[np.float64], t: NDArray[np.float64], from_s: float, to_s: float) -> NDArray[np.float64]:
    within = (t >= from_s) & (t < to_s)
    if not within.any():
        raise ValueError(f"times_s has no sample between {from_s} and {to_s} s")
    return y[:, within].mean(axis=1)


def _moments(y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Biased skewness and excess kurtosis, NaN for traces constant to rounding, as in scipy.stats."""
    mean = y.mean(axis=1)
    deviation = y - mean[:, None]
    squares = deviation**2
    second = squares.mean(axis=1)
    constant = second <= (np.finfo(np.float64).resolution * mean) ** 2
    second = np.where(constant, np.nan, second)
    skewness = (squares * deviation).mean(axis=1) / second**1.5
    kurtosis = (squares**2).mean(axis=1) / second**2 - 3.0
    return skewness, kurtosis


def _rise_time(
    y: NDArray[np.float64], t: NDArray[np.float64], peak: NDArray[np.float64], trough: NDArray[np.float64]
) -> NDArray[np.float64]:
    span = peak - trough
    scaled = (y - trough[:, None]) / np.where(span > 0, span, 1.0)[:, None]
    rise = t[(scaled >= 0.9).argmax(axis=1)] - t[(scaled >= 0.1).argmax(axis=1)]
    return np.where(span > 0, rise, 0.0)


def _decay_time(
    y: NDArray[np.float64], t: NDArray[np.float64], peak: NDArray[np.float64], at_peak: NDArray[np.intp]
) -> NDArray[np.float64]:
    fallen = (y <= peak[:, None] / 2) & (np.arange(len(t)) >= at_peak[:, None])
    return np.where(fallen.any(axis=1), t[fallen.argmax(axis=1)] - t[at_peak], 0.0)
