"""The spikes of a Kilosort or phy folder, never all in memory: checked in one pass, written unit by unit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from storage.readers.about import About, agreed_hz
from storage.readers.foreign.named_file import refused_in
from storage.readers.foreign.numpy_files import opened_array
from storage.readers.given import Given
from storage.tables import SPIKES

OF_SPIKES = ("spike_times.npy", "spike_clusters.npy", "spike_templates.npy")
# In seconds, already on the clock of the session: as the Allen Institute's pipeline and TPrime write them.
IN_SECONDS = ("spike_times_master_clock.npy", "spike_times_sec_adj.npy", "spike_times_sec.npy")

_AMPLITUDES = "amplitudes.npy"
_KINDS = {"spike_clusters.npy": "iu", "spike_templates.npy": "iu", _AMPLITUDES: "f"}
_MOST_CLUSTERS = 2**31
_SPIKES_PER_PASS = 4_000_000
_ROWS_PER_BLOCK = 1_000_000


@dataclass(frozen=True)
class SortedSpikes:
    """The spikes in the order of the files, which are in order of time.

    ``clock`` names the file of times, in units of 1 / ``per_s`` seconds; ``clusters``, ``templates`` and
    ``amplitudes`` those of a number per spike, None for one that isn't there.
    """

    given: Given
    count: int
    clock: str
    per_s: float
    clusters: str
    templates: str | None
    amplitudes: str | None

    def steps(self, name: str) -> Iterator[tuple[int, np.ndarray]]:
        """The first spike of each step, and what the file holds of the step's spikes, (n_spikes,)."""
        for start in range(0, self.count, _SPIKES_PER_PASS):
            # Opened for every step: else each page that was read would stay in memory.
            yield start, np.array(_column(self.given, name)[start : start + _SPIKES_PER_PASS])

    def picked(self, name: str, wanted: list[np.ndarray]) -> np.ndarray:
        """What the file holds of the wanted spikes, numbered within each step, (n_wanted,)."""
        return np.concatenate([values[here] for (_, values), here in zip(self.steps(name), wanted, strict=True)])


def spikes_of(given: Given, about: About, settings: Mapping[str, Any]) -> SortedSpikes:
    """The folder's spikes; ``settings`` are those of params.py.

    Raises Refused for files of other lengths or kinds, without spikes, and for a sample rate that nobody says.
    """
    clock = next((name for name in IN_SECONDS if (given.path / name).is_file()), OF_SPIKES[0])
    if not (given.path / clock).is_file():
        raise given.refused(field=clock, found="nothing", expected="the file")
    count = len(_column(given, clock))
    here = [name for name in _KINDS if (given.path / name).is_file()]
    for name in here:
        if (length := len(_column(given, name))) != count:
            raise given.refused(field=name, found=f"{length} spikes", expected=f"{count}, as in {clock}")
    if not count:
        raise given.refused(field=clock, found="no spikes", expected="spikes")
    of_clusters, of_templates, amplitudes = (name if name in here else None for name in _KINDS)
    spikes = SortedSpikes(given, count, clock, 1.0, of_clusters or OF_SPIKES[2], of_templates, amplitudes)
    if clock != OF_SPIKES[0] or _has_fractions(spikes):
        return spikes
    where = "params.py sample_rate" if settings else "params.py"
    per_s = agreed_hz(given, "sample_rate_hz", settings.get("sample_rate"), about.sample_rate_hz, where)
    return replace(spikes, per_s=per_s)


def counted(spikes: SortedSpikes) -> tuple[dict[int, int], dict[int, int]]:
    """How many spikes each cluster has, and the template of most of them.

    Raises Refused for times that aren't finite, lie before 0 or run backwards, and for numbers below 0.
    """
    pairs: dict[int, int] = {}
    last = 0.0
    of_templates = spikes.templates or spikes.clusters
    files = (spikes.clock, spikes.clusters, of_templates)
    for (start, time), (_, cluster), (_, template) in zip(*map(spikes.steps, files), strict=True):
        last = _require_forward(time, start, last, spikes)
        for name, numbers in ((spikes.clusters, cluster), (of_templates, template)):
            if (odd := np.flatnonzero((numbers < 0) | (numbers >= _MOST_CLUSTERS))).size:
                found = f"{numbers[odd[0]]} for spike {start + odd[0]}"
                raise spikes.given.refused(field=name, found=found, expected=f"0 to {_MOST_CLUSTERS - 1}")
        both = cluster.astype(np.int64) * _MOST_CLUSTERS + template.astype(np.int64)
        for pair, count in zip(*np.unique(both, return_counts=True), strict=True):
            pairs[int(pair)] = pairs.get(int(pair), 0) + int(count)
    counts: dict[int, int] = {}
    template_of: dict[int, int] = {}
    for pair in sorted(pairs, key=lambda pair: (pairs[pair], -pair)):
        cluster_id, template_of[cluster_id] = divmod(pair, _MOST_CLUSTERS)
        counts[cluster_id] = counts.get(cluster_id, 0) + pairs[pair]
    return counts, template_of


def spike_rows(session_id: str, spikes: SortedSpikes, count_of: Mapping[int, int]) -> Iterator[pa.Table]:
    """Rows of recorded.spikes, unit after unit, gathered for so many units at a time as fit into memory."""
    units: list[int] = []
    for unit in sorted(count_of):
        if units and sum(count_of[one] for one in units) + count_of[unit] > _SPIKES_PER_PASS:
            yield from _rows_of(session_id, spikes, units)
            units = []
        units.append(unit)
    if units:
        yield from _rows_of(session_id, spikes, units)


def _column(given: Given, name: str) -> np.ndarray:
    """A value per spike, mapped from disk."""
    values = opened_array(given.path / name, refused_in(given, name))
    if (
        values.dtype.kind not in _KINDS.get(name, "fiu")
        or values.ndim not in (1, 2)
        or values.shape[1:] not in ((), (1,))
    ):
        raise given.refused(field=name, found=f"{values.dtype} of shape {values.shape}", expected="a value per spike")
    return values.reshape(-1)


def _has_fractions(spikes: SortedSpikes) -> bool:
    """Whether any time is between whole numbers, as seconds are and samples are not."""
    return any(time.dtype.kind == "f" and (time % 1 > 0).any() for _, time in spikes.steps(spikes.clock))


def _require_forward(time: np.ndarray, start: int, last: float, spikes: SortedSpikes) -> float:
    """The last of these times, which begin with spike ``start`` and may not lie before ``last``."""
    before = np.concatenate([[time.dtype.type(last)], time[:-1]])
    # Written so that NaN is refused too.
    if (odd := np.flatnonzero(~((time >= before) & (time < np.inf)))).size:
        at = int(odd[0])
        found = f"{time[at] / spikes.per_s} s for spike {start + at} after {before[at] / spikes.per_s} s"
        raise spikes.given.refused(field=spikes.clock, found=found, expected="times from 0 s in ascending order")
    return time[-1]


def _rows_of(session_id: str, spikes: SortedSpikes, units: list[int]) -> Iterator[pa.Table]:
    wanted = np.array(units, dtype=np.int64)
    picked = [_of_units(block, wanted) for _, block in spikes.steps(spikes.clusters)]
    unit = np.searchsorted(wanted, spikes.picked(spikes.clusters, picked)).astype(np.min_scalar_type(len(wanted)))
    # The files are in order of time, and so is what is picked of them: a stable sort by unit keeps it within each.
    order = np.argsort(unit, kind="stable")
    unit_id = wanted[unit[order]]
    time_s = spikes.picked(spikes.clock, picked)[order].astype(np.float64) / spikes.per_s
    begins = np.searchsorted(unit_id, wanted)
    number = np.arange(len(unit_id)) - np.repeat(begins, np.diff([*begins, len(unit_id)]))
    amplitude = np.full(len(unit_id), np.nan, np.float32)
    if spikes.amplitudes is not None:
        amplitude = spikes.picked(spikes.amplitudes, picked)[order].astype(np.float32)
    for start in range(0, len(unit_id), _ROWS_PER_BLOCK):
        span = slice(start, start + _ROWS_PER_BLOCK)
        columns = {
            "session_id": pa.repeat(session_id, len(unit_id[span])),
            "unit_id": unit_id[span],
            "spike": number[span].astype(np.int32),
            "time_s": time_s[span],
            "amplitude": pa.array(amplitude[span], from_pandas=True),
        }
        yield pa.table(columns, schema=SPIKES.arrow_schema)


def _of_units(cluster: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The places of the wanted clusters, which are sorted."""
    within = np.flatnonzero((cluster >= wanted[0]) & (cluster <= wanted[-1]))
    return within[np.isin(cluster[within], wanted)]
