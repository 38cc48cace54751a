"""A file is known to be whole until it changes, and one fetch at a time writes to a folder."""

import os
from pathlib import Path

import pytest

from storage.verified_files import FolderBusy, VerifiedFiles, only_writer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "session.nwb"
    file.write_bytes(b"whole")
    return file


def test_a_verified_file_is_known_until_it_changes(tmp_path, file):
    known = VerifiedFiles(tmp_path)
    assert not known.holds(file, "hash")
    known.remember(file, "hash")
    assert VerifiedFiles(tmp_path).holds(file, "hash")
    assert not known.holds(file, "another hash")
    file.write_bytes(b"whole again")
    assert not known.holds(file, "hash")
    file.unlink()
    assert not known.holds(file, "hash")


def test_the_same_size_at_another_time_is_a_change(tmp_path, file):
    known = VerifiedFiles(tmp_path)
    known.remember(file, "hash")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert not known.holds(file, "hash")


@pytest.mark.parametrize("torn", ['{"session.nwb": [', "[]", "\x00"])
def test_a_torn_record_is_taken_for_empty(tmp_path, file, torn):
    known = VerifiedFiles(tmp_path)
    known.remember(file, "hash")
    (tmp_path / "_verified.json").write_text(torn)
    assert not known.holds(file, "hash")
    known.remember(file, "hash")
    assert known.holds(file, "hash")


def test_what_is_not_there_can_not_be_remembered(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not there"):
        VerifiedFiles(tmp_path).remember(tmp_path / "gone.nwb", "hash")


def test_a_second_fetch_in_the_same_folder_is_refused(tmp_path):
    with only_writer(tmp_path), pytest.raises(FolderBusy, match="another fetch is writing to"), only_writer(tmp_path):
        pass
    with only_writer(tmp_path):
        pass
