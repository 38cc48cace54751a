"""Signals over time in an NWB file of the Allen Institute, as rows of recorded.behavior_signals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from storage.readers.foreign.hdf5_files import dataset_at, numbers_at, opened_hdf5
from storage.readers.given import Given
from storage.readers.recording import Refusal
from storage.row_files import RowBlocks
from storage.tables import BEHAVIOR_SIGNALS

if TYPE_CHECKING:
    import h5py

_ROWS_PER_BLOCK = 1_048_576


@dataclass(frozen=True)
class Series:
    """One signal: its name with its unit, the dataset that holds it, its times (n_samples,) s, and its column if many.

    Without a dataset the samples are numbered, 0, 1, 2 ...: the times themselves are what is recorded.
    """

    signal: str
    dataset: str | None
    time_s: np.ndarray
    column: int | None = None


def times_at(file: "h5py.File", name: str, refused: Refusal) -> np.ndarray:
    """The dataset's times, (n_samples,) s. Raises what ``refused`` makes when they run backwards or aren't finite."""
    time_s = numbers_at(file, name, refused, ndim=1).astype(np.float64)
    expected = "seconds that don't decrease"
    if (bad := np.flatnonzero(~np.isfinite(time_s))).size:
        found = f"{time_s[bad[0]]} at sample {bad[0]} ({bad.size} of {time_s.size} times are not finite)"
        raise refused(field=name, found=found, expected=expected)
    if (back := np.flatnonzero(np.diff(time_s) < 0)).size:
        sample = int(back[0]) + 1
        after, before = float(time_s[sample]), float(time_s[sample - 1])
        found = f"time running backwards at sample {sample} ({after!r} s after {before!r} s)"
        raise refused(field=name, found=found, expected=expected)
    return time_s


def series_at(
    file: "h5py.File", signal: str, name: str, time_s: np.ndarray, refused: Refusal, *, column: int | None = None
) -> Series:
    """The signal in that dataset, its values unread. Raises what ``refused`` makes unless each time has one."""
    dataset = dataset_at(file, name, refused, kinds="biuf", ndim=1 if column is None else 2)
    if len(dataset) != len(time_s) or (column is not None and dataset.shape[1] <= column):
        found = f"values of shape {dataset.shape} for {len(time_s)} times"
        raise refused(field=name, found=found, expected="one value for each time")
    return Series(signal, name, time_s, column)


def signal_blocks(given: Given, session_id: str, series: Sequence[Series]) -> RowBlocks:
    """The signals' rows, read from the file when they are written."""

    def blocks() -> Iterator[pa.Table]:
        with opened_hdf5(given.path, given.refused) as file:
            for one in series:
                for start in range(0, len(one.time_s), _ROWS_PER_BLOCK):
                    yield _rows(session_id, one, slice(start, start + _ROWS_PER_BLOCK), file, given.refused)

    return RowBlocks(BEHAVIOR_SIGNALS, blocks)


def _rows(session_id: str, one: Series, span: slice, file: "h5py.File", refused: Refusal) -> pa.Table:
    time_s = one.time_s[span]
    count = len(time_s)
    sample = np.arange(span.start, span.start + count)
    if one.dataset is None:
        values = sample
    else:
        dataset = dataset_at(file, one.dataset, refused, kinds="biuf")
        values = dataset[span] if one.column is None else dataset[span, one.column]
    columns = [
        pa.repeat(session_id, count),
        pa.repeat(one.signal, count),
        pa.array(sample.astype(np.int32)),
        pa.array(time_s),
        pa.array(np.asarray(values, dtype=np.float64), from_pandas=True),  # NaN is a missing value
    ]
    return pa.Table.from_arrays(columns, schema=BEHAVIOR_SIGNALS.arrow_schema)
