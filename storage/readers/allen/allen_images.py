"""Pictures in an NWB file of the Allen Institute, as rows of recorded.images: what was shown, and what was imaged."""

from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.allen.allen_facts import group_at, has
from storage.readers.foreign.hdf5_files import dataset_at, numbers_at, texts_at
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

TEMPLATES = "stimulus/templates"
_PROJECTIONS = "processing/ophys/images"
_ROIS = "segmentation_mask_image"
_PIXEL_TYPES = ("uint8", "uint16", "float32", "float64")
_MOST_BYTES = 512 * 2**20


def left_out_templates(file: "h5py.File", refused: Refusal) -> list[str]:
    """Names of the movies, which are not read: hundreds of frames, the same in every session."""
    return [name for name in _templates(file, refused) if _is_movie(name)]


def template_rows(file: "h5py.File", session_id: str, refused: Refusal) -> list[dict[str, Any]]:
    """Images as the warped screen showed them, under their names, and before warping, as ``<name>_unwarped``.

    Unwarped pixels that the warped screen didn't show are NaN. Raises what ``refused`` makes when there are not as
    many names as images.
    """
    rows: list[dict[str, Any]] = []
    for template in _templates(file, refused):
        if _is_movie(template):
            continue
        where = f"{TEMPLATES}/{template}"
        names = texts_at(file, f"{where}/control_description", refused)
        for part, suffix in (("data", ""), ("unwarped", "_unwarped")):
            if part == "unwarped" and not has(file, f"{where}/unwarped"):
                continue
            field = f"{where}/{part}"
            images = dataset_at(file, field, refused, ndim=3)
            if (size := images.size * images.dtype.itemsize) > _MOST_BYTES:
                raise refused(field=field, found=f"{size} bytes", expected=f"at most {_MOST_BYTES} bytes")
            if len(images) != len(names):
                found = f"{len(images)} images, {len(names)} names"
                raise refused(field=field, found=found, expected="one name for each image")
            for index, name in enumerate(names):
                rows.append(image_row(session_id, "stimulus", f"{name}{suffix}", index, images[index], field, refused))
    return rows


def projection_rows(
    file: "h5py.File", session_id: str, covered: np.ndarray | None, refused: Refusal
) -> list[dict[str, Any]]:
    """Projections of the imaging plane. ``covered`` (height, width) bool: pixels of valid ROIs, in place of the file's.

    The file's image has invalid ROIs too; the AllenSDK shows those that it shows.
    """
    names = sorted(group_at(file, _PROJECTIONS, refused)) if has(file, _PROJECTIONS) else []
    pictures = {
        name: numbers_at(file, f"{_PROJECTIONS}/{name}", refused, ndim=2, limit_bytes=_MOST_BYTES)
        for name in names
        if name != _ROIS or covered is None
    }
    if covered is not None:
        pictures[_ROIS] = covered.astype(np.uint8)
    return [
        image_row(session_id, "projection", name, None, pixels, f"{_PROJECTIONS}/{name}", refused)
        for name, pixels in pictures.items()
    ]


def image_row(
    session_id: str, kind: str, name: str, index: int | None, pixels: np.ndarray, field: str, refused: Refusal
) -> dict[str, Any]:
    """One grey image (height, width), in the smallest type of pixel that holds all its values and is of their kind.

    Raises what ``refused`` makes when none holds them.
    """
    stored = _stored(pixels)
    if stored is None:
        raise refused(field=field, found=f"pixels of type {pixels.dtype}", expected=f"{', '.join(_PIXEL_TYPES)}")
    return {
        "session_id": session_id,
        "kind": kind,
        "image_name": name,
        "image_index": index,
        "height_px": stored.shape[0],
        "width_px": stored.shape[1],
        "channel_count": 1,
        "pixel_type": stored.dtype.name,
        "pixels": stored.astype(stored.dtype.newbyteorder("<")).tobytes(),
    }


def _stored(pixels: np.ndarray) -> np.ndarray | None:
    if pixels.dtype.name in _PIXEL_TYPES[:3]:
        return pixels
    for name in _PIXEL_TYPES[2:] if pixels.dtype.kind == "f" else _PIXEL_TYPES:
        with np.errstate(over="ignore", invalid="ignore"):
            smaller = pixels.astype(name)
            again = smaller.astype(pixels.dtype)
        if np.array_equal(again, pixels, equal_nan=pixels.dtype.kind == "f"):
            return smaller
    return None


def _templates(file: "h5py.File", refused: Refusal) -> list[str]:
    return sorted(group_at(file, TEMPLATES, refused)) if has(file, TEMPLATES) else []


def _is_movie(template: str) -> bool:
    return "movie" in template.lower()
