"""Everything at once: `python -m flows.up`, which is `make up`: databases, servers, workers, schedules."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from filelock import FileLock, Timeout
from rich.console import Console

from flows.prefect_settings import configure_prefect
from flows.services import Service, ServiceFailed, Services
from storage.lake import LakeMismatch, open_lake
from storage.postgres import Postgres, running_postgres, with_driver
from storage.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
ALLEN_PYTHON = REPOSITORY / ".venv-allen" / "bin" / "python"
_LOCAL = ("127.0.0.1", "localhost", "::1")


class CannotStart(Exception):
    """Something stands in the way of a start; the message says what, and what to do."""


def main() -> int:
    """Start everything and stay until Ctrl-C; returns the exit status."""
    console = Console()
    try:
        settings = Settings()
        settings.services_folder.mkdir(parents=True, exist_ok=True)
        with _only_one(settings), _until_told_to_stop() as stop:
            _run(settings, console, stop)
    except (CannotStart, ServiceFailed, LakeMismatch, ValueError, OSError, psycopg.Error) as error:
        console.print(str(error), style="bold red", markup=False, soft_wrap=True)
        return 1
    console.print("stopped", highlight=False)
    return 0


def _run(settings: Settings, console: Console, stop: list[int]) -> None:
    require_safe_address(settings)
    for name, port in (("prefect", settings.prefect_port), ("mlflow", settings.mlflow_port)):
        require_free_port(settings.host, port, name)
    with ExitStack() as stack:
        with console.status("starting Postgres"):
            postgres = stack.enter_context(running_postgres(settings))
            environment = environment_of(settings, postgres)
        os.environ |= environment
        configure_prefect(settings)
        with console.status("looking at the lake"):
            open_lake(settings).close()
        services = stack.enter_context(Services(settings.services_folder / "logs", console.print))
        with console.status("migrating the databases of Prefect and MLflow"):
            migrate(settings, postgres)
        for service in servers(settings, postgres):
            with console.status(f"starting {service.name}"):
                services.start(service)
        with console.status("applying pools, limits, deployments and schedules"):
            deploy(settings)
        for service in workers():
            services.start(service)
        stack.enter_context(_written_down(settings, services))
        _say_what_runs(settings, console, services)
        services.watch(until=lambda: bool(stop))
        console.print("stopping", highlight=False)


def environment_of(settings: Settings, postgres: Postgres) -> dict[str, str]:
    """What every program is told: where the servers are, and how results are written."""
    api = f"http://{settings.host}:{settings.prefect_port}/api"
    return {
        "NEUROLAKE_HOME": str(settings.home),
        "NEUROLAKE_MLFLOW": settings.mlflow or f"http://{settings.host}:{settings.mlflow_port}",
        "PREFECT_API_URL": api,
        "PREFECT_UI_API_URL": api,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": with_driver(postgres.database("prefect"), "asyncpg"),
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "PREFECT_SERVER_API_HOST": settings.host,
        "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
        # Without these, a page and a query of MLflow's fail on Postgres after a restart of it.
        "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "300",
    }


def migrate(settings: Settings, postgres: Postgres) -> None:
    """Bring both databases to the version that is installed, one process at a time."""
    mlflow = postgres.database("mlflow")
    with FileLock(settings.services_folder / "migration.lock"):
        _call("migrating Prefect's database", "prefect", "server", "database", "upgrade", "--yes")
        # A new one is made by MLflow's server, which starts before any of its clients.
        if postgres.has_table(mlflow, "alembic_version"):
            _call("migrating MLflow's database", "mlflow", "db", "upgrade", with_driver(mlflow, "psycopg"))


def servers(settings: Settings, postgres: Postgres) -> Iterator[Service]:
    """Prefect's server and MLflow's."""
    at = f"http://{settings.host}"
    prefect = [sys.executable, "-m", "prefect", "server", "start"]
    prefect += ["--host", settings.host, "--port", str(settings.prefect_port)]
    yield Service("prefect", prefect, health=f"{at}:{settings.prefect_port}/api/health")
    if settings.mlflow is None:
        mlflow = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        mlflow += ["--host", settings.host, "--port", str(settings.mlflow_port)]
        mlflow += ["--artifacts-destination", (settings.mlflow_folder / "artifacts").as_uri()]
        # In the environment: among the arguments, `ps` would show a password.
        store = {"MLFLOW_BACKEND_STORE_URI": with_driver(postgres.database("mlflow"), "psycopg")}
        yield Service("mlflow", mlflow, store, health=f"{at}:{settings.mlflow_port}/health")


def workers() -> Iterator[Service]:
    """A worker for each pool; `allen` where its environment has been made."""
    for pool in ("cpu", "gpu"):
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--name", f"{pool}-here"]
        yield Service(f"worker {pool}", command)
    if ALLEN_PYTHON.exists():
        command = [str(ALLEN_PYTHON), "-m", "prefect", "worker", "start", "--pool", "allen", "--name", "allen-here"]
        yield Service("worker allen", command)


def deploy(settings: Settings) -> None:
    """Pools, their limits, and every deployment with its schedule; the same again changes nothing."""
    _call("applying pools, limits and deployments", "flows.deploy")


def require_free_port(host: str, port: int, name: str) -> None:
    """Raise CannotStart when something listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(
                f"port {port} of {host}, for {name}, is taken ({error.strerror}); "
                f"set NEUROLAKE_{name.upper()}_PORT to a free one, or stop what listens there"
            ) from None


def require_safe_address(settings: Settings) -> None:
    """Raise CannotStart when the servers would be open to others without a password."""
    if settings.host in _LOCAL:
        return
    missing = [
        name for name in ("PREFECT_SERVER_API_AUTH_STRING", "MLFLOW_AUTH_CONFIG_PATH") if not os.environ.get(name)
    ]
    if missing:
        raise CannotStart(
            f"NEUROLAKE_HOST is {settings.host}, which others can reach: set {' and '.join(missing)} first"
        )


def _call(what: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotStart(f"{what} failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    try:
        with FileLock(settings.services_folder / "up.lock", timeout=0):
            yield
    except Timeout:
        raise CannotStart(
            f"`make up` runs already for {settings.home}; `make status` shows it, `make down` ends it"
        ) from None


@contextmanager
def _until_told_to_stop() -> Iterator[list[int]]:
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: told.append(received))
    yield told


@contextmanager
def _written_down(settings: Settings, services: Services) -> Iterator[None]:
    """What runs, for `make status` and `make down`."""
    state = settings.services_folder / "running.json"
    state.write_text(json.dumps({"pid": os.getpid(), "services": services.processes}))
    try:
        yield
    finally:
        state.unlink(missing_ok=True)


def _say_what_runs(settings: Settings, console: Console, services: Services) -> None:
    at = f"http://{settings.host}"
    for name, text in {
        "runs": f"{at}:{settings.prefect_port}   (start flows, see schedules)",
        "models": settings.mlflow or f"{at}:{settings.mlflow_port}",
        "workers": ", ".join(name.removeprefix("worker ") for name in services.processes if name.startswith("worker")),
        "logs": str(settings.services_folder / "logs"),
        "stop": "Ctrl-C, or make down",
    }.items():
        console.print(f"{name:<9}{text}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
