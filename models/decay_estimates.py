"""An indicator's decay as the recording itself shows it: literature values are of other animals and temperatures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from models.indicator_kernels import Kernel
from models.regressor_fits import fit_regressors
from models.regressors import event_regressors

_RESAMPLES = 200


@dataclass(frozen=True, eq=False)
class DecayEstimate:
    """A decay, the interval that holds it with 95 %, and the correlations that it was read from.

    ``decay_s``, ``low_s`` and ``high_s`` (bootstrap over ROIs), seconds; ``lag_s`` and ``autocovariance`` (n_lags,),
    the latter summed over ROIs of unit variance and divided by their number.
    """

    decay_s: float
    low_s: float
    high_s: float
    lag_s: NDArray[np.float64]
    autocovariance: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BestDecay:
    """The decay with which stimuli explain most, and the mean r2 over ROIs of each one tried, (n_tried,)."""

    decay_s: float
    tried_s: NDArray[np.float64]
    mean_r2: NDArray[np.float64]

    @property
    def at_edge(self) -> bool:
        """Whether it is the shortest or longest tried: then the best may lie beyond, and this is no estimate."""
        return self.decay_s in (self.tried_s.min(), self.tried_s.max())


def decay_from_autocorrelation(
    dff: NDArray[np.floating],  # (n_rois, n_frames)
    rate_hz: float,
    event_frames: NDArray[np.integer],  # (n_events,), of all stimuli together
    avoid_s: float,
    longest_s: float,
    seed: int = 0,
) -> DecayEstimate:
    """The decay of what happens by itself: autocovariance of the frames that no stimulus touches.

    Transients that start at random and fall with exp(-t / decay) have an autocovariance that falls so too; noise of
    single frames adds to it at lag 0 alone, which is left out. Frames from an event to ``avoid_s`` after it are left
    out, as are ROIs that never change or miss a frame; lags run from one frame to ``longest_s``. Drift has to be out
    of the traces before, and whatever else is slow lengthens the estimate. Raises ValueError for shapes, fewer than
    three lags, fewer than ten lags' length of frames left, or traces without positive autocovariance at the first lag.
    """
    dff = np.asarray(dff, dtype=np.float64)
    if dff.ndim != 2:
        raise ValueError(f"traces must be (n_rois, n_frames), got {dff.shape}")
    n_lags = int(longest_s * rate_hz)
    if n_lags < 3:
        raise ValueError(f"an exponential needs three lags, got {n_lags} up to {longest_s} s at {rate_hz:g} Hz")
    free = np.ones(dff.shape[1], dtype=bool)
    for frame in np.asarray(event_frames, dtype=np.int64):
        free[frame : frame + int(np.ceil(avoid_s * rate_hz)) + 1] = False
    if free.sum() < 10 * n_lags:
        raise ValueError(f"{free.sum()} frames without stimuli are too few for lags of up to {n_lags} frames")
    traces = dff[np.isfinite(dff).all(axis=1)]
    traces = traces[np.ptp(traces[:, free], axis=1) > 0]
    if not len(traces):
        raise ValueError("no ROI changes between the stimuli: there is no decay to be seen")
    traces = traces - traces[:, free].mean(axis=1, keepdims=True)
    traces /= traces[:, free].std(axis=1, keepdims=True)
    by_roi = np.stack([_lagged(traces, free, lag) for lag in range(1, n_lags + 1)], axis=1)  # (n_rois, n_lags)
    lag_s = np.arange(1, n_lags + 1) / rate_hz
    decay_s = _fitted(lag_s, by_roi.mean(axis=0))
    rng = np.random.default_rng(seed)
    drawn = [by_roi[rng.integers(len(by_roi), size=len(by_roi))].mean(axis=0) for _ in range(_RESAMPLES)]
    low_s, high_s = np.quantile([_fitted(lag_s, one) for one in drawn if one[0] > 0], (0.025, 0.975))
    return DecayEstimate(decay_s, float(low_s), float(high_s), lag_s, by_roi.mean(axis=0))


def best_decay(
    dff: NDArray[np.floating],  # (n_rois, n_frames)
    event_frames: Mapping[str, NDArray[np.integer]],
    rate_hz: float,
    tried_s: Sequence[float],
) -> BestDecay:
    """Of the decays tried, in seconds, the one whose regressors explain most of the ROIs, by mean r2.

    Each has as many coefficients as the others, so that r2 of the same frames compares them. Drift has to be out of the
    traces before: the slower the kernel, the more of it the stimuli seem to explain. Raises ValueError for none to
    try, no ROI to fit, and as the regression does.
    """
    if not len(tried_s):
        raise ValueError("there is no decay to try")
    tried = np.asarray(tried_s, dtype=np.float64)
    n_frames = np.asarray(dff).shape[1]
    r2 = np.array(
        [fit_regressors(dff, event_regressors(event_frames, Kernel(one), rate_hz, n_frames)).r2 for one in tried]
    )  # (n_tried, n_rois)
    if not (fitted := np.isfinite(r2[0])).any():
        raise ValueError("no ROI changes and has all its frames: there is no decay to be seen")
    mean_r2 = r2[:, fitted].mean(axis=1)
    return BestDecay(float(tried[mean_r2.argmax()]), tried, mean_r2)


def _lagged(traces: NDArray[np.float64], free: NDArray[np.bool_], lag: int) -> NDArray[np.float64]:  # (n_rois,)
    both = free[lag:] & free[:-lag]
    return (traces[:, lag:][:, both] * traces[:, :-lag][:, both]).mean(axis=1)


def _fitted(lag_s: NDArray[np.float64], autocovariance: NDArray[np.float64]) -> float:
    """The decay of height * exp(-lag / decay), by least squares; both are kept positive by their logarithms."""
    if not autocovariance[0] > 0:
        raise ValueError("traces don't resemble themselves one frame later: there is no decay to be seen")
    start = np.log([autocovariance[0], lag_s[len(lag_s) // 3]])
    found = least_squares(lambda x: np.exp(x[0] - lag_s / np.exp(x[1])) - autocovariance, start)
    return float(np.exp(found.x[1]))
