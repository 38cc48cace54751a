"""Zip archives from strangers: names that stay inside, sizes that are true, and nothing that unfolds without end."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from storage.readers.foreign.declared_sizes import require_likely_size, shown
from storage.readers.recording import Refusal, Refused

MOST_MEMBERS = 10_000
MOST_MEMBER_BYTES = 8 * 2**30
_MOST_DIRECTORY_BYTES = 16 * 2**20
_LOCAL_HEADER_BYTES = 30
# Python's zipfile unpacks the others, bz2 and lzma, without bound on what one read makes of a few bytes.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_BLOCK_BYTES = 2**20


@contextmanager
def checked_zip(path: Path, refused: Refusal) -> Iterator[zipfile.ZipFile]:
    """The archive, open, once its directory has been seen to be sound; archives inside it are bytes like any other.

    Raises what ``refused`` makes for a torn archive; for over 10,000 members; for a name that is absolute, has a drive,
    a backslash or a part ``..``, or is there twice; for links, devices, encrypted members, methods other than stored
    and deflated, members that share bytes; and for more than 64 MiB out of less than a 200th of that.
    """
    with ExitStack() as opened:
        with _whole(refused, "file", Exception):
            file = opened.enter_context(open(path, "rb"))
            _require_small_directory(file, refused)
            archive = opened.enter_context(zipfile.ZipFile(file))
            members = archive.infolist()
            for member in members:
                _require_plain_member(member, refused)
            names = [member.filename.rstrip("/") for member in members]
            if len(set(names)) != len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise refused(field=f"member {twice}", found="two of that name", expected="each name once")
            _require_own_bytes(file, archive, members, refused)
            size = sum(member.file_size for member in members)
            require_likely_size(size, sum(member.compress_size for member in members), "members", refused)
        yield archive


@contextmanager
def opened_member(archive: zipfile.ZipFile, name: str, refused: Refusal) -> Iterator[BinaryIO]:
    """The member as a stream that never yields more than its declared size. Raises what ``refused`` makes."""
    field = f"member {name}"
    if name not in archive.NameToInfo:
        raise refused(field=field, found="none of that name", expected="a member of the archive")
    with ExitStack() as opened:
        with _whole(refused, field, Exception):
            stream = opened.enter_context(archive.open(name))
        with _whole(refused, field, (zipfile.BadZipFile, EOFError, zlib.error)):
            yield stream


def read_member(archive: zipfile.ZipFile, name: str, refused: Refusal, limit_bytes: int = MOST_MEMBER_BYTES) -> bytes:
    """All of the member, its checksum verified. Raises what ``refused`` makes, before reading one over the limit."""
    with opened_member(archive, name, refused) as stream:
        declared = archive.getinfo(name).file_size
        if declared > limit_bytes:
            raise refused(field=f"member {name}", found=f"{declared} bytes", expected=f"at most {limit_bytes} bytes")
        content = b"".join(iter(lambda: stream.read(_BLOCK_BYTES), b""))
        if len(content) != declared:
            raise refused(field=f"member {name}", found=f"{len(content)} bytes", expected=f"{declared}, as declared")
        return content


@contextmanager
def _whole(refused: Refusal, field: str, torn: type[Exception] | tuple[type[Exception], ...]) -> Iterator[None]:
    try:
        yield
    except (Refused, OSError):
        raise
    except torn as error:
        raise refused(field=field, found=shown(error), expected="a whole zip archive") from error


def _require_small_directory(file: BinaryIO, refused: Refusal) -> None:
    # The directory is believed by zipfile whole, at hundreds of bytes of memory for each of its entries; how long it is
    # must be found as zipfile finds it, or the two could be told different things.
    end = zipfile._EndRecData(file)
    if end and end[zipfile._ECD_SIZE] > _MOST_DIRECTORY_BYTES:
        found = f"{end[zipfile._ECD_SIZE]} bytes"
        raise refused(field="directory", found=found, expected=f"at most {_MOST_DIRECTORY_BYTES} bytes")
    if end and end[zipfile._ECD_ENTRIES_TOTAL] > MOST_MEMBERS:
        found = f"{end[zipfile._ECD_ENTRIES_TOTAL]} members"
        raise refused(field="directory", found=found, expected=f"at most {MOST_MEMBERS}")


def _require_plain_member(member: zipfile.ZipInfo, refused: Refusal) -> None:
    field = f"member {member.orig_filename!r}"[:200]
    name = member.orig_filename
    parts = name.removesuffix("/").split("/")
    # An empty first part is an absolute name, an empty later one a second name for the same file.
    if {"", ".", ".."} & set(parts) or any(one in "\\:" or not one.isprintable() for one in name):
        raise refused(field=field, found=f"name {name!r}"[:200], expected="a printable name inside the archive")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        found = "a symbolic link" if kind == stat.S_IFLNK else f"a special file (mode {kind:o})"
        raise refused(field=field, found=found, expected="a file or a folder")
    if member.flag_bits & _ENCRYPTED:
        raise refused(field=field, found="encrypted bytes", expected="bytes that can be read without a password")
    if member.compress_type not in _METHODS:
        found = zipfile.compressor_names.get(member.compress_type, str(member.compress_type))
        raise refused(field=field, found=f"compression {found}", expected="stored or deflated")


def _require_own_bytes(
    file: BinaryIO, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], refused: Refusal
) -> None:
    end_before, before = 0, ""
    for member in sorted(members, key=lambda one: one.header_offset):
        start = member.header_offset
        if start < 0:
            raise refused(
                field=f"member {member.filename}", found=f"a start at byte {start}", expected="bytes of its own"
            )
        file.seek(start)
        header = file.read(_LOCAL_HEADER_BYTES)
        name_bytes, extra_bytes = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        end = start + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes + member.compress_size
        if start < end_before or end > archive.start_dir:
            found = f"bytes {start} to {end}, {f'shared with {before}' if start < end_before else 'past the last'}"
            raise refused(field=f"member {member.filename}", found=found, expected="bytes of its own")
        end_before, before = end, member.filename
