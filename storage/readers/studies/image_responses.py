"""Reader of responses to natural images: a zip of pictures, and spike counts of each unit, image and repeat as npy.

The layout is that of Cowley et al. (2023): images_<day>.zip, responses_raw_<day>.npy and responses_avg_<day>.npy.
"""

import itertools
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import Field

from storage.readers.about import About, about_of, native_id
from storage.readers.foreign.archives import checked_zip, read_member
from storage.readers.foreign.named_file import refused_in
from storage.readers.foreign.named_parts import files_named, one_of_each
from storage.readers.foreign.numpy_files import read_array
from storage.readers.foreign.pictures import MOST_BYTES, decoded, image_row
from storage.readers.given import Given, as_json
from storage.readers.recording import Recording, Refusal
from storage.tables import EVENTS, IMAGES, SPIKE_COUNTS

NAME = "image_responses"
VERSION = 1
KNOWS = "spike counts to natural images: a folder with images*.zip and responses_raw*.npy"
FORM = "folder"
SUFFIXES: tuple[str, ...] = ()

_PARTS = {"images": "images*.zip", "raw": "responses_raw*.npy", "avg": "responses_avg*.npy"}
_SUFFIXES = (".jpg", ".jpeg", ".png")
_MOST_PICTURE_BYTES = 64 * 2**20


class AboutCounts(About):
    """What may be said of counts."""

    window_s: float = Field(default=0.1, gt=0, description="length of the window that spikes were counted in, s")


def recognises(path: Path) -> bool:
    """Whether the folder has a zip of images and raw responses, by their names."""
    named = files_named(path, _PARTS)
    return bool(named["images"] and named["raw"])


def parts(path: Path, about: Mapping[str, Any] | None = None) -> list[Path]:
    """The zip, the raw responses and, where there are any, their means."""
    return [file for files in files_named(path, _PARTS).values() for file in files]


def read(given: Given) -> Recording:
    """One session: the images in order of the number in their names, an event per image and repeat, and the counts.

    Raw responses are (n_units, n_images, n_repeats), NaN where an image was shown fewer times; image i is the i-th
    column. Their means (n_units, n_images), where they are there, are checked against them and not stored. When the
    images were shown, and when after that the window began, isn't told. Counts are of 100 ms unless ``about`` says
    otherwise. Raises Refused for images that aren't as many as columns or not numbered without gaps, values that are
    no counts, means that aren't theirs, a torn archive or picture.
    """
    refused = given.refused
    files = one_of_each(given.path, _PARTS, refused, optional=("avg",))
    about = about_of(given, AboutCounts)
    session_id = given.session_id(about.session or native_id(given.path), "session")
    counts = _counts(files["raw"], refused_in(given, files["raw"].name))
    if "avg" in files:
        _require_means(files["avg"], counts, refused_in(given, files["avg"].name))
    images = _images(files["images"], session_id, refused_in(given, files["images"].name))
    if len(images) != counts.shape[1]:
        found = f"{len(images)} images, {counts.shape[1]} columns of responses"
        raise refused(field=files["images"].name, found=found, expected="as many images as columns")
    session = given.session(session_id, unit_count=len(counts), **about.session_facts)
    units = {"session_id": [session_id] * len(counts), "unit_id": np.arange(len(counts))}
    known = ~np.isnan(counts)  # (n_units, n_images, n_repeats)
    shown = known.any(axis=0)  # (n_images, n_repeats)
    image, repeat = np.nonzero(shown)
    events = {
        "session_id": [session_id] * len(image),
        "event_id": np.arange(len(image)),
        "kind": ["image"] * len(image),
        "image_name": [images[one]["image_name"] for one in image],
        "attributes": [as_json({"repeat": one}) for one in repeat],
    }
    event_id = np.cumsum(shown).reshape(shown.shape) - 1
    unit, *at = np.nonzero(known)
    spike_counts = {
        "study_id": [given.study_id] * len(unit),
        "session_id": [session_id] * len(unit),
        "unit_id": unit,
        "event_id": event_id[tuple(at)],
        "width_s": np.full(len(unit), about.window_s),
        "spike_count": counts[known].astype(np.int32),
    }
    return given.recording([session], units, {IMAGES: images, EVENTS: events, SPIKE_COUNTS: spike_counts})


def _counts(path: Path, refused: Refusal) -> np.ndarray:
    counts = read_array(path, refused)
    if counts.ndim != 3 or counts.dtype.kind != "f" or not counts.size:
        found = f"{counts.dtype} of shape {counts.shape}"
        raise refused(field="file", found=found, expected="real numbers of shape (n_units, n_images, n_repeats)")
    known = ~np.isnan(counts)
    odd = known & ~((counts >= 0) & (counts < 2**31) & (counts == np.floor(counts)))
    if odd.any():
        unit, image, repeat = np.argwhere(odd)[0]
        found = f"{counts[unit, image, repeat]} of unit {unit} to image {image}, repeat {repeat}"
        raise refused(field="file", found=found, expected="counts, NaN where an image was not shown again")
    return counts


def _require_means(path: Path, counts: np.ndarray, refused: Refusal) -> None:
    means = read_array(path, refused)
    if means.shape != counts.shape[:2] or means.dtype.kind != "f":
        found = f"{means.dtype} of shape {means.shape}"
        raise refused(field="file", found=found, expected=f"real numbers of shape {counts.shape[:2]}")
    repeats = (~np.isnan(counts)).sum(axis=2)
    expected = np.divide(np.nansum(counts, axis=2), repeats, out=np.full(means.shape, np.nan), where=repeats > 0)
    if (odd := np.argwhere(~np.isclose(means, expected, rtol=1e-5, equal_nan=True))).size:
        unit, image = odd[0]
        found = f"{means[unit, image]} for unit {unit} and image {image}"
        raise refused(field="file", found=found, expected=f"{expected[unit, image]}, the mean of the raw responses")


def _images(path: Path, session_id: str, refused: Refusal) -> list[dict[str, Any]]:
    with checked_zip(path, refused) as archive:
        numbered = {}
        for member in archive.namelist():
            name = PurePosixPath(member)
            if member.endswith("/") or name.parts[0] == "__MACOSX" or name.name.startswith("."):
                continue  # what macOS leaves beside the files
            # Digits of ASCII alone, at most so many that they are an image's number.
            number = re.search(r"(?<![0-9])([0-9]{1,9})[^0-9]*$", name.stem)
            if name.suffix.lower() not in _SUFFIXES or not number:
                raise refused(field=f"member {member}", found="no numbered picture", expected="image1.jpg, ...")
            if (index := int(number[1])) in numbered:
                found = f"the number of {numbered[index]} again"
                raise refused(field=f"member {member}", found=found, expected="each number once")
            numbered[index] = member
        order = sorted(numbered)
        if order and order[-1] - order[0] >= len(order):
            gap = next(at for at, after in itertools.pairwise(order) if after != at + 1)
            raise refused(field="file", found=f"no picture numbered {gap + 1}", expected="numbers without a gap")
        rows, size = [], 0
        for index in order:
            content = read_member(archive, numbered[index], refused, limit_bytes=_MOST_PICTURE_BYTES)
            values = decoded(content, f"member {numbered[index]}", refused)
            if (size := size + values.nbytes) > MOST_BYTES:
                raise refused(field="file", found=f"over {MOST_BYTES} bytes of pixels", expected="fewer")
            rows.append(image_row(session_id, PurePosixPath(numbered[index]).stem, index, values))
    return rows
