"""A small NWB session, written by pynwb, any part of which a test may replace."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

N_FRAMES, N_UNITS = 60, 3
PRESENTATIONS: dict[str, list] = {
    "image_name": ["im061", "omitted", "im065"],
    "omitted": [False, True, False],
    "is_change": [False, False, True],
    "exposure_level": ["novel", "novel", "novel"],
}


@pytest.fixture
def dff(rng: np.random.Generator) -> np.ndarray:
    """(n_frames, n_rois), a fraction, one value missing."""
    values = rng.normal(0, 0.1, (N_FRAMES, N_UNITS)).astype(np.float32)
    values[4, 1] = np.nan
    return values


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def write_nwb(tmp_path: Path, dff: np.ndarray) -> Callable[..., Path]:
    """``write_nwb(name, part=value, ...)`` writes the session with those parts replaced, None leaving one out."""

    def write(name: str = "mouse_412.nwb", **parts: Any) -> Path:
        path = tmp_path / name
        _write(path, {"data": dff} | parts)
        return path

    return write


def _write(path: Path, parts: dict[str, Any]) -> None:
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject
    from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation, OpticalChannel

    nwbfile = NWBFile(
        session_description="simulated",
        identifier=parts.get("identifier", "an id, with spaces"),
        session_id=parts.get("session_id", "412"),
        session_start_time=datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
        keywords=parts.get("keywords", ["simulated"]),
    )
    subject_id = parts.get("subject_id", "mouse1")
    if subject_id is not None:
        genotype = parts.get("genotype", "Vip-IRES-Cre/wt;Ai148(TIT2L-GC6f-ICL-tTA2)/wt")
        nwbfile.subject = Subject(subject_id=subject_id, sex="F", species="Mus musculus", genotype=genotype)
    plane = nwbfile.create_imaging_plane(
        name="plane",
        optical_channel=OpticalChannel(name="green", description="green", emission_lambda=520.0),
        description="plane",
        device=nwbfile.create_device("microscope"),
        excitation_lambda=910.0,
        indicator="GCaMP6f",
        location="VISp",
    )
    module = nwbfile.create_processing_module("ophys", "two-photon")
    segmentation = ImageSegmentation()
    module.add(segmentation)
    cells = segmentation.create_plane_segmentation(name="cells", description="cells", imaging_plane=plane)
    ids = parts.get("cell_specimen_id", [1001, 1002, 1003])
    if ids is not None:
        cells.add_column("cell_specimen_id", "the cell")
    for number in range(N_UNITS):
        if parts.get("mask") == "image":
            image = np.zeros((32, 32))
            image[20:22, 10 + number] = 1
            roi: dict[str, Any] = {"image_mask": image}
        else:
            roi = {"pixel_mask": [(10 + number, 20, 1.0), (10 + number, 21, 1.0), (0, 0, 0.0)]}
        cells.add_roi(**roi, **({} if ids is None else {"cell_specimen_id": ids[number]}))
    container = Fluorescence(name="raw") if parts.get("dff_name") == "raw" else DfOverF(name="dff")
    module.add(container)
    timing = parts.get("timing", {"timestamps": np.arange(N_FRAMES) / 31.0})
    container.create_roi_response_series(
        name="traces",
        data=parts["data"],
        unit=parts.get("unit", "dF/F"),
        conversion=parts.get("conversion", 1.0),
        rois=cells.create_roi_table_region(region=parts.get("region", [2, 0, 1]), description="cells"),
        **timing,
    )
    presentations = parts.get("presentations", PRESENTATIONS)
    if presentations is not None:
        _add_presentations(nwbfile, presentations, parts.get("start_time", [0.1, 0.85, 1.6]))
    with NWBHDF5IO(path, "w") as io:
        io.write(nwbfile)


def _add_presentations(nwbfile: Any, columns: dict[str, list], start_time: list[float]) -> None:
    from pynwb.epoch import TimeIntervals

    table = TimeIntervals(name="stimulus_presentations", description="flashes")
    for column, given in columns.items():
        # pynwb can't tell the type of an empty list.
        table.add_column(column, column, data=[] if given else np.empty(0, dtype=bool))
    n_rows = len(next(iter(columns.values())))
    for row in range(n_rows):
        values = {column: given[row] for column, given in columns.items()}
        table.add_interval(start_time=start_time[row], stop_time=start_time[row] + 0.25, **values)
    nwbfile.add_time_intervals(table)
