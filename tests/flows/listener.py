"""A real web server that keeps what is posted to it, as the chat of a lab would."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Listener:
    """What was posted, parsed, in order; and the address to post to, whose path nobody may see."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/hooks/T0P-S3CR3T"
        self.heard: list[dict] = []

    def wait_for(self, wanted: Callable[[dict], bool], within_s: float = 120) -> dict:
        """The first message that is wanted. Raises AssertionError when none comes in time."""
        give_up_at = time.monotonic() + within_s
        while not (found := [one for one in self.heard if wanted(one)]):
            assert time.monotonic() < give_up_at, self.heard
            time.sleep(0.2)
        return found[0]


@contextmanager
def listener(status: int = 200) -> Iterator[Listener]:
    """A server on a free port that answers every POST with that status."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.heard.append({"path": self.path, **json.loads(body)})
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    heard = Listener(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
