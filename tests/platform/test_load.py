"""Load: many sessions through three workers at once, and many task runs at once against the server on Postgres."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.many_sessions import WORKERS, client_environment, commit_times_s, in_three_workers, write_thirds
from storage.check import run_checks
from tests.platform.lab import Lab, wait_for

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]

SESSIONS, UNITS, FRAMES = 500, 4, 60
FLOWS, TASKS = 6, 400


def test_five_hundred_sessions_through_three_workers(lab: Lab, tmp_path: Path) -> None:
    thirds = write_thirds(tmp_path / "day", SESSIONS)
    runs = in_three_workers(lab.environment, thirds)
    assert [run["state"]["message"] for run in runs if run["state_type"] != "COMPLETED"] == []
    assert len({run["labels"]["prefect.worker.name"] for run in runs}) == WORKERS
    with lab.lake as lake:
        of_day = "starts_with(source_uri, $day)"
        day = {"day": f"{tmp_path / 'day'}/"}
        counts = lake.query(
            f"SELECT count(*), count(DISTINCT session_id), sum(unit_count) FROM recorded.sessions WHERE {of_day}", **day
        ).row(0)
        assert counts == (SESSIONS, SESSIONS, SESSIONS * UNITS)
        for table, each in (("traces", UNITS * FRAMES), ("units", UNITS), ("frames", FRAMES), ("events", 3)):
            rows = lake.query(
                f"SELECT count(*) FROM recorded.{table} JOIN recorded.sessions USING (session_id) WHERE {of_day}", **day
            ).item()
            assert (table, rows) == (table, SESSIONS * each)
        # A commit for each session, and none twice.
        messages = lake.snapshots()["commit_message"].drop_nulls()
        written = messages.filter(messages.str.starts_with(f"ingest {day['day']}")).to_list()
        assert sorted(written) == sorted(f"ingest {file}" for third in thirds for file in third.glob("*.yaml"))
        assert [result.name for result in run_checks(lake) if len(result.offending)] == []
        times_s = commit_times_s(lake)[-SESSIONS:]
    # The first and the last fifty are those of fewer than three workers.
    early, late = times_s[150] - times_s[50], times_s[450] - times_s[350]
    assert late < 2 * early, f"a hundred sessions took {early:.1f} s, and with 350 in the lake {late:.1f} s"


def test_six_flows_of_four_hundred_tasks_at_once(lab: Lab) -> None:
    flow = [sys.executable, str(Path(__file__).parent / "many_tasks.py"), str(TASKS)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(flow, env=client_environment(lab.environment), **pipes) for _ in range(FLOWS)]
    ended = [process.communicate(timeout=600) for process in running]
    assert [(process.returncode, out) for process, (out, _) in zip(running, ended, strict=True)] == [
        (0, f"{sum(range(TASKS))}\n")
    ] * FLOWS, "\n".join(err[-2000:] for _, err in ended)

    of_flow = {"flows": {"name": {"any_": ["many-tasks"]}}}
    runs = lab.ask("/flow_runs/filter", of_flow)
    assert [run["state_type"] for run in runs] == ["COMPLETED"] * FLOWS
    # Task runs reach the server as events, some after the flow has ended.
    completed = of_flow | {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    wait_for(lambda: lab.ask("/task_runs/count", completed) == FLOWS * TASKS, 120, f"{FLOWS * TASKS} task runs")
    assert lab.ask("/task_runs/count", of_flow) == FLOWS * TASKS
