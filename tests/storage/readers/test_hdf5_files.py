"""HDF5 that is whole and closed is read as h5py reads it; what leads out of the file, or lies about it, is refused."""

import os
import struct
import time
import zlib
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from storage.readers.foreign.hdf5_files import dataset_at, numbers_at, opened_hdf5, text_attribute, texts_at
from storage.readers.recording import Refused

REFUSED = partial(Refused, source_uri="/elsewhere/a.h5")
RECORDED = Path(__file__).resolve().parents[3].parent / "shared" / "recordings" / "nwb" / "A8604-211122.nwb"


@pytest.fixture
def written(tmp_path):
    """Writes a file by a function of it."""

    def write(fill) -> Path:
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            fill(file)
        return path

    return write


def opening_refused(path: Path) -> Refused:
    with pytest.raises(Refused) as caught, opened_hdf5(path, REFUSED):
        pass
    assert all((caught.value.field, caught.value.found, caught.value.expected))
    return caught.value


def reading_refused(path: Path, name: str = "a", read=numbers_at, **options) -> Refused:
    with opened_hdf5(path, REFUSED) as file, pytest.raises(Refused) as caught:
        read(file, name, REFUSED, **options)
    assert all((caught.value.field, caught.value.found, caught.value.expected))
    return caught.value


STORED = [
    np.arange(12.0).reshape(3, 4),
    np.arange(3, dtype=">i2"),
    np.array(2.5),
    np.zeros((0, 3)),
    np.array([1, 2], dtype="u8"),
    np.array([1.5], dtype="f2"),
]


@pytest.mark.parametrize("values", STORED, ids=repr)
def test_numbers_come_back_as_they_were(written, values):
    path = written(lambda file: file.create_dataset("group/a", data=values))
    with opened_hdf5(path, REFUSED) as file:
        for found in (numbers_at(file, "group/a", REFUSED), numbers_at(file["group"], "a", REFUSED, ndim=values.ndim)):
            np.testing.assert_array_equal(found, values)
            assert found.dtype == values.dtype


FILTERS = [
    *({"compression": "gzip"}, {"compression": "lzf"}, {"fletcher32": True}, {"shuffle": True}),
    {"compression": "gzip", "shuffle": True, "fletcher32": True},
    {"maxshape": (None,)},
]


@pytest.mark.parametrize("how", FILTERS, ids=repr)
def test_chunked_numbers_come_back_as_they_were(written, how):
    values = np.random.default_rng(0).integers(0, 9, 5000)
    path = written(lambda file: file.create_dataset("a", data=values, chunks=(300,), **how))
    with opened_hdf5(path, REFUSED) as file:
        np.testing.assert_array_equal(numbers_at(file, "a", REFUSED), values)


def test_texts_come_back_as_they_were(written):
    def fill(file):
        file["a"] = ["cell", "é𝔸", ""]
        file["grid"] = np.array([["a", "b"], ["c", "d"]], dtype=object)
        file["fixed"] = np.array([b"ab", "é".encode()])
        file["one"] = "alone"
        file["none"] = np.empty(0, dtype=h5py.string_dtype())
        file.attrs["unit"] = "dF/F"
        file["a"].attrs["ab"] = np.bytes_("MATLAB")
        file["a"].attrs["in list"] = ["x"]

    with opened_hdf5(written(fill), REFUSED) as file:
        assert texts_at(file, "a", REFUSED) == ["cell", "é𝔸", ""]
        assert texts_at(file, "grid", REFUSED) == ["a", "b", "c", "d"]
        assert texts_at(file, "fixed", REFUSED) == ["ab", "é"]
        assert texts_at(file, "one", REFUSED) == ["alone"]
        assert texts_at(file, "none", REFUSED) == []
        assert text_attribute(file, "unit", REFUSED) == "dF/F"
        assert text_attribute(file["a"], "ab", REFUSED) == "MATLAB"
        assert text_attribute(file["a"], "in list", REFUSED) == "x"


def test_a_real_file_opens_in_milliseconds():
    if not RECORDED.exists():
        pytest.skip("shared/recordings is not here")
    with opened_hdf5(RECORDED, REFUSED) as file, h5py.File(RECORDED) as plain:
        began = time.process_time()
        with opened_hdf5(RECORDED, REFUSED):
            assert time.process_time() - began < 0.5
        np.testing.assert_array_equal(numbers_at(file, "units/spike_times", REFUSED), plain["units/spike_times"][()])
        assert texts_at(file, "identifier", REFUSED) == ["A8604-211122"]


def test_links_that_close_a_circle_are_walked_once(written):
    def fill(file):
        file.create_group("one/two")
        file["one/two/back"] = file["one"]
        file["one/top"] = file["/"]
        file["one/self"] = h5py.SoftLink("/one/self")
        file["one/lost"] = h5py.SoftLink("/nowhere")
        file["a"] = [1]
        file["b"] = h5py.SoftLink("/one/top/a")

    path = written(fill)
    with opened_hdf5(path, REFUSED) as file:
        assert numbers_at(file, "b", REFUSED).tolist() == [1]
        assert numbers_at(file, "one/two/back/top/a", REFUSED).tolist() == [1]
    assert reading_refused(path, "one/lost").found == "nothing"
    assert reading_refused(path, "one/self")


def test_an_external_link_is_refused_wherever_it_is(written, tmp_path):
    def fill(file):
        file.create_group("one/two")["away"] = h5py.ExternalLink(tmp_path / "secret.h5", "/a")

    refused = opening_refused(written(fill))
    assert (refused.field, refused.found) == ("one/two/away", "a link into another file")


def test_values_in_other_files_are_refused(written, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret!!")
    path = written(lambda file: file.create_dataset("g/a", (8,), "u1", external=[(os.fspath(secret), 0, 8)]))
    with h5py.File(path) as file:
        assert file["g/a"][()].tobytes() == b"secret!!"
    refused = opening_refused(path)
    assert (refused.field, refused.found) == ("g/a", f"values in another file, {secret}")


def test_virtual_datasets_are_refused(written, tmp_path):
    def fill(file):
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "a", (3,))
        file.create_virtual_dataset("a", layout)

    assert opening_refused(written(fill)).found == "a virtual dataset"


def test_more_objects_than_any_recording_has_are_refused(written, monkeypatch):
    monkeypatch.setattr("storage.readers.foreign.hdf5_files.MOST_OBJECTS", 20)
    path = written(lambda file: [file.create_group(f"{number}") for number in range(21)])
    assert opening_refused(path).found == "over 20 objects"
    path = written(lambda file: [file.create_group(f"{number % 3}/{number}") for number in range(21)])
    assert opening_refused(path).found == "over 20 objects"


def test_empty_and_torn_files_are_refused(written):
    path = written(lambda file: file.create_dataset("a", data=np.arange(1000)))
    content = path.read_bytes()
    for end in (0, 1, 8, 100, 500, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:end])
        refused = opening_refused(path)
        assert refused.field == "file"
        assert refused.found == "an empty file" if end == 0 else refused.found.startswith("OSError: ")
    path.write_bytes(b"not HDF5" * 100)
    assert opening_refused(path).expected == "a whole HDF5 file"


def test_the_callers_own_errors_are_not_the_files(written):
    with pytest.raises(KeyError, match="mine"), opened_hdf5(written(lambda file: None), REFUSED):
        raise KeyError("mine")


@pytest.mark.parametrize(
    ("values", "options", "found"),
    [
        (np.arange(3), {"ndim": 2}, "int64 of shape (3,)"),
        (np.arange(3), {"kinds": "f"}, "int64 of shape (3,)"),
        (np.array([True]), {}, "bool of shape (1,)"),
        (np.array([b"a"]), {}, "|S1 of shape (1,)"),
        (np.array([(1, 2.0)], dtype="i4,f8"), {}, "of shape (1,)"),
        (np.arange(3), {"limit_bytes": 16}, "24 bytes"),
        (h5py.Empty("f8"), {}, "no values"),
    ],
)
def test_values_of_another_kind_than_asked_for_are_refused(written, values, options, found):
    assert found in reading_refused(written(lambda file: file.create_dataset("a", data=values)), **options).found


def test_what_is_no_dataset_is_refused(written):
    path = written(lambda file: file.create_group("a"))
    assert reading_refused(path).found == "a group"
    assert reading_refused(path, "a/b").found == "nothing"
    assert reading_refused(path, "a/b").field == "a/b"


@pytest.mark.parametrize(
    "fill",
    [
        lambda file: file.create_dataset("a", (2**40,), "f8"),
        lambda file: file.create_dataset("a", (2**40,), "f8", chunks=(1024,), compression="gzip"),
        lambda file: file.create_dataset("a", (2**20, 2**20, 2**20), "f8", fillvalue=1.0),
    ],
)
def test_more_than_the_file_can_hold_is_refused(written, fill):
    assert "bytes declared" in reading_refused(written(fill)).found
    assert "bytes declared" in reading_refused(written(fill), read=dataset_at).found


def test_a_chunk_too_large_for_memory_is_refused(written):
    path = written(lambda file: file.create_dataset("a", (2,), "f8", maxshape=(None,), chunks=(2**28,)))
    assert reading_refused(path).found == f"chunks of {2**31} bytes"


def with_chunk(file: h5py.File, stored: bytes, **how) -> None:
    dataset = file.create_dataset("a", (1000,), "f8", chunks=(1000,), **how)
    dataset.id.write_direct_chunk((0,), stored)


def test_a_chunk_that_unpacks_beyond_its_size_is_refused_unread(written):
    stored = zlib.compress(bytes(2**24))
    refused = reading_refused(written(lambda file: with_chunk(file, stored, compression="gzip")))
    assert refused.found == f"a chunk of {len(stored)} bytes that unpacks to more"
    assert refused.expected == "chunks of 8000 bytes"


@pytest.mark.parametrize(
    ("stored", "how"),
    [
        (b"no zlib stream", {"compression": "gzip"}),
        (bytes(8000) + struct.pack("<I", 1), {"fletcher32": True}),
        # Of these libhdf5 2.0 reads on into other memory, and on the last it crashes.
        (zlib.compress(bytes(7999)), {"compression": "gzip"}),
        (bytes(7999), {"shuffle": True}),
        (b"", {"fletcher32": True}),
        (b"abc", {"compression": "gzip", "fletcher32": True}),
    ],
)
def test_torn_chunks_are_refused(written, stored, how):
    path = written(lambda file: with_chunk(file, stored or b"MARK" * 2, **how))
    if not stored:
        shrink_chunk(path)
    assert reading_refused(path)


def test_lzf_into_a_smaller_buffer_than_the_chunk_is_refused(written):
    path = written(lambda file: file.create_dataset("a", data=np.zeros(1000), chunks=(1000,), compression="lzf"))
    with opened_hdf5(path, REFUSED) as file:
        assert not numbers_at(file, "a", REFUSED).any()
    content = path.read_bytes()
    settings = struct.pack("<I", 8000)
    place = content.index(settings, content.index(b"lzf"))
    path.write_bytes(content[:place] + struct.pack("<I", 16) + content[place + 4 :])
    assert reading_refused(path).found.startswith("filter 32000 'lzf'")


def test_chunks_are_looked_at_once_for_each_state_of_the_file(written, monkeypatch):
    looked = []
    monkeypatch.setattr(
        "storage.readers.foreign.hdf5_chunks._chunks", lambda dataset: looked.append(dataset.name) or []
    )
    path = written(lambda file: file.create_dataset("a", data=np.arange(9), compression="gzip"))
    for state in (1, 2):
        for _ in range(3):
            with opened_hdf5(path, REFUSED) as file:
                dataset_at(file, "a", REFUSED)
        assert looked == ["/a"] * state
        os.utime(path, ns=(0, state))


def shrink_chunk(path: Path) -> None:
    with h5py.File(path) as file:
        chunk = file["a"].id.get_chunk_info(0)
    content = path.read_bytes()
    told = struct.pack("<II", chunk.size, 0)
    tree = content.index(b"TREE", content.index(b"SNOD"))
    place = content.index(told, tree)
    path.write_bytes(content[:place] + bytes(4) + content[place + 4 :])


def test_filters_that_others_bring_are_refused(written):
    def fill(file):
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((10,))
        made.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
        h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((10,)), made)

    assert reading_refused(written(fill)).found.startswith("filter 32015")
    path = written(lambda file: file.create_dataset("a", data=np.arange(9), scaleoffset=0))
    assert reading_refused(path).found.startswith("filter 6 'scaleoffset'")


NUMBERS_OF_ANY_LENGTH = np.empty(1, dtype=h5py.vlen_dtype("i4"))
NUMBERS_OF_ANY_LENGTH[0] = np.arange(2)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.array([b"\xff\xfe"]), "UnicodeDecodeError"),
        (np.arange(3), "int64 of shape (3,)"),
        (NUMBERS_OF_ANY_LENGTH, "object of shape (1,)"),
    ],
)
def test_what_is_no_text_is_refused(written, values, found):
    assert found in reading_refused(written(lambda file: file.create_dataset("a", data=values)), read=texts_at).found


def test_one_long_text_pointed_at_many_times_is_refused(written, monkeypatch):
    monkeypatch.setattr("storage.readers.foreign.hdf5_files.MOST_TEXT_BYTES", 10_000)
    path = written(lambda file: file.create_dataset("a", data=["x" * 500] * 50))
    assert reading_refused(path, read=texts_at).expected == "at most 10000 bytes of text"
    monkeypatch.setattr("storage.readers.foreign.hdf5_files.MOST_TEXTS", 49)
    assert reading_refused(path, read=texts_at).found == "50 texts"


def test_an_attribute_that_is_no_single_text_is_refused(written):
    def fill(file):
        file.attrs["number"] = 3
        file.attrs["two"] = ["a", "b"]
        file.attrs["empty"] = h5py.Empty(h5py.string_dtype())
        file.attrs["odd"] = np.bytes_(b"\xff")

    with opened_hdf5(written(fill), REFUSED) as file:
        for name in ("absent", "number", "two", "empty", "odd"):
            with pytest.raises(Refused) as caught:
                text_attribute(file, name, REFUSED)
            assert caught.value.field == f"file attribute {name}"
