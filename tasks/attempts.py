"""What a task does about trouble: it tries again where that may help, and ends when it has run far too long.

A time limit ends Python code at once, and a query or a wait in the main thread; a call into a C library it ends only
when that call returns. Reading a recording has a limit of its own (`tasks.isolation`), which kills.
"""

from collections.abc import Iterator
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.task_engine import TaskRunTimeoutError
from prefect.tasks import exponential_backoff

HOUR_S = 3600.0

# A database, store or server that is away for a while, and writers in each other's way; by package and name, because
# not every environment has all of them. A subclass counts as its base.
_PASSES = {
    ("storage", "LakeBusy"),
    ("storage", "StoreFailed"),  # S3, where neurolake sends files itself
    ("duckdb", "IOException"),  # S3, where DuckDB reads it, and a catalog that went away
    ("duckdb", "TransactionException"),
    ("psycopg", "OperationalError"),
    ("sqlalchemy", "OperationalError"),
    ("requests", "ConnectionError"),
    ("requests", "RetryError"),
    ("requests", "Timeout"),
    ("builtins", "ConnectionError"),
}
# A disk stays full until somebody makes room.
_FULL = ("no space left on device", "disk is full")


def may_pass(error: BaseException) -> bool:
    """Whether the same again may succeed: something was away or busy, and nothing wrong with what was asked.

    What an error was raised from counts too: MLflow, for one, words a lost connection as an error of its own.
    """
    if any(sign in str(one).lower() for one in _with_causes(error) for sign in _FULL):
        return False
    kinds = [kind for one in _with_causes(error) for kind in type(one).__mro__]
    return any((kind.__module__.partition(".")[0].lstrip("_"), kind.__name__) in _PASSES for kind in kinds)


def _may_pass(task: Task, run: TaskRun, state: State) -> bool:
    return not isinstance(state.data, TaskRunTimeoutError) and may_pass(state.data)


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# Four more attempts within about a minute, at times that differ between tasks which failed together.
PATIENT: dict[str, Any] = {
    "retries": 4,
    "retry_delay_seconds": exponential_backoff(4),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_pass,
}
