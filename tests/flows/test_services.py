"""Programs side by side: started when they answer, started anew when they end, stopped together."""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flows.running import Running, programs_of, read_running, write_running
from flows.services import Service, ServiceFailed, Services
from storage.settings import Settings
from tests.flows.running_platform import free_port

SERVER = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
print("up", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""


def server(name: str = "page") -> Service:
    port = free_port()
    return Service(name, [sys.executable, "-c", SERVER, str(port)], health=f"http://127.0.0.1:{port}/", within_s=30)


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}/status").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text()


def test_a_service_is_up_once_its_page_answers_and_gone_at_the_end(tmp_path: Path) -> None:
    with Services(tmp_path, tmp_path, print) as services:
        one = server()
        services.start(one)
        pid = services.processes["page"]
        assert lives(pid)
        assert services.log(one).read_text() == "up\n"
    assert not lives(pid)


def test_one_that_does_not_come_up_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = Service(
        "broken", [sys.executable, "-c", "raise SystemExit('no such database')"], health="http://127.0.0.1:9/"
    )
    with (
        Services(tmp_path, tmp_path, print) as services,
        pytest.raises(ServiceFailed, match=r"(?s)broken.*no such database"),
    ):
        services.start(broken)


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


@contextmanager
def watched(folder: Path, said: list[str], **callbacks) -> Iterator[Services]:
    """Services that another thread watches, as `make up` does."""
    done = threading.Event()
    with Services(folder, folder, said.append, until=done.is_set) as services:
        watching = threading.Thread(target=services.watch, kwargs=callbacks)
        yield services, watching.start
        done.set()
        watching.join()


def wait_until(what: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + 30
    while not what():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_one_that_was_killed_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    with watched(tmp_path, said) as (services, watch):
        services.start(server())
        first = services.processes["page"]
        watch()
        os.kill(first, 9)
        wait_until(lambda: services.processes["page"] != first)
    assert said == ["page ended with status -9; starting it again"]


def test_what_a_killed_one_had_started_ends_before_it_starts_again(tmp_path: Path) -> None:
    seen: list[bool] = []
    with watched(tmp_path, [], before_restart=lambda _: seen.append(lives(child))) as (services, watch):
        parent = Service("worker", [sys.executable, "-c", PARENT])
        services.start(parent)
        wait_until(lambda: services.log(parent).read_text().endswith("\n"))
        child = int(services.log(parent).read_text())
        assert lives(child)
        first = services.processes["worker"]
        watch()
        os.kill(first, 9)
        wait_until(lambda: services.processes["worker"] != first)
    assert seen == [False]


def test_a_stop_ends_what_a_program_had_started_in_a_session_of_its_own(tmp_path: Path) -> None:
    with Services(tmp_path, tmp_path, print) as services:
        parent = Service("worker", [sys.executable, "-c", PARENT])
        services.start(parent)
        wait_until(lambda: services.log(parent).read_text().endswith("\n"))
        child = int(services.log(parent).read_text())
        assert lives(child)
    assert not lives(child)


def test_one_that_ends_over_and_over_is_started_later_and_later(tmp_path: Path) -> None:
    said: list[str] = []
    with watched(tmp_path, said) as (services, watch):
        services.start(Service("worker", [sys.executable, "-c", "raise SystemExit('no pool')"]))
        watch()
        wait_until(lambda: len(said) == 3)
    waits = [re.search("again in (.*) s, see .*worker.log", line) for line in said]
    assert [found[1] if found else None for found in waits] == [None, "1", "3"]


def test_the_programs_of_a_home_are_found_by_it_alone(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    with Services(mine, mine, print) as services, Services(other, other, print) as others:
        services.start(server("one"), server("two"))
        others.start(server("one"))
        assert {process.pid for process in programs_of(mine)} == set(services.processes.values())
        assert [process.pid for process in programs_of(mine, "two")] == [services.processes["two"]]


def test_a_process_that_got_the_number_of_an_ended_one_is_not_taken_for_it(tmp_path: Path) -> None:
    settings = Settings()
    settings.services_folder.mkdir(parents=True)
    own = Running.here("up", {})
    write_running(settings, own)
    assert read_running(settings).lives
    write_running(settings, replace(own, began_s=own.began_s - 3600))
    assert not read_running(settings).lives
