"""Make the two small files on which the readers are tested in the main environment.

    .venv-allen/bin/python tests/allen/make_reader_files.py

The AllenSDK writes them, as in planted_sessions.py; no animal was recorded. To be small they are packed anew with
h5py: numbers rounded and compressed, of running and eye tracking every tenth sample and of images every eighth pixel
kept, cached specifications of NWB and descriptions left out, keyword 'simulated' in.
"""

import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

FILES = Path(__file__).parent.parent / "storage" / "readers" / "files"
_DECIMALS = 3
_SMALLEST_COMPRESSED_BYTES = 1024
_THINNED = ("/acquisition/", "/processing/running", "/processing/stimulus", "/processing/eye_tracking/")
_THINNED += ("/processing/raw_gaze_mapping", "/processing/filtered_gaze_mapping")
_EVERY = 10
_PIXELS = (slice(None), slice(None, None, 8), slice(None, None, 8))


def main() -> int:
    """Write both files over what is there; returns the exit status."""
    import planted_cells
    import planted_neuropixels
    import planted_visual_behavior

    planted_cells.FIELD_PX = planted_visual_behavior.FIELD_PX = 64
    planted_neuropixels.CHANNELS_PER_PROBE = 20
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "written.nwb"
        experiment = planted_visual_behavior.PlantedExperiment(cells=6, minutes=1.0, seed=12)
        planted_visual_behavior.write_experiment(experiment, written)
        pack(written, FILES / "allen_visual_behavior.nwb")
        session = planted_neuropixels.PlantedSession(units=12, minutes=0.5, seed=5)
        planted_neuropixels.write_session(session, written)
        pack(written, FILES / "allen_neuropixels.nwb")
    return 0


def pack(source: Path, target: Path) -> None:
    """A copy of an NWB file in few bytes; the same objects under the same names, but for cached specifications."""
    with h5py.File(source) as read, h5py.File(target, "w", libver="latest") as written:
        _copy(read, written)
        if "keywords" in written["general"]:
            del written["general/keywords"]
        written["general/keywords"] = ["simulated"]


def _copy(source: h5py.Group, target: h5py.Group) -> None:
    _copy_attributes(source, target)
    for name in source:
        link = source.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            target[name] = h5py.SoftLink(link.path)
        elif isinstance(source[name], h5py.Group):
            if source[name].name != "/specifications":
                _copy(source[name], target.create_group(name))
        elif source[name].dtype.kind != "V" and h5py.check_ref_dtype(source[name].dtype) is None:
            _copy_dataset(source[name], target, name)


def _copy_dataset(source: h5py.Dataset, target: h5py.Group, name: str) -> None:
    values = source[_PIXELS] if source.name.startswith("/stimulus/templates") and source.ndim == 3 else source[()]
    if source.name.startswith(_THINNED) and source.ndim:
        values = values[::_EVERY]
    if source.dtype.kind == "f" and values.size:
        largest = np.nanmax(np.abs(np.append(values[np.isfinite(values)], 1e-9)))
        values = np.round(values, _DECIMALS - min(int(np.floor(np.log10(largest))), 0))
    packed = source.dtype.kind in "iufb" and np.asarray(values).nbytes > _SMALLEST_COMPRESSED_BYTES
    options = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if packed else {}
    _copy_attributes(source, target.create_dataset(name, data=values, dtype=source.dtype, **options))


def _copy_attributes(source: h5py.HLObject, target: h5py.HLObject) -> None:
    for name, value in source.attrs.items():
        if name not in ("object_id", "description", "comments") and not isinstance(value, h5py.Reference):
            target.attrs[name] = value


if __name__ == "__main__":
    sys.exit(main())
