"""MATLAB's version 5 files (-v6, -v7): which variables there are, and the values of those asked for."""

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from storage.readers.foreign.declared_sizes import MOST_TIMES_STORED, MOST_UNQUESTIONED_BYTES, require_likely_size
from storage.readers.foreign.matlab5_elements import COMPRESSED, MATRIX, About, Elements
from storage.readers.foreign.matlab_values import PLAIN, Malformed, Parts, Unread, reason
from storage.readers.recording import Refusal

_HEADER_BYTES = 128
_TAG_BYTES = 8
# The first bytes of a variable, enough for its flags, its dimensions and its name.
_ABOUT_BYTES = 4096
_EXPECTED = "a whole MATLAB variable"


@dataclass(frozen=True)
class _Variable:
    about: About
    is_packed: bool
    start: int
    size: int


def variables(path: Path, refused: Refusal) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and MATLAB class of each variable. Raises what ``refused`` makes for a torn file, or a name twice."""
    with open(path, "rb") as file:
        found = [one.about for one in _variables(file, _byte_order(file), refused)]
    return {one.name: (one.shape, "logical" if one.is_logical else one.matlab_class) for one in found}


def values(path: Path, refused: Refusal, names: Collection[str] | None) -> dict[str, Any]:
    """The values of those names, or all that have a plain form, as ``read_mat`` gives them. Raises as it does."""
    held: dict[str, Any] = {}
    parts = Parts()
    unpacked_bytes = stored_bytes = 0
    with open(path, "rb") as file:
        order = _byte_order(file)
        for variable in _variables(file, order, refused):
            name = variable.about.name
            if names is not None and name not in names:
                continue
            file.seek(variable.start)
            content = file.read(variable.size)
            try:
                if variable.is_packed:
                    content = _unpacked(content, name, refused)
                unpacked_bytes, stored_bytes = unpacked_bytes + len(content), stored_bytes + variable.size
                require_likely_size(unpacked_bytes, stored_bytes, f"variables up to {name}", refused)
                value = Elements(content, order, parts).matrix()
            except (Malformed, ValueError, TypeError, OverflowError, MemoryError, zlib.error) as error:
                raise refused(field=name, found=reason(error), expected=_EXPECTED) from error
            if not isinstance(value, Unread):
                held[name] = value
            elif names is not None:
                raise refused(field=name, found=f"a {value.matlab_class}", expected=PLAIN)
    return held


def _variables(file: BinaryIO, order: str, refused: Refusal) -> Iterator[_Variable]:
    end = file.seek(0, 2)
    start, seen = _HEADER_BYTES, set()
    while start < end:
        file.seek(start)
        tag = file.read(_TAG_BYTES)
        kind, size = (int.from_bytes(word, "big" if order == ">" else "little") for word in (tag[:4], tag[4:]))
        if kind not in (MATRIX, COMPRESSED) or start + _TAG_BYTES + size > end:
            found = f"an element of kind {kind} and {size} bytes at byte {start} of {end}"
            raise refused(field="file", found=found, expected="whole variables of a MATLAB 5 file")
        try:
            head = file.read(min(size, _ABOUT_BYTES))
            if kind == COMPRESSED:
                head = zlib.decompressobj().decompress(head, _ABOUT_BYTES)[_TAG_BYTES:]
            about = Elements(head, order).about()
        except (Malformed, ValueError, zlib.error) as error:
            raise refused(field=f"file at byte {start}", found=reason(error), expected=_EXPECTED) from error
        # One without a name holds what functions and objects need.
        if about.name:
            if about.name in seen:
                raise refused(field=about.name, found="two variables of that name", expected="each name once")
            seen.add(about.name)
            first, whole = (start + _TAG_BYTES, size) if kind == COMPRESSED else (start, size + _TAG_BYTES)
            yield _Variable(about, kind == COMPRESSED, first, whole)
        start += _TAG_BYTES + size


def _byte_order(file: BinaryIO) -> str:
    file.seek(_HEADER_BYTES - 2)
    return ">" if file.read(2) == b"MI" else "<"


def _unpacked(packed: bytes, field: str, refused: Refusal) -> bytes:
    inflater = zlib.decompressobj()
    content = inflater.decompress(packed, max(MOST_UNQUESTIONED_BYTES, MOST_TIMES_STORED * len(packed)) + 1)
    require_likely_size(len(content), len(packed), field, refused)
    if not inflater.eof:
        raise Malformed(f"a packed variable that breaks off after {len(content)} bytes")
    return content
