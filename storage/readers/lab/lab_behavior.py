"""Signals of the animal beside a lab's recording: one value for each frame, or at times of their own."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from storage.readers.lab.lab_cells import separator_of, table_columns
from storage.readers.lab.lab_entries import PER_SECOND, Behavior
from storage.readers.recording import Refusal
from storage.row_files import RowBlocks
from storage.tables import BEHAVIOR_SIGNALS

_SAMPLES_PER_BLOCK = 1_000_000

Timed = tuple[np.ndarray, np.ndarray]
"""Times (n_samples,) in seconds, and values (n_samples,)."""


def timed_signal(said: Behavior, path: Path, refused: Refusal) -> Timed:
    """The signal on its own clock. Raises what ``refused`` makes for a missing time, or one before that above it."""
    separator = separator_of(path, None, refused)
    if said.column is None:
        raise refused(field="column", found="no key column", expected="the column of the values")
    names = (said.time_column, said.column)
    time, values = table_columns(path, names, separator, refused, times=(said.time_column,))
    if (bad := np.flatnonzero(np.diff(time) < 0)).size:
        found = f"time running backwards in row {bad[0] + 2}: {time[bad[0] + 1]:g} after {time[bad[0]]:g}"
        raise refused(field=said.time_column, found=found, expected="rows in order of time")
    if (bad := np.flatnonzero(np.isinf(values))).size:
        raise refused(field=said.column, found=f"{values[bad[0]]} in row {bad[0] + 1}", expected="finite numbers")
    return time / PER_SECOND[said.time_unit], values


def behavior_blocks(session_id: str, signals: Mapping[str, Timed]) -> RowBlocks:
    """Rows of recorded.behavior_signals, a million samples at a time."""

    def blocks() -> Iterator[pa.Table]:
        for name, (time_s, values) in signals.items():
            for start in range(0, len(time_s), _SAMPLES_PER_BLOCK):
                stop = min(start + _SAMPLES_PER_BLOCK, len(time_s))
                yield BEHAVIOR_SIGNALS.rows(
                    {
                        "session_id": [session_id] * (stop - start),
                        "signal": [name] * (stop - start),
                        "sample": np.arange(start, stop),
                        "time_s": time_s[start:stop],
                        "value": values[start:stop],
                    }
                )

    return RowBlocks(BEHAVIOR_SIGNALS, blocks)
