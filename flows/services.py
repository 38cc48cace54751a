"""Programs that run side by side and belong together: started in order, watched, started anew, stopped in reverse."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_STOP_WITHIN_S = 30
_LOOK_EVERY_S = 1.0
_RESTARTS, _RESTARTS_WITHIN_S = 5, 300.0


class ServiceFailed(Exception):
    """A program did not come up, or did not stay up."""


@dataclass(frozen=True)
class Service:
    """One program: what starts it, in which environment, and the page that answers once it is up."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    health: str | None = None
    within_s: float = 240.0


@dataclass
class _Running:
    service: Service
    process: subprocess.Popen
    began_at: list[float]


class Services:
    """Starts services and keeps them running; use as a context manager, which stops all of them at its end."""

    def __init__(self, log_folder: Path, say: Callable[[str], None]) -> None:
        self._logs = log_folder
        self._say = say
        self._running: list[_Running] = []

    def __enter__(self) -> "Services":
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for one in reversed(self._running):
            _signal(one.process, signal.SIGINT)
        give_up_at = time.monotonic() + _STOP_WITHIN_S
        for one in reversed(self._running):
            try:
                one.process.wait(max(give_up_at - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                _signal(one.process, signal.SIGKILL)
                one.process.wait()

    @property
    def processes(self) -> dict[str, int]:
        """Process number of each service."""
        return {one.service.name: one.process.pid for one in self._running}

    def start(self, service: Service) -> None:
        """Start a program and wait until it answers. Raises ServiceFailed, with the end of its log, if it doesn't."""
        running = _Running(service, self._spawn(service), [time.monotonic()])
        self._running.append(running)
        give_up_at = time.monotonic() + service.within_s
        while service.health and not _answers(service.health):
            if running.process.poll() is not None or time.monotonic() > give_up_at:
                raise ServiceFailed(
                    f"{service.name} did not come up; the end of {self.log(service)}:\n{self._end(service)}"
                )
            time.sleep(0.2)

    def watch(self, until: Callable[[], bool]) -> None:
        """Start again whatever ends, until told to stop; raises ServiceFailed for what ends over and over."""
        while not until():
            for one in self._running:
                if one.process.poll() is None:
                    continue
                recent = [began for began in one.began_at if began > time.monotonic() - _RESTARTS_WITHIN_S]
                if len(recent) >= _RESTARTS:
                    raise ServiceFailed(
                        f"{one.service.name} ended {_RESTARTS} times in {_RESTARTS_WITHIN_S / 60:g} minutes; "
                        f"the end of {self.log(one.service)}:\n{self._end(one.service)}"
                    )
                self._say(f"{one.service.name} ended with status {one.process.returncode}; starting it again")
                one.process, one.began_at = self._spawn(one.service), [*recent, time.monotonic()]
            time.sleep(_LOOK_EVERY_S)

    def log(self, service: Service) -> Path:
        """File that holds what the program prints."""
        return self._logs / f"{service.name.replace(' ', '-')}.log"

    def _spawn(self, service: Service) -> subprocess.Popen:
        with self.log(service).open("ab") as log:
            # A session of its own: Ctrl-C is for us, and we stop them in order.
            return subprocess.Popen(
                list(service.command),
                env=os.environ | dict(service.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, service: Service) -> str:
        return "\n".join(self.log(service).read_text(errors="replace").splitlines()[-15:])


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return response.status == 200
    except urllib.error.HTTPError as error:
        return error.code == 401  # up, and asking who we are
    except OSError:
        return False


def _signal(process: subprocess.Popen, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
