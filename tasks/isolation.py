"""Run a function in a process of its own, so that a crash in a C library is an error and not the end of a night.

HDF5 crashes (signal 11) on some damaged files; nothing in Python can catch that in the same process.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

T = TypeVar("T")
_lock = threading.Lock()
_pool: ProcessPoolExecutor | None = None


class ProcessDied(Exception):
    """The process that ran the function crashed or was killed."""


def run_isolated(function: Callable[..., T], *arguments: object) -> T:
    """The function's result, computed in a process that is kept for the next call.

    ``function`` stands at the top of a module; arguments and result are pickled between our own processes. Raises
    what the function raises, and ProcessDied when its process ends; the next call then starts another.
    """
    global _pool
    with _lock:
        if _pool is None:
            # Not forked: threads of Polars and Arrow don't survive a fork.
            spawn = multiprocessing.get_context("spawn")
            _pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_end_with_parent)
        try:
            return _pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            _pool = None
            raise ProcessDied(f"the process that ran {function.__name__} died") from error


def _end_with_parent() -> None:
    """A killed night leaves no process behind that still waits for work."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
