"""The movement format's table: a frame number, one value for each neuron, and what the animal did, for every frame."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from storage.readers.foreign.numpy_files import arrays_in, read_arrays
from storage.readers.foreign.text_numbers import Layout, read_numbers
from storage.readers.lab.lab_cells import Cells, Columns, Signal, require_distinct, require_same_shape, separator_of
from storage.readers.recording import Refusal

LABEL_NAMES = {0: "none", 1: "contralateral", 2: "ipsilateral"}
ARRAYS = ("frame", "neurons", "label")
_MOST_BYTES = 600 * 2**20
_LONGEST_HEADER_BYTES = 2**24


@dataclass(frozen=True)
class Movement:
    """The neurons, and ``label`` (n_frames,) int64 of 0, 1, 2; ``first_frame`` is the number the source begins at."""

    cells: Cells
    label: np.ndarray
    first_frame: int


def movement_columns(path: Path, separator: str) -> list[str]:
    """The names in the first line if the first is ``frame`` and the last ``label``, else none. Raises OSError."""
    with open(path, "rb") as file:
        line = file.readline(_LONGEST_HEADER_BYTES).decode("utf-8-sig", errors="replace").strip("\r\n")
    try:
        names = next(csv.reader([line], delimiter=separator), []) if separator else line.split()
    except csv.Error:
        return []
    names = [name.strip().strip('"') for name in names]
    ours = len(names) > 2 and (names[0].lower(), names[-1].lower()) == ("frame", "label")
    return names if ours else []


def movement_table(path: Path, signal: str, refused: Refusal) -> Movement:
    """The table of a .csv, .tsv, .txt or .npz, its neurons as ``signal``.

    In a .npz ``frame`` and ``label`` are (n_frames,), ``neurons`` is (n_frames, n_neurons). Raises what ``refused``
    makes for other columns or arrays, frames that don't count up one by one, and labels other than 0, 1 and 2.
    """
    if path.suffix.lower() == ".npz":
        return _of_arrays(path, signal, refused)
    separator = separator_of(path, None, refused)
    names = movement_columns(path, separator)
    if not names:
        raise refused(field="header", found="other columns", expected="frame, a column for each neuron, label")
    table = read_numbers(path, Layout(separator, header=True), refused, exact=(names[0], names[-1]))
    where = [f"line {line}" for line in table.line.tolist()]
    frame, label = (table.exact[name] for name in (names[0], names[-1]))
    found = Signal(table.n_columns, table.n_rows, lambda start, stop: table.rows(start, stop).T)
    require_distinct(table.columns, table.n_columns, refused)
    return _movement(Cells({signal: found}, table.columns, Columns()), frame, label, where, refused)


def _of_arrays(path: Path, signal: str, refused: Refusal) -> Movement:
    there = arrays_in(path, refused)
    shape, dtype = there.get("neurons", ((), np.dtype(float)))
    size = int(np.prod(shape, dtype=float) * dtype.itemsize)
    if size > _MOST_BYTES:
        expected = f"at most {_MOST_BYTES} bytes, or a CSV"
        raise refused(field="array neurons", found=f"{size} bytes", expected=expected)
    arrays = read_arrays(path, refused, names=ARRAYS)
    frame, neurons, label = (arrays[name] for name in ARRAYS)
    for name, array, ndim in (("frame", frame, 1), ("neurons", neurons, 2), ("label", label, 1)):
        if array.ndim != ndim or array.dtype.kind not in "fiu" or len(array) != len(neurons):
            expected = "frame (n_frames,), neurons (n_frames, n_neurons), label (n_frames,), numbers"
            raise refused(field=f"array {name}", found=f"{array.dtype} of shape {array.shape}", expected=expected)
    values = neurons.T.astype(np.float32)
    found = Signal(*values.shape, lambda start, stop: values[:, start:stop])
    where = [f"row {row}" for row in range(len(frame))]
    return _movement(Cells({signal: found}, None, Columns()), frame, label, where, refused)


def _movement(cells: Cells, frame: np.ndarray, label: np.ndarray, where: list[str], refused: Refusal) -> Movement:
    require_same_shape(cells.signals, refused)
    if (bad := np.flatnonzero(~np.isin(label, list(LABEL_NAMES)))).size:
        meanings = ", ".join(f"{number} {name}" for number, name in LABEL_NAMES.items())
        raise refused(field=where[bad[0]], found=f"label {label[bad[0]]:g}", expected=f"one of {meanings}")
    if not np.isfinite(frame[0]) or frame[0] != np.round(frame[0]):
        raise refused(field=where[0], found=f"frame {frame[0]:g}", expected="a whole number")
    if (bad := np.flatnonzero(frame != frame[0] + np.arange(len(frame)))).size:
        found = f"frame {frame[bad[0]]:g} after {frame[bad[0] - 1]:g}"
        raise refused(field=where[bad[0]], found=found, expected="frames that count up one by one")
    return Movement(cells, label.astype(np.int64), int(frame[0]))
