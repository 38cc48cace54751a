"""Where the samples of a window around each event fall between the frames of a recording."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Edge = Literal["drop", "hold"]


@dataclass(frozen=True)
class Window:
    """Times around an onset at which a response is read.

    ``start_s`` and ``stop_s`` are seconds from onset, both included; ``n_samples`` is the number of evenly
    spaced times. Samples before onset are the baseline. Raises ValueError unless ``start_s < stop_s``, both
    finite, and ``n_samples >= 2``.
    """

    start_s: float = -1.0
    stop_s: float = 2.0
    n_samples: int = 90

    def __post_init__(self) -> None:
        if not self.start_s < self.stop_s:
            raise ValueError(f"window must run forward, got {self.start_s} to {self.stop_s} s")
        if not (np.isfinite(self.start_s) and np.isfinite(self.stop_s)):
            raise ValueError(f"window must be finite, got {self.start_s} to {self.stop_s} s")
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
        """Which samples lie before onset, (n_samples,); those that do are the first ones."""
        return self.times_s < 0


@dataclass(frozen=True, eq=False)
class SampleGrid:
    """Where each sample of each kept event falls between two frames; the same for every unit.

    ``before`` (n_kept, n_samples) is the frame at or before the sample; ``weight``, of the same shape, the
    share of the frame after it, 0 to 1, NaN in a gap; ``kept`` (n_events,) is False for events left out.
    """

    before: NDArray[np.int32]
    weight: NDArray[np.float64]
    kept: NDArray[np.bool_]

    @property
    def n_dropped(self) -> int:
        return int((~self.kept).sum())


def sample_grid(
    frame_s: NDArray[np.floating],  # (n_frames,), seconds, increasing
    onset_s: NDArray[np.floating],  # (n_events,), seconds
    window: Window,
    edge: Edge,
    gap_ratio: float = np.inf,
    tolerance_s: float = 0.0,
) -> SampleGrid:
    """Places of every sample of every event whose window the frames hold.

    ``edge="drop"`` leaves out events whose window reaches beyond the first or last frame by more than
    ``tolerance_s``; ``edge="hold"`` puts what reaches beyond on that frame. A step between two frames of more than
    ``gap_ratio`` median steps is a gap: frames are missing there, and what falls into it has weight NaN. Raises
    ValueError for fewer than two frames, frame times that are not finite or do not strictly increase, onsets that are
    not finite, a ``gap_ratio`` that is not above 1, and an unknown ``edge``.
    """
    if edge not in ("drop", "hold"):
        raise ValueError(f"edge must be 'drop' or 'hold', got {edge!r}")
    if not gap_ratio > 1:
        raise ValueError(f"gap_ratio must be above 1, got {gap_ratio}")
    frame_s, onset_s = _times(frame_s, onset_s)
    sample_s = onset_s[:, None] + window.times_s
    kept = np.ones(len(onset_s), dtype=bool)
    if edge == "drop":
        kept = (sample_s[:, 0] >= frame_s[0] - tolerance_s) & (sample_s[:, -1] <= frame_s[-1] + tolerance_s)
        sample_s = sample_s[kept]
    sample_s = np.clip(sample_s, frame_s[0], frame_s[-1])
    step_s = np.diff(frame_s)
    # The last frame has no frame after it: its samples are the whole of the step before it.
    before = np.minimum(np.searchsorted(frame_s, sample_s, side="right") - 1, len(frame_s) - 2)
    weight = (sample_s - frame_s[before]) / step_s[before]
    if np.isfinite(gap_ratio):
        weight[(step_s > gap_ratio * np.median(step_s))[before]] = np.nan
    return SampleGrid(before.astype(np.int32), weight, kept)


def _times(
    frame_s: NDArray[np.floating], onset_s: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    frame_s, onset_s = np.asarray(frame_s), np.asarray(onset_s)
    if frame_s.ndim != 1:
        raise ValueError(f"frame_s must be (n_frames,), got {frame_s.shape}")
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
    return frame_s, onset_s
