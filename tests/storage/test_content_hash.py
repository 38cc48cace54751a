"""A file's hash is that of its bytes, and is computed again whenever these may have changed."""

import hashlib
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage import content_hash
from storage.content_hash import HashCache, content_sha256


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "session.nwb"
    path.write_bytes(os.urandom(3 * 2**20 + 17))
    return path


@pytest.fixture
def reads(monkeypatch):
    """The files whose bytes were read, in order."""
    read = []

    def counted(path):
        read.append(path)
        return content_sha256(path)

    monkeypatch.setattr(content_hash, "content_sha256", counted)
    return read


def test_it_is_the_sha256_of_the_bytes(file):
    assert content_sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_file_is_read_once(file, tmp_path, reads):
    for _ in range(3):
        assert HashCache(tmp_path / "cache").content_sha256(file) == content_sha256(file)
    assert len(reads) == 1


def test_a_changed_file_is_read_again(file, tmp_path, reads):
    cache = HashCache(tmp_path / "cache")
    before, times = cache.content_sha256(file), file.stat()
    file.write_bytes(os.urandom(file.stat().st_size))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same mtime: the ctime tells
    assert cache.content_sha256(file) == content_sha256(file) != before
    replacement = file.with_suffix(".new")
    replacement.write_bytes(b"other")
    os.replace(replacement, file)
    assert cache.content_sha256(file) == hashlib.sha256(b"other").hexdigest()
    assert len(reads) == 3


def test_a_file_that_changes_while_it_is_read_is_not_remembered(file, tmp_path, monkeypatch):
    def grows(path):
        found = content_sha256(path)
        with open(path, "ab") as end:
            end.write(b"more")
        return found

    cache = HashCache(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(content_hash, "content_sha256", grows)
        cache.content_sha256(file)
    assert cache.content_sha256(file) == content_sha256(file)


@pytest.mark.parametrize("damage", [b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_corrupt_cache_is_made_anew(file, tmp_path, reads, damage):
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "content_hashes.sqlite").write_bytes(damage)
    for _ in range(2):
        assert HashCache(folder).content_sha256(file) == content_sha256(file)
    assert len(reads) == 1


def test_a_cache_that_cannot_be_written_is_done_without(file, tmp_path, reads):
    (tmp_path / "cache").write_text("a file where the folder should be")
    for _ in range(2):
        assert HashCache(tmp_path / "cache").content_sha256(file) == content_sha256(file)
    assert len(reads) == 2


def test_many_may_use_it_at_once(tmp_path):
    files = [tmp_path / f"{number}.csv" for number in range(40)]
    for number, path in enumerate(files):
        path.write_text(str(number))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda path: HashCache(tmp_path / "cache").content_sha256(path), files * 3))
    assert found == [content_sha256(path) for path in files] * 3
    with sqlite3.connect(tmp_path / "cache" / "content_hashes.sqlite") as cache:
        assert cache.execute("SELECT count(*) FROM hashes").fetchone() == (40,)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        HashCache(tmp_path).content_sha256(tmp_path / "gone.nwb")


def test_a_name_that_is_not_utf8_is_remembered_like_any_other(tmp_path, reads):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/mouse_\xff.csv")
    with open(path, "wb") as file:
        file.write(b"1")
    for _ in range(2):
        HashCache(tmp_path / "cache").content_sha256(path)
    assert len(reads) == 1
