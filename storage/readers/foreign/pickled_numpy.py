"""What stands in a pickle for NumPy's arrays, scalars and dtypes, built by ourselves from checked parts.

None of the functions that a pickle names is called: each name has a stand-in here that takes plain parts, looks at
them, and gives back a plain value. An array is a view of the bytes it was stored as, read-only, and costs no memory.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from math import prod
from typing import Any

import numpy as np

_CODE = re.compile(r"b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[SUV]\d{1,7}|O8|[Mm]8")
_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic")
_MOST_AXES = 32


class Forbidden(Exception):
    """What a pickle asked for and doesn't get, as words for the refusal."""


class Named:
    """A name out of a pickle: its stand-in, which only REDUCE may call, and only with a tuple."""

    __slots__ = ("name", "of")

    def __init__(self, name: str, of: Callable[..., Any]) -> None:
        self.name = name
        self.of = of


class Unfinished:
    """An array or dtype that a pickle has named, and whose state is still to come."""

    __slots__ = ("_build", "_value")

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build
        self._value: Any = None

    def finish(self, state: Any) -> None:
        if type(state) is not tuple:
            raise Forbidden(f"a state of type {type(state).__name__}")
        self._value = self._build(*state)

    @property
    def finished(self) -> Any:
        if self._value is None:
            raise Forbidden("an array or dtype used before it is finished")
        return self._value


def _begun_array(kind: Any, shape: Any, code: Any) -> Unfinished:
    if type(kind) is not Named or kind.name != "ndarray" or shape != (0,):
        raise Forbidden(f"the making of {getattr(kind, 'name', type(kind).__name__)} other than NumPy makes arrays")
    return Unfinished(_array_of_state)


def _array_of_state(version: Any, shape: Any, dtype: Any, is_fortran: Any, stored: Any) -> np.ndarray:
    order = "F" if is_fortran else "C"
    if type(stored) is not list:
        return _array(stored, dtype, shape, order)
    if _known(dtype) != np.dtype(object) or len(stored) != prod(_shape(shape)):
        raise Forbidden(f"{len(stored)} objects for a {dtype} array of shape {shape}")
    values = np.empty(len(stored), dtype=object)
    for place, one in enumerate(stored):
        values[place] = one
    return values.reshape(shape, order=order)


def _array_of_buffer(stored: Any, dtype: Any, shape: Any, order: Any, axis_order: Any = None) -> np.ndarray:
    if order == "K" and axis_order is not None:
        if sorted(_shape(axis_order)) != list(range(len(_shape(shape)))):
            raise Forbidden(f"axes {axis_order} of an array")
        return _array(stored, dtype, shape, "C").transpose(axis_order)
    if order not in ("C", "F"):
        raise Forbidden(f"an array in order {order!r}")
    return _array(stored, dtype, shape, order)


def _array(stored: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    held, wanted = _bytes(stored), prod(_shape(shape)) * _known(dtype).itemsize
    if dtype.hasobject or dtype.itemsize == 0 or len(held) != wanted:
        raise Forbidden(f"{len(held)} bytes for a {dtype} array of shape {shape}")
    return np.ndarray(shape, dtype, buffer=held, order=order)


def _scalar(dtype: Any, stored: Any) -> Any:
    return _array(stored, dtype, (), "C")[()]


def _begun_dtype(code: Any, align: Any = False, copy: Any = True) -> Unfinished:
    if type(code) is not str or not _CODE.fullmatch(code):
        raise Forbidden(f"dtype {code!r}"[:100])

    def of_state(
        version: Any,
        byte_order: Any,
        subarray: Any,
        names: Any,
        fields: Any,
        itemsize: Any,
        alignment: Any,
        flags: Any,
        metadata: Any = None,
    ) -> np.dtype:
        if byte_order not in ("<", ">", "|", "="):
            raise Forbidden(f"byte order {byte_order!r} of a dtype"[:100])
        if subarray is not None:
            base, shape = subarray
            return np.dtype((_known(base), _shape(shape if type(shape) is tuple else (shape,))))
        if names is not None:
            return _structured(names, fields, itemsize)
        if code[0] in "Mm":
            unit, count, *_ = metadata[1]
            unit = unit if type(unit) is str else unit.decode("ascii")
            if unit not in _UNITS or type(count) is not int or not 0 < count < 2**31:
                raise Forbidden(f"time in units of {count} {unit!r}"[:100])
            return np.dtype(f"{byte_order}{code}" + (f"[{count}{unit}]" if unit != "generic" else ""))
        return np.dtype(f"{byte_order}{code}" if code != "O8" else object)

    return Unfinished(of_state)


def _structured(names: Any, fields: Any, itemsize: Any) -> np.dtype:
    if type(names) is not tuple or type(fields) is not dict or type(itemsize) is not int or itemsize > 2**20:
        raise Forbidden("a structured dtype of no known form")
    parts = [fields[name] for name in names]
    formats, offsets = [_known(part[0]) for part in parts], [part[1] for part in parts]
    return np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": itemsize})


def _known(dtype: Any) -> np.dtype:
    if not isinstance(dtype, np.dtype):
        raise Forbidden(f"a dtype of type {type(dtype).__name__}")
    return dtype


def _shape(shape: Any) -> tuple[int, ...]:
    sizes_are_whole = type(shape) is tuple and all(type(one) is int and 0 <= one < 2**63 for one in shape)
    if not sizes_are_whole or len(shape) > _MOST_AXES:
        raise Forbidden(f"shape {shape!r}"[:100])
    return shape


def _bytes(stored: Any) -> bytes:
    # Python 2 wrote bytes as text.
    held = stored.encode("latin1") if type(stored) is str else stored
    if type(held) is not bytes:
        raise Forbidden(f"numbers stored as {type(held).__name__}")
    return held


def _encoded(text: Any, codec: Any = None) -> bytes:
    # Protocols 0 to 2 write bytes so, and other codecs unpack, import and execute.
    if type(text) is not str or codec not in ("latin1", "latin-1"):
        raise Forbidden(f"codec {codec!r}"[:100])
    return text.encode("latin1")


def _bytes_of(stored: Any = b"", codec: Any = "latin-1") -> bytes:
    return _encoded(stored, codec) if type(stored) is str else _bytes(stored)


def _dict_of(pairs: Any = ()) -> dict:
    if pairs not in ((), []):
        raise Forbidden("an OrderedDict made of pairs")
    return {}


def _complex_of(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise Forbidden("a complex number not of two numbers")
    return complex(real, imaginary)


def _path_text(*parts: Any) -> str:
    if not all(type(part) is str for part in parts):
        raise Forbidden("a path not of text")
    return "/".join(parts).replace("//", "/")


def _moment(kind: type[date]) -> Callable[..., str]:
    def text(*parts: Any) -> str:
        if not all(type(part) in (int, bytes, str) for part in parts):
            raise Forbidden(f"a {kind.__name__} not of numbers")
        return kind(*(part.encode("latin1") if type(part) is str else part for part in parts)).isoformat()

    return text


def _never(*arguments: Any) -> Any:
    raise Forbidden("a call of ndarray")


_ARRAYS = {"_reconstruct": _begun_array, "scalar": _scalar}
STAND_INS: dict[tuple[str, str], tuple[str, Callable[..., Any]]] = {
    **{(f"numpy.{core}.multiarray", name): (name, of) for core in ("core", "_core") for name, of in _ARRAYS.items()},
    **{(f"numpy.{core}.numeric", "_frombuffer"): ("_frombuffer", _array_of_buffer) for core in ("core", "_core")},
    ("numpy", "ndarray"): ("ndarray", _never),
    ("numpy", "dtype"): ("dtype", _begun_dtype),
    ("_codecs", "encode"): ("encode", _encoded),
    ("collections", "OrderedDict"): ("OrderedDict", _dict_of),
    **{(f"{module}", "complex"): ("complex", _complex_of) for module in ("builtins", "__builtin__")},
    **{(f"{module}", "bytes"): ("bytes", _bytes_of) for module in ("builtins", "__builtin__")},
    **{(f"{module}", "bytearray"): ("bytearray", _bytes_of) for module in ("builtins", "__builtin__")},
    # Suite2p's settings hold the time of the run and the folders it ran in.
    **{("datetime", kind.__name__): (kind.__name__, _moment(kind)) for kind in (date, datetime)},
    **{("pathlib", f"{kind}Path"): ("path", _path_text) for kind in ("Posix", "Windows", "PurePosix", "PureWindows")},
}
