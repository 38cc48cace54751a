"""Spikes per presentation: arrays beside the AllenSDK, and from Parquet by DuckDB and by Polars.

    python benchmarks/presentation_counts.py [--units 800] [--presentations 5950] [--spikes 50000000]

Arrays: medians of five calls after a first one, which compiles, beside the AllenSDK's own code in its environment
(median of three). Parquet: each road from the file to one count per unit and presentation, once warm, median of three.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Page

import sql
from models.presentation_counts import SpikeTrains, presentation_counts, spike_trains

ALLEN_PYTHON = Path(__file__).resolve().parents[1] / ".venv-allen" / "bin" / "python"
WINDOW_S = 0.25
LENGTH_S = 9_000.0
CALLS, SLOW_CALLS = 5, 3


def main() -> None:
    """Measure every road, refuse to print one that counts differently, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=800, help="units of the session (default 800)")
    parser.add_argument("--presentations", type=int, default=5_950, help="presentations (default 5950)")
    parser.add_argument("--spikes", type=int, default=50_000_000, help="spikes of all units (default 50 million)")
    chosen = parser.parse_args()
    size = f"{chosen.units} units x {chosen.presentations:,} presentations x {chosen.spikes:,} spikes"
    with Progress(transient=True) as bars, tempfile.TemporaryDirectory() as folder:
        step = bars.add_task("measuring", total=10)
        trains, onset_s = _session(chosen.units, chosen.presentations, chosen.spikes)
        arrays = _arrays(trains, onset_s, Path(folder), lambda: bars.advance(step))
        tables = _tables(trains, onset_s, Path(folder), lambda: bars.advance(step))
    console = Console()
    page = Page("road", "1 bin", "25 bins", title=f"{size}, as arrays")
    for row in arrays:
        page.add_row(*row)
    console.print(page)
    page = Page("road", "time", "of the fastest", title=f"{size}, 1 bin, from Parquet")
    for row in tables:
        page.add_row(*row)
    console.print(page)


def _session(n_units: int, n_presentations: int, n_spikes: int) -> tuple[SpikeTrains, np.ndarray]:
    """Units of log-normal rates over 150 minutes; presentations of 250 ms in three blocks without pauses."""
    rng = np.random.default_rng(0)
    share = np.exp(rng.standard_normal(n_units))
    counts = rng.multinomial(n_spikes, share / share.sum())
    trains = [np.sort(rng.uniform(0, LENGTH_S, count)) for count in counts]
    blocks = np.array_split(np.arange(n_presentations), 3)
    onset_s = np.concatenate([LENGTH_S * at / 3 + WINDOW_S * (block - block[0]) for at, block in enumerate(blocks)])
    return SpikeTrains.of(trains), onset_s + 1.0


def _arrays(
    trains: SpikeTrains, onset_s: np.ndarray, folder: Path, advance: Callable[[], None]
) -> list[tuple[str, ...]]:
    ours, theirs = [], []
    for n_bins in (1, 25):
        edges_s = np.linspace(0, WINDOW_S, n_bins + 1)
        found, seconds = _median(lambda edges=edges_s: presentation_counts(trains, onset_s, edges), CALLS)
        ours.append(seconds)
        advance()
        theirs.append(_allen(trains, onset_s, edges_s, folder, found))
        advance()
    rows = [("neurolake, presentation_counts", *(f"{one:.2f} s" for one in ours))]
    if None in theirs:
        return [*rows, ("AllenSDK", "not here: make allen", "")]
    rows += [("AllenSDK, build_spike_histogram", *(f"{one:.2f} s" for one in theirs))]
    return [*rows, ("neurolake is", *(f"{b / a:.1f} times as fast" for a, b in zip(ours, theirs, strict=True)))]


def _allen(
    trains: SpikeTrains, onset_s: np.ndarray, edges_s: np.ndarray, folder: Path, ours: np.ndarray
) -> float | None:
    """Median seconds of the AllenSDK's calls, whose counts must be ours; None where its environment isn't there."""
    if not ALLEN_PYTHON.exists():
        return None
    given, counted = folder / "spikes.npz", folder / "counts.npy"
    np.savez(given, time_s=trains.time_s, ends=trains.ends, onset_s=onset_s, edges_s=edges_s)
    script = Path(__file__).with_name("presentation_counts_allen.py")
    command = [str(ALLEN_PYTHON), str(script), str(given), str(counted), str(SLOW_CALLS)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    theirs = np.load(counted, mmap_mode="r")
    if not all(np.array_equal(ours[unit], theirs[:, :, unit]) for unit in range(len(ours))):
        raise SystemExit("the counts aren't those of the AllenSDK")
    return statistics.median(map(float, ran.stdout.split()))


def _tables(
    trains: SpikeTrains, onset_s: np.ndarray, folder: Path, advance: Callable[[], None]
) -> list[tuple[str, ...]]:
    path = folder / "spikes.parquet"
    per_unit = np.diff(trains.ends, prepend=0)
    unit_id = np.repeat(np.arange(len(trains)), per_unit)
    spike = (np.arange(len(unit_id)) - np.repeat(trains.starts, per_unit)).astype(np.int32)
    table = pl.DataFrame({"session_id": "s", "unit_id": unit_id, "spike": spike, "time_s": trains.time_s})
    table.write_parquet(path, compression="lz4")
    del table, unit_id, spike
    expected = presentation_counts(trains, onset_s, np.array([0, WINDOW_S]), closed="left")[:, :, 0]
    events = pl.DataFrame({"event_id": np.arange(len(onset_s)), "onset_s": onset_s})
    units = np.arange(len(trains))
    roads: dict[str, Callable[[], np.ndarray]] = {
        "Polars reads, presentation_counts counts": lambda: _by_arrays(path, onset_s, units),
        "DuckDB, join on stretches of time (the macro)": lambda: _by_macro(path, events, units),
        "DuckDB, two ASOF joins": lambda: _by_duckdb_asof(path, events, units),
        "Polars, join on stretches of time": lambda: _by_polars_stretches(path, events, units),
        "Polars, two ASOF joins": lambda: _by_polars_asof(path, events, units),
    }
    seconds = {}
    for name, road in roads.items():
        found, seconds[name] = _median(road, SLOW_CALLS)
        if not np.array_equal(found, expected):
            raise SystemExit(f"{name}: other counts than those of the arrays")
        advance()
    fastest = min(seconds.values())
    return [
        (name, f"{took:.2f} s", f"{took / fastest:.1f}") for name, took in sorted(seconds.items(), key=lambda s: s[1])
    ]


def _by_arrays(path: Path, onset_s: np.ndarray, units: np.ndarray) -> np.ndarray:
    spikes = pl.read_parquet(path, columns=["unit_id", "time_s"])
    trains = spike_trains(spikes["unit_id"].to_numpy(), spikes["time_s"].to_numpy(), units)
    return presentation_counts(trains, onset_s, np.array([0, WINDOW_S]), closed="left")[:, :, 0]


def _by_macro(path: Path, events: pl.DataFrame, units: np.ndarray) -> np.ndarray:
    with _connected(path, events, units) as connection:
        connection.execute(files(sql).joinpath("macros", "presentation_spike_counts.sql").read_text())
        return _matrix(connection.execute("FROM presentation_spike_counts('s', 0, $1)", [WINDOW_S]), events, units)


def _by_duckdb_asof(path: Path, events: pl.DataFrame, units: np.ndarray) -> np.ndarray:
    # A spike's number in its unit is how many came before it.
    asked = """
        WITH windows AS (
            SELECT u.unit_id, e.event_id, e.onset_s AS begin_s, e.onset_s + $1 AS end_s
            FROM recorded.units AS u CROSS JOIN recorded.events AS e
        )
        SELECT w.unit_id, w.event_id, coalesce(b.spike + 1, 0) - coalesce(a.spike + 1, 0) AS spike_count
        FROM windows AS w
        ASOF LEFT JOIN recorded.spikes AS a ON a.unit_id = w.unit_id AND w.begin_s > a.time_s
        ASOF LEFT JOIN recorded.spikes AS b ON b.unit_id = w.unit_id AND w.end_s > b.time_s
    """
    with _connected(path, events, units) as connection:
        return _matrix(connection.execute(asked, [WINDOW_S]), events, units)


def _connected(path: Path, events: pl.DataFrame, units: np.ndarray) -> duckdb.DuckDBPyConnection:
    """DuckDB with the lake's tables of one session, spikes in the file."""
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA recorded")
    connection.from_parquet(str(path)).create_view("spikes_in_file")
    connection.execute("CREATE VIEW recorded.spikes AS FROM spikes_in_file")
    shown = events.with_columns(session_id=pl.lit("s"), name=pl.lit("scenes"), image_name=pl.lit("image"))
    known = pl.DataFrame({"session_id": "s", "unit_id": units})
    connection.register("shown", shown.to_arrow())
    connection.register("known", known.to_arrow())
    connection.execute("CREATE TABLE recorded.events AS FROM shown; CREATE TABLE recorded.units AS FROM known")
    return connection


def _matrix(asked: duckdb.DuckDBPyConnection, events: pl.DataFrame, units: np.ndarray) -> np.ndarray:
    return _filled(pl.from_arrow(asked.to_arrow_table()), events, units)


def _filled(found: pl.DataFrame, events: pl.DataFrame, units: np.ndarray) -> np.ndarray:
    counts = np.zeros((len(units), len(events)), np.int64)
    counts[found["unit_id"].to_numpy(), found["event_id"].to_numpy()] = found["spike_count"].to_numpy()
    return counts


def _by_polars_stretches(path: Path, events: pl.DataFrame, units: np.ndarray) -> np.ndarray:
    stretch = (pl.col("onset_s") // WINDOW_S).cast(pl.Int64)
    last = ((pl.col("onset_s") + WINDOW_S) // WINDOW_S).cast(pl.Int64)
    windows = events.lazy().with_columns(stretch=pl.int_ranges(stretch, last + 1)).explode("stretch")
    spikes = pl.scan_parquet(path).select("unit_id", "time_s", stretch=(pl.col("time_s") // WINDOW_S).cast(pl.Int64))
    inside = (pl.col("time_s") >= pl.col("onset_s")) & (pl.col("time_s") < pl.col("onset_s") + WINDOW_S)
    joined = spikes.join(windows, on="stretch").filter(inside)
    return _filled(joined.group_by("unit_id", "event_id").agg(spike_count=pl.len()).collect(), events, units)


def _by_polars_asof(path: Path, events: pl.DataFrame, units: np.ndarray) -> np.ndarray:
    spikes = pl.read_parquet(path, columns=["unit_id", "spike", "time_s"])
    windows = pl.DataFrame({"unit_id": units}).join(events, how="cross").sort("unit_id", "onset_s")
    before = [
        windows.with_columns(time_s=pl.col("onset_s") + after_s)
        .join_asof(spikes, on="time_s", by="unit_id", allow_exact_matches=False, check_sortedness=False)
        .select("unit_id", "event_id", n=pl.col("spike").fill_null(-1) + 1)
        for after_s in (0.0, WINDOW_S)
    ]
    return _filled(before[1].with_columns(spike_count=pl.col("n") - before[0]["n"]), events, units)


def _median(call: Callable[[], np.ndarray], calls: int) -> tuple[np.ndarray, float]:
    """What the call gives, and the median seconds of so many calls after a first one."""
    found, seconds = call(), []
    for _ in range(calls):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return found, statistics.median(seconds)


if __name__ == "__main__":
    main()
