"""What an NWB file says of the session as a whole: its id, the animal, the rig, and all else as metadata."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from storage.declaration import SESSION_ID_PATTERN
from storage.readers.foreign.hdf5_files import numbers_at, texts_at
from storage.readers.given import Given
from storage.readers.nwb.nwb_tables import MOST_VALUES, stored_in, texts
from storage.readers.recording import Refusal

_DRIVER = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*-Cre(?![A-Za-z0-9])")
# Months and years have no length in days.
_AGE = re.compile(r"P(?:(?P<weeks>\d+(?:\.\d+)?)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?)?")
_SAID = (
    "session_description",
    "identifier",
    "experiment_description",
    "experimenter",
    "institution",
    "lab",
    "keywords",
    "notes",
    "protocol",
    "pharmacology",
    "surgery",
    "virus",
    "slices",
    "stimulus_notes",
    "data_collection",
    "related_publications",
    "source_script",
    "nwb_version",
)


def session_id_of(nwbfile: Any, given: Given) -> str:
    """From the session's id, else the file's identifier, else subject and start.

    Raises Refused when there is neither, or what there is would break a partition of the lake.
    """
    subject_id = _subject_id(nwbfile)
    if nwbfile.session_id:
        field, native = "session_id", nwbfile.session_id
    elif SESSION_ID_PATTERN.fullmatch(nwbfile.identifier or ""):
        field, native = "identifier", nwbfile.identifier
    elif subject_id:
        field = "subject subject_id"
        native = f"{subject_id}-{_started_at(nwbfile, given.refused):%Y%m%dT%H%M%SZ}"
    else:
        found = f"none, no subject_id, and the identifier {nwbfile.identifier!r}"
        raise given.refused(field="session_id", found=found, expected="a session_id, or a subject with its subject_id")
    return given.session_id(native, field)


def session_facts(nwbfile: Any, planes: Sequence[Any], left_out: Mapping[str, str], given: Given) -> dict[str, Any]:
    """Columns of recorded.sessions that are told by the file's own facts, all others of them in metadata."""
    subject = nwbfile.subject
    started_at = _started_at(nwbfile, given.refused)
    keywords = _plain(nwbfile.keywords, given.refused) or []
    return {
        "subject_id": _subject_id(nwbfile),
        "cre_line": _cre_line(subject.genotype) if subject else None,
        "genotype": (subject.genotype or None) if subject else None,
        "sex": (subject.sex or None) if subject else None,
        "age_days": _age_days(subject, started_at) if subject else None,
        "indicator": _shared(planes, "indicator"),
        "location": _shared(planes, "location"),
        "started_at": started_at,
        "simulated": "simulated" in (keywords if isinstance(keywords, list) else [keywords]),
        "metadata": _metadata(nwbfile, left_out, given.refused),
    }


def _subject_id(nwbfile: Any) -> str | None:
    return (nwbfile.subject.subject_id or None) if nwbfile.subject is not None else None


def _started_at(nwbfile: Any, refused: Refusal) -> datetime:
    start = nwbfile.session_start_time
    if not isinstance(start, datetime) or start.tzinfo is None:
        raise refused(field="session_start_time", found=str(start), expected="date and time with its time zone")
    return start.astimezone(UTC)


def _cre_line(genotype: str | None) -> str | None:
    drivers = set(_DRIVER.findall(genotype or ""))
    # Two drivers don't say which of them marks the recorded cells.
    return drivers.pop() if len(drivers) == 1 else None


def _age_days(subject: Any, started_at: datetime) -> float | None:
    """Days since birth, where they are said in weeks, days and hours, or a date of birth is; None otherwise."""
    if (subject.age__reference or "birth") != "birth":
        return None
    if (said := _AGE.fullmatch(subject.age or "")) and any(said.groupdict().values()):
        parts = {name: float(value or 0) for name, value in said.groupdict().items()}
        return 7 * parts["weeks"] + parts["days"] + parts["hours"] / 24
    born = subject.date_of_birth
    if not isinstance(born, datetime) or born.tzinfo is None or born > started_at:
        return None
    return (started_at - born).total_seconds() / 86_400


def _shared(planes: Sequence[Any], name: str) -> str | None:
    """What all imaging planes say alike."""
    said = {getattr(plane, name, None) or None for plane in planes}
    return said.pop() if len(said) == 1 else None


def _metadata(nwbfile: Any, left_out: Mapping[str, str], refused: Refusal) -> dict[str, Any]:
    said = {name: _plain(getattr(nwbfile, name, None), refused) for name in _SAID}
    said["subject"] = _fields(nwbfile.subject, refused) if nwbfile.subject is not None else None
    for name in ("devices", "imaging_planes", "electrode_groups", "lab_meta_data"):
        said[name] = {key: _fields(one, refused) for key, one in (getattr(nwbfile, name, None) or {}).items()}
    if nwbfile.electrodes is not None:
        table = nwbfile.electrodes
        structures = texts(table, "location", "electrodes", refused) or []
        said["electrodes"] = {"count": len(table.id), "locations": sorted({one for one in structures if one})}
    said["left_out"] = dict(left_out)
    return {name: value for name, value in said.items() if value not in (None, "", [], {})}


def _fields(held: Any, refused: Refusal) -> dict[str, Any]:
    """What an object of the file says of itself, in words and a few numbers; of other objects, their names."""
    said = {name: _plain(value, refused) for name, value in held.fields.items()}
    return {name: value for name, value in said.items() if value not in (None, "", [])}


def _plain(value: Any, refused: Refusal) -> Any:
    """A text, number, date, or list of them, of an array of many its shape; an object's name."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if (stored := stored_in(value)) is not None:
        if stored.ndim == 1 and stored.dtype.kind in "OS" and len(stored) <= MOST_VALUES:
            return texts_at(stored.file, stored.name, refused)
        if stored.size > MOST_VALUES or stored.dtype.kind not in "fiub":
            return f"{stored.dtype} of shape {stored.shape}"
        return numbers_at(stored.file, stored.name, refused, kinds="fiub").tolist()
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= MOST_VALUES else f"{value.dtype} of shape {value.shape}"
    if isinstance(value, list | tuple):
        return [_plain(one, refused) for one in value]
    return getattr(value, "name", None)
