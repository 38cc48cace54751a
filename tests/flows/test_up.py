"""Everything at once, as the engineer who keeps the platform starts it: real Postgres, servers, workers, schedules."""

import itertools
import json
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from flows.running import programs_of
from flows.start_checks import CannotStart, require_free_port
from models.simulate import ChangeDetectionPlan
from samples.write_sessions import write_sessions
from storage.lake import open_lake
from storage.postgres import running_postgres
from storage.settings import Settings
from tests.flows.running_platform import ask_prefect, command, completed_run, ended_run, run_deployment, said, started

pytestmark = pytest.mark.xdist_group("nights")

PLAN = ChangeDetectionPlan(n_vip_mice=2, n_sst_mice=2, cells_per_mouse=3, duration_s=90)
# Pretended: on a machine without them a run computes on the CPU, and is given its device all the same.
DEVICES = ("0", "1")


@dataclass(frozen=True)
class Platform:
    """A `make up` over eight recordings, with two devices."""

    home: Path
    recordings: Path
    process: subprocess.Popen
    environment: dict[str, str]

    def device_check(self, duration_s: float) -> str:
        """The id of a new run that keeps a device busy for so long."""
        choice = {"choice": {"device": "auto", "duration_s": duration_s}}
        return run_deployment(self.environment, "device_check/device-check", choice)["id"]

    def run(self, run_id: str) -> dict:
        return ask_prefect(self.environment, f"/flow_runs/{run_id}")

    def until_running(self, run_id: str) -> dict:
        give_up_at = time.monotonic() + 240
        while (run := self.run(run_id))["state_type"] != "RUNNING":
            assert run["state_type"] in ("SCHEDULED", "PENDING"), run["state"]
            assert time.monotonic() < give_up_at, run["state_name"]
            time.sleep(0.2)
        return run


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    # Short: a unix socket's path may have 107 characters; readable: as root, Postgres runs as another user.
    folder = tmp_path_factory.mktemp("up")
    recordings, home = folder / "lab", folder / "home"
    write_sessions(PLAN, recordings)
    with started(home, recordings, CUDA_VISIBLE_DEVICES=",".join(DEVICES)) as (process, environment):
        yield Platform(home, recordings, process, environment)


def worker_of(run: dict) -> str:
    return run["labels"]["prefect.worker.name"]


def test_a_taken_port_is_named_with_who_has_it_and_what_to_set() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        own = psutil.Process()
        with pytest.raises(
            CannotStart, match=f"port {port} .* taken by {own.name()}, process {own.pid} .*NEUROLAKE_MLFLOW_PORT"
        ):
            require_free_port("127.0.0.1", port, "mlflow")


def test_a_second_make_up_is_refused(platform: Platform) -> None:
    again = command(platform.environment, "flows.up")
    assert again.returncode == 1
    assert f"`make up` runs already for {platform.home}; `make status` shows it" in again.stdout.replace("\n", " ")


def test_all_is_well_by_make_status(platform: Platform) -> None:
    status = command(platform.environment, "flows.status")
    assert status.returncode == 0, status.stdout
    for row in ("prefect", "mlflow", "worker cpu", "worker gpu 0", "worker gpu 1"):
        assert re.search(rf"^ {row} +\d{{4}}-\d\d-\d\d ", status.stdout, re.MULTILINE), status.stdout
    assert re.search(r"nightly +cpu +\w{3} \d{4}-\d\d-\d\d 02:00", status.stdout), status.stdout
    assert re.search(r"weekly-published +cpu +Sun .* 03:00", status.stdout), status.stdout


def test_a_night_started_on_the_server_runs_on_a_worker(platform: Platform) -> None:
    night = ask_prefect(platform.environment, "/deployments/name/nightly/nightly")
    assert night["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    run = completed_run(platform.environment, run_deployment(platform.environment, "nightly/nightly")["id"])
    chosen = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}, "key": {"any_": ["night"]}}}
    assert "8 sessions in, none rejected" in ask_prefect(platform.environment, "/artifacts/filter", chosen)[0]["data"]
    with open_lake(Settings(home=platform.home), read_only=True) as lake:
        assert lake.query("SELECT count(*) FROM recorded.sessions").item() == 8
        promoted = lake.query("SELECT model_name, mlflow_run_id FROM findings.promotions").row(0)
    port = platform.environment["NEUROLAKE_MLFLOW_PORT"]
    models = f"http://127.0.0.1:{port}/api/2.0/mlflow/runs/get?run_id={promoted[1]}"
    with urllib.request.urlopen(models, timeout=60) as response:
        assert json.load(response)["run"]["info"]["run_id"] == promoted[1]


def test_four_runs_on_two_devices_are_never_two_on_one(platform: Platform) -> None:
    ids = [platform.device_check(duration_s=2) for _ in range(4)]
    runs = [ended_run(platform.environment, one) for one in ids]
    assert [run["state_type"] for run in runs] == ["COMPLETED"] * 4
    by_device: dict[str, list[dict]] = {device: [] for device in DEVICES}
    for run in runs:
        device = re.match(r"gpu-(\d)-", worker_of(run))[1]
        by_device[device].append(run)
        logs = ask_prefect(platform.environment, "/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
        assert any(f"CUDA_VISIBLE_DEVICES='{device}'" in one["message"] for one in logs) or any(
            f"CUDA_VISIBLE_DEVICES={device})" in one["message"] for one in logs
        ), logs
    for runs_there in by_device.values():
        in_order = sorted(runs_there, key=lambda run: run["start_time"])
        assert all(one["end_time"] <= after["start_time"] for one, after in itertools.pairwise(in_order))
    assert all(by_device.values())


def test_a_killed_run_and_a_killed_worker_give_their_device_back(platform: Platform) -> None:
    ids = [platform.device_check(duration_s=600) for _ in range(2)]
    workers = {worker_of(platform.until_running(one)) for one in ids}
    assert len(workers) == 2
    for process in programs_of(platform.home):
        with suppress(psutil.Error):
            if process.environ().get("PREFECT__FLOW_RUN_ID") == ids[0]:
                process.kill()
    crashed = ended_run(platform.environment, ids[0], within_s=60)
    assert crashed["state_type"] == "CRASHED"

    service = "worker gpu " + re.match(r"gpu-(\d)-", worker_of(platform.run(ids[1])))[1]
    services = json.loads((platform.home / "services" / "running.json").read_text())["services"]
    psutil.Process(services[service]).kill()
    crashed = ended_run(platform.environment, ids[1], within_s=60)
    assert (crashed["state_type"], crashed["state"]["message"]) == (
        "CRASHED",
        "its worker was stopped or killed, and the run with it",
    )
    ids = [platform.device_check(duration_s=5) for _ in range(2)]
    after = [ended_run(platform.environment, one) for one in ids]
    assert [run["state_type"] for run in after] == ["COMPLETED"] * 2


def test_after_a_killed_make_up_the_next_clears_away_and_catches_one_night_up(platform: Platform) -> None:
    lost = platform.device_check(duration_s=600)
    platform.until_running(lost)
    platform.process.send_signal(signal.SIGKILL)
    platform.process.wait()
    assert programs_of(platform.home)
    down = command(platform.environment, "flows.down")
    assert re.search(r"ended \d+ programs and the Postgres that a killed make up had left", down.stdout), down.stdout
    assert not programs_of(platform.home)
    with running_postgres(Settings(home=platform.home)) as postgres:
        missed = _miss_scheduled_nights(postgres.database("prefect"))
    assert len(missed) >= 2

    with started(platform.home, platform.recordings, **platform.environment) as (again, environment):
        assert ask_prefect(environment, f"/flow_runs/{lost}")["state_type"] == "CRASHED"
        states = [ask_prefect(environment, f"/flow_runs/{one}")["state_type"] for one in missed]
        assert states[:-1] == ["CANCELLED"] * (len(missed) - 1)
        completed_run(environment, missed[-1])
        again.send_signal(signal.SIGINT)
        again.wait(120)
    assert again.returncode == 0, said(platform.home)
    assert not programs_of(platform.home)


def _miss_scheduled_nights(address: str) -> list[str]:
    """The scheduled nights, moved to days that are over, in their order; as after days with the machine off."""
    with psycopg.connect(address) as connection:
        rows = connection.execute(
            "UPDATE flow_run SET expected_start_time = expected_start_time - INTERVAL '30 days',"
            " next_scheduled_start_time = next_scheduled_start_time - INTERVAL '30 days'"
            " WHERE state_type = 'SCHEDULED' AND auto_scheduled"
            " AND deployment_id = (SELECT id FROM deployment WHERE name = 'nightly')"
            " RETURNING expected_start_time, id"
        ).fetchall()
    return [str(one) for _, one in sorted(rows)]
