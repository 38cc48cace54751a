"""Parts of a Parquet file, on disk or on S3: its footer, runs of bytes into memory, columns of chosen row groups."""

import io
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

import pyarrow.parquet as pq

from storage.object_store import ObjectStore

# One request for two runs costs less than two when no more than this lies between them (some 10 ms of a fast line).
_GAP_BYTES = 256_000
_REQUEST_BYTES = 16_000_000
_END_BYTES = 256_000  # holds the footer of a thousand row groups


class ParquetBytes(Protocol):
    """A Parquet file of which parts are read; ``at_once`` says how many readers it is good for."""

    at_once: int

    @property
    def name(self) -> str: ...

    @property
    def metadata(self) -> pq.FileMetaData: ...

    def read_into(self, runs: Sequence[tuple[int, memoryview]]) -> None:
        """Fill each piece of memory with the bytes that begin at the place beside it."""

    def open(self) -> pq.ParquetFile: ...


class LocalBytes:
    """A file on disk."""

    at_once = min(os.cpu_count() or 1, 8)

    def __init__(self, path: str) -> None:
        self.name = path

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        return pq.read_metadata(self.name)

    def read_into(self, runs: Sequence[tuple[int, memoryview]]) -> None:
        with open(self.name, "rb", buffering=0) as file:
            for at, memory in runs:
                if os.preadv(file.fileno(), [memory], at) != len(memory):
                    raise OSError(f"{self.name} is shorter than its metadata says")

    def open(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.name, metadata=self.metadata, memory_map=True)


class StoreBytes:
    """An object on S3: few requests where runs lie close together, and many at once."""

    at_once = 16

    def __init__(self, store: ObjectStore, address: str) -> None:
        self.name = address
        self._store = store

    @cached_property
    def _end(self) -> tuple[bytes, int]:
        """The end of the object, with its whole footer in it, and its size."""
        end, size = self._store.read_end(self.name, _END_BYTES)
        footer_bytes = int.from_bytes(end[-8:-4], "little") + 8
        return (end if footer_bytes <= len(end) else self._store.read_end(self.name, footer_bytes)[0]), size

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        return pq.read_metadata(io.BytesIO(self._end[0]))

    def read_into(self, runs: Sequence[tuple[int, memoryview]]) -> None:
        for request in _requests(sorted(runs, key=lambda run: run[0])):
            first = request[0][0]
            found = self._store.read(self.name, first, request[-1][0] + len(request[-1][1]) - first)
            for at, memory in request:
                memory[:] = memoryview(found)[at - first : at - first + len(memory)]

    def open(self) -> pq.ParquetFile:
        # Buffered beforehand: the pieces of the chosen columns are then asked for in few requests.
        source = _Seekable(self._store, self.name, self._end[1])
        return pq.ParquetFile(source, metadata=self.metadata, pre_buffer=True)


def _requests(runs: Sequence[tuple[int, memoryview]]) -> Iterator[list[tuple[int, memoryview]]]:
    """The runs, in order of place, in groups that lie close enough together for one request."""
    group: list[tuple[int, memoryview]] = []
    for at, memory in runs:
        if group:
            end = group[-1][0] + len(group[-1][1])
            if at - end > _GAP_BYTES or at + len(memory) - group[0][0] > _REQUEST_BYTES:
                yield group
                group = []
        if len(memory):
            group.append((at, memory))
    if group:
        yield group


class _Seekable(io.RawIOBase):
    """An object as a file that Arrow reads; every read is a request."""

    def __init__(self, store: ObjectStore, address: str, size: int) -> None:
        self._store, self._address, self._size, self._at = store, address, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._at
        count = left if size < 0 else min(size, left)
        if count <= 0:
            return b""
        found = self._store.read(self._address, self._at, count)
        self._at += len(found)
        return found
