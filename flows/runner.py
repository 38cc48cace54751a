"""A Dask cluster that does the per-session work of a flow's steps, item beside item.

Arguments and results travel between our own processes with cloudpickle, and whoever reaches the scheduler can run code
as its workers: a cluster made here listens on 127.0.0.1 only, and one of many machines needs TLS or its own network.
"""

import logging
import os
import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import Any

import httpx
from distributed import WorkerPlugin
from prefect import Task
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.events.worker import EventsWorker
from prefect.exceptions import PrefectException
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed
from prefect.utilities.callables import get_call_parameters
from prefect_dask import DaskTaskRunner
from prefect_dask.task_runners import PrefectDaskFuture

from storage.settings import Settings
from tasks.isolation import end_idle

_FIRST_WORKER_WITHIN_S = 120.0
_LOOK_EVERY_S = 5.0
# As long as a batch system may take to start the next worker in place of one whose time was up.
_WITHOUT_WORKERS_S = 600.0
_TELL_WITHIN_S = 60.0


class NoCluster(Exception):
    """There is no scheduler where the settings say, or it has no workers."""


class Cluster:
    """The cluster of the settings: workers on this machine, made here and ended at the end, or a running scheduler's.

    Raises NoCluster when the scheduler doesn't answer or has no worker. Workers have their settings from their own
    environment. Use as a context manager.
    """

    def __init__(self, settings: Settings) -> None:
        logging.getLogger("distributed").setLevel(logging.WARNING)
        self._is_ours = settings.dask is None
        self._address = settings.dask or "this machine"
        self._runner = (
            DaskTaskRunner(address=settings.dask)
            if settings.dask
            else DaskTaskRunner(cluster_kwargs=_on_this_machine(settings))
        )

    def __enter__(self) -> "Cluster":
        self._runner.__enter__()
        try:
            self._runner.client.wait_for_workers(1, timeout=_FIRST_WORKER_WITHIN_S)
            self._runner.client.register_plugin(_NeurolakeWorker())
        except (OSError, TimeoutError) as error:
            self._runner.__exit__(None, None, None)
            raise NoCluster(
                f"no Dask scheduler with a worker at {self._address} ({error}); "
                "NEUROLAKE_DASK says where it is, NEUROLAKE_RUNNER=threads does without"
            ) from error
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._is_ours:
            with suppress(OSError, TimeoutError):
                self._runner.client.run(_tell_the_server)
        self._runner.__exit__(kind, error, trace)

    def states(self, task: Task, calls: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, State]]:
        """The place of each call among the calls and the state it ended in, in the order in which they end.

        A call whose worker dies is begun again by another; one that several die of, or that no worker is left for,
        ends in the state Crashed.
        """
        with _server_named():
            futures = [self._runner.submit(task, get_call_parameters(task.fn, call, {})) for call in calls]
        ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        for place, future in enumerate(futures):
            future.wrapped_future.add_done_callback(lambda _, place=place: ended.put(place))
        pending, worked_at = set(range(len(futures))), time.monotonic()
        while pending and time.monotonic() - worked_at < _WITHOUT_WORKERS_S:
            try:
                place = ended.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                if self._has_workers():
                    worked_at = time.monotonic()
                continue
            pending.remove(place)
            yield place, _state(futures[place])
            worked_at = time.monotonic()
        for place in sorted(pending):
            futures[place].wrapped_future.cancel()
            yield place, _crashed(futures[place], f"{self._address} had no worker for {_WITHOUT_WORKERS_S:.0f} s")

    def _has_workers(self) -> bool:
        with suppress(OSError, TimeoutError):
            return bool(self._runner.client.nthreads())
        return False


def _on_this_machine(settings: Settings) -> dict[str, Any]:
    """Worker processes that share this machine's cores, and no page of Dask's own."""
    workers = len(os.sched_getaffinity(0))
    return {
        "n_workers": workers,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "scheduler_kwargs": {"dashboard": False},
        "memory_limit": 0,  # a session may take what it takes without Dask, too
        "env": {"NEUROLAKE_THREADS": str(max(settings.threads // workers, 1))},
    }


def _server_named() -> AbstractContextManager[object]:
    """Settings that name the server of this flow run: a worker would start a temporary one of its own otherwise."""
    run = FlowRunContext.get()
    return temporary_settings({PREFECT_API_URL: str(run.client.api_url)}) if run else nullcontext()


def _state(future: PrefectDaskFuture) -> State:
    found = future.wrapped_future
    if found.status == "finished":
        return found.result()
    error = found.exception() if found.status == "error" else found.status
    return _crashed(future, f"the Dask cluster lost it: {error}")


def _crashed(future: PrefectDaskFuture, message: str) -> State:
    """A state for a run whose worker can't tell its own, which would be shown as running for ever."""
    state = Crashed(message=message)
    if run := FlowRunContext.get():
        try:
            run.client.set_task_run_state(future.task_run_id, state, force=True)
        except (httpx.HTTPError, PrefectException, OSError) as error:
            logging.getLogger(__name__).warning("the end of a task run was not noted: %s", error)
    return state


async def _tell_the_server() -> None:
    """Send what a worker has not yet told the server: ended before, it would leave runs that seem to go on for ever."""
    await EventsWorker.drain_all(timeout=_TELL_WITHIN_S, at_exit=False)
    await APILogWorker.drain_all(timeout=_TELL_WITHIN_S, at_exit=False)


class _NeurolakeWorker(WorkerPlugin):
    """What a Dask worker is told so that it runs our tasks quietly and ends at once."""

    name = "neurolake"

    def setup(self, worker: object) -> None:
        # Workers run tasks in a thread, and Prefect explains at each that a time limit waits for calls to return.
        logging.getLogger("prefect.task_runs").addFilter(_is_no_advice)

    def teardown(self, worker: object) -> None:
        end_idle()


def _is_no_advice(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Timeout of %s seconds configured")
