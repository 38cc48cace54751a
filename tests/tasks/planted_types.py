"""Sessions whose ROIs answer to one kind of event each, to running, or to nothing, written into a lake by hand."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from models.indicator_kernels import Kernel
from models.regressors import event_regressors, frames_at_times
from storage.lake import Lake
from storage.row_files import RowBlocks
from storage.tables import BEHAVIOR_SIGNALS, EVENTS, FRAMES, SESSIONS, UNITS
from storage.traces import TraceMatrix

RATE_HZ = 5.0
DECAY_S = 0.8
RUNNING = "running_speed_cm_per_s"
KINDS = ("image", "omission", "lick", "reward")


def planted_onsets(rng: np.random.Generator, n_frames: int, n_events: int = 12) -> dict[str, np.ndarray]:
    """Onsets of each kind, at random times within the recording, one second apart at least."""
    slots = rng.permutation(np.arange(4, n_frames / RATE_HZ - 10, 1.0))[: n_events * len(KINDS)]
    return {kind: np.sort(slots[n :: len(KINDS)]) + 0.03 for n, kind in enumerate(KINDS)}


def put_types(
    lake: Lake,
    session_id: str,
    rng: np.random.Generator,
    *,
    per_class: int = 4,
    noise: int = 10,
    n_frames: int = 700,
    onsets: Mapping[str, np.ndarray] | None = None,
    signal: str = "dff",
    **of_session: object,
) -> list[str]:
    """Write a session; returns the planted class of each ROI: a kind of event, running, or 'none'.

    ROIs are in no order of class; the last two are zeros and one with a missing frame.
    """
    onsets = planted_onsets(rng, n_frames) if onsets is None else onsets
    frame_s = 100 + np.arange(n_frames) / RATE_HZ
    running = np.maximum(np.convolve(rng.normal(0, 1, n_frames + 40), np.ones(41), "valid"), 0)
    frames = {
        kind: frames_at_times(100 + at_s[at_s < n_frames / RATE_HZ], frame_s, kind)
        for kind, at_s in onsets.items()
        if (at_s < n_frames / RATE_HZ).any()
    }
    driven = {}
    if frames:
        regressors = event_regressors(frames, Kernel(DECAY_S), RATE_HZ, n_frames)
        driven = dict(zip(regressors.names, regressors.values, strict=True))
    driven[RUNNING] = running
    classes = rng.permutation([name for name in driven for _ in range(per_class)] + ["none"] * noise).tolist()
    dff = rng.normal(0, 1, (len(classes) + 2, n_frames))
    for roi, name in enumerate(classes):
        if name != "none":
            dff[roi] += 2 * (driven[name] - driven[name].mean()) / driven[name].std()
    dff[-2], dff[-1, 7] = 0.0, np.nan
    values = (0.1 * dff if signal == "dff" else 100 + 2 * np.nan_to_num(dff)).astype(np.float32)
    unit_id = 10 + np.arange(len(values), dtype=np.int64)
    about = {
        "session_id": session_id, "project": "lab", "subject_id": f"mouse-{session_id}", "location": "VISp",
        "simulated": True, "unit_count": len(unit_id), "signals": signal, "frame_count": n_frames, "rate_hz": RATE_HZ,
        "source_uri": f"/lab/{session_id}", "content_sha256": session_id, "reader": "nwb", "reader_version": 1,
    }  # fmt: skip
    events = sorted((100 + at_s, kind) for kind, times in onsets.items() for at_s in times)
    in_plane = {"x_px": rng.uniform(0, 512, len(unit_id)), "y_px": rng.uniform(0, 512, len(unit_id))}
    rows = {
        SESSIONS: SESSIONS.rows([about | of_session]),
        UNITS: UNITS.rows({"session_id": [session_id] * len(unit_id), "unit_id": unit_id} | in_plane),
        FRAMES: FRAMES.rows({"session_id": [session_id] * n_frames, "frame": range(n_frames), "time_s": frame_s}),
    }
    if events:
        rows[EVENTS] = EVENTS.rows(
            {
                "session_id": [session_id] * len(events),
                "event_id": range(len(events)),
                "kind": [kind for _, kind in events],
                "image_name": ["im061" if kind == "image" else None for _, kind in events],
                "onset_s": [at_s for at_s, _ in events],
            }
        )
    samples = pl.DataFrame({"sample": range(n_frames), "time_s": frame_s, "value": running}).with_columns(
        session_id=pl.lit(session_id), signal=pl.lit(RUNNING)
    )
    behavior = RowBlocks(BEHAVIOR_SIGNALS, lambda: iter([BEHAVIOR_SIGNALS.rows(samples)]))
    lake.replace(rows, traces=[TraceMatrix(session_id, signal, unit_id, values)], blocks=[behavior], message="planted")
    return [*classes, "none", "none"]
