"""Centre and area of ROIs from the masks of a segmentation table, one mask in memory at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from storage.readers.foreign.hdf5_files import dataset_at
from storage.readers.nwb.nwb_tables import ends_of, stored_in
from storage.readers.recording import Refusal

_MOST_PIXELS = 2**26  # of one mask


def roi_shapes(table: Any, rows: Sequence[int], refused: Refusal) -> tuple[list, list, list]:
    """Centre across and down (px) and area (px) of the ROIs in these rows, None where a mask is absent or empty.

    Raises what ``refused`` makes for masks that are none.
    """
    if "pixel_mask" in table.colnames:
        shapes = _of_pixels(table, rows, refused)
    elif "image_mask" in table.colnames:
        shapes = _of_images(table, rows, refused)
    else:
        shapes = [(None, None, None)] * len(rows)
    x_px, y_px, area_px = (list(column) for column in zip(*shapes, strict=True)) if shapes else ([], [], [])
    return x_px, y_px, area_px


def _of_pixels(table: Any, rows: Sequence[int], refused: Refusal) -> list[tuple]:
    field = f"{table.name} pixel_mask"
    index = table["pixel_mask"]
    ends = ends_of(index, table.name, refused)
    data = stored_in(index.target.data)
    if data is None or not {"x", "y", "weight"} <= set(data.dtype.names or ()):
        found = f"{data.dtype if data is not None else 'no dataset'} in {len(ends)} rows"
        raise refused(field=field, found=found, expected="x, y and weight of the pixels of each row")
    dataset_at(data.file, data.name, refused, kinds="V", ndim=1)
    starts = np.concatenate([[0], ends[:-1]])
    shapes = []
    for row in rows:
        if ends[row] - starts[row] > _MOST_PIXELS:
            found = f"{ends[row] - starts[row]} pixels in row {row}"
            raise refused(field=field, found=found, expected=f"at most {_MOST_PIXELS}")
        pixels = data[starts[row] : ends[row]]
        inside = pixels["weight"] > 0
        shapes.append(_shape(pixels["x"][inside], pixels["y"][inside]))
    return shapes


def _of_images(table: Any, rows: Sequence[int], refused: Refusal) -> list[tuple]:
    data = stored_in(table["image_mask"].data)
    if data is not None and data.ndim == 4:  # of a volume
        return [_shape(np.empty(0), np.empty(0))] * len(rows)
    if (
        data is None
        or data.ndim != 3
        or data.dtype.kind not in "fiub"
        or np.prod(data.shape[1:], dtype=float) > _MOST_PIXELS
    ):
        found = "no dataset" if data is None else f"{data.dtype} of shape {data.shape}"
        raise refused(
            field=f"{table.name} image_mask", found=found, expected="numbers of shape (n_rois, rows, columns)"
        )
    shapes = []
    for row in rows:
        # Rows run down, as in files of the Allen Institute, whatever the order of the schema's dimension names.
        y, x = np.nonzero(data[row] > 0)
        shapes.append(_shape(x, y))
    return shapes


def _shape(x: np.ndarray, y: np.ndarray) -> tuple[float | None, float | None, float | None]:
    if not x.size:
        return None, None, None
    return float(x.mean(dtype=float)), float(y.mean(dtype=float)), float(x.size)
