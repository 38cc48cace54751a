"""Parquet pages of traces, laid down without an encoder: the values lie in the file as they lie in memory.

A row group is a run of frames of one unit, one page for each column: ``unit_id`` is a dictionary of one entry,
``frame`` a count that all units of a span share, ``value`` plain. The numbers and layouts are those of Apache's Parquet
format 2.10 (parquet.thrift, Encodings.md).
"""

import struct as layout
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from storage.thrift_compact import Encoded, binary, i32, i64, list_of, struct, varint, zigzag

_MAGIC = b"PAR1"
_INT32, _INT64, _FLOAT = 1, 2, 4
_REQUIRED, _OPTIONAL = 0, 1
_PLAIN, _RLE, _DELTA_BINARY_PACKED, _RLE_DICTIONARY = 0, 3, 5, 8
_UNCOMPRESSED, _LZ4_RAW = 0, 7
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_DELTAS_PER_BLOCK, _MINIBLOCKS = 128, 4


@dataclass(frozen=True)
class _Column:
    name: str
    type: int
    repetition: int
    codec: int
    encodings: tuple[int, ...]
    number: str  # how struct packs one value

    @cached_property
    def element(self) -> Encoded:
        return struct({1: i32(self.type), 3: i32(self.repetition), 4: binary(self.name.encode())})

    @cached_property
    def about(self) -> dict[int, Encoded]:
        """The first fields of its metadata, the same in every row group."""
        encodings = list_of([i32(encoding) for encoding in self.encodings])
        return {1: i32(self.type), 2: encodings, 3: list_of([binary(self.name.encode())]), 4: i32(self.codec)}


_UNIT_ID = _Column("unit_id", _INT64, _REQUIRED, _UNCOMPRESSED, (_PLAIN, _RLE_DICTIONARY), "<q")
_FRAME = _Column("frame", _INT32, _REQUIRED, _LZ4_RAW, (_DELTA_BINARY_PACKED,), "<i")
_VALUE = _Column("value", _FLOAT, _OPTIONAL, _UNCOMPRESSED, (_RLE, _PLAIN), "<f")
_COLUMNS = (_UNIT_ID, _FRAME, _VALUE)


class TracePages:
    """A Parquet file of traces: ``write`` each row group, ``finish`` at the end.

    ``marks`` go into its metadata. NaN is written as NULL: a NaN would escape filters through statistics.
    """

    def __init__(self, file: BinaryIO, marks: Mapping[bytes, bytes]) -> None:
        self._file = file
        self._marks = marks
        self._groups: list[Encoded] = []
        self._row_count = 0
        self._at = file.write(_MAGIC)

    def write(self, unit_id: int, first_frame: int, values: np.ndarray) -> None:
        """One row group: ``values`` (n_frames,) float32 of a unit from ``first_frame`` on, one frame at least."""
        count = len(values)
        last_frame = first_frame + count - 1
        dictionary, places = _dictionary_of_one(unit_id), _page_of_zeros(count)
        frames, plain_bytes = _page_of_frames(first_frame, count)
        head, stored, (low, high) = _page_of_values(values)
        start = self._at
        places_at = start + len(dictionary)
        frames_at = places_at + len(places)
        values_at = frames_at + len(frames)
        end = values_at + len(head) + stored.nbytes
        self._file.write(b"".join((dictionary, places, frames, head)))
        self._file.write(stored)
        self._at = end
        about = [
            _about(_UNIT_ID, count, (start, frames_at), places_at, unit_id, unit_id, dictionary_at=start),
            _about(_FRAME, count, (frames_at, values_at), frames_at, first_frame, last_frame, plain_bytes=plain_bytes),
            _about(_VALUE, count, (values_at, end), values_at, low, high, null_count=count - len(stored)),
        ]
        self._groups.append(struct({1: list_of(about), 2: i64(end - start), 3: i64(count)}))
        self._row_count += count

    def finish(self) -> None:
        """Write the footer, without which it is no Parquet file."""
        root = struct({4: binary(b"schema"), 5: i32(len(_COLUMNS))})
        in_order_of_type = struct({1: struct({})})
        footer = {
            1: i32(2),
            2: list_of([root, *(column.element for column in _COLUMNS)]),
            3: i64(self._row_count),
            4: list_of(self._groups),
            5: list_of([struct({1: binary(key), 2: binary(value)}) for key, value in self._marks.items()]),
            6: binary(b"neurolake"),
            7: list_of([in_order_of_type] * len(_COLUMNS)),
        }
        _, content = struct(footer)
        self._file.write(content + layout.pack("<I", len(content)) + _MAGIC)


def _dictionary_of_one(unit_id: int) -> bytes:
    content = layout.pack("<q", unit_id)
    return _header(_DICTIONARY_PAGE, len(content), len(content), struct({1: i32(1), 2: i32(_PLAIN)})) + content


@lru_cache(maxsize=16)
def _page_of_zeros(count: int) -> bytes:
    """So many times the first entry of the dictionary: one run, of numbers of one bit."""
    content = b"\x01" + varint(count << 1) + b"\0"
    return _data_header(count, _RLE_DICTIONARY, len(content), len(content)) + content


@lru_cache(maxsize=16)
def _page_of_frames(first: int, count: int) -> tuple[bytes, int]:
    """The page of frames ``first``, ``first + 1`` ..., and the bytes that it has when it is unpacked."""
    # Each block says that its least difference is 1, and has no bits on how much the others exceed it.
    blocks = -((1 - count) // _DELTAS_PER_BLOCK)
    head = varint(_DELTAS_PER_BLOCK) + varint(_MINIBLOCKS) + varint(count) + zigzag(first)
    content = head + (zigzag(1) + bytes(_MINIBLOCKS)) * blocks
    packed = pa.compress(content, codec="lz4_raw", asbytes=True)
    header = _data_header(count, _DELTA_BINARY_PACKED, len(content), len(packed))
    return header + packed, len(header) + len(content)


def _page_of_values(values: np.ndarray) -> tuple[bytes, np.ndarray, tuple[float, float]]:
    """What stands before the values, those that are not missing, and the range of these (NaN when there are none)."""
    count = len(values)
    stored = np.ascontiguousarray(values, "<f4")
    low, high = stored.min(), stored.max()  # NaN when any is
    levels = varint(count << 1) + b"\x01"
    if np.isnan(low):
        present = ~np.isnan(stored)
        levels = varint(-(-count // 8) << 1 | 1) + np.packbits(present, bitorder="little").tobytes()
        stored = stored[present]
        low, high = (stored.min(), stored.max()) if stored.size else (np.nan, np.nan)
    levels = layout.pack("<I", len(levels)) + levels
    page_bytes = len(levels) + stored.nbytes
    # Either zero may stand for the other: a range has to take in both.
    return _data_header(count, _PLAIN, page_bytes, page_bytes) + levels, stored, (low or -0.0, high or 0.0)


@lru_cache(maxsize=16)
def _data_header(count: int, encoding: int, plain_bytes: int, bytes_here: int) -> bytes:
    about = struct({1: i32(count), 2: i32(encoding), 3: i32(_RLE), 4: i32(_RLE)})
    return _header(_DATA_PAGE, plain_bytes, bytes_here, about)


def _header(page: int, plain_bytes: int, bytes_here: int, about: Encoded) -> bytes:
    place = 5 if page == _DATA_PAGE else 7
    return struct({1: i32(page), 2: i32(plain_bytes), 3: i32(bytes_here), place: about})[1]


def _about(
    column: _Column,
    count: int,
    lies: tuple[int, int],
    page_at: int,
    low: float,
    high: float,
    *,
    null_count: int = 0,
    dictionary_at: int | None = None,
    plain_bytes: int | None = None,
) -> Encoded:
    """The footer's entry of one column of a row group; ``low`` and ``high`` are NaN where all is missing."""
    start, end = lies
    statistics = {3: i64(null_count)}
    if low == low:
        statistics |= {5: binary(layout.pack(column.number, high)), 6: binary(layout.pack(column.number, low))}
    metadata = {
        **column.about,
        5: i64(count),
        6: i64(end - start if plain_bytes is None else plain_bytes),
        7: i64(end - start),
        9: i64(page_at),
        **({} if dictionary_at is None else {11: i64(dictionary_at)}),
        12: struct(statistics),
    }
    return struct({2: i64(0), 3: struct(metadata)})
