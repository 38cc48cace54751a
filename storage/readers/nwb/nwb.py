"""Reader of NWB files: ROI responses, sorted units, trials and other intervals, behaviour, images, subject."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.declaration import Table
from storage.readers.foreign.declared_sizes import shown
from storage.readers.foreign.hdf5_files import opened_hdf5
from storage.readers.given import Given, frame_rows, median_rate_hz
from storage.readers.nwb.nwb_behavior import behavior_signals, happenings
from storage.readers.nwb.nwb_contents import Contents, contents_of
from storage.readers.nwb.nwb_images import projections
from storage.readers.nwb.nwb_intervals import events_of, interval_rows, trials_of
from storage.readers.nwb.nwb_ophys import roi_responses
from storage.readers.nwb.nwb_presentations import READ, events_and_exposure, image_table
from storage.readers.nwb.nwb_session import session_facts, session_id_of
from storage.readers.nwb.nwb_unit_ids import number_units
from storage.readers.nwb.nwb_units import sorted_units
from storage.readers.recording import Recording, Refused, require_session_id
from storage.tables import EVENTS, FRAMES, IMAGES, TRIALS

if TYPE_CHECKING:
    import h5py
    from pynwb import NWBHDF5IO

NAME = "nwb"
VERSION = 2
KNOWS = "NWB: HDF5 that pynwb reads, with ROI responses, sorted units, intervals or behaviour"
FORM = "file"
SUFFIXES = (".nwb",)

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def recognises(path: Path) -> bool:
    """Whether it is NWB by its name, or HDF5 that says so: a torn .nwb is to be refused, not ignored.

    HDF5 of other kinds is left to its own readers. Raises OSError when the file can't be opened.
    """
    if path.suffix.lower() == ".nwb":
        return True
    with open(path, "rb") as file:
        if file.read(len(_HDF5_SIGNATURE)) != _HDF5_SIGNATURE:
            return False
    import h5py

    try:
        with h5py.File(path, "r") as held:
            return "nwb_version" in held.attrs or ".specloc" in held.attrs
    except Exception:
        return False


def read(given: Given) -> Recording:
    """One session: units, frame times (s), ROI signals (dF/F a fraction), spikes (s), events, trials, behaviour.

    Large signals are read from the file anew, span by span, when they are written. What is not read is named in the
    session's metadata, under left_out. Raises Refused when the file leads out of itself, can't be read to its end by
    pynwb, holds nothing of all that, or what it says can't be told for certain.
    """
    require_session_id(given.project, "project", given.source_uri)
    try:
        # The file is opened and closed here, not by pynwb, which leaves it open when it fails half-way.
        with warnings.catch_warnings(), opened_hdf5(given.path, given.refused) as file:
            warnings.simplefilter("ignore")
            return _recording(_pynwb_reading(file).read(), file, given)
    except Refused:
        raise
    except Exception as error:
        expected = "a whole HDF5 file that pynwb reads"
        field, found = _place_and_reason(error)
        raise given.refused(field=field, found=found, expected=expected) from error


def _place_and_reason(error: Exception) -> tuple[str, str]:
    """Where in the file pynwb failed, as far as it says so, and why."""
    from hdmf.build.errors import ConstructError

    if isinstance(error, ConstructError) and len(error.args) == 2 and hasattr(error.args[0], "path"):
        builder, reason = error.args
        return builder.path.removeprefix("root/") or "file", " ".join(str(reason).split())[:300]
    return "file", shown(error)


def _pynwb_reading(file: "h5py.File") -> "NWBHDF5IO":
    """pynwb on the open file, with the types that the file defines for itself. These are descriptions, never code."""
    from pynwb import NWBHDF5IO, available_namespaces, get_manager

    own = set(file[file.attrs[".specloc"]]) - set(available_namespaces()) if ".specloc" in file.attrs else set()
    if own:
        return NWBHDF5IO(file=file, mode="r", load_namespaces=True)
    # Without types of its own a file doesn't change pynwb's, and to copy them takes a quarter of the reading.
    return NWBHDF5IO(file=file, mode="r", manager=get_manager(copy=False))


def _recording(nwbfile: Any, file: "h5py.File", given: Given) -> Recording:
    session_id = session_id_of(nwbfile, given)
    contents = contents_of(nwbfile, file)
    ophys = roi_responses(contents, given)
    ephys = sorted_units(nwbfile.units, contents, given)
    units, unit_ids = number_units([*ophys.groups, *([ephys.group] if ephys else [])], session_id)
    traces = ophys.traces(session_id, unit_ids, file)
    spikes = ephys.spikes(session_id, unit_ids[len(ophys.groups)]) if ephys else []
    events, exposure_level = _events(contents, session_id, given)
    trials = trials_of(contents, session_id, given)
    images = projections(contents, session_id, given)
    signals = behavior_signals(contents, session_id, given)
    rows: dict[Table, Any] = {EVENTS: events}
    rows |= {FRAMES: frame_rows(session_id, ophys.time_s)} if ophys.time_s is not None else {}
    rows |= {TRIALS: trials} if trials else {}
    rows |= {IMAGES: images} if images else {}
    if not (units["unit_id"] or events["event_id"] or trials or images or signals):
        aside = ", ".join(f"{where} ({why})" for where, why in list(contents.left_out.items())[:8])
        found = f"none, but {aside}" if aside else "none"
        expected = "ROI responses, units, trials, events, behaviour or images"
        raise given.refused(field="file", found=found, expected=expected)
    facts = session_facts(nwbfile, ophys.planes, contents.left_out, given)
    session = given.session(
        session_id,
        unit_count=len(units["unit_id"]),
        exposure_level=exposure_level,
        frame_count=None if ophys.time_s is None else len(ophys.time_s),
        rate_hz=None if ophys.time_s is None else median_rate_hz(ophys.time_s),
        **facts,
    )
    return given.recording([session], units, rows, traces, [*spikes, *signals])


def _events(contents: Contents, session_id: str, given: Given) -> tuple[Mapping[str, list], str | None]:
    images: dict[str, list] = {}
    exposure_level, name = None, ""
    if found := image_table(contents.intervals, given.refused):
        name, table = found
        where = f"intervals/{name}"
        images, exposure_level = events_and_exposure(table, where, session_id, given.refused)
        unread = [column for column in table.colnames if column not in READ]
        contents.left_out |= {f"{where}/{column}": "not kept of image presentations" for column in unread}
    others = interval_rows(contents, {name}, given) + happenings(contents, given)
    return events_of(images, others, session_id), exposure_level
