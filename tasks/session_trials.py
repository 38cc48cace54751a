"""Responses of a session's units to its single events, from whole traces or from snippets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.event_responses import ZScore, event_responses
from models.event_windows import Edge, Window
from models.snippet_responses import snippet_responses
from storage.lake import Lake
from tasks.recipes import WINDOW

EDGE: dict[str, Edge] = {"rigorous": "drop", "published": "hold"}
# A step of more than this many median steps between frames is a gap, whose frames are missing.
GAP_RATIO = {"rigorous": 3.0, "published": np.inf}
FLASHES = ("image", "omission")


@dataclass(frozen=True, eq=False)
class SessionTrials:
    """Every unit's response to every event that its session holds whole.

    ``unit_id`` (n_units,); ``event_id``, ``onset_s`` (seconds, NaN where the source cut traces out without telling) and
    ``omitted`` (n_events,); ``times_s`` (n_samples,), seconds from onset; ``values`` (n_units, n_events, n_samples)
    float32, less the baseline before onset, NaN throughout an event in a unit whose frames are missing. ``n_dropped``
    counts events left out for the edge of the recording, or of every unit's snippet; ``n_missing`` the pairs of unit
    and event that are NaN.
    """

    session_id: str
    unit_id: NDArray[np.int64]
    event_id: NDArray[np.int64]
    onset_s: NDArray[np.float64]
    omitted: NDArray[np.bool_]
    times_s: NDArray[np.float64]
    values: NDArray[np.float32]
    n_dropped: int
    n_missing: int


@dataclass(frozen=True, eq=False)
class SessionSnippets:
    """Every unit's snippet around every event, on a window's times.

    ``unit_id`` (n_units,); ``values`` (n_units, n_events, n_samples) float32, NaN throughout where there is no snippet,
    a sample is missing, or the window reaches beyond; ``cut_short`` (n_units, n_events) is True for the latter; they
    hold ``start_s`` to ``stop_s`` at the most, seconds from onset.
    """

    unit_id: NDArray[np.int64]
    values: NDArray[np.float32]
    cut_short: NDArray[np.bool_]
    start_s: float
    stop_s: float

    @property
    def held(self) -> NDArray[np.bool_]:
        """Which events (n_events,) some unit's snippet holds whole, or nobody cut short."""
        return ~self.cut_short.any(axis=0) | ~np.isnan(self.values[:, :, 0]).all(axis=0)


def session_trials(
    lake: Lake,
    session_id: str,
    protocol: str,
    window: Window = WINDOW,
    signal: str = "dff",
    *,
    kinds: Sequence[str] = FLASHES,
    subtract_baseline: bool = True,
    z_score: ZScore | None = None,
) -> SessionTrials:
    """Responses to a session's events of these kinds, images and omissions unless told otherwise.

    Under 'rigorous' events whose window is not wholly recorded are left out, and gaps between frames count as missing;
    under 'published' edges are held and gaps interpolated. Raises KeyError where the session has neither the signal
    nor, for dF/F, snippets.
    """
    events = session_events(lake, session_id, kinds)
    onset_s = events["onset_s"].to_numpy()
    if signal in session_signals(lake, session_id):
        traces = lake.traces(session_id, signal)
        frame_s = lake.answer("session_frames", session_id=session_id)["time_s"].to_numpy()
        found = event_responses(
            traces.values,
            frame_s,
            onset_s,
            window,
            EDGE[protocol],
            subtract_baseline=subtract_baseline,
            z_score=z_score,
            gap_ratio=GAP_RATIO[protocol],
        )
        unit_id, values, kept, n_dropped = traces.unit_id, found.values, found.kept, found.n_dropped
    elif signal == "dff":
        snippets = session_snippets(
            lake, session_id, events, protocol, window, subtract_baseline=subtract_baseline, z_score=z_score
        )
        kept = snippets.held
        unit_id, values, n_dropped = snippets.unit_id, snippets.values[:, kept], int((~kept).sum())
    else:
        raise KeyError(f"session {session_id!r} has no {signal!r} traces")
    return SessionTrials(
        session_id,
        unit_id,
        events["event_id"].to_numpy()[kept],
        onset_s[kept],
        (events["condition"] == "omitted").to_numpy()[kept],
        window.times_s,
        values,
        n_dropped,
        int(np.isnan(values[:, :, 0]).sum()),
    )


def session_events(lake: Lake, session_id: str, kinds: Sequence[str] = FLASHES) -> pl.DataFrame:
    """A session's events of these kinds in order: event_id, onset_s (NaN where unknown), condition."""
    events = lake.answer("session_onsets", session_id=session_id, kinds=list(kinds))
    return events.with_columns(pl.col("onset_s").fill_null(np.nan))


def session_signals(lake: Lake, session_id: str) -> set[str]:
    """Names of the signals that the session has whole traces of."""
    return set(lake.answer("session_signals", session_id=session_id)["signal"])


def session_snippets(
    lake: Lake,
    session_id: str,
    events: pl.DataFrame,
    protocol: str,
    window: Window,
    *,
    subtract_baseline: bool = True,
    z_score: ZScore | None = None,
) -> SessionSnippets:
    """Snippets around ``events``, as `session_events` gives them. Raises KeyError for a session that has none."""
    samples = lake.answer("session_snippets", session_id=session_id)
    if samples.is_empty():
        raise KeyError(f"session {session_id!r} has neither dF/F traces nor snippets")
    pairs = samples.group_by("unit_id", "event_id", maintain_order=True).len()
    found = snippet_responses(
        samples["value"].fill_null(np.nan).to_numpy(),
        samples["time_s"].to_numpy(),
        pairs["len"].to_numpy().astype(np.int64),
        window,
        EDGE[protocol],
        subtract_baseline=subtract_baseline,
        z_score=z_score,
        gap_ratio=GAP_RATIO[protocol],
    )
    unit_id, unit = np.unique(pairs["unit_id"].to_numpy(), return_inverse=True)
    place = events.select("event_id").with_row_index("event")
    event = pairs.join(place, on="event_id", how="left", maintain_order="left")["event"]
    asked = event.is_not_null().to_numpy()  # snippets may be cut around other kinds of events too
    at = unit[asked], event.drop_nulls().to_numpy()
    values = np.full((len(unit_id), len(events), window.n_samples), np.nan, dtype=np.float32)
    cut_short = np.zeros(values.shape[:2], dtype=bool)
    values[at] = found.values[asked]
    cut_short[at] = ~found.reached[asked]
    return SessionSnippets(unit_id, values, cut_short, samples["time_s"].min(), samples["time_s"].max())
