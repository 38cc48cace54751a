"""Zarr stores come back as Zarr reads them; what leads out of the folder, is torn, or unfolds too far is refused."""

import bz2
import gzip
import json
import lzma
import os
import random
import shutil
import struct
import zlib
from functools import partial
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

from storage.readers.foreign.zarr_stores import read_zarr
from storage.readers.recording import Refused

REFUSED = partial(Refused, source_uri="/elsewhere/C.zarr")
MINIAN = (
    Path(__file__).resolve().parents[3].parent
    / "shared" / "recordings" / "miniscope_maze" / "regression_1d" / "neural_data"
)  # fmt: skip
TRACES = np.arange(300, dtype="f4").reshape(10, 30)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "C.zarr"


def refusal(folder: Path, name: str | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        read_zarr(folder, REFUSED, name)
    assert all((caught.value.field, caught.value.found, caught.value.expected))
    return caught.value


def group(folder: Path, version: int) -> zarr.Group:
    return zarr.open_group(folder, mode="w", zarr_format=version)


def put(folder: Path, version: int, values: np.ndarray = TRACES, name: str = "C", **how) -> Path:
    """Writes the array in chunks of 5 x 10, or one, and gives its folder."""
    chunks = (5, 10) if values.ndim == 2 else values.shape
    made = group(folder, version).create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype, **how)
    made[...] = values
    return folder / name


def edited(place: Path, **changes) -> None:
    path = place / "zarr.json" if (place / "zarr.json").exists() else place / ".zarray"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "values",
    [
        TRACES,
        np.arange(3, dtype=">i2"),
        np.array([True, False]),
        np.array(["a", "bé"]),
        np.array(2.5),
        np.array([1 + 2j]),
        np.array(["2026-11-21"], dtype="M8[s]"),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_array_comes_back_as_zarr_reads_it(folder, version, values):
    put(folder, version, values)
    found = read_zarr(folder, REFUSED)["C"].values
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(found, zarr.open_group(folder, mode="r")["C"][...])


@pytest.mark.parametrize("version", [2, 3])
def test_texts_come_back(folder, version):
    made = group(folder, version).create_array("names", shape=(3,), dtype="str")
    made[:] = np.array(["a", "bé", ""], dtype=object)
    assert read_zarr(folder, REFUSED)["names"].values.tolist() == ["a", "bé", ""]


V2 = [None, numcodecs.Blosc(), numcodecs.Zlib(), numcodecs.GZip(), numcodecs.BZ2(), numcodecs.LZ4(), numcodecs.Zstd()]
FILTERS = [
    *([], [numcodecs.Delta("<f4")], [numcodecs.Shuffle(4)], [numcodecs.Fletcher32()], [numcodecs.CRC32()]),
    [numcodecs.FixedScaleOffset(0, 1, "<f4", "<i2")],
    [numcodecs.Delta("<f4"), numcodecs.Shuffle(4)],
]


@pytest.mark.parametrize("compressor", [*V2, numcodecs.LZMA()], ids=repr)
def test_compressed_chunks_come_back(folder, compressor):
    put(folder, 2, compressors=compressor)
    np.testing.assert_array_equal(read_zarr(folder, REFUSED)["C"].values, TRACES)


@pytest.mark.parametrize("filters", FILTERS, ids=repr)
@pytest.mark.parametrize("compressor", [None, numcodecs.Zlib()], ids=repr)
def test_filtered_chunks_come_back(folder, filters, compressor):
    put(folder, 2, compressors=compressor, filters=filters or None)
    np.testing.assert_array_equal(read_zarr(folder, REFUSED)["C"].values, TRACES)


@pytest.mark.parametrize(
    "codecs",
    [
        (),
        *((one,) for one in (zarr.codecs.GzipCodec(), zarr.codecs.ZstdCodec(), zarr.codecs.BloscCodec())),
        (zarr.codecs.GzipCodec(), zarr.codecs.Crc32cCodec()),
        (zarr.codecs.Crc32cCodec(),),
        (zarr.codecs.numcodecs.Zlib(),),
    ],
    ids=lambda codecs: "+".join(type(one).__name__ for one in codecs),
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_codecs_of_format_3_come_back(folder, codecs):
    put(folder, 3, compressors=codecs)
    np.testing.assert_array_equal(read_zarr(folder, REFUSED)["C"].values, TRACES)


def test_dimensions_are_those_of_xarray_or_of_format_3(folder):
    place = put(folder, 2)
    assert read_zarr(folder, REFUSED)["C"].dimensions is None
    (place / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": ["unit_id", "frame"]}))
    assert read_zarr(folder, REFUSED)["C"].dimensions == ("unit_id", "frame")
    (place / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": ["unit_id"]}))
    assert read_zarr(folder, REFUSED)["C"].dimensions is None
    put(folder, 3, dimension_names=("unit_id", "frame"))
    assert read_zarr(folder, REFUSED)["C"].dimensions == ("unit_id", "frame")


@pytest.mark.parametrize("version", [2, 3])
def test_arrays_are_read_by_name(folder, version):
    made = group(folder, version)
    for name in ("C", "inner/S"):
        made.create_array(name, shape=(3,), dtype="f4")[:] = 1
    assert set(read_zarr(folder, REFUSED)) == {"C", "inner/S"}
    assert list(read_zarr(folder, REFUSED, "inner/S")) == ["inner/S"]
    assert refusal(folder, "A").found == "no A; there are C, inner/S"
    for name in ("../C.zarr/C", "/etc", "inner/../C", ".."):
        assert refusal(folder, name).field == "arrays"


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_may_be_a_single_array(folder, version):
    zarr.create_array(folder, shape=(3,), dtype="f4", zarr_format=version)[:] = 2
    assert read_zarr(folder, REFUSED)[""].values.tolist() == [2, 2, 2]


def test_real_stores_come_back_as_zarr_reads_them():
    if not MINIAN.exists():
        pytest.skip("shared/recordings is not here")
    for store in MINIAN.glob("*.zarr"):
        plain = zarr.open_group(store, mode="r")
        for name, found in read_zarr(store, REFUSED).items():
            np.testing.assert_array_equal(found.values, plain[name][...])
    traces = read_zarr(MINIAN / "C.zarr", REFUSED, "C")["C"]
    assert (traces.values.shape, traces.dimensions) == ((10, 10_000), ("unit_id", "frame"))


@pytest.mark.parametrize("version", [2, 3])
def test_links_are_refused_wherever_they_lead(folder, version, tmp_path):
    place = put(folder, version)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    for target in (secret, tmp_path, place, Path("nowhere")):
        (place / "link").symlink_to(target)
        assert (refusal(folder).field, refusal(folder).found) == ("C/link", "a link")
        (place / "link").unlink()


def test_a_pipe_is_refused_and_not_waited_for(folder):
    os.mkfifo(put(folder, 2) / "0.0.pipe")
    assert refusal(folder).found == "a special file"


@pytest.mark.parametrize("version", [2, 3])
def test_a_missing_chunk_is_refused(folder, version):
    place = put(folder, version)
    chunk = place / ("0.1" if version == 2 else "c/0/1")
    chunk.unlink()
    assert refusal(folder).found == f"no chunk {chunk.relative_to(folder)} (1 of 6 missing)"
    assert np.isfinite(zarr.open_group(folder, mode="r")["C"][...]).all()


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("damage", [lambda held: held[:-5], lambda held: b"", lambda held: b"\xff" * len(held)])
def test_a_torn_chunk_is_refused(folder, version, damage):
    chunk = put(folder, version) / ("0.1" if version == 2 else "c/0/1")
    chunk.write_bytes(damage(chunk.read_bytes()))
    assert refusal(folder).field == "array C"


def test_a_torn_chunk_that_is_not_compressed_is_refused(folder):
    chunk = put(folder, 2, compressors=None) / "0.1"
    for stored in (bytes(199), bytes(201), bytes(100)):
        chunk.write_bytes(stored)
        assert refusal(folder).field == "array C"


@pytest.mark.parametrize(
    "codec",
    [
        *({"id": name} for name in ("pickle", "json2", "msgpack2", "categorize", "vlen-array", "vlen-bytes", "base64")),
        *({"id": name} for name in ("zfpy", "pcodec", "jenkins_lookup3", "imagecodecs_jpeg", "no such codec")),
        *({"id": "delta", "dtype": "|O"}, {"id": "astype", "encode_dtype": "<f4", "decode_dtype": "|O"}),
        *({"id": "zlib", "level": 1}, {"id": 3}, {}, "zlib", None),
    ],
    ids=repr,
)
def test_filters_that_are_not_of_numbers_are_refused(folder, codec):
    edited(put(folder, 2), filters=[codec])
    assert refusal(folder).found.startswith("codec")


@pytest.mark.parametrize("dtype", ["|O", "|V8", [["a", "<f4"]], "<f400", "no such type", "<U1000000000", 3])
def test_values_that_are_not_plain_are_refused(folder, dtype):
    edited(put(folder, 2), dtype=dtype)
    assert refusal(folder).field == "array C"


@pytest.mark.parametrize("dtype", ["V8", [("a", "f4"), ("b", "i2")]], ids=str)
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_values_that_zarr_reads_and_are_not_plain_are_refused(folder, version, dtype):
    put(folder, version, np.zeros(3, dtype=dtype))
    assert zarr.open_group(folder, mode="r")["C"][...].dtype == np.dtype(dtype)
    assert refusal(folder).found.startswith("values of")


def test_codecs_of_format_3_that_are_not_of_numbers_are_refused(folder):
    place = put(folder, 3)
    first = {"name": "bytes", "configuration": {"endian": "little"}}
    for codec in ("numcodecs.pickle", "numcodecs.json2", "sharding_indexed", "no such codec", "numcodecs.zfpy"):
        edited(place, codecs=[first, {"name": codec, "configuration": {}}])
        assert refusal(folder).found == f"codec {codec.removeprefix('numcodecs.')!r}"
    edited(place, codecs=[first, {"name": "gzip", "configuration": {"level": 1}}, {"name": "zstd"}])
    assert refusal(folder).found == "codecs gzip and zstd one upon the other"
    edited(place, codecs=[first], data_type="raw_bits")
    assert refusal(folder)
    edited(place, data_type="float32", chunk_grid={"name": "rectilinear"})
    assert refusal(folder).found == "chunks 'rectilinear'"


def test_lzma_of_other_forms_is_refused(folder):
    edited(put(folder, 2), compressor={"id": "lzma", "format": lzma.FORMAT_RAW, "filters": [{"id": 33}]})
    assert refusal(folder).found == "lzma in other than its .xz form"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"shape": [2**40, 30]}, "chunks"),
        ({"shape": [2**20, 2**20], "chunks": [2**20, 2**20]}, "chunks of"),
        ({"shape": [10, -30]}, "shape [10, -30]"),
        ({"shape": [10]}, "shape [10]"),
        ({"shape": [10.0, 30]}, "shape [10.0, 30]"),
        ({"shape": [True, 30]}, "shape [True, 30]"),
        ({"shape": "wide"}, ""),
        ({"shape": None}, "TypeError"),
        ({"chunks": [0, 10]}, "in chunks of [0, 10]"),
        ({"chunks": [5]}, "in chunks of [5]"),
        ({"shape": [1] * 40, "chunks": [1] * 40}, "shape [1"),
        ({"zarr_format": 9}, ""),
        ({"order": "Z"}, ""),
        ({"fill_value": "no number"}, ""),
    ],
)
def test_metadata_that_lies_is_refused(folder, changes, found):
    edited(put(folder, 2), **changes)
    assert found in refusal(folder).found


def test_more_than_the_chunks_can_hold_is_refused(folder):
    place = put(folder, 2)
    shutil.rmtree(place)
    made = zarr.open_group(folder, mode="a").create_array("C", shape=(2**26,), chunks=(2**24,), dtype="f4")
    made[...] = 1
    refused = refusal(folder)
    assert refused.found.startswith(f"{2**28} bytes declared")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, '{"shape": NaN}', "\xff"])
def test_metadata_that_is_no_metadata_is_refused(folder, text):
    (put(folder, 2) / ".zarray").write_text(text, encoding="latin1")
    assert refusal(folder)


def test_metadata_too_large_is_refused_unread(folder):
    (put(folder, 2) / ".zarray").write_bytes(b" " * (5 * 2**20))
    assert refusal(folder).found == f"{5 * 2**20} bytes"


def test_consolidated_metadata_is_not_believed(folder):
    put(folder, 2)
    consolidated = {"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 2}, "S/.zarray": {}}}
    (folder / ".zmetadata").write_text(json.dumps(consolidated))
    assert list(read_zarr(folder, REFUSED)) == ["C"]


def blosc_of(size: int) -> bytes:
    packed = bytearray(numcodecs.Blosc().encode(bytes(1000)))
    packed[4:8] = struct.pack("<I", size)
    return bytes(packed)


BOMB = bytes(2**20)


@pytest.mark.parametrize(
    ("codec", "chunk"),
    [
        ("zlib", zlib.compress(BOMB)),
        ("gzip", gzip.compress(BOMB, mtime=0)),
        ("bz2", bz2.compress(BOMB)),
        ("lzma", lzma.compress(BOMB)),
        ("zstd", numcodecs.Zstd().encode(BOMB)),
        ("blosc", numcodecs.Blosc().encode(BOMB)),
        ("blosc", blosc_of(2**31 - 1)),
        ("lz4", numcodecs.LZ4().encode(BOMB)),
        ("lz4", struct.pack("<i", 2**31 - 1) + b"x"),
    ],
)
def test_chunks_that_unfold_too_far_are_refused_unread(folder, codec, chunk):
    place = put(folder, 2)
    edited(place, compressor={"id": codec})
    for one in place.glob("[01].*"):
        one.write_bytes(chunk)
    assert "unpacks to over" in refusal(folder).found


@pytest.mark.parametrize(
    ("codec", "chunk", "found"),
    [
        ("gzip", gzip.compress(bytes(200), mtime=0) * 2, "after the end"),
        ("zlib", zlib.compress(bytes(200))[:-6], "breaks off"),
        ("lzma", lzma.compress(bytes(200))[:-6], ""),
        ("blosc", b"", "a Blosc chunk of 0 bytes"),
        ("blosc", numcodecs.Blosc().encode(bytes(200))[:-1], "a Blosc chunk of"),
        ("zstd", b"\x28\xb5\x2f\xfd\x00\x58\x01\x00\x00", "doesn't say its size"),
        ("zstd", b"", "doesn't say its size"),
        ("lz4", struct.pack("<i", -5), "an LZ4 chunk that says -5 bytes"),
        ("lz4", b"", "an LZ4 chunk that says 0 bytes"),
    ],
)
def test_chunks_whose_size_cannot_be_told_are_refused(folder, codec, chunk, found):
    place = put(folder, 2)
    edited(place, compressor={"id": codec})
    for one in place.glob("[01].*"):
        one.write_bytes(chunk)
    assert found in refusal(folder).found


@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_says_more_texts_than_it_has_is_refused(folder, version):
    made = group(folder, version).create_array("a", shape=(2,), chunks=(2,), dtype="str", compressors=None)
    made[:] = np.array(["ab", "c"], dtype=object)
    chunk = folder / ("a/0" if version == 2 else "a/c/0")
    chunk.write_bytes(struct.pack("<I", 2**31) + chunk.read_bytes()[4:])
    assert refusal(folder).found == f"a chunk of {2**31} texts in place of 2"


def test_more_files_than_any_store_has_are_refused(folder, monkeypatch):
    put(folder, 2)
    monkeypatch.setattr("storage.readers.foreign.zarr_stores.MOST_FILES", 5)
    assert refusal(folder).found == "over 5 files"


@pytest.mark.parametrize("version", [2, 3])
def test_a_changed_store_is_read_or_refused(folder, version):
    rng = random.Random(version)
    put(folder, version)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for _ in range(60):
        path = rng.choice(files)
        content = path.read_bytes()
        changed = bytearray(content)
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        path.write_bytes(changed)
        try:
            read_zarr(folder, REFUSED)
        except Refused:
            continue
        finally:
            path.write_bytes(content)
