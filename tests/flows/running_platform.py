"""The whole platform for a test, as `make up` starts it: real Postgres, servers, workers, schedules, a home alone."""

import base64
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

STARTED_WITHIN_S = 400
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def everything(home: Path, recordings: Path, **extra_environment: str) -> Iterator[dict[str, str]]:
    """`make up` until it is up; its environment. Stopped at the end as by Ctrl-C; what it said is beside its home.

    The home's path must be short (a unix socket's may have 107 characters) and open to others (as root, Postgres runs
    as another user): tmp_path_factory.mktemp("up") / "home" is both.
    """
    with started(home, recordings, **extra_environment) as (running, environment):
        try:
            yield environment
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(120)
    assert running.returncode == 0, said(home)


@contextmanager
def started(
    home: Path, recordings: Path, **extra_environment: str
) -> Iterator[tuple[subprocess.Popen, dict[str, str]]]:
    """`make up` until it is up: its process and environment. Ended, if it still runs."""
    environment = environment_of(home, recordings, **extra_environment)
    with said_by(home).open("a") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "flows.up"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        give_up_at = time.monotonic() + STARTED_WITHIN_S
        while not is_up(home, running.pid):
            assert running.poll() is None, said(home)
            assert time.monotonic() < give_up_at, said(home)
            time.sleep(0.2)
        yield running, environment
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
            running.wait(120)


def environment_of(home: Path, recordings: Path, **extra_environment: str) -> dict[str, str]:
    """The environment of a person whose platform lives in that home, on ports that are free."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NEUROLAKE_", "PREFECT_", "MLFLOW_"))}
    environment |= {"NEUROLAKE_HOME": str(home), "NEUROLAKE_SOURCES": str(recordings), "NEUROLAKE_THREADS": "1"}
    environment |= {"NEUROLAKE_PREFECT_PORT": str(free_port()), "NEUROLAKE_MLFLOW_PORT": str(free_port())}
    return environment | extra_environment


def is_up(home: Path, pid: int) -> bool:
    """Whether the `make up` of that process has started everything."""
    state = home / "services" / "running.json"
    try:
        running = json.loads(state.read_text())
    except FileNotFoundError:
        return False
    return running["pid"] == pid and running["phase"] == "up"


def said_by(home: Path) -> Path:
    """The file that holds what `make up` printed."""
    home.parent.mkdir(parents=True, exist_ok=True)
    return home.parent / "up.log"


def said(home: Path) -> str:
    """What `make up` printed."""
    return said_by(home).read_text()


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    """What `python -m ...` printed and returned, in that environment."""
    return subprocess.run(
        [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True, timeout=400, check=False
    )


def ask_prefect(environment: dict[str, str], path: str, body: dict | None = None, method: str | None = None):
    """What Prefect's API answers, parsed; None where it answers nothing. With a body a POST, unless ``method`` says."""
    address = f"http://127.0.0.1:{environment['NEUROLAKE_PREFECT_PORT']}/api{path}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if secret := environment.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
    request = urllib.request.Request(address, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = response.read()
    return json.loads(answer) if answer else None


def run_deployment(environment: dict[str, str], name: str, parameters: dict | None = None) -> dict:
    """A new run of a deployment, named as flow/deployment."""
    found = ask_prefect(environment, f"/deployments/name/{name}")
    return ask_prefect(environment, f"/deployments/{found['id']}/create_flow_run", {"parameters": parameters or {}})


def ended_run(environment: dict[str, str], run_id: str, within_s: float = 900) -> dict:
    """The run once it has ended. Raises AssertionError when it hasn't in time."""
    give_up_at = time.monotonic() + within_s
    while (run := ask_prefect(environment, f"/flow_runs/{run_id}"))["state_type"] not in ENDED:
        assert time.monotonic() < give_up_at, f"{run['name']} is still {run['state_name']} after {within_s:g} s"
        time.sleep(0.5)
    return run


def completed_run(environment: dict[str, str], run_id: str, within_s: float = 900) -> dict:
    """The run once it has completed. Raises AssertionError with the last of its log when it ended otherwise."""
    run = ended_run(environment, run_id, within_s)
    assert run["state_type"] == "COMPLETED", f"{run['state']['message']}\n{log_of(environment, run_id)}"
    return run


def log_of(environment: dict[str, str], run_id: str) -> str:
    """The last warnings and errors of a run, with their tracebacks."""
    chosen = {"logs": {"flow_run_id": {"any_": [run_id]}, "level": {"ge_": 30}}, "sort": "TIMESTAMP_ASC"}
    return "\n".join(line["message"] for line in ask_prefect(environment, "/logs/filter", chosen)[-10:])
