"""Sessions written into a lake by hand: whole traces with frames, or snippets cut around the events."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from storage.due import SessionDue, responses_due
from storage.lake import Lake
from storage.row_files import RowBlocks
from storage.tables import BEHAVIOR_SIGNALS, EVENTS, FRAMES, SESSIONS, SNIPPETS, UNITS
from storage.traces import TraceMatrix


@dataclass(frozen=True, eq=False)
class Planted:
    """A session's arrays: ``signals`` by name (n_units, n_frames), ``behavior`` by name: times and values."""

    frame_s: np.ndarray
    signals: Mapping[str, np.ndarray]
    onset_s: np.ndarray
    omitted: np.ndarray
    behavior: Mapping[str, tuple[np.ndarray, np.ndarray]]

    @property
    def unit_id(self) -> np.ndarray:
        return 10 + np.arange(len(next(iter(self.signals.values()))), dtype=np.int64)


def planted(rng: np.random.Generator, n_units: int = 3, n_frames: int = 1500, n_events: int = 40) -> Planted:
    """Noise at 31 Hz; flashes every 0.9 s from 0.5 s on, off the frames, every fourth omitted; running at 60 Hz."""
    frame_s = np.arange(n_frames) / 31.0
    dff = rng.normal(0, 0.1, (n_units, n_frames)).astype(np.float32)
    onset_s = 0.5 + 0.9 * np.arange(n_events) + 0.013
    omitted = np.arange(n_events) % 4 == 3
    run_s = np.arange(0, frame_s[-1], 1 / 60)
    return Planted(frame_s, {"dff": dff}, onset_s, omitted, {"running_speed_cm_per_s": (run_s, np.sin(run_s))})


def put(lake: Lake, session_id: str, session: Planted, **of_session: object) -> None:
    """Write the session with its whole traces."""
    n_frames = len(session.frame_s)
    whole = {"signals": ",".join(sorted(session.signals)), "frame_count": n_frames, "rate_hz": 31.0}
    rows = _rows(session_id, session, session.onset_s, **whole | of_session)
    rows[FRAMES] = FRAMES.rows(
        {"session_id": [session_id] * n_frames, "frame": range(n_frames), "time_s": session.frame_s}
    )
    traces = [TraceMatrix(session_id, name, session.unit_id, values) for name, values in session.signals.items()]
    lake.replace(rows, traces=traces, blocks=_behavior(session_id, session), message="planted")


def put_snippets(
    lake: Lake,
    session_id: str,
    session: Planted,
    from_s: float,
    to_s: float,
    *,
    onsets_known: bool = False,
    left_out: tuple[tuple[int, int], ...] = (),
) -> None:
    """Write what lies from ``from_s`` to ``to_s`` around each event, each snippet on its own times from onset.

    ``left_out`` pairs of unit and event have no snippet.
    """
    blocks = []
    for unit, trace in enumerate(session.signals["dff"]):
        for event, onset_s in enumerate(session.onset_s):
            within = (session.frame_s >= onset_s + from_s) & (session.frame_s <= onset_s + to_s)
            if (unit, event) in left_out or not within.any():
                continue
            columns = {"unit_id": session.unit_id[unit], "event_id": event, "sample": np.arange(within.sum())}
            time_s = session.frame_s[within] - onset_s
            blocks.append(pl.DataFrame(columns | {"time_s": time_s, "value": trace[within]}))
    snippets = SNIPPETS.rows(pl.concat(blocks).with_columns(session_id=pl.lit(session_id)))
    onset_s = session.onset_s if onsets_known else [None] * len(session.onset_s)
    written = RowBlocks(SNIPPETS, lambda: iter([snippets]))
    lake.replace(_rows(session_id, session, onset_s), blocks=[written], message="planted")


def due(lake: Lake, session_id: str, protocol: str, recipe: str) -> SessionDue:
    """The session as `responses_due` names it."""
    return next(one for one in responses_due(lake, protocol, recipe) if one.session_id == session_id)


def _rows(session_id: str, session: Planted, onset_s: object, **of_session: object) -> dict:
    of_session = {"subject_id": "m1", "cre_line": "Vip-IRES-Cre", "exposure_level": "familiar"} | of_session
    about = {
        "session_id": session_id, "project": "lab", "simulated": True, "unit_count": len(session.unit_id),
        "source_uri": f"/lab/{session_id}", "content_sha256": session_id, "reader": "nwb", "reader_version": 1,
    }  # fmt: skip
    units, events = len(session.unit_id), len(session.onset_s)
    kinds = np.where(session.omitted, "omission", "image")
    return {
        SESSIONS: SESSIONS.rows([about | of_session]),
        UNITS: UNITS.rows({"session_id": [session_id] * units, "unit_id": session.unit_id}),
        EVENTS: EVENTS.rows(
            {"session_id": [session_id] * events, "event_id": range(events), "kind": kinds, "onset_s": onset_s}
        ),
    }


def _behavior(session_id: str, session: Planted) -> list[RowBlocks]:
    frames = [
        pl.DataFrame({"sample": np.arange(len(time_s)), "time_s": time_s, "value": value}).with_columns(
            session_id=pl.lit(session_id), signal=pl.lit(signal)
        )
        for signal, (time_s, value) in session.behavior.items()
    ]
    if not frames:
        return []
    rows = BEHAVIOR_SIGNALS.rows(pl.concat(frames))
    return [RowBlocks(BEHAVIOR_SIGNALS, lambda: iter([rows]))]
