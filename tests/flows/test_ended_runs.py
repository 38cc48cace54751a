"""Runs that end early, on a real server and worker: the lake stays whole, people are told, and none runs for ever."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event
from prefect.states import Cancelling, Running

from flows.automations import apply_automations
from flows.nightly import nightly
from storage.attach import LakeMissing
from storage.check import run_checks
from storage.lake import open_lake
from storage.settings import Settings
from tests.flows.listener import Listener, listener
from tests.flows.server_and_worker import deploy, server_and_worker
from tests.flows.test_day_folder import UNITS, write_session

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]

SESSIONS = 80


@dataclass(frozen=True)
class Lab:
    """A folder of recordings, one of them broken, a platform that reads them, and the lab's chat."""

    settings: Settings
    recordings: Path
    client: SyncPrefectClient
    night: str
    chat: Listener
    log: Path

    def session_count(self) -> int:
        try:
            with open_lake(self.settings, read_only=True) as lake:
                return lake.query("SELECT count(*) FROM recorded.sessions").item()
        except LakeMissing:
            return 0

    def start_and_wait_for_more_sessions(self) -> FlowRun:
        before = self.session_count()
        run = self.client.create_flow_run_from_deployment(self.night)
        give_up_at = time.monotonic() + 400
        while self.session_count() < before + 5:
            assert time.monotonic() < give_up_at, self.log.read_text()
            time.sleep(0.2)
        return run

    def ended(self, run: FlowRun, within_s: float = 400) -> FlowRun:
        give_up_at = time.monotonic() + within_s
        while not (now := self.client.read_flow_run(run.id)).state.is_final():
            assert time.monotonic() < give_up_at, f"{now.state!r} after {within_s} s\n{self.log.read_text()}"
            time.sleep(0.2)
        return now

    def require_whole_sessions(self) -> None:
        with open_lake(self.settings, read_only=True) as lake:
            sessions = self.session_count()
            assert [result.name for result in run_checks(lake) if len(result.offending)] == []
            assert lake.query("SELECT count(*) FROM recorded.units").item() == sessions * UNITS
            refused = lake.query("SELECT source_uri FROM recorded.rejected")["source_uri"].to_list()
            assert all(uri.endswith("session000.yaml") for uri in refused)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("ended")
    recordings = folder / "lab"
    recordings.mkdir()
    for number in range(SESSIONS):
        described = write_session(recordings, number)
        if number == 0:
            described.with_suffix(".csv").write_text("")
    settings = Settings(home=folder / "home", threads=1)
    with (
        listener() as chat,
        server_and_worker(
            settings, NEUROLAKE_HOME=str(settings.home), NEUROLAKE_THREADS="1", NEUROLAKE_NOTIFY=chat.address
        ) as client,
    ):
        night = deploy(client, nightly, choice={"sources": str(recordings)})
        yield Lab(settings, recordings, client, night, chat, folder / "prefect.log")


def processes_of(run: FlowRun) -> list[psutil.Process]:
    """The process of a run and all that it started: they have its number in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id):
                found.append(process)
        except psutil.Error:
            continue
    return found


def require_gone(run: FlowRun, within_s: float = 120) -> None:
    """Wait until nothing of a run is left, the process that tells people of its end included."""
    give_up_at = time.monotonic() + within_s
    while left := processes_of(run):
        assert time.monotonic() < give_up_at, left
        time.sleep(0.5)


def test_killed_then_cancelled_then_finished(lab: Lab) -> None:
    run = lab.start_and_wait_for_more_sessions()
    processes = processes_of(run)
    assert len(processes) >= 2, "the run and the process that reads"
    os.kill(min(processes, key=lambda process: process.create_time()).pid, signal.SIGKILL)
    assert lab.ended(run).state_name == "Crashed"
    require_gone(run)
    lab.require_whole_sessions()
    told = lab.chat.wait_for(lambda one: one["state"] == "Crashed")
    assert (told["flow"], told["run"]) == ("nightly", run.name)

    run = lab.start_and_wait_for_more_sessions()
    processes = processes_of(run)
    lab.client.set_flow_run_state(run.id, Cancelling())
    assert psutil.wait_procs(processes, timeout=60)[1] == [], "still at work a minute after it was cancelled"
    # People are told before the state is final: by a process of its own, which imports everything first.
    assert lab.ended(run).state_name == "Cancelled"
    require_gone(run)
    lab.require_whole_sessions()
    assert lab.session_count() < SESSIONS - 1, "it was cancelled in the middle"
    lab.chat.wait_for(lambda one: one["run"] == run.name and one["state"] in ("Cancelling", "Cancelled"))

    run = lab.client.create_flow_run_from_deployment(lab.night)
    assert lab.ended(run).state_name == "Completed"
    lab.require_whole_sessions()
    assert lab.session_count() == SESSIONS - 1
    assert "T0P-S3CR3T" not in lab.log.read_text()
    logs = " ".join(line.message for line in lab.client.read_logs())
    assert "T0P-S3CR3T" not in logs


def test_a_run_that_fails_and_recordings_that_are_refused_are_told(lab: Lab) -> None:
    write_session(lab.recordings, 900).with_suffix(".csv").write_text("")
    assert lab.ended(lab.client.create_flow_run_from_deployment(lab.night)).state_name == "Completed"
    lab.chat.wait_for(lambda one: one["state"] == "1 recordings refused" and "session900" in one["text"])
    run = lab.client.create_flow_run_from_deployment(lab.night, parameters={"choice": {"sources": "/not/there.yaml"}})
    assert lab.ended(run).state_name == "Failed"
    told = lab.chat.wait_for(lambda one: one["state"] == "Failed")
    assert "/not/there.yaml" in told["text"]
    assert str(run.id) in told["link"]


def test_a_run_of_which_nothing_is_heard_ends_as_crashed_and_people_are_told(lab: Lab) -> None:
    told = Settings(home=lab.settings.home, notify=lab.chat.address)
    apply_automations(lab.client, told, silent_after=timedelta(seconds=10))
    before = [one.model_dump() for one in lab.client.read_automations()]
    apply_automations(lab.client, told, silent_after=timedelta(seconds=10))
    assert [one.model_dump() for one in lab.client.read_automations()] == before
    assert len(before) == 2

    silent = lab.client.create_flow_run(nightly, parameters={"choice": {"sources": "/x"}}, state=Running())
    emit_event(
        "prefect.flow-run.heartbeat",
        resource={"prefect.resource.id": f"prefect.flow-run.{silent.id}"},
        related=[{"prefect.resource.id": f"prefect.flow.{silent.flow_id}", "prefect.resource.role": "flow"}],
    )
    ended = lab.ended(silent, within_s=180)
    assert ended.state_name == "Crashed"
    assert "no heartbeat" in ended.state.message
    word = lab.chat.wait_for(lambda one: one["run"] == silent.name)
    assert (word["flow"], word["state"]) == ("nightly", "Crashed")
    assert "no heartbeat" in word["text"]
    assert str(silent.id) in word["link"]
    apply_automations(lab.client, lab.settings)
    assert {one.trigger.within for one in lab.client.read_automations()} == {
        timedelta(minutes=10),
        timedelta(minutes=30),
    }
