"""Is a ROI locked to the stimuli: its r2 against what the same stimuli explain at all other times.

Under the null hypothesis a trace knows nothing of when the stimuli were, so that the regressors could as well have
been shifted in time, around the recording's end. Shifting leaves what the regressors are among themselves as it is, so
one solve serves all shifts, and the r2 of all of them comes from cross-correlations, by Fourier transform.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.stats import false_discovery_control

from models.regressor_fits import Orthonormal, centred_rows, orthonormal
from models.regressors import Regressors

_FEWEST_FRAMES = 40
# Null statistics are counted in bins a thousandth wide, so that memory doesn't grow with their number.
_BINS_PER_E = 1000
_LOWEST, _HIGHEST = np.log(1e-6), np.log(1e6)
_N_BINS = int((_HIGHEST - _LOWEST) * _BINS_PER_E)
# Of r2, which rounding moves in its last digits.
_TIE = 1e-10


@dataclass(frozen=True)
class ShiftTest:
    """How ROIs are selected.

    ``null`` 'own': p is the share of all shifts, the true one counted, at which the stimuli explain as much of the ROI;
    no smaller than 1 / n_frames, which many ROIs and few that respond may need. 'pooled': r2 is taken relative to the
    ROI's mean r2 over the shifts that realign least, and compared with the same of all ROIs at all such shifts, so
    that p can be as small as 1 / (n_rois * n_shifts). ``fdr`` is the false-discovery rate, and ``share_of_shifts``
    how many of all shifts the pooled null takes: those at which the regressors are least like themselves, without
    those by about a stimulus interval, at which a train of stimuli falls on itself. Raises ValueError for rates or
    shares that aren't between 0 and 1.
    """

    null: Literal["pooled", "own"] = "pooled"
    fdr: float = 0.05
    share_of_shifts: float = 0.5

    def __post_init__(self) -> None:
        if self.null not in ("pooled", "own"):
            raise ValueError(f"null must be 'pooled' or 'own', got {self.null!r}")
        for name in ("fdr", "share_of_shifts"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class ShiftSelection:
    """Which ROIs are locked to the stimuli.

    ``r2`` (n_rois,) of the fit; ``null_r2`` (n_rois,) the ROI's mean r2 over the shifts taken; ``p`` and ``q``
    (n_rois,), and ``selected`` where q, after Benjamini and Hochberg, is at most the false-discovery rate asked for.
    NaN and False for ROIs that can't be fitted. ``n_shifts`` shifts made the null, and none was by fewer frames than
    ``smallest_shift_frames``. ``null_counts`` (100,) are the null r2 of all ROIs at those shifts in bins of 0.01, for
    a histogram.
    """

    r2: NDArray[np.float64]
    null_r2: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    selected: NDArray[np.bool_]
    n_shifts: int
    smallest_shift_frames: int
    null_counts: NDArray[np.int64]


def shift_selection(
    dff: NDArray[np.floating],  # (n_rois, n_frames)
    regressors: Regressors,
    test: ShiftTest = ShiftTest(),
) -> ShiftSelection:
    """ROIs whose r2 is more than the same regressors explain of them at other times, false discoveries controlled.

    Both nulls hold for any autocorrelation, provided that a trace is as it is throughout the recording. Drift and
    bleaching should be out of traces and regressors (``models.baselines.without_drift``); traces that wander for a
    twentieth of the recording or longer are farthest from their mean at its ends, and stimuli there are taken for
    responses more often than the rate says. Of single ROIs the own null alone is exact; p of the pooled one is right
    on average over ROIs that don't respond, which is what the rate is about, and those that do respond are in the null
    too, which makes it stricter. What ROIs share (movement, neuropil) they can share a chance alignment in: the rate
    is an average over recordings then, not that of each. Raises ValueError for shapes, collinear regressors, or fewer
    than 40 frames. Method: circular shifts as in Harris (2021), all of them; pooling as in Storey and Tibshirani
    (2003).
    """
    basis = orthonormal(regressors)
    n_rois, n_frames = len(dff), regressors.n_frames
    if n_frames < _FEWEST_FRAMES:
        raise ValueError(f"shifts need a recording of at least {_FEWEST_FRAMES} frames, got {n_frames}")
    least = least_alike_shifts(regressors, test.share_of_shifts)
    r2, null_r2, statistic, p = (np.full(n_rois, np.nan) for _ in range(4))
    counts, null_counts = np.zeros(_N_BINS, dtype=np.int64), np.zeros(100, dtype=np.int64)
    weight = rfft(np.isin(np.arange(n_frames), least) / len(least))
    for rois, at_shift, fitted in _r2_at_shifts(dff, basis):
        # The mean over the chosen shifts seen from each shift, as the true one's is seen from it: it is as if each
        # shift in turn were the true one, so that none is compared with a mean that it is part of.
        mean = irfft(rfft(at_shift, axis=1) * weight.conj(), n=n_frames, axis=1)
        r2[rois], null_r2[rois] = at_shift[:, 0], mean[:, 0]
        if test.null == "own":
            p[rois] = (at_shift >= at_shift[:, :1] - _TIE).mean(axis=1)
        else:
            relative = _bin(at_shift[:, least], mean[:, least])
            counts += np.bincount(relative[fitted].ravel(), minlength=_N_BINS)
            statistic[rois] = _bin(at_shift[:, 0], mean[:, 0])
        null_counts += np.bincount(
            np.minimum((at_shift[fitted][:, least] * 100).astype(int), 99).ravel(), minlength=100
        )
        for found in (r2, null_r2, statistic, p):
            found[rois][~fitted] = np.nan
    there = np.isfinite(r2)
    if test.null == "pooled":
        as_large = np.cumsum(counts[::-1])[::-1]
        p[there] = (1 + as_large[statistic[there].astype(int)]) / (1 + counts.sum())
    q = np.full(n_rois, np.nan)
    if there.any():
        q[there] = false_discovery_control(p[there])
    with np.errstate(invalid="ignore"):
        selected = q <= test.fdr
    if test.null == "own":
        return ShiftSelection(r2, null_r2, p, q, selected, n_frames - 1, 1, null_counts)
    return ShiftSelection(r2, null_r2, p, q, selected, len(least), _smallest(least, n_frames), null_counts)


def r2_at_all_shifts(dff: NDArray[np.floating], regressors: Regressors) -> NDArray[np.float64]:  # (n_rois, n_frames)
    """r2 of each ROI on the regressors shifted by each number of frames, around the recording's end.

    ``dff`` (n_rois, n_frames); column s has the regressors s frames later (``np.roll``), so the first column is the
    regression's own r2. NaN for ROIs that can't be fitted. Raises ValueError for shapes or collinear regressors.
    """
    found = np.full((len(dff), regressors.n_frames), np.nan)
    for rois, at_shift, fitted in _r2_at_shifts(dff, orthonormal(regressors)):
        found[rois] = np.where(fitted[:, None], at_shift, np.nan)
    return found


def likeness_at_shifts(regressors: Regressors) -> NDArray[np.float64]:  # (n_frames,)
    """How much regressors shifted by each number of frames say of the unshifted: mean squared canonical correlation.

    1 at no shift, and near 1 at the interval of a regular train of stimuli. Raises ValueError for collinear regressors.
    """
    rows = orthonormal(regressors).rows
    spectrum = rfft(rows, axis=1)
    likeness = np.zeros(regressors.n_frames)
    for row in spectrum:
        likeness += (irfft(row.conj() * spectrum, n=regressors.n_frames, axis=1) ** 2).sum(axis=0)
    return likeness / len(rows)


def least_alike_shifts(regressors: Regressors, share: float = 0.5) -> NDArray[np.int64]:  # (n_shifts,)
    """The share of all shifts at which the regressors are least like the unshifted ones, in frames, ascending."""
    likeness = likeness_at_shifts(regressors)
    return np.sort(np.argsort(likeness, kind="stable")[: max(1, int(share * len(likeness)))]).astype(np.int64)


def _r2_at_shifts(
    dff: NDArray[np.floating], basis: Orthonormal
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_]]]:
    n_frames = basis.rows.shape[1]
    dff = np.asarray(dff)
    if dff.ndim != 2 or dff.shape[1] != n_frames:
        raise ValueError(f"traces must be (n_rois, {n_frames}) as the regressors are, got {dff.shape}")
    spectrum = rfft(basis.rows, axis=1).conj()  # (n_regressors, n_frequencies)
    for rois, _, centred, fitted in centred_rows(dff, copies=4):
        total = np.einsum("rf,rf->r", centred, centred)
        traces = rfft(centred, axis=1)  # (n_some, n_frequencies)
        explained = np.zeros_like(centred)
        for one in spectrum:
            along = irfft(traces * one, n=n_frames, axis=1, overwrite_x=True)  # (n_some, n_frames)
            along *= along
            explained += along
        explained /= np.where(fitted, total, 1.0)[:, None]
        yield rois, explained, fitted


def _bin(r2: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of r2 relative to the ROI's mean."""
    tiny = np.finfo(float).tiny
    relative = np.log(np.maximum(r2, tiny) / np.maximum(mean, tiny))
    return ((np.clip(relative, _LOWEST, _HIGHEST - 1e-9) - _LOWEST) * _BINS_PER_E).astype(np.int64)


def _smallest(shifts: NDArray[np.int64], n_frames: int) -> int:
    return int(np.minimum(shifts, n_frames - shifts).min())
