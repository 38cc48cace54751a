"""A lab whose platform is up: its recordings, its lake, its nights."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.simulate import ChangeDetectionPlan
from storage.lake import Lake, open_lake
from storage.settings import Settings
from tests.flows.running_platform import ask_prefect

PLAN = ChangeDetectionPlan(n_vip_mice=2, n_sst_mice=2, cells_per_mouse=3, duration_s=90)
ENDED_WITHIN_S = 900  # a night of eight sessions, on a machine that is busy with others


@dataclass(frozen=True)
class Lab:
    """A folder of recordings, a home, and the environment that `make up` was started with."""

    recordings: Path
    home: Path
    environment: Mapping[str, str]

    @property
    def lake(self) -> Lake:
        return open_lake(Settings(home=self.home, threads=1), read_only=True)

    @property
    def prefect_page(self) -> str:
        return f"http://127.0.0.1:{self.environment['NEUROLAKE_PREFECT_PORT']}"

    @property
    def mlflow_page(self) -> str:
        return f"http://127.0.0.1:{self.environment['NEUROLAKE_MLFLOW_PORT']}"

    def version_trained_by(self, run_id: str) -> int:
        """Version of the model that a run has registered."""
        with self.lake as lake:
            return lake.query(
                """SELECT model_version FROM findings.promotions
                   JOIN findings.studies USING (study_id) WHERE flow_run_id = $run""",
                run=run_id,
            ).item()

    def ask(self, path: str, body: dict | None = None, method: str | None = None) -> Any:
        """What Prefect's API answers, parsed."""
        return ask_prefect(dict(self.environment), path, body, method)

    def runs(self, deployment_id: str, state: str) -> list[dict]:
        """Runs of a deployment in a state of that type, the earliest first."""
        chosen = {"deployments": {"id": {"any_": [deployment_id]}}, "flow_runs": {"state": {"type": {"any_": [state]}}}}
        return self.ask("/flow_runs/filter", chosen | {"sort": "EXPECTED_START_TIME_ASC"})


def wait_for(what: Callable[[], Any], within_s: float, named: str) -> Any:
    """The first answer that is true. Raises AssertionError when there is none in time."""
    give_up_at = time.monotonic() + within_s
    while not (answer := what()):
        assert time.monotonic() < give_up_at, f"{named}: not within {within_s:g} s"
        time.sleep(0.5)
    return answer
