"""The stored chunks of an HDF5 dataset, looked at before the library unpacks them.

It unpacks a deflated chunk to its end, whatever size the dataset gives its chunks, and a chunk too short for its
checksum ends the process.
"""

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
# What deflate makes of a byte at most.
_MOST_TIMES_DEFLATED = 1032
_SMALLEST_LOOKED_INTO_BYTES = MOST_CHUNK_BYTES // _MOST_TIMES_DEFLATED
_BLOCK_BYTES = 2**20


def require_sound_chunks(dataset: "h5py.Dataset", field: str, refused: Refusal) -> None:
    """Raises what ``refused`` makes unless every chunk lies in the file, and unpacks to the size of a chunk.

    Filters may be deflate or LZF, shuffle and Fletcher's checksum; chunks 1 GiB at most.
    """
    made = dataset.id.get_create_plist()
    chunk_bytes = prod(made.get_chunk()) * dataset.dtype.itemsize
    if chunk_bytes > MOST_CHUNK_BYTES:
        raise refused(field=field, found=f"chunks of {chunk_bytes} bytes", expected=f"at most {MOST_CHUNK_BYTES} bytes")
    filters = [made.get_filter(place) for place in range(made.get_nfilters())]
    codes = [code for code, _, _, _ in filters]
    for code, _, _, name in filters:
        if code not in _FILTERS or codes.count(code) > 1 or {_DEFLATE, _LZF} <= set(codes):
            found = f"filter {code} {name.decode('utf-8', 'replace')[:80]!r} among {codes}"
            raise refused(field=field, found=found, expected="deflate or LZF, shuffle, Fletcher's checksum, each once")
    if not codes:
        return
    chunks: list[Any] = []
    dataset.id.chunk_iter(lambda chunk: chunks.append(chunk))
    end, least = dataset.file.id.get_filesize(), _CHECKSUM_BYTES if _CHECKSUM in codes else 0
    for chunk in chunks:
        if chunk.size <= least or chunk.byte_offset is None or chunk.byte_offset + chunk.size > end:
            found = f"a chunk of {chunk.size} bytes at byte {chunk.byte_offset} of {end}"
            raise refused(field=field, found=found, expected="whole chunks inside the file")
        is_deflated = _DEFLATE in codes and not chunk.filter_mask >> codes.index(_DEFLATE) & 1
        if is_deflated and chunk.size > _SMALLEST_LOOKED_INTO_BYTES:
            _, content = dataset.id.read_direct_chunk(chunk.chunk_offset)
            if _inflates_beyond(content, chunk_bytes + _CHECKSUM_BYTES):
                found = f"a chunk that unpacks to more than {chunk_bytes} bytes"
                raise refused(field=field, found=found, expected="chunks of the dataset's own size")


def _inflates_beyond(content: bytes, most: int) -> bool:
    inflater, made = zlib.decompressobj(), 0
    while not inflater.eof and made <= most:
        block = inflater.decompress(content, _BLOCK_BYTES)
        content = inflater.unconsumed_tail
        made += len(block)
        if not block and not content:
            break
    return made > most
