"""A recording into the lake, beside h5py and Parquet alone, and beside the AllenSDK's own load of the same file.

    make bench-ingest

The sessions are written by the AllenSDK from simulated values, in its own environment (`make allen`): one with dF/F and
what the AllenSDK loads no file without, and one with all signals that a release has.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow.dataset  # noqa: F401 - which DuckDB imports with the first rows it is given: no road's imports are timed
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table as Page

from storage.content_hash import HashCache, content_sha256
from storage.due import NewFile
from storage.lake import open_lake
from storage.settings import Settings
from tasks.ingest import read_into_lake

REPOSITORY = Path(__file__).resolve().parents[1]
ALLEN = REPOSITORY / ".venv-allen" / "bin" / "python"
RATE_HZ = 31.0
SESSIONS = {"dF/F, corrected traces, events": ["--needed-signals"], "all signals": []}
SDK_LOAD = """
import sys, time, warnings
warnings.filterwarnings("ignore")
from allensdk.brain_observatory.behavior.behavior_ophys_experiment import BehaviorOphysExperiment
began = time.perf_counter()
session = BehaviorOphysExperiment.from_nwb_path(sys.argv[1])
for name in session.list_data_attributes_and_methods():
    value = getattr(session, name)
    if name in ("dff_traces", "events", "running_speed", "eye_tracking", "stimulus_presentations", "trials"):
        len(value)
print(time.perf_counter() - began)
"""


def main() -> None:
    """Measure every road, each in a process of its own, and print a table for each session."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=300, help="units of the session (default 300)")
    parser.add_argument("--minutes", type=float, default=75.0, help="its length (default 75)")
    parser.add_argument("--large-gb", type=float, default=6.0, help="dF/F of the large session (default 6)")
    parser.add_argument("--repeats", type=int, default=5, help="the median of so many rounds (default 5)")
    parser.add_argument("--one", choices=("hdf5", "parquet", "ingest", "load"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        _one(chosen.one, chosen.file, chosen.home)
        return
    if not ALLEN.exists():
        sys.exit("the session is written by the AllenSDK: `make allen` first")
    console = Console()
    for held in SESSIONS:
        with tempfile.TemporaryDirectory(prefix="neurolake-bench-") as folder, console.status(f"a session: {held}"):
            page = _measure(Path(folder), held, chosen.units, chosen.minutes, chosen.repeats)
        console.print(page)
    with tempfile.TemporaryDirectory(prefix="neurolake-bench-") as folder, console.status("a large session"):
        page = _measure_large(Path(folder), chosen.units, chosen.large_gb)
    console.print(page)


def _measure(folder: Path, held: str, units: int, minutes: float, repeats: int) -> Page:
    file = folder / "session.nwb"
    writer = [str(ALLEN), str(REPOSITORY / "tests" / "allen" / "planted_sessions.py"), "--kind", "visual_behavior"]
    size = ["--cells", str(units), "--minutes", str(minutes), "--scientifica", "--out", str(file)]
    subprocess.run([*writer, *size, *SESSIONS[held]], check=True, capture_output=True)

    def hdf5(home: Path) -> float:
        return _run("hdf5", file, home)[0]

    def ingest(home: Path) -> float:
        return _run("ingest", file, home)[0]

    def parquet(home: Path) -> float:
        return _run("parquet", folder / "home ingest 0", home)[0]

    def lake(home: Path) -> float:
        return _run("load", file, folder / "home ingest 0")[0]

    def allensdk(home: Path) -> float:
        shown = subprocess.run([str(ALLEN), "-c", SDK_LOAD, str(file)], check=True, capture_output=True, text=True)
        return float(shown.stdout)

    _run("hdf5", file, folder)  # the file into the page cache, for all roads alike
    began = time.perf_counter()
    content_sha256(file)
    hashing = time.perf_counter() - began
    # In turn, so that a busy minute of the machine falls on all of them.
    roads: list[Callable[[Path], float]] = [ingest, hdf5, parquet, lake, allensdk]
    rounds = [[road(folder / f"home {road.__name__} {number}") for road in roads] for number in range(repeats)]
    ours, read, written, loaded, sdk = np.array(rounds).T  # each (n_rounds,)
    alone = read + written
    megabytes = file.stat().st_size / 1e6
    title = f"{units} units, {minutes:g} minutes at {RATE_HZ:g} Hz, {held}: {megabytes:,.0f} MB of NWB"
    page = Page("road", "time", "beside", title=title)
    page.add_row("neurolake: read, checked, written, committed", _seconds(ours), "")
    page.add_row("SHA-256 of the file, once in its life", f"{hashing:.2f} s", "")
    page.add_row("h5py and Parquet alone", _seconds(alone), f"ingest: {_times(alone / ours)} their speed; wanted: 0.4")
    page.add_row("the AllenSDK's load", _seconds(sdk), f"ingest: {_times(sdk / ours)} its speed; wanted: 5")
    page.add_row("the same out of the lake", _seconds(loaded), f"{_times(sdk / loaded)} the AllenSDK's speed")
    return page


def _seconds(of_rounds: np.ndarray) -> str:
    return f"{np.median(of_rounds):.2f} s"


def _times(of_rounds: np.ndarray) -> str:
    """Median and range over rounds: in one, both roads met the same minutes of the machine."""
    return f"{np.median(of_rounds):.1f} x ({of_rounds.min():.1f} to {of_rounds.max():.1f})"


def _measure_large(folder: Path, units: int, gigabytes: float) -> Page:
    file = folder / "large.nwb"
    _write_large(file, units, int(gigabytes * 1e9 / 4 / units))
    seconds, peak = _run("ingest", file, folder / "home large")
    page = Page("large session", "time", "peak memory", "beside", title=f"{file.stat().st_size / 1e9:.1f} GB of NWB")
    page.add_row("neurolake", f"{seconds:.0f} s", f"{peak:,.0f} MB", "wanted: under 1,500 MB")
    return page


def _run(one: str, file: Path, home: Path) -> tuple[float, float]:
    """Seconds, and the largest resident size in MB, of a process of its own."""
    command = [sys.executable, __file__, "--one", one, "--file", str(file), "--home", str(home)]
    seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak)


def _one(one: str, file: Path, home: Path) -> None:
    seconds = {"hdf5": _read_all, "parquet": _write_all, "ingest": _ingest, "load": _load}[one](file, home)
    # Not ru_maxrss: a started process inherits the peak of the one that started it.
    status = Path("/proc/self/status").read_text()
    print(seconds, int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1e3)


def _ingest(file: Path, home: Path) -> float:
    settings = Settings(home=home)
    with open_lake(settings):
        pass
    # As in a night, where the look for new files has hashed it.
    HashCache(settings.cache_folder).content_sha256(file)
    began = time.perf_counter()
    outcome = read_into_lake(NewFile("bench", None, str(file)), settings)
    seconds = time.perf_counter() - began
    if outcome.refusal:
        sys.exit(outcome.refusal)
    return seconds


def _load(_: Path, home: Path) -> float:
    """Every trace as a matrix and every other row of the session, as Polars."""
    began = time.perf_counter()
    with open_lake(Settings(home=home), read_only=True) as lake:
        session_id, signals = lake.query("SELECT session_id, signals FROM recorded.sessions").row(0)
        for signal in signals.split(","):
            lake.traces(session_id, signal)
        for table in ("units", "frames", "events", "trials", "behavior_signals", "images"):
            lake.query(f"FROM recorded.{table} WHERE session_id = $session_id", session_id=session_id)
    return time.perf_counter() - began


def _read_all(file: Path, _: Path) -> float:
    """Every dataset of the file, as NumPy arrays."""
    began = time.perf_counter()

    def read(_: str, item: h5py.Dataset | h5py.Group) -> None:  # a visit ends at the first that returns something
        if isinstance(item, h5py.Dataset):
            item[()]

    with h5py.File(file, "r") as opened:
        opened.visititems(read)
    return time.perf_counter() - began


def _write_all(lake_home: Path, home: Path) -> float:
    """The rows that the lake holds, by pyarrow's writer; what is timed is the writing to disk alone."""
    home.mkdir(parents=True)
    seconds = 0.0
    for number, source in enumerate(sorted((lake_home / "lake" / "data").rglob("*.parquet"))):
        rows = pq.ParquetFile(source).read()
        written = home / f"{number}.parquet"
        began = time.perf_counter()
        with written.open("wb") as opened:
            pq.write_table(rows, opened, compression="lz4", use_dictionary=False)
            opened.flush()
            os.fsync(opened.fileno())
        seconds += time.perf_counter() - began
        written.unlink()
    return seconds


def _write_large(file: Path, units: int, frames: int) -> None:
    """A two-photon session larger than memory should have to hold, written in blocks of simulated dF/F."""
    from datetime import UTC, datetime

    from hdmf.data_utils import DataChunkIterator
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject
    from pynwb.ophys import DfOverF, ImageSegmentation, OpticalChannel

    rng = np.random.default_rng(0)
    block = rng.standard_normal((20_000, units), dtype=np.float32) * 0.1  # (n_frames, n_units)

    def blocks() -> "object":
        for start in range(0, frames, len(block)):
            yield from (block + np.float32(start / frames))[: frames - start]

    nwbfile = NWBFile("simulated", "large", datetime(2026, 1, 5, 9, 30, tzinfo=UTC), keywords=["simulated"])
    nwbfile.session_id = "large"
    nwbfile.subject = Subject(subject_id="none", species="Mus musculus")
    channel = OpticalChannel(name="green", description="green", emission_lambda=520.0)
    plane = nwbfile.create_imaging_plane(
        name="plane", optical_channel=channel, description="plane", device=nwbfile.create_device("microscope"),
        excitation_lambda=910.0, indicator="GCaMP6f", location="VISp",
    )  # fmt: skip
    module = nwbfile.create_processing_module("ophys", "two-photon")
    segmentation = ImageSegmentation()
    module.add(segmentation)
    cells = segmentation.create_plane_segmentation(name="cells", description="cells", imaging_plane=plane)
    for unit in range(units):
        cells.add_roi(pixel_mask=[(unit, unit, 1.0)])
    dff = DfOverF(name="dff")
    module.add(dff)
    dff.create_roi_response_series(
        name="traces",
        data=DataChunkIterator(data=blocks(), maxshape=(frames, units), dtype=np.dtype("f4"), buffer_size=2048),
        unit="dF/F",
        rate=RATE_HZ,
        rois=cells.create_roi_table_region(region=list(range(units)), description="cells"),
    )
    with NWBHDF5IO(file, "w") as io:
        io.write(nwbfile)


if __name__ == "__main__":
    main()
