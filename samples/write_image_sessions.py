"""Write sample image sessions: simulated neurons of visual cortex that see natural images, in the AllenSDK's NWB.

    python samples/write_image_sessions.py [--into samples/image_sessions] [--gabors] [--seed 7]

The layout is that of Allen Visual Coding Neuropixels, so the reader `allen_neuropixels` brings it into the lake. The
same seed gives the same bytes, so that writing them again changes nothing in a lake that has them.
"""

import argparse
import json
import os
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # so that it runs from a checkout that is not installed

from models.simulate_image_coding import (  # noqa: E402
    ImageCodingPlan,
    SimulatedImageSession,
    simulate_image_session,
)

if TYPE_CHECKING:
    import h5py
    from hdmf.common import VectorData
    from pynwb import H5DataIO, NWBFile

SCENES = "natural_scenes"
_FIRST_SESSION = datetime(2026, 2, 2, 9, tzinfo=UTC)
_PROBE = "probeA"
_PROBE_ID = 900_000_001
_STRUCTURE = "VISp"
_CHANNELS = 384
_FIRST_CHANNEL = 850_000_000
# What the AllenSDK adds to NWB and this file uses: kept in it, so that PyNWB opens it without the AllenSDK.
_NAMESPACE, _NAMESPACE_VERSION = "ndx-aibs-ecephys", "0.2.0"
_SPECIMEN = {"specimen_name": "text", "age_in_days": "float", "strain": "text"}
_GROUP = {"has_lfp_data": "bool", "probe_id": "int", "lfp_sampling_rate": "float64"}
_ADDED_TYPES = (("EcephysSpecimen", "Subject", _SPECIMEN), ("EcephysElectrodeGroup", "ElectrodeGroup", _GROUP))


def main(arguments: list[str] | None = None) -> int:
    """Write what is not there yet, and say what to do next; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = REPOSITORY / "samples" / "image_sessions"
    parser.add_argument("--into", type=Path, default=default, help="folder to write to")
    parser.add_argument("--seed", type=int, default=7, help="another seed gives other animals: write them elsewhere")
    parser.add_argument("--sessions", type=int, default=1, help="sessions, each of another animal and other images")
    parser.add_argument("--units", type=int, default=135, help="units of each session")
    parser.add_argument("--images", type=int, default=118, help="images, beside the blank")
    parser.add_argument("--repeats", type=int, default=50, help="presentations of each image and of the blank")
    parser.add_argument("--gabors", action="store_true", help="3,645 Gabors before the images")
    chosen = parser.parse_args(arguments)
    plan = ImageCodingPlan(
        n_units=chosen.units,
        n_images=chosen.images,
        n_repeats=chosen.repeats,
        n_blocks=min(3, chosen.repeats),
        with_gabors=chosen.gabors,
        seed=chosen.seed,
    )
    console = Console()
    written = write_image_sessions(plan, chosen.sessions, chosen.into, console)
    present = chosen.sessions - len(written)
    console.print(f"{len(written)} simulated sessions written to {chosen.into}, {present} were there already")
    console.print("into the lake   name the folder in sources.yaml, then: make nightly", highlight=False)
    return 0


def write_image_sessions(
    plan: ImageCodingPlan, n_sessions: int, folder: Path, console: Console | None = None
) -> list[Path]:
    """One NWB file per session, the seed one higher for each; those that exist are left alone. Returns the new ones."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    unseen = console is None or not console.is_terminal
    for number in track(range(n_sessions), "writing sessions", console=console, transient=True, disable=unseen):
        own = replace(plan, seed=plan.seed + number)
        path = folder / f"{session_name(own)}.nwb"
        if not path.exists():
            # Under a hidden name, which no folder or glob offers to a reader, until it is whole.
            unfinished = path.with_name(f".{path.name}")
            write_image_session(simulate_image_session(own), own, unfinished)
            os.replace(unfinished, path)
            written.append(path)
    return written


def session_name(plan: ImageCodingPlan) -> str:
    """What the session of a plan is called: its seed tells sessions of one shape apart."""
    return f"images{plan.n_images}x{plan.n_repeats}-units{plan.n_units}-seed{plan.seed}"


def write_image_session(session: SimulatedImageSession, plan: ImageCodingPlan, path: Path) -> None:
    """Write one session; raises ValueError where it was simulated without spike times."""
    if len(session.spike_s) != len(session.unit_id):
        raise ValueError("a file holds spike times: simulate the session with them (with_spikes=True)")
    from pynwb import NWBHDF5IO

    nwbfile = nwbfile_of(session, plan)
    with NWBHDF5IO(path, mode="w") as io:
        io.write(nwbfile)
    _make_the_allens(path, nwbfile.identifier)


def nwbfile_of(session: SimulatedImageSession, plan: ImageCodingPlan) -> "NWBFile":
    """The session: units with their spikes, presentations of scenes and Gabors, and the scenes themselves."""
    from pynwb import NWBFile
    from pynwb.file import Subject
    from pynwb.image import ImageSeries

    name = session_name(plan)
    started_at = _FIRST_SESSION + timedelta(days=plan.seed % 10_000)
    nwbfile = NWBFile(
        session_description="SIMULATED: no animal was recorded. Neurons of visual cortex see natural images.",
        identifier=name,
        session_id=name,
        session_start_time=started_at,
        file_create_date=started_at,
        keywords=["simulated", "natural images", "ecephys"],
        notes=f"models.simulate_image_coding.simulate_image_session({plan!r})",
        stimulus_notes="brain_observatory_1.1, simulated",
    )
    nwbfile.subject = Subject(
        subject_id=str(910_000_000 + plan.seed),
        genotype="wt/wt",
        sex="U",
        species="Mus musculus",
        age="P120D",
        description="simulated: there was no animal",
    )
    _add_units(nwbfile, session)
    scenes = {
        "frame": ("the image; -1 a gray screen", session.image.astype(float)),
        "stimulus_block": ("block of presentations", session.block.astype(float)),
    }
    _add_presentations(nwbfile, SCENES, session.onset_s, session.offset_s, scenes)
    if (gabors := session.gabors) is not None:
        same = {"spatial_frequency": 0.08, "temporal_frequency": 4.0, "contrast": 0.8, "stimulus_block": 0.0}
        # The Allen Institute's phase is the number of cycles that were drawn by the end of the block.
        texts = {"size": "[20.0, 20.0]", "phase": "[3644.93, 3644.93]", "mask": "circle"}
        shown = {
            "x_position": ("degrees right of the centre", gabors.x_position),
            "y_position": ("degrees above the centre", gabors.y_position),
            "orientation": ("degrees", gabors.orientation_deg),
            **{key: ("of every Gabor", [text] * len(gabors.onset_s)) for key, text in texts.items()},
            **{key: ("of every Gabor", np.full(len(gabors.onset_s), value)) for key, value in same.items()},
        }
        _add_presentations(nwbfile, "gabors", gabors.onset_s, gabors.offset_s, shown)
    number = np.arange(len(session.images))
    nwbfile.add_stimulus_template(
        ImageSeries(
            name=SCENES,
            description="simulated images: noise of a natural amplitude spectrum",
            data=_compressed(session.images),
            unit="grey level",
            format="raw",
            timestamps=number.astype(float),
            control=number.astype(np.uint32),
            control_description=[f"{SCENES}_{one}" for one in number],
        )
    )
    return nwbfile


def _add_units(nwbfile: "NWBFile", session: SimulatedImageSession) -> None:
    from hdmf.common import ElementIdentifiers, VectorIndex
    from pynwb.misc import Units

    device = nwbfile.create_device(name=_PROBE, description="simulated: there was no probe")
    group = nwbfile.create_electrode_group(
        name=_PROBE, description="simulated", location="See electrode locations", device=device
    )
    for name, text in (
        ("probe_vertical_position", "um"),
        ("probe_horizontal_position", "um"),
        ("probe_id", "the probe"),
        ("probe_channel_number", "number on the probe"),
        ("valid_data", "whether the channel works"),
    ):
        nwbfile.add_electrode_column(name, text)
    n_channels = min(len(session.unit_id), _CHANNELS)
    for number in range(n_channels):
        nwbfile.add_electrode(
            id=_FIRST_CHANNEL + number,
            location=_STRUCTURE,
            group=group,
            probe_vertical_position=20 * (number // 2 + 1),
            probe_horizontal_position=(43, 11, 59, 27)[number % 4],
            probe_id=_PROBE_ID,
            probe_channel_number=number,
            valid_data=True,
        )
    n_units, length_s = len(session.unit_id), float(session.offset_s[-1])
    ends = np.cumsum([len(spike_s) for spike_s in session.spike_s])
    # As columns: unit by unit PyNWB makes a list of every spike.
    times = _column("spike_times", "seconds", _compressed(np.concatenate(session.spike_s)))
    told = {
        "peak_channel_id": ("channel of the largest waveform", _FIRST_CHANNEL + np.arange(n_units) % n_channels),
        "quality": ("label of the sorter", ["good"] * n_units),
        "firing_rate": ("Hz, over the session", np.diff(ends, prepend=0) / length_s),
        "snr": ("simulated: none was measured", np.full(n_units, np.nan)),
        "isi_violations": ("simulated: none", np.zeros(n_units)),
        "presence_ratio": ("simulated: throughout", np.ones(n_units)),
        "amplitude_cutoff": ("simulated: none missed", np.zeros(n_units)),
    }
    nwbfile.units = Units(
        name="units",
        description="simulated units",
        id=ElementIdentifiers(name="id", data=session.unit_id),
        columns=[
            times,
            VectorIndex(name="spike_times_index", target=times, data=ends.astype(np.uint64)),
            *(_column(name, text, values) for name, (text, values) in told.items()),
        ],
        colnames=["spike_times", *told],
    )


def _add_presentations(
    nwbfile: "NWBFile",
    stimulus: str,
    onset_s: np.ndarray,  # (n_presentations,)
    offset_s: np.ndarray,  # (n_presentations,)
    parameters: dict[str, tuple[str, object]],
) -> None:
    from pynwb.epoch import TimeIntervals

    table = TimeIntervals(
        name=f"{stimulus}_presentations",
        description=f"presentations of {stimulus}",
        columns=[
            _column("start_time", "seconds", onset_s),
            _column("stop_time", "seconds", offset_s),
            _column("stimulus_name", "what was shown", [stimulus] * len(onset_s)),
            *(_column(name, text, values) for name, (text, values) in parameters.items()),
        ],
    )
    nwbfile.add_time_intervals(table)


def _column(name: str, text: str, values: object) -> "VectorData":
    from hdmf.common import VectorData

    return VectorData(name=name, description=text, data=values)


def _compressed(values: np.ndarray) -> "H5DataIO":
    from pynwb import H5DataIO

    return H5DataIO(values, compression="gzip", compression_opts=1, shuffle=True, chunks=True)


def _make_the_allens(path: Path, identifier: str) -> None:
    """Give subject and probe the AllenSDK's types, by which the reader knows the file, and every object an id."""
    import h5py

    namespace = uuid.uuid5(uuid.NAMESPACE_OID, identifier)
    with h5py.File(path, "r+") as file:
        subject, probe = file["general/subject"], file[f"general/extracellular_ephys/{_PROBE}"]
        specimen = {"specimen_name": "simulated", "age_in_days": 120.0, "strain": "none"}
        group = {"has_lfp_data": False, "probe_id": _PROBE_ID, "lfp_sampling_rate": np.nan}
        for held, (name, _, _), said in zip((subject, probe), _ADDED_TYPES, (specimen, group), strict=True):
            held.attrs.update({"neurodata_type": name, "namespace": _NAMESPACE, **said})
        _keep_types(file)

        # NWB gives every object a random id: here it is made of the session and the object's place, for equal bytes.
        def name_after_place(place: str, item: h5py.HLObject) -> None:
            if "object_id" in item.attrs:
                item.attrs.modify("object_id", str(uuid.uuid5(namespace, place)))

        name_after_place("/", file)
        file.visititems(name_after_place)


def _keep_types(file: "h5py.File") -> None:
    """The definitions of the AllenSDK's types that the file uses, where PyNWB looks for them."""
    groups = [
        {
            "neurodata_type_def": name,
            "neurodata_type_inc": parent,
            "doc": f"the AllenSDK's {name}",
            "attributes": [{"name": one, "dtype": dtype, "doc": one} for one, dtype in attributes.items()],
        }
        for name, parent, attributes in _ADDED_TYPES
    ]
    source = f"{_NAMESPACE}.extension"
    said = {
        "name": _NAMESPACE,
        "version": _NAMESPACE_VERSION,
        "doc": "types that the AllenSDK adds to NWB, those used here",
        "author": "Allen Institute for Brain Science",
        "contact": "-",
        "schema": [{"namespace": "core"}, {"source": source}],
    }
    kept = file["specifications"].create_group(f"{_NAMESPACE}/{_NAMESPACE_VERSION}")
    kept["namespace"] = json.dumps({"namespaces": [said]})
    kept[source] = json.dumps({"groups": groups})


if __name__ == "__main__":
    sys.exit(main())
