"""NumPy's files, .npy and .npz: sizes checked before memory is given, objects only through the restricted pickle."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from storage.readers.foreign.archives import checked_zip, opened_member
from storage.readers.foreign.declared_sizes import shown
from storage.readers.foreign.restricted_pickle import load_plain
from storage.readers.recording import Refusal, Refused

_MOST_HEADER_BYTES = 10_000
_BLOCK_BYTES = 16 * 2**20
_SUFFIX = ".npy"


@dataclass(frozen=True)
class Header:
    """What a .npy says of its array. ``start`` is where the values begin, in bytes."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    start: int

    @property
    def count(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * self.dtype.itemsize


def read_array(path: Path, refused: Refusal, *, pickled: bool = False) -> np.ndarray:
    """The array of a .npy file, in memory.

    An array of objects only with ``pickled``, then as ``load_plain`` gives its values. Raises what ``refused`` makes
    for objects unasked for, and when the file's size is not the one that its header declares.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        return _array(file, size, "file", refused, pickled)


def opened_array(path: Path, refused: Refusal) -> np.ndarray:
    """The array of a .npy file as a read-only map of it, for what is too large for memory. Raises as ``read_array``."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        header = _header(file, size, "file", refused, pickled=False)
    if not header.count:
        return np.empty(header.shape, header.dtype)
    order = "F" if header.fortran_order else "C"
    return np.memmap(path, header.dtype, mode="r", offset=header.start, shape=header.shape, order=order)


def read_arrays(
    path: Path, refused: Refusal, *, names: Collection[str] | None = None, pickled: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name, all or those of ``names``; arrays of objects only those in ``pickled``.

    Raises what ``refused`` makes as ``checked_zip`` and ``read_array`` do, and for a name that isn't there.
    """
    with checked_zip(path, refused) as archive:
        members = _members(archive.namelist())
        wanted = list(members if names is None else names)
        if missing := [name for name in wanted if name not in members]:
            found = f"no {', '.join(missing)}; there are {', '.join(members)[:200] or 'none'}"
            raise refused(field="arrays", found=found, expected=f"arrays {', '.join(wanted)}")
        arrays = {}
        for name in wanted:
            size = archive.getinfo(members[name]).file_size
            with opened_member(archive, members[name], refused) as stream:
                arrays[name] = _array(stream, size, f"array {name}", refused, name in pickled)
        return arrays


def arrays_in(path: Path, refused: Refusal) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and dtype of each array of a .npz file, from their headers alone. Raises as ``read_arrays``."""
    with checked_zip(path, refused) as archive:
        found = {}
        for name, member in _members(archive.namelist()).items():
            size = archive.getinfo(member).file_size
            with opened_member(archive, member, refused) as stream:
                header = _header(stream, size, f"array {name}", refused, pickled=True)
            found[name] = header.shape, header.dtype
        return found


def _members(names: list[str]) -> dict[str, str]:
    return {name.removesuffix(_SUFFIX): name for name in names if name.endswith(_SUFFIX)}


def _array(stream: BinaryIO, size: int, field: str, refused: Refusal, pickled: bool) -> np.ndarray:
    header = _header(stream, size, field, refused, pickled)
    order = "F" if header.fortran_order else "C"
    if header.dtype.kind == "O":
        values = load_plain(stream, refused, field=f"{field} pickle")
        if not isinstance(values, np.ndarray) or values.dtype != object or values.shape != header.shape:
            found = f"{type(values).__name__} of shape {getattr(values, 'shape', ())}"
            raise refused(field=f"{field} pickle", found=found, expected=f"objects of shape {header.shape}")
        return values
    with _read(field, refused):
        flat = np.empty(header.count, header.dtype)
        filled, raw = 0, memoryview(flat.view(np.uint8)) if flat.size else memoryview(b"")
        while filled < len(raw):
            block = stream.read(min(_BLOCK_BYTES, len(raw) - filled))
            if not block:
                raise refused(field=field, found=f"{filled} bytes of values", expected=f"{len(raw)} bytes")
            raw[filled : filled + len(block)] = block
            filled += len(block)
        return flat.reshape(header.shape, order=order)


def _header(stream: BinaryIO, size: int, field: str, refused: Refusal, pickled: bool) -> Header:
    with _read(field, refused):
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise refused(field=field, found=f".npy version {version}", expected="version 1.0 or 2.0")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read(stream, max_header_size=_MOST_HEADER_BYTES)
        header = Header(shape, bool(fortran_order), dtype, stream.tell())
    if any(type(one) is not int or one < 0 for one in shape):
        raise refused(field=field, found=f"shape {shape}"[:200], expected="sizes of 0 or more")
    if dtype.subdtype:
        raise refused(field=field, found=f"dtype {dtype}"[:200], expected="a dtype without a shape of its own")
    if dtype.hasobject:
        if dtype.kind != "O" or not pickled:
            raise refused(field=field, found=f"Python objects (dtype {dtype})"[:200], expected="plain numbers or text")
        # A pickle has no size of its own, but takes at least a byte for each of its values.
        if header.count > size - header.start:
            found = f"{header.count} objects in {size - header.start} bytes"
            raise refused(field=field, found=found, expected="a whole .npy file")
        return header
    if header.bytes != size - header.start or (not dtype.itemsize and header.count):
        found = f"{size - header.start} bytes of values"
        raise refused(field=field, found=found, expected=f"{header.bytes} bytes: {dtype} of shape {shape}"[:300])
    return header


@contextmanager
def _read(field: str, refused: Refusal) -> Iterator[None]:
    try:
        yield
    except (Refused, OSError):
        raise
    except Exception as error:
        raise refused(field=field, found=shown(error), expected="a whole .npy file") from error
