"""The reader of a file is found, and every file that is not sound is refused, with the reason."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest

from storage.readers import choose
from storage.readers.choose import read_recording, reader_for
from storage.readers.nwb import nwb
from storage.readers.recording import Refused


def refusal(path: Path, project: str = "lab", reader: str | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        read_recording(path, project, reader)
    refused = caught.value
    assert refused.source_uri == str(path.absolute())
    assert str(refused) == f"{path.name}: {refused.field}: found {refused.found}; expected {refused.expected}"
    assert all((refused.field, refused.found, refused.expected))
    return refused


def test_a_file_cut_in_half_is_refused(write_nwb):
    path = write_nwb()
    os.truncate(path, path.stat().st_size // 2)
    assert "truncated" in refusal(path).found


def test_a_file_damaged_inside_is_refused(write_nwb, tmp_path):
    path = write_nwb()
    content = bytearray(path.read_bytes())
    content[1000:9000] = b"\xff" * 8000
    path.write_bytes(content)
    assert refusal(path).field


@pytest.mark.parametrize(("content", "found"), [(b"", "empty"), (b"no HDF5 here" * 100, "OSError")])
def test_an_nwb_by_name_only_is_refused_not_ignored(tmp_path, content, found):
    path = tmp_path / "mouse_412.nwb"
    path.write_bytes(content)
    refused = refusal(path)
    assert refused.field == "file"
    assert found in refused.found
    assert "HDF5" in refused.expected


def test_hdf5_of_no_known_kind_is_refused(tmp_path):
    path = tmp_path / "matrix.h5"
    with h5py.File(path, "w") as file:
        file["values"] = np.zeros(3)
    refused = refusal(path)
    assert refused.reader is None
    assert refused.found == "no reader knows this file"


def test_a_link_to_nowhere_and_a_folder_are_refused(tmp_path):
    (tmp_path / "gone.nwb").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.nwb").mkdir()
    assert "FileNotFoundError" in refusal(tmp_path / "gone.nwb").found
    assert refusal(tmp_path / "folder.nwb").found == "no reader knows this folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(write_nwb):
    path = write_nwb()
    path.chmod(0)
    assert "PermissionError" in refusal(path).found


def test_a_file_that_cannot_be_read_is_refused(write_nwb):
    def denied(path):
        raise PermissionError(13, "Permission denied")

    with pytest.raises(Refused, match="found PermissionError: Permission denied"):
        read_recording(write_nwb(), "lab", hashed=denied)


def test_a_file_that_grows_while_it_is_read_is_refused(write_nwb, monkeypatch):
    path = write_nwb()

    def appended(recording):
        with open(path, "ab") as file:
            file.write(b"more")
        return recording

    monkeypatch.setattr(choose, "checked", appended)
    assert "changing" in refusal(path).found


def test_a_fault_of_the_reader_is_a_refusal_too(write_nwb, monkeypatch):
    def faulty(*arguments):
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(nwb, "read", faulty)
    assert refusal(write_nwb()).found == "ZeroDivisionError: nothing to divide by"


def test_a_file_no_reader_knows_is_refused_with_its_header(tmp_path):
    path = tmp_path / "licks.csv"
    path.write_text("mouse,lick_s\n1,2.0\n")
    refused = refusal(path)
    assert refused.found == "no reader knows this file: columns mouse, lick_s"
    assert ", nwb" in refused.expected
    assert "visual_behavior_features" in refused.expected
    assert refused.reader is None


def test_a_reader_is_found_by_content_or_by_name(write_nwb, tmp_path):
    path = write_nwb()
    renamed = shutil.copy(path, tmp_path / "session.h5")
    assert reader_for(Path(renamed)) is nwb
    assert reader_for(path, "visual_behavior_features").NAME == "visual_behavior_features"
    with pytest.raises(ValueError, match=r"no reader is called 'nbw'; there are .*\bnwb\b"):
        reader_for(path, "nbw")
    assert "no reader is called 'nbw'" in refusal(path, reader="nbw").found


def test_a_project_that_no_session_id_could_begin_with_is_refused(write_nwb):
    assert refusal(write_nwb(), project="my lab").field == "project"


def test_a_name_that_is_not_utf8_is_refused_or_read_like_any_other(write_nwb, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/mouse_\xff.nwb")
    os.rename(write_nwb(), odd)
    assert read_recording(odd, "lab").source_uri.endswith("mouse_\\xff.nwb")


def test_every_row_is_of_its_declared_type(write_nwb):
    for table, given in read_recording(write_nwb(), "lab").rows.items():
        assert isinstance(given, pa.Table)
        assert given.schema.equals(table.arrow_schema)
