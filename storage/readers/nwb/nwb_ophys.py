"""ROI responses of an NWB file: which signal each series holds, its cells, frame times and values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.foreign.hdf5_files import numbers_at, opened_hdf5
from storage.readers.given import Given
from storage.readers.nwb.nwb_contents import Contents, Placed, kind_of
from storage.readers.nwb.nwb_roi_shapes import roi_shapes
from storage.readers.nwb.nwb_series import Samples, samples_of
from storage.readers.nwb.nwb_tables import attributes, numbers, require_rows, row_ids, stored_in
from storage.readers.nwb.nwb_unit_ids import UnitGroup
from storage.readers.recording import Refusal, require_increasing
from storage.recorded_tables import SIGNALS
from storage.traces import TraceMatrix, Traces, TraceStream

if TYPE_CHECKING:
    import h5py

# What a series' name or its container's says, compared without '_' and in small letters; the first that fits.
_SAID = (
    ("dff", "dff"),
    ("dfoverf", "dff"),
    ("deltafoverf", "dff"),
    ("spikeprob", "spike_prob"),
    ("baseline", None),
    ("motioncorrected", None),
    ("corrected", "corrected"),
    ("subtracted", "corrected"),
    ("neuropil", "neuropil"),
    ("demix", "demixed"),
    ("denois", "denoised"),
    ("deconv", "deconvolved"),
    ("filteredevent", "filtered_events"),
    ("event", "events"),
)
_WHOLE_VALUES = 2_000_000  # a signal of up to so many is read at once


@dataclass
class _Plane:
    """A segmentation table, and those of its rows that are units: (n_units,) in the order of their series."""

    where: str
    table: Any
    ids: np.ndarray
    row_of: dict[int, int] = field(default_factory=dict)  # segmentation row: place among the plane's units

    def places(self, rows: np.ndarray) -> np.ndarray:
        return np.array([self.row_of.setdefault(row, len(self.row_of)) for row in rows.tolist()], dtype=np.int64)


@dataclass(frozen=True)
class _Response:
    where: str
    samples: Samples
    plane: int
    places: np.ndarray  # (n_rois,) among the plane's units


@dataclass(frozen=True)
class Responses:
    """All ROI signals of a session: its units by plane, its frame times, and where the values lie.

    ``time_s`` (n_frames,) seconds, None without any signal; ``planes`` are pynwb's imaging planes.
    """

    groups: list[UnitGroup]
    planes: list[Any]
    time_s: np.ndarray | None
    signals: dict[str, list[_Response]]
    given: Given

    def traces(self, session_id: str, unit_ids: Sequence[np.ndarray], file: "h5py.File") -> list[Traces]:
        """One for each signal, for unit ids of each group: read now where it is small, else span by span."""
        return [self._trace(session_id, signal, parts, unit_ids, file) for signal, parts in self.signals.items()]

    def _trace(
        self,
        session_id: str,
        signal: str,
        parts: list[_Response],
        unit_ids: Sequence[np.ndarray],
        file: "h5py.File",
    ) -> Traces:
        unit_id = np.concatenate([unit_ids[part.plane][part.places] for part in parts])
        frame_count = len(parts[0].samples)

        def read_from(opened: "h5py.File", start: int, stop: int) -> np.ndarray:  # (n_units, stop - start) float32
            values = np.empty((len(unit_id), stop - start), np.float32)
            first = 0
            for part in parts:
                stored = part.samples.values(opened, start, stop)
                # NWB's form for a single ROI has one axis.
                values[first : first + len(part.places)] = stored.T if stored.ndim == 2 else stored
                first += len(part.places)
            return values

        def read(start: int, stop: int) -> np.ndarray:
            with opened_hdf5(self.given.path, self.given.refused) as opened:
                return read_from(opened, start, stop)

        if len(unit_id) * frame_count <= _WHOLE_VALUES:
            return TraceMatrix(session_id, signal, unit_id, read_from(file, 0, frame_count))
        return TraceStream(session_id, signal, unit_id, frame_count, read)


def roi_responses(contents: Contents, given: Given) -> Responses:
    """Every series of ROI responses whose signal is told by its name or container.

    Series of one signal are of different ROIs, planes among them, and share the frame times; a signal on other frame
    times than the first, dF/F before all others, is left out and named so. Raises Refused otherwise.
    """
    refused = given.refused
    named: dict[str, list[Placed]] = {}
    for placed in contents.responses:
        if signal := _signal(placed):
            named.setdefault(signal, []).append(placed)
        else:
            contents.left_out[placed.where] = f"{kind_of(placed.held)}, of no signal that its name tells"
    planes: list[_Plane] = []
    signals: dict[str, list[_Response]] = {}
    time_s: np.ndarray | None = None
    axis: Samples | None = None
    for signal in (one for one in SIGNALS if one in named):
        series = [(placed, samples_of(placed.held, placed.where, refused)) for placed in named[signal]]
        if axis is None or time_s is None:
            axis = series[0][1]
            time_s = _frame_times(axis, contents.file, given)
        others = [one.where for _, one in series if one is not axis and not _is_timed_so(one, time_s, contents.file)]
        if others and not signals:
            found = f"other frame times in {', '.join(others)} than in {axis.where}"
            raise refused(field=signal, found=found, expected="one time axis for all planes of a session")
        if others:
            reason = f"{signal} on other frame times than {axis.where}"
            contents.left_out |= {placed.where: reason for placed, _ in series}
            continue
        signals[signal] = [_response(placed, samples, planes, refused) for placed, samples in series]
        _require_apart(signal, signals[signal], refused)
    for plane in planes:
        _require_once(plane.ids[list(plane.row_of)], plane.where, plane.table, refused)
    groups = [_group(plane, len(planes) > 1, contents, refused) for plane in planes]
    return Responses(groups, [plane.table.imaging_plane for plane in planes], time_s, signals, given)


def _signal(placed: Placed) -> str | None:
    from pynwb.ophys import DfOverF, Fluorescence

    if isinstance(placed.container, DfOverF):
        return "dff"
    for name in (placed.held.name, getattr(placed.container, "name", "")):
        plain = name.lower().replace("_", "")
        for word, signal in _SAID:
            if word in plain:
                return signal
    plain = placed.held.name.lower()
    return "fluorescence" if isinstance(placed.container, Fluorescence) or "fluorescence" in plain else None


def _frame_times(samples: Samples, file: "h5py.File", given: Given) -> np.ndarray:
    field = "starting_time" if samples.timestamps is None else "timestamps"
    return require_increasing(samples.time_s(file, 0, len(samples)), f"{samples.where} {field}", given.source_uri)


def _is_timed_so(samples: Samples, time_s: np.ndarray, file: "h5py.File") -> bool:
    return len(samples) == len(time_s) and np.array_equal(samples.time_s(file, 0, len(samples)), time_s)


def _response(placed: Placed, samples: Samples, planes: list[_Plane], refused: Refusal) -> _Response:
    where, series = placed.where, placed.held
    if _signal(placed) == "dff" and str(series.unit).strip().lower() in ("%", "percent"):
        raise refused(field=f"{where} unit", found=str(series.unit), expected="dF/F as a fraction")
    table, regions = series.rois.table, stored_in(series.rois.data)
    rows = (
        numbers_at(regions.file, regions.name, refused, kinds="iu", ndim=1) if regions is not None else np.empty(0, int)
    )
    n_rois = samples.shape[1] if len(samples.shape) == 2 else 1
    if len(rows) != n_rois:
        found = f"{len(rows)} ROIs for {n_rois} columns of data"
        raise refused(field=f"{where} rois", found=found, expected="one ROI for each column")
    plane = next((one for one in planes if one.table is table), None)
    if plane is None:
        plane = _Plane(where, table, _cell_ids(table, refused))
        planes.append(plane)
    rows = require_rows(rows, len(plane.ids), f"{where} rois", table.name, refused)
    _require_once(plane.ids[rows], where, table, refused)
    return _Response(where, samples, planes.index(plane), plane.places(rows))


def _cell_ids(table: Any, refused: Refusal) -> np.ndarray:
    if "cell_specimen_id" not in table.colnames:
        return row_ids(table, table.name, refused)
    ids = numbers(table, "cell_specimen_id", refused)
    if ids is None or ids.dtype.kind not in "iu" or (ids > np.iinfo(np.int64).max).any():
        found = "unknown cell: no numbers" if ids is None else f"unknown cell: {ids.dtype} values such as {ids[0]}"
        raise refused(field=f"{table.name} cell_specimen_id", found=found, expected="64-bit integers")
    return ids.astype(np.int64)


def _require_once(ids: np.ndarray, where: str, table: Any, refused: Refusal) -> None:
    found, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        name = "cell_specimen_id" if "cell_specimen_id" in table.colnames else "id"
        said = f"cell {found[counts > 1][0]} more than once in {where}"
        raise refused(field=f"{table.name} {name}", found=said, expected="each cell once")


def _require_apart(signal: str, parts: list[_Response], refused: Refusal) -> None:
    units = [(part.plane, place) for part in parts for place in part.places.tolist()]
    if len(set(units)) < len(units):
        found = f"{len(parts)} of them for the same ROIs: {', '.join(part.where for part in parts)}"
        raise refused(field=signal, found=found, expected=f"one {signal} series for each ROI")


def _group(plane: _Plane, of_several: bool, contents: Contents, refused: Refusal) -> UnitGroup:
    table, rows = plane.table, list(plane.row_of)
    x_px, y_px, area_px = roi_shapes(table, rows, refused)
    masks = ("cell_specimen_id", "pixel_mask", "image_mask", "voxel_mask")
    said, left_out = attributes(table, masks, table.name, refused)
    contents.left_out |= left_out
    columns = {"x_px": x_px, "y_px": y_px, "area_px": area_px, "attributes": [said[row] for row in rows]}
    if of_several:
        columns["structure"] = [getattr(table.imaging_plane, "location", None) or None] * len(rows)
    return UnitGroup(table.name, plane.ids[rows], columns)
