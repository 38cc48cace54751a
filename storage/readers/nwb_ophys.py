"""Reader of two-photon sessions in NWB: dF/F per ROI, stimulus presentations, subject and imaging plane."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from storage.declaration import SESSION_ID_PATTERN
from storage.readers.given import Given, frame_rows, median_rate_hz
from storage.readers.nwb_presentations import events_and_exposure
from storage.readers.recording import Recording, Refusal, Refused, require_increasing, require_session_id
from storage.tables import EVENTS, FRAMES
from storage.traces import TraceMatrix

NAME = "nwb_ophys"
VERSION = 1
KNOWS = "NWB optical physiology: HDF5 with dF/F in a DfOverF container"
FORM = "file"
SUFFIXES = (".nwb",)

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DRIVER = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*-Cre(?![A-Za-z0-9])")


def recognises(path: Path) -> bool:
    """Whether it is HDF5 by its first bytes, or NWB by its name: a torn .nwb is to be refused, not ignored.

    Raises OSError when the file can't be opened.
    """
    if path.suffix.lower() == ".nwb":
        return True
    with open(path, "rb") as file:
        return file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE


def read(given: Given) -> Recording:
    """One session: its units, frame times (s), dF/F (fraction, NaN where missing) and stimulus presentations.

    Raises Refused when the file can't be read to its end by pynwb, or what it says can't be told for certain.
    """
    require_session_id(given.project, "project", given.source_uri)
    if given.path.stat().st_size == 0:
        raise given.refused(field="file", found="an empty file", expected="HDF5")
    import h5py
    from pynwb import NWBHDF5IO

    try:
        # The file is opened here, not by pynwb, which leaves it open when it fails half-way.
        with h5py.File(given.path, "r") as file, NWBHDF5IO(file=file, mode="r", load_namespaces=True) as io:
            return _recording(io.read(), given)
    except Refused:
        raise
    except Exception as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise given.refused(field="file", found=found, expected="a whole HDF5 file that pynwb reads") from error


def _recording(nwbfile: Any, given: Given) -> Recording:
    refused, source_uri = given.refused, given.source_uri
    session_id = _session_id(nwbfile, given.project, source_uri, refused)
    where, series = _dff_series(nwbfile, refused)
    values = _dff(series, where, refused)
    time_s = _frame_times(series, values.shape[1], where, source_uri, refused)
    regions, unit_id = _units(series.rois, len(values), where, refused)
    events, exposure_level = events_and_exposure(nwbfile.intervals, session_id, refused)
    subject, plane, segmentation = nwbfile.subject, series.rois.table.imaging_plane, series.rois.table
    x_px, y_px, area_px = _roi_shapes(segmentation, regions)
    session = given.session(
        session_id,
        subject_id=subject.subject_id,
        cre_line=_cre_line(subject.genotype),
        genotype=subject.genotype or None,
        sex=subject.sex or None,
        exposure_level=exposure_level,
        indicator=plane.indicator or None,
        location=plane.location or None,
        started_at=_started_at(nwbfile, refused),
        simulated="simulated" in list(nwbfile.keywords if nwbfile.keywords is not None else ()),
        unit_count=len(unit_id),
        frame_count=len(time_s),
        rate_hz=median_rate_hz(time_s),
    )
    units = {"session_id": [session_id] * len(unit_id), "unit_id": unit_id}
    units |= {"x_px": x_px, "y_px": y_px, "area_px": area_px}
    rows = {FRAMES: frame_rows(session_id, time_s), EVENTS: events}
    return given.recording([session], units, rows, [TraceMatrix(session_id, "dff", unit_id, values)])


def _session_id(nwbfile: Any, project: str, source_uri: str, refused: Refusal) -> str:
    subject = nwbfile.subject
    if subject is None or not subject.subject_id:
        raise refused(field="subject", found="no subject_id", expected="the animal's id")
    if nwbfile.session_id:
        field, native = "session_id", nwbfile.session_id
    elif SESSION_ID_PATTERN.fullmatch(nwbfile.identifier or ""):
        field, native = "identifier", nwbfile.identifier
    else:
        start = _started_at(nwbfile, refused)
        field, native = "subject subject_id", f"{subject.subject_id}-{start:%Y%m%dT%H%M%SZ}"
    return require_session_id(f"{project}-{native}", field, source_uri)


def _started_at(nwbfile: Any, refused: Refusal) -> datetime:
    start = nwbfile.session_start_time
    if not isinstance(start, datetime) or start.tzinfo is None:
        raise refused(field="session_start_time", found=str(start), expected="date and time with its time zone")
    return start.astimezone(UTC)


def _cre_line(genotype: str | None) -> str | None:
    drivers = set(_DRIVER.findall(genotype or ""))
    # Two drivers don't say which of them marks the recorded cells.
    return drivers.pop() if len(drivers) == 1 else None


def _dff_series(nwbfile: Any, refused: Refusal) -> tuple[str, Any]:
    from pynwb.ophys import DfOverF, RoiResponseSeries

    found: dict[str, Any] = {}
    for module in nwbfile.processing.values():
        for item in module.data_interfaces.values():
            place = f"processing/{module.name}/{item.name}"
            if isinstance(item, RoiResponseSeries):
                found |= {place: item} if _says_dff(item.name) else {}
            else:
                series = getattr(item, "roi_response_series", {}).values()
                is_dff = isinstance(item, DfOverF)
                found |= {f"{place}/{one.name}": one for one in series if is_dff or _says_dff(one.name)}
    if len(found) != 1:
        seen = f"{len(found)} of them: {', '.join(found)}" if found else f"none in modules {list(nwbfile.processing)}"
        raise refused(field="dF/F", found=seen, expected="one dF/F series, in a DfOverF container or named dff")
    return found.popitem()


def _says_dff(name: str) -> bool:
    return any(word in name.lower().replace("_", "") for word in ("dff", "dfoverf"))


def _dff(series: Any, where: str, refused: Refusal) -> np.ndarray:  # (n_units, n_frames) float32
    if str(series.unit).strip().lower() in ("%", "percent"):
        raise refused(field=f"{where} unit", found=str(series.unit), expected="dF/F as a fraction")
    stored = np.asarray(series.data[:])
    if stored.ndim == 1:  # NWB's form for a single ROI
        stored = stored[:, np.newaxis]
    if stored.ndim != 2 or not len(stored) or stored.dtype.kind not in "fiu":
        found = f"{stored.dtype} of shape {stored.shape}"
        raise refused(field=f"{where} data", found=found, expected="numbers of shape (n_frames, n_rois)")
    if series.conversion != 1 or series.offset != 0:
        stored = stored * series.conversion + series.offset
    values = np.ascontiguousarray(stored.T, dtype=np.float32)
    if (infinite := np.argwhere(np.isinf(values))).size:
        found = f"{values[tuple(infinite[0])]} in ROI {infinite[0][0]} at frame {infinite[0][1]}"
        raise refused(field=f"{where} data", found=found, expected="finite fractions, NaN where missing")
    return values


def _frame_times(series: Any, n_frames: int, where: str, source_uri: str, refused: Refusal) -> np.ndarray:
    if series.timestamps is None:
        if not series.rate or not np.isfinite(series.rate) or series.rate < 0:
            raise refused(field=f"{where} rate", found=str(series.rate), expected="timestamps, or a rate above 0 Hz")
        time_s = (series.starting_time or 0.0) + np.arange(n_frames) / series.rate
        return require_increasing(time_s, f"{where} starting_time", source_uri)
    time_s = np.asarray(series.timestamps[:], dtype=np.float64)
    if time_s.shape != (n_frames,):
        found = f"{time_s.size} timestamps for {n_frames} frames"
        raise refused(field=f"{where} timestamps", found=found, expected="one time for each frame")
    return require_increasing(time_s, f"{where} timestamps", source_uri)


def _units(rois: Any, n_rois: int, where: str, refused: Refusal) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the segmentation table, and the units' ids, both (n_units,) int64."""
    regions = np.asarray(rois.data[:]).astype(np.int64)
    table = rois.table
    if len(regions) != n_rois:
        found = f"{len(regions)} ROIs for {n_rois} columns of data"
        raise refused(field=f"{where} rois", found=found, expected="one ROI for each column")
    outside = regions[(regions < 0) | (regions >= len(table))]
    if outside.size:
        found = f"unknown cell: row {outside[0]} of {table.name}, which has {len(table)} rows"
        raise refused(field=f"{where} rois", found=found, expected="rows of the segmentation table")
    name = "cell_specimen_id" if "cell_specimen_id" in table.colnames else "id"
    ids = np.asarray(table[name][:] if name != "id" else table.id[:])[regions]
    if ids.dtype.kind not in "iu" or (ids > np.iinfo(np.int64).max).any():
        found = f"unknown cell: {ids.dtype} values such as {ids[0] if ids.size else 'none'}"
        raise refused(field=f"{table.name} {name}", found=found, expected="64-bit integers")
    if np.unique(ids).size != ids.size:
        twice = next(one for one in ids if (ids == one).sum() > 1)
        raise refused(field=f"{table.name} {name}", found=f"cell {twice} more than once", expected="each cell once")
    return regions, ids.astype(np.int64)


def _roi_shapes(table: Any, regions: np.ndarray) -> tuple[list, list, list]:
    """Centre across and down (px) and area (px) of each ROI, None where its mask is absent or empty."""
    shapes: list[tuple[float | None, float | None, float | None]] = []
    for row in regions.tolist():
        x = y = np.empty(0)
        if "pixel_mask" in table.colnames:
            pixels = np.array([tuple(pixel) for pixel in table["pixel_mask"][row]], dtype=float).reshape(-1, 3)
            x, y = pixels[pixels[:, 2] > 0, :2].T
        elif "image_mask" in table.colnames:
            # Rows run down, as in files of the Allen Institute, whatever the order of the schema's dimension names.
            y, x = np.nonzero(np.asarray(table["image_mask"][row]) > 0)
        shapes.append((float(x.mean()), float(y.mean()), float(x.size)) if x.size else (None, None, None))
    x_px, y_px, area_px = (list(column) for column in zip(*shapes, strict=True)) if shapes else ([], [], [])
    return x_px, y_px, area_px
