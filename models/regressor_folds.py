"""Blocks of a recording's time that hold out events of every stimulus, with a gap to what is learned from."""

import numpy as np
from numpy.typing import NDArray

from models.regressors import Regressors
from models.time_folds import Fold


def most_folds(regressors: Regressors, wanted: int = 5) -> int:
    """As many folds as leave each an event of every stimulus, ``wanted`` at most."""
    return min([wanted, *(len(np.unique(frames)) for frames in regressors.event_frames.values())])


def event_folds(regressors: Regressors, n_folds: int, gap_frames: int, shortest_frames: int = 0) -> list[Fold]:
    """Folds of whole blocks of time, in each of which every stimulus has events, ``gap_frames`` left out around them.

    A block begins at an event and ends before another, ``shortest_frames`` or more later (and four times the gap), so
    that responses aren't cut; the frames before the first event belong to the first block. Blocks are dealt out so that
    a fold's rarest stimuli are held out as often in each fold. Frames within the gap of a held-out block are not
    learned from: dF/F decays for seconds, so neighbours tell of each other. ``Fold`` holds frames. Raises ValueError
    for fewer than two folds, a negative gap, or a stimulus with too few events, or too close to others, for that.
    """
    if n_folds < 2 or gap_frames < 0:
        raise ValueError(f"blocks of time need two folds or more and a gap from 0, got {n_folds} and {gap_frames}")
    if not regressors.event_frames:
        raise ValueError("blocks of time are cut at events, and no regressor has any")
    names, frames = list(regressors.event_frames), list(regressors.event_frames.values())
    for name, events in zip(names, frames, strict=True):
        if (n_events := len(np.unique(events))) < n_folds:
            raise ValueError(f"{n_folds} folds need as many events of each stimulus, and {name} has {n_events}")
    start = _block_starts(np.unique(np.concatenate(frames)), max(shortest_frames, 4 * gap_frames))
    length = np.diff(start, append=regressors.n_frames)
    counts = np.stack(
        [np.bincount(np.searchsorted(start, events, side="right") - 1, minlength=len(start)) for events in frames]
    )  # (n_stimuli, n_blocks)
    if few := [name for name, row in zip(names, counts > 0, strict=True) if row.sum() < n_folds]:
        raise ValueError(f"events of {', '.join(few)} lie in fewer blocks of time than the {n_folds} folds")
    block = np.repeat(_dealt(counts / counts.sum(axis=1, keepdims=True), length, n_folds), length)  # (n_frames,)
    return [
        Fold(np.flatnonzero(~_near(block == fold, gap_frames)), np.flatnonzero(block == fold))
        for fold in range(n_folds)
    ]


def _block_starts(event: NDArray[np.int64], shortest: int) -> NDArray[np.int64]:
    """The first frame of each block: the recording's first, and events that lie far enough after the last start."""
    starts, last = [0], event[0]
    for frame in event[1:]:
        if frame - last >= max(shortest, 1):
            starts.append(frame)
            last = frame
    return np.array(starts, dtype=np.int64)


def _dealt(share: NDArray[np.float64], length: NDArray[np.int64], n_folds: int) -> NDArray[np.int64]:  # (n_blocks,)
    """The fold of each block: rarest stimuli first, each block to the fold that has had least of what it holds."""
    n_blocks = share.shape[1]
    fold = np.empty(n_blocks, dtype=np.int64)
    had, frames = np.zeros((n_folds, len(share))), np.zeros(n_folds)
    order = np.lexsort((np.arange(n_blocks), -share.max(axis=0)))
    for number in order:
        fullness = had @ share[:, number]
        chosen = np.lexsort((frames, fullness.round(12)))[0]
        fold[number] = chosen
        had[chosen] += share[:, number]
        frames[chosen] += length[number]
    return fold


def _near(held_out: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """Frames that are held out, or within the gap of one that is."""
    edge = np.diff(np.concatenate([[0], held_out.astype(np.int8), [0]]))
    near = held_out.copy()
    for start, stop in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1), strict=True):
        near[max(start - gap, 0) : stop + gap] = True
    return near
