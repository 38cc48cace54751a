"""A step's progress as a bar on the run's page in Prefect, for steps that last longer than a glance."""

import logging
import time
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException

# Each update is a request to the server, of some 20 ms here.
_EVERY_S = 5.0
_AFTER_TROUBLE_S = 60.0


class StepPage:
    """Progress of one step; outside of a flow run, or where a step ends at once, nothing is left."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._key = f"progress-{step.replace(' ', '-')}"
        self._artifact: UUID | None = None
        self._next_s = time.monotonic() + _EVERY_S
        self._in_flow_run = FlowRunContext.get() is not None

    def show(self, fraction: float, now: str) -> None:
        """Say how much of the step is done, from 0 to 1, and with what it is busy; every few seconds at most."""
        if self._in_flow_run and time.monotonic() >= self._next_s:
            self._send(fraction, f"{self._step}: {now}")

    def close(self, outcome: str) -> None:
        """Say how the step ended, where its progress was shown."""
        if self._artifact is not None:
            self._send(1.0, f"{self._step}: {outcome}")

    def _send(self, fraction: float, description: str) -> None:
        try:
            if self._artifact is None:
                self._artifact = create_progress_artifact(100 * fraction, key=self._key, description=description)
            else:
                update_progress_artifact(self._artifact, progress=100 * fraction, description=description)
            self._next_s = time.monotonic() + _EVERY_S
        except (httpx.HTTPError, PrefectException, OSError) as error:
            # A page that can't be written must not end the work that it tells of.
            logging.getLogger(__name__).warning("progress of %s was not shown: %s", self._step, error)
            self._next_s = time.monotonic() + _AFTER_TROUBLE_S
