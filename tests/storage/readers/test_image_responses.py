"""Natural images and the counts they evoked: pixels and counts whole, in order of number, or refused."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.foreign import pictures
from storage.readers.recording import Refused
from storage.readers.studies import image_responses
from storage.tables import EVENTS, IMAGES, SESSIONS, SPIKE_COUNTS, UNITS

NAN = np.nan
# Two units, three images, three repeats: the last image was shown once, the first twice.
RAW = np.array([[[1, 2, NAN], [3, 4, 5], [6, NAN, NAN]], [[0, 0, NAN], [7, 8, 9], [2, NAN, NAN]]], dtype=float)


def picture(level: int, size: tuple[int, int] = (3, 2), mode: str = "L", form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, level if mode in ("L", "I;16") else (level,) * len(mode)).save(buffer, form)
    return buffer.getvalue()


IMAGES_IN = {"image2.png": picture(20), "image10.png": picture(100), "image9.png": picture(90)}


def zipped(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def numbered(*contents: bytes) -> dict[str, bytes]:
    return {f"image{number}.png": content for number, content in enumerate(contents, start=1)}


def written(
    folder: Path,
    images: Mapping[str, bytes] | None = None,
    raw: np.ndarray | None = RAW,
    avg: np.ndarray | None = None,
    method: int = zipfile.ZIP_STORED,
) -> Path:
    folder.mkdir(exist_ok=True)
    zipped(folder / "images_210325.zip", numbered(*map(picture, (10, 20, 30))) if images is None else images, method)
    if raw is not None:
        np.save(folder / "responses_raw_210325.npy", raw)
    if avg is not None:
        np.save(folder / "responses_avg_210325.npy", avg)
    return folder


def refusal(folder: Path) -> Refused:
    with pytest.raises(Refused) as caught:
        read_recording(folder, "v4")
    assert caught.value.reader == "image_responses"
    return caught.value


def test_each_image_and_repeat_is_an_event_with_its_counts(tmp_path):
    recording = read_recording(written(tmp_path / "monkey_210325", avg=np.nanmean(RAW, axis=2)), "v4")
    assert recording.session_ids == ("v4-monkey_210325",)
    session = recording.rows[SESSIONS].to_pylist()[0]
    assert (session["unit_count"], session["subject_id"]) == (2, None)
    assert recording.rows[UNITS]["unit_id"].to_pylist() == [0, 1]
    events = pl.from_arrow(recording.rows[EVENTS])
    assert events["image_name"].to_list() == ["image1", "image1", "image2", "image2", "image2", "image3"]
    assert [json.loads(text)["repeat"] for text in events["attributes"]] == [0, 1, 0, 1, 2, 0]
    assert events["kind"].unique().to_list() == ["image"]
    assert events["onset_s"].null_count() == 6
    counts = pl.from_arrow(recording.rows[SPIKE_COUNTS]).sort("unit_id", "event_id")
    assert counts["event_id"].to_list() == [*range(6), *range(6)]
    assert counts["spike_count"].to_list() == [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 2]
    assert counts["width_s"].unique().to_list() == [0.1]
    assert counts["start_s"].null_count() == counts["stop_s"].null_count() == 12
    assert counts["study_id"].unique().to_list() == [f"source:{recording.content_sha256}"]


def test_a_repeat_that_one_unit_lacks_is_no_count_of_it(tmp_path):
    raw = RAW.copy()
    raw[1, 1, 0] = NAN
    recording = read_recording(written(tmp_path / "a", raw=raw), "v4")
    assert len(recording.rows[EVENTS]) == 6
    counts = pl.from_arrow(recording.rows[SPIKE_COUNTS])
    assert counts.filter(unit_id=1)["event_id"].to_list() == [0, 1, 3, 4, 5]


def test_images_come_in_the_order_of_their_number_not_of_text(tmp_path):
    members = {
        "set/image10.png": picture(100),
        "set/image9.png": picture(90),
        "set/image11.png": picture(110, mode="RGB"),
        "set/.DS_Store": b"x",
        "__MACOSX/set/._image9.png": b"x",
    }
    recording = read_recording(written(tmp_path / "a", images=members), "v4")
    rows = recording.rows[IMAGES].to_pylist()
    assert [row["image_name"] for row in rows] == ["image9", "image10", "image11"]
    assert [row["image_index"] for row in rows] == [9, 10, 11]
    assert [row["pixels"] for row in rows] == [b"\x5a" * 6, b"\x64" * 6, b"\x6e" * 18]
    assert [row["channel_count"] for row in rows] == [1, 1, 3]
    assert {(row["height_px"], row["width_px"], row["pixel_type"], row["kind"]) for row in rows} == {
        (2, 3, "uint8", "stimulus")
    }
    assert recording.rows[EVENTS]["image_name"].to_pylist()[0] == "image9"


def test_pixels_run_down_then_across_then_by_channel(tmp_path):
    values = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    recording = read_recording(written(tmp_path / "a", images=numbered(*[buffer.getvalue()] * 3)), "v4")
    assert recording.rows[IMAGES]["pixels"][0].as_py() == values.tobytes()


def test_another_window_is_what_the_owner_says(tmp_path):
    folder = written(tmp_path / "a")
    recording = read_recording(folder, "v4", about={"window_s": 0.07, "subject": "ivory"})
    assert recording.rows[SPIKE_COUNTS]["width_s"].to_pylist()[0] == 0.07
    assert recording.rows[SESSIONS]["subject_id"].to_pylist() == ["ivory"]
    with pytest.raises(Refused, match=r"about\.window: found the unknown key window"):
        read_recording(folder, "v4", about={"window": 0.07})


@pytest.mark.parametrize(
    ("raw", "avg", "field", "found"),
    [
        (RAW[:, :2], None, "images_210325.zip", "3 images, 2 columns of responses"),
        (RAW[..., 0], None, "responses_raw", "float64 of shape (2, 3)"),
        (np.nan_to_num(RAW).astype(int), None, "responses_raw", "int64 of shape (2, 3, 3)"),
        (RAW[:0], None, "responses_raw", "float64 of shape (0, 3, 3)"),
        (RAW - 0.5, None, "responses_raw", "0.5 of unit 0 to image 0, repeat 0"),
        (RAW - 1, None, "responses_raw", "-1.0 of unit 1 to image 0, repeat 0"),
        (np.where(RAW == 1, np.inf, RAW), None, "responses_raw", "inf of unit 0 to image 0, repeat 0"),
        (RAW * 1e9, None, "responses_raw", "of unit 0 to image 1, repeat 0"),
        (RAW, np.nanmean(RAW, axis=2) + np.array([0, 0, 0.5]), "responses_avg", "6.5 for unit 0 and image 2"),
        (RAW, np.zeros((3, 2)), "responses_avg", "float64 of shape (3, 2)"),
    ],
)
def test_responses_that_are_no_counts_of_these_images_are_refused(tmp_path, raw, avg, field, found):
    refused = refusal(written(tmp_path / "a", raw=raw, avg=avg))
    assert field in refused.field
    assert found in refused.found


def test_responses_as_objects_are_refused_unread(tmp_path):
    folder = written(tmp_path / "a", raw=None)
    np.save(folder / "responses_raw_210325.npy", RAW.astype(object))
    assert "Python objects" in refusal(folder).found


def bomb(side: int) -> bytes:
    """A PNG that says it is side x side, of a few bytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


JPEG = picture(50, size=(64, 64), mode="RGB", form="JPEG")


@pytest.mark.parametrize(
    ("images", "field", "found"),
    [
        (numbered(*[JPEG[: len(JPEG) // 2]] * 3), "member image1.png", "Truncated"),
        (numbered(*[JPEG[:-2]] * 3), "member image1.png", "truncated"),
        (numbered(picture(1)[:-20], picture(2), picture(3)), "member image1.png", "Truncated"),
        (numbered(b"GIF89a", picture(2), picture(3)), "member image1.png", "UnidentifiedImageError"),
        (numbered(b"", picture(2), picture(3)), "member image1.png", "UnidentifiedImageError"),
        (numbered(picture(1, form="BMP"), picture(2), picture(3)), "member image1.png", "UnidentifiedImageError"),
        (numbered(picture(1, mode="CMYK", form="JPEG"), picture(2), picture(3)), "member image1.png", "CMYK"),
        (numbered(picture(1, mode="I;16"), picture(2), picture(3)), "member image1.png", "colours I;16"),
        (numbered(bomb(5000), picture(2), picture(3)), "member image1.png", "5000 x 5000 pixels"),
        (numbered(bomb(50_000), picture(2), picture(3)), "member image1.png", "DecompressionBomb"),
        (numbered(picture(1)), "images_210325.zip", "1 images, 3 columns"),
        ({}, "images_210325.zip", "0 images, 3 columns"),
        (IMAGES_IN, "images_210325.zip", "no picture numbered 3"),
        ({"image1.png": picture(1), "a/image01.png": picture(2)}, "image01.png", "the number of image1.png again"),
        ({"image.png": picture(1)}, "member image.png", "no numbered picture"),
        ({"notes1.txt": b"x"}, "member notes1.txt", "no numbered picture"),
        ({"image1234567890123.png": picture(1)}, "image1234567890123.png", "no numbered picture"),
        ({"../image1.png": picture(1)}, "image1.png", "'../image1.png'"),
    ],
)
def test_hostile_or_torn_images_are_refused_with_their_name(tmp_path, images, field, found):
    refused = refusal(written(tmp_path / "a", images=images))
    assert field in refused.field
    assert found in refused.found
    assert refused.expected


def test_more_pixels_than_memory_allows_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_responses, "MOST_BYTES", 11)
    assert refusal(written(tmp_path / "a")).found == "over 11 bytes of pixels"


def test_a_torn_archive_is_refused(tmp_path):
    folder = written(tmp_path / "a")
    archive = folder / "images_210325.zip"
    archive.write_bytes(archive.read_bytes()[:-10])
    assert refusal(folder).expected == "a whole zip archive"


def test_two_days_in_a_folder_are_refused(tmp_path):
    folder = written(tmp_path / "a")
    zipped(folder / "images_210326.zip", numbered(picture(1)))
    assert refusal(folder).found == "images_210325.zip, images_210326.zip for images*.zip"


def test_other_folders_are_not_claimed(tmp_path):
    assert not image_responses.recognises(written(tmp_path / "a", raw=None))
    assert not image_responses.recognises(tmp_path / "nowhere")


def test_pixels_of_other_types_make_no_row():
    with pytest.raises(ValueError, match="got int64"):
        pictures.image_row("lab-1", "a", 0, np.zeros((2, 2), dtype=np.int64))


def test_the_published_responses_are_as_reliable_as_published(recordings, lake: Lake, rng):
    """Split-half r over random halves: median 0.617 of units (0.37 to 0.87); leave-one-out oracle: mean 0.471."""
    folder = recordings / "natural_images" / "macaque_v4_210325"
    recording = read_recording(folder, "v4")
    lake.replace(recording.rows, message="ingest")
    landed = lake.query(
        "SELECT unit_id, image_index, (attributes ->> '$.repeat')::INTEGER AS repeat, spike_count, width_s "
        "FROM derived.spike_counts JOIN recorded.events USING (session_id, event_id) "
        "JOIN recorded.images USING (session_id, image_name) ORDER BY ALL"
    )
    assert len(landed) == 50 * 640 * 10 - 78_000
    assert landed["width_s"].unique().to_list() == [0.1]
    counts = np.full((50, 640, 10), np.nan)
    counts[landed["unit_id"], landed["image_index"] - 1, landed["repeat"]] = landed["spike_count"]
    np.testing.assert_array_equal(counts, np.load(folder / "responses_raw_210325.npy"))
    halves = []
    for _ in range(20):
        shuffled = np.where(np.isnan(counts), np.inf, rng.random(counts.shape[1:])).argsort(axis=2)
        repeats = (~np.isnan(counts)).sum(axis=2)[..., None]
        place = np.arange(10)
        drawn = np.take_along_axis(counts, shuffled, axis=2)
        first = np.where(place < repeats // 2, drawn, np.nan)
        second = np.where((place >= repeats // 2) & (place < repeats), drawn, np.nan)
        means = np.nanmean(first, axis=2), np.nanmean(second, axis=2)
        halves.append([np.corrcoef(one, other)[0, 1] for one, other in zip(*means, strict=True)])
    split_half = np.mean(halves, axis=0)  # (n_units,)
    assert np.median(split_half) == pytest.approx(0.617, abs=0.01)
    assert (split_half.min(), split_half.max()) == pytest.approx((0.37, 0.87), abs=0.02)
    others = (np.nansum(counts, axis=2, keepdims=True) - counts) / ((~np.isnan(counts)).sum(axis=2, keepdims=True) - 1)
    known = ~np.isnan(counts)
    oracle = [np.corrcoef(counts[unit][known[unit]], others[unit][known[unit]])[0, 1] for unit in range(50)]
    assert np.mean(oracle) == pytest.approx(0.471, abs=0.001)


def test_the_published_images_are_decoded_as_pillow_decodes_them(recordings):
    folder = recordings / "natural_images" / "macaque_v4_210325"
    rows = read_recording(folder, "v4").rows[IMAGES].to_pylist()
    assert len(rows) == 640
    assert {(row["height_px"], row["width_px"], row["channel_count"]) for row in rows} == {(112, 112, 3)}
    with zipfile.ZipFile(folder / "images_210325.zip") as archive:
        for number in (1, 64, 640):
            with archive.open(f"image{number:04}.jpg") as member:
                expected = np.asarray(Image.open(member))
            assert rows[number - 1]["image_name"] == f"image{number:04}"
            np.testing.assert_array_equal(np.frombuffer(rows[number - 1]["pixels"], np.uint8), expected.ravel())
