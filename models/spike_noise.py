"""What must be known of a recording before inferred spikes are believed: noise of its dF/F, and rates that come out."""

import numpy as np
from numpy.typing import NDArray


def noise_level(
    dff: NDArray[np.floating],  # (n_units, n_frames), fraction
    rate_hz: float,
) -> NDArray[np.float64]:  # (n_units,)
    """Noise of each unit's dF/F that doesn't depend on the frame rate, in % Hz^-1/2.

    The median absolute difference of consecutive frames, over the square root of the rate. ``dff`` is a fraction,
    NaN where missing; differences with a missing frame are left out. NaN for a unit without two frames in a row.
    White noise of s.d. s gives 100 * 0.954 * s / sqrt(rate_hz). Raises ValueError for a rate that isn't positive, or
    shapes other than (n_units, n_frames). Source: Rupprecht et al. (2021), CASCADE, equation of the noise level nu.
    """
    dff = _matrix(dff, rate_hz)
    steps = np.abs(np.diff(dff, axis=1))
    level = np.full(len(dff), np.nan)
    measured = np.isfinite(steps).any(axis=1)
    level[measured] = np.nanmedian(steps[measured], axis=1)
    return 100.0 * level / np.sqrt(rate_hz)


def mean_rate_hz(
    spike_prob: NDArray[np.floating],  # (n_units, n_frames), expected spikes per frame
    rate_hz: float,
) -> NDArray[np.float64]:  # (n_units,)
    """Expected spikes per second of each unit: their sum over the frames that have a value, by those frames' length.

    NaN for a unit without a value (inference leaves out the frames at a recording's ends). Raises ValueError for a
    rate that isn't positive, or shapes other than (n_units, n_frames).
    """
    spike_prob = _matrix(spike_prob, rate_hz)
    there = np.isfinite(spike_prob)
    count = there.sum(axis=1)
    total = np.where(there, spike_prob, 0.0).sum(axis=1, dtype=np.float64)
    return np.divide(total * rate_hz, count, out=np.full(len(count), np.nan), where=count > 0)


def _matrix(values: NDArray[np.floating], rate_hz: float) -> NDArray[np.floating]:
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"values must be (n_units, n_frames), got {values.shape}")
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"rate_hz must be positive, got {rate_hz}")
    return values
