"""Write the sample sessions: simulated two-photon recordings in standard NWB, to try the whole lake on.

    python samples/write_sessions.py [--into samples/sessions] [--seed 7]

The same seed gives the same bytes, so that writing them again changes nothing in a lake that has them.
"""

import argparse
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # so that it runs from a checkout that is not installed

from models.simulate import ChangeDetectionPlan, SimulatedSession, simulate_change_detection  # noqa: E402

if TYPE_CHECKING:
    from pynwb import H5DataIO, NWBFile

_FIRST_SESSION = datetime(2026, 1, 5, 9, tzinfo=UTC)
# Effects and noise by which decoders tell omissions from images in some four of five cells, as in real recordings.
_HARD_TO_TELL = {
    "vip_omission_ramp_dff": 0.05,
    "vip_flash_novel_dff": 0.03,
    "sst_flash_familiar_dff": 0.03,
    "sst_flash_novel_dff": 0.05,
    "noise_dff": 0.15,
    "shared_noise_dff": 0.02,
}
_EXPOSURE_DAY = {"familiar": 0, "novel": 1}


def main(arguments: list[str] | None = None) -> int:
    """Write what is not there yet, and say what to do next; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--into", type=Path, default=REPOSITORY / "samples" / "sessions", help="folder to write to")
    parser.add_argument("--seed", type=int, default=7, help="another seed gives other animals: write them elsewhere")
    parser.add_argument("--mice", type=int, default=4, help="mice of each driver line")
    parser.add_argument("--cells", type=int, default=12, help="cells of each mouse")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of each session")
    chosen = parser.parse_args(arguments)
    plan = sample_plan(chosen.mice, chosen.cells, chosen.minutes, chosen.seed)
    console = Console()
    written = write_sessions(plan, chosen.into, console)
    present = 4 * chosen.mice - len(written)
    console.print(f"{len(written)} simulated sessions written to {chosen.into}, {present} were there already")
    console.print("into the lake   make nightly", highlight=False)
    return 0


def sample_plan(mice: int = 4, cells: int = 12, minutes: float = 10.0, seed: int = 7) -> ChangeDetectionPlan:
    """Mice of each driver line, cells of each mouse, and sessions of so many minutes, with the samples' effects."""
    return ChangeDetectionPlan(
        n_vip_mice=mice,
        n_sst_mice=mice,
        cells_per_mouse=cells,
        duration_s=60 * minutes,
        seed=seed,
        **_HARD_TO_TELL,
    )


def write_sessions(plan: ChangeDetectionPlan, folder: Path, console: Console | None = None) -> list[Path]:
    """One NWB file per session of the plan; those whose file exists are left alone. Returns the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    n_sessions = 2 * (plan.n_vip_mice + plan.n_sst_mice)
    written = []
    sessions = enumerate(simulate_change_detection(plan))
    unseen = console is None or not console.is_terminal
    for number, session in track(
        sessions, "writing sessions", total=n_sessions, console=console, transient=True, disable=unseen
    ):
        path = folder / f"{session.session_name}.nwb"
        if not path.exists():
            # Under a hidden name, which no folder or glob offers to a reader, until it is whole.
            unfinished = path.with_name(f".{path.name}")
            _write(nwbfile_of(session, plan, number), unfinished)
            os.replace(unfinished, path)
            written.append(path)
    return written


def nwbfile_of(session: SimulatedSession, plan: ChangeDetectionPlan, number: int) -> "NWBFile":
    """The session in the form of an Allen Visual Behavior file: dff/traces, cell_specimen_table, presentations.

    Beside them stands spike_prob/spike_prob, which such files don't have.
    """
    from pynwb import NWBFile
    from pynwb.file import Subject
    from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation, OpticalChannel

    started_at = _FIRST_SESSION + timedelta(weeks=number // 2, days=_EXPOSURE_DAY[session.exposure_level])
    nwbfile = NWBFile(
        session_description=f"SIMULATED: no animal was recorded. Change detection, {session.exposure_level} images.",
        identifier=f"simulated-seed{plan.seed}-{session.session_name}",
        session_id=session.session_name,
        session_start_time=started_at,
        file_create_date=started_at,
        keywords=["simulated", "change detection", "two-photon"],
        notes=f"models.simulate.simulate_change_detection({plan!r})",
    )
    nwbfile.subject = Subject(
        subject_id=session.subject_id,
        genotype=session.genotype,
        sex="U",
        species="Mus musculus",
        age="P120D",
        description="simulated: there was no animal",
    )
    microscope = nwbfile.create_device(name="none", description="simulated: there was no microscope")
    plane = nwbfile.create_imaging_plane(
        name="imaging_plane_1",
        description="simulated",
        optical_channel=OpticalChannel(name="channel_1", description="green", emission_lambda=520.0),
        device=microscope,
        excitation_lambda=910.0,
        imaging_rate=plan.frame_rate_hz,
        indicator="GCaMP6f",
        location="VISp",
    )
    ophys = nwbfile.create_processing_module(name="ophys", description="simulated dF/F and spike probability")
    segmentation, dff = ImageSegmentation(name="image_segmentation"), DfOverF(name="dff")
    spike_prob = Fluorescence(name="spike_prob")  # NWB's container for any other series of ROIs
    for interface in (segmentation, dff, spike_prob):
        ophys.add(interface)
    cells = segmentation.create_plane_segmentation(
        name="cell_specimen_table", description="simulated cells", imaging_plane=plane
    )
    cells.add_column("cell_specimen_id", "the cell, the same in all sessions of its mouse")
    for unit in range(len(session.unit_id)):
        disc = _disc(session.x_px[unit], session.y_px[unit], session.radius_px[unit])
        cells.add_roi(pixel_mask=disc, cell_specimen_id=int(session.unit_id[unit]))
    all_cells = list(range(len(cells)))
    traces = dff.create_roi_response_series(
        name="traces",
        description="simulated dF/F, as a fraction",
        data=_compressed(session.dff.T),
        timestamps=_compressed(session.frame_s),
        unit="dF/F",
        rois=cells.create_roi_table_region(region=all_cells, description="all cells"),
    )
    spike_prob.create_roi_response_series(
        name="spike_prob",
        description="SIMULATED expected spikes per frame: the planted drive with noise; no spikes were inferred",
        data=_compressed(session.spike_prob.T),
        timestamps=traces,
        unit="spikes/frame",
        rois=cells.create_roi_table_region(region=all_cells, description="all cells"),
    )
    _add_presentations(nwbfile, session)
    return nwbfile


def _add_presentations(nwbfile: "NWBFile", session: SimulatedSession) -> None:
    from hdmf.common import VectorData
    from pynwb.epoch import TimeIntervals

    columns = {
        "start_time": ("seconds", session.onset_s),
        "stop_time": ("seconds", session.offset_s),
        "image_name": ("the image shown; 'omitted' where none was", list(session.image_name)),
        "omitted": ("an image was due and not shown", session.omitted),
        "is_change": ("the first flash of another image", session.is_change),
        "exposure_level": ("image set seen before, or new", [session.exposure_level] * len(session.onset_s)),
    }
    nwbfile.add_time_intervals(
        TimeIntervals(
            name="stimulus_presentations",
            description="every flash, shown or omitted",
            columns=[VectorData(name=name, description=text, data=data) for name, (text, data) in columns.items()],
        )
    )


def _disc(x_px: float, y_px: float, radius_px: float) -> list[tuple[int, int, float]]:
    reach = int(np.ceil(radius_px))
    dx, dy = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1))
    inside = dx**2 + dy**2 <= radius_px**2
    return [(round(x_px) + int(x), round(y_px) + int(y), 1.0) for x, y in zip(dx[inside], dy[inside], strict=True)]


def _compressed(values: np.ndarray) -> "H5DataIO":
    from pynwb import H5DataIO

    return H5DataIO(values, compression="gzip", compression_opts=1, shuffle=True, chunks=True)


def _write(nwbfile: "NWBFile", path: Path) -> None:
    import h5py
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(path, mode="w") as io:
        io.write(nwbfile)
    # NWB gives every object a random id: here it is made of the session and the object's place, for equal bytes.
    namespace = uuid.uuid5(uuid.NAMESPACE_OID, nwbfile.identifier)
    with h5py.File(path, "r+") as file:

        def name_after_place(place: str, item: h5py.HLObject) -> None:
            if "object_id" in item.attrs:
                item.attrs.modify("object_id", str(uuid.uuid5(namespace, place)))

        name_after_place("/", file)
        file.visititems(name_after_place)


if __name__ == "__main__":
    sys.exit(main())
