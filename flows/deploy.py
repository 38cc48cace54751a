"""Work pools, limits, deployments and automations on the Prefect server: `python -m flows.deploy`, as `make up` does.

Deployments are applied when their files, the code of the flows or a setting in them changed since; otherwise what
people set on the page, such as a schedule that was moved or paused, stays. `--again` applies them in any case.
"""

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

import yaml
from prefect.cli import app as prefect_command_line
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

from flows.automations import apply_automations
from flows.lost_runs import crash_lost_runs, skip_missed_runs
from flows.programs import worker_name, workers
from models.devices import visible_devices
from storage.settings import Settings

DEPLOYMENTS = Path(__file__).resolve().parents[1] / "deployments"
FILES = (DEPLOYMENTS / "prefect.yaml", DEPLOYMENTS / "allen" / "prefect.yaml")
# Flow runs at once: nights and studies share two cores and one lake; the AllenSDK's caches have one writer.
_RUNS_AT_ONCE = {"cpu": 3, "allen": 1}
_ONE_AT_A_TIME = ("cpu", "nights")  # pool and queue
_SERVER_WITHIN_S = 240


def main() -> int:
    """Apply everything; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m flows.deploy", description=main.__doc__)
    parser.add_argument("--again", action="store_true", help="apply deployments that are as they were, too")
    again = parser.parse_args().again
    settings = Settings()
    told = {
        "NEUROLAKE_TIME_ZONE": settings.time_zone,
        "NEUROLAKE_SOURCES": settings.sources or str(DEPLOYMENTS.parent / "sources.yaml"),
    }
    version = version_of(told)
    with get_client(sync_client=True) as client:
        wait_for_server(client)
        for pool, limit in {**_RUNS_AT_ONCE, "gpu": max(len(visible_devices()), 1)}.items():
            make_pool(client, pool, limit)
        make_queue(client, *_ONE_AT_A_TIME, limit=1)
        applied = {one.name for one in client.read_deployments() if one.version == version}
    if again or not names_in_files() <= applied:
        os.environ |= told | {"DEPLOYED_VERSION": version}
        for file in FILES:
            if status := _prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(file)):
                return status
    with get_client(sync_client=True) as client:
        apply_automations(client, settings)
        crash_lost_runs(client, [worker_name(service.name) for service in workers()])
        skip_missed_runs(client)
    return 0


def wait_for_server(client: SyncPrefectClient) -> None:
    """Wait until the server answers. Raises what it answers last when it doesn't in time."""
    give_up_at = time.monotonic() + _SERVER_WITHIN_S
    while error := client.api_healthcheck():
        if time.monotonic() > give_up_at:
            raise error
        time.sleep(0.3)


def version_of(told: dict[str, str]) -> str:
    """A name for what would be deployed: the files, the settings in them, and the code whose parameters they show."""
    code = sorted(
        file for folder in ("flows", "tasks", "models") for file in (DEPLOYMENTS.parent / folder).glob("*.py")
    )
    digest = hashlib.sha256(repr(sorted(told.items())).encode())
    for file in (*FILES, *code):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def names_in_files() -> set[str]:
    """Names of the deployments that are ours."""
    return {one["name"] for file in FILES for one in yaml.safe_load(file.read_text())["deployments"]}


def make_pool(client: SyncPrefectClient, name: str, runs_at_once: int) -> None:
    """A work pool of processes that runs so many flows at once."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", concurrency_limit=runs_at_once))
    else:
        client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=runs_at_once))


def make_queue(client: SyncPrefectClient, pool: str, name: str, limit: int) -> None:
    """A queue of a pool whose deployments together run so many flows at once."""
    try:
        queue = client.read_work_queue_by_name(name, work_pool_name=pool)
    except ObjectNotFound:
        queue = client.create_work_queue(name, work_pool_name=pool)
    client.update_work_queue(queue.id, concurrency_limit=limit)


def _prefect(*arguments: str) -> int:
    """Prefect's command line, in this process: another would import Prefect and the flows once more, for seconds."""
    sys.argv = ["prefect", *arguments]
    try:
        prefect_command_line()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
