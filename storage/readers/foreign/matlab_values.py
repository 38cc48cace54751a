"""The plain forms of MATLAB's values, one for every version of its files, and what has none."""

from dataclasses import dataclass
from math import prod

import numpy as np

from storage.readers.foreign.declared_sizes import MOST_UNQUESTIONED_BYTES, shown

DEEPEST = 32
MOST_PARTS = 300_000
PLAIN = "numbers, text, cells or structs"


class Malformed(Exception):
    """What is wrong in a variable, as words for the refusal."""


def reason(error: BaseException) -> str:
    """What went wrong, as words for the refusal."""
    return str(error) if isinstance(error, Malformed) else shown(error)


@dataclass(frozen=True)
class Unread:
    """Stands where MATLAB has a value of a class without a plain form: a function, a table, an object."""

    matlab_class: str


@dataclass
class Parts:
    """How many values a file has given so far: each costs memory, however few bytes the file spends on it."""

    count: int = 0

    def add(self, more: int, depth: int) -> None:
        self.count += more
        if self.count > MOST_PARTS or depth > DEEPEST:
            raise Malformed(f"{self.count} values, nested {depth} deep")


def text(units: str, shape: tuple[int, ...]) -> str | list[str]:
    """A char array's text, a list of its rows where there is more than one. ``units`` run down the columns."""
    rows, columns = shape if len(shape) == 2 else (-1, -1)
    # MATLAB counts UTF-16 units, SciPy characters.
    if prod(shape) not in (len(units), len(units.encode("utf-16-le")) // 2) or (rows < 0 and units):
        raise Malformed(f"{len(units)} characters for a char array of shape {shape}")
    if rows <= 1:
        return units
    if len(units) != rows * columns:
        raise Malformed("characters of two units in several rows")
    return [units[row::rows] for row in range(rows if columns else 0)]


def dense(shape: tuple[int, ...], row: np.ndarray, column_start: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A sparse matrix in full. ``row`` and ``values``: (n_values,); ``column_start``: (n_columns + 1,), from 0."""
    n_rows, n_columns = shape
    if n_rows * n_columns * values.dtype.itemsize > MOST_UNQUESTIONED_BYTES:
        raise Malformed(f"a sparse matrix of shape {shape}, over {MOST_UNQUESTIONED_BYTES} bytes in full")
    starts_fit = len(column_start) == n_columns + 1 and column_start[0] == 0 and column_start[-1] <= len(values)
    if not starts_fit or (np.diff(column_start) < 0).any():
        raise Malformed("columns of a sparse matrix that don't begin one after another")
    used = int(column_start[-1])
    if len(row) < used or (used and not 0 <= row[:used].min() <= row[:used].max() < n_rows):
        raise Malformed("a value of a sparse matrix outside its rows")
    full = np.zeros(shape, values.dtype)
    np.add.at(full, (row[:used], np.repeat(np.arange(n_columns), np.diff(column_start))), values[:used])
    return full


def cell(contents: list, shape: tuple[int, ...]) -> np.ndarray:
    """A cell array: objects of MATLAB's shape. ``contents`` run down the columns."""
    held = np.empty(len(contents), dtype=object)
    for place, one in enumerate(contents):
        held[place] = one
    return held.reshape(shape, order="F")
