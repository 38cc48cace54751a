"""A plain archive gives its members; one that lies about names, sizes or bytes is refused before it is unpacked."""

import io
import os
import stat
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path

import pytest

from storage.readers.foreign.archives import checked_zip, opened_member, read_member
from storage.readers.recording import Refused

REFUSED = partial(Refused, source_uri="/elsewhere/archive.zip")


@pytest.fixture
def archive(tmp_path):
    """Writes an archive of these members: name or ZipInfo to bytes."""

    def write(members, compression=zipfile.ZIP_DEFLATED) -> Path:
        path = tmp_path / "archive.zip"
        with zipfile.ZipFile(path, "w", compression) as made:
            for name, content in members:
                made.writestr(name, content)
        return path

    return write


def refusal(path: Path) -> Refused:
    with pytest.raises(Refused) as caught, checked_zip(path, REFUSED):
        pass
    assert all((caught.value.field, caught.value.found, caught.value.expected))
    return caught.value


def patched(path: Path, old: bytes, new: bytes, least: int = 1) -> Path:
    content = path.read_bytes()
    assert content.count(old) >= least
    path.write_bytes(content.replace(old, new))
    return path


def info(name: str, mode: int = 0) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    return made


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_plain_archive_gives_its_members(archive, compression):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as made:
        made.writestr("../a", "b")
    members = [
        ("images/", b""),
        ("images/a.jpg", b"x" * 5000),
        ("é.npy", os.urandom(100)),
        ("in.zip", inner.getvalue()),
    ]
    with checked_zip(archive(members, compression), REFUSED) as opened:
        assert opened.namelist() == [name for name, _ in members]
        for name, content in members:
            assert read_member(opened, name, REFUSED) == content
            with opened_member(opened, name, REFUSED) as stream:
                assert stream.read() == content


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../up", "a/../../up", "..", "a/..", "./a", "a//b", "/", "C:/a", "c:a", "a\\b", "..\\up"),
        *("a\nb", "a\x1b[2J", "a\u202eb"),
    ],
)
def test_names_that_could_lead_elsewhere_are_refused(archive, name):
    assert "name" in refusal(archive([("good", b"x"), (name, b"x")])).found


def test_a_name_with_a_null_is_refused(archive):
    # zipfile itself sees a.npy.
    assert "name 'a.npy" in refusal(patched(archive([("a.npy_.exe", b"x")]), b"a.npy_", b"a.npy\0", 2)).found


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        (stat.S_IFLNK | 0o777, "a symbolic link"),
        (stat.S_IFCHR | 0o666, "special file"),
        (stat.S_IFIFO | 0o666, "special file"),
        (stat.S_IFSOCK | 0o666, "special file"),
    ],
)
def test_links_and_devices_are_refused(archive, mode, found):
    assert found in refusal(archive([(info("a", mode), b"/etc/passwd")])).found
    assert archive([(info("a", stat.S_IFREG | 0o644), b"x")])


def test_two_members_of_one_name_are_refused(archive):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive([("a", b"1"), ("a", b"2")])
    assert refusal(path).found == "two of that name"
    assert refusal(archive([("a", b"1"), ("a/", b"")])).found == "two of that name"


def test_encrypted_members_are_refused(archive):
    path = archive([("a", b"secret")])
    with zipfile.ZipFile(path) as opened:
        central = opened.start_dir
    content = bytearray(path.read_bytes())
    content[central + 8] |= 1
    path.write_bytes(content)
    assert refusal(path).found == "encrypted bytes"


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")])
def test_other_methods_are_refused(archive, method, name):
    assert refusal(archive([("a", b"x" * 1000)], method)).found == f"compression {name}"


def test_a_bomb_is_refused_unread(archive):
    refused = refusal(archive([("a", bytes(65 * 2**20))]))
    assert refused.field == "members"
    assert refused.found.startswith(f"{65 * 2**20} bytes declared")
    # Neither alone: so much that was stored, or so little made of so few bytes.
    with checked_zip(archive([("a", bytes(65 * 2**20))], zipfile.ZIP_STORED), REFUSED):
        pass
    with checked_zip(archive([("a", bytes(2**20))]), REFUSED):
        pass


def test_a_bomb_of_many_members_is_refused(archive):
    assert refusal(archive([(f"m{number}", bytes(2**20)) for number in range(65)])).field == "members"


def overlapping(path: Path) -> Path:
    """Two entries for one deflated kernel, the first quoting the second's header as stored bytes, after Fifield."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = bytes(10_000)
    kernel = packer.compress(content) + packer.flush()

    def header(name: bytes, size: int) -> bytes:
        return (
            struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, zlib.crc32(content), size, 10_000, len(name), 0) + name
        )

    second = header(b"b", len(kernel))
    quoted = b"\x00" + struct.pack("<HH", len(second), len(second) ^ 0xFFFF) + second
    first = header(b"a", len(quoted) + len(kernel))
    local = first + quoted + kernel
    starts = {b"a": (0, len(quoted) + len(kernel)), b"b": (len(first) + 5, len(kernel))}
    central = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 0, 1, size, 10_000, 1, 0, 0, 0, 0, 0, start) + name
        for name, (start, size) in starts.items()
    )
    path.write_bytes(local + central + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, len(central), len(local), 0))
    return path


def test_members_that_share_bytes_are_refused(tmp_path):
    assert "shared with a" in refusal(overlapping(tmp_path / "fifield.zip")).found


def test_more_members_than_allowed_are_refused(archive, monkeypatch):
    monkeypatch.setattr("storage.readers.foreign.archives.MOST_MEMBERS", 10)
    assert refusal(archive([(f"m{number}", b"") for number in range(11)])).found == "11 members"


def test_a_directory_too_large_for_memory_is_refused(archive, monkeypatch):
    monkeypatch.setattr("storage.readers.foreign.archives._MOST_DIRECTORY_BYTES", 1000)
    assert refusal(archive([(f"{number:0100}", b"") for number in range(9)])).field == "directory"


def test_a_member_yields_no_more_than_it_declares(archive):
    path = patched(archive([("a", b"x" * 5000)]), struct.pack("<I", 5000), struct.pack("<I", 100), 2)
    with checked_zip(path, REFUSED) as opened, pytest.raises(Refused) as caught:
        read_member(opened, "a", REFUSED)
    assert "Bad CRC-32" in caught.value.found


def test_a_member_that_yields_less_than_it_declares_is_refused(archive):
    path = patched(archive([("a", b"x" * 5000)]), struct.pack("<I", 5000), struct.pack("<I", 9000), 2)
    with checked_zip(path, REFUSED) as opened, pytest.raises(Refused):
        read_member(opened, "a", REFUSED)


def test_a_member_over_the_callers_limit_is_refused(archive):
    with checked_zip(archive([("a", b"x" * 5000)]), REFUSED) as opened:
        assert len(read_member(opened, "a", REFUSED, 5000)) == 5000
        with pytest.raises(Refused, match="5000 bytes; expected at most 4999"):
            read_member(opened, "a", REFUSED, 4999)
        with pytest.raises(Refused, match="none of that name"):
            read_member(opened, "b", REFUSED)


def test_damaged_bytes_are_refused(archive):
    path = archive([("a", b"x" * 50 + os.urandom(2000))], zipfile.ZIP_STORED)
    with checked_zip(patched(path, b"x" * 50, b"y" * 50), REFUSED) as opened, pytest.raises(Refused, match="CRC"):
        read_member(opened, "a", REFUSED)


def test_a_torn_archive_is_refused_wherever_it_breaks_off(archive):
    path = archive([("a", b"x" * 50), ("b", b"y")])
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        assert refusal(path)


def test_the_callers_own_errors_are_not_the_archives(archive):
    path = archive([("a", b"x")])
    with (
        pytest.raises(ValueError, match="mine"),
        checked_zip(path, REFUSED) as opened,
        opened_member(opened, "a", REFUSED),
    ):
        raise ValueError("mine")
