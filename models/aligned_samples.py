"""Compiled loops over units, events and samples: traces read between frames, less their baseline, averaged.

One loop reads, subtracts and averages an event while its samples are in the cache; NumPy needs a pass over memory for
each. Compiled by numba on first use and kept beside this module. They hold no lock, so threads share the units.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MOST_THREADS = 8
_SHARES_PER_THREAD = 4


def over_units(read: Callable[[slice], None], n_units: int) -> None:
    """Call ``read`` with spans that make up all units, on several threads."""
    threads = max(min(os.cpu_count() or 1, _MOST_THREADS, n_units), 1)
    bounds = np.linspace(0, n_units, min(threads * _SHARES_PER_THREAD, n_units) + 1).astype(int)
    spans = [slice(start, stop) for start, stop in pairwise(bounds)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, spans))


# The sum over the baseline may be taken in any order: in several lanes at once.
@njit(nogil=True, cache=True, fastmath={"reassoc"})
def read_event(
    trace: NDArray[np.floating],  # (n_frames,)
    before: NDArray[np.int32],  # (n_samples,)
    weight: NDArray[np.floating],  # (n_samples,)
    n_baseline: int,
    by_baseline_sd: bool,
    out: NDArray[np.floating],  # (n_samples,)
) -> bool:
    """One trace around one event, less the mean of its first ``n_baseline`` samples, into ``out``.

    With ``by_baseline_sd`` over their standard deviation (of the population). All NaN, and False is returned, when a
    sample is missing or that deviation is 0.
    """
    for sample in range(len(out)):
        frame = before[sample]
        # In the precision of out: a mean of 32-bit values is taken in 64 bits.
        value = out.dtype.type(trace[frame])
        out[sample] = value + weight[sample] * (out.dtype.type(trace[frame + 1]) - value)
    n_missing = 0
    for sample in range(len(out)):
        n_missing += out[sample] != out[sample]
    if n_missing:
        out[:] = np.nan
        return False
    if n_baseline == 0:
        return True
    mean = 0.0
    for sample in range(n_baseline):
        mean += out[sample]
    mean /= n_baseline
    square = 0.0
    if by_baseline_sd:
        n_other = 0
        for sample in range(n_baseline):
            square += (out[sample] - mean) ** 2
            n_other += out[sample] != out[0]
        if n_other == 0:  # not square == 0: the mean of equal values may be rounded off them
            out[:] = np.nan
            return False
    level = out.dtype.type(mean)
    for sample in range(len(out)):
        out[sample] -= level
    if by_baseline_sd:
        sd = out.dtype.type(np.sqrt(square / n_baseline))
        for sample in range(len(out)):
            out[sample] /= sd
    return True


@njit(nogil=True, cache=True)
def read_events(
    traces: NDArray[np.floating],  # (n_units, n_frames)
    before: NDArray[np.int32],  # (n_events, n_samples)
    weight: NDArray[np.floating],  # (n_events, n_samples)
    n_baseline: int,
    by_baseline_sd: bool,
    out: NDArray[np.floating],  # (n_units, n_events, n_samples)
    n_whole: NDArray[np.int64],  # (n_units,)
) -> None:
    """`read_event` of every unit and event; ``n_whole`` counts each unit's events without a missing sample."""
    for unit in range(len(traces)):
        trace, responses = traces[unit], out[unit]
        for event in range(len(before)):
            n_whole[unit] += read_event(
                trace, before[event], weight[event], n_baseline, by_baseline_sd, responses[event]
            )


@njit(nogil=True, cache=True)
def average_events(
    traces: NDArray[np.floating],  # (n_units, n_frames)
    before: NDArray[np.int32],  # (n_events, n_samples)
    weight: NDArray[np.float64],  # (n_events, n_samples)
    n_baseline: int,
    by_baseline_sd: bool,
    mean: NDArray[np.float64],  # (n_units, n_samples)
    squares: NDArray[np.float64],  # (n_units, n_samples)
    n_whole: NDArray[np.int64],  # (n_units,)
) -> None:
    """Mean over each unit's whole events and the sum of squares about it, both given as zeros.

    The running form of Welford (1962), so that no event is kept.
    """
    for unit in range(len(traces)):
        response = np.empty(before.shape[1])
        for event in range(len(before)):
            if not read_event(traces[unit], before[event], weight[event], n_baseline, by_baseline_sd, response):
                continue
            n_whole[unit] += 1
            for sample in range(len(response)):
                off = response[sample] - mean[unit, sample]
                mean[unit, sample] += off / n_whole[unit]
                squares[unit, sample] += off * (response[sample] - mean[unit, sample])
