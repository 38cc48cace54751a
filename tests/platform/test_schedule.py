"""Nights by schedule: no hand, new files in, nothing done twice, and a server that was killed in between."""

import json
import os
import re
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from samples.write_sessions import write_sessions
from tests.flows.running_platform import command, completed_run
from tests.platform.lab import ENDED_WITHIN_S, PLAN, Lab, wait_for

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]

MODEL = "omitted-or-presented-lab-rigorous"
ONE_MORE_MOUSE = replace(PLAN, n_sst_mice=PLAN.n_sst_mice + 1)
_SCHEDULED_WITHIN_S = 90  # the scheduler looks once a minute


def test_every_deployment_with_a_schedule_has_runs_to_come_and_status_says_when(lab: Lab) -> None:
    with_schedule = [one for one in lab.ask("/deployments/filter", {}) if any(s["active"] for s in one["schedules"])]
    assert "nightly" in {one["name"] for one in with_schedule}
    coming = {
        one["name"]: wait_for(
            lambda one=one: lab.runs(one["id"], "SCHEDULED"), _SCHEDULED_WITHIN_S, f"a run of {one['name']}"
        )[0]
        for one in with_schedule
    }
    status = command(dict(lab.environment), "flows.status")
    assert status.returncode == 0, status.stdout
    for name, run in coming.items():
        when = datetime.fromisoformat(run["expected_start_time"])
        assert re.search(rf"{name} .*{when:%Y-%m-%d %H:%M}", status.stdout)


def test_a_night_comes_by_itself_and_takes_in_what_is_new(lab: Lab) -> None:
    with lab.lake as lake:
        sessions_before = set(lake.query("SELECT session_id FROM recorded.sessions")["session_id"])
    version_before = newest_version(lab)
    write_sessions(ONE_MORE_MOUSE, lab.recordings)

    coming = schedule_night(lab)
    night = completed_run(dict(lab.environment), coming["id"], ENDED_WITHIN_S)

    assert night["auto_scheduled"]
    with lab.lake as lake:
        new = set(lake.query("SELECT session_id FROM recorded.sessions")["session_id"]) - sessions_before
    assert len(new) == 2
    assert newest_version(lab) == lab.version_trained_by(coming["id"]) == version_before + 1


def test_a_night_without_news_does_nothing_and_a_server_killed_before_it_does_not_matter(lab: Lab) -> None:
    with lab.lake as lake:
        snapshot_before = lake.snapshot_id
    version_before = newest_version(lab)

    coming = schedule_night(lab)
    server = json.loads((lab.home / "services" / "running.json").read_text())["services"]["prefect"]
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: not answers(lab), 20, "the server's end")
    wait_for(lambda: answers(lab), 120, "the server's return")
    back_at = datetime.now(UTC)
    night = completed_run(dict(lab.environment), coming["id"], ENDED_WITHIN_S)

    assert datetime.fromisoformat(night["start_time"]) > back_at
    assert night["total_run_time"] < 30
    with lab.lake as lake:
        assert lake.snapshot_id == snapshot_before
    assert newest_version(lab) == version_before


def schedule_night(lab: Lab) -> dict:
    """Move the nightly schedule to little more than a minute from now; the run that the server makes of it."""
    nightly = lab.ask("/deployments/name/nightly/nightly")
    path = f"/deployments/{nightly['id']}/schedules/{nightly['schedules'][0]['id']}"
    for ahead_s in (75, 150):  # the scheduler looks once a minute, and later where the machine is busy
        at = datetime.now(UTC) + timedelta(seconds=ahead_s)
        schedule = {"interval": timedelta(days=1).total_seconds(), "anchor_date": at.isoformat(), "timezone": "UTC"}
        lab.ask(path, {"schedule": schedule}, "PATCH")
        while datetime.now(UTC) < at:
            for run in lab.runs(nightly["id"], "SCHEDULED"):
                if abs(datetime.fromisoformat(run["expected_start_time"]) - at) < timedelta(seconds=2):
                    return run
            time.sleep(0.5)
    raise AssertionError("no run was made of a schedule that was moved")


def newest_version(lab: Lab) -> int:
    asked = urlencode({"filter": f"name='{MODEL}'"})
    with urlopen(f"{lab.mlflow_page}/api/2.0/mlflow/model-versions/search?{asked}", timeout=60) as response:
        return max(int(one["version"]) for one in json.load(response)["model_versions"])


def answers(lab: Lab) -> bool:
    try:
        return lab.ask("/health") is True
    except OSError:
        return False
