"""dF/F from raw fluorescence: what each ROI, or each frame, is measured against, and slow drift taken out."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import percentile_filter

from models.regressors import Regressors


@dataclass(frozen=True, eq=False)
class Dff:
    """dF/F (n_rois, n_frames), a fraction, and which ROIs have it, (n_rois,).

    A ROI whose baseline isn't above 0 in every frame, as one of zeros, has none: its row is NaN.
    """

    values: NDArray[np.float64]
    has_baseline: NDArray[np.bool_]


def dff_over_own_percentile(raw: NDArray[np.floating], percentile: float = 5.0) -> Dff:
    """dF/F over a percentile of the ROI's own fluorescence in the whole recording.

    ``raw`` (n_rois, n_frames), any unit above 0. Raises ValueError for other shapes, values that aren't finite, or a
    percentile outside 0 to 100.
    """
    raw = _fluorescence(raw, percentile)
    return _over(raw, np.percentile(raw, percentile, axis=1, keepdims=True))


def dff_over_running_percentile(
    raw: NDArray[np.floating], rate_hz: float, window_s: float = 60.0, percentile: float = 8.0
) -> Dff:
    """dF/F over a percentile of the ROI's own fluorescence around each frame, so that bleaching goes with the baseline.

    ``raw`` (n_rois, n_frames); the window of ``window_s`` seconds, an odd number of frames, is centred on the frame
    and mirrored at the recording's ends. 8th percentile: Dombeck et al. (2007), there over 15 s. Raises ValueError as
    above, for a rate that isn't positive, or a window of less than three frames or longer than the recording.
    """
    raw = _fluorescence(raw, percentile)
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"rate_hz must be positive, got {rate_hz}")
    window = 2 * int(window_s * rate_hz / 2) + 1
    if not 3 <= window <= raw.shape[1]:
        raise ValueError(f"a window must have 3 to {raw.shape[1]} frames, got {window_s} s, which is {window} frames")
    # One ROI at a time: SciPy's fast filter of ranks is that of one dimension.
    return _over(raw, np.stack([percentile_filter(row, percentile, size=window, mode="mirror") for row in raw]))


def dff_over_percentile_across_rois(raw: NDArray[np.floating], percentile: float = 5.0) -> Dff:
    """The tectum study's own dF/F: each frame over the percentile of all ROIs' fluorescence in that frame.

    It is no ROI's own baseline: the dimmest ROIs of a frame are what all are measured against, a ROI's dF/F depends on
    which others were drawn, and what dims all ROIs at once goes with it. ``raw`` (n_rois, n_frames). Raises ValueError
    as above, or for a frame whose percentile isn't above 0. Source: dFoverF_ROIs of amgfernandes/Imaging_analysis.
    """
    raw = _fluorescence(raw, percentile)
    baseline = np.percentile(raw, percentile, axis=0, keepdims=True)
    if (dark := np.flatnonzero(~(baseline[0] > 0))).size:
        raise ValueError(
            f"the {percentile:g}th percentile across ROIs isn't above 0 in {dark.size} frames, the first is {dark[0]}: "
            "leave ROIs of zeros out, or measure each ROI against its own baseline"
        )
    return _over(raw, baseline)


def without_drift(values: NDArray[np.floating], rate_hz: float, slowest_s: float) -> NDArray[np.float64]:
    """Rows less their mean, line and cosines with periods of ``slowest_s`` or more, (n_rows, n_frames).

    Traces and regressors are to be treated alike. Bleaching and drift of focus lie at a time of their own in the
    recording, so that shifted stimuli are no fair comparison for them. Rows with a missing frame come back NaN. Raises
    ValueError for a rate or period that isn't positive, or cosines that leave no frame. Method: the high-pass filter of
    SPM (Friston et al. 2007), and a line, which a few cosines follow badly at the ends.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"values must be (n_rows, n_frames), got {values.shape}")
    if not (np.isfinite(rate_hz) and rate_hz > 0 and np.isfinite(slowest_s) and slowest_s > 0):
        raise ValueError(f"rate_hz and slowest_s must be positive, got {rate_hz} and {slowest_s}")
    n_frames = values.shape[1]
    n_cosines = int(2 * n_frames / rate_hz / slowest_s)
    if n_cosines + 2 >= n_frames:
        raise ValueError(f"periods from {slowest_s} s on are all there is in {n_frames} frames at {rate_hz:g} Hz")
    middle = np.arange(n_frames) + 0.5
    cosines = np.cos(np.pi * np.arange(n_cosines + 1)[:, None] * middle / n_frames)  # (1 + n_cosines, n_frames)
    basis, _ = np.linalg.qr(np.vstack([cosines, middle / n_frames]).T)  # (n_frames, 2 + n_cosines)
    return values - (values @ basis) @ basis.T


def regressors_without_drift(regressors: Regressors, rate_hz: float, slowest_s: float) -> Regressors:
    """Regressors with the same slow changes removed as from the traces, so that coefficients stay what they were."""
    return replace(regressors, values=without_drift(regressors.values, rate_hz, slowest_s))


def _fluorescence(raw: NDArray[np.floating], percentile: float) -> NDArray[np.float64]:
    raw = np.asarray(raw, dtype=np.float64)
    if raw.ndim != 2 or not raw.size or not np.isfinite(raw).all():
        raise ValueError(f"fluorescence must be (n_rois, n_frames) and finite, got {raw.shape}")
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile must be 0 to 100, got {percentile}")
    return raw


def _over(raw: NDArray[np.float64], baseline: NDArray[np.float64]) -> Dff:
    baseline = np.broadcast_to(baseline, raw.shape)
    has_baseline = (baseline > 0).all(axis=1)
    dff = np.full(raw.shape, np.nan)
    dff[has_baseline] = raw[has_baseline] / baseline[has_baseline] - 1
    return Dff(dff, has_baseline)
