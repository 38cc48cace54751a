"""The stored chunks of an HDF5 dataset, unpacked by us before the library unpacks them, or instead of it.

The library inflates a chunk to its end, however large that becomes. Of one that becomes too short it reads on into
whatever memory lies behind, and one shorter than its checksum ends the process.
"""

import os
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from zlib_ng import zlib_ng

from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

MOST_CHUNK_BYTES = 2**30
_DEFLATE, _SHUFFLE, _CHECKSUM, _LZF = 1, 2, 3, 32000
_FILTERS = (_DEFLATE, _SHUFFLE, _CHECKSUM, _LZF)
_CHECKSUM_BYTES = 4
# State of the file and address in it of each dataset found sound: readers ask for one more than once, and a stream
# opens its file anew for each span.
_sound: set[tuple[int, ...]] = set()


def require_sound_chunks(dataset: "h5py.Dataset", field: str, refused: Refusal) -> None:
    """Raises what ``refused`` makes unless every chunk lies in the file, and unpacks to just the size of a chunk.

    Filters may be deflate or LZF, shuffle and Fletcher's checksum, in this order; chunks 1 GiB at most.
    """
    from h5py import h5o

    at = (*file_state(dataset.file.filename), h5o.get_info(dataset.id).addr)
    if at in _sound:
        return
    chunk_bytes, filters = _packing(dataset, field, refused)
    codes = [code for code, _, _, _ in filters]
    end = dataset.file.id.get_filesize()
    for chunk in _chunks(dataset) if codes else ():
        _require_inside(chunk, end, field, refused)
        used = [code for place, code in enumerate(codes) if not chunk.filter_mask >> place & 1]
        size = chunk.size - (_CHECKSUM_BYTES if _CHECKSUM in used else 0)
        if size > 0 and _DEFLATE in used:
            size = len(_inflated(dataset.id.read_direct_chunk(chunk.chunk_offset)[1], chunk_bytes))
        if size <= 0 or (size != chunk_bytes and _LZF not in used):
            raise _of_another_size(chunk.size, size, chunk_bytes, field, refused)
    _sound.add(at)


def is_unpacked_here(dataset: "h5py.Dataset") -> bool:
    """Whether `OwnChunks` can unpack its chunks: deflated numbers, shuffled before or not, and nothing else."""
    from h5py import h5t

    # A number that the library would have to convert, of 24 bits or of an enumeration, isn't NumPy's own.
    is_numpys = dataset.dtype.kind in "fiu" and h5t.py_create(dataset.dtype).equal(dataset.id.get_type())
    if dataset.chunks is None or not is_numpys:
        return False
    made = dataset.id.get_create_plist()
    filters = [made.get_filter(place) for place in range(made.get_nfilters())]
    shuffled = [settings for code, _, settings, _ in filters if code == _SHUFFLE]
    codes = [code for code, _, _, _ in filters]
    return codes in ([_DEFLATE], [_SHUFFLE, _DEFLATE]) and shuffled in ([], [(dataset.dtype.itemsize,)])


class OwnChunks:
    """The chunks of a dataset that `is_unpacked_here`, each unpacked when it is asked for, never by the library.

    Raises what ``refused`` makes as `require_sound_chunks` does, for a torn chunk when it is asked for.
    """

    def __init__(self, dataset: "h5py.Dataset", field: str, refused: Refusal) -> None:
        self._dataset, self._field, self._refused = dataset, field, refused
        self._chunk_bytes, filters = _packing(dataset, field, refused)
        self._codes = [code for code, _, _, _ in filters]
        self._dtype, self._shape = dataset.dtype, dataset.chunks
        self._stored = {chunk.chunk_offset: chunk for chunk in _chunks(dataset)}
        self._end = dataset.file.id.get_filesize()

    def at(self, place: tuple[int, ...]) -> np.ndarray | None:
        """The chunk that begins at that place, whole even where it juts out of the dataset; None without one."""
        chunk = self._stored.get(place)
        if chunk is None:
            return None
        _require_inside(chunk, self._end, self._field, self._refused)
        mask, content = self._dataset.id.read_direct_chunk(place)
        used = [code for at, code in enumerate(self._codes) if not mask >> at & 1]
        if _DEFLATE in used:
            content = _inflated(content, self._chunk_bytes)
        if len(content) != self._chunk_bytes:
            raise _of_another_size(chunk.size, len(content), self._chunk_bytes, self._field, self._refused)
        if _SHUFFLE in used:  # all first bytes, then all second ones
            content = np.frombuffer(content, np.uint8).reshape(self._dtype.itemsize, -1).T.tobytes()
        return np.frombuffer(content, self._dtype).reshape(self._shape)


def file_state(path: str | os.PathLike[str]) -> tuple[int, ...]:
    """What changes when the file does, or another is put in its place."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _packing(dataset: "h5py.Dataset", field: str, refused: Refusal) -> tuple[int, list[tuple]]:
    """Bytes of an unpacked chunk, and the filters that packed it, once both have been seen to be of the known kind."""
    made = dataset.id.get_create_plist()
    chunk_bytes = prod(made.get_chunk()) * dataset.dtype.itemsize
    if chunk_bytes > MOST_CHUNK_BYTES:
        raise refused(field=field, found=f"chunks of {chunk_bytes} bytes", expected=f"at most {MOST_CHUNK_BYTES} bytes")
    filters = [made.get_filter(place) for place in range(made.get_nfilters())]
    _require_known(filters, chunk_bytes, field, refused)
    return chunk_bytes, filters


def _require_inside(chunk: Any, end: int, field: str, refused: Refusal) -> None:
    if chunk.byte_offset is None or chunk.byte_offset + chunk.size > end:
        found = f"a chunk of {chunk.size} bytes at byte {chunk.byte_offset} of {end}"
        raise refused(field=field, found=found, expected="chunks inside the file")


def _of_another_size(stored: int, unpacked: int, chunk_bytes: int, field: str, refused: Refusal) -> Exception:
    found = f"a chunk of {stored} bytes that unpacks to {'more' if unpacked > chunk_bytes else 'less'}"
    return refused(field=field, found=found, expected=f"chunks of {chunk_bytes} bytes")


def _require_known(filters: list[tuple], chunk_bytes: int, field: str, refused: Refusal) -> None:
    codes = [code for code, _, _, _ in filters]
    for code, _, settings, name in filters:
        # LZF unpacks into a buffer of the size in its settings, whatever the chunk's.
        is_lzf_of_another_size = code == _LZF and (len(settings) < 3 or settings[2] != chunk_bytes)
        if code not in _FILTERS or codes.count(code) > 1 or {_DEFLATE, _LZF} <= set(codes) or is_lzf_of_another_size:
            found = f"filter {code} {name.decode('utf-8', 'replace')[:80]!r} {settings} among {codes}"
            raise refused(field=field, found=found, expected="deflate or LZF, shuffle, Fletcher's checksum, each once")


def _chunks(dataset: "h5py.Dataset") -> list[Any]:
    chunks: list[Any] = []
    dataset.id.chunk_iter(lambda chunk: chunks.append(chunk))
    return chunks


def _inflated(content: bytes, most: int) -> bytes:
    """What a stream holds, cut off a byte beyond the most; nothing where it is torn."""
    stream = zlib_ng.decompressobj()
    try:
        found = stream.decompress(content, most + 1)
    except zlib_ng.error:
        return b""
    return found if stream.eof or len(found) > most else b""
