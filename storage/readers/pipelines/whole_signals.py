"""Signals that their format gives only whole: each is read when it is written, and let go of then."""

from collections.abc import Callable

import numpy as np

from storage.traces import TraceStream


def whole_signal(
    session_id: str, signal: str, unit_id: np.ndarray, frame_count: int, load: Callable[[], np.ndarray]
) -> TraceStream:
    """The stream of a signal of which ``load`` gives all, (n_units, n_frames) float32, NaN where missing.

    It is in memory from its first span to its last, so that only one of a recording's signals is at a time.
    """
    held: np.ndarray | None = None

    def read(start: int, stop: int) -> np.ndarray:
        nonlocal held
        values = load() if held is None or start == 0 else held
        held = values if stop < frame_count else None
        return values[:, start:stop]

    return TraceStream(session_id, signal, unit_id, frame_count, read)


def as_float32(values: np.ndarray) -> np.ndarray:
    """The values as float32; what is too large for it becomes infinite, and is refused for that."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
