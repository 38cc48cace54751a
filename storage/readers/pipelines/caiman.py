"""Reader of CaImAn's results: the HDF5 file of CNMF.save(), and the .npz of its scripts."""

import zipfile
from pathlib import Path

from storage.readers.about import about_of, frame_times_s, native_id, said_of_times
from storage.readers.given import Given, frame_rows
from storage.readers.pipelines.caiman_components import CORRELATION
from storage.readers.pipelines.caiman_hdf5 import components_of_hdf5
from storage.readers.pipelines.caiman_npz import components_of_npz
from storage.readers.pipelines.projections import projection_row
from storage.readers.recording import Recording
from storage.tables import FRAMES, IMAGES

NAME = "caiman"
VERSION = 1
KNOWS = "CaImAn: HDF5 of CNMF.save() with a group estimates, or .npz with C or C_full"
FORM = "file"
SUFFIXES = (".hdf5", ".npz")

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def recognises(path: Path) -> bool:
    """Whether it is HDF5 with a group estimates, or a .npz with CaImAn's names. Raises OSError."""
    if _is_hdf5(path):
        return _has_estimates(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except Exception:
        return False
    of_tests = "C_full" in names and bool({"A_full", "C_patch", "information"} & names)
    return of_tests or ({"A", "C", "YrA"} <= names or {"C", "YrA", "f"} <= names)


def read(given: Given) -> Recording:
    """One session: the accepted components, all where nobody chose, with their signals and footprints.

    ``C`` are denoised, ``S`` deconvolved, ``F_dff`` dF/F, and C + YrA demixed traces, (components, frames). Frame n is
    at n / rate seconds, the rate from the file or its owner. Raises Refused where neither says it, for arrays that
    don't fit each other, and for an object in a .npz that is asked for and isn't plain.
    """
    about = about_of(given)
    found = (components_of_hdf5 if _is_hdf5(given.path) else components_of_npz)(given, about)
    session_id = given.session_id(about.session or native_id(given.path), "session")
    unit_count = len(found.accepted)
    session = given.session(
        session_id,
        unit_count=unit_count,
        unit_filter=f"{unit_count} of {found.count} components: idx_components" if unit_count < found.count else None,
        frame_count=found.frame_count,
        rate_hz=found.rate_hz,
        metadata=found.metadata | said_of_times(found.rate_hz),
        **about.session_facts,
    )
    rows = {FRAMES: frame_rows(session_id, frame_times_s(found.frame_count, found.rate_hz))}
    if found.correlation is not None:
        rows[IMAGES] = [projection_row(session_id, CORRELATION, found.correlation, CORRELATION, given.refused)]
    units = [{"session_id": session_id} | unit for unit in found.units]
    return given.recording([session], units, rows, found.traces(session_id))


def _is_hdf5(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE


def _has_estimates(path: Path) -> bool:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            # Names alone are looked at: what other links lead to is not.
            if not isinstance(file.get("estimates", getlink=True), h5py.HardLink):
                return False
            estimates = file["estimates"]
            return isinstance(estimates, h5py.Group) and bool({"A", "C"} & set(estimates))
    except Exception:
        return False
