"""What runs, what is scheduled next, how the last night ended, how large the lake is: `make status`."""

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table as Page

from flows.prefect_settings import configure_prefect
from storage.settings import Settings


def main() -> int:
    """Print it; returns 1 when something that should run doesn't, or when no run is scheduled that should be."""
    settings, console = Settings(), Console()
    state = settings.services_folder / "running.json"
    running = json.loads(state.read_text()) if state.exists() else None
    console.print(f"lake     {settings.data_folder}: {_size(settings.data_folder)}", highlight=False, soft_wrap=True)
    if running is None:
        console.print("nothing runs; `make up` starts everything", highlight=False)
        return 1
    dead = [name for name, pid in running["services"].items() if not Path(f"/proc/{pid}").exists()]
    for name in running["services"]:
        console.print(f"{name:<14}{'ended; make up starts it again' if name in dead else 'runs'}", highlight=False)
    os.environ.setdefault("PREFECT_API_URL", f"http://{settings.host}:{settings.prefect_port}/api")
    configure_prefect(settings)
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        page, unscheduled = _deployments(client)
        console.print(page)
        for name in unscheduled:
            console.print(f"{name} has a schedule and no run to come: its scheduler does not work", style="bold red")
        for line in _last_runs(client):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
    return 1 if dead or unscheduled else 0


def _deployments(client) -> tuple[Page, list[str]]:
    """A row for each deployment with its next run, and the names of those that should have one and don't."""
    page = Page("deployment", "pool", "next run", box=None)
    unscheduled = []
    for deployment in sorted(client.read_deployments(), key=lambda one: one.name):
        active = [schedule for schedule in deployment.schedules if schedule.active]
        coming = client.get_scheduled_flow_runs_for_deployments([deployment.id]) if active else []
        times = sorted(run.expected_start_time for run in coming if run.expected_start_time)
        if active and not times and not deployment.paused:
            unscheduled.append(deployment.name)
        when = f"{times[0]:%Y-%m-%d %H:%M %Z}" if times else "on demand" if not active else "none"
        page.add_row(deployment.name, deployment.work_pool_name or "", when)
    return page, unscheduled


def _last_runs(client) -> Iterator[str]:
    """How the last run of each deployment ended."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    ended = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
    of_state = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ended)))
    runs = client.read_flow_runs(flow_run_filter=of_state, sort=FlowRunSort.END_TIME_DESC, limit=5)
    for run in runs:
        since = datetime.now(UTC) - run.end_time if run.end_time else None
        ago = f"{since.total_seconds() / 3600:.1f} h ago" if since else ""
        message = f": {run.state.message}" if run.state and run.state.message else ""
        yield f"last     {run.name} {run.state_name} {ago}{message}"[:300]


def _size(folder: Path) -> str:
    total = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.exists() else 0
    return f"{total / 1e9:.2f} GB"


if __name__ == "__main__":
    sys.exit(main())
