"""Run a function in a process of its own, so that a crash or a hang in a C library is an error and not a night's end.

HDF5 crashes (signal 11) on some damaged files and never ends on others; nothing in Python can catch that in the same
process.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from ctypes import c_double, c_int
from typing import TypeVar

T = TypeVar("T")

# How long the process may leave its interpreter to a C library, as a damaged file makes HDF5 do for ever.
SILENCE_S = 120.0
_lock = threading.Lock()
_worker: "_Worker | None" = None


class ProcessDied(Exception):
    """The process that ran the function crashed or was killed."""


class ProcessHung(ProcessDied):
    """The process that ran the function did nothing more, or went on past its time, and was killed."""


def run_isolated(function: Callable[..., T], *arguments: object, limit_s: float = float("inf")) -> T:
    """The function's result, computed in a process that is kept for the next call.

    ``function`` stands at the top of a module; arguments and result are pickled between our own processes. Raises
    what the function raises; ProcessDied when its process ends, and ProcessHung when it is killed for being silent
    for SILENCE_S or running past ``limit_s``. The next call then starts another.
    """
    global _worker
    with _lock:
        if _worker is None:
            _worker = _Worker()
        try:
            return _worker.run(function, arguments, limit_s)
        except BrokenProcessPool as error:
            hung, _worker = _worker.hung, None
            if hung:
                raise ProcessHung(f"the process that ran {function.__name__} was killed: {hung}") from error
            raise ProcessDied(f"the process that ran {function.__name__} died") from error


def end_idle() -> None:
    """End the process that is kept for the next call, unless it is at work: a process that ends waits for its own."""
    global _worker
    if _lock.acquire(blocking=False):
        try:
            if _worker is not None:
                _worker.end()
                _worker = None
        finally:
            _lock.release()


class _Worker:
    """One process, watched."""

    def __init__(self) -> None:
        # A worker of Dask is a daemon, which may have no children lest they outlive it; this one ends with its parent.
        multiprocessing.current_process().daemon = False
        # Not forked: threads of Polars and Arrow don't survive a fork.
        spawn = multiprocessing.get_context("spawn")
        self._pid = spawn.Value(c_int, 0)
        self._alive_at = spawn.Value(c_double, 0.0)
        self._pool = ProcessPoolExecutor(1, spawn, _begin, (self._pid, self._alive_at))
        self.hung = ""

    def end(self) -> None:
        self._pool.shutdown()

    def run(self, function: Callable[..., T], arguments: tuple, limit_s: float) -> T:
        future = self._pool.submit(function, *arguments)
        began = time.monotonic()
        while True:
            with suppress(NotYet):
                return future.result(timeout=1)
            now = time.monotonic()
            silent_s = now - max(self._alive_at.value, began)
            if self._pid.value and (silent_s > SILENCE_S or now - began > limit_s):
                self.hung = f"silent for {silent_s:.0f} s" if silent_s > SILENCE_S else f"over {limit_s:.0f} s"
                os.kill(self._pid.value, signal.SIGKILL)
                return future.result()  # which raises BrokenProcessPool


def _begin(pid: "multiprocessing.Value", alive_at: "multiprocessing.Value") -> None:
    """Say every second that the process lives, and end with its parent: a killed night leaves none behind."""
    pid.value = os.getpid()

    def beat() -> None:
        while multiprocessing.parent_process().is_alive():
            alive_at.value = time.monotonic()
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=beat, daemon=True).start()
