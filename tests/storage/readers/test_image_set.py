"""A set of images alone: every pixel as it stands, and no other array taken for one."""

from pathlib import Path

import numpy as np
import pytest

from storage.lake import Lake
from storage.readers.choose import read_recording, reader_for
from storage.readers.recording import Refused
from storage.readers.studies import image_set
from storage.tables import IMAGES, SESSIONS, UNITS

SCENES = (np.arange(3 * 64) % 256).reshape(3, 64).astype(float)


def written(folder: Path, array: np.ndarray = SCENES, name: str = "natural_scenes.npy") -> Path:
    np.save(folder / name, array)
    return folder / name


def refusal(path: Path, **given) -> Refused:
    with pytest.raises(Refused) as caught:
        read_recording(path, "allen", **given)
    return caught.value


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", ">f4"])
def test_every_pixel_comes_back_as_it_stands(tmp_path, dtype):
    recording = read_recording(written(tmp_path, SCENES.astype(dtype)), "allen")
    assert recording.session_ids == ("allen-natural_scenes",)
    session = recording.rows[SESSIONS].to_pylist()[0]
    assert (session["unit_count"], session["subject_id"]) == (0, None)
    assert len(recording.rows[UNITS]) == 0
    rows = recording.rows[IMAGES].to_pylist()
    assert [(row["image_name"], row["image_index"], row["kind"]) for row in rows] == [
        ("0", 0, "stimulus"),
        ("1", 1, "stimulus"),
        ("2", 2, "stimulus"),
    ]
    stored = np.dtype(rows[0]["pixel_type"]).newbyteorder("<")
    assert stored.name == np.dtype(dtype).name
    for row, expected in zip(rows, SCENES, strict=True):
        pixels = np.frombuffer(row["pixels"], stored).reshape(row["height_px"], row["width_px"])
        np.testing.assert_array_equal(pixels, expected.reshape(8, 8))


def test_an_array_in_columns_is_read_by_rows(tmp_path):
    path = written(tmp_path, np.asfortranarray(SCENES))
    first = read_recording(path, "allen").rows[IMAGES].to_pylist()[0]
    np.testing.assert_array_equal(np.frombuffer(first["pixels"], "<f8"), SCENES[0])


def test_the_owner_may_say_the_size_and_that_they_are_images(tmp_path):
    path = written(tmp_path, SCENES[:, :60] / 255 - 0.5, name="screens.npy")
    assert reader_for(path) is None
    assert refusal(path, reader_name="image_set").found == "rows of 60 values"
    recording = read_recording(path, "allen", "image_set", about={"height_px": 6, "width_px": 10})
    row = recording.rows[IMAGES].to_pylist()[1]
    assert (row["height_px"], row["width_px"]) == (6, 10)
    np.testing.assert_array_equal(np.frombuffer(row["pixels"], "<f8"), SCENES[1, :60] / 255 - 0.5)


@pytest.mark.parametrize(
    ("array", "about", "found"),
    [
        (SCENES - 1, None, "-1.0 at pixel 0 of image 0"),
        (SCENES * 2, None, "256.0 at pixel 0 of image 2"),
        (np.where(SCENES == 65, np.nan, SCENES), None, "nan at pixel 1 of image 1"),
        (np.where(SCENES == 65, np.inf, SCENES), {"height_px": 8, "width_px": 8}, "inf at pixel 1 of image 1"),
        (SCENES, {"height_px": 8, "width_px": 9}, "rows of 64 values"),
        (SCENES, {"height_px": 8}, "one of height_px and width_px"),
        (SCENES, {"height_px": 0, "width_px": 8}, "0"),
        (SCENES[:0], None, "float64 of shape (0, 64)"),
        (SCENES.ravel(), {"height_px": 8, "width_px": 8}, "float64 of shape (192,)"),
        (SCENES.astype(complex), None, "complex128"),
        (SCENES.astype(object), None, "Python objects"),
    ],
)
def test_what_is_no_set_of_images_is_refused(tmp_path, array, about, found):
    assert found in refusal(written(tmp_path, array), reader_name="image_set", about=about).found


def test_a_set_larger_than_memory_allows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_set, "MOST_BYTES", SCENES.nbytes - 1)
    assert refusal(written(tmp_path)).found == f"{SCENES.nbytes} bytes"


def test_a_torn_set_is_refused_by_its_reader(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-8])
    refused = refusal(path)
    assert refused.reader == "image_set"
    assert "bytes" in refused.found


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("F.npy", SCENES),
        ("spks.npy", SCENES.astype(np.float32)),
        ("image_responses.npy", SCENES[:, :60]),
        ("image_times.npy", SCENES[:, 0]),
        ("scenes_shown.npy", SCENES.astype(np.int64)),
        ("image_pairs.npy", SCENES[:, :4]),
        ("images.npz.npy", SCENES.reshape(3, 8, 8)),
    ],
)
def test_other_arrays_are_not_taken_for_images(tmp_path, name, array):
    path = written(tmp_path, array, name)
    assert not image_set.recognises(path)
    assert refusal(path).found == "no reader knows this file"


def test_hostile_headers_are_no_images(tmp_path):
    path = tmp_path / "images.npy"
    for content in (
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x01\x00\x04\x00(((\n",
        b"\x93NUMPY\x09\x00",
    ):
        path.write_bytes(content)
        assert not image_set.recognises(path)


def test_the_118_scenes_are_read_whole(recordings, lake: Lake):
    path = recordings / "natural_images" / "allen_118_scenes" / "all_input_scenes_118_961.npy"
    recording = read_recording(path, "scenes")
    assert recording.session_ids == ("scenes-all_input_scenes_118_961",)
    lake.replace(recording.rows, message="ingest")
    landed = lake.query("SELECT pixels, height_px, width_px FROM recorded.images ORDER BY image_index")
    assert set(landed.select("height_px", "width_px").rows()) == {(31, 31)}
    pixels = np.array([np.frombuffer(one, "<f8") for one in landed["pixels"]])
    np.testing.assert_array_equal(pixels, np.load(path))
    assert pixels.shape == (118, 961)
