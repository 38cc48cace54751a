"""Reader of the ground truth for spike inference: dF/F of a cell with the spikes of an electrode attached to it.

MATLAB files of Rupprecht et al. (2021): a cell array ``CAttached`` whose entries are recordings of one cell, each with
its own time axis. An entry is therefore a session, with that one cell.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from storage.declaration import Table
from storage.readers.about import About, about_of, native_id
from storage.readers.foreign.matlab_files import read_mat, variables_in
from storage.readers.given import Given, as_json, frame_rows, median_rate_hz
from storage.readers.pipelines.projections import projection_row
from storage.readers.recording import Recording, Refusal, require_increasing
from storage.row_files import RowBlocks
from storage.tables import FRAMES, IMAGES, SPIKES
from storage.traces import TraceMatrix

NAME = "spike_ground_truth"
VERSION = 1
KNOWS = "ground truth for spike inference: MATLAB, a variable CAttached"
FORM = "file"
SUFFIXES = (".mat",)

_VARIABLE = "CAttached"
_NEEDED = ("fluo_time", "fluo_mean", "events_AP")
_SPIKES_PER_SECOND = 1e4
_UNIT = 0
# DS06-GCaMP6f-zf-aDp: number, indicator, species, area, and what was done to the signal.
_DATA_SET = re.compile(r"DS[0-9]+-(?P<indicator>.+?)-(?P<species>zf|m)-(?P<location>[^-]+)(-.+)?")
_SPECIES = {"zf": "zebrafish", "m": "mouse"}
_TAKEN = (*_NEEDED, "fluo_raw", "F0", "R_attached", "AVG_movie", "ROI_map_input")


def recognises(path: Path) -> bool:
    """Whether it is a .mat with that variable, or torn but called after it. Raises OSError when it can't be opened."""
    if path.suffix.lower() != ".mat":
        return False
    try:
        return _VARIABLE in variables_in(path, _Torn)
    except _Torn:
        return path.name.startswith(_VARIABLE)


def read(given: Given) -> Recording:
    """One session per entry, ``<file>-<entry from 1>``: dF/F, frame times, and spikes in seconds on the same clock.

    Spikes come as 1e-4 s and are put in order of time, which the lake asks for; ``attributes`` say how many were not.
    Indicator, species and area are those of the data set's folder (DS06-GCaMP6f-zf-aDp), unless the owner says other.
    Raises Refused for entries without times, dF/F or spikes, for times and dF/F of other lengths, for spikes that are
    no numbers, before 0, or all outside the frames.
    """
    about = about_of(given)
    entries = _entries(given)
    native = about.session or native_id(given.path)
    folder = _DATA_SET.fullmatch(given.path.parent.name)
    sessions, units, frames, images, traces = [], [], [], [], []
    spikes: dict[str, np.ndarray] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{_VARIABLE}{{{number}}}"
        session_id = given.session_id(f"{native}-{number}", "session")
        time_s = _row(entry, "fluo_time", where, given.refused)
        require_increasing(time_s, f"{where}.fluo_time", given.source_uri)
        dff = _row(entry, "fluo_mean", where, given.refused)
        raw = _row(entry, "fluo_raw", where, given.refused) if np.size(entry.get("fluo_raw")) > 1 else None
        for name, values in (("fluo_mean", dff), ("fluo_raw", raw)):
            if values is not None and len(values) != len(time_s):
                found = f"{len(values)} values for {len(time_s)} times"
                raise given.refused(field=f"{where}.{name}", found=found, expected="one for each time of fluo_time")
        spikes[session_id], unordered = _spikes(entry, time_s, where, given.refused)
        sessions.append(_session(given, about, session_id, number, entry, time_s, folder))
        units.append(_unit(given.path.stem, session_id, entry, unordered))
        frames.append(frame_rows(session_id, time_s))
        if np.ndim(entry.get("AVG_movie")) == 2 and np.size(entry["AVG_movie"]) > 1:
            picture = projection_row(session_id, "AVG_movie", entry["AVG_movie"], f"{where}.AVG_movie", given.refused)
            images.append(picture)
        for signal, values in (("dff", dff), ("fluorescence", raw)):
            if values is not None:
                matrix = values[np.newaxis].astype(np.float32)
                traces.append(TraceMatrix(session_id, signal, np.array([_UNIT]), matrix))
    rows: dict[Table, Any] = {FRAMES: pa.concat_tables(frames)} | ({IMAGES: images} if images else {})
    return given.recording(sessions, units, rows, traces, [_spike_blocks(spikes)])


class _Torn(Exception):
    def __init__(self, *, field: str, found: str, expected: str) -> None:
        super().__init__(field, found, expected)


def _entries(given: Given) -> list[dict[str, Any]]:
    held = read_mat(given.path, given.refused, [_VARIABLE])[_VARIABLE]
    entries = [held] if isinstance(held, dict) else held if isinstance(held, list) else list(np.ravel(held))
    if not entries:
        raise given.refused(field=_VARIABLE, found="no entries", expected="a recording at least")
    for number, entry in enumerate(entries, 1):
        if absent := [name for name in _NEEDED if not isinstance(entry, dict) or name not in entry]:
            found = f"no {', '.join(absent)}"
            raise given.refused(field=f"{_VARIABLE}{{{number}}}", found=found, expected=", ".join(_NEEDED))
    return entries


def _row(entry: dict[str, Any], name: str, where: str, refused: Refusal) -> np.ndarray:
    """The field as (n_values,) float64. Raises what ``refused`` makes unless it is one row or column of numbers."""
    held = entry[name]
    if not isinstance(held, np.ndarray) or held.dtype.kind not in "fiu" or sum(size != 1 for size in held.shape) > 1:
        found = f"{held.dtype} of shape {held.shape}" if isinstance(held, np.ndarray) else type(held).__name__
        raise refused(field=f"{where}.{name}", found=found, expected="one row of numbers")
    if not held.size and name != "events_AP":
        raise refused(field=f"{where}.{name}", found="no values", expected="one for each frame")
    return held.astype(np.float64).ravel()


def _spikes(entry: dict[str, Any], time_s: np.ndarray, where: str, refused: Refusal) -> tuple[np.ndarray, int]:
    """The spikes (n_spikes,) in seconds, in order, and how many came before the one above them."""
    found_s = np.zeros(0) if not np.size(entry["events_AP"]) else _row(entry, "events_AP", where, refused)
    found_s = found_s / _SPIKES_PER_SECOND
    field = f"{where}.events_AP"
    if (bad := np.flatnonzero(~(found_s >= 0) | np.isinf(found_s))).size:
        found = f"{found_s[bad[0]] * _SPIKES_PER_SECOND:g} at spike {bad[0]}"
        raise refused(field=field, found=found, expected="times of 0 or more, in 1e-4 s")
    if found_s.size and not ((found_s >= time_s[0]) & (found_s <= time_s[-1])).any():
        found = f"spikes from {found_s.min():g} to {found_s.max():g} s, frames from {time_s[0]:g} to {time_s[-1]:g} s"
        raise refused(field=field, found=found, expected="spikes during the frames, in 1e-4 s")
    return np.sort(found_s, kind="stable"), int((np.diff(found_s) < 0).sum())


def _session(
    given: Given,
    about: About,
    session_id: str,
    number: int,
    entry: dict[str, Any],
    time_s: np.ndarray,
    folder: re.Match[str] | None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"entry": number}
    if folder:
        metadata |= {"data_set": folder.string, "species": _SPECIES[folder["species"]]}
    if rest := sorted(name for name, value in entry.items() if name not in _TAKEN and np.size(value)):
        metadata["not_read"] = rest
    told = {name: folder[name] for name in ("indicator", "location")} if folder else {}
    return given.session(
        session_id,
        unit_count=1,
        frame_count=len(time_s),
        rate_hz=median_rate_hz(time_s),
        metadata=metadata,
        **(told | about.session_facts),
    )


def _unit(name: str, session_id: str, entry: dict[str, Any], unordered: int) -> dict[str, Any]:
    unit: dict[str, Any] = {"session_id": session_id, "unit_id": _UNIT, "name": name}
    attributes = {key: float(entry[key].flat[0]) for key in ("F0", "R_attached") if _is_one_number(entry.get(key))}
    attributes |= {"unordered_spikes": unordered} if unordered else {}
    mask = entry.get("ROI_map_input")
    if isinstance(mask, np.ndarray) and mask.ndim == 2 and mask.dtype.kind in "uifb" and np.isin(mask, (0, 1)).all():
        down, across = np.nonzero(mask)
        if down.size:
            unit |= {"x_px": across.mean(), "y_px": down.mean(), "area_px": float(down.size)}
    return unit | ({"attributes": as_json(attributes)} if attributes else {})


def _is_one_number(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fiu"


def _spike_blocks(spikes: dict[str, np.ndarray]) -> RowBlocks:
    def blocks() -> Iterator[pa.Table]:
        for session_id, time_s in spikes.items():
            count = len(time_s)
            if count:
                columns = {"session_id": [session_id] * count, "unit_id": [_UNIT] * count, "spike": np.arange(count)}
                yield SPIKES.rows(columns | {"time_s": time_s})

    return RowBlocks(SPIKES, blocks)
