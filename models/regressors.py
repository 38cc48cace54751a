"""Regressors of a recording: what each stimulus, lick or reward would evoke in a cell that answers to it alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from models.indicator_kernels import Kernel, sampled_kernel

# Onsets are often a frame's own time, which times the rate can fall short of a whole number in its last digits.
_FRAME_TOLERANCE = 1e-6
_COLLINEAR = 1e-8  # share of a regressor's variance that others must leave


@dataclass(frozen=True, eq=False)
class Regressors:
    """Regressors by name, (n_regressors, n_frames), and the frames (n_events,) of those that events make.

    A regressor without event frames is continuous, as running speed. Raises ValueError for none at all, names that
    repeat, other shapes, or values that aren't finite.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    event_frames: Mapping[str, NDArray[np.int64]]

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("no stimulus: there is nothing to regress on")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"regressors need names of their own, got {', '.join(self.names)}")
        if self.values.ndim != 2 or len(self.values) != len(self.names):
            raise ValueError(f"{len(self.names)} names need as many rows of frames, got values {self.values.shape}")
        if not np.isfinite(self.values).all():
            odd = [name for name, row in zip(self.names, self.values, strict=True) if not np.isfinite(row).all()]
            raise ValueError(f"regressors must be finite, which {', '.join(odd)} is not")

    @property
    def n_frames(self) -> int:
        return self.values.shape[1]

    @property
    def is_stimulus(self) -> NDArray[np.bool_]:  # (n_regressors,)
        """Which regressors are made of events, stimuli or not, and can be the class of a ROI."""
        return np.array([name in self.event_frames for name in self.names])


def frames_at_rate(onset_s: NDArray[np.floating], rate_hz: float, n_frames: int, name: str) -> NDArray[np.int64]:
    """The frames of events, (n_events,), in a recording whose frames come at ``rate_hz`` from 0 s: floor(t * rate).

    ``onset_s`` (n_events,), seconds from the first frame; one within a millionth of the next frame is in that one.
    Raises ValueError, naming the stimulus ``name``, for an onset before the first frame or after the last one's end.
    """
    onset_s = np.asarray(onset_s, dtype=np.float64)
    frame = np.floor(onset_s * rate_hz + _FRAME_TOLERANCE)
    _refuse_outside(onset_s, (frame >= 0) & (frame < n_frames), name, 0.0, n_frames / rate_hz)
    return frame.astype(np.int64)


def frames_at_times(
    onset_s: NDArray[np.floating], frame_s: NDArray[np.floating], name: str
) -> NDArray[np.int64]:  # (n_events,)
    """The frames of events in a recording with a time for each frame: the last one begun when the event happens.

    ``onset_s`` (n_events,) and ``frame_s`` (n_frames,) increasing, seconds on one clock; the last frame lasts as long
    as the median one. With frames at a constant rate from 0 s this is floor(t * rate). Raises ValueError, naming the
    stimulus ``name``, for an onset outside the recording, or for times that don't increase.
    """
    onset_s, frame_s = np.asarray(onset_s, dtype=np.float64), _times(frame_s)
    inside = inside_recording(onset_s, frame_s)
    _refuse_outside(onset_s, inside, name, frame_s[0], frame_s[-1] + np.median(np.diff(frame_s)))
    return np.searchsorted(frame_s, onset_s, side="right").astype(np.int64) - 1


def inside_recording(onset_s: NDArray[np.floating], frame_s: NDArray[np.floating]) -> NDArray[np.bool_]:  # (n_events,)
    """Which events happen while frames are taken, for who must leave out what happens before and after imaging.

    ``onset_s`` (n_events,), ``frame_s`` (n_frames,) increasing, seconds; the last frame lasts as long as the median.
    """
    onset_s, frame_s = np.asarray(onset_s, dtype=np.float64), _times(frame_s)
    return (onset_s >= frame_s[0]) & (onset_s < frame_s[-1] + np.median(np.diff(frame_s)))


def event_regressors(
    event_frames: Mapping[str, NDArray[np.integer]],  # (n_events,) of each stimulus
    kernel: Kernel,
    rate_hz: float,
    n_frames: int,
) -> Regressors:
    """For each stimulus a train of ones at its frames, convolved with the kernel and cut at the recording's length.

    Two events of a stimulus in one frame count as one, as in the source. Raises ValueError for no stimulus at all, a
    stimulus without events, or with frames outside 0 to ``n_frames`` - 1. Source: Miri et al. (2011).
    """
    if not event_frames:
        raise ValueError("no stimulus: a recording without stimuli, licks or rewards has nothing to regress on")
    response = sampled_kernel(kernel, rate_hz, n_frames)
    trains = np.zeros((len(event_frames), n_frames))
    frames = {name: np.asarray(frame, dtype=np.int64) for name, frame in event_frames.items()}
    for train, (name, frame) in zip(trains, frames.items(), strict=True):
        if not len(frame):
            raise ValueError(
                f"stimulus {name} has no event in the recording: leave it out, or read more of the session"
            )
        if outside := int(((frame < 0) | (frame >= n_frames)).sum()):
            raise ValueError(
                f"stimulus {name} has {outside} of {len(frame)} frames outside the recording, "
                f"which has frames 0 to {n_frames - 1}; found {frame.min()} to {frame.max()}"
            )
        train[frame] = 1.0
    values = oaconvolve(trains, response[None], axes=1)[:, :n_frames]  # (n_regressors, n_frames)
    return Regressors(tuple(frames), values, frames)


def resampled_to_frames(
    time_s: NDArray[np.floating],  # (n_samples,), seconds, increasing
    value: NDArray[np.floating],  # (n_samples,)
    frame_s: NDArray[np.floating],  # (n_frames,), seconds, increasing
) -> NDArray[np.float64]:  # (n_frames,)
    """A signal such as running speed at the frames: the mean of the samples within a frame's time, else interpolated.

    Samples without a value are left out; before the first and after the last one their value stands. Raises
    ValueError for times that don't increase, or a signal whose values don't reach into the recording.
    """
    time_s, value, frame_s = _times(time_s), np.asarray(value, dtype=np.float64), _times(frame_s)
    if value.shape != time_s.shape:
        raise ValueError(f"a signal needs a value at each time, got {value.shape} values at {time_s.shape} times")
    there = np.isfinite(value)
    time_s, value = time_s[there], value[there]
    end_s = frame_s[-1] + np.median(np.diff(frame_s))
    if not ((time_s >= frame_s[0]) & (time_s < end_s)).any():
        raise ValueError(f"the signal has no value within the recording, {frame_s[0]:g} to {end_s:g} s")
    frame = np.searchsorted(frame_s, time_s, side="right") - 1
    within = (frame >= 0) & (time_s < end_s)
    count = np.bincount(frame[within], minlength=len(frame_s))
    total = np.bincount(frame[within], value[within], minlength=len(frame_s))
    return np.where(count > 0, total / np.maximum(count, 1), np.interp(frame_s, time_s, value))


def with_continuous(regressors: Regressors, name: str, values: NDArray[np.floating]) -> Regressors:
    """The regressors and a continuous one beside them, (n_frames,), in its own mean and spread.

    Its coefficient is then the dF/F of one standard deviation. Raises ValueError for values of another length, that
    aren't finite, or that never change.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (regressors.n_frames,):
        raise ValueError(f"{name} needs a value for each of {regressors.n_frames} frames, got {values.shape}")
    if not (np.isfinite(values).all() and values.std() > 0):
        raise ValueError(f"{name} must be finite and change, got {values.min()} to {values.max()}")
    scaled = (values - values.mean()) / values.std()
    return replace(regressors, names=(*regressors.names, name), values=np.vstack([regressors.values, scaled]))


def refuse_collinear(names: tuple[str, ...], values: NDArray[np.floating]) -> None:
    """Raises ValueError, with their names, for regressors (n_regressors, n_frames) that others and a constant give.

    A regressor is told apart if the others leave more than 1e-8 of its variance.
    """
    centred = values - values.mean(axis=1, keepdims=True)
    size = np.linalg.norm(centred, axis=1)
    if (constant := size <= 1e-12 * np.linalg.norm(values, axis=1).max(initial=1e-300)).any():
        flat = ", ".join(np.array(names)[constant])
        raise ValueError(f"regressors that never change can't be fitted beside the intercept: {flat}")
    if len(names) >= values.shape[1]:
        raise ValueError(f"{len(names)} regressors need more frames than that, got {values.shape[1]}")
    unit = centred / size[:, None]
    for one, name in enumerate(names):
        others = np.delete(unit, one, axis=0)
        weight, *_ = np.linalg.lstsq(others.T, unit[one], rcond=None)
        if ((unit[one] - weight @ others) ** 2).sum() <= _COLLINEAR:
            needed = [name, *np.delete(np.array(names), one)[np.abs(weight) > 1e-3]]
            raise ValueError(
                f"collinear regressors can't be told apart: {', '.join(needed)}. Leave one out, or join them"
            )


def _times(time_s: NDArray[np.floating]) -> NDArray[np.float64]:
    time_s = np.asarray(time_s, dtype=np.float64)
    if time_s.ndim != 1 or len(time_s) < 2 or not (np.diff(time_s) > 0).all():
        raise ValueError(f"times must be at least two and increase, got {time_s.shape}")
    return time_s


def _refuse_outside(
    onset_s: NDArray[np.float64], inside: NDArray[np.bool_], name: str, start_s: float, stop_s: float
) -> None:
    if not inside.all():
        outside = onset_s[~inside]
        raise ValueError(
            f"stimulus {name} has {len(outside)} of {len(onset_s)} onsets outside the recording, "
            f"{start_s:g} to {stop_s:g} s: the first at {outside[0]:g} s"
        )
