"""The cells of a planted experiment, in the AllenSDK's own objects: ROIs, traces and events."""

import numpy as np
import pandas as pd
from allensdk.brain_observatory.behavior.data_objects.cell_specimens.cell_specimens import (
    CellSpecimenMeta,
    CellSpecimens,
)
from allensdk.brain_observatory.behavior.data_objects.cell_specimens.events import Events
from allensdk.brain_observatory.behavior.data_objects.cell_specimens.traces.corrected_fluorescence_traces import (
    CorrectedFluorescenceTraces,
)
from allensdk.brain_observatory.behavior.data_objects.cell_specimens.traces.demixed_traces import DemixedTraces
from allensdk.brain_observatory.behavior.data_objects.cell_specimens.traces.dff_traces import DFFTraces
from allensdk.brain_observatory.behavior.data_objects.cell_specimens.traces.neuropil_traces import NeuropilTraces
from allensdk.brain_observatory.behavior.data_objects.metadata.ophys_experiment_metadata import imaging_plane
from allensdk.brain_observatory.behavior.data_objects.timestamps.ophys_timestamps import OphysTimestamps

FIELD_PX = 512
PIXEL_MM = 0.00078


def planted_cells(
    cells: int,
    structure: str,
    presentations: pd.DataFrame,
    ophys_timestamps: OphysTimestamps,
    rate_hz: float,
    rng: np.random.Generator,
) -> CellSpecimens:
    """Cells that answer images; every sixth is an invalid ROI."""
    roi_ids = pd.Index(1_080_000_000 + 7 * np.arange(cells), name="cell_roi_id")
    events = _events(cells, presentations, ophys_timestamps.value, rng)
    decay = np.exp(-np.arange(int(2 * rate_hz)) / (0.4 * rate_hz))
    dff = np.stack([np.convolve(row, decay)[: row.size] for row in events]) + rng.normal(0, 0.03, events.shape)
    baseline, r = rng.uniform(80, 400, (cells, 1)), rng.uniform(0.2, 0.9, cells)
    corrected = baseline * (1 + dff)
    neuropil = baseline * 0.6 + rng.normal(0, 5, dff.shape)
    demixed = corrected + r[:, None] * neuropil

    def traces(**columns: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame({name: list(values) for name, values in columns.items()}, index=roi_ids)

    return CellSpecimens(
        cell_specimen_table=_rois(cells, roi_ids, rng),
        meta=CellSpecimenMeta(
            imaging_plane.ImagingPlane(
                ophys_frame_rate=rate_hz,
                targeted_structure=structure,
                excitation_lambda=910.0,
                indicator="GCaMP6f",
            )
        ),
        events=Events(
            events=events,
            events_meta=pd.DataFrame(
                {
                    "cell_roi_id": roi_ids,
                    "lambda": rng.uniform(0, 1, cells),
                    "noise_std": rng.uniform(0, 0.1, cells),
                }
            ),
            frame_rate_hz=rate_hz,
        ),
        ophys_timestamps=ophys_timestamps,
        segmentation_mask_image_spacing=(PIXEL_MM, PIXEL_MM),
        corrected_fluorescence_traces=CorrectedFluorescenceTraces(
            traces(corrected_fluorescence=corrected, RMSE=rng.uniform(1, 9, cells), r=r)
        ),
        dff_traces=DFFTraces(traces(dff=dff)),
        demixed_traces=DemixedTraces(traces(demixed_trace=demixed)),
        neuropil_traces=NeuropilTraces(traces(neuropil_trace=neuropil)),
        exclude_invalid_rois=False,
    )


def _events(
    cells: int, presentations: pd.DataFrame, frame_s: np.ndarray, rng: np.random.Generator
) -> np.ndarray:  # (n_cells, n_frames), mostly zero
    """Each cell answers one image, every third one omissions too; besides, now and then it answers nothing."""
    events = np.where(rng.random((cells, frame_s.size)) < 0.002, 0.15, 0.0)
    flashes = presentations[presentations["image_name"].notna()]
    onset_frame = np.searchsorted(frame_s, flashes["start_time"].to_numpy())
    for cell in range(cells):
        images = {cell % 8, 8} if cell % 3 == 0 else {cell % 8}
        answered = flashes["image_index"].isin(images).to_numpy()
        events[cell, onset_frame[answered]] += rng.uniform(0.2, 0.8, answered.sum())
    return events


def _rois(cells: int, roi_ids: pd.Index, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for cell, roi_id in enumerate(roi_ids):
        x, y = (int(at) for at in rng.integers(20, FIELD_PX - 40, 2))
        width, height = (int(size) for size in rng.integers(6, 18, 2))
        mask = np.zeros((FIELD_PX, FIELD_PX), dtype=bool)
        mask[y : y + height, x : x + width] = True
        mask[y, x] = False  # so that a mask isn't merely its bounding box
        rows.append(
            {
                "cell_specimen_id": 1_086_000_000 + 3 * cell,
                "cell_roi_id": roi_id,
                "height": height,
                "mask_image_plane": cell % 2,
                "max_correction_down": 6.0,
                "max_correction_left": 9.0,
                "max_correction_right": 11.0,
                "max_correction_up": 4.0,
                "roi_mask": mask,
                "valid_roi": cell % 6 != 5,
                "width": width,
                "x": x,
                "y": y,
            }
        )
    return pd.DataFrame(rows).set_index("cell_specimen_id")
