"""Traces to Parquet and back: one file per session and signal, row groups of one unit each.

A row group holds up to FRAMES_PER_GROUP frames of one unit, so its statistics say which unit and frames it has, and
a span touches only the groups that hold it. Where none is missing the samples lie in the file as in the matrix and are
written and read straight; where some are, Arrow decodes the column.
"""

import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from pathlib import Path

import numpy as np

from storage.byte_ranges import LocalBytes, ParquetBytes, StoreBytes
from storage.new_file import new_file
from storage.object_store import ObjectStore, StorePath
from storage.trace_pages import TracePages

FRAMES_PER_GROUP = 1_048_576
VALUES_PER_SPAN = 16_000_000
_VALUES_PER_SHARE = 7_000_000
_COLUMNS = ["unit_id", "frame", "value"]
# Says of a file that each row group holds its values in one page; uncompressed and none missing, they then lie in the
# file as in the matrix, behind the page's header and levels, and are read straight into it.
_ONE_PAGE = {b"neurolake.traces": b"one page of values per row group"}
_LARGEST_PAGE_HEADER = 100  # bytes, with the levels of a page without missing values; two headers are longer


@dataclass(frozen=True)
class TraceMatrix:
    """One signal of all units of a session.

    ``unit_id`` (n_units,) int64, each once; ``values`` (n_units, n_frames) float32, NaN where missing. Raises
    ValueError for arrays of other shapes or types.
    """

    session_id: str
    signal: str
    unit_id: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.unit_id.ndim != 1 or self.unit_id.dtype != np.int64:
            raise ValueError(f"unit_id must be (n_units,) int64, got {self.unit_id.shape} {self.unit_id.dtype}")
        if self.values.ndim != 2 or len(self.values) != len(self.unit_id) or self.values.dtype != np.float32:
            raise ValueError(
                f"values must be ({len(self.unit_id)}, n_frames) float32, got {self.values.shape} {self.values.dtype}"
            )

    @property
    def frame_count(self) -> int:
        return self.values.shape[1]

    def spans(self) -> Iterator[tuple[int, np.ndarray]]:
        """The first frame of each span and its values, here all of them at once."""
        yield 0, self.values


@dataclass(frozen=True)
class TraceStream:
    """One signal of all units of a session whose matrix may be larger than memory.

    ``unit_id`` (n_units,) int64, each once; ``read(start, stop)`` gives frames start to stop as (n_units, stop - start)
    float32, NaN where missing, and is called once for each span, in order, when the signal is written. Its array may be
    used again for the next span: copy what is to be kept. ``done()`` is called when the last span's is used no more.
    """

    session_id: str
    signal: str
    unit_id: np.ndarray
    frame_count: int
    read: Callable[[int, int], np.ndarray]
    done: Callable[[], None] = lambda: None

    def spans(self) -> Iterator[tuple[int, np.ndarray]]:
        """The first frame of each span and its values (n_units, n_frames), a bounded number of them at a time."""
        most = min(max(VALUES_PER_SPAN // max(len(self.unit_id), 1), 1), FRAMES_PER_GROUP)
        count = max(ceil(self.frame_count / most), 1)
        step = max(ceil(self.frame_count / count), 1)  # all but equal: no span needs more memory than the others
        for start in range(0, self.frame_count, step):
            yield start, self.read(start, min(start + step, self.frame_count))
        self.done()


Traces = TraceMatrix | TraceStream


class NotDirect(Exception):
    """A file is not laid out one unit per row group; it has to be read through SQL."""


def write_trace_file(traces: Traces, data: Path | StorePath) -> Path | StorePath:
    """Write a signal as a new file in its partition's folder, durable when this returns.

    Nothing reads the file until the write path registers it. Raises ValueError when a unit stands twice; whatever is
    raised, no file stays behind.
    """
    units = traces.unit_id
    if len(np.unique(units)) != len(units):
        raise ValueError(f"traces of {traces.session_id}: each unit may stand once, got {units.tolist()}")
    folder = data / "recorded" / "traces" / f"session_id={traces.session_id}" / f"signal={traces.signal}"
    path = folder / f"{uuid.uuid4().hex}.parquet"
    with new_file(path) as file:
        pages = TracePages(file, _ONE_PAGE)
        for start, values in traces.spans():
            for row in np.argsort(units, kind="stable"):
                for at in range(0, values.shape[1], FRAMES_PER_GROUP):
                    pages.write(int(units[row]), start + at, values[row, at : at + FRAMES_PER_GROUP])
        pages.finish()
    return path


def read_trace_files(
    paths: Sequence[str],
    frames: slice = slice(None),
    units: Sequence[int] | None = None,
    store: ObjectStore | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Units and values of files that `write_trace_file` wrote, reading only the row groups asked for.

    A ``store`` holds the files, or else this machine. Returns ``unit_id`` (n_units,) in ascending order and ``values``
    (n_units, n_frames) float32 with NaN where missing. Raises NotDirect for a file of another layout, KeyError for a
    unit that isn't there.
    """
    files = [StoreBytes(store, path) if store else LocalBytes(path) for path in paths]
    groups: dict[int, list[_RowGroup]] = {}
    for group in (group for file in files for group in _row_groups(file)):
        groups.setdefault(group.unit_id, []).append(group)
    frame_count = max((group.stop for runs in groups.values() for group in runs), default=0)
    if any([g.start for g in runs] + [frame_count] != [0] + [g.stop for g in runs] for runs in groups.values()):
        raise NotDirect("units have different or broken runs of frames")
    wanted = np.array(sorted(groups) if units is None else list(units), dtype=np.int64)
    if absent := [int(unit) for unit in wanted if int(unit) not in groups]:
        raise KeyError(f"units {absent} have no traces here")
    start, stop, step = frames.indices(frame_count)
    if step != 1:
        raise ValueError(f"frames must be a span of step 1, got step {step}")
    span = range(start, max(start, stop))
    values = np.empty((len(wanted), len(span)), np.float32)  # (n_units, n_frames)

    def fill(rows: Sequence[int]) -> None:
        for file, share in groupby(((row, g) for row in rows for g in groups[int(wanted[row])]), lambda x: x[1].file):
            touched = [(row, g) for row, g in share if g.start < span.stop and g.stop > span.start]
            if all(group.values_at is not None for _, group in touched):
                _read_into(file, touched, span, values)
            else:
                _fill_from(file, touched, span, values)

    workers = min(max((file.at_once for file in files), default=1), len(wanted) or 1)
    # Several shares a worker: each opens the file anew, so that no more than a share of it stays in memory.
    shares = max(workers, values.size // _VALUES_PER_SHARE)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, np.array_split(np.arange(len(wanted)), shares)))
    return wanted, values


@dataclass(frozen=True)
class _RowGroup:
    file: ParquetBytes
    index: int
    unit_id: int
    start: int
    stop: int
    values_at: int | None  # where in the file the first value lies, if they lie there plainly


def _read_into(file: ParquetBytes, touched: Sequence[tuple[int, _RowGroup]], span: range, values: np.ndarray) -> None:
    """Read the touched frames from where they lie in the file to where they belong in the matrix."""
    runs = []
    for row, group in touched:
        first, last = max(group.start, span.start), min(group.stop, span.stop)
        part = memoryview(values[row, first - span.start : last - span.start]).cast("B")
        runs.append((group.values_at + 4 * (first - group.start), part))
    file.read_into(runs)


def _fill_from(file: ParquetBytes, touched: Sequence[tuple[int, _RowGroup]], span: range, values: np.ndarray) -> None:
    """Read the touched row groups of one file in one stream, and put each run of frames where it belongs."""
    if not touched:
        return
    places = iter(touched)
    row, group = next(places)
    at = group.start
    with file.open() as opened:
        stream = opened.iter_batches(
            batch_size=max(g.stop - g.start for _, g in touched),
            row_groups=[g.index for _, g in touched],
            columns=["value"],
            use_threads=False,
        )
        for batch in stream:
            column, read = batch.column(0), 0
            while read < len(column):
                if at == group.stop:
                    row, group = next(places)
                    at = group.start
                count = min(len(column) - read, group.stop - at)
                first, last = max(at, span.start), min(at + count, span.stop)
                if first < last:
                    part = column.slice(read + first - at, last - first)
                    values[row, first - span.start : last - span.start] = part.to_numpy(zero_copy_only=False)
                read, at = read + count, at + count


def _row_groups(file: ParquetBytes) -> Iterator[_RowGroup]:
    metadata = file.metadata
    if metadata.schema.names != _COLUMNS:
        raise NotDirect(f"{file.name} has columns {metadata.schema.names}")
    plain = sys.byteorder == "little" and _ONE_PAGE.items() <= (metadata.metadata or {}).items()
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        unit, frame = group.column(0).statistics, group.column(1).statistics
        whole = unit and frame and unit.min == unit.max and frame.max - frame.min + 1 == group.num_rows
        if not whole:
            raise NotDirect(f"{file.name}: row group {index} is not a run of frames of one unit")
        values = group.column(2)
        header = values.total_compressed_size - 4 * values.num_values
        complete = values.statistics is not None and values.statistics.null_count == 0
        lies_plainly = plain and complete and values.compression == "UNCOMPRESSED" and 0 < header < _LARGEST_PAGE_HEADER
        values_at = values.data_page_offset + header if lies_plainly else None
        yield _RowGroup(file, index, unit.min, frame.min, frame.max + 1, values_at)
