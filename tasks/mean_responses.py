"""Mean responses of a session: over matched events, per unit and condition, and of the animal's own signals."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.event_responses import MeanResponse, mean_of_responses, mean_response
from models.event_windows import Window
from models.matched_events import equal_numbers
from storage.lake import Lake
from tasks.session_trials import EDGE, GAP_RATIO, session_snippets


@dataclass(frozen=True, eq=False)
class ChosenEvents:
    """Events of a session and which of them are averaged, each (n_events,).

    ``inside``: the window is wholly recorded. ``averaged``: those taken; under 'rigorous' as many of each condition,
    all inside, under 'published' all.
    """

    onset_s: NDArray[np.float64]
    condition: NDArray[np.str_]
    inside: NDArray[np.bool_]
    averaged: NDArray[np.bool_]

    @property
    def conditions(self) -> list[str]:
        return np.unique(self.condition[self.averaged]).tolist()

    def of(self, condition: str) -> NDArray[np.bool_]:
        """Which events of this condition are averaged."""
        return self.averaged & (self.condition == condition)

    def dropped(self, condition: str) -> NDArray[np.bool_]:
        """Which events of this condition are left out for the edge."""
        return ~self.inside & ~self.averaged & (self.condition == condition)


def means_of_traces(
    lake: Lake, session_id: str, events: pl.DataFrame, protocol: str, seed: int, window: Window, signal: str = "dff"
) -> tuple[ChosenEvents, pl.DataFrame | None]:
    """The events averaged and their means by unit and condition from whole traces; None without events."""
    traces = lake.traces(session_id, signal)
    frame_s = lake.answer("session_frames", session_id=session_id)["time_s"].to_numpy()
    onset_s = events["onset_s"].to_numpy()
    inside = (onset_s + window.start_s >= frame_s[0]) & (onset_s + window.stop_s <= frame_s[-1])
    chosen = _chosen(events, inside, protocol, seed)
    how = EDGE[protocol], GAP_RATIO[protocol]
    frames = [
        _rows(
            mean_response(traces.values, frame_s, onset_s[chosen.of(condition)], window, how[0], gap_ratio=how[1]),
            traces.unit_id,
            condition,
            window,
            np.count_nonzero(chosen.dropped(condition)),
        )
        for condition in chosen.conditions
    ]
    return chosen, pl.concat(frames) if frames else None


def means_of_snippets(
    lake: Lake, session_id: str, events: pl.DataFrame, protocol: str, seed: int, window: Window
) -> tuple[ChosenEvents, pl.DataFrame | None, str | None]:
    """As `means_of_traces`, from snippets, with what stands against it where no snippet holds the window."""
    snippets = session_snippets(lake, session_id, events, protocol, window)
    chosen = _chosen(events, snippets.held, protocol, seed)
    if not chosen.averaged.any():
        return (
            chosen,
            None,
            (
                f"no snippet holds {window.start_s:g} to {window.stop_s:g} s from onset, they reach from "
                f"{snippets.start_s:.2f} to {snippets.stop_s:.2f} s: choose a window within"
            ),
        )
    frames = []
    for condition in chosen.conditions:
        taken, of_condition = chosen.of(condition), chosen.condition == condition
        found = mean_of_responses(snippets.values[:, taken])
        cut_short = snippets.cut_short[:, taken].sum(axis=1)
        n_dropped = snippets.cut_short[:, of_condition].sum(axis=1)
        frames.append(_rows(found, snippets.unit_id, condition, window, n_dropped, found.n_missing - cut_short))
    return chosen, pl.concat(frames), None


def behavior_means(
    lake: Lake, session_id: str, chosen: ChosenEvents, protocol: str, window: Window
) -> tuple[pl.DataFrame | None, list[str]]:
    """Means of the animal's signals over the same events, baseline kept, and a note of each that can't be aligned."""
    timed = np.isfinite(chosen.onset_s)
    samples = lake.answer("session_behavior", session_id=session_id) if timed.any() else pl.DataFrame()
    frames, notes = [], []
    for (signal,), of_signal in samples.group_by("signal", maintain_order=True) if len(samples) else ():
        try:
            frames += list(_signal_means(signal, of_signal, chosen, protocol, window))
        except ValueError as error:
            notes.append(f"{signal} is left out: {error}")
    return pl.concat(frames) if frames else None, notes


def _signal_means(
    signal: str, samples: pl.DataFrame, chosen: ChosenEvents, protocol: str, window: Window
) -> Iterator[pl.DataFrame]:
    value = samples["value"].fill_null(np.nan).to_numpy()[None]
    for condition in chosen.conditions:
        onset_s = chosen.onset_s[chosen.of(condition) & np.isfinite(chosen.onset_s)]
        found = mean_response(
            value,
            samples["time_s"].to_numpy(),
            onset_s,
            window,
            EDGE[protocol],
            subtract_baseline=False,
            gap_ratio=GAP_RATIO[protocol],
        )
        rows = _rows(found, np.zeros(1, np.int64), condition, window, found.n_dropped).drop("unit_id")
        yield rows.with_columns(signal=pl.lit(signal))


def _chosen(events: pl.DataFrame, inside: NDArray[np.bool_], protocol: str, seed: int) -> ChosenEvents:
    condition = events["condition"].to_numpy().astype(str)
    averaged = np.ones(len(events), dtype=bool)
    if protocol == "rigorous":
        averaged = inside.copy()
        averaged[inside] = equal_numbers(condition[inside], np.random.default_rng(seed))
    return ChosenEvents(events["onset_s"].to_numpy(), condition, inside, averaged)


def _rows(
    found: MeanResponse,
    unit_id: NDArray[np.int64],
    condition: str,
    window: Window,
    n_dropped: NDArray[np.integer] | int,
    n_missing: NDArray[np.integer] | None = None,
) -> pl.DataFrame:
    """A row per unit and sample, samples in order within a unit."""
    n_units, n_samples = found.mean.shape
    counts = {
        "event_count": found.n_events,
        "dropped_count": np.broadcast_to(n_dropped, n_units),
        "missing_count": found.n_missing if n_missing is None else n_missing,
    }
    return pl.DataFrame(
        {
            "unit_id": np.repeat(unit_id, n_samples),
            "condition": np.repeat([condition], n_units * n_samples),
            "sample": np.tile(np.arange(n_samples), n_units),
            "time_s": np.tile(window.times_s, n_units),
            "mean": found.mean.ravel(),
            "sem": found.sem.ravel(),
        }
        | {name: np.repeat(count, n_samples) for name, count in counts.items()}
    )
