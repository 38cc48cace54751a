"""Responses to events: traces around each onset, on one common grid of times."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.aligned_samples import average_events, over_units, read_events
from models.event_windows import Edge, Window, sample_grid

__all__ = [
    "Edge",
    "EventResponses",
    "MeanResponse",
    "Window",
    "ZScore",
    "event_responses",
    "mean_of_responses",
    "mean_response",
]

ZScore = Literal["trace", "baseline"]


@dataclass(frozen=True, eq=False)
class EventResponses:
    """Responses of each unit to each kept event.

    ``values`` is (n_units, n_kept_events, n_samples), in the unit of the traces; ``kept`` is (n_events,), False where
    the window ran over the recording's edge; ``n_dropped`` is their number; ``n_missing`` (n_units,) counts the kept
    events that are NaN for missing frames.
    """

    values: NDArray[np.floating]
    kept: NDArray[np.bool_]
    n_dropped: int
    n_missing: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MeanResponse:
    """Each unit's mean response over events.

    ``mean`` and ``sem`` are (n_units, n_samples), in the unit of the traces; ``n_events`` is (n_units,), the events
    that each mean rests on; ``n_missing`` (n_units,) those left out for missing frames; ``n_dropped`` counts the events
    left out for the recording's edge.
    """

    mean: NDArray[np.float64]
    sem: NDArray[np.float64]
    n_events: NDArray[np.int64]
    n_dropped: int
    n_missing: NDArray[np.int64]


def event_responses(
    dff: NDArray[np.floating],  # (n_units, n_frames), fraction
    frame_s: NDArray[np.floating],  # (n_frames,), seconds, increasing
    onset_s: NDArray[np.floating],  # (n_events,), seconds
    window: Window,
    edge: Edge = "drop",
    *,
    subtract_baseline: bool = True,
    z_score: ZScore | None = None,
    gap_ratio: float = np.inf,
    tolerance_s: float = 0.0,
) -> EventResponses:
    """Every unit around every event, interpolated linearly and less its baseline.

    ``dff`` (n_units, n_frames), a fraction, float, or any other signal in its unit; ``frame_s`` (n_frames,) and
    ``onset_s`` (n_events,), seconds on one clock. Returns values (n_units, n_kept_events, n_samples) in the precision
    of ``dff`` (float32 or float64); the baseline is the mean of the samples before onset, per unit and event.

    ``z_score="trace"`` gives each unit in standard deviations of its whole trace about its mean, as
    ``scipy.stats.zscore`` does; ``"baseline"`` each response in standard deviations of its own baseline, as
    ``scipy.stats.zmap`` does (both of the population; a trace or baseline that never changes gives NaN, and counts as
    missing).

    ``edge="drop"`` (protocol `rigorous`) leaves out, and counts, events whose window is not wholly within the
    first and last frame, or beyond it by ``tolerance_s`` at most; ``edge="hold"`` (`published`) holds the value of the
    recording's edge, as ``np.interp`` does. NaN in ``dff`` means missing, and so does a gap: a step between frames of
    more than ``gap_ratio`` median steps. An event with a sample between two frames of which one is missing, or in a
    gap, is NaN throughout, in that unit. Windows may overlap. Raises ValueError for frame times that do not strictly
    increase, onsets that are not finite, infinite values, a baseline without samples before onset (two for
    ``z_score``), or shapes that do not belong together.
    """
    dff, n_baseline = _checked(dff, frame_s, window, subtract_baseline, z_score)
    grid = sample_grid(frame_s, onset_s, window, edge, gap_ratio, tolerance_s)
    values = np.empty((len(dff), *grid.before.shape), dtype=dff.dtype)
    n_whole = np.zeros(len(dff), dtype=np.int64)
    weight = grid.weight.astype(dff.dtype)

    def read(units: slice) -> None:
        by_sd = z_score == "baseline"
        read_events(dff[units], grid.before, weight, n_baseline, by_sd, values[units], n_whole[units])

    over_units(read, len(dff))
    return EventResponses(values, grid.kept, grid.n_dropped, len(grid.before) - n_whole)


def mean_response(
    dff: NDArray[np.floating],  # (n_units, n_frames), fraction
    frame_s: NDArray[np.floating],  # (n_frames,), seconds, increasing
    onset_s: NDArray[np.floating],  # (n_events,), seconds
    window: Window,
    edge: Edge = "drop",
    *,
    subtract_baseline: bool = True,
    z_score: ZScore | None = None,
    gap_ratio: float = np.inf,
) -> MeanResponse:
    """Each unit's mean response over events, and its standard error.

    Arguments and refusals as in ``event_responses``. Returns mean and sem (n_units, n_samples), float64, and the
    number of events per unit. Events that touch a missing frame are left out and counted, so the mean is what
    ``np.nanmean`` over ``event_responses(...).values`` gives; without events the mean is NaN, with fewer than two the
    sem is NaN. No event is kept: memory doesn't grow with n_units * n_events.
    """
    dff, n_baseline = _checked(dff, frame_s, window, subtract_baseline, z_score)
    grid = sample_grid(frame_s, onset_s, window, edge, gap_ratio)
    mean, squares = np.zeros((2, len(dff), window.n_samples))
    n_events = np.zeros(len(dff), dtype=np.int64)

    def average(units: slice) -> None:
        by_sd = z_score == "baseline"
        of_units = mean[units], squares[units], n_events[units]
        average_events(dff[units], grid.before, grid.weight, n_baseline, by_sd, *of_units)

    over_units(average, len(dff))
    mean[n_events == 0] = np.nan
    return MeanResponse(mean, _sem(squares, n_events), n_events, grid.n_dropped, len(grid.before) - n_events)


def mean_of_responses(
    values: NDArray[np.floating],  # (n_units, n_events, n_samples)
) -> MeanResponse:
    """Each unit's mean over responses that are at hand, and its standard error; `mean_response` needs no such array.

    ``values`` (n_units, n_events, n_samples); events with a NaN are left out and counted as missing, none as dropped.
    Raises ValueError for another shape.
    """
    if values.ndim != 3:
        raise ValueError(f"values must be (n_units, n_events, n_samples), got {values.shape}")
    n_units, n_events, n_samples = values.shape
    mean, squares = np.full((2, n_units, n_samples), np.nan)
    n_whole = np.zeros(n_units, dtype=np.int64)
    for unit, responses in enumerate(values):
        whole = responses[~np.isnan(responses).any(axis=1)].astype(np.float64)
        n_whole[unit] = len(whole)
        if len(whole):
            mean[unit] = whole.mean(axis=0)
            whole -= mean[unit]
            squares[unit] = np.einsum("es,es->s", whole, whole)
    return MeanResponse(mean, _sem(squares, n_whole), n_whole, 0, n_events - n_whole)


def _sem(squares: NDArray[np.float64], n_events: NDArray[np.int64]) -> NDArray[np.float64]:
    """Standard errors (n_units, n_samples) from sums of squares about the mean; NaN with fewer than two events."""
    n = np.where(n_events > 1, n_events, np.nan)[:, None]
    return np.sqrt(squares / (n - 1) / n)


def _checked(
    dff: NDArray[np.floating],
    frame_s: NDArray[np.floating],
    window: Window,
    subtract_baseline: bool,
    z_score: ZScore | None,
) -> tuple[NDArray[np.floating], int]:
    """Traces as they are to be read, and how many of the window's first samples are the baseline."""
    dff = np.asarray(dff)
    if dff.ndim != 2 or dff.dtype not in (np.float32, np.float64):
        raise ValueError(f"dff must be (n_units, n_frames) of float32 or float64, got {dff.shape} of {dff.dtype}")
    if np.shape(frame_s) != dff.shape[1:]:
        raise ValueError(f"frame_s must have one time per frame of dff {dff.shape}, got {np.shape(frame_s)}")
    _refuse_infinite(dff)
    if z_score == "trace":
        dff = _z_scored(dff)
    # numba compiles anew for every layout of memory.
    return np.require(dff, requirements=["C", "W"]), _baseline_count(window, subtract_baseline, z_score)


def _refuse_infinite(dff: NDArray[np.floating]) -> None:
    n_infinite = np.zeros(len(dff), dtype=np.int64)

    def count(units: slice) -> None:
        n_infinite[units] = np.isinf(dff[units]).sum(axis=1)

    over_units(count, len(dff))
    if n_infinite.any():
        raise ValueError(f"dff must be finite or NaN for missing, got {n_infinite.sum()} infinite")


def _baseline_count(window: Window, subtract_baseline: bool, z_score: ZScore | None) -> int:
    """How many of the window's first samples are the baseline to subtract, 0 for none."""
    if z_score not in (None, "trace", "baseline"):
        raise ValueError(f"z_score must be 'trace', 'baseline' or None, got {z_score!r}")
    if not subtract_baseline:
        if z_score == "baseline":
            raise ValueError("a z-score by the baseline subtracts it, but subtract_baseline is False")
        return 0
    n_baseline = int(window.baseline.sum())
    if n_baseline < (needed := 2 if z_score == "baseline" else 1):
        raise ValueError(f"the baseline needs {needed} samples before onset, {window} has {n_baseline}")
    return n_baseline


def _z_scored(traces: NDArray[np.floating]) -> NDArray[np.floating]:
    """Each trace less its mean, over its standard deviation; NaN for one that never changes."""
    scored = np.full_like(traces, np.nan)
    for unit, trace in enumerate(traces):
        known = trace[~np.isnan(trace)].astype(np.float64)
        if len(known) and known.min() < known.max():
            scored[unit] = (trace - known.mean()) / known.std()
    return scored
