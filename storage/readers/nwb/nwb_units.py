"""The units table of an NWB file: each unit with its place, quality and metrics, and the times of its spikes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from storage.readers.foreign.hdf5_files import dataset_at, opened_hdf5
from storage.readers.given import Given
from storage.readers.nwb.nwb_contents import Contents
from storage.readers.nwb.nwb_tables import (
    MOST_VALUES,
    attributes,
    ends_of,
    numbers,
    require_rows,
    row_ids,
    stored_in,
    texts,
)
from storage.readers.nwb.nwb_unit_ids import UnitGroup
from storage.readers.recording import Refusal
from storage.row_files import RowBlocks
from storage.tables import SPIKES

_METRICS = {  # of the file: of recorded.units
    "firing_rate": "rate_hz",
    "snr": "snr",
    "isi_violations": "isi_violations",
    "isi_violations_ratio": "isi_violations",
    "presence_ratio": "presence_ratio",
    "amplitude_cutoff": "amplitude_cutoff",
}
_STRUCTURES = ("structure", "location", "brain_area", "brain_region", "ecephys_structure_acronym")
_AMPLITUDES = "spike_amplitudes"
_WAVEFORMS = ("waveforms", "waveform_mean", "waveform_sd")
_SPIKES_PER_BLOCK = 1_000_000


@dataclass(frozen=True)
class SortedUnits:
    """Units, and where their spikes lie: ``ends`` (n_units,) in the flat column of times, in the units' order."""

    group: UnitGroup
    ends: np.ndarray
    times: str | None
    amplitudes: str | None
    given: Given

    def spikes(self, session_id: str, unit_id: np.ndarray) -> list[RowBlocks]:
        """Rows of recorded.spikes, none without times; as the blocks are read, times that run backwards are refused."""
        if self.times is None or not len(self.ends) or not self.ends[-1]:
            return []
        return [RowBlocks(SPIKES, lambda: self._blocks(session_id, unit_id))]

    def _blocks(self, session_id: str, unit_id: np.ndarray) -> Iterator[pa.Table]:
        refused, total = self.given.refused, int(self.ends[-1])
        starts = np.concatenate([[0], self.ends[:-1]])
        last_s, last_unit = -np.inf, -1
        with opened_hdf5(self.given.path, refused) as file:
            times = dataset_at(file, self.times or "", refused, kinds="f", ndim=1)
            amplitudes = dataset_at(file, self.amplitudes, refused, ndim=1) if self.amplitudes else None
            for start in range(0, total, _SPIKES_PER_BLOCK):
                stop = min(start + _SPIKES_PER_BLOCK, total)
                at = np.arange(start, stop)
                unit = np.searchsorted(self.ends, at, side="right")
                time_s = times[start:stop].astype(np.float64)
                before = np.concatenate([[last_s if unit[0] == last_unit else -np.inf], time_s[:-1]])
                before[1:][unit[1:] != unit[:-1]] = -np.inf
                self._require_forward(time_s, before, unit, at - starts[unit])
                last_s, last_unit = float(time_s[-1]), int(unit[-1])
                rows = {
                    "session_id": pa.repeat(session_id, stop - start),
                    "unit_id": unit_id[unit],
                    "spike": (at - starts[unit]).astype(np.int32),
                    "time_s": time_s,
                    "amplitude": pa.nulls(stop - start, pa.float32()),
                }
                if amplitudes is not None:
                    values = amplitudes[start:stop].astype(np.float32)
                    rows["amplitude"] = pa.array(values, mask=np.isnan(values))
                yield pa.table(rows, schema=SPIKES.arrow_schema)

    def _require_forward(self, time_s: np.ndarray, before: np.ndarray, unit: np.ndarray, spike: np.ndarray) -> None:
        # Not sorted here: times that run backwards may be those of joined files, each with a clock of its own.
        for bad, expected in ((~np.isfinite(time_s), "finite seconds"), (time_s < before, "times in ascending order")):
            if (at := np.flatnonzero(bad)).size:
                first = at[0]
                after = "" if expected == "finite seconds" else f", after {float(before[first])!r} s"
                raise self.given.refused(
                    field="units spike_times",
                    found=f"{float(time_s[first])!r} s{after} in spike {spike[first]} of unit "
                    f"{self.group.source_id[unit[first]]}",
                    expected=f"{expected} within each unit",
                )


def sorted_units(table: Any, contents: Contents, given: Given) -> SortedUnits | None:
    """The file's units table, None where it has none or an empty one. Waveforms aren't read."""
    if table is None or not len(table.id):
        return None
    refused = given.refused
    ids = row_ids(table, "units", refused)
    if np.unique(ids).size < ids.size:
        twice = next(one for one in ids if (ids == one).sum() > 1)
        raise refused(field="units id", found=f"unit {twice} more than once", expected="each unit once")
    taken: set[str] = {"spike_times", *_WAVEFORMS}
    contents.left_out |= {f"units/{name}": "waveforms" for name in _WAVEFORMS if name in table.colnames}
    columns: dict[str, list] = {}
    if (quality := texts(table, "quality", "units", refused)) is not None:
        columns["quality"] = quality
        taken.add("quality")
    for name, ours in _METRICS.items():
        values = numbers(table, name, refused)
        if values is not None and ours not in columns:
            columns[ours] = values.astype(float).tolist()
            taken.add(name)
    said, structure = _structures(table, len(ids), refused)
    columns["structure"] = structure
    taken |= said
    ends, times = _spike_ends(table, refused)
    amplitudes = _amplitudes(table, ends, refused)
    if amplitudes:
        taken.add(_AMPLITUDES)
    columns["attributes"], left_out = attributes(table, taken, "units", refused)
    contents.left_out |= left_out
    return SortedUnits(UnitGroup("units", ids, columns), ends, times, amplitudes, given)


def _structures(table: Any, n_units: int, refused: Refusal) -> tuple[set[str], list[str | None]]:
    """The column that tells, if one does, and each unit's structure: its own, or the one all its electrodes lie in."""
    for name in _STRUCTURES:
        named = texts(table, name, "units", refused)
        if named and any(named):
            return {name}, named
    if "electrodes" in table.colnames:
        return set(), _of_electrodes(table["electrodes"], n_units, refused)
    if "electrode_group" in table.colnames:
        groups = table["electrode_group"].data[:]
        return set(), [getattr(group, "location", None) or None for group in groups]
    return set(), [None] * n_units


def _of_electrodes(index: Any, n_units: int, refused: Refusal) -> list[str | None]:
    from hdmf.common import VectorIndex

    region = index.target if isinstance(index, VectorIndex) else index
    ends = ends_of(index, "units", refused) if isinstance(index, VectorIndex) else np.arange(1, n_units + 1)
    locations = texts(region.table, "location", region.table.name, refused)
    rows = stored_in(region.data)
    if locations is None or rows is None or rows.ndim != 1 or rows.dtype.kind not in "iu":
        return [None] * n_units
    if len(rows) > n_units * 1000 * MOST_VALUES:
        raise refused(field="units electrodes", found=f"{len(rows)} of them", expected="electrodes of each unit")
    at = dataset_at(rows.file, rows.name, refused, kinds="iu", ndim=1)[:]
    at = require_rows(at, len(locations), "units electrodes", region.table.name, refused)
    each = [{locations[row] for row in at[a:b].tolist()} for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    # Electrodes in several structures don't say in which of them the unit lies.
    return [one.pop() if len(one) == 1 else None for one in each]


def _spike_ends(table: Any, refused: Refusal) -> tuple[np.ndarray, str | None]:
    from hdmf.common import VectorIndex

    if "spike_times" not in table.colnames:
        return np.empty(0, np.int64), None
    index = table["spike_times"]
    data = stored_in(getattr(index, "target", index).data)
    if not isinstance(index, VectorIndex) or data is None:
        raise refused(field="units spike_times", found="no index", expected="spike_times and spike_times_index")
    ends = ends_of(index, "units", refused)
    if data.ndim != 1 or data.dtype.kind != "f":
        found = f"{data.dtype} of shape {data.shape}"
        raise refused(field="units spike_times", found=found, expected="seconds, as floating-point numbers")
    return ends, data.name


def _amplitudes(table: Any, ends: np.ndarray, refused: Refusal) -> str | None:
    """Where one amplitude for each spike lies, None where there is none."""
    from hdmf.common import VectorIndex

    if _AMPLITUDES not in table.colnames or not isinstance(index := table[_AMPLITUDES], VectorIndex):
        return None
    data = stored_in(index.target.data)
    fits = data is not None and data.ndim == 1 and data.dtype.kind in "fiu"
    return data.name if fits and np.array_equal(ends_of(index, "units", refused), ends) else None
