"""A dF/F session into the lake and back as a matrix, beside NumPy's own files and pandas on long Parquet.

    make bench

Every read is the median of five after a first one, with the files in the page cache, for all roads alike.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Page

from storage.lake import open_lake
from storage.settings import Settings
from storage.tables import FRAMES, SESSIONS, UNITS
from storage.traces import TraceMatrix

SESSION_ID = "bench-session"
RATE_HZ = 31.0
SPAN = slice(70_000, 70_091)
# Long rows of a whole session are more than pandas sorts in the memory of a small machine.
PANDAS_SHARE = 10


def main() -> None:
    """Measure every road once, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=200, help="units of the session (default 200)")
    parser.add_argument("--frames", type=int, default=140_000, help="frames of the session (default 140000)")
    parser.add_argument("--peak-of", choices=("open", "read", "write", "replace"), help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peak_of:
        _print_peak(chosen.peak_of, Settings(home=chosen.home), chosen.units, chosen.frames)
        return
    with tempfile.TemporaryDirectory(prefix="neurolake-bench-") as folder, Progress(transient=True) as bars:
        step = bars.add_task("measuring", total=11)
        rows = list(_measure(Path(folder), chosen.units, chosen.frames, lambda: bars.advance(step)))
    page = Page("road", "time", "rate", "beside", title=f"{chosen.units} units x {chosen.frames:,} frames of float32")
    for row in rows:
        page.add_row(*row)
    Console().print(page)


def _measure(folder: Path, n_units: int, n_frames: int, advance: Callable[[], None]) -> list[tuple[str, ...]]:
    dff = _session(n_units, n_frames)
    megabytes = dff.nbytes / 1e6
    settings = Settings(home=folder / "home")
    rows: list[tuple[str, ...]] = []

    def add(road: str, seconds: float, beside: str = "", size: float = megabytes) -> float:
        rate = size / seconds
        rows.append((road, f"{seconds * 1e3:,.0f} ms", f"{rate:,.0f} MB/s", beside))
        advance()
        return rate

    with open_lake(settings) as lake:
        began = time.perf_counter()
        lake.replace(session_rows(n_units, n_frames), traces=[matrix(dff)], message="benchmark")
        add("lake.replace, on disk when it returns", time.perf_counter() - began, "wanted: 124 MB/s")
        if not np.array_equal(lake.traces(SESSION_ID).values, dff):
            raise SystemExit("the lake gave back other values than it was given")
        saved = folder / "dff.npy"
        began = time.perf_counter()
        np.save(saved, dff)
        _sync(saved)
        add("np.save and fsync", time.perf_counter() - began)

        loaded = _median_s(lambda: np.load(saved))
        read = _median_s(lambda: lake.traces(SESSION_ID))
        numpy_rate = add("np.load", loaded)
        share = (megabytes / read) / numpy_rate
        add("lake.traces, the whole matrix", read, f"{share:.0%} of np.load; wanted: 50 %")

        unit = int(lake.traces(SESSION_ID, frames=slice(0, 1)).unit_id[n_units // 2])
        question = """SELECT value FROM recorded.traces WHERE session_id = $session_id AND signal = 'dff'
            AND unit_id = $unit AND frame >= $start AND frame < $stop ORDER BY frame"""
        wanted = {"session_id": SESSION_ID, "unit": unit, "start": SPAN.start, "stop": SPAN.stop}
        by_sql = _median_s(lambda: lake.query(question, **wanted), repeats=20)
        direct = _median_s(lambda: lake.traces(SESSION_ID, frames=SPAN, units=[unit]), repeats=20)
    for road, seconds in (("91 frames of one unit, by SQL", by_sql), ("91 frames of one unit, lake.traces", direct)):
        rows.append((road, f"{seconds * 1e3:,.1f} ms", "", "wanted: under 50 ms"))
        advance()

    part = dff[: max(1, n_units // PANDAS_SHARE)]
    long = folder / "long.parquet"
    began = time.perf_counter()
    _to_long(part).to_parquet(long, index=False)
    _sync(long)
    size = part.nbytes / 1e6
    add(f"pandas to long Parquet, {len(part)} units", time.perf_counter() - began, "rate of its part", size)
    back = _median_s(
        lambda: pd.read_parquet(long).pivot(index="unit_id", columns="frame", values="value").to_numpy(), 3
    )
    add(f"pandas read and pivot, {len(part)} units", back, "rate of its part", size)

    opened = _peak_of("open", settings, n_units, n_frames)[0]
    another = Settings(home=folder / "another home")
    for what, where in (("read", settings), ("write", another), ("replace", another)):
        peak, seconds = _peak_of(what, where, n_units, n_frames)
        # A writer holds the matrix that it is given: that is part of its peak.
        beside = f"{(peak - opened) / megabytes:.2f} matrices" + ("" if what == "replace" else "; wanted: under 2")
        rows.append((f"peak memory to {what} it", f"{seconds * 1e3:,.0f} ms", f"{peak - opened:,.0f} MB", beside))
        advance()
    return rows


def session_rows(n_units: int, n_frames: int) -> dict:
    """Rows of the session but for its traces."""
    session = dict.fromkeys(SESSIONS.column_names) | {
        "session_id": SESSION_ID, "project": "bench", "subject_id": "none", "simulated": True, "unit_count": n_units,
        "frame_count": n_frames, "rate_hz": RATE_HZ, "source_uri": "none", "content_sha256": "0" * 64,
        "reader": "benchmark", "reader_version": 1,
    }  # fmt: skip
    units = {"session_id": [SESSION_ID] * n_units, "unit_id": list(range(n_units))}
    units |= dict.fromkeys(("x_px", "y_px", "area_px"), [None] * n_units)
    frames = {
        "session_id": [SESSION_ID] * n_frames,
        "frame": np.arange(n_frames),
        "time_s": np.arange(n_frames) / RATE_HZ,
    }
    return {SESSIONS: SESSIONS.rows([session]), UNITS: UNITS.rows(units), FRAMES: FRAMES.rows(frames)}


def matrix(dff: np.ndarray) -> TraceMatrix:
    """The session's traces."""
    return TraceMatrix(SESSION_ID, "dff", np.arange(len(dff)), dff)


def _session(n_units: int, n_frames: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n_units, n_frames), dtype=np.float32)  # (n_units, n_frames)


def _to_long(dff: np.ndarray) -> pd.DataFrame:
    n_units, n_frames = dff.shape
    unit_id, frame = np.repeat(np.arange(n_units), n_frames), np.tile(np.arange(n_frames, dtype=np.int32), n_units)
    return pd.DataFrame({"unit_id": unit_id, "frame": frame, "value": dff.ravel()})


def _median_s(read: Callable[[], object], repeats: int = 5) -> float:
    read()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _peak_of(what: str, settings: Settings, n_units: int, n_frames: int) -> tuple[float, float]:
    """Largest resident size in MB, and seconds, of a process of its own that does one thing."""
    command = [sys.executable, __file__, "--peak-of", what, "--home", str(settings.home)]
    command += ["--units", str(n_units), "--frames", str(n_frames)]
    peak, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(peak), float(seconds)


def _print_peak(what: str, settings: Settings, n_units: int, n_frames: int) -> None:
    with open_lake(settings) as lake:
        began = time.perf_counter()
        if what == "read":
            lake.traces(SESSION_ID)
        elif what in ("write", "replace"):
            traces = [matrix(_session(n_units, n_frames))]
            began = time.perf_counter()
            lake.replace(session_rows(n_units, n_frames), traces=traces, message=what)
    seconds = time.perf_counter() - began
    # Not ru_maxrss: a started process inherits the peak of the one that started it.
    status = Path("/proc/self/status").read_text()
    print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1e3, seconds)


if __name__ == "__main__":
    main()
