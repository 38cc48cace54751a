"""What runs in a home, as `make up` writes it down; and what a killed one left behind."""

import json
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock, Timeout

from storage.settings import Settings

# Every program of a home has these in its environment, and so has whatever it starts, in whichever session or
# process group: Prefect's flow runs have one of their own. By them they are found, and by nothing that others have.
HOME, SERVICE = "MAKE_UP_HOME", "MAKE_UP_SERVICE"


class AlreadyRuns(Exception):
    """Another `make up` has this home."""


@dataclass(frozen=True)
class Running:
    """A `make up`: its process, when that began (s since 1970), how far it is, and the process of each service."""

    pid: int
    began_s: float
    phase: Literal["starting", "up", "stopping"]
    services: Mapping[str, int]

    @classmethod
    def here(cls, phase: Literal["starting", "up", "stopping"], services: Mapping[str, int]) -> "Running":
        """This process's own."""
        return cls(os.getpid(), psutil.Process().create_time(), phase, services)

    @property
    def lives(self) -> bool:
        """Whether it is still that process, and not another that got its number."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.began_s) < 1 and _is_active(process)
        return False


def write_running(settings: Settings, running: Running) -> None:
    """Write it down, whole."""
    file = _file(settings)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(running)))
    fresh.replace(file)


def read_running(settings: Settings) -> Running | None:
    """What was written down last; None when nothing was, or it was taken back."""
    try:
        return Running(**json.loads(_file(settings).read_text()))
    except FileNotFoundError:
        return None


def forget_running(settings: Settings) -> None:
    """Take it back: nothing runs."""
    _file(settings).unlink(missing_ok=True)


def programs_of(home: Path, service: str | None = None) -> list[psutil.Process]:
    """Every process that a `make up` of this home started, at whatever remove; or only those of one service."""
    wanted = {HOME: str(home)} | ({SERVICE: service} if service else {})
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environment = process.environ()
            if all(environment.get(name) == value for name, value in wanted.items()) and _is_active(process):
                found.append(process)
    return found


def end(processes: Iterable[psutil.Process], within_s: float = 10) -> None:
    """Ask processes to end, and kill those that don't in time."""
    left = list(processes)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        give_up_at = time.monotonic() + within_s
        while (left := [process for process in left if _is_active(process)]) and time.monotonic() < give_up_at:
            time.sleep(0.05)


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the home. Raises AlreadyRuns when a `make up` has it; the lock of a killed one is free."""
    settings.services_folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.services_folder / "up.lock", timeout=0):
            yield
    except Timeout:
        raise AlreadyRuns(
            f"`make up` runs already for {settings.home}; `make status` shows it, `make down` ends it"
        ) from None


def _file(settings: Settings) -> Path:
    return settings.services_folder / "running.json"


def _is_active(process: psutil.Process) -> bool:
    # A zombie has ended, though not every container has a first process that clears it away.
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
