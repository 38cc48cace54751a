"""MATLAB's version 7.3 files, which are HDF5: the same plain values as of version 5, turned back to rows by columns."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.foreign.declared_sizes import require_likely_size
from storage.readers.foreign.hdf5_files import opened_hdf5, require_sound, text_attribute
from storage.readers.foreign.matlab_values import PLAIN, Malformed, Parts, Unread, cell, dense, reason, text
from storage.readers.recording import Refusal, Refused

if TYPE_CHECKING:
    import h5py

_NUMBERS = ("double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))


def variables(path: Path, refused: Refusal) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and MATLAB class of each variable. Raises what ``refused`` makes as ``opened_hdf5`` does."""
    with opened_hdf5(path, refused) as file:
        found = _Values(file, path.stat().st_size, refused)
        about = {}
        for name in _names(file):
            with _read(name, refused):
                about[name] = found.about(file[name])
        return about


def values(path: Path, refused: Refusal, names: Collection[str] | None) -> dict[str, Any]:
    """The values of those names, or all that have a plain form, as ``read_mat`` gives them. Raises as it does."""
    held: dict[str, Any] = {}
    with opened_hdf5(path, refused) as file:
        found = _Values(file, path.stat().st_size, refused)
        for name in _names(file):
            if names is not None and name not in names:
                continue
            with _read(name, refused):
                value = found.value(file[name], 0)
            if not isinstance(value, Unread):
                held[name] = value
            elif names is not None:
                raise refused(field=name, found=f"a {value.matlab_class}", expected=PLAIN)
    return held


@contextmanager
def _read(name: str, refused: Refusal) -> Iterator[None]:
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        raise refused(field=name, found=reason(error), expected="a whole MATLAB variable") from error


def _names(file: "h5py.File") -> list[str]:
    # "#refs#" and "#subsystem#" hold what cells and objects point at.
    return [name for name in file if not name.startswith("#")]


class _Values:
    """The values of one file, and how much of it has been read: cells may point at one thing many times."""

    def __init__(self, file: "h5py.File", stored_bytes: int, refused: Refusal) -> None:
        self._file = file
        self._stored_bytes = stored_bytes
        self._refused = refused
        self._parts = Parts()
        self._read_bytes = 0

    def about(self, held: Any) -> tuple[tuple[int, ...], str]:
        matlab_class = self._class(held)
        if "MATLAB_sparse" in held.attrs:
            return (int(held.attrs["MATLAB_sparse"]), len(held["jc"]) - 1), matlab_class
        if not hasattr(held, "shape"):  # the fields of one struct, or of an array of them
            first = next((one for one in held.values() if self._is_references(one) and not self._class(one)), None)
            return (first.shape[::-1] if first is not None else (1, 1)), matlab_class
        empty = self._is_empty(held)
        return tuple(self._read(held).ravel().tolist()) if empty else held.shape[::-1], matlab_class

    def value(self, held: Any, depth: int) -> Any:
        self._parts.add(1, depth)
        matlab_class = self._class(held)
        if "MATLAB_object_decode" in held.attrs or not matlab_class:
            return Unread(matlab_class or "value without a MATLAB class")
        if "MATLAB_sparse" in held.attrs:
            return self._sparse(held, matlab_class)
        if matlab_class == "struct":
            return self._structs(held, depth)
        if not hasattr(held, "shape"):
            return Unread(matlab_class)
        if matlab_class == "cell":
            return self._cell(held, depth)
        if matlab_class == "char":
            return self._text(held)
        if matlab_class in (*_NUMBERS, "logical"):
            return self._numbers(held, matlab_class)
        return Unread(matlab_class)

    def _numbers(self, held: Any, matlab_class: str) -> np.ndarray:
        dtype = {"double": "f8", "single": "f4", "logical": "?"}.get(matlab_class, matlab_class)
        if self._is_empty(held):
            return np.empty(self._empty_shape(held), dtype)
        stored = self._read(held).T
        if stored.dtype.names == ("real", "imag"):
            return stored["real"] + 1j * stored["imag"]
        if stored.dtype.kind not in "fiu":
            raise Malformed(f"{stored.dtype} values of class {matlab_class}")
        return stored.astype(dtype)

    def _text(self, held: Any) -> str | list[str]:
        if self._is_empty(held):
            return text("", self._empty_shape(held))
        units = self._read(held)
        if units.dtype.kind != "u":
            raise Malformed(f"text of {units.dtype}")
        return text(units.astype("<u2").tobytes().decode("utf-16-le"), units.shape[::-1])

    def _cell(self, held: Any, depth: int) -> np.ndarray:
        if self._is_empty(held):
            return cell([], self._empty_shape(held))
        return cell(self._contents(held, depth), held.shape[::-1])

    def _contents(self, held: Any, depth: int) -> list[Any]:
        if not self._is_references(held):
            raise Malformed(f"a cell of {held.dtype}")
        references = self._read(held).ravel().tolist()
        return [self.value(self._file[reference], depth + 1) for reference in references]

    def _structs(self, held: Any, depth: int) -> dict[str, Any] | list[dict[str, Any]]:
        if hasattr(held, "shape"):
            if not self._is_empty(held):
                raise Malformed("a struct that is neither fields nor empty")
            count = prod(self._shape_of_empty(held))
            self._parts.add(count, depth)
            return {} if count == 1 else [{} for _ in range(count)]
        fields = dict(held.items())
        arrays = {name for name, one in fields.items() if self._is_references(one) and not self._class(one)}
        if not arrays:
            return {name: self.value(one, depth + 1) for name, one in fields.items()}
        columns = {name: self._contents(one, depth) for name, one in fields.items() if name in arrays}
        if len(columns) != len(fields) or len({len(column) for column in columns.values()}) != 1:
            raise Malformed("fields of structs that differ in number")
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _sparse(self, held: Any, matlab_class: str) -> np.ndarray:
        column_start = self._read(held["jc"]).astype("i8")
        has_values = "data" in held
        row = self._read(held["ir"]).astype("i8") if has_values else np.empty(0, "i8")
        stored = self._read(held["data"]) if has_values else np.empty(0)
        if stored.dtype.names == ("real", "imag"):
            stored = stored["real"] + 1j * stored["imag"]
        shape = int(held.attrs["MATLAB_sparse"]), len(column_start) - 1
        return dense(shape, row, column_start, stored.astype(bool) if matlab_class == "logical" else stored)

    def _read(self, held: Any) -> np.ndarray:
        require_sound(held, self._refused)
        self._read_bytes += held.size * held.dtype.itemsize
        require_likely_size(self._read_bytes, self._stored_bytes, (held.name or "values").strip("/"), self._refused)
        return np.asarray(held[()])

    def _class(self, held: Any) -> str:
        return text_attribute(held, "MATLAB_class", self._refused) if "MATLAB_class" in held.attrs else ""

    def _is_empty(self, held: Any) -> bool:
        return bool(held.attrs.get("MATLAB_empty", 0))

    def _empty_shape(self, held: Any) -> tuple[int, ...]:
        if prod(shape := self._shape_of_empty(held)):
            raise Malformed(f"nothing, of shape {shape}"[:200])
        return shape

    def _shape_of_empty(self, held: Any) -> tuple[int, ...]:
        shape = tuple(int(one) for one in self._read(held).ravel())
        if len(shape) > 32 or min(shape, default=0) < 0:
            raise Malformed(f"shape {shape}"[:200])
        return shape

    def _is_references(self, held: Any) -> bool:
        import h5py

        return isinstance(held, h5py.Dataset) and h5py.check_ref_dtype(held.dtype) is h5py.Reference
