"""Event-locked responses of a session, beside loops over pandas, pynapple, the AllenSDK and a copy of the result.

    make bench-events

Ours, pynapple's and the copy's are medians of seven calls after a first one, which compiles; loops are timed on a part
of the cells and events, and what the whole would take is reckoned from it.
"""

import argparse
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pynapple as nap
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Page

from models.event_responses import event_responses, mean_response
from models.event_windows import Window

RATE_HZ = 31.0
N_FRAMES = 140_000
WINDOW = Window(-1.0, 2.0, 90)
REPEATS = 7
LOOP_UNITS, LOOP_EVENTS = 2, 500
ALLEN_PYTHON = Path(__file__).resolve().parents[1] / ".venv-allen" / "bin" / "python"


def main() -> None:
    """Measure every road once, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=200, help="units of the session (default 200)")
    parser.add_argument("--events", type=int, default=4_800, help="presentations (default 4800)")
    chosen = parser.parse_args()
    with Progress(transient=True) as bars:
        step = bars.add_task("measuring", total=REPEATS + 3)
        rows = _measure(chosen.units, chosen.events, lambda: bars.advance(step))
    title = f"{chosen.units} units x {chosen.events:,} presentations x {WINDOW.n_samples} points of float32"
    page = Page("road", "time", "neurolake is", "what it does", title=title)
    for row in rows:
        page.add_row(*row)
    Console().print(page)


def _measure(n_units: int, n_events: int, advance: Callable[[], None]) -> list[tuple[str, ...]]:
    rng = np.random.default_rng(0)
    dff = rng.standard_normal((n_units, N_FRAMES), dtype=np.float32)
    frame_s = np.arange(N_FRAMES) / RATE_HZ
    onset_s = np.sort(rng.uniform(5, frame_s[-1] - 5, n_events))

    _require_right(dff, frame_s, onset_s)
    traces, onsets = nap.TsdFrame(t=frame_s, d=dff.T.copy()), nap.Ts(t=onset_s)
    result = event_responses(dff, frame_s, onset_s, WINDOW).values
    roads = {
        "ours": lambda: event_responses(dff, frame_s, onset_s, WINDOW),
        "mean": lambda: mean_response(dff, frame_s, onset_s, WINDOW),
        "copy": result.copy,
        "pynapple": lambda: nap.compute_perievent(traces, onsets, (1.0, 2.0)),
    }
    seconds = _medians_s(roads, advance)
    ours_s = seconds["ours"]
    pandas_s = _pandas_s(dff, frame_s, onset_s)
    advance()
    allen_s = _allen_s(n_units, n_events)
    advance()

    def row(road: str, seconds: float | None, does: str) -> tuple[str, ...]:
        if seconds is None:
            return road, "not here: make allen", "", does
        times = f"{seconds / ours_s:,.1f} times as fast" if seconds != ours_s else ""
        return road, f"{seconds:,.3f} s" if seconds < 100 else f"{seconds:,.0f} s", times, does

    part = f"reckoned from {LOOP_UNITS} x {LOOP_EVENTS}"
    return [
        row("neurolake, event_responses", ours_s, "interpolates, subtracts the baseline, checks for missing frames"),
        row("neurolake, mean_response", seconds["mean"], "the same, in 64 bits, averaged with s.e.m. and not kept"),
        row("copying the result alone", seconds["copy"], "nothing"),
        row("pynapple, compute_perievent", seconds["pynapple"], "frames as they are: no interpolation, no baseline"),
        row(f"pandas, a loop ({part})", pandas_s, "interpolates, subtracts the baseline"),
        row(f"AllenSDK, its loop ({part})", allen_s, "frames as they are, and two means"),
    ]


def _pandas_s(dff: np.ndarray, frame_s: np.ndarray, onset_s: np.ndarray) -> float:
    """Seconds for all pairs of unit and event, from a loop over some."""
    times_s = WINDOW.times_s
    traces = pd.DataFrame(dff[:LOOP_UNITS].T, index=frame_s)
    began, responses = time.perf_counter(), []
    for unit in traces.columns:
        trace = traces[unit]
        for onset in onset_s[:LOOP_EVENTS]:
            around = trace.loc[onset - 1.1 : onset + 2.1]
            response = pd.Series(np.interp(onset + times_s, around.index, around.to_numpy()), index=times_s)
            responses.append(response - response.loc[:-1e-9].mean())
    pd.concat(responses, axis=1)
    return (time.perf_counter() - began) / (LOOP_UNITS * LOOP_EVENTS) * len(dff) * len(onset_s)


def _allen_s(n_units: int, n_events: int) -> float | None:
    """Seconds for all pairs, from the AllenSDK's loop over some in its own environment; None where that isn't there."""
    if not ALLEN_PYTHON.exists():
        return None
    script = Path(__file__).with_name("event_responses_allen.py")
    command = [str(ALLEN_PYTHON), str(script), str(LOOP_UNITS), str(N_FRAMES), str(LOOP_EVENTS)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(ran.stdout.split()[-1]) * n_units * n_events


def _require_right(dff: np.ndarray, frame_s: np.ndarray, onset_s: np.ndarray) -> None:
    found = event_responses(dff[:3], frame_s, onset_s[:50], WINDOW).values
    right = np.array([[np.interp(one + WINDOW.times_s, frame_s, trace) for one in onset_s[:50]] for trace in dff[:3]])
    right -= right[..., WINDOW.baseline].mean(axis=-1, keepdims=True)
    if not np.allclose(found, right, atol=3e-6):
        raise SystemExit("the responses aren't those that np.interp gives")


def _medians_s(roads: dict[str, Callable[[], object]], advance: Callable[[], None]) -> dict[str, float]:
    """Median seconds of each road's calls after a first one; they take turns, so that what else runs troubles all."""
    seconds = {name: [] for name in roads}
    for _ in range(1 + REPEATS):
        for name, call in roads.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
        advance()
    return {name: statistics.median(of_road[1:]) for name, of_road in seconds.items()}


if __name__ == "__main__":
    main()
