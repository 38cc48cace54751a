"""The programs that `make up` starts, and what each is told: servers, workers, addresses, passwords."""

import os
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from flows.services import Service
from flows.start_checks import MLFLOW_PASSWORD, MLFLOW_USER, PREFECT_SECRET
from models.devices import visible_devices
from storage.postgres import Postgres, with_driver, without_password
from storage.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
ALLEN_PYTHON = REPOSITORY / ".venv-allen" / "bin" / "python"
_EVERYWHERE = ("0.0.0.0", "::")

# Each of these a person's own environment overrides.
_UNLESS_SET = {
    # What the automation that ends runs without a sign of life counts with.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # A run says on its page what it does: which device it has, for one.
    "PREFECT_LOGGING_LEVEL": "INFO",
    # What the server answers while Postgres is away.
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    # Seconds between a click on "run" and its worker's next look, at most.
    "PREFECT_WORKER_QUERY_SECONDS": "3",
    # One thread for each library, so that workers on one machine don't fight.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def environment_of(settings: Settings, postgres: Postgres) -> dict[str, str]:
    """What every program is told: where the servers are, how results are written, who it is."""
    api = f"{address_of(settings, settings.prefect_port)}/api"
    environment = {name: os.environ.get(name, value) for name, value in _UNLESS_SET.items()}
    environment |= {
        "NEUROLAKE_HOME": str(settings.home),
        "NEUROLAKE_MLFLOW": settings.mlflow or address_of(settings, settings.mlflow_port),
        "PREFECT_API_URL": api,
        "PREFECT_UI_API_URL": os.environ.get("PREFECT_UI_API_URL") or _as_browsers_see(settings),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": with_driver(postgres.database("prefect"), "asyncpg"),
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "PREFECT_SERVER_API_HOST": settings.host,
        "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
        # In memory, as by default, they would be gone after a restart of the server, and each run that then couldn't
        # renew its place would crash.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Without it, a page and a query of MLflow's fail on Postgres after a restart of it.
        "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "300",
    }
    if secret := os.environ.get(PREFECT_SECRET):
        environment["PREFECT_API_AUTH_STRING"] = secret
    return environment


def servers(settings: Settings, postgres: Postgres) -> Iterator[Service]:
    """Prefect's server and MLflow's."""
    prefect = [sys.executable, "-m", "prefect", "server", "start"]
    prefect += ["--host", settings.host, "--port", str(settings.prefect_port)]
    yield Service("prefect", prefect, health=f"{address_of(settings, settings.prefect_port)}/api/health")
    if settings.mlflow is None:
        mlflow = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        mlflow += ["--host", settings.host, "--port", str(settings.mlflow_port)]
        mlflow += ["--artifacts-destination", (settings.mlflow_folder / "artifacts").as_uri()]
        # In the environment: among the arguments, `ps` would show a password.
        store = {"MLFLOW_BACKEND_STORE_URI": with_driver(postgres.database("mlflow"), "psycopg")}
        # Nine processes that wait for evaluations of language models, 270 MB each.
        store["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
        if MLFLOW_PASSWORD in os.environ:
            mlflow += ["--app-name", "basic-auth"]
            store |= _mlflow_login(settings, postgres)
        yield Service("mlflow", mlflow, store, health=f"{address_of(settings, settings.mlflow_port)}/health")


def workers() -> Iterator[Service]:
    """A worker for each pool; in `gpu` one for each device, which is all it sees; `allen` where that is set up."""
    yield _worker("cpu", environment={"CUDA_VISIBLE_DEVICES": ""})
    devices = visible_devices()
    for device in devices:
        yield _worker("gpu", device, {"CUDA_VISIBLE_DEVICES": device}, ["--limit", "1"])
    if not devices:
        yield _worker("gpu", limit=["--limit", "1"])
    if ALLEN_PYTHON.exists():
        yield _worker("allen", environment={"CUDA_VISIBLE_DEVICES": ""}, python=str(ALLEN_PYTHON))


def worker_name(service: str) -> str:
    """What Prefect calls a worker of this machine, by its service's name."""
    return f"{service.removeprefix('worker ').replace(' ', '-')}-{socket.gethostname()}"


def address_of(settings: Settings, port: int) -> str:
    """Where this machine's programs reach a server of ours."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _as_browsers_see(settings: Settings) -> str:
    # The page asks the API from the browser, which may be on another machine.
    if settings.host in _EVERYWHERE:
        return f"http://{socket.getfqdn()}:{settings.prefect_port}/api"
    return f"{address_of(settings, settings.prefect_port)}/api"


def _worker(
    pool: str,
    device: str | None = None,
    environment: Mapping[str, str] | None = None,
    limit: list[str] | None = None,
    python: str = sys.executable,
) -> Service:
    name = f"worker {pool}" + (f" {device}" if device else "")
    command = [python, "-m", "prefect", "worker", "start", "--pool", pool, "--name", worker_name(name)]
    return Service(name, [*command, *(limit or [])], environment or {})


def _mlflow_login(settings: Settings, postgres: Postgres) -> dict[str, str]:
    """MLflow's users are kept in Postgres; the first is who NEUROLAKE's own programs log in as."""
    address, password = without_password(postgres.database("mlflow_users"))
    file = settings.services_folder / "mlflow-auth.ini"
    lines = ["[mlflow]", "default_permission = READ"]
    # A % would be read as a reference to another line.
    lines.append(f"database_uri = {with_driver(address, 'psycopg').replace('%', '%%')}")
    file.write_text("\n".join(lines) + "\n")
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(file),
        "MLFLOW_AUTH_ADMIN_USERNAME": os.environ[MLFLOW_USER],
        "MLFLOW_AUTH_ADMIN_PASSWORD": os.environ[MLFLOW_PASSWORD],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.environ.get("MLFLOW_FLASK_SERVER_SECRET_KEY") or secrets.token_hex(32),
        **({"PGPASSWORD": password} if password else {}),
    }
