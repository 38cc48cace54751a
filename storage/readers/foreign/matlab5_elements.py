"""The elements of MATLAB's version 5 files (-v6, -v7): from bytes to plain values.

Read here and not by ``scipy.io``, which overflows the C stack on nested cells (50,000 of them fit into some kilobytes
once compressed), makes text and cells of the size that a header declares, and doesn't check the indices of sparse
matrices. What scipy reads rightly comes out here as the same values; the tests hold it to that.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from storage.readers.foreign.matlab_values import Malformed, Parts, Unread, cell, dense, text

MATRIX, COMPRESSED = 14, 15
_INT8, _UINT8, _INT32, _UINT32, _DOUBLE, _UTF8 = 1, 2, 5, 6, 9, 16
_TAG_BYTES = 8
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_DTYPES = {
    "double": "f8", "single": "f4", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
}  # fmt: skip
_CLASSES = dict(enumerate(("cell", "struct", "object", "char", "sparse", *_DTYPES, "function_handle", "opaque"), 1))
_LOGICAL, _COMPLEX = 0x200, 0x800
_MOST_AXES = 32
_MOST_WITHOUT_FIELDS = 1000


@dataclass(frozen=True)
class About:
    """What precedes a matrix's values. ``matlab_class`` is MATLAB's word for it, "opaque" for objects of classes."""

    name: str
    shape: tuple[int, ...]
    matlab_class: str
    is_logical: bool
    is_complex: bool


class Elements:
    """A cursor over elements that lie one after another. Its methods raise Malformed."""

    def __init__(self, content: bytes | memoryview, byte_order: str, parts: Parts | None = None) -> None:
        self._content = memoryview(content)
        self._order = byte_order
        self._parts = parts if parts is not None else Parts()
        self._at = 0

    def about(self) -> About:
        """The flags, dimensions and name of the matrix whose inside this is."""
        flags = self._numbers(_UINT32)
        if len(flags) != 2:
            raise Malformed(f"{len(flags)} words of flags")
        bits = int(flags[0])
        matlab_class = _CLASSES.get(bits & 0xFF, f"class {bits & 0xFF}")
        # Objects have no dimensions here.
        shape = () if matlab_class == "opaque" else tuple(self._numbers(_INT32, _UINT32).tolist())
        if matlab_class != "opaque" and (not 2 <= len(shape) <= _MOST_AXES or min(shape) < 0):
            raise Malformed(f"shape {shape}"[:200])
        name = self._next(_INT8, _UTF8).tobytes().decode("ascii")
        return About(name, shape, matlab_class, bool(bits & _LOGICAL), bool(bits & _COMPLEX))

    def matrix(self, depth: int = 0) -> Any:
        """The plain value of the next element, a matrix."""
        self._parts.add(1, depth)
        content = self._next(MATRIX)
        if not len(content):
            return np.empty((0, 0))
        inside = Elements(content, self._order, self._parts)
        about = inside.about()
        if about.matlab_class == "cell":
            return cell(inside._matrices(prod(about.shape), depth), about.shape)
        if about.matlab_class == "struct":
            return inside._structs(prod(about.shape), depth)
        if about.matlab_class == "char":
            return inside._text(about.shape)
        if about.matlab_class == "sparse":
            return inside._sparse(about)
        if (dtype := _DTYPES.get(about.matlab_class)) is None:
            return Unread(about.matlab_class)
        values = inside._values(prod(about.shape), dtype, about)
        return values.reshape(about.shape, order="F")

    def _values(self, count: int, dtype: str, about: About) -> np.ndarray:
        # MATLAB stores numbers in the smallest type that holds them all.
        values = self._numbers().astype(bool if about.is_logical else dtype)
        if about.is_complex:
            values = values + 1j * self._numbers().astype(dtype)
        if len(values) != count:
            raise Malformed(f"{len(values)} values for shape {about.shape}")
        return values

    def _sparse(self, about: About) -> np.ndarray:
        row, column_start = self._numbers(_INT32, _UINT32), self._numbers(_INT32, _UINT32)
        if len(about.shape) != 2 or not len(column_start):
            raise Malformed(f"a sparse matrix of shape {about.shape} with {len(column_start)} columns")
        used = int(column_start[-1])
        kind, content = self._tagged()
        # MATLAB says double of logical values, and writes a byte for each.
        is_mislabelled = about.is_logical and kind == _DOUBLE and len(content) == used
        values = self._as_numbers(_UINT8 if is_mislabelled else kind, content)
        values = values.astype(bool if about.is_logical else "f8")
        if about.is_complex:
            values = values + 1j * self._numbers()
        return dense(about.shape, row.astype("i8"), column_start.astype("i8"), values)

    def _text(self, shape: tuple[int, ...]) -> str | list[str]:
        kind, content = self._tagged()
        if (codec := _TEXTS.get(kind)) is None:
            raise Malformed(f"text in an element of kind {kind}")
        if codec in ("utf-16", "utf-32"):
            codec += "-be" if self._order == ">" else "-le"
        return text(content.tobytes().decode(codec), shape)

    def _structs(self, count: int, depth: int) -> dict[str, Any] | list[dict[str, Any]]:
        lengths = self._numbers(_INT32, _UINT32)
        names = self._next(_INT8, _UTF8).tobytes()
        length = int(lengths[0]) if len(lengths) == 1 else 0
        if length <= 0 or len(names) % length:
            raise Malformed(f"{len(names)} bytes of field names")
        fields = [names[start : start + length].split(b"\0")[0].decode() for start in range(0, len(names), length)]
        if len(set(fields)) != len(fields) or (not fields and count > _MOST_WITHOUT_FIELDS):
            raise Malformed(f"{count} structs of {len(fields)} fields, {len(set(fields))} of them different")
        held = self._matrices(count * len(fields), depth)
        structs = [
            dict(zip(fields, held[start * len(fields) : (start + 1) * len(fields)], strict=True))
            for start in range(count)
        ]
        return structs[0] if count == 1 else structs

    def _matrices(self, count: int, depth: int) -> list[Any]:
        if count * _TAG_BYTES > len(self._content) - self._at:
            raise Malformed(f"{count} matrices in {len(self._content) - self._at} bytes")
        return [self.matrix(depth + 1) for _ in range(count)]

    def _numbers(self, *kinds: int) -> np.ndarray:
        kind, content = self._tagged()
        if kinds and kind not in kinds:
            raise Malformed(f"an element of kind {kind} in place of {kinds[0]}")
        return self._as_numbers(kind, content)

    def _as_numbers(self, kind: int, content: memoryview) -> np.ndarray:
        if kind not in _NUMBERS:
            raise Malformed(f"numbers in an element of kind {kind}")
        return np.frombuffer(content, self._order + _NUMBERS[kind])

    def _next(self, *kinds: int) -> memoryview:
        kind, content = self._tagged()
        if kind not in kinds:
            raise Malformed(f"an element of kind {kind} in place of {kinds[0]}")
        return content

    def _tagged(self) -> tuple[int, memoryview]:
        tag = np.frombuffer(self._content[self._at : self._at + _TAG_BYTES].tobytes(), self._order + "u4")
        if len(tag) != 2:
            raise Malformed("an element that breaks off")
        kind, size, start = int(tag[0]), int(tag[1]), self._at + _TAG_BYTES
        if kind >> 16:  # up to four bytes lie in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, self._at + 4
            if size > 4:
                raise Malformed(f"a small element of {size} bytes")
        if start + size > len(self._content):
            raise Malformed(f"an element of {size} bytes, {len(self._content) - start} of them there")
        self._at = self._at + _TAG_BYTES if start < self._at + _TAG_BYTES else start + size + -size % _TAG_BYTES
        return kind, self._content[start : start + size]
