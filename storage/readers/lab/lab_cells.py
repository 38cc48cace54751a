"""The cells of a lab's recording: their names, and each signal as frames that can be read a span at a time."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from storage.readers.foreign.numpy_files import opened_array, read_array
from storage.readers.foreign.text_numbers import Layout, NumberTable, read_numbers
from storage.readers.foreign.text_rows import number_in, opened_rows
from storage.readers.lab.lab_description import MatrixDescription
from storage.readers.lab.lab_entries import SEPARATORS, Vector
from storage.readers.recording import Refusal
from storage.traces import VALUES_PER_SPAN, TraceMatrix, Traces, TraceStream

MOST_CELLS = 1_000_000
_BY_SUFFIX = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "", ".dat": ""}
_MISSING = ("", "NaN", "nan")
_UNIT_ID = re.compile(r"0|[1-9][0-9]{0,17}")

RefusedIn = Callable[[str], Refusal]
"""The refusal that names a file of the recording first."""


@dataclass(frozen=True)
class Signal:
    """One signal: ``read(start, stop)`` gives those frames as (n_cells, stop - start) float32, NaN where missing."""

    cell_count: int
    frame_count: int
    read: Callable[[int, int], np.ndarray]

    def divided(self, by: float) -> "Signal":
        return Signal(self.cell_count, self.frame_count, lambda start, stop: self.read(start, stop) / np.float32(by))

    def traces(self, session_id: str, name: str, unit_id: np.ndarray) -> Traces:
        """In memory where it is small, else streamed."""
        if self.cell_count * self.frame_count <= VALUES_PER_SPAN:
            values = np.ascontiguousarray(self.read(0, self.frame_count), np.float32)
            return TraceMatrix(session_id, name, unit_id, values)
        return TraceStream(session_id, name, unit_id, self.frame_count, self.read)


@dataclass(frozen=True)
class Columns:
    """Columns of a matrix's own file that hold no cells: (n_frames,) float64 each, and the lines they stand on."""

    values: dict[str, np.ndarray] = field(default_factory=dict)
    line: Sequence[int] = ()


@dataclass(frozen=True)
class Cells:
    """The signals of the same cells by name; ``names`` is what the source calls them, None where it doesn't."""

    signals: dict[str, Signal]
    names: tuple[str, ...] | None
    columns: Columns

    @property
    def cell_count(self) -> int:
        return next(iter(self.signals.values())).cell_count

    @property
    def frame_count(self) -> int:
        return next(iter(self.signals.values())).frame_count

    def unit_ids(self) -> tuple[np.ndarray, tuple[str, ...] | None]:
        """(n_cells,) int64: the names where all are whole numbers, else 0, 1, 2 ...; and the names left over."""
        if self.names is not None and all(map(_UNIT_ID.fullmatch, self.names)):
            return np.array([int(name) for name in self.names], np.int64), None
        return np.arange(self.cell_count), self.names


def matrix_cells(description: MatrixDescription, files: dict[str, Path], refused_in: RefusedIn) -> Cells:
    """The cells of the matrices in ``files``, by signal. Raises the refusal of what is wrong in one of them."""
    signals: dict[str, Signal] = {}
    names: tuple[str, ...] | None = None
    columns = Columns()
    for name, path in files.items():
        refused = refused_in(path.name)
        if path.suffix.lower() == ".npy":
            found, named = _of_array(description, path, refused), None
        else:
            layout = Layout(
                separator_of(path, description.separator, refused),
                description.header,
                description.index,
                description.comment,
            )
            table = read_numbers(path, layout, refused, exact=description.columns_taken)
            columns = Columns(table.exact, table.line)
            found, named = _of_text(description, table, refused)
        if names is not None and named is not None and named != names:
            raise refused(field="cells", found="other names of cells", expected="the same cells in each matrix")
        names = named if named is not None else names
        signals[name] = found
        require_same_shape(signals, refused)
        require_distinct(named, found.cell_count, refused)
    return Cells(signals, names, columns)


def require_same_shape(signals: dict[str, Signal], refused: Refusal) -> None:
    """Raises what ``refused`` makes unless the last signal has the cells and frames of the first, and a likely size."""
    first, last = next(iter(signals.values())), list(signals.values())[-1]
    if not last.cell_count or not last.frame_count or last.cell_count > MOST_CELLS:
        found = f"{last.cell_count} cells x {last.frame_count} frames"
        raise refused(field="shape", found=found, expected=f"1 to {MOST_CELLS} cells, and frames")
    if (first.cell_count, first.frame_count) != (last.cell_count, last.frame_count):
        found = f"{last.cell_count} cells x {last.frame_count} frames"
        expected = f"{first.cell_count} x {first.frame_count}, as of the signal {next(iter(signals))}"
        raise refused(field="shape", found=found, expected=expected)


def require_distinct(names: tuple[str, ...] | None, cell_count: int, refused: Refusal) -> None:
    """Raises what ``refused`` makes unless there is a name for each cell, and another one for each."""
    if names is None:
        return
    if len(names) != cell_count:
        found = f"{len(names)} names for {cell_count} cells"
        raise refused(field="cells", found=found, expected="one name for each cell")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        found = f"{', '.join(twice[:5])} more than once"
        raise refused(field="cells", found=found, expected="each cell once")


def separator_of(path: Path, said: str | None, refused: Refusal) -> str:
    """What stands between values: as said, else by the suffix. Raises what ``refused`` makes for another suffix."""
    if said is not None:
        return SEPARATORS[said]
    if path.suffix.lower() not in _BY_SUFFIX:
        expected = f"`separator:` ({', '.join(SEPARATORS)}), or a suffix of {', '.join(_BY_SUFFIX)}"
        raise refused(field="separator", found=f"a file *{path.suffix}", expected=expected)
    return _BY_SUFFIX[path.suffix.lower()]


def vector_values(vector: Vector, path: Path | None, columns: Columns, refused: Refusal) -> np.ndarray:
    """The values that the entry names, (n_values,) float64, NaN where a cell is empty."""
    if path is None:
        return columns.values[vector.column]
    if path.suffix.lower() == ".npy":
        values = read_array(path, refused)
        if values.ndim != 1 or values.dtype.kind not in "fiu":
            raise refused(field="shape", found=f"{values.dtype} of shape {values.shape}", expected="one row of numbers")
        return values.astype(np.float64)
    separator = separator_of(path, None, refused)
    if vector.column is None:
        table = read_numbers(path, Layout(separator), refused, dtype=np.float64)
        if table.n_columns != 1:
            expected = "`column:` with the name of one, or one value per line"
            raise refused(field="column", found=f"{table.n_columns} columns", expected=expected)
        return table.rows(0, table.n_rows)[:, 0]
    return table_columns(path, (vector.column,), separator, refused)[0]


def table_columns(
    path: Path, names: Sequence[str], separator: str, refused: Refusal, times: Sequence[str] = ()
) -> list[np.ndarray]:
    """Columns of a table with a header, (n_rows,) float64 each, NaN where a cell is empty; ``times`` may not be."""
    columns = [array("d") for _ in names]
    with opened_rows(path, refused, names, separator=separator) as table:
        places = [(table.names.index(name), name, column) for name, column in zip(names, columns, strict=True)]
        for line, cells in table.rows:
            for place, name, column in places:
                missing = cells[place] in _MISSING and name not in times
                column.append(np.nan if missing else number_in(cells[place], line, name, refused))
    if not len(columns[0]):
        raise refused(field="rows", found="a header and no rows", expected="rows of numbers")
    return [np.array(column) for column in columns]


def _of_text(
    description: MatrixDescription, table: NumberTable, refused: Refusal
) -> tuple[Signal, tuple[str, ...] | None]:
    if description.orientation == "cells_by_frames":
        return Signal(table.n_rows, table.n_columns, table.column_span), table.index
    if table.index is not None:
        _require_counting(table.index, table.line, refused)
    return Signal(table.n_columns, table.n_rows, lambda start, stop: table.rows(start, stop).T), table.columns


def _of_array(description: MatrixDescription, path: Path, refused: Refusal) -> Signal:
    if told := [key for key in ("header", "index", "columns_taken") if getattr(description, key)]:
        found = f"{', '.join(told)} of a .npy"
        raise refused(field=told[0], found=found, expected="a text file, or none of these keys")
    held = opened_array(path, refused)
    if held.ndim != 2 or held.dtype.kind not in "fiu":
        raise refused(field="shape", found=f"{held.dtype} of shape {held.shape}", expected="rows x columns, numbers")
    # Opened anew for each span: the pages of a map stay in memory for as long as it does.
    if description.orientation == "cells_by_frames":
        return Signal(*held.shape, lambda start, stop: _float32(opened_array(path, refused)[:, start:stop]))
    frame_count, cell_count = held.shape
    return Signal(cell_count, frame_count, lambda start, stop: _float32(opened_array(path, refused)[start:stop].T))


def _float32(values: np.ndarray) -> np.ndarray:
    return np.array(values, np.float32)


def _require_counting(index: tuple[str, ...], line: Sequence[int], refused: Refusal) -> None:
    """Raises what ``refused`` makes unless the frames that the first column numbers follow one another."""
    for place, name in enumerate(index):
        if not _UNIT_ID.fullmatch(name) or int(name) != int(index[0]) + place:
            found = f"{name!r}, after {index[place - 1]!r}" if place else repr(name)
            raise refused(field=f"line {line[place]}", found=f"frame {found}", expected="frame numbers that count up")
