"""What an NWB file of the Allen Institute says of its session: single values, in datasets and in attributes."""

from datetime import UTC, datetime
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.foreign.declared_sizes import shown
from storage.readers.foreign.hdf5_files import numbers_at, texts_at
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_VALUES = 10_000
_TYPING = ("namespace", "neurodata_type", "object_id", ".specloc", "help")


def neurodata_types(path: Path, *groups: str) -> set[str]:
    """Types of these groups and of all that lies directly in them; none when it is no HDF5 file that opens.

    Raises OSError when the file can't be opened at all.
    """
    with open(path, "rb") as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            return set()
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return {name for group in groups for name in _types(file, group)}
    except Exception:
        return set()  # torn: what is left of it doesn't say whose it is


def group_at(file: "h5py.Group", name: str, refused: Refusal) -> "h5py.Group":
    """The group of that name. Raises what ``refused`` makes when there is none."""
    import h5py

    found = file.get(name)
    if not isinstance(found, h5py.Group):
        seen = "nothing" if found is None else f"a {type(found).__name__.lower()}"
        raise refused(field=f"{(file.name or '').strip('/')}/{name}".strip("/"), found=seen, expected="a group")
    return found


def has(file: "h5py.Group", name: str) -> bool:
    """Whether anything of that name can be opened."""
    return file.get(name) is not None


def facts_of(obj: "h5py.HLObject", refused: Refusal) -> dict[str, Any]:
    """The object's attributes as plain values, without those that merely type it. Raises what ``refused`` makes."""
    facts: dict[str, Any] = {}
    for name in sorted(set(obj.attrs) - set(_TYPING)):
        try:
            if prod(obj.attrs.get_id(name).shape or ()) <= _MOST_VALUES:
                facts[name] = _plain(obj.attrs[name])
        except Exception as error:
            field = f"{(obj.name or '').strip('/')} attribute {name}"
            raise refused(field=field, found=shown(error), expected="a value that h5py reads") from error
    return {name: value for name, value in facts.items() if value is not None}


def text_or_none(file: "h5py.Group", name: str, refused: Refusal) -> str | None:
    """The one text of that dataset; None where there is no such dataset, or it is empty. Raises for other content."""
    if not has(file, name):
        return None
    texts = texts_at(file, name, refused)
    if len(texts) != 1:
        raise refused(field=name, found=f"{len(texts)} texts", expected="one")
    return texts[0] or None


def number_or_none(file: "h5py.Group", name: str, refused: Refusal) -> float | None:
    """The one number of that dataset; None where there is no such dataset, or it is NaN."""
    if not has(file, name):
        return None
    numbers = numbers_at(file, name, refused)
    if numbers.size != 1:
        raise refused(field=name, found=f"values of shape {numbers.shape}", expected="one number")
    return None if np.isnan(numbers.item()) else float(numbers.item())


def started_at(file: "h5py.File", refused: Refusal) -> datetime | None:
    """When the session began; None where the file doesn't say. Raises what ``refused`` makes for no time with zone."""
    text = text_or_none(file, "session_start_time", refused)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise refused(field="session_start_time", found=repr(text), expected="date and time with its time zone")
    return time.astimezone(UTC)


def keywords(file: "h5py.File", refused: Refusal) -> list[str]:
    """The file's keywords, none where it has none. Raises what ``refused`` makes for other than texts."""
    return texts_at(file, "general/keywords", refused) if has(file, "general/keywords") else []


def is_simulated(file: "h5py.File", refused: Refusal) -> bool:
    """Whether the file's keywords say that no animal was recorded."""
    return "simulated" in keywords(file, refused)


def rig_geometry(file: "h5py.File", refused: Refusal) -> dict[str, Any] | None:
    """Where monitor, camera and light stood, each with its unit in its name; None where the file doesn't say."""
    where = "processing/eye_tracking_rig_metadata/eye_tracking_rig_metadata"
    if not has(file, where):
        return None
    geometry: dict[str, Any] = facts_of(file[where], refused)
    for name in ("monitor_position", "monitor_rotation", "camera_position", "camera_rotation", "led_position"):
        if has(file, f"{where}/{name}"):
            facts = facts_of(file[f"{where}/{name}"], refused)
            unit = facts.get("unit_of_measurement") or facts.get("unit")
            values = numbers_at(file, f"{where}/{name}", refused, ndim=1, limit_bytes=10_000)
            geometry[f"{name}_{unit}" if unit else name] = values.tolist()
    return geometry


def one_id(texts: dict[str, str | int | None], refused: Refusal) -> tuple[str, str]:
    """The id that the file names, and where; the places are asked in order and those with a number must agree.

    Raises what ``refused`` makes when none has an id, or two have different ones.
    """
    said = {where: str(text) for where, text in texts.items() if text is not None and str(text).strip()}
    if not said:
        raise refused(field=next(iter(texts)), found="no id", expected=f"the session's id in {' or '.join(texts)}")
    numbers = {where: text for where, text in said.items() if text.isdigit()}
    if len(set(numbers.values())) > 1:
        found = ", ".join(f"{text} in {where}" for where, text in numbers.items())
        raise refused(field=next(iter(numbers)), found=found, expected="the same id in each")
    where, text = next(iter((numbers or said).items()))
    return text, where


def _types(file: "h5py.File", name: str) -> set[str]:
    import h5py

    found: set[str] = set()
    parts, group = name.split("/"), file
    for part in parts:
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            return found
        group = group[part]
    members = [group]
    if isinstance(group, h5py.Group):
        members += [group[key] for key in group if isinstance(group.get(key, getlink=True), h5py.HardLink)]
    for member in members:
        text = member.attrs.get("neurodata_type")
        found.add(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
    return found


def _plain(value: Any) -> Any:
    import h5py

    if isinstance(value, h5py.Reference | h5py.Empty):
        return None
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value.ravel().tolist()] if value.dtype.kind in "OSUbiuf" else None
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, str | int | bool) else None
