"""A lab's recording in MATLAB files: which variable holds which signal, the frames' times, the animal's signals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from storage.readers.foreign.hdf5_files import dataset_at, opened_hdf5
from storage.readers.foreign.matlab_files import read_mat, variables_in
from storage.readers.lab.lab_cells import Cells, Columns, RefusedIn, Signal, require_distinct, require_same_shape
from storage.readers.lab.lab_description import MatDescription
from storage.readers.lab.lab_entries import SIGNALS, MatVariable
from storage.readers.recording import Refusal

_NUMBERS = ("double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
_MOST_BYTES_IN_MEMORY = 2**26
_MOST_BYTES_UNSTREAMED = 400 * 2**20
_HDF5_AT, _HDF5_SIGNATURE = 512, b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class MatContents:
    """The cells, and by the description's word every variable that is no signal: (n_values,) numbers, or a list."""

    cells: Cells
    vectors: dict[str, Any]


def mat_contents(description: MatDescription, files: Mapping[str, Path], refused_in: RefusedIn) -> MatContents:
    """What the variables hold. Raises the refusal of one that is absent, no numbers, or of another shape."""
    signals: dict[str, Signal] = {}
    vectors: dict[str, Any] = {}
    for word, said in description.variables.items():
        variable = MatVariable(variable=said) if isinstance(said, str) else said
        path = files["file" if variable.file is None else f"variables.{word}.file"]
        refused = refused_in(path.name)
        if word in SIGNALS:
            orientation = variable.orientation or description.orientation
            signals[word] = _signal(path, variable.variable, orientation == "cells_by_frames", refused)
            require_same_shape(signals, refused)
        else:
            vectors[word] = vector_in(path, variable.variable, refused)
    if not signals:
        found = ", ".join(description.variables)
        raise refused_in("")(field="variables", found=found, expected=f"one of {', '.join(SIGNALS)} at least")
    names = None
    if "unit_id" in vectors:
        names = tuple(_name(one) for one in vectors.pop("unit_id"))
    cells = Cells(signals, names, Columns())
    require_distinct(names, cells.cell_count, refused_in("unit_id"))
    return MatContents(cells, vectors)


def vector_in(path: Path, name: str, refused: Refusal) -> np.ndarray | list[str]:
    """The variable's values one after another: (n_values,) numbers, or texts. Raises what ``refused`` makes."""
    value = read_mat(path, refused, [name])[name]
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [one.strip() for one in value]
    if isinstance(value, np.ndarray) and prod(value.shape) in (*value.shape, 0):
        if value.dtype.kind in "fiub":
            return value.ravel()
        if value.dtype == object and all(isinstance(one, str) for one in value.flat):
            return list(value.flat)
    shape = f"of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    found = f"{type(value).__name__} {shape}".strip()
    raise refused(field=name, found=found, expected="one row or column of numbers or texts")


def _signal(path: Path, name: str, rows_are_cells: bool, refused: Refusal) -> Signal:
    there = variables_in(path, refused)
    if name not in there:
        found = f"no {name}; there are {', '.join(there)[:200] or 'none'}"
        raise refused(field="variables", found=found, expected=f"a variable {name}")
    shape, matlab_class = there[name]
    if len(shape) != 2 or matlab_class not in _NUMBERS:
        expected = "cells x frames or frames x cells, numbers"
        raise refused(field=name, found=f"{matlab_class} of shape {shape}", expected=expected)
    cell_count, frame_count = shape if rows_are_cells else shape[::-1]
    size = 8 * prod(shape)
    if size > _MOST_BYTES_IN_MEMORY and _is_hdf5(path):
        return Signal(cell_count, frame_count, _streamed(path, name, rows_are_cells, refused))
    if size > _MOST_BYTES_UNSTREAMED:
        found = f"{size} bytes as double"
        raise refused(field=name, found=found, expected=f"{_MOST_BYTES_UNSTREAMED} bytes, or a file saved as -v7.3")
    read = read_mat(path, refused, [name])[name]
    if read.dtype.kind not in "fiub":
        raise refused(field=name, found=f"{read.dtype} values", expected="real numbers")
    values = read.astype(np.float32)
    values = values if rows_are_cells else values.T
    return Signal(cell_count, frame_count, lambda start, stop: values[:, start:stop])


def _streamed(path: Path, name: str, rows_are_cells: bool, refused: Refusal) -> Callable[[int, int], np.ndarray]:
    def read(start: int, stop: int) -> np.ndarray:
        with opened_hdf5(path, refused) as file:
            # HDF5 has MATLAB's columns as rows.
            stored = dataset_at(file, name, refused, ndim=2)
            values = stored[start:stop].T if rows_are_cells else stored[:, start:stop]
            return np.array(values, np.float32)

    return read


def _is_hdf5(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(_HDF5_AT)
        return file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE


def _name(value: Any) -> str:
    return value if isinstance(value, str) else f"{float(value):.17g}"
