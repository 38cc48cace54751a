"""Reader of Minian's output: a folder of Zarr or netCDF arrays, alone or in a session's folder with its tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from storage.readers.about import UNKNOWN, About, about_of, agreed_hz, frame_times_s, id_part, native_id, said_of_times
from storage.readers.given import Given, frame_rows, median_rate_hz
from storage.readers.pipelines.minian_arrays import Variable, variable_of
from storage.readers.pipelines.minian_behavior import behavior_of
from storage.readers.pipelines.minian_layout import ONE_FILE, READ, TRACES, Layout, files_of, layout_of, zones_in
from storage.readers.pipelines.minian_timestamps import Clock, clock_of
from storage.readers.pipelines.projections import projection_row
from storage.readers.pipelines.whole_signals import as_float32, whole_signal
from storage.readers.recording import Recording
from storage.tables import EVENTS, FRAMES, IMAGES
from storage.traces import Traces

NAME = "minian"
VERSION = 1
KNOWS = "Minian: a folder with C.zarr, C.nc or minian.nc, or a session's folder of one and neural_timestamp.csv"
FORM = "folder"
SUFFIXES = ()

_SIGNALS = {"C": "denoised", "S": "deconvolved", "YrA": "demixed"}
_UNITS, _FRAMES, _ROWS, _COLUMNS = "unit_id", "frame", "height", "width"


def recognises(path: Path) -> bool:
    """Whether it holds C in one of Minian's forms, or a folder that does and a table of its frames' times."""
    return layout_of(path) is not None


def parts(path: Path, about: Mapping[str, Any] | None = None) -> list[Path]:
    """The files that are read: the arrays' and the tables'."""
    layout = layout_of(path)
    return list(files_of(path, layout)) if layout else []


def read(given: Given) -> Recording:
    """One session: all units of C, its frames, and what the tables beside it say of the animal.

    ``C`` are denoised, ``S`` deconvolved and ``YrA`` demixed traces, ``A`` (units, height, width) gives the units'
    places. Frames are timed by their numbers through the table of times, else by the rate that the owner says. Raises
    Refused where neither is there, where a frame has no time, and where arrays aren't of the same units and frames.
    """
    about = about_of(given)
    layout = layout_of(given.path)
    if layout is None:
        raise given.refused(field="folder", found="no C.zarr, C.nc or minian.nc", expected=KNOWS)
    if layout.outside is not None:
        expected = "files in its own folder"
        raise given.refused(field="data_paths.yaml", found=repr(layout.outside)[:200], expected=expected)
    folder = given.path / layout.neural
    found = {name: held for name in READ if (held := variable_of(folder, name, given))}
    if "C" not in found:
        raise given.refused(field="C", found=f"only {', '.join(found)}", expected="C, the units' denoised traces")
    unit_id, frame = _units_and_frames(given, found["C"])
    clock = _clock(given, about, layout, frame)
    behavior = behavior_of(given, layout, frame, clock)
    identity = _identity(given, list(found.values()))
    session_id = given.session_id(about.session or _native(given, identity), "session")
    rows: dict[Any, Any] = {FRAMES: frame_rows(session_id, clock.time_s)}
    if behavior.events:
        rows[EVENTS] = [{"session_id": session_id} | event for event in behavior.events]
    if projection := found.get("max_proj"):
        pixels = projection.along(given, _ROWS, _COLUMNS)
        rows[IMAGES] = [projection_row(session_id, "max_proj", pixels, projection.place, given.refused)]
    footprints = _footprints(given, found["A"], unit_id) if "A" in found else {}
    units = [{"session_id": session_id, "unit_id": one} | footprints.get(one, {}) for one in unit_id.tolist()]
    traces = [_trace(given, session_id, found[name], unit_id, frame) for name in TRACES if name in found]
    session = _session(given, about, layout, session_id, clock, identity, len(unit_id))
    return given.recording([session], units, rows, traces, behavior.blocks(session_id))


def _units_and_frames(given: Given, held: Variable) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of C's units (n_units,) and of its frames (n_frames,), these ascending."""
    unit_id, frame = held.numbers(given, _UNITS), held.numbers(given, _FRAMES)
    if not len(unit_id) or not len(frame):
        raise given.refused(field=held.place, found=f"shape {held.shape}", expected="units and frames")
    if (back := np.flatnonzero(np.diff(frame) <= 0)).size:
        found = f"frame {frame[back[0] + 1]} after frame {frame[back[0]]}"
        raise given.refused(field=f"{held.place} {_FRAMES}", found=found, expected="frames in ascending order")
    return unit_id, frame


def _clock(given: Given, about: About, layout: Layout, frame: np.ndarray) -> Clock:
    if layout.timestamps is not None:
        if not (given.path / layout.timestamps).is_file():
            raise given.refused(field=layout.timestamps, found="nothing", expected="the table of frame times")
        if about.rate_hz is not None:
            found = f"{about.rate_hz!r} Hz in sources.yaml, and {layout.timestamps}"
            raise given.refused(field="rate_hz", found=found, expected="one of them")
        return clock_of(given.path / layout.timestamps, frame, given)
    rate_hz = agreed_hz(given, "rate_hz", None, about.rate_hz, "neural_timestamp.csv")
    if (gap := np.flatnonzero(np.diff(frame) != 1)).size:
        found = f"frame {frame[gap[0] + 1]} after frame {frame[gap[0]]}, and no table of their times"
        raise given.refused(field="C frame", found=found, expected="neural_timestamp.csv, or frames one by one")
    return Clock(frame_times_s(len(frame), rate_hz), 0.0, ())


def _trace(given: Given, session_id: str, held: Variable, unit_id: np.ndarray, frame: np.ndarray) -> Traces:
    own_units, own_frame = held.numbers(given, _UNITS), held.numbers(given, _FRAMES)
    _require_same(own_units, unit_id, f"{held.place} {_UNITS}", given)
    if not np.array_equal(own_frame, frame):
        found = f"{len(own_frame)} frames, {own_frame[0]} to {own_frame[-1]}" if len(own_frame) else "none"
        raise given.refused(field=f"{held.place} frame", found=found, expected=f"the {len(frame)} frames of C")
    order = _places(own_units, unit_id)

    def load() -> np.ndarray:
        return as_float32(held.along(given, _UNITS, _FRAMES)[order])

    return whole_signal(session_id, _SIGNALS[held.name], unit_id, len(frame), load)


def _footprints(given: Given, held: Variable, unit_id: np.ndarray) -> dict[int, dict[str, float]]:
    """Centre of mass and area of each unit that has any pixel, in the pixels that the axes count."""
    own_units = held.numbers(given, _UNITS)
    _require_same(own_units, unit_id, f"{held.place} {_UNITS}", given)
    planes = held.along(given, _UNITS, _ROWS, _COLUMNS)
    y, x = (held.numbers(given, axis) if axis in held.coordinates else None for axis in (_ROWS, _COLUMNS))
    footprints = {}
    for unit, plane in zip(own_units.tolist(), planes, strict=True):
        total = float(plane.sum())
        if not np.isfinite(total):
            raise given.refused(
                field=f"{held.place} of unit {unit}", found="values that aren't finite", expected="weights"
            )
        down, across = np.nonzero(plane)
        if total <= 0 or not len(down):
            continue
        weights = plane[down, across] / total
        footprints[unit] = {
            "y_px": float(weights @ (down if y is None else y[down])),
            "x_px": float(weights @ (across if x is None else x[across])),
            "area_px": float(len(down)),
        }
    return footprints


def _require_same(own: np.ndarray, unit_id: np.ndarray, field: str, given: Given) -> None:
    if others := sorted(set(own.tolist()) ^ set(unit_id.tolist())):
        raise given.refused(field=field, found=f"unit {others[0]} in one of the two", expected="the units of C")


def _places(own: np.ndarray, unit_id: np.ndarray) -> np.ndarray:
    """Where each unit stands among ``own``, which are the same in any order."""
    sorted_places = np.argsort(own)
    return sorted_places[np.searchsorted(own, unit_id, sorter=sorted_places)]


def _identity(given: Given, variables: list[Variable]) -> dict[str, str]:
    """The animal and session that the arrays' coordinates name. Raises Refused when they name two."""
    identity: dict[str, str] = {}
    for variable in variables:
        for name, told in variable.identity.items():
            if identity.setdefault(name, told) != told:
                found = f"{told!r}, elsewhere {identity[name]!r}"[:200]
                raise given.refused(field=f"{variable.place} {name}", found=found, expected="one")
    return {name: told for name, told in identity.items() if told}


def _native(given: Given, identity: Mapping[str, str]) -> str:
    if not {"session", "session_id"} & set(identity):
        return native_id(given.path)
    return "-".join(id_part(identity[name]) for name in ("animal", "session", "session_id") if name in identity)


def _session(
    given: Given,
    about: About,
    layout: Layout,
    session_id: str,
    clock: Clock,
    identity: Mapping[str, str],
    unit_count: int,
) -> dict[str, Any]:
    folder = given.path / layout.neural
    stores = {store.name for suffix in ("zarr", "nc") for store in folder.glob(f"*.{suffix}")}
    read = {f"{name}.{suffix}" for name in READ for suffix in ("zarr", "nc")} | {ONE_FILE}
    facts = {"subject_id": identity.get("animal"), "started_at": clock.started_at} | about.session_facts
    metadata = {
        "identity": dict(identity),
        "data_paths": dict(layout.said),
        "zones": zones_in(given.path, layout),
        "interpolated_frames": list(clock.interpolated),
        "not_read": sorted(stores - read),
    } | (said_of_times(None) if about.rate_hz == UNKNOWN else {})
    return given.session(
        session_id,
        unit_count=unit_count,
        frame_count=len(clock.time_s),
        rate_hz=None if about.rate_hz == UNKNOWN else median_rate_hz(clock.time_s) or about.rate_hz,
        metadata={name: value for name, value in metadata.items() if value},
        **facts,
    )
