"""What `make status` says when all is well, when nothing runs, and when something is amiss."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from flows.running import Running, write_running
from flows.services import Service, Services
from flows.start_checks import CannotStart, require_free_ports, require_safe_address
from storage.settings import Settings
from tests.flows.running_platform import command, free_port

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]


def test_when_nothing_runs_it_says_so_and_what_to_do() -> None:
    said = command(dict(os.environ), "flows.status")
    assert said.returncode == 1
    assert "nothing runs; `make up` starts everything" in said.stdout


def test_what_a_killed_make_up_left_is_named_and_make_down_ends_it(tmp_path: Path) -> None:
    settings = Settings()
    with Services(settings.home, settings.services_folder / "logs", print) as services:
        services.start(Service("prefect", [sys.executable, "-c", "import time; time.sleep(600)"]))
        killed = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
        )
        write_running(settings, Running(int(killed.stdout), 0.0, "up", services.processes))
        said = command(dict(os.environ), "flows.status")
        assert said.returncode == 1
        assert "make up was killed; 1 programs that it left still run: make down ends them" in said.stdout
        down = command(dict(os.environ), "flows.down")
        assert (down.returncode, down.stdout) == (0, "ended 1 programs that a killed make up had left\n")
        assert command(dict(os.environ), "flows.down").stdout == "nothing runs here\n"


@contextmanager
def server_without_scheduler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Prefect's server alone, with our deployments, as a wrong version of a library leaves it: healthy and idle."""
    port = free_port()
    for name, value in {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }.items():
        monkeypatch.setenv(name, value)
    server = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with Services(folder, folder, print) as services:
        services.start(Service("prefect", server, health=f"http://127.0.0.1:{port}/api/health"))
        deployed = command(dict(os.environ), "flows.deploy")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        yield


def test_a_healthy_server_that_schedules_nothing_is_found_out(tmp_path: Path, monkeypatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.server_status import show_server

    with (
        server_without_scheduler(tmp_path / "p", monkeypatch),
        temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}),
    ):
        with (tmp_path / "said").open("w") as file:
            page = Console(file=file, width=200)
            now = datetime.now(UTC)
            troubles = show_server(page, ZoneInfo("Europe/Paris"), began=now - timedelta(hours=1))
            assert show_server(page, ZoneInfo("Europe/Paris"), began=now) == []
        assert sorted(trouble.partition(" ")[0] for trouble in troubles) == [
            "image-coding",
            "maintenance",
            "nightly",
            "response-types",
            "weekly-published",
        ]
        assert "nightly has a schedule and no run to come: Prefect's scheduler does not work" in troubles
        assert "omission-study    cpu    on demand" in (tmp_path / "said").read_text()


def test_both_servers_on_one_port_are_refused() -> None:
    with pytest.raises(CannotStart, match=r"both to have port 5000.*NEUROLAKE_PREFECT_PORT or NEUROLAKE_MLFLOW_PORT"):
        require_free_ports(Settings(prefect_port=5000))


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "PREFECT_SERVER_API_AUTH_STRING .*MLFLOW_TRACKING_USERNAME .*MLFLOW_TRACKING_PASSWORD"),
        ({"PREFECT_SERVER_API_AUTH_STRING": "lab:secret"}, "set MLFLOW_TRACKING_USERNAME .*MLFLOW_TRACKING_PASSWORD"),
        (
            {
                "PREFECT_SERVER_API_AUTH_STRING": "secret",
                "MLFLOW_TRACKING_USERNAME": "lab",
                "MLFLOW_TRACKING_PASSWORD": "long enough",
            },
            "PREFECT_SERVER_API_AUTH_STRING must be user:password",
        ),
        (
            {
                "PREFECT_SERVER_API_AUTH_STRING": "lab:secret",
                "MLFLOW_TRACKING_USERNAME": "lab",
                "MLFLOW_TRACKING_PASSWORD": "short",
            },
            "MLFLOW_TRACKING_PASSWORD must have at least 12",
        ),
    ],
)
def test_an_address_that_others_reach_needs_passwords(monkeypatch, given: dict[str, str], missing: str) -> None:
    for name in ("PREFECT_SERVER_API_AUTH_STRING", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CannotStart, match=missing) as refused:
        require_safe_address(Settings(host="0.0.0.0"))
    assert "secret" not in str(refused.value).replace("PREFECT_SERVER_API_AUTH_STRING", "")
    for alone in ("127.0.0.1", "127.0.0.2", "localhost", "::1"):
        if not given:
            require_safe_address(Settings(host=alone))
