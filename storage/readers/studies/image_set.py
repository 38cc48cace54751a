"""Reader of a set of images without responses: one npy whose rows are pictures."""

import math
import re
from pathlib import Path

import numpy as np
from pydantic import Field

from storage.readers.about import About, about_of, native_id
from storage.readers.foreign.numpy_files import opened_array
from storage.readers.foreign.pictures import MOST_BYTES, image_row
from storage.readers.given import Given
from storage.readers.recording import Recording
from storage.tables import IMAGES

NAME = "image_set"
VERSION = 1
KNOWS = "a set of images, a row each and called so (*scene*.npy, *image*.npy, *stimul*.npy): NumPy"
FORM = "file"
SUFFIXES = (".npy",)

_TYPES = ("uint8", "uint16", "float32", "float64")
_CALLED = re.compile(r"scene|image|stimul|picture", re.IGNORECASE)
_SMALLEST_SIDE_PX = 8
_MAGIC = b"\x93NUMPY"
_MOST_HEADER_BYTES = 10_000


class AboutImages(About):
    """What may be said of a set of images."""

    height_px: int | None = Field(default=None, ge=1, description="rows of pixels of each image")
    width_px: int | None = Field(default=None, ge=1, description="columns of pixels of each image")


def recognises(path: Path) -> bool:
    """Whether it is called images, and its header declares rows of a square number of values of a pixel's type.

    An array says nothing of what it holds, so others are this reader's only where sources.yaml names it. Raises
    OSError when the file can't be opened.
    """
    if path.suffix.lower() != ".npy" or not _CALLED.search(path.stem):
        return False
    with open(path, "rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False
        file.seek(0)
        try:
            version = np.lib.format.read_magic(file)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, dtype = read_header[version](file, max_header_size=_MOST_HEADER_BYTES)
        except Exception:  # a header may be torn in any way; then nothing tells of images
            return False
    if len(shape) != 2 or dtype.name not in _TYPES:
        return False
    side = math.isqrt(max(shape[1], 0))
    return side >= _SMALLEST_SIDE_PX and side * side == shape[1]


def read(given: Given) -> Recording:
    """A session without units and subject, and its images, named by their number from 0.

    Rows are (n_images, height x width), 8 or 16 bit or real, stored as they are. Images are square unless ``about``
    gives height_px and width_px. Raises Refused for an array of another shape or type, rows that don't make the
    image, values that are no pixels: not finite or, where nobody says that they are images, outside 0 to 255.
    """
    refused = given.refused
    about = about_of(given, AboutImages)
    rows = opened_array(given.path, refused)
    if rows.ndim != 2 or rows.dtype.name not in _TYPES or not rows.size:
        found = f"{rows.dtype} of shape {rows.shape}"
        raise refused(field="array", found=found, expected=f"{', '.join(_TYPES)} of shape (n_images, n_pixels)")
    if rows.nbytes > MOST_BYTES:
        raise refused(field="array", found=f"{rows.nbytes} bytes", expected=f"at most {MOST_BYTES} bytes")
    if (about.height_px is None) != (about.width_px is None):
        raise refused(field="about", found="one of height_px and width_px", expected="both or neither")
    side = math.isqrt(rows.shape[1])
    height, width = about.height_px or side, about.width_px or side
    if height * width != rows.shape[1]:
        expected = (
            f"{height} x {width} = {height * width}" if about.height_px else "a square number, or about.height_px"
        )
        raise refused(field="array", found=f"rows of {rows.shape[1]} values", expected=expected)
    odd = ~np.isfinite(rows) if about.height_px else ~((rows >= 0) & (rows <= 255))
    if odd.any():
        image, pixel = np.argwhere(odd)[0]
        found = f"{rows[image, pixel]} at pixel {pixel} of image {image}"
        raise refused(field="array", found=found, expected="finite values" if about.height_px else "values of 0 to 255")
    session_id = given.session_id(about.session or native_id(given.path), "session")
    images = [image_row(session_id, str(at), at, row.reshape(height, width)) for at, row in enumerate(rows)]
    session = given.session(session_id, unit_count=0, **about.session_facts)
    return given.recording([session], {"session_id": [], "unit_id": []}, {IMAGES: images})
