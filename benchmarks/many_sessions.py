"""Many small sessions into one lake: by one process, and by three Prefect workers at once, as the lake grows.

    .venv/bin/python benchmarks/many_sessions.py

The sessions are matrices of 4 units x 60 frames as CSV with an event log and the YAML that describes them, so that what
is timed is what every session costs beside its data. Three workers: `make up` in a home of its own, and three Prefect
workers, each running the flow `ingest` on a third of the sessions. Times are those between the lake's commits.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import track
from rich.table import Table as Page

from storage.due import new_files
from storage.lake import Lake, open_lake
from storage.settings import Settings
from storage.sources import load_sources
from tasks.ingest import read_into_lake
from tests.flows.running_platform import ask_prefect, ended_run, everything
from tests.flows.test_day_folder import write_session

WORKERS = 3
_POOL = "many-sessions"
_SPANS = ((0, 50), (50, 100), (100, 200), (200, 300), (300, 400), (400, 500))
_COLUMNS = ("sessions in the lake", "one process", "three workers", "look for new files")


def main() -> None:
    """Measure both roads and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=500, help="how many, at most 999 (default 500)")
    count = parser.parse_args().sessions
    console = Console()
    # Short and open to others: Postgres has its socket below, and as root runs as another user.
    with tempfile.TemporaryDirectory(prefix="nl-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        thirds = write_thirds(folder / "day", count)
        alone_s, looking_s = alone(Settings(home=folder / "alone", threads=1), folder / "day", count)
        with console.status("three workers"), everything(folder / "home", thirds[0]) as environment:
            runs = in_three_workers(environment, thirds)
            seconds = [run["total_run_time"] for run in runs]
        with open_lake(Settings(home=folder / "home"), read_only=True) as lake:
            together_s = commit_times_s(lake)
    if len(together_s) != count:
        sys.exit(f"{len(together_s)} of {count} sessions are in: {[run['state']['message'] for run in runs]}")
    page = Page(*_COLUMNS, title=f"{count} small sessions; milliseconds a session")
    for start, stop in _spans(count):
        page.add_row(
            f"{start} to {stop}",
            f"{_per_session_ms(alone_s, start, stop):.0f}",
            f"{_per_session_ms(together_s, start, stop):.0f}",
            f"{looking_s[stop] * 1e3:.0f} for all",
        )
    console.print(page)
    console.print(f"one process: {alone_s[-1]:.0f} s; three flow runs: {max(seconds):.0f} s", highlight=False)
    console.print(_machine(), highlight=False, soft_wrap=True)


def write_thirds(folder: Path, count: int) -> list[Path]:
    """So many sessions, dealt out to a folder for each worker; those folders."""
    thirds = [folder / f"third{number}" for number in range(WORKERS)]
    for third in thirds:
        third.mkdir(parents=True)
    for number in range(count):
        write_session(thirds[number % WORKERS], number)
    return thirds


def alone(settings: Settings, folder: Path, count: int) -> tuple[list[float], dict[int, float]]:
    """Seconds at which each session was in, and how long a look for new files then took, after each span."""
    with open_lake(settings) as lake:
        files = new_files(lake, load_sources(folder)).new
        ends, looking_s, spent_s = [], {}, 0.0
        for number, file in enumerate(track(files, "one process", transient=True), start=1):
            began = time.perf_counter()
            if refusal := read_into_lake(file, settings).refusal:
                sys.exit(refusal)
            spent_s += time.perf_counter() - began
            ends.append(spent_s)
            if number in {stop for _, stop in _spans(count)}:
                began = time.perf_counter()
                new_files(lake, load_sources(folder))
                looking_s[number] = time.perf_counter() - began
    return ends, looking_s


def in_three_workers(environment: Mapping[str, str], thirds: Sequence[Path]) -> list[dict]:
    """A flow run of `ingest` for each folder, each on a worker of its own, at the same time; the runs as they ended."""
    environment = client_environment(environment)
    ask_prefect(environment, "/work_pools/", {"name": _POOL, "type": "process", "concurrency_limit": len(thirds)})
    flow = ask_prefect(environment, "/flows/", {"name": "ingest"})
    deployment = ask_prefect(
        environment,
        "/deployments/",
        {"name": "third", "flow_id": flow["id"], "entrypoint": "flows.ingest.ingest", "work_pool_name": _POOL}
        | {"pull_steps": [], "enforce_parameter_schema": False},
    )
    runs = [
        ask_prefect(
            environment,
            f"/deployments/{deployment['id']}/create_flow_run",
            {"parameters": {"choice": {"sources": str(third)}}},
        )
        for third in thirds
    ]
    with ExitStack() as stack:
        for number in range(len(thirds)):
            stack.enter_context(_worker(environment, f"third-{number}"))
        return [ended_run(environment, run["id"], within_s=1800) for run in runs]


def client_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a program of a running platform is told, as `make up` tells its own."""
    return dict(environment) | {
        "NEUROLAKE_MLFLOW": f"http://127.0.0.1:{environment['NEUROLAKE_MLFLOW_PORT']}",
        "PREFECT_API_URL": f"http://127.0.0.1:{environment['NEUROLAKE_PREFECT_PORT']}/api",
        "PREFECT_HOME": f"{environment['NEUROLAKE_HOME']}/prefect",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "PREFECT_WORKER_QUERY_SECONDS": "3",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


@contextmanager
def _worker(environment: Mapping[str, str], name: str) -> Iterator[None]:
    """A Prefect worker that runs one flow at a time; what it says is beside the logs of `make up`."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", _POOL, "--name", name, "--limit", "1"]
    log = Path(environment["NEUROLAKE_HOME"]) / "services" / "logs" / f"{name}.log"
    with log.open("wb") as opened:
        worker = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=opened, stderr=opened
        )
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(60)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def commit_times_s(lake: Lake) -> list[float]:
    """Seconds from the first session's commit to that of each."""
    commits = lake.snapshots().filter(pl.col("commit_message").str.starts_with("ingest "))["snapshot_time"].sort()
    return [since.total_seconds() for since in commits - commits[0]] if len(commits) else []


def _spans(count: int) -> list[tuple[int, int]]:
    return [(start, min(stop, count)) for start, stop in (*_SPANS, (500, 999)) if start < count]


def _per_session_ms(ends_s: Sequence[float], start: int, stop: int) -> float:
    return (ends_s[stop - 1] - (ends_s[start - 1] if start else 0)) / (stop - start) * 1e3


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "prefect", "pyarrow"))
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {packages}"


if __name__ == "__main__":
    main()
