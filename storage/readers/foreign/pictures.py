"""Pictures of strangers, decoded: bounded in pixels, whole or refused; and as rows of recorded.images."""

import io
from typing import Any

import numpy as np
from PIL import Image

from storage.readers.foreign.declared_sizes import shown
from storage.readers.recording import Refusal, Refused

MOST_PIXELS = 16_777_216
MOST_BYTES = 128 * 2**20  # of all pictures of a recording together
_FORMATS = ("JPEG", "PNG")
_MODES = ("L", "RGB", "RGBA")
_TYPES = ("uint8", "uint16", "float32", "float64")


def decoded(content: bytes, field: str, refused: Refusal) -> np.ndarray:
    """The picture's values, (height, width) or (height, width, channels), uint8.

    Raises what ``refused`` makes for another format than JPEG and PNG, over 16 million pixels, which is said before
    any is decoded, and a picture that is torn.
    """
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            size, mode = picture.size, picture.mode
            if size[0] * size[1] > MOST_PIXELS:
                found = f"{size[0]} x {size[1]} pixels"
                raise refused(field=field, found=found, expected=f"at most {MOST_PIXELS} pixels")
            if mode not in _MODES:
                raise refused(field=field, found=f"colours {mode}", expected=f"one of {', '.join(_MODES)}")
            picture.verify()  # a torn PNG may still be decoded; after it a picture has to be opened again
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            return np.asarray(picture, dtype=np.uint8)
    except Refused:
        raise
    except Exception as error:  # whatever a hostile picture makes Pillow raise
        raise refused(field=field, found=shown(error), expected="a whole JPEG or PNG") from error


def image_row(session_id: str, name: str, index: int, values: np.ndarray) -> dict[str, Any]:
    """A row of recorded.images for a stimulus of values (height, width) or (height, width, channels)."""
    if values.dtype.name not in _TYPES:
        raise ValueError(f"pixels must be of {', '.join(_TYPES)}, got {values.dtype}")
    return {
        "session_id": session_id,
        "kind": "stimulus",
        "image_name": name,
        "image_index": index,
        "height_px": values.shape[0],
        "width_px": values.shape[1],
        "channel_count": values.shape[2] if values.ndim == 3 else 1,
        "pixel_type": values.dtype.name,
        "pixels": values.astype(values.dtype.newbyteorder("<")).tobytes(),
    }
