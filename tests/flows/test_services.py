"""Programs side by side: started when they answer, started anew when they end, stopped together."""

import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.services import Service, ServiceFailed, Services

SERVER = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
print("up", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server(name: str = "page") -> Service:
    port = free_port()
    return Service(name, [sys.executable, "-c", SERVER, str(port)], health=f"http://127.0.0.1:{port}/", within_s=30)


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}/status").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text()


def test_a_service_is_up_once_its_page_answers_and_gone_at_the_end(tmp_path: Path) -> None:
    with Services(tmp_path, print) as services:
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
    with Services(tmp_path, print) as services, pytest.raises(ServiceFailed, match=r"(?s)broken.*no such database"):
        services.start(broken)


def test_one_that_was_killed_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    with Services(tmp_path, said.append) as services:
        services.start(server())
        first = services.processes["page"]
        done = threading.Event()
        watching = threading.Thread(target=services.watch, args=(done.is_set,))
        watching.start()
        os.kill(first, 9)
        give_up_at = time.monotonic() + 20
        while services.processes["page"] == first and time.monotonic() < give_up_at:
            time.sleep(0.05)
        second = services.processes["page"]
        done.set()
        watching.join()
    assert second != first
    assert said == ["page ended with status -9; starting it again"]


def test_one_that_ends_over_and_over_is_given_up(tmp_path: Path) -> None:
    with Services(tmp_path, lambda _: None) as services:
        services.start(Service("worker", [sys.executable, "-c", "print('no pool')"]))
        with pytest.raises(ServiceFailed, match=r"(?s)worker ended 5 times in 5 minutes.*no pool"):
            services.watch(until=lambda: False)
