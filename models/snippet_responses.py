"""Responses from traces that were cut out around events, each on its own times from onset."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.event_responses import ZScore, event_responses
from models.event_windows import Edge, Window


@dataclass(frozen=True, eq=False)
class SnippetResponses:
    """One response per snippet.

    ``values`` is (n_snippets, n_samples), in the unit of the snippets, NaN throughout where a sample is missing or the
    window reaches beyond the snippet; ``reached`` (n_snippets,) is False for the latter.
    """

    values: NDArray[np.floating]
    reached: NDArray[np.bool_]


def snippet_responses(
    value: NDArray[np.floating],  # (n,), all snippets in a line, fraction
    time_s: NDArray[np.floating],  # (n,), seconds from onset, increasing within a snippet
    count: NDArray[np.integer],  # (n_snippets,), samples of each
    window: Window,
    edge: Edge = "drop",
    *,
    subtract_baseline: bool = True,
    z_score: ZScore | None = None,
    gap_ratio: float = np.inf,
) -> SnippetResponses:
    """Each snippet at the window's times, read as ``event_responses`` reads a recording with one event at 0 s.

    ``edge="drop"`` leaves out snippets that the window reaches beyond, ``"hold"`` holds their ends. Times of 32 bits
    are taken to reach as far as they may have been rounded from. A snippet of one sample reaches nowhere. Raises
    ValueError as ``event_responses`` does, for ``z_score="trace"`` (nobody has the whole trace), and when the counts
    don't make up the values and times.
    """
    value, time_s, count = np.asarray(value), np.asarray(time_s), np.asarray(count)
    if not len(value) == len(time_s) == count.sum():
        raise ValueError(f"{count.sum()} samples are counted, got {len(value)} values and {len(time_s)} times")
    if z_score == "trace":
        raise ValueError("z_score='trace' needs whole traces, snippets are parts of them")
    n_snippets, first = len(count), np.cumsum(count) - count
    values = np.full((n_snippets, window.n_samples), np.nan, dtype=value.dtype)
    reached = np.zeros(n_snippets, dtype=bool)
    for snippets, axis_s in _by_times(time_s.astype(np.float64), first, count):
        rounding_s = float(np.spacing(np.abs(axis_s).max().astype(time_s.dtype)))
        found = event_responses(
            value[first[snippets][:, None] + np.arange(len(axis_s))],
            axis_s,
            np.zeros(1),
            window,
            edge,
            subtract_baseline=subtract_baseline,
            z_score=z_score,
            gap_ratio=gap_ratio,
            tolerance_s=rounding_s,
        )
        if found.kept[0]:
            values[snippets] = found.values[:, 0]
            reached[snippets] = True
    return SnippetResponses(values, reached)


def _by_times(
    time_s: NDArray[np.float64], first: NDArray[np.integer], count: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Snippets that share their times, and these; those with fewer than two samples are left out."""
    for length in np.unique(count[count > 1]):
        snippets = np.flatnonzero(count == length)
        axes_s = time_s[first[snippets][:, None] + np.arange(length)]
        if (axes_s == axes_s[0]).all():  # the rule, and much quicker than sorting them
            yield snippets, axes_s[0]
            continue
        distinct, which = np.unique(axes_s, axis=0, return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        stops = np.cumsum(np.bincount(which.ravel()))
        for axis_s, of_axis in zip(distinct, np.split(order, stops[:-1]), strict=True):
            yield snippets[of_axis], axis_s
