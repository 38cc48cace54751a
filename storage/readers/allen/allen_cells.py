"""The ROIs of an NWB file of Allen Visual Behavior: which are cells, where they lie, and their masks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from storage.readers.allen.allen_facts import has
from storage.readers.allen.allen_tables import flags, json_rows, read_table
from storage.readers.foreign.hdf5_files import dataset_at
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

CELL_TABLE = "processing/ophys/image_segmentation/cell_specimen_table"
_MASKS = f"{CELL_TABLE}/image_mask"
_MASK_VALUES_PER_READ = 1_000_000  # as many as fit a processor's cache
_NO_ID = -1


@dataclass(frozen=True)
class Cells:
    """Rows of the cell specimen table, valid ROIs and others.

    ``roi_id``, ``unit_id`` (n_rois,) int64, ``valid`` (n_rois,) bool, and the table's other columns. ``unit_id`` is
    the cell specimen id; where no valid ROI has been matched to a cell yet, it is the ROI's id.
    """

    roi_id: np.ndarray
    unit_id: np.ndarray
    valid: np.ndarray
    matched: bool
    table: pl.DataFrame

    @property
    def unit_filter(self) -> str | None:
        """What was left out, None when nothing was."""
        left = int(self.valid.sum())
        return None if self.valid.all() else f"{left} of {len(self.valid)} ROIs: valid_roi"


@dataclass(frozen=True)
class Masks:
    """Pixels of the valid ROIs: centres (n_units,) px, sizes (n_units,) px, and where each and any of them lies."""

    x_px: np.ndarray
    y_px: np.ndarray
    area_px: np.ndarray
    runs: pl.Series  # of each ROI: [row, first column, pixels] of each run of pixels along a row
    covered: np.ndarray  # (height, width) bool, whether any of them has the pixel


def read_cells(file: "h5py.File", refused: Refusal) -> Cells:
    """The cell specimen table. Raises what ``refused`` makes when an id stands twice, or only some ROIs have one."""
    table = read_table(
        file, CELL_TABLE, refused, needed=("cell_specimen_id", "valid_roi"), without=("image_mask", "pixel_mask")
    )
    valid = flags(table["valid_roi"], CELL_TABLE, refused)
    if valid.null_count():
        found = f"nothing in row {valid.is_null().arg_true()[0]}"
        raise refused(field=f"{CELL_TABLE}/valid_roi", found=found, expected="true or false")
    shown = valid.to_numpy()
    roi_id = table["id"].to_numpy()
    specimen = table["cell_specimen_id"]
    if not specimen.dtype.is_integer():
        raise refused(field=f"{CELL_TABLE}/cell_specimen_id", found=str(specimen.dtype), expected="whole numbers")
    specimen_id = specimen.cast(pl.Int64).to_numpy()
    without = (specimen_id == _NO_ID) & shown
    if without.any() and not without[shown].all():
        found = f"no id for {without.sum()} of {shown.sum()} valid ROIs"
        raise refused(field=f"{CELL_TABLE}/cell_specimen_id", found=found, expected="an id for each, or for none")
    matched = not without.any()
    unit_id = specimen_id if matched else roi_id
    for name, ids in (("id", roi_id), ("cell_specimen_id" if matched else "id", unit_id[shown])):
        values, counts = np.unique(ids, return_counts=True)
        if (counts > 1).any():
            found = f"cell {values[counts > 1][0]} more than once"
            raise refused(field=f"{CELL_TABLE}/{name}", found=found, expected="each cell once")
    return Cells(roi_id, unit_id, shown, matched, table.drop("id", "cell_specimen_id", "valid_roi"))


def read_masks(file: "h5py.File", cells: Cells, refused: Refusal) -> Masks | None:
    """Masks of the valid ROIs; None where the file has none.

    Raises what ``refused`` makes when there are not as many as ROIs.
    """
    if not has(file, _MASKS):
        return None
    masks = dataset_at(file, _MASKS, refused, kinds="biuf", ndim=3)
    if len(masks) != len(cells.valid):
        found = f"{len(masks)} masks for {len(cells.valid)} ROIs"
        raise refused(field=_MASKS, found=found, expected="one mask for each ROI")
    height, width = masks.shape[1:]
    covered = np.zeros((height, width), bool)
    rows = masks.chunks[0] if masks.chunks else 1
    step = max(_MASK_VALUES_PER_READ // max(height * width * rows, 1), 1) * rows
    pieces = [np.empty((3, 0), np.int64)]
    for first in range(0, len(masks), step):
        roi, pixel = np.divmod(np.flatnonzero(masks[first : first + step]), height * width)
        valid = cells.valid[first + roi]
        y, x = np.divmod(pixel[valid], width)
        covered[y, x] = True
        pieces.append(np.stack([first + roi[valid], y, x]))
    pixels = pl.DataFrame(dict(zip(("row", "y", "x"), np.concatenate(pieces, axis=1), strict=True)))
    shape = _by_roi(pixels.group_by("row").agg(pl.col("x", "y").mean(), pl.len().alias("area")), cells)
    return Masks(
        shape["x"].to_numpy(),
        shape["y"].to_numpy(),
        shape["area"].cast(pl.Float64).to_numpy(),
        _by_roi(_runs(pixels), cells)["runs"],
        covered,
    )


def unit_rows(
    session_id: str, cells: Cells, masks: Masks | None, per_roi: Mapping[str, np.ndarray | None]
) -> pl.DataFrame:
    """Rows of recorded.units of the valid ROIs. ``per_roi`` are numbers (n_rois,) that other tables say of each."""
    said = cells.table.with_columns(pl.Series("cell_roi_id", cells.roi_id))
    said = said.with_columns(pl.Series(name, values) for name, values in per_roi.items() if values is not None)
    said = said.filter(pl.Series(cells.valid))
    columns: dict[str, Any] = {"session_id": [session_id] * len(said), "unit_id": cells.unit_id[cells.valid]}
    if masks is not None:
        columns |= {"x_px": masks.x_px, "y_px": masks.y_px, "area_px": masks.area_px}
        said = said.with_columns(masks.runs.alias("roi_mask_runs"))
    return pl.DataFrame(columns | {"attributes": json_rows(said)})


def _by_roi(table: pl.DataFrame, cells: Cells) -> pl.DataFrame:
    """The table's rows in the order of the valid ROIs, null where it has none for one: an empty mask."""
    return pl.DataFrame({"row": np.flatnonzero(cells.valid)}).join(table, on="row", how="left", maintain_order="left")


def _runs(pixels: pl.DataFrame) -> pl.DataFrame:
    begins = ~(
        (pl.col("row") == pl.col("row").shift(1))
        & (pl.col("y") == pl.col("y").shift(1))
        & (pl.col("x") == pl.col("x").shift(1) + 1)
    )
    run = begins.fill_null(True).cum_sum()
    runs = pixels.group_by(run.alias("run"), maintain_order=True).agg(
        pl.col("row", "y", "x").first(), pl.len().cast(pl.Int64).alias("length")
    )
    runs = runs.select("row", pl.concat_list("y", "x", "length").alias("runs"))
    return runs.group_by("row", maintain_order=True).agg("runs")
