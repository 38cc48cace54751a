"""Blocks of a table in HDF5: all of its values, as h5py reads them, and no chunk that lies reaches the library."""

import struct
import zlib
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from storage.readers.foreign import hdf5_chunks
from storage.readers.foreign.hdf5_blocks import table_blocks
from storage.readers.foreign.hdf5_chunks import is_unpacked_here
from storage.readers.foreign.hdf5_files import dataset_at, opened_hdf5
from storage.readers.recording import Refused

REFUSED = partial(Refused, source_uri="/elsewhere/a.h5")
SHAPE = (103, 17)


@pytest.fixture
def written(tmp_path):
    """Writes a file by a function of it."""

    def write(fill) -> Path:
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            fill(file)
        return path

    return write


def read(path: Path, start: int = 0, stop: int = SHAPE[0]) -> np.ndarray:
    with opened_hdf5(path, REFUSED) as file:
        dataset = dataset_at(file, "a", REFUSED, ndim=2, unpacked=False)
        values = np.zeros((stop - start, dataset.shape[1]), dataset.dtype)
        seen = np.zeros(values.shape, int)
        for row, column, block in table_blocks(dataset, start, stop, REFUSED):
            assert block.dtype == dataset.dtype
            here = np.s_[row - start : row - start + len(block), column : column + block.shape[1]]
            values[here] = block
            seen[here] += 1
        assert (seen == 1).all()
        return values


STORED = {
    "contiguous": ({}, False),
    "chunks alone": ({"chunks": (10, 4)}, False),
    "deflated": ({"chunks": (10, 4), "compression": "gzip"}, True),
    "deflated in one chunk": ({"chunks": SHAPE, "compression": "gzip"}, True),
    "deflated by columns": ({"chunks": (103, 1), "compression": "gzip"}, True),
    "deflated and shuffled": ({"chunks": (7, 17), "compression": "gzip", "shuffle": True}, True),
    "with a checksum": ({"chunks": (10, 4), "compression": "gzip", "fletcher32": True}, False),
    "LZF": ({"chunks": (10, 4), "compression": "lzf"}, False),
    "shuffled alone": ({"chunks": (10, 4), "shuffle": True}, False),
    "growing": ({"chunks": (10, 4), "compression": "gzip", "maxshape": (None, None)}, True),
}


@pytest.mark.parametrize("how", STORED)
@pytest.mark.parametrize("dtype", ["f8", "f4", ">f8", "i2", ">u4", "u1", "f2"])
def test_blocks_are_what_h5py_reads(written, how, dtype, monkeypatch):
    monkeypatch.setattr("storage.readers.foreign.hdf5_blocks._BLOCK_BYTES", 1000)
    options, here = STORED[how]
    values = np.random.default_rng(0).integers(0, 200, SHAPE).astype(dtype)
    path = written(lambda file: file.create_dataset("a", data=values, **options))
    with h5py.File(path) as file:
        assert is_unpacked_here(file["a"]) == here
    for start, stop in ((0, 103), (0, 1), (9, 11), (10, 20), (35, 98), (102, 103), (50, 50)):
        np.testing.assert_array_equal(read(path, start, stop), values[start:stop])


def test_chunks_that_were_never_written_hold_the_fill_value(written):
    def fill(file):
        file.create_dataset("a", SHAPE, "f8", chunks=(10, 4), compression="gzip", fillvalue=-7.5)[15:25, 3:6] = 1.0

    expected = np.full(SHAPE, -7.5)
    expected[15:25, 3:6] = 1.0
    np.testing.assert_array_equal(read(written(fill)), expected)


def test_a_chunk_that_says_it_is_not_deflated_or_shuffled_is_taken_at_its_word(written):
    values = np.arange(SHAPE[0] * SHAPE[1], dtype="f8").reshape(SHAPE)
    packed = values.tobytes()
    shuffled = np.frombuffer(packed, np.uint8).reshape(-1, 8).T.tobytes()
    for stored, mask in ((packed, 0b11), (shuffled, 0b10), (zlib.compress(packed), 0b01), (zlib.compress(shuffled), 0)):

        def fill(file, stored=stored, mask=mask):
            dataset = file.create_dataset("a", SHAPE, "f8", chunks=SHAPE, compression="gzip", shuffle=True)
            dataset.id.write_direct_chunk((0, 0), stored, mask)

        path = written(fill)
        np.testing.assert_array_equal(read(path), values)
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["a"][()], values)


def test_a_table_without_values_has_no_blocks(written):
    how = {"chunks": (1, 17), "maxshape": (None, 17), "compression": "gzip"}
    path = written(lambda file: file.create_dataset("a", (0, 17), "f8", **how))
    assert read(path, 0, 0).shape == (0, 17)


def test_numbers_that_are_not_numpys_own_are_left_to_the_library(written):
    def fill(file):
        kind = h5py.h5t.NATIVE_INT32.copy()
        kind.set_precision(20)
        kind.set_offset(4)
        space = h5py.h5s.create_simple(SHAPE)
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((10, 4))
        made.set_deflate(4)
        dataset = h5py.h5d.create(file.id, b"a", kind, space, made)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.full(SHAPE, 1234, "i4"))

    path = written(fill)
    with h5py.File(path) as file:
        assert not is_unpacked_here(file["a"])
    assert (read(path) == 1234).all()


TORN = {
    "no stream": b"no zlib stream",
    "nothing": b"",
    "too short": zlib.compress(bytes(8 * 40 - 1)),
    "too long": zlib.compress(bytes(8 * 40 + 1)),
    "a bomb": zlib.compress(bytes(2**24)),
    "cut off": zlib.compress(bytes(8 * 40))[:-5],
    "a wrong checksum": zlib.compress(bytes(8 * 40))[:-4] + b"abcd",
}


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("stored", TORN.values(), ids=TORN)
def test_a_torn_chunk_is_refused_when_it_is_read_and_never_reaches_the_library(written, stored, shuffle, monkeypatch):
    def fill(file):
        dataset = file.create_dataset("a", data=np.zeros(SHAPE), chunks=(10, 4), compression="gzip", shuffle=shuffle)
        dataset.id.write_direct_chunk((20, 8), stored or b"MARK" * 2)

    path = written(fill)
    if not stored:
        shrink_chunk(path)
    monkeypatch.setattr(h5py.Dataset, "read_direct", None)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", None)
    assert not read(path, 0, 20).any()
    assert not read(path, 30, 103).any()
    with pytest.raises(Refused) as caught:
        read(path)
    assert caught.value.field == "a"
    assert caught.value.expected == "chunks of 320 bytes"


def shrink_chunk(path: Path) -> None:
    with h5py.File(path) as file:
        chunk = file["a"].id.get_chunk_info_by_coord((20, 8))
    content = path.read_bytes()
    place = content.index(struct.pack("<IIQQ", chunk.size, 0, 20, 8))
    path.write_bytes(content[:place] + bytes(4) + content[place + 4 :])


def test_a_chunk_outside_the_file_is_refused(written):
    path = written(lambda file: file.create_dataset("a", data=np.ones(SHAPE), chunks=(10, 4), compression="gzip"))
    with h5py.File(path) as file:
        chunk = file["a"].id.get_chunk_info_by_coord((20, 8))
    content = path.read_bytes()
    place = content.index(struct.pack("<IIQQ", chunk.size, 0, 20, 8))
    path.write_bytes(content[:place] + struct.pack("<I", 2**30) + content[place + 4 :])
    with pytest.raises(Refused) as caught:
        read(path)
    assert caught.value.expected == "chunks inside the file"


def test_what_the_library_unpacks_is_looked_at_before(written):
    def fill(file):
        dataset = file.create_dataset("a", SHAPE, "f8", chunks=(10, 4), compression="gzip", fletcher32=True)
        dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**24)))

    with pytest.raises(Refused, match="unpacks to more"):
        read(written(fill))


def test_chunks_left_alone_are_not_looked_at(written, monkeypatch):
    monkeypatch.setattr(hdf5_chunks, "_chunks", None)
    path = written(lambda file: file.create_dataset("a", data=np.ones(SHAPE), compression="gzip"))
    with opened_hdf5(path, REFUSED) as file:
        assert dataset_at(file, "a", REFUSED, ndim=2, unpacked=False).shape == SHAPE
