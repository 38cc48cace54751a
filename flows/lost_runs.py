"""Runs that the platform's being away has left on Prefect's server: those that died with it, those that it missed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed

_PAGE = 200


def crash_lost_runs(client: SyncPrefectClient, workers: Iterable[str]) -> list[str]:
    """End the runs of workers that don't run; the names of those runs.

    To be called while none of these workers runs: of theirs, whatever hasn't ended is dead, and would keep its place in
    its pool, or its device, until nothing was heard of it for long.
    """
    workers, lost = set(workers), []
    for run in _runs(client, [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]):
        if run.labels.get("prefect.worker.name") in workers:
            died = Crashed(message="its worker was stopped or killed, and the run with it")
            client.set_flow_run_state(run.id, died, force=True)
            lost.append(run.name)
    return lost


def skip_missed_runs(client: SyncPrefectClient) -> list[str]:
    """Of each deployment's scheduled runs whose time went by, leave the last to be caught up; the names of the others.

    The last one reads all that the others would have read.
    """
    missed: dict[object, list[FlowRun]] = defaultdict(list)
    for run in _runs(client, [StateType.SCHEDULED], before=datetime.now(UTC)):
        if run.auto_scheduled and run.deployment_id and run.run_count == 0:
            missed[run.deployment_id].append(run)
    skipped = []
    for runs in missed.values():
        for run in sorted(runs, key=lambda one: one.expected_start_time)[:-1]:
            client.set_flow_run_state(run.id, Cancelled(message="missed, and a later one was missed, too"), force=True)
            skipped.append(run.name)
    return skipped


def _runs(client: SyncPrefectClient, states: list[StateType], before: datetime | None = None) -> Iterator[FlowRun]:
    chosen = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=before) if before else None,
    )
    # All pages before the first change: what is changed is no longer among the chosen.
    found: list[FlowRun] = []
    while page := client.read_flow_runs(flow_run_filter=chosen, limit=_PAGE, offset=len(found)):
        found += page
    yield from found
