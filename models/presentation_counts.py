"""Spikes per presentation, bin and unit, counted in one pass over sorted spike times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import DTypeLike, NDArray

from models.aligned_samples import over_units

Closed = Literal["both", "left"]


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spike times of units, one after the other.

    ``time_s`` (n_spikes,), seconds, ascending within each unit; ``ends`` (n_units,), where each unit's spikes end in
    it. A unit without spikes ends where the one before does. Raises ValueError for times that are not finite or run
    backwards within a unit, naming the unit's place, and for ends that don't fit.
    """

    time_s: NDArray[np.float64]
    ends: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.time_s.ndim != 1 or self.ends.ndim != 1:
            raise ValueError(f"time_s and ends must have one axis, got {self.time_s.shape} and {self.ends.shape}")
        last = self.ends[-1] if len(self.ends) else 0
        if (np.diff(self.ends, prepend=0) < 0).any() or last != len(self.time_s):
            raise ValueError(f"ends must not fall and must end at the {len(self.time_s)} spikes, got {self.ends}")
        bad = np.zeros(len(self.ends), np.int64)

        def find(units: slice) -> None:
            _first_disorder(self.time_s, self.starts[units], self.ends[units], bad[units])

        if len(self.ends):
            over_units(find, len(self.ends))
        if bad.any():
            unit = int(np.argmax(bad > 0))
            spike = int(bad[unit]) - 1
            found = self.time_s[self.starts[unit] + spike]
            raise ValueError(f"spike times must be finite and ascending, got {found} s at spike {spike} of unit {unit}")

    @classmethod
    def of(cls, trains: Sequence[NDArray[np.float64]]) -> "SpikeTrains":
        """From one array of times a unit, seconds."""
        ends = np.cumsum([len(train) for train in trains], dtype=np.int64)
        return cls(np.concatenate([*trains, np.empty(0)]).astype(np.float64, copy=False), ends)

    @property
    def starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.ends)

    def train(self, unit: int) -> NDArray[np.float64]:
        """Times of one unit, by its place, (n_spikes_of_unit,), seconds."""
        return self.time_s[self.starts[unit] : self.ends[unit]]


def spike_trains(
    unit_id: NDArray[np.int64],  # (n_spikes,)
    time_s: NDArray[np.float64],  # (n_spikes,), seconds
    units: NDArray[np.int64],  # (n_units,)
) -> SpikeTrains:
    """Spike trains of ``units``, in that order, from a long table in order of unit and time.

    ``unit_id`` (n_spikes,) ascending, ``time_s`` (n_spikes,). Units without a row have no spikes. Raises ValueError
    when the table isn't in order, has spikes of other units, or a unit is named twice.
    """
    unit_id, units = np.asarray(unit_id), np.asarray(units, np.int64)
    if unit_id.shape != np.shape(time_s):
        raise ValueError(f"unit_id and time_s must have one value per spike, got {unit_id.shape}, {np.shape(time_s)}")
    if len(np.unique(units)) < len(units):
        raise ValueError(f"each unit must be named once, got {len(units)} names of {len(np.unique(units))} units")
    if (unit_id[1:] < unit_id[:-1]).any():
        raise ValueError("spikes must be in order of unit_id, got one of a lower unit after that of a higher one")
    start, stop = np.searchsorted(unit_id, units), np.searchsorted(unit_id, units, side="right")
    if (stop - start).sum() != len(unit_id):
        other = np.setdiff1d(unit_id, units)
        raise ValueError(f"spikes must be of the {len(units)} units named, got spikes of {len(other)} others: {other}")
    if (np.diff(units) > 0).all():
        return SpikeTrains(np.ascontiguousarray(time_s, np.float64), stop.astype(np.int64))
    return SpikeTrains.of([time_s[a:b] for a, b in zip(start, stop, strict=True)])


def presentation_counts(
    trains: SpikeTrains,
    onset_s: NDArray[np.float64],  # (n_presentations,), seconds
    edges_s: NDArray[np.float64],  # (n_bins + 1,), seconds from onset
    *,
    closed: Closed = "both",
    binarize: bool = False,
    dtype: DTypeLike = np.uint16,
) -> NDArray[np.integer]:  # (n_units, n_presentations, n_bins)
    """Spikes of each unit in the bins around each onset, (n_units, n_presentations, n_bins).

    ``onset_s`` (n_presentations,), seconds on the clock of the spikes, in any order; windows may overlap. ``edges_s``
    (n_bins + 1,), seconds from onset, ascending. ``closed="both"`` counts a spike on an edge in the bins on both its
    sides, as ``EcephysSession.presentationwise_spike_counts`` of the AllenSDK does, whose counts these equal (there the
    axes are presentation, bin, unit); ``"left"`` counts each spike once, in the bin that it begins, as
    ``np.histogram`` but for the last edge. ``binarize`` tells 1 from 0 only. Raises ValueError for edges or onsets that
    are not finite, edges that don't ascend or are fewer than two, or a count that ``dtype`` can't hold (the AllenSDK
    lets it wrap).
    """
    onset_s, edges_s = np.asarray(onset_s, np.float64), np.asarray(edges_s, np.float64)
    if edges_s.ndim != 1 or len(edges_s) < 2 or not np.isfinite(edges_s).all() or (np.diff(edges_s) < 0).any():
        raise ValueError(f"edges_s must be two or more finite seconds in ascending order, got {edges_s}")
    if onset_s.ndim != 1 or not np.isfinite(onset_s).all():
        found = f"{int((~np.isfinite(onset_s)).sum())} that are not, of shape {onset_s.shape}"
        raise ValueError(f"onset_s must be finite seconds on one axis, got {found}")
    if closed not in ("both", "left"):
        raise ValueError(f"closed must be 'both' or 'left', got {closed!r}")
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        raise ValueError(f"dtype must be one of whole numbers, got {kind}")
    n_presentations, n_bins = len(onset_s), len(edges_s) - 1
    counts = np.empty((len(trains), n_presentations, n_bins), kind)
    if not counts.size:
        return counts
    order, largest = np.argsort(onset_s, kind="stable"), np.zeros(len(trains), np.int64)

    def count(units: slice) -> None:
        spans = trains.starts[units], trains.ends[units]
        presentations = onset_s, order, edges_s, closed == "both", binarize
        _count(trains.time_s, *spans, *presentations, counts[units], largest[units])

    over_units(count, len(trains))
    if not binarize and largest.max() > np.iinfo(kind).max:
        raise ValueError(f"{kind} must hold every count, got {largest.max()} spikes in one bin; name a wider dtype")
    return counts


@njit(nogil=True, cache=True)
def _count(time_s, starts, ends, onset_s, order, edges_s, closed_right, binarize, counts, largest):
    for unit in range(len(starts)):
        train = time_s[starts[unit] : ends[unit]]
        n_spikes, first, most = len(train), 0, 0
        for presentation in order:
            onset, of_bins = onset_s[presentation], counts[unit, presentation]
            # Windows come in order of time, so their first spikes do; where windows overlap, spikes are read again.
            while first < n_spikes and train[first] < onset + edges_s[0]:
                first += 1
            spike = first
            following_s = train[spike] if spike < n_spikes else np.inf
            for n in range(len(of_bins)):
                right = onset + edges_s[n + 1]
                if following_s > right:  # most bins are empty, and this is what tells them soonest
                    of_bins[n] = 0
                    continue
                begin = spike
                while spike < n_spikes and train[spike] < right:
                    spike += 1
                following_s = train[spike] if spike < n_spikes else np.inf
                beyond = spike
                while closed_right and beyond < n_spikes and train[beyond] == right:
                    beyond += 1
                found = beyond - begin
                most = max(most, found)
                of_bins[n] = min(found, 1) if binarize else found
        largest[unit] = most


@njit(nogil=True, cache=True)
def _first_disorder(time_s, starts, ends, bad):
    """Into ``bad`` (n_units,): 1 + the unit's first spike that isn't finite or is before the last, 0 without one."""
    for unit in range(len(starts)):
        last = -np.inf
        for spike in range(starts[unit], ends[unit]):
            if not (last <= time_s[spike] < np.inf) or time_s[spike] == -np.inf:
                bad[unit] = spike - starts[unit] + 1
                break
            last = time_s[spike]
