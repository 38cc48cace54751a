"""Work per session in this process and on Dask: the same rows; and what becomes of it when workers die."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dask
import polars as pl
import pytest
from distributed import LocalCluster
from prefect import task

from flows import runner
from flows.runner import Cluster, NoCluster
from models.simulate import ChangeDetectionPlan
from samples.write_sessions import write_sessions
from storage.attach import LakeMissing
from storage.check import run_checks
from storage.lake import open_lake
from storage.settings import Settings
from storage.tables import TABLES

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]

STEPS = Path(__file__).with_name("session_steps.py")
PLAN = ChangeDetectionPlan(n_vip_mice=1, n_sst_mice=1, cells_per_mouse=3, duration_s=60)
# Of the run that wrote a row, and not of what the row says.
OF_THE_RUN = ("snapshot_id", "finished_at", "rejected_at", "ingested_at")


def steps(home: Path, *arguments: str, **environment: str) -> dict:
    """What the flow of `session_steps` said, run in a process of its own."""
    running = start_steps(home, *arguments, **environment)
    return outcome(running)


def start_steps(home: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    command = [sys.executable, str(STEPS), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=of_lake(home, **environment), start_new_session=True, **pipes)


def of_lake(home: Path, **environment: str) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("NEUROLAKE_", "PREFECT_"))}
    return own | {"NEUROLAKE_HOME": str(home), "NEUROLAKE_THREADS": "1"} | environment


def outcome(running: subprocess.Popen) -> dict:
    out, err = running.communicate(timeout=600)
    assert running.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def rows(home: Path) -> dict[str, pl.DataFrame]:
    """Every table of a lake, in a fixed order and without what the run decides."""
    with open_lake(Settings(home=home), read_only=True) as lake:
        assert [result.name for result in run_checks(lake) if len(result.offending)] == []
        tables = {table.name: lake.query(f"FROM {table.name}") for table in TABLES}
    tables = {name: rows.drop(OF_THE_RUN, strict=False) for name, rows in tables.items()}
    return {name: rows.sort(rows.columns) for name, rows in tables.items()}


def test_dask_gives_the_same_rows(tmp_path: Path) -> None:
    recordings = tmp_path / "lab"
    write_sessions(PLAN, recordings)
    (recordings / "empty.nwb").write_bytes(b"")
    here = steps(tmp_path / "here", str(recordings))
    spread = steps(tmp_path / "spread", str(recordings), NEUROLAKE_RUNNER="dask")
    assert here == spread
    assert (len(here["read"]), here["measured"], here["failures"]) == (5, 4, [])
    assert spread["states"] == {"Completed": 9}
    of_here, of_spread = rows(tmp_path / "here"), rows(tmp_path / "spread")
    assert len(of_here["recorded.rejected"]) == 1
    assert len(of_here["derived.response_features"]) == 4 * 3 * 2
    differing = [name for name in of_here if not of_here[name].equals(of_spread[name])]
    assert differing == []


@contextmanager
def scheduler_and_workers(home: Path, count: int) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and workers as a person starts them, one worker process each, begun again when it dies."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask_cli = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": of_lake(home)}
    started = [subprocess.Popen([*dask_cli, "scheduler", "--host", address, "--no-dashboard"], **quiet)]
    try:
        worker = [*dask_cli, "worker", address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        started += [subprocess.Popen(worker, **quiet) for _ in range(count)]
        yield address, started[1:]
    finally:
        for one in reversed(started):
            one.send_signal(signal.SIGTERM)
        for one in reversed(started):
            one.wait(60)


def test_a_worker_that_is_killed_loses_nothing_and_a_deadly_item_fails_by_name(tmp_path: Path) -> None:
    recordings, home = tmp_path / "lab", tmp_path / "home"
    write_sessions(ChangeDetectionPlan(n_vip_mice=2, n_sst_mice=1, cells_per_mouse=3, duration_s=60), recordings)
    with scheduler_and_workers(home, 2) as (address, workers):
        running = start_steps(home, str(recordings), "--deadly", NEUROLAKE_RUNNER="dask", NEUROLAKE_DASK=address)
        give_up_at = time.monotonic() + 300
        while session_count(home) == 0:
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        [at_work] = children(workers[0].pid)
        os.kill(at_work, signal.SIGKILL)
        said = outcome(running)
    assert (len(said["read"]), said["measured"]) == (6, 6)
    assert said["survived"] == [0, 2]
    assert [failure.partition(":")[0] for failure in said["failures"]] == ["survive, 1"]
    assert "the Dask cluster lost it" in said["failures"][0]
    assert said["states"] == {"Completed": 14, "Crashed": 1}
    assert {name: len(rows) for name, rows in rows(home).items() if name == "recorded.sessions"} == {
        "recorded.sessions": 6
    }


def session_count(home: Path) -> int:
    with suppress(LakeMissing), open_lake(Settings(home=home), read_only=True) as lake:
        return lake.query("SELECT count(*) FROM recorded.sessions").item()
    return 0


def children(pid: int) -> list[int]:
    """The worker process of a nanny; not the one that keeps track of what multiprocessing must clean up."""
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for one in found if "spawn_main" in Path(f"/proc/{one}/cmdline").read_text()]


@task
def wait_for_ever() -> None:
    time.sleep(3600)


def test_a_scheduler_that_is_not_there_is_named_with_what_to_set() -> None:
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(NoCluster, match=r"tcp://127\.0\.0\.1:9 .*NEUROLAKE_DASK"),
        Cluster(Settings(runner="dask", dask="tcp://127.0.0.1:9")),
    ):
        pass


def test_work_ends_when_no_worker_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_LOOK_EVERY_S", 0.5)
    monkeypatch.setattr(runner, "_WITHOUT_WORKERS_S", 2.0)
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as elsewhere,
        Cluster(Settings(runner="dask", dask=elsewhere.scheduler_address)) as cluster,
    ):
        elsewhere.scale(0)
        ended = list(cluster.states(wait_for_ever, [(), ()]))
    assert [place for place, _ in ended] == [0, 1]
    assert all(state.is_crashed() and "had no worker for 2 s" in state.message for _, state in ended)
