"""Traces of the ROIs in an NWB file of Allen Visual Behavior, read from it a span of frames at a time."""

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from storage.readers.allen.allen_cells import Cells
from storage.readers.allen.allen_facts import facts_of, has
from storage.readers.foreign.hdf5_blocks import table_blocks
from storage.readers.foreign.hdf5_files import dataset_at, numbers_at, opened_hdf5
from storage.readers.given import Given
from storage.readers.recording import Refusal, require_increasing
from storage.traces import TraceStream

if TYPE_CHECKING:
    import h5py

DFF = "processing/ophys/dff/traces"
DETECTION = "processing/ophys/event_detection"
_SERIES = {
    "dff": DFF,
    "corrected": "processing/ophys/corrected_fluorescence/traces",
    "demixed": "processing/ophys/demixed_trace/traces",
    "neuropil": "processing/ophys/neuropil_trace/traces",
    "events": DETECTION,
}


def frame_times(file: "h5py.File", source_uri: str, refused: Refusal) -> np.ndarray:
    """Time of each imaging frame, (n_frames,) s, strictly increasing. Raises what ``refused`` makes otherwise."""
    field = f"{DFF}/timestamps"
    time_s = numbers_at(file, field, refused, ndim=1).astype(np.float64)
    return require_increasing(time_s, field, source_uri)


def trace_streams(
    file: "h5py.File", given: Given, session_id: str, cells: Cells, time_s: np.ndarray
) -> list[TraceStream]:
    """Each signal that the file has, of the valid ROIs, on frame times (n_frames,) s; nothing is read yet.

    dF/F is a fraction, the others are in the camera's units. Raises what the recording is refused with when dF/F isn't
    there, a signal has another number of frames or ROIs, other times, or ROIs that the table doesn't have.
    """
    streams: list[TraceStream] = []
    spare: list[np.ndarray] = []
    for signal, where in _SERIES.items():
        if signal != "dff" and not has(file, where):
            continue
        rows = _rows_of_rois(file, where, cells, len(time_s), given.refused)
        if signal != "events":  # which are found in some ROIs only
            _require_every_cell(rows, where, cells, given.refused)
        _require_same_times(file, where, time_s, given.refused)
        _require_unscaled(file, f"{where}/data", given.refused)
        columns = np.flatnonzero(cells.valid[rows])
        unit_id = cells.unit_id[rows[columns]]
        values = _Values(given, f"{where}/data", columns, spare)
        streams.append(TraceStream(session_id, signal, unit_id, len(time_s), values.read, values.leave))
    # Events are deflated and take longest, and what is begun last is finished alone.
    return sorted(streams, key=lambda one: one.signal != "events")


def rois_of(file: "h5py.File", where: str, cells: Cells, refused: Refusal) -> np.ndarray:
    """Rows of the cell table that the series' columns belong to, (n_columns,) int64, each once."""
    field = f"{where}/rois"
    rows = numbers_at(file, field, refused, kinds="iu", ndim=1).astype(np.int64)
    if (outside := rows[(rows < 0) | (rows >= len(cells.unit_id))]).size:
        found = f"unknown cell: row {outside[0]} of a table of {len(cells.unit_id)} rows"
        raise refused(field=field, found=found, expected="rows of the cell specimen table")
    if len(np.unique(rows)) != len(rows):
        raise refused(field=field, found="a row more than once", expected="each ROI once")
    return rows


def numbers_per_roi(file: "h5py.File", name: str, where: str, cells: Cells, refused: Refusal) -> np.ndarray | None:
    """One number for each row of the cell table, (n_rois,), NaN where none is given; None without that dataset."""
    if not has(file, name):
        return None
    rows = rois_of(file, where, cells, refused)
    numbers = numbers_at(file, name, refused, ndim=1)
    if len(numbers) != len(rows):
        found = f"{len(numbers)} values for {len(rows)} ROIs"
        raise refused(field=name, found=found, expected="one value for each ROI")
    every = np.full(len(cells.unit_id), np.nan)
    every[rows] = numbers
    return every


def _rows_of_rois(file: "h5py.File", where: str, cells: Cells, frame_count: int, refused: Refusal) -> np.ndarray:
    data = dataset_at(file, f"{where}/data", refused, ndim=2, unpacked=False)
    rows = rois_of(file, where, cells, refused)
    if data.shape != (frame_count, len(rows)):
        found = f"values of shape {data.shape} for {frame_count} frame times and {len(rows)} ROIs"
        raise refused(field=f"{where}/data", found=found, expected="one row for each frame, one column for each ROI")
    return rows


def _require_every_cell(rows: np.ndarray, where: str, cells: Cells, refused: Refusal) -> None:
    without = cells.valid.copy()
    without[rows] = False
    if without.any():
        found = f"no values of ROI {cells.roi_id[without][0]} ({without.sum()} of {cells.valid.sum()} valid ROIs)"
        raise refused(field=f"{where}/rois", found=found, expected="every valid ROI")


def _require_same_times(file: "h5py.File", where: str, time_s: np.ndarray, refused: Refusal) -> None:
    field = f"{where}/timestamps"
    # Mostly a link to those of dF/F.
    if has(file, field) and file[field] == file[f"{DFF}/timestamps"]:
        return
    own_s = numbers_at(file, field, refused, ndim=1)
    if not np.array_equal(own_s, time_s):
        found = f"{own_s.size} times other than the {time_s.size} of dF/F"
        raise refused(field=field, found=found, expected="the times of dF/F")


def _require_unscaled(file: "h5py.File", name: str, refused: Refusal) -> None:
    facts = facts_of(file[name], refused)
    scale = facts.get("conversion", 1.0), facts.get("offset", 0.0)
    if scale != (1.0, 0.0):
        found = f"conversion {scale[0]} and offset {scale[1]}"
        raise refused(field=name, found=found, expected="values as they are: conversion 1 and offset 0")


class _Values:
    """Values of a signal's ``columns``, read span by span into the same memory, which the next signal takes over.

    Memory that no span was in yet costs the ingest a tenth of its time.
    """

    def __init__(self, given: Given, name: str, columns: np.ndarray, spare: list[np.ndarray]) -> None:
        self._given, self._name, self._columns, self._spare = given, name, columns, spare
        self._held = np.empty(0, np.float32)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Frames start to stop, (n_units, n_frames) float32. Raises what the recording is refused with."""
        columns, refused = self._columns, self._given.refused
        values = self._memory(len(columns) * (stop - start)).reshape(len(columns), stop - start)
        with opened_hdf5(self._given.path, refused) as file:
            data = dataset_at(file, self._name, refused, ndim=2, unpacked=False)
            for first, column, block in table_blocks(data, start, stop, refused):
                begin, end = np.searchsorted(columns, (column, column + block.shape[1]))
                here = values[begin:end, first - start : first - start + len(block)]
                here[:] = block[:, columns[begin:end] - column].T
        return values

    def leave(self) -> None:
        """Leave the memory to the signal that is begun next."""
        self._spare.append(self._held)
        self._held = self._held[:0].copy()

    def _memory(self, count: int) -> np.ndarray:
        if not self._held.size:
            with suppress(IndexError):  # signals are read by several threads
                self._held = self._spare.pop()
        if self._held.size < count:
            self._held = np.empty(count, np.float32)
        return self._held[:count]
