"""Responses of cells to events: fluorescence around each onset, on one common grid of times."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Edge = Literal["drop", "hold"]


@dataclass(frozen=True)
class Window:
    """Times around an onset at which a response is read.

    ``start_s`` and ``stop_s`` are seconds from onset, both included; ``n_samples`` is the number of evenly
    spaced times. Raises ValueError unless ``start_s < 0 < stop_s`` (the samples before onset are the
    baseline) and ``n_samples >= 2``.
    """

    start_s: float = -1.0
    stop_s: float = 2.0
    n_samples: int = 90

    def __post_init__(self) -> None:
        if not self.start_s < self.stop_s:
            raise ValueError(f"window must run forward, got {self.start_s} to {self.stop_s} s")
        if not (np.isfinite(self.start_s) and np.isfinite(self.stop_s)):
            raise ValueError(f"window must be finite, got {self.start_s} to {self.stop_s} s")
        if not self.start_s < 0 < self.stop_s:
            raise ValueError(f"window must begin before and end after onset, got {self.start_s} to {self.stop_s} s")
        if isinstance(self.n_samples, bool) or not isinstance(self.n_samples, int | np.integer):
            raise ValueError(f"n_samples must be a whole number, got {self.n_samples!r}")
        if self.n_samples < 2:
            raise ValueError(f"n_samples must be at least 2, got {self.n_samples}")

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Times of the samples, (n_samples,), seconds from onset."""
        return np.linspace(self.start_s, self.stop_s, self.n_samples)

    @property
    def baseline(self) -> NDArray[np.bool_]:
        """Which samples lie before onset, (n_samples,)."""
        return self.times_s < 0


@dataclass(frozen=True, eq=False)
class EventResponses:
    """Baseline-subtracted responses of each unit to each kept event.

    ``values`` is (n_units, n_kept_events, n_samples), dF/F; ``kept`` is (n_events,), False where the window
    ran over the recording's edge; ``n_dropped`` is their number.
    """

    values: NDArray[np.floating]
    kept: NDArray[np.bool_]
    n_dropped: int


@dataclass(frozen=True, eq=False)
class MeanResponse:
    """Each unit's mean response over events.

    ``mean`` and ``sem`` are (n_units, n_samples), dF/F; ``n_events`` is (n_units,), the events that each mean
    rests on (those without a missing frame); ``n_dropped`` counts the events left out for the recording's
    edge.
    """

    mean: NDArray[np.float64]
    sem: NDArray[np.float64]
    n_events: NDArray[np.int64]
    n_dropped: int


@dataclass(frozen=True, eq=False)
class _Grid:
    """Where each sample of each kept event falls between two frames; the same for every unit."""

    before: NDArray[np.intp]  # (n_kept, n_samples), the frame at or before the sample
    weight: NDArray[np.float64]  # (n_kept, n_samples), share of the frame after it, 0 to 1
    baseline: NDArray[np.float64]  # (n_samples,), weights: a response times these is its baseline mean
    kept: NDArray[np.bool_]  # (n_events,)


def event_responses(
    dff: NDArray[np.floating],  # (n_units, n_frames), fraction
    frame_s: NDArray[np.floating],  # (n_frames,), seconds, increasing
    onset_s: NDArray[np.floating],  # (n_events,), seconds
    window: Window,
    edge: Edge = "drop",
) -> EventResponses:
    """Fluorescence of every unit around every event, interpolated linearly and less its baseline.

    ``dff`` (n_units, n_frames), a fraction, float; ``frame_s`` (n_frames,) and ``onset_s`` (n_events,),
    seconds on one clock. Returns values (n_units, n_kept_events, n_samples) in the precision of ``dff``
    (float32 or float64); the baseline is the mean of the samples before onset, per unit and event.

    ``edge="drop"`` (protocol `rigorous`) leaves out, and counts, events whose window is not wholly within the
    first and last frame; ``edge="hold"`` (`published`) holds the value of the recording's edge, as
    ``np.interp`` does. NaN in ``dff`` means missing: an event with a sample between two frames of which one
    is missing is NaN throughout, in that unit. Raises ValueError for frame times that do not strictly
    increase, onsets that are not finite, infinite fluorescence, or shapes that do not belong together.
    """
    dff, grid = _checked(dff, frame_s, onset_s, window, edge)
    values = np.empty((len(dff), *grid.before.shape), dtype=dff.dtype)
    weight = grid.weight.astype(dff.dtype)
    scratch = np.empty(grid.before.shape, dtype=dff.dtype)
    for trace, out in zip(dff, values, strict=True):
        _respond(trace, grid, weight, out, scratch)
    return EventResponses(values, grid.kept, int((~grid.kept).sum()))


def mean_response(
    dff: NDArray[np.floating],  # (n_units, n_frames), fraction
    frame_s: NDArray[np.floating],  # (n_frames,), seconds, increasing
    onset_s: NDArray[np.floating],  # (n_events,), seconds
    window: Window,
    edge: Edge = "drop",
) -> MeanResponse:
    """Each unit's mean baseline-subtracted response over events, and its standard error.

    Arguments, ``edge`` and refusals as in ``event_responses``. Returns mean and sem (n_units, n_samples),
    dF/F, float64, and the number of events per unit. Events that touch a missing frame are left out, so the
    mean is what ``np.nanmean`` over ``event_responses(...).values`` gives; without events the mean is NaN,
    with fewer than two the sem is NaN. One unit is held at a time: memory grows with n_events, not with
    n_units * n_events.
    """
    dff, grid = _checked(dff, frame_s, onset_s, window, edge)
    n_units, n_samples = len(dff), window.n_samples
    mean = np.full((n_units, n_samples), np.nan)
    sem = np.full((n_units, n_samples), np.nan)
    n_events = np.zeros(n_units, dtype=np.int64)
    responses, scratch = np.empty(grid.before.shape), np.empty(grid.before.shape)
    for unit, trace in enumerate(dff):
        _respond(trace.astype(np.float64, copy=False), grid, grid.weight, responses, scratch)
        # A missing frame makes its whole event NaN, so one sample tells.
        whole = ~np.isnan(responses[:, 0])
        n = n_events[unit] = np.count_nonzero(whole)
        kept = responses if n == len(responses) else responses[whole]
        if n > 0:
            mean[unit] = kept.mean(axis=0)
        if n > 1:
            kept -= mean[unit]
            sem[unit] = np.sqrt(np.einsum("es,es->s", kept, kept) / (n - 1) / n)
    return MeanResponse(mean, sem, n_events, int((~grid.kept).sum()))


def _respond(
    trace: NDArray[np.floating],
    grid: _Grid,
    weight: NDArray[np.floating],
    out: NDArray[np.floating],
    scratch: NDArray[np.floating],
) -> None:
    """Write one unit's responses (n_kept, n_samples) into ``out``."""
    # mode="clip" lets take write straight into out; every index is in range already.
    np.take(trace, grid.before, out=out, mode="clip")
    np.take(np.diff(trace), grid.before, out=scratch, mode="clip")
    scratch *= weight
    out += scratch
    # The baseline's weights are 0 after onset, and 0 * NaN is NaN: a missing frame anywhere makes the event
    # NaN.
    out -= (out @ grid.baseline.astype(out.dtype))[:, None]


def _checked(
    dff: NDArray[np.floating],
    frame_s: NDArray[np.floating],
    onset_s: NDArray[np.floating],
    window: Window,
    edge: Edge,
) -> tuple[NDArray[np.floating], _Grid]:
    dff, frame_s, onset_s = np.asarray(dff), np.asarray(frame_s), np.asarray(onset_s)
    if edge not in ("drop", "hold"):
        raise ValueError(f"edge must be 'drop' or 'hold', got {edge!r}")
    if dff.ndim != 2 or dff.dtype not in (np.float32, np.float64):
        raise ValueError(f"dff must be (n_units, n_frames) of float32 or float64, got {dff.shape} of {dff.dtype}")
    if frame_s.shape != dff.shape[1:]:
        raise ValueError(f"frame_s must have one time per frame of dff {dff.shape}, got {frame_s.shape}")
    if len(frame_s) < 2:
        raise ValueError(f"a recording needs at least 2 frames to interpolate between, got {len(frame_s)}")
    frame_s = frame_s.astype(np.float64, copy=False)
    if not np.isfinite(frame_s).all():
        raise ValueError(f"frame_s must be finite, got {int((~np.isfinite(frame_s)).sum())} that are not")
    backwards = np.flatnonzero(np.diff(frame_s) <= 0)
    if len(backwards):
        raise ValueError(f"frame_s must strictly increase, but does not after frame {backwards[0]}")
    if onset_s.ndim != 1:
        raise ValueError(f"onset_s must be (n_events,), got {onset_s.shape}")
    onset_s = onset_s.astype(np.float64, copy=False)
    if not np.isfinite(onset_s).all():
        raise ValueError(f"onset_s must be finite, got {int((~np.isfinite(onset_s)).sum())} that are not")
    if np.isinf(dff).any():
        raise ValueError(f"dff must be finite or NaN for missing, got {int(np.isinf(dff).sum())} infinite")
    return dff, _grid(frame_s, onset_s, window, edge)


def _grid(frame_s: NDArray[np.float64], onset_s: NDArray[np.float64], window: Window, edge: Edge) -> _Grid:
    sample_s = onset_s[:, None] + window.times_s
    if edge == "drop":
        kept = (sample_s[:, 0] >= frame_s[0]) & (sample_s[:, -1] <= frame_s[-1])
        sample_s = sample_s[kept]
    else:
        kept = np.ones(len(onset_s), dtype=bool)
        sample_s = np.clip(sample_s, frame_s[0], frame_s[-1])
    # The last frame has no frame after it: its samples are the whole of the step before it.
    before = np.minimum(np.searchsorted(frame_s, sample_s, side="right") - 1, len(frame_s) - 2)
    weight = (sample_s - frame_s[before]) / (frame_s[before + 1] - frame_s[before])
    return _Grid(before, weight, window.baseline / window.baseline.sum(), kept)
