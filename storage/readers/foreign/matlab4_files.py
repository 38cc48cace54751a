"""MATLAB's version 4 files: full matrices of numbers or text, one after another."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from storage.readers.foreign.matlab_values import PLAIN, Malformed, reason, text
from storage.readers.recording import Refusal

_HEADER_BYTES = 20
_DTYPES = ("f8", "f4", "i4", "i2", "u2", "u1")
_CLASSES = ("double", "char", "sparse")
_LONGEST_NAME_BYTES = 256


@dataclass(frozen=True)
class _Matrix:
    name: str
    shape: tuple[int, int]
    matlab_class: str
    dtype: np.dtype
    is_complex: bool
    start: int

    @property
    def bytes(self) -> int:
        return self.shape[0] * self.shape[1] * self.dtype.itemsize * (1 + self.is_complex)


def variables(path: Path, refused: Refusal) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and MATLAB class of each variable. Raises what ``refused`` makes for a torn file, or a name twice."""
    with open(path, "rb") as file:
        return {one.name: (one.shape, one.matlab_class) for one in _matrices(file, refused)}


def values(path: Path, refused: Refusal, names: Collection[str] | None) -> dict[str, Any]:
    """The values of those names, or all that have a plain form, as ``read_mat`` gives them. Raises as it does."""
    held: dict[str, Any] = {}
    with open(path, "rb") as file:
        for matrix in _matrices(file, refused):
            if names is not None and matrix.name not in names:
                continue
            if matrix.matlab_class == "sparse":
                if names is not None:
                    raise refused(field=matrix.name, found="a sparse matrix of version 4", expected=PLAIN)
                continue
            file.seek(matrix.start)
            stored = np.frombuffer(file.read(matrix.bytes), matrix.dtype)
            numbers = stored[: len(stored) // 2] + 1j * stored[len(stored) // 2 :] if matrix.is_complex else stored
            if matrix.matlab_class == "double":
                held[matrix.name] = numbers.astype("c16" if matrix.is_complex else "f8").reshape(
                    matrix.shape, order="F"
                )
                continue
            try:
                held[matrix.name] = text(numbers.astype("u1").tobytes().decode("latin1"), matrix.shape)
            except (Malformed, ValueError) as error:
                raise refused(field=matrix.name, found=reason(error), expected="text") from error
    return held


def _matrices(file: BinaryIO, refused: Refusal) -> Iterator[_Matrix]:
    end = file.seek(0, 2)
    start, seen = 0, set()
    while start < end:
        file.seek(start)
        header = file.read(_HEADER_BYTES)
        order = "<" if int.from_bytes(header[:4], "little") < 5000 else ">"
        kind, rows, columns, imaginary, name_bytes = (
            np.frombuffer(header, order + "i4").tolist() if len(header) == _HEADER_BYTES else (-1, 0, 0, 0, 0)
        )
        machine, precision, layout = kind // 1000, kind // 10 % 100, kind % 10
        known = machine == (order == ">") and precision < len(_DTYPES) and layout < len(_CLASSES)
        sizes_known = min(rows, columns) >= 0 and imaginary in (0, 1) and 0 < name_bytes <= _LONGEST_NAME_BYTES
        if not (known and sizes_known):
            found = f"a header {header.hex()} at byte {start} of {end}"
            raise refused(field="file", found=found, expected="whole variables of a MATLAB 4 file")
        name = file.read(name_bytes).rstrip(b"\0").decode("latin1")
        dtype = np.dtype(order + _DTYPES[precision])
        at = start + _HEADER_BYTES + name_bytes
        matrix = _Matrix(name, (rows, columns), _CLASSES[layout], dtype, bool(imaginary), at)
        if name in seen or at + matrix.bytes > end:
            found = "two variables of that name" if name in seen else f"{max(end - at, 0)} of {matrix.bytes} bytes"
            raise refused(field=name or "file", found=found, expected="a whole MATLAB variable, once")
        seen.add(name)
        yield matrix
        start = at + matrix.bytes
