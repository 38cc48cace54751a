"""Reader of what Suite2p writes: a plane's folder, or the folder of all planes."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from storage.readers.about import About, about_of, agreed_hz, frame_times_s, native_id, said_of_times
from storage.readers.foreign.named_file import refused_in
from storage.readers.foreign.numpy_files import opened_array, read_array
from storage.readers.given import Given, as_json, frame_rows
from storage.readers.pipelines.projections import projection_row
from storage.readers.recording import Recording
from storage.tables import FRAMES, IMAGES
from storage.traces import TraceStream

NAME = "suite2p"
VERSION = 1
KNOWS = "Suite2p: a folder with F.npy, stat.npy and iscell.npy, or its plane0, plane1 ..."
FORM = "folder"
SUFFIXES = ()

# unit_id is the plane's number times this, plus the ROI's row in F.npy.
ROIS_PER_PLANE = 1_000_000
_SIGNALS = {"F.npy": "fluorescence", "Fneu.npy": "neuropil", "spks.npy": "deconvolved"}
_WRITTEN = (*_SIGNALS, "stat.npy", "iscell.npy")
_NEEDED = ("F.npy", "stat.npy", "iscell.npy")
_PROJECTIONS = ("meanImg", "max_proj")
_PLANE = re.compile(r"plane(0|[1-9][0-9]{0,2})")
_LONGEST_SETTING = 1_000


def recognises(path: Path) -> bool:
    """Whether it, or a folder plane<number> in it, has three of the five files that Suite2p always writes."""
    return bool(_planes(path))


def parts(path: Path, about: Mapping[str, Any] | None = None) -> list[Path]:
    """The files that are read: those of each plane that are there. Those of ``combined`` say the same again."""
    names = (*_WRITTEN, "ops.npy")
    return [folder / name for folder in _planes(path).values() for name in names if os.path.lexists(folder / name)]


def read(given: Given) -> Recording:
    """One session with the accepted ROIs of all planes, or one per plane where their frames or rates differ.

    Frame n is at n / ops["fs"] seconds, of all planes alike: Suite2p doesn't say when a plane was scanned within a
    frame. Raises Refused for another count of ROIs or frames between files, for labels other than 0 and 1, for a
    frame rate that neither ops.npy nor the owner says, and without any accepted ROI.
    """
    about = about_of(given)
    planes = [_plane(given, about, number, folder) for number, folder in sorted(_planes(given.path).items())]
    if not any(len(plane.accepted) for plane in planes):
        found = f"0 of {sum(plane.roi_count for plane in planes)} ROIs accepted"
        raise given.refused(field="iscell.npy", found=found, expected="an accepted ROI")
    if len({plane.signals for plane in planes}) > 1:
        found = "; ".join(f"plane{plane.number} {', '.join(plane.signals)}" for plane in planes)
        raise given.refused(field="planes", found=found, expected="the same files in every plane")
    native = about.session or native_id(given.path)
    if len({(plane.frame_count, plane.rate_hz) for plane in planes}) == 1:
        sessions = {given.session_id(native, "session"): planes}
    else:
        sessions = {given.session_id(f"{native}-plane{one.number}", "session"): [one] for one in planes}
    images = [
        projection_row(session_id, f"plane{plane.number}/{name}", pixels, f"{plane.field}ops.npy {name}", given.refused)
        for session_id, of_session in sessions.items()
        for plane in of_session
        for name, pixels in plane.projections.items()
    ]
    frames = [frame_rows(one, frame_times_s(of[0].frame_count, of[0].rate_hz)) for one, of in sessions.items()]
    return given.recording(
        [_session(given, about, session_id, of_session) for session_id, of_session in sessions.items()],
        [
            {"session_id": one} | unit
            for one, of_session in sessions.items()
            for plane in of_session
            for unit in plane.units
        ],
        {FRAMES: pa.concat_tables(frames)} | ({IMAGES: images} if images else {}),
        [trace for session_id, of_session in sessions.items() for trace in _traces(given, session_id, of_session)],
    )


@dataclass(frozen=True)
class _Plane:
    """One plane. ``accepted`` (n_units,) are rows of F.npy, ``signals`` the files that it has of _SIGNALS."""

    number: int
    folder: Path
    field: str
    roi_count: int
    frame_count: int
    rate_hz: float | None
    accepted: np.ndarray
    signals: tuple[str, ...]
    units: list[dict[str, Any]]
    projections: dict[str, np.ndarray]
    settings: dict[str, Any]


def _planes(path: Path) -> dict[int, Path]:
    """The planes' folders by number: the folder itself, else those called plane<number> in it."""
    if sum(os.path.isfile(path / name) for name in _WRITTEN) >= len(_NEEDED):
        numbered = _PLANE.fullmatch(path.name)
        return {int(numbered[1]) if numbered else 0: path}
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return {}
    numbered = {int(found[1]): path / name for name in names if (found := _PLANE.fullmatch(name))}
    written = {number: sum(os.path.isfile(one / name) for name in _WRITTEN) for number, one in numbered.items()}
    # One whole plane tells the kind; a torn one beside it is to be refused.
    return {n: numbered[n] for n in written if written[n]} if max(written.values(), default=0) >= len(_NEEDED) else {}


def _plane(given: Given, about: About, number: int, folder: Path) -> _Plane:
    within = "" if folder == given.path else f"{folder.name}/"
    if absent := [name for name in _NEEDED if not (folder / name).is_file()]:
        raise given.refused(field=f"{within}{absent[0]}", found="nothing", expected="the file")
    here = [name for name in _SIGNALS if (folder / name).is_file()]
    shapes = {name: _shape(folder / name, f"{within}{name}", given) for name in here}
    roi_count, frame_count = shapes["F.npy"]
    for name, shape in shapes.items():
        if shape != shapes["F.npy"]:
            raise given.refused(
                field=f"{within}{name}", found=f"shape {shape}", expected=f"{shapes['F.npy']}, as F.npy"
            )
    settings, projections = _settings(folder, within, given)
    said_in = f"{within}ops.npy fs" if settings else f"{within}ops.npy"
    rate_hz = agreed_hz(given, "rate_hz", settings.get("fs"), about.rate_hz, said_in)
    is_cell, probability = _labels(folder, within, roi_count, given)
    described = _described(folder, within, roi_count, given)
    accepted = np.flatnonzero(is_cell)
    units = [_unit(number, int(roi), described[roi], probability[roi], within, given) for roi in accepted]
    return _Plane(
        number, folder, within, roi_count, frame_count, rate_hz, accepted, tuple(here), units, projections, settings
    )


def _shape(path: Path, field: str, given: Given) -> tuple[int, int]:
    values = opened_array(path, refused_in(given, field))
    if values.ndim != 2 or values.dtype.kind != "f" or not values.shape[1]:
        raise given.refused(field=field, found=f"{values.dtype} of shape {values.shape}", expected="ROIs x frames")
    if len(values) > ROIS_PER_PLANE:
        raise given.refused(field=field, found=f"{len(values)} ROIs", expected=f"at most {ROIS_PER_PLANE}")
    return values.shape[0], values.shape[1]


def _labels(folder: Path, within: str, roi_count: int, given: Given) -> tuple[np.ndarray, np.ndarray]:
    """Whether each ROI is a cell, (n_rois,) bool, and the classifier's probability of that, (n_rois,)."""
    field = f"{within}iscell.npy"
    labels = read_array(folder / "iscell.npy", refused_in(given, field))
    if labels.ndim != 2 or labels.shape[1] != 2 or labels.dtype.kind not in "fiub":
        found = f"{labels.dtype} of shape {labels.shape}"
        raise given.refused(field=field, found=found, expected="label and probability of each ROI")
    _require_count(len(labels), roi_count, field, given)
    if (odd := np.flatnonzero(~np.isin(labels[:, 0], (0, 1)))).size:
        raise given.refused(field=field, found=f"{labels[odd[0], 0]} for ROI {odd[0]}", expected="0 or 1")
    return labels[:, 0] == 1, labels[:, 1].astype(np.float64)


def _described(folder: Path, within: str, roi_count: int, given: Given) -> list[dict[str, Any]]:
    field = f"{within}stat.npy"
    described = read_array(folder / "stat.npy", refused_in(given, field), pickled=True)
    if described.ndim != 1 or described.dtype != object or not all(type(one) is dict for one in described):
        found = f"{described.dtype} of shape {described.shape}"
        raise given.refused(field=field, found=found, expected="a dict for each ROI")
    _require_count(len(described), roi_count, field, given)
    return described.tolist()


def _unit(
    plane: int, roi: int, described: dict[str, Any], probability: float, within: str, given: Given
) -> dict[str, Any]:
    def refuse(name: str, expected: str) -> None:
        found = f"{described.get(name)!r}"[:200]
        raise given.refused(field=f"{within}stat.npy {name} of ROI {roi}", found=found, expected=expected)

    centre = np.asarray(described.get("med", ()))
    if centre.shape != (2,) or centre.dtype.kind not in "fiu" or not np.isfinite(centre).all():
        refuse("med", "the ROI's centre, y and x")
    pixels = described.get("npix")
    if not isinstance(pixels, (int, np.integer)) or pixels <= 0:
        refuse("npix", "the number of its pixels")
    others = {name: one for name, one in described.items() if name not in ("med", "npix") and _is_number(one)}
    return {
        "unit_id": plane * ROIS_PER_PLANE + roi,
        "y_px": float(centre[0]),
        "x_px": float(centre[1]),
        "area_px": int(pixels),
        "attributes": as_json(others | {"plane": plane, "roi": roi, "iscell_probability": float(probability)}),
    }


def _settings(folder: Path, within: str, given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What ops.npy says in one word or number, and its pictures of the plane; nothing where there is no ops.npy."""
    if not (folder / "ops.npy").is_file():
        return {}, {}
    field = f"{within}ops.npy"
    held = read_array(folder / "ops.npy", refused_in(given, field), pickled=True)
    if held.shape != () or type(held[()]) is not dict:
        raise given.refused(field=field, found=f"{held.dtype} of shape {held.shape}", expected="a dict of settings")
    ops = {name: one for name, one in held[()].items() if type(name) is str}
    if "fs" in ops and (not _is_number(ops["fs"]) or isinstance(ops["fs"], bool)):
        raise given.refused(field=f"{field} fs", found=f"{ops['fs']!r}"[:200], expected="frames per second")
    pictures = {name: ops[name] for name in _PROJECTIONS if isinstance(ops.get(name), np.ndarray) and ops[name].size}
    texts = {name: one for name, one in ops.items() if type(one) is str and len(one) <= _LONGEST_SETTING}
    return {name: one for name, one in ops.items() if _is_number(one)} | texts, pictures


def _session(given: Given, about: About, session_id: str, planes: list[_Plane]) -> dict[str, Any]:
    unit_count, roi_count = sum(len(plane.accepted) for plane in planes), sum(plane.roi_count for plane in planes)
    return given.session(
        session_id,
        unit_count=unit_count,
        unit_filter=f"{unit_count} of {roi_count} ROIs: iscell",
        frame_count=planes[0].frame_count,
        rate_hz=planes[0].rate_hz,
        metadata={"planes": {plane.number: plane.settings for plane in planes}} | said_of_times(planes[0].rate_hz),
        **about.session_facts,
    )


def _traces(given: Given, session_id: str, planes: list[_Plane]) -> list[TraceStream]:
    """The signals of all planes, read a span of frames at a time."""
    unit_id = np.concatenate([plane.number * ROIS_PER_PLANE + plane.accepted for plane in planes]).astype(np.int64)

    def stream(name: str) -> TraceStream:
        def read_span(start: int, stop: int) -> np.ndarray:
            values = np.empty((len(unit_id), stop - start), np.float32)  # (n_units, n_frames)
            first = 0
            for plane in planes:
                stored = opened_array(plane.folder / name, refused_in(given, f"{plane.field}{name}"))
                with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused for that
                    values[first : first + len(plane.accepted)] = stored[plane.accepted, start:stop]
                first += len(plane.accepted)
            return values

        return TraceStream(session_id, _SIGNALS[name], unit_id, planes[0].frame_count, read_span)

    return [stream(name) for name in planes[0].signals if len(unit_id)]


def _require_count(found: int, roi_count: int, field: str, given: Given) -> None:
    if found != roi_count:
        raise given.refused(field=field, found=f"{found} ROIs", expected=f"{roi_count}, as in F.npy")


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating))
