"""Everything at once, as the engineer who keeps the platform starts it: real Postgres, servers, workers, schedules."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.up import CannotStart, require_free_port, require_safe_address
from models.simulate import ChangeDetectionPlan
from samples.write_sessions import write_sessions
from storage.lake import open_lake
from storage.settings import Settings

pytestmark = pytest.mark.xdist_group("nights")

PLAN = ChangeDetectionPlan(n_vip_mice=2, n_sst_mice=2, cells_per_mouse=3, duration_s=90)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_taken_port_is_named_with_what_to_set() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"port {port} .* taken .*NEUROLAKE_MLFLOW_PORT"):
            require_free_port("127.0.0.1", port, "mlflow")


def test_another_address_needs_passwords(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    with pytest.raises(CannotStart, match=r"0\.0\.0\.0.*PREFECT_SERVER_API_AUTH_STRING"):
        require_safe_address(Settings(home=tmp_path, host="0.0.0.0"))
    require_safe_address(Settings(home=tmp_path))


@contextmanager
def everything(home: Path, recordings: Path) -> Iterator[dict[str, str]]:
    """`make up` until it is up; its environment. Stopped at the end as by Ctrl-C."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NEUROLAKE_", "PREFECT_", "MLFLOW_"))}
    environment |= {"NEUROLAKE_HOME": str(home), "NEUROLAKE_SOURCES": str(recordings), "NEUROLAKE_THREADS": "1"}
    environment |= {"NEUROLAKE_PREFECT_PORT": str(free_port()), "NEUROLAKE_MLFLOW_PORT": str(free_port())}
    command = [sys.executable, "-m", "flows.up"]
    with (home.parent / "up.log").open("w") as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            give_up_at = time.monotonic() + 400
            while not (home / "services" / "running.json").exists():
                assert running.poll() is None, (home.parent / "up.log").read_text()
                assert time.monotonic() < give_up_at
                time.sleep(0.5)
            yield environment
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(120)
    assert running.returncode == 0


def ask_prefect(environment: dict[str, str], path: str, body: dict | None = None) -> dict | list:
    address = f"http://127.0.0.1:{environment['NEUROLAKE_PREFECT_PORT']}/api{path}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_a_night_started_on_the_server_runs_on_a_worker(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Short: a unix socket's path may have 107 characters; readable: as root, Postgres runs as another user.
    folder = tmp_path_factory.mktemp("up")
    recordings, home = folder / "lab", folder / "home"
    write_sessions(PLAN, recordings)
    with everything(home, recordings) as environment:
        again = subprocess.run([sys.executable, "-m", "flows.up"], env=environment, capture_output=True, text=True)
        assert again.returncode == 1
        assert "runs already" in again.stdout
        status = subprocess.run([sys.executable, "-m", "flows.status"], env=environment, capture_output=True, text=True)
        assert status.returncode == 0, status.stdout
        assert "nightly" in status.stdout

        night = ask_prefect(environment, "/deployments/name/nightly/nightly")
        assert night["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
        run = ask_prefect(environment, f"/deployments/{night['id']}/create_flow_run", {})
        give_up_at = time.monotonic() + 400
        while (now := ask_prefect(environment, f"/flow_runs/{run['id']}"))["state_type"] not in (
            "COMPLETED",
            "FAILED",
            "CRASHED",
        ):
            assert time.monotonic() < give_up_at, now["state_name"]
            time.sleep(1)
        assert now["state_type"] == "COMPLETED", now["state"]["message"]
        artifacts = ask_prefect(environment, "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
        assert "8 sessions in, none rejected" in artifacts[0]["data"]
        scheduled = ask_prefect(
            environment, "/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        )
        assert scheduled, "no night is scheduled"
        with open_lake(Settings(home=home), read_only=True) as lake:
            assert lake.query("SELECT count(*) FROM recorded.sessions").item() == 8
            promoted = lake.query("SELECT model_name, mlflow_run_id FROM findings.promotions").row(0)
        models = f"http://127.0.0.1:{environment['NEUROLAKE_MLFLOW_PORT']}/api/2.0/mlflow/runs/get?run_id={promoted[1]}"
        with urllib.request.urlopen(models, timeout=60) as response:
            assert json.load(response)["run"]["info"]["run_id"] == promoted[1]
