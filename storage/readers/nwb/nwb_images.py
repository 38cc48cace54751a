"""Pictures that an NWB file keeps of the imaging plane, as rows of recorded.images."""

from typing import Any

import numpy as np

from storage.readers.foreign.hdf5_files import numbers_at
from storage.readers.given import Given
from storage.readers.nwb.nwb_contents import Contents, Placed, kind_of
from storage.readers.nwb.nwb_tables import stored_in

_KEPT = ("uint8", "uint16", "float32", "float64")
# Types whose every value a wider one holds.
_WIDENED = dict.fromkeys(("int8", "int16", "int32", "uint32"), np.float64) | {"float16": np.float32}
_MOST_BYTES = 64 * 2**20
_MOST_BYTES_OF_ALL = 256 * 2**20


def projections(contents: Contents, session_id: str, given: Given) -> list[dict[str, Any]]:
    """A row for each grey or coloured picture in processing or acquisition, rows of pixels down.

    Those of other types or too large are named as left out. Pictures of one name are called by their whole place.
    """
    rows: list[dict[str, Any]] = []
    names = [placed.held.name for placed in contents.pictures]
    total = 0
    for placed in contents.pictures:
        pixels = _pixels(placed, given)
        if pixels is None or (total := total + pixels.nbytes) > _MOST_BYTES_OF_ALL:
            contents.left_out[placed.where] = kind_of(placed.held)
            continue
        alone = names.count(placed.held.name) == 1
        rows.append(
            {
                "session_id": session_id,
                "kind": "projection",
                "image_name": placed.held.name if alone else placed.where,
                "height_px": pixels.shape[0],
                "width_px": pixels.shape[1],
                "channel_count": pixels.shape[2] if pixels.ndim == 3 else 1,
                "pixel_type": pixels.dtype.name,
                "pixels": np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes(),
            }
        )
    return rows


def _pixels(placed: Placed, given: Given) -> np.ndarray | None:
    data = stored_in(placed.held.data)
    if data is None or data.ndim not in (2, 3) or 0 in data.shape or (data.ndim == 3 and data.shape[2] > 4):
        return None
    kind = data.dtype.newbyteorder("=").name
    if kind not in (*_KEPT, *_WIDENED) or data.size * data.dtype.itemsize > _MOST_BYTES:
        return None
    pixels = numbers_at(data.file, data.name, given.refused)
    return pixels.astype(_WIDENED.get(kind, np.dtype(kind)))
