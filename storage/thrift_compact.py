"""Thrift's compact protocol, as far as the metadata of a Parquet file needs it: values to bytes."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

Encoded = tuple[int, bytes]
"""The protocol's number of the value's type, and its bytes."""

_BYTES = [bytes((number,)) for number in range(256)]
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12


def varint(number: int) -> bytes:
    """A whole number from 0 on, seven bits a byte, the lowest first."""
    if number < 0x80:
        return _BYTES[number]
    parts = []
    while number >= 0x80:
        parts.append(_BYTES[number & 0x7F | 0x80])
        number >>= 7
    parts.append(_BYTES[number])
    return b"".join(parts)


def zigzag(number: int) -> bytes:
    """A whole number of 64 bits, small in bytes when it is near 0."""
    return varint(number << 1 if number >= 0 else ~number << 1 | 1)


@lru_cache(maxsize=256)  # a file says the same few again and again
def i32(number: int) -> Encoded:
    """A number of 32 bits, or one of an enumeration."""
    return _I32, zigzag(number)


def i64(number: int) -> Encoded:
    """A number of 64 bits."""
    return _I64, zigzag(number)


def binary(content: bytes) -> Encoded:
    """Bytes, or a text in UTF-8."""
    return _BINARY, varint(len(content)) + content


def list_of(values: Sequence[Encoded]) -> Encoded:
    """Values of one type; none are as none of a struct."""
    kind, count = values[0][0] if values else _STRUCT, len(values)
    head = bytes((count << 4 | kind,)) if count < 15 else bytes((0xF0 | kind,)) + varint(count)
    return _LIST, head + b"".join(content for _, content in values)


def struct(fields: Mapping[int, Encoded]) -> Encoded:
    """Fields by their ids, in ascending order, no two more than 15 apart."""
    parts, last = [], 0
    for field, (kind, content) in fields.items():
        parts += (_BYTES[(field - last) << 4 | kind], content)
        last = field
    parts.append(b"\0")
    return _STRUCT, b"".join(parts)
