"""The stored chunks of an HDF5 dataset, unpacked once by us before the library unpacks them.

The library inflates a chunk to its end, however large that becomes. Of one that becomes too short it reads on into
whatever memory lies behind, and one shorter than its checksum ends the process.
"""

import os
import zlib
from math import prod
from typing import TYPE_CHECKING, Any

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

    at = (*_state(dataset.file.filename), h5o.get_info(dataset.id).addr)
    if at in _sound:
        return
    made = dataset.id.get_create_plist()
    chunk_bytes = prod(made.get_chunk()) * dataset.dtype.itemsize
    if chunk_bytes > MOST_CHUNK_BYTES:
        raise refused(field=field, found=f"chunks of {chunk_bytes} bytes", expected=f"at most {MOST_CHUNK_BYTES} bytes")
    filters = [made.get_filter(place) for place in range(made.get_nfilters())]
    _require_known(filters, chunk_bytes, field, refused)
    codes = [code for code, _, _, _ in filters]
    end = dataset.file.id.get_filesize()
    for chunk in _chunks(dataset) if codes else ():
        if chunk.byte_offset is None or chunk.byte_offset + chunk.size > end:
            found = f"a chunk of {chunk.size} bytes at byte {chunk.byte_offset} of {end}"
            raise refused(field=field, found=found, expected="chunks inside the file")
        used = [code for place, code in enumerate(codes) if not chunk.filter_mask >> place & 1]
        size = chunk.size - (_CHECKSUM_BYTES if _CHECKSUM in used else 0)
        if size > 0 and _DEFLATE in used:
            size = _inflated_bytes(dataset.id.read_direct_chunk(chunk.chunk_offset)[1], chunk_bytes)
        if size <= 0 or (size != chunk_bytes and _LZF not in used):
            found = f"a chunk of {chunk.size} bytes that unpacks to {'more' if size > chunk_bytes else 'less'}"
            raise refused(field=field, found=found, expected=f"chunks of {chunk_bytes} bytes")
    _sound.add(at)


def _state(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


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


def _inflated_bytes(content: bytes, most: int) -> int:
    try:
        return len(zlib.decompressobj().decompress(content, most + 1))
    except zlib.error:
        return 0
