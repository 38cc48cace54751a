"""What Prefect's server knows of the platform: workers, the last night, runs under way and to come, what is amiss."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectHTTPStatusError
from rich.console import Console
from rich.table import Table as Page

NIGHT = "nightly"
_ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
_UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
# Workers say every 30 s that they live.
_SILENT_AFTER = timedelta(seconds=100)
# The scheduler looks at every deployment each minute.
_SCHEDULED_WITHIN = timedelta(minutes=2)
_LATE_AFTER = timedelta(minutes=5)


def show_server(console: Console, zone: ZoneInfo, began: datetime) -> list[str]:
    """Print what the server, which began then, knows, in the lab's time; what to say of anything that is amiss."""
    try:
        with get_client(sync_client=True) as client:
            deployments = sorted(client.read_deployments(), key=lambda one: one.name)
            pools = sorted({one.work_pool_name for one in deployments if one.work_pool_name})
            silent = [trouble for pool in pools if (trouble := _without_worker(client, pool, began))]
            page, unscheduled = _to_come(client, deployments, zone, began)
            console.print(page)
            console.print(_of_runs(client, deployments, zone))
            return silent + unscheduled + _late(client)
    except PrefectHTTPStatusError as error:
        if error.response.status_code == 401:
            return ["Prefect's server wants a password: set PREFECT_API_AUTH_STRING as it was set for make up"]
        return [f"Prefect's server answers {error.response.status_code}; see its log"]
    except httpx.TransportError as error:
        return [f"Prefect's server does not answer ({type(error).__name__}); see its log"]


def _without_worker(client: SyncPrefectClient, pool: str, began: datetime) -> str | None:
    now = datetime.now(UTC)
    if now - began < _SILENT_AFTER:
        return None
    heard = [worker.last_heartbeat_time for worker in client.read_workers_for_work_pool(pool)]
    # None at all: a pool, such as `allen`, that this installation doesn't use.
    if not heard or any(time and now - time < _SILENT_AFTER for time in heard):
        return None
    return f"no worker of the pool {pool} was heard of for {_SILENT_AFTER.total_seconds():g} s: its runs will wait"


def _to_come(
    client: SyncPrefectClient, deployments: Iterable[DeploymentResponse], zone: ZoneInfo, began: datetime
) -> tuple[Page, list[str]]:
    """A row for each deployment with its next run, and what to say of those that should have one and don't."""
    page, troubles = Page("deployment", "pool", "next run", box=None), []
    now = datetime.now(UTC)
    for deployment in deployments:
        active = [schedule for schedule in deployment.schedules if schedule.active]
        scheduled = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            expected_start_time=FlowRunFilterExpectedStartTime(after_=now),
        )
        coming = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
            flow_run_filter=scheduled,
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=1,
        )
        when = "paused" if deployment.paused else "none" if active else "on demand"
        if coming:
            when = f"{coming[0].expected_start_time.astimezone(zone):%a %Y-%m-%d %H:%M}"
        elif when == "none" and now - began > _SCHEDULED_WITHIN:
            troubles.append(f"{deployment.name} has a schedule and no run to come: Prefect's scheduler does not work")
        page.add_row(deployment.name, deployment.work_pool_name or "", when)
    return page, troubles


def _of_runs(client: SyncPrefectClient, deployments: Iterable[DeploymentResponse], zone: ZoneInfo) -> Page:
    """A row for each run under way, then one for the last that ended of each deployment, the night first."""
    page = Page("run", "state", "when", "", box=None)
    for run in _runs(client, _UNDER_WAY, FlowRunSort.START_TIME_DESC):
        page.add_row(run.name, run.state_name, _when(run.start_time, zone), "")
    for deployment in sorted(deployments, key=lambda one: one.name != NIGHT):
        ended = _runs(client, _ENDED, FlowRunSort.END_TIME_DESC, deployment)
        # A run that was dropped before it began says nothing of how the last one went.
        for run in [run for run in ended if run.start_time][:1]:
            name = "last night" if deployment.name == NIGHT else f"last {deployment.name}"
            said = (run.state.message or "") if run.state and run.state_type != StateType.COMPLETED else ""
            page.add_row(name, run.state_name, _when(run.end_time, zone), said.partition("\n")[0][:200])
    return page


def _late(client: SyncPrefectClient) -> list[str]:
    now = datetime.now(UTC)
    late = [
        run
        for run in _runs(client, [StateType.SCHEDULED], FlowRunSort.EXPECTED_START_TIME_ASC)
        if run.state_name == "Late" and now - run.expected_start_time > _LATE_AFTER
    ]
    return (
        [f"{len(late)} runs are late, the first, {late[0].name}, since {late[0].expected_start_time}"] if late else []
    )


def _runs(
    client: SyncPrefectClient,
    states: list[StateType],
    sort: FlowRunSort,
    deployment: DeploymentResponse | None = None,
    limit: int = 20,
) -> list[FlowRun]:
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])) if deployment else None,
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states))),
        sort=sort,
        limit=limit,
    )


def _when(time: datetime | None, zone: ZoneInfo) -> str:
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M}" if time else ""
