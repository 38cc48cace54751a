"""NumPy's files come back as NumPy reads them; what doesn't fit its file, or hides objects, is refused."""

import io
import random
import struct
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from storage.readers.foreign.numpy_files import arrays_in, opened_array, read_array, read_arrays
from storage.readers.recording import Refused

REFUSED = partial(Refused, source_uri="/elsewhere/F.npy")
RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"

ARRAYS = {
    "traces": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12, dtype="i2").reshape(3, 4)),
    "swapped": np.arange(3, dtype=">f4"),
    "number": np.array(2.5),
    "none": np.zeros((0, 3)),
    "names": np.array(["a", "béc"]),
    "times": np.array(["2026-11-21"], dtype="M8[D]"),
    "rows": np.array([(1, 2.0)], dtype=[("row", "i4"), ("lam", "f8")]),
    "cells": np.array([True, False]),
}


def refusal(path: Path, read=read_array, **options) -> Refused:
    with pytest.raises(Refused) as caught:
        read(path, REFUSED, **options)
    assert all((caught.value.field, caught.value.found, caught.value.expected))
    return caught.value


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text) + 1)
    return b"\x93NUMPY" + version + size + text.encode() + b"\n"


def npy(tmp_path: Path, descr: str, shape: str, stored: bytes) -> Path:
    path = tmp_path / "a.npy"
    path.write_bytes(header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}") + stored)
    return path


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_as_numpy_wrote_it(tmp_path, name):
    path = tmp_path / "a.npy"
    np.save(path, ARRAYS[name])
    for read in (read_array, opened_array):
        array = read(path, REFUSED)
        np.testing.assert_array_equal(array, ARRAYS[name])
        assert array.dtype == ARRAYS[name].dtype
        assert array.flags.f_contiguous == ARRAYS[name].flags.f_contiguous


def test_an_opened_array_is_a_read_only_map(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, ARRAYS["traces"])
    array = opened_array(path, REFUSED)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert read_array(path, REFUSED).flags.writeable


@pytest.mark.parametrize(
    ("descr", "shape", "stored", "found"),
    [
        ("'<f8'", "(3,)", 16, "16 bytes of values"),
        ("'<f8'", "(3,)", 32, "32 bytes of values"),
        ("'<f8'", f"({2**40}, {2**40})", 8, "8 bytes of values"),
        ("'<f8'", "(-1,)", 8, "shape (-1,)"),
        ("'<f8'", "(True,)", 8, "shape (True,)"),
        ("'<f8'", "(1.0,)", 8, "ValueError"),
        ("'<f8'", "3", 24, "ValueError"),
        ("'<V0'", f"({2**60},)", 0, "0 bytes of values"),
        ("'<U0'", f"({2**60},)", 0, "0 bytes of values"),
        ("('<f8', (1000000000,))", "(1,)", 8, "ValueError"),
        ("('<f8', (2,))", "(3,)", 48, "dtype ('<f8', (2,))"),
        ("'|O'", "(1,)", 8, "Python objects"),
        ("[('a', '<f8'), ('b', '|O')]", "(1,)", 16, "Python objects"),
        ("__import__('os').system('true')", "(1,)", 8, "ValueError"),
        ("'no such type'", "(1,)", 8, "ValueError"),
        ("(" * 300 + ")" * 300, "(1,)", 8, ""),
        ("-" * 9000 + "1", "(1,)", 8, ""),
        ("'" + "x" * 20_000 + "'", "(1,)", 8, "ValueError"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path, descr, shape, stored, found):
    path = npy(tmp_path, descr, shape, bytes(stored))
    assert found in refusal(path).found
    assert found in refusal(path, opened_array).found


def test_files_of_other_versions_or_none_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    for content in (b"", b"\x93NUMPY", b"PK\x03\x04", header("{}", b"\x03\x00"), header("{}"), header("[]")):
        path.write_bytes(content)
        assert refusal(path)


def test_a_header_longer_than_the_file_takes_no_memory(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{}")
    assert "EOF" in refusal(path).found


def objects(*values) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_objects_are_read_when_asked_for_and_plain(tmp_path):
    path = tmp_path / "stat.npy"
    np.save(path, objects({"npix": 3, "med": (1, 2)}, None))
    assert read_array(path, REFUSED, pickled=True).tolist() == [{"npix": 3, "med": (1, 2)}, None]
    assert "Python objects" in refusal(path).found
    assert "Python objects" in refusal(path, opened_array).found


def test_objects_that_are_not_plain_are_refused(tmp_path):
    path = tmp_path / "A.npy"
    np.save(path, objects(scipy.sparse.csc_matrix(np.eye(2)), None))
    assert refusal(path, pickled=True).found.startswith("scipy.sparse")
    np.save(path, objects(Path("a").touch, None))
    assert refusal(path, pickled=True).found == "builtins.getattr"


@pytest.mark.parametrize(
    ("shape", "found"),
    [("(3,)", "ndarray of shape (2,)"), ("(2, 1)", "ndarray of shape (2,)"), ("(99999999,)", "99999999 objects in")],
)
def test_objects_of_another_shape_than_declared_are_refused(tmp_path, shape, found):
    stored = io.BytesIO()
    np.lib.format.write_array(stored, objects(1, 2))
    path = npy(tmp_path, "'|O'", shape, stored.getvalue()[128:])
    assert found in refusal(path, pickled=True).found


def test_a_pickle_that_is_no_array_is_refused(tmp_path):
    assert "list of shape ()" in refusal(npy(tmp_path, "'|O'", "(1,)", b"]."), pickled=True).found


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_named_arrays_come_back_as_numpy_wrote_them(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, **ARRAYS)
    assert arrays_in(path, REFUSED) == {name: (array.shape, array.dtype) for name, array in ARRAYS.items()}
    for name, array in read_arrays(path, REFUSED).items():
        np.testing.assert_array_equal(array, ARRAYS[name])
        assert array.dtype == ARRAYS[name].dtype
    assert list(read_arrays(path, REFUSED, names=["names", "none"])) == ["names", "none"]


def test_members_are_loaded_only_when_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, C=np.arange(3), A=objects(scipy.sparse.csc_matrix(np.eye(2)), 1), info=np.array({"fr": 30}))
    assert list(read_arrays(path, REFUSED, names=["C"])) == ["C"]
    assert arrays_in(path, REFUSED)["A"] == ((2,), np.dtype(object))
    assert refusal(path, read_arrays).field == "array A"
    assert refusal(path, read_arrays, names=["info"]).found.startswith("Python objects")
    assert read_arrays(path, REFUSED, names=["info"], pickled=["info"])["info"].item() == {"fr": 30}
    refused = refusal(path, read_arrays, names=["A"], pickled=["A"])
    assert (refused.field, refused.found.rpartition(".")[2]) == ("array A pickle", "csc_matrix")
    assert refusal(path, read_arrays, names=["S"]).found == "no S; there are C, A, info"


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,)}"
        made.writestr("a.npy", header(text) + bytes(2**20))
    assert f"{2**20} bytes of values" in refusal(path, read_arrays).found


def test_a_damaged_member_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.full(1000, 7, dtype="u1"))
    path.write_bytes(path.read_bytes().replace(b"\x07" * 900, b"\x08" * 900))
    assert "CRC" in refusal(path, read_arrays).found


def test_an_archive_is_checked_before_it_is_read(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("../a.npy", b"")
    assert "name" in refusal(path, read_arrays).found
    path.write_bytes(b"")
    assert refusal(path, arrays_in)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_changed_file_is_read_or_refused(tmp_path, suffix):
    rng = random.Random(0)
    path = tmp_path / f"a.{suffix}"
    np.save(path, objects({"a": 1}, None)) if suffix == "npy" else np.savez_compressed(
        path, a=np.arange(9), b=np.eye(2)
    )
    content = path.read_bytes()
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        path.write_bytes(changed)
        try:
            read_array(path, REFUSED, pickled=True) if suffix == "npy" else read_arrays(path, REFUSED)
        except Refused:
            continue


def test_real_files_come_back_as_numpy_reads_them():
    if not RECORDINGS.exists():
        pytest.skip("shared/recordings is not here")
    folder = RECORDINGS / "suite2p"
    for path in (folder / "F.npy", folder / "iscell.npy", RECORDINGS / "neuropixels_phy" / "spike_times.npy"):
        np.testing.assert_array_equal(read_array(path, REFUSED), np.load(path))
        np.testing.assert_array_equal(opened_array(path, REFUSED), np.load(path))
    path = RECORDINGS / "caiman" / "example.npz"
    assert arrays_in(path, REFUSED)["C_full"] == ((58, 3000), np.dtype("f8"))
    with np.load(path) as arrays:
        np.testing.assert_array_equal(read_arrays(path, REFUSED, names=["C_full"])["C_full"], arrays["C_full"])
    assert "csc_matrix" in refusal(path, read_arrays, names=["A_full"], pickled=["A_full"]).found
