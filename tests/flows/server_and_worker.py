"""A Prefect server on Postgres with one worker, for tests of how runs end: less than all of `make up`."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from storage.postgres import running_postgres, with_driver
from storage.settings import Settings
from tests.flows.running_platform import free_port

POOL = "cpu"
# As in deployments/prefect.yaml. The worker runs hooks of runs that were killed or cancelled in a script of Prefect's,
# whose folder holds a storage.py: without this it stands before our package of that name, and no hook can be loaded.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}


@contextmanager
def server_and_worker(settings: Settings, **environment: str) -> Iterator[SyncPrefectClient]:
    """Both as processes of their own, in the settings' home; a client of the server, whose runs get ``environment``.

    What they say is in prefect.log beside the home. Within, Prefect's settings of this process name the server too.
    """
    folder = settings.home.parent
    api = f"http://127.0.0.1:{(port := free_port())}/api"
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "NEUROLAKE_"))}
    ours |= {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    } | environment
    with ExitStack() as stack:
        database = stack.enter_context(running_postgres(settings)).database("prefect")
        ours["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = with_driver(database, "asyncpg")
        log = stack.enter_context((folder / "prefect.log").open("a"))
        stack.enter_context(_process(["server", "start", "--host", "127.0.0.1", "--port", str(port)], ours, log))
        _wait_for(f"{api}/health", folder / "prefect.log")
        stack.enter_context(temporary_settings({PREFECT_API_URL: api}))
        client = stack.enter_context(get_client(sync_client=True))
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        stack.enter_context(_process(["worker", "start", "--pool", POOL, "--name", "here"], ours, log))
        yield client


def deploy(client: SyncPrefectClient, flow: Flow, **parameters: object) -> str:
    """A deployment of a flow that its module holds under its name; returns the deployment's id."""
    return client.create_deployment(
        flow_id=client.create_flow(flow),
        name=flow.name,
        entrypoint=f"{flow.fn.__module__}.{flow.fn.__name__}",
        work_pool_name=POOL,
        pull_steps=[],
        parameters=parameters,
        job_variables={"env": SAFE_PATH},
    )


def _wait_for(address: str, log: Path, within_s: float = 240) -> None:
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert time.monotonic() < give_up_at, log.read_text()
            time.sleep(0.3)


@contextmanager
def _process(arguments: list[str], environment: dict[str, str], log) -> Iterator[subprocess.Popen]:
    """A command of Prefect's, stopped at the end as by Ctrl-C, with all that it started."""
    command = [sys.executable, "-m", "prefect", *arguments]
    running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
