"""Everything at once: `python -m flows.up`, which is `make up`: databases, servers, workers, schedules."""

import base64
import importlib.util
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from rich.console import Console

from flows.prefect_settings import configure_prefect
from flows.programs import address_of, environment_of, servers, worker_name, workers
from flows.running import (
    AlreadyRuns,
    Running,
    end,
    forget_running,
    only_one,
    programs_of,
    write_running,
)
from flows.services import Service, ServiceFailed, Services, ToldToStop
from flows.start_checks import (
    MLFLOW_PASSWORD,
    MLFLOW_USER,
    PREFECT_SECRET,
    CannotStart,
    require_free_ports,
    require_safe_address,
)
from storage.lake import LakeMismatch, open_lake
from storage.postgres import Postgres, PostgresUnusable, running_postgres, stop_left_behind, with_driver
from storage.settings import Settings

_EXPECTED = (
    CannotStart,
    AlreadyRuns,
    ServiceFailed,
    PostgresUnusable,
    LakeMismatch,
    ValueError,
    OSError,
    psycopg.Error,
)


def main() -> int:
    """Start everything and stay until Ctrl-C; returns the exit status."""
    console = Console()
    stop = _signals()
    try:
        settings = Settings()
        with only_one(settings):
            _run(settings, console, stop)
    except ToldToStop:
        pass
    except _EXPECTED as error:
        if not stop:  # else it is the end of a program that Ctrl-C has reached, too
            console.print(str(error), style="bold red", markup=False, soft_wrap=True)
            return 1
    console.print("stopped", highlight=False)
    return 0


def _run(settings: Settings, console: Console, stop: list[int]) -> None:
    require_safe_address(settings)
    clear_away(settings, console)
    require_free_ports(settings)
    with ExitStack() as stack:
        write_running(settings, Running.here("starting", {}))
        stack.callback(forget_running, settings)
        with console.status("starting Postgres"):
            postgres = stack.enter_context(running_postgres(settings))
            os.environ |= environment_of(settings, postgres)
        configure_prefect(settings)
        with console.status("looking at the lake"):
            make_catalog(settings, postgres)
            open_lake(settings).close()
        services = stack.enter_context(
            Services(settings.home, settings.services_folder / "logs", console.print, until=lambda: bool(stop))
        )
        with console.status("starting Prefect and MLflow, applying deployments"):
            with deploying(), postgres.alone("migrations"):
                migrate_mlflow(settings, postgres)
                services.start(*servers(settings, postgres))
            require_login(settings)
        services.start(*workers())
        write_running(settings, Running.here("up", services.processes))
        _say_what_runs(settings, console, services)
        services.watch(
            each_look=_postgres_watch(postgres, console),
            before_restart=lambda service: crash_runs_of([service], console),
            after_restart=lambda: write_running(settings, Running.here("up", services.processes)),
        )
        console.print("stopping", highlight=False)
        write_running(settings, Running.here("stopping", services.processes))
        services.stop_last()
        crash_runs_of(workers(), console)


def clear_away(settings: Settings, console: Console) -> None:
    """End what a `make up` that was killed has left running."""
    left = programs_of(settings.home)
    end(left)
    if stop_left_behind(settings) or left:
        console.print(f"ended {len(left)} programs that a killed make up had left, and its Postgres", highlight=False)


def make_catalog(settings: Settings, postgres: Postgres) -> None:
    """Make the lake's database, where NEUROLAKE_CATALOG names one of the server behind `make up`."""
    if settings.catalog != "sqlite" and postgres.has(settings.catalog):
        postgres.database(urlsplit(settings.catalog).path.removeprefix("/"))


def migrate_mlflow(settings: Settings, postgres: Postgres) -> None:
    """Bring MLflow's database to the version that is installed; Prefect's server does that with its own.

    A new one is made by MLflow's server, which starts before any of its clients. Importing MLflow for an upgrade that
    changes nothing would take seconds of each start: what it would come to is read from its files.
    """
    if settings.mlflow is not None:
        return
    address = postgres.database("mlflow")
    folder = Path(importlib.util.find_spec("mlflow").origin).parent / "store" / "db_migrations" / "versions"
    steps = [file.read_text() for file in folder.glob("*.py")]
    revisions = {found[1] for text in steps if (found := re.search(r"^revision = ['\"](\w+)", text, re.MULTILINE))}
    before = {found[1] for text in steps if (found := re.search(r"^down_revision = ['\"](\w+)", text, re.MULTILINE))}
    if postgres.alembic_version(address) in {None, *(revisions - before)}:
        return
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", with_driver(address, "psycopg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotStart(f"migrating MLflow's database failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")


@contextmanager
def deploying() -> Iterator[None]:
    """Meanwhile, another process imports the flows; once the server answers, it applies pools and deployments."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.deploy"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield
        said, _ = process.communicate()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise CannotStart(f"applying pools, limits and deployments failed:\n{said.strip()[-3000:]}")


def require_login(settings: Settings) -> None:
    """Raise CannotStart when a server that has a password answers without it, or not with it."""
    pages = {}
    if secret := os.environ.get(PREFECT_SECRET):
        pages["Prefect"] = (f"{address_of(settings, settings.prefect_port)}/api/admin/version", secret)
    if settings.mlflow is None and (password := os.environ.get(MLFLOW_PASSWORD)):
        page = f"{address_of(settings, settings.mlflow_port)}/api/2.0/mlflow/experiments/get?experiment_id=0"
        pages["MLflow"] = (page, f"{os.environ[MLFLOW_USER]}:{password}")
    for server, (page, login) in pages.items():
        if _status_of(page) != 401:
            raise CannotStart(f"{server} answers without a password, though it was given one")
        if (answer := _status_of(page, login)) != 200:
            raise CannotStart(
                f"{server} does not take the password that was given ({answer}); a user whom MLflow has keeps theirs"
            )


def crash_runs_of(services: Iterable[Service], console: Console) -> None:
    """End on the server what workers of ours, which have ended, were running."""
    names = [worker_name(service.name) for service in services if service.name.startswith("worker")]
    if not names:
        return
    from prefect.client.orchestration import get_client

    from flows.lost_runs import crash_lost_runs

    try:
        with get_client(sync_client=True) as client:
            for name in crash_lost_runs(client, names):
                console.print(f"the run {name} ended with its worker", highlight=False)
    # Whatever the server's trouble is, workers start again: what was lost is ended at the next start, or for silence.
    except Exception as error:
        console.print(f"runs of an ended worker could not be marked: {error}", markup=False, highlight=False)


def _postgres_watch(postgres: Postgres, console: Console) -> Callable[[], None]:
    was_up = True

    def look() -> None:
        nonlocal was_up
        is_up = postgres.keep_up()
        if was_up and not is_up:
            console.print("Postgres was shut down, not by make up: start it again, or stop make up", highlight=False)
        was_up = is_up

    return look


def _status_of(page: str, login: str | None = None) -> int:
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(page, headers=headers), timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def _signals() -> list[int]:
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, lambda received, _: told.append(received))
    return told


def _say_what_runs(settings: Settings, console: Console, services: Services) -> None:
    for name, text in {
        "runs": f"{address_of(settings, settings.prefect_port)}   (start flows, see schedules)",
        "models": settings.mlflow or address_of(settings, settings.mlflow_port),
        "workers": ", ".join(name.removeprefix("worker ") for name in services.processes if name.startswith("worker")),
        "logs": str(settings.services_folder / "logs"),
        "stop": "Ctrl-C, or make down",
    }.items():
        console.print(f"{name:<9}{text}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
