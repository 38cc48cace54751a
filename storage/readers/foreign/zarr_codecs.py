"""What a Zarr array asks to be run over its chunks, and how large a chunk becomes, known before it is unpacked."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_NUMBER_FILTERS = frozenset(
    ("delta", "fixedscaleoffset", "quantize", "bitround", "astype", "packbits", "shuffle", "transpose", "bytes")
)
_CHECKSUM_BYTES = {"crc32": 4, "crc32c": 4, "adler32": 4, "fletcher32": 4}
TEXT = "vlen-utf8"
_MOST_LZMA_BYTES = 256 * 2**20
_BLOCK_BYTES = 2**20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# Bytes of a zstd frame's own size, by the two bits that say so; 0 of a frame in one segment has one.
_ZSTD_SIZE_BYTES = (0, 2, 4, 8)


class Unsupported(Exception):
    """A codec or chunk that isn't opened, as words for the refusal."""


@dataclass(frozen=True)
class Packing:
    """How chunks are packed: by which compressor, if any, and how many bytes of checksum follow what it made."""

    compressor: str | None
    trailing_bytes: int
    is_text: bool


def packing(codecs: list[Any]) -> Packing:
    """The packing of these codecs, in the order in which they encode. Raises Unsupported.

    Admitted are filters that turn numbers into numbers, checksums, texts in UTF-8, and one compressor.
    """
    compressor, trailing, names = None, 0, []
    for codec in codecs:
        name, settings = _named(codec)
        names.append(name)
        if name in _COMPRESSORS:
            if compressor:
                raise Unsupported(f"codecs {compressor} and {name} one upon the other")
            compressor = name
        elif name in _CHECKSUM_BYTES:
            trailing += _CHECKSUM_BYTES[name] if compressor else 0
        elif name not in _NUMBER_FILTERS and name != TEXT:
            raise Unsupported(f"codec {name!r}"[:100])
        _require_plain_settings(name, settings)
    return Packing(compressor, trailing, TEXT in names)


def unpacked_bytes(chunk: bytes, how: Packing, most: int) -> int:
    """How many bytes the chunk's compressor makes of it, or ``most`` + 1 where that's more. Raises Unsupported."""
    content = chunk[: len(chunk) - how.trailing_bytes]
    return _COMPRESSORS[how.compressor](content, most) if how.compressor else len(content)


def require_texts(chunk: bytes, how: Packing, count: int) -> None:
    """Raises Unsupported unless the chunk, known to unpack to few bytes, holds that many texts."""
    from numcodecs import get_codec

    content = chunk[: len(chunk) - how.trailing_bytes]
    unpacked = bytes(get_codec({"id": how.compressor}).decode(content)) if how.compressor else content
    # Memory is given for as many texts as the chunk says.
    if (said := int.from_bytes(unpacked[:4], "little")) != count:
        raise Unsupported(f"a chunk of {said} texts in place of {count}")


def _named(codec: Any) -> tuple[str, dict[str, Any]]:
    # Format 2 has "id" beside the settings, format 3 "name" and "configuration".
    name = codec.get("id", codec.get("name")) if isinstance(codec, dict) else codec
    settings = codec.get("configuration", codec) if isinstance(codec, dict) else {}
    if not isinstance(name, str) or not isinstance(settings, dict):
        raise Unsupported(f"codec {codec!r}"[:100])
    return name.removeprefix("numcodecs."), settings


def _require_plain_settings(name: str, settings: dict[str, Any]) -> None:
    for key in ("dtype", "astype", "encode_dtype", "decode_dtype"):
        if (dtype := settings.get(key)) is not None and np.dtype(dtype).kind not in "biufc":
            raise Unsupported(f"codec {name} of {dtype!r}"[:100])
    if name == "lzma" and (settings.get("format") not in (None, lzma.FORMAT_XZ) or settings.get("filters")):
        raise Unsupported("lzma in other than its .xz form")


def _streamed(start: Callable[[], Any]) -> Callable[[bytes, int], int]:
    def size(content: bytes, most: int) -> int:
        stream, made = start(), 0
        while not stream.eof and made <= most:
            block = stream.decompress(content, _BLOCK_BYTES)
            content = getattr(stream, "unconsumed_tail", b"")
            made += len(block)
            if not block and not content and not stream.eof:
                raise Unsupported(f"a chunk that breaks off after {made} bytes")
        if stream.eof and stream.unused_data:
            raise Unsupported(f"{len(stream.unused_data)} bytes after the end of a chunk")
        return min(made, most + 1)

    return size


def _blosc_bytes(content: bytes, most: int) -> int:
    made, packed = (int.from_bytes(content[start : start + 4], "little") for start in (4, 12))
    # The library reads as many bytes as the chunk says it has.
    if len(content) < 16 or packed != len(content):
        raise Unsupported(f"a Blosc chunk of {len(content)} bytes that says {packed}")
    return min(made, most + 1)


def _zstd_bytes(content: bytes, most: int) -> int:
    flags = content[4] if len(content) > 4 else 0
    is_one_segment = bool(flags & 0x20)
    size_bytes = _ZSTD_SIZE_BYTES[flags >> 6] or (1 if is_one_segment else 0)
    start = 5 + (not is_one_segment) + (0, 1, 2, 4)[flags & 3]
    if content[:4] != _ZSTD_MAGIC or not size_bytes or len(content) < start + size_bytes:
        raise Unsupported("a zstd chunk that doesn't say its size")
    made = int.from_bytes(content[start : start + size_bytes], "little") + (256 if size_bytes == 2 else 0)
    return min(made, most + 1)


def _lz4_bytes(content: bytes, most: int) -> int:
    made = int.from_bytes(content[:4], "little", signed=True)
    if len(content) < 4 or made < 0:
        raise Unsupported(f"an LZ4 chunk that says {made} bytes")
    return min(made, most + 1)


_COMPRESSORS: dict[str, Callable[[bytes, int], int]] = {
    "blosc": _blosc_bytes,
    "zstd": _zstd_bytes,
    "lz4": _lz4_bytes,
    "zlib": _streamed(lambda: zlib.decompressobj(zlib.MAX_WBITS)),
    "gzip": _streamed(lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)),
    "bz2": _streamed(bz2.BZ2Decompressor),
    "lzma": _streamed(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_LZMA_BYTES)),
}
