"""Work pools, limits and deployments on the Prefect server: `python -m flows.deploy`, which `make up` calls.

What is there already is brought to what this version says; the same again changes nothing.
"""

import os
import subprocess
import sys
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

from models.devices import device_count
from storage.settings import Settings

DEPLOYMENTS = Path(__file__).resolve().parents[1] / "deployments"
# Flow runs at once: nights and studies share two cores and one lake; the AllenSDK's caches have one writer.
_RUNS_AT_ONCE = {"cpu": 2, "allen": 1}


def main() -> int:
    """Apply everything; returns the exit status."""
    settings = Settings()
    with get_client(sync_client=True) as client:
        for pool, limit in {**_RUNS_AT_ONCE, "gpu": max(device_count(), 1)}.items():
            make_pool(client, pool, limit)
    environment = os.environ | {
        "NEUROLAKE_TIME_ZONE": settings.time_zone,
        "NEUROLAKE_SOURCES": settings.sources or str(DEPLOYMENTS.parent / "sources.yaml"),
    }
    for file in (DEPLOYMENTS / "prefect.yaml", DEPLOYMENTS / "allen" / "prefect.yaml"):
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        if status := subprocess.run(command, env=environment, check=False).returncode:
            return status
    return 0


def make_pool(client: SyncPrefectClient, name: str, runs_at_once: int) -> None:
    """A work pool of processes that runs so many flows at once."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", concurrency_limit=runs_at_once))
    else:
        client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=runs_at_once))


if __name__ == "__main__":
    sys.exit(main())
