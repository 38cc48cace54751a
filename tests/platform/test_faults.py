"""What happens when a part of the platform dies in the middle of a night: docs/faults.md says it, and this shows it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest

from models.simulate import ChangeDetectionPlan
from samples.write_sessions import write_sessions
from storage.check import run_checks
from tests.flows.running_platform import ended_run, everything, run_deployment
from tests.flows.test_day_folder import write_session
from tests.platform.breaking import (
    filled_disk,
    frozen_postgres,
    kill,
    processes_of_run,
    service,
    small_disk,
    stopped_postgres,
)
from tests.platform.lab import Lab, wait_for

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]

SESSIONS = 40
PLAN = ChangeDetectionPlan(n_vip_mice=2, n_sst_mice=2, cells_per_mouse=3, duration_s=90)
AWAY_S = 20
CRASHED_WITHIN_S = 90


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`make up` with its lake on a small disk of its own, where this machine lets us mount one."""
    folder = tmp_path_factory.mktemp("faults")
    home, nothing = folder / "home", folder / "lab"
    nothing.mkdir()
    with small_disk(home / "lake", "96m"), everything(home, nothing) as environment:
        yield Lab(nothing, home, environment)


@pytest.fixture
def day(lab: Lab, request: pytest.FixtureRequest) -> Path:
    """A folder of small sessions, named after the test that has it to itself."""
    folder = lab.home.parent / request.node.name.removeprefix("test_")[:60]
    # Other bytes for each test: content that the lake knows is not read again under another name.
    first = SESSIONS * len(list(lab.home.parent.iterdir()))
    folder.mkdir()
    for number in range(first, first + SESSIONS):
        write_session(folder, number)
    return folder


def begin_night(lab: Lab, sources: Path) -> str:
    """A night over these sources, started by hand; its run."""
    return run_deployment(dict(lab.environment), "nightly/nightly", {"choice": {"sources": str(sources)}})["id"]


def in_the_middle(lab: Lab, sources: Path) -> str:
    """A night that has read some of the sessions, and still has many before it; its run."""
    night = begin_night(lab, sources)
    wait_for(lambda: session_count(lab, sources) >= 3, 120, "the first sessions")
    assert session_count(lab, sources) < SESSIONS - 5, "the night was over before anything could go wrong"
    return night


def end_of(lab: Lab, night: str, within_s: float = 400) -> str:
    return ended_run(dict(lab.environment), night, within_s)["state_type"]


def session_count(lab: Lab, sources: Path) -> int:
    with lab.lake as lake:
        return lake.query(
            "SELECT count(*) FROM recorded.sessions WHERE starts_with(source_uri, $folder)", folder=f"{sources}/"
        ).item()


def require_whole(lab: Lab, sources: Path | None = None) -> None:
    """Nothing half written: no check finds a row; with sources, each session is in, and was written once."""
    with lab.lake as lake:
        assert [result.name for result in run_checks(lake) if len(result.offending)] == []
        if sources is not None:
            messages = lake.snapshots()["commit_message"].drop_nulls()
            written = sorted(messages.filter(messages.str.starts_with(f"ingest {sources}/")))
            assert written == [f"ingest {file}" for file in sorted(sources.glob("*.yaml"))]
            assert lake.query("FROM recorded.rejected").is_empty()
    if sources is not None:
        assert session_count(lab, sources) == SESSIONS


def test_a_worker_that_is_killed_in_the_middle_of_ingestion(lab: Lab, day: Path) -> None:
    night = in_the_middle(lab, day)
    kill([service(lab.home, "worker cpu")])
    assert end_of(lab, night, CRASHED_WITHIN_S) == "CRASHED"
    wait_for(lambda: not processes_of_run(night), 30, "the end of the run's processes")
    assert session_count(lab, day) < SESSIONS
    require_whole(lab)
    assert end_of(lab, begin_night(lab, day)) == "COMPLETED"
    require_whole(lab, day)


def test_a_run_that_is_killed_alone_in_the_middle_of_ingestion(lab: Lab, day: Path) -> None:
    night = in_the_middle(lab, day)
    kill(processes_of_run(night))
    assert end_of(lab, night, CRASHED_WITHIN_S) == "CRASHED"
    assert session_count(lab, day) < SESSIONS
    require_whole(lab)
    assert end_of(lab, begin_night(lab, day)) == "COMPLETED"
    require_whole(lab, day)


def test_a_worker_and_its_run_that_are_killed_in_the_middle_of_training(lab: Lab) -> None:
    recordings = lab.home.parent / "mice"
    write_sessions(PLAN, recordings)
    night = begin_night(lab, recordings)
    wait_for(lambda: mlflow_runs(lab, "RUNNING"), 1200, "a training")
    kill([service(lab.home, "worker cpu"), *processes_of_run(night)])
    with lab.lake as lake:
        assert lake.query("SELECT count(*) FROM findings.studies WHERE kind = 'omission'").item() == 0
    require_whole(lab)
    assert end_of(lab, night, CRASHED_WITHIN_S) == "CRASHED"

    assert end_of(lab, begin_night(lab, recordings)) == "COMPLETED"
    with lab.lake as lake:
        assert lake.query("SELECT count(*) FROM findings.studies WHERE kind = 'responses'").item() == 8
        assert lake.query("SELECT count(*) FROM findings.studies WHERE kind = 'omission'").item() == 1
        promoted = lake.query("SELECT model_version, promoted, mlflow_run_id FROM findings.promotions").row(0)
    assert promoted[:2] == (1, True)
    assert [run["info"]["run_id"] for run in mlflow_runs(lab, "FINISHED")] == [promoted[2]]
    assert mlflow_runs(lab, "RUNNING") == []
    require_whole(lab)


def test_a_server_that_is_killed_during_a_run(lab: Lab, day: Path) -> None:
    night = in_the_middle(lab, day)
    lease = lab.ask(f"/flow_runs/{night}")["state"]["state_details"]["deployment_concurrency_lease_id"]
    kill([service(lab.home, "prefect")])
    wait_for(lambda: answers(lab), 120, "the server's return")
    # A run that can't renew its place among its deployment's runs ends itself.
    lab.ask(f"/v2/concurrency_limits/leases/{lease}/renew", {"lease_duration": 300})
    assert end_of(lab, night) == "COMPLETED"
    require_whole(lab, day)


def test_postgres_that_stands_still(lab: Lab, day: Path) -> None:
    night = in_the_middle(lab, day)
    with frozen_postgres(lab.home):
        time.sleep(AWAY_S)
    assert end_of(lab, night) == "COMPLETED"
    require_whole(lab, day)


def test_postgres_that_is_stopped_and_started(lab: Lab, day: Path) -> None:
    night = in_the_middle(lab, day)
    with stopped_postgres(lab.home):
        time.sleep(AWAY_S)
    assert end_of(lab, night) == "COMPLETED"
    require_whole(lab, day)


def test_a_disk_that_is_full_in_the_middle_of_a_write(lab: Lab) -> None:
    if not (lab.home / "lake").is_mount():
        pytest.skip("no small disk can be mounted here")
    folder = lab.home.parent / "long"
    folder.mkdir()
    for number in range(900, 904):
        described = write_session(folder, number)
        # 2.4 MB in the lake each: the disk fills while one is being written.
        values = np.random.default_rng(number).normal(size=(4, 100_000))
        np.savetxt(described.with_suffix(".csv"), values, fmt="%.4f", delimiter=",")
    left_by_killed_writers = files_unknown_to_the_lake(lab)
    with filled_disk(lab.home / "lake", left_bytes=3_500_000):
        ended = ended_run(dict(lab.environment), begin_night(lab, folder))
        assert ended["state_type"] == "FAILED"
        assert "No space left on device" in ended["state"]["message"]
        require_whole(lab)
        assert session_count(lab, folder) == 1
    assert end_of(lab, begin_night(lab, folder)) == "COMPLETED"
    assert session_count(lab, folder) == 4
    require_whole(lab)
    assert files_unknown_to_the_lake(lab) == left_by_killed_writers


def files_unknown_to_the_lake(lab: Lab) -> list[Path]:
    """Trace files on disk that the lake does not name, sorted: a write that fails and lives leaves none."""
    with lab.lake as lake:
        known = set(
            lake.query("SELECT data_file FROM ducklake_list_files('lake', 'traces', schema => 'recorded')")["data_file"]
        )
    return [
        file
        for file in sorted((lab.home / "lake" / "data" / "recorded" / "traces").rglob("*"))
        if file.is_file() and str(file) not in known
    ]


def mlflow_runs(lab: Lab, status: str) -> list[dict]:
    body = {"experiment_ids": experiments(lab), "filter": f"attributes.status = '{status}'", "max_results": 100}
    return ask_mlflow(lab, "runs/search", body).get("runs", []) if body["experiment_ids"] else []


def experiments(lab: Lab) -> list[str]:
    found = ask_mlflow(lab, "experiments/search", {"max_results": 100})
    return [one["experiment_id"] for one in found.get("experiments", [])]


def ask_mlflow(lab: Lab, what: str, body: dict) -> dict:
    request = Request(
        f"{lab.mlflow_page}/api/2.0/mlflow/{what}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=60) as response:
        return json.load(response)


def answers(lab: Lab) -> bool:
    try:
        return lab.ask("/health") is True
    except OSError:
        return False
