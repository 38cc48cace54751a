"""Noise-free shapes of simulated fluorescence, in closed form: what a flash and an omission evoke.

A drive (a box for a flash, a ramp for an omission) is convolved with a calcium indicator's kernel (1 - exp(-t
/ rise)) exp(-t / decay), which is the difference of two exponentials, so each convolution is exact.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Array = NDArray[np.float64]
# A response over time: times, seconds of drive, rise and decay in seconds; any shape in, same shape out.
Shape = Callable[[Array, float, float, float], Array]


def indicator_kernel(t_s: Array, rise_s: float, decay_s: float) -> Array:
    """The indicator's response to an instant of drive, any shape in, same shape out, not normalised.

    ``t_s`` seconds from the instant; zero before it. ``rise_s`` and ``decay_s`` are time constants in
    seconds.
    """
    t = np.maximum(t_s, 0.0)
    return (1 - np.exp(-t / rise_s)) * np.exp(-t / decay_s)


def flash_response(t_s: Array, flash_s: float, rise_s: float, decay_s: float) -> Array:
    """Fluorescence evoked by a flash of ``flash_s`` seconds, scaled to a peak of 1.

    ``t_s`` seconds from the flash's onset, any shape. Raises ValueError for times or constants that are not
    positive.
    """
    _check_positive(flash_s=flash_s, rise_s=rise_s, decay_s=decay_s)
    peak_s = _peak_s(_box, flash_s, rise_s, decay_s)
    return _box(t_s, flash_s, rise_s, decay_s) / _box(peak_s, flash_s, rise_s, decay_s)


def ramp_response(t_s: Array, ramp_s: float, rise_s: float, decay_s: float) -> Array:
    """Fluorescence evoked by activity that climbs in a line for ``ramp_s`` seconds, scaled to a peak of 1.

    ``t_s`` seconds from the ramp's start, any shape. Raises ValueError for times or constants that are not
    positive.
    """
    _check_positive(ramp_s=ramp_s, rise_s=rise_s, decay_s=decay_s)
    peak_s = _peak_s(_ramp, ramp_s, rise_s, decay_s)
    return _ramp(t_s, ramp_s, rise_s, decay_s) / _ramp(peak_s, ramp_s, rise_s, decay_s)


def flash_drive(t_s: Array, flash_s: float, rise_s: float, decay_s: float) -> Array:
    """The rate behind ``flash_response``, per second: spikes each of which evokes a transient with a peak of 1.

    ``t_s`` seconds from the flash's onset, any shape; constant from 0 up to ``flash_s``, zero elsewhere. Raises
    ValueError for times or constants that are not positive.
    """
    _check_positive(flash_s=flash_s, rise_s=rise_s, decay_s=decay_s)
    peak = _box(_peak_s(_box, flash_s, rise_s, decay_s), flash_s, rise_s, decay_s)
    t = np.asarray(t_s)
    return ((t >= 0) & (t < flash_s)) * (_kernel_peak(rise_s, decay_s) / peak)


def ramp_drive(t_s: Array, ramp_s: float, rise_s: float, decay_s: float) -> Array:
    """The rate behind ``ramp_response``, as in ``flash_drive``: it climbs in a line from 0 up to ``ramp_s``."""
    _check_positive(ramp_s=ramp_s, rise_s=rise_s, decay_s=decay_s)
    peak = _ramp(_peak_s(_ramp, ramp_s, rise_s, decay_s), ramp_s, rise_s, decay_s)
    t = np.asarray(t_s)
    return np.where((t >= 0) & (t < ramp_s), t / ramp_s, 0.0) * (_kernel_peak(rise_s, decay_s) / peak)


def ramp_peak_latency_s(ramp_s: float, rise_s: float, decay_s: float) -> float:
    """Time of the peak of ``ramp_response``, seconds from the ramp's start: a little after the ramp stops."""
    _check_positive(ramp_s=ramp_s, rise_s=rise_s, decay_s=decay_s)
    return float(_peak_s(_ramp, ramp_s, rise_s, decay_s))


def omission_response(
    t_s: Array,  # (n_times,), seconds from the omitted flash's expected onset
    ramp_dff: Array,  # (n_units,), dF/F
    flash_dff: Array,  # (n_units,), dF/F
    flash_interval_s: float,
    flash_s: float,
    rise_s: float,
    decay_s: float,
) -> Array:  # (n_units, n_times)
    """Noise-free fluorescence around one omission in an endless train of flashes, (n_units, n_times), dF/F.

    The ramp from the expected onset to the next flash, and the responses to the flashes before and after it.
    """
    ramp = ramp_response(t_s, flash_interval_s, rise_s, decay_s)
    first = int(np.floor((t_s.min() - support_s(flash_s, decay_s)) / flash_interval_s))
    last = int(np.ceil(t_s.max() / flash_interval_s))
    flashes = sum(
        flash_response(t_s - k * flash_interval_s, flash_s, rise_s, decay_s) for k in range(first, last + 1) if k != 0
    )
    return np.outer(ramp_dff, ramp) + np.outer(flash_dff, flashes)


def support_s(drive_s: float, decay_s: float) -> float:
    """Seconds from a drive's onset after which its response is under a millionth of its peak."""
    return drive_s + 16 * decay_s


def _box(t_s: Array, length_s: float, rise_s: float, decay_s: float) -> Array:
    return _difference(_box_through_exponential, t_s, length_s, rise_s, decay_s)


def _ramp(t_s: Array, length_s: float, rise_s: float, decay_s: float) -> Array:
    return _difference(_ramp_through_exponential, t_s, length_s, rise_s, decay_s)


def _difference(
    through: Callable[[Array, float, float], Array],
    t_s: Array,
    length_s: float,
    rise_s: float,
    decay_s: float,
) -> Array:
    fast_s = 1 / (1 / rise_s + 1 / decay_s)
    return through(t_s, length_s, decay_s) - through(t_s, length_s, fast_s)


def _box_through_exponential(t_s: Array, length_s: float, tau_s: float) -> Array:
    during, after = _during_and_after(t_s, length_s)
    return tau_s * (1 - np.exp(-during / tau_s)) * np.exp(-after / tau_s)


def _ramp_through_exponential(t_s: Array, length_s: float, tau_s: float) -> Array:
    during, after = _during_and_after(t_s, length_s)
    return tau_s / length_s * (during - tau_s * (1 - np.exp(-during / tau_s))) * np.exp(-after / tau_s)


def _during_and_after(t_s: Array, length_s: float) -> tuple[Array, Array]:
    """Seconds of the drive that have passed, and seconds since it stopped."""
    return np.clip(t_s, 0.0, length_s), np.maximum(np.asarray(t_s) - length_s, 0.0)


def _kernel_peak(rise_s: float, decay_s: float) -> float:
    return float(indicator_kernel(np.array(_kernel_peak_s(rise_s, decay_s)), rise_s, decay_s))


def _kernel_peak_s(rise_s: float, decay_s: float) -> float:
    return rise_s * np.log1p(decay_s / rise_s)


def _peak_s(shape: Shape, length_s: float, rise_s: float, decay_s: float) -> float:
    # The response climbs through the whole drive, and on for no more than the kernel's own time to peak.
    found = minimize_scalar(
        lambda t: -shape(t, length_s, rise_s, decay_s),
        bounds=(length_s, length_s + _kernel_peak_s(rise_s, decay_s)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x)


def _check_positive(**seconds: float) -> None:
    for name, value in seconds.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive, got {value}")
