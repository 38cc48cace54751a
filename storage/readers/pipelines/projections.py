"""Pictures of the imaging plane, as rows of recorded.images."""

from typing import Any

import numpy as np

from storage.readers.recording import Refusal

_PIXEL_TYPES = ("uint8", "uint16", "float32", "float64")


def projection_row(session_id: str, name: str, pixels: np.ndarray, field: str, refused: Refusal) -> dict[str, Any]:
    """A row of recorded.images for one picture (height, width) of numbers, kept in their own type where it may be.

    Raises what ``refused`` makes when it isn't such a picture, or its numbers fit no type of that table exactly.
    """
    if pixels.ndim != 2 or not pixels.size or pixels.dtype.kind not in "uifb":
        raise refused(field=field, found=f"{pixels.dtype} of shape {pixels.shape}", expected="height x width numbers")
    kept = next((one for one in (pixels.dtype, *_PIXEL_TYPES) if _fits(pixels, np.dtype(one))), None)
    if kept is None:
        raise refused(field=field, found=f"{pixels.dtype}", expected=f"one of {', '.join(_PIXEL_TYPES)}")
    kept = np.dtype(kept)
    return {
        "session_id": session_id,
        "kind": "projection",
        "image_name": name,
        "height_px": pixels.shape[0],
        "width_px": pixels.shape[1],
        "channel_count": 1,
        "pixel_type": kept.name,
        "pixels": np.ascontiguousarray(pixels, kept.newbyteorder("<")).tobytes(),
    }


def _fits(pixels: np.ndarray, kept: np.dtype) -> bool:
    return kept.name in _PIXEL_TYPES and np.can_cast(pixels.dtype, kept)
