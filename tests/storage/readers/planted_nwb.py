"""NWB files that pynwb writes, of the parts that a test plants in them; and what is read of them."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.file import Subject
from pynwb.ophys import OpticalChannel, PlaneSegmentation, RoiResponseSeries

from storage.declaration import Table
from storage.readers.choose import read_recording
from storage.readers.recording import Recording, Refused

STARTED_AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


def written(path: Path, *parts: Callable[[NWBFile], Any], subject: Subject | None = None, **facts: Any) -> Path:
    """A file of session '7', each part adding what it adds."""
    said = {"session_description": "planted", "identifier": "an id, with spaces", "session_id": "7"} | facts
    nwbfile = NWBFile(session_start_time=STARTED_AT, **said)
    nwbfile.subject = subject
    for part in parts:
        part(nwbfile)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with NWBHDF5IO(path, "w") as io:
            io.write(nwbfile)
    return path


@contextmanager
def by_pynwb(path: Path) -> Iterator[NWBFile]:
    """The file as pynwb shows it, unaided."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with NWBHDF5IO(path, "r", load_namespaces=True) as io:
            yield io.read()


def refusal(path: Path) -> Refused:
    """Of reading the file, or of reading its streams."""
    with pytest.raises(Refused) as caught:
        read_whole(path)
    assert caught.value.reader == "nwb"
    return caught.value


def read_whole(path: Path) -> Recording:
    """The recording, once all that it streams was read."""
    recording = read_recording(path, "lab")
    values(recording)
    for streamed in recording.blocks:
        list(streamed.blocks())
    return recording


def rows(recording: Recording, table: Table) -> pl.DataFrame:
    """Rows of one table, a streamed one read to its end, without the columns that hold nothing."""
    held = recording.rows.get(table)
    if held is None:
        blocks = [pl.DataFrame(pl.from_arrow(one)) for b in recording.blocks if b.table is table for one in b.blocks()]
        frame = pl.concat(blocks) if blocks else pl.DataFrame(pl.from_arrow(table.arrow_schema.empty_table()))
    else:
        frame = pl.DataFrame(pl.from_arrow(held))
    return frame.select(name for name in frame.columns if name != "session_id" and not frame[name].is_null().all())


def values(recording: Recording) -> dict[str, np.ndarray]:
    """Each signal whole, (n_units, n_frames)."""
    return {one.signal: np.concatenate([span for _, span in one.spans()], axis=1) for one in recording.traces}


def plane(nwbfile: NWBFile, name: str = "cells", count: int = 3, location: str = "VISp") -> PlaneSegmentation:
    """A segmentation table of ROIs with one pixel each, in an imaging plane of its own."""
    if "ophys" not in nwbfile.processing:
        nwbfile.create_processing_module("ophys", "two-photon")
        nwbfile.create_device("microscope")
    imaging = nwbfile.create_imaging_plane(
        name=f"plane of {name}",
        optical_channel=OpticalChannel(name="green", description="green", emission_lambda=520.0),
        description="plane",
        device=nwbfile.devices["microscope"],
        excitation_lambda=910.0,
        indicator="GCaMP6f",
        location=location,
    )
    cells = PlaneSegmentation(name=name, description="cells", imaging_plane=imaging)
    for number in range(count):
        cells.add_roi(pixel_mask=[(number, 5, 1.0)])
    nwbfile.processing["ophys"].add(cells)
    return cells


def series(name: str, cells: PlaneSegmentation, data: np.ndarray, rois: list[int] | None = None, **said: Any) -> Any:
    """Responses (n_frames, n_rois) of these ROIs, all of them unless told, at 10 Hz."""
    region = cells.create_roi_table_region(region=rois or list(range(data.shape[1])), description="cells")
    timing = {} if "timestamps" in said else {"rate": 10.0}
    return RoiResponseSeries(name=name, data=data, rois=region, **{"unit": "n.a."} | timing | said)
