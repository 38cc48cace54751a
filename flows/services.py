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

from flows.running import HOME, SERVICE, end, programs_of

_STOP_WITHIN_S = 30
_LOOK_EVERY_S = 1.0
_LONGEST_WAIT_S, _FORGIVEN_AFTER_S = 60.0, 300.0


class ServiceFailed(Exception):
    """A program did not come up, or did not stay up."""


class ToldToStop(Exception):
    """Somebody asked for the end while programs were starting."""


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
    began_at_s: float
    ended_in_a_row: int = 0
    again_at_s: float | None = None


class Services:
    """Starts services of a home and keeps them running; use as a context manager, which stops all at its end."""

    def __init__(
        self, home: Path, log_folder: Path, say: Callable[[str], None], until: Callable[[], bool] = lambda: False
    ) -> None:
        self._home = home
        self._logs = log_folder
        self._say = say
        self._until = until
        self._stages: list[list[_Running]] = []

    def __enter__(self) -> "Services":
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        while self._stages:
            self.stop_last()

    @property
    def processes(self) -> dict[str, int]:
        """Process number of each service."""
        return {one.service.name: one.process.pid for one in self._all()}

    def start(self, *services: Service) -> None:
        """Start programs side by side and wait until all answer.

        Raises ServiceFailed, with the end of its log, for one that doesn't; ToldToStop when the end is asked for first.
        """
        stage: list[_Running] = []
        self._stages.append(stage)
        for service in services:
            stage.append(_Running(service, self._spawn(service), time.monotonic()))
        for running in stage:
            self._wait_for(running)

    def stop_last(self) -> None:
        """Stop the programs that were started last, together, and whatever they left behind."""
        stage = self._stages.pop()
        for one in stage:
            _signal(one.process, signal.SIGINT)
        give_up_at = time.monotonic() + _STOP_WITHIN_S
        for one in stage:
            try:
                one.process.wait(max(give_up_at - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                _signal(one.process, signal.SIGKILL)
                one.process.wait()
        for one in stage:
            end(programs_of(self._home, one.service.name))

    def watch(
        self,
        each_look: Callable[[], None] = lambda: None,
        before_restart: Callable[[Service], None] = lambda _: None,
        after_restart: Callable[[], None] = lambda: None,
    ) -> None:
        """Start again whatever ends, until told to stop: at once, and later and later if it ends over and over.

        What an ended program had started ends before it starts again: two flow runs would have one device.
        """
        while not self._until():
            each_look()
            for one in self._all():
                if one.process.poll() is None:
                    continue
                now_s = time.monotonic()
                if one.again_at_s is None:
                    one.ended_in_a_row = 0 if now_s - one.began_at_s > _FORGIVEN_AFTER_S else one.ended_in_a_row
                    wait_s = min(2.0**one.ended_in_a_row - 1, _LONGEST_WAIT_S)
                    one.ended_in_a_row, one.again_at_s = one.ended_in_a_row + 1, now_s + wait_s
                    when = (
                        f"starting it again in {wait_s:g} s, see {self.log(one.service)}"
                        if wait_s
                        else "starting it again"
                    )
                    self._say(f"{one.service.name} ended with status {one.process.returncode}; {when}")
                    end(programs_of(self._home, one.service.name))
                    before_restart(one.service)
                if now_s >= one.again_at_s:
                    one.process, one.began_at_s, one.again_at_s = self._spawn(one.service), now_s, None
                    after_restart()
            time.sleep(_LOOK_EVERY_S)

    def log(self, service: Service) -> Path:
        """File that holds what the program prints."""
        return self._logs / f"{service.name.replace(' ', '-')}.log"

    def _all(self) -> list[_Running]:
        return [one for stage in self._stages for one in stage]

    def _wait_for(self, running: _Running) -> None:
        service = running.service
        give_up_at = time.monotonic() + service.within_s
        while service.health and not _answers(service.health):
            if self._until():
                raise ToldToStop
            if running.process.poll() is not None or time.monotonic() > give_up_at:
                raise ServiceFailed(
                    f"{service.name} did not come up; the end of {self.log(service)}:\n{self._end(service)}"
                )
            time.sleep(0.2)

    def _spawn(self, service: Service) -> subprocess.Popen:
        ours = {HOME: str(self._home), SERVICE: service.name}
        with self.log(service).open("ab") as log:
            # A session of its own: Ctrl-C is for us, and we stop them in order.
            return subprocess.Popen(
                list(service.command),
                env=os.environ | dict(service.environment) | ours,
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
