"""An HTTP proxy on 127.0.0.1 that counts what passes, and breaks it when told to."""

import threading
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_CHUNK_BYTES = 64 * 1024


@dataclass
class Passed:
    """A request, and its answer so far: the status, and how many bytes of a body were sent."""

    method: str
    path: str
    range: str | None
    status: int = 0
    bytes: int = 0


@dataclass
class Fault:
    """What becomes of the next answers whose path contains ``part``: cut, stalled, bent, or refused with a status."""

    part: str
    times: int = 1
    cut_after: int | None = None
    stall_after: int | None = None
    bend: bool = False
    status: int | None = None


@dataclass
class BreakingProxy:
    """Stands before an upstream address; ``passed`` lists what went through."""

    upstream: str
    passed: list[Passed] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "BreakingProxy":
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def forget(self) -> None:
        self.passed.clear()
        self.faults.clear()
        self.released.clear()

    def downloads(self, part: str) -> list[Passed]:
        """GET requests whose path contains the part, in order."""
        return [one for one in self.passed if one.method == "GET" and part in one.path]

    def fault_for(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.part in path:
                fault.times -= 1
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: BreakingProxy

    def do_GET(self) -> None:
        fault = self.proxy.fault_for(self.path) if self.command == "GET" else None
        # Noted before it is answered: whoever has the answer may look.
        passed = Passed(self.command, self.path, self.headers.get("Range"))
        self.proxy.passed.append(passed)
        if fault and fault.status:
            passed.status = fault.status
            self.send_error(fault.status)
            return
        upstream = HTTPConnection(urlsplit(self.proxy.upstream).netloc)
        upstream.request(self.command, self.path, headers={k: v for k, v in self.headers.items() if k != "Connection"})
        answer = upstream.getresponse()
        passed.status = answer.status
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        if self.command == "GET":
            self._relay(answer, fault, passed)

    do_HEAD = do_GET  # noqa: N815

    def _relay(self, answer: HTTPResponse, fault: Fault | None, passed: Passed) -> None:
        """Send the body on, up to where the fault breaks it."""
        stops = [stop for stop in (fault and fault.cut_after, fault and fault.stall_after) if stop is not None]
        limit = min(stops, default=None)
        while chunk := answer.read(_CHUNK_BYTES):
            if fault and fault.bend and passed.bytes == 0:
                chunk = chunk[:-1] + bytes([chunk[-1] ^ 0xFF])
            if limit is not None:
                chunk = chunk[: limit - passed.bytes]
            passed.bytes += len(chunk)
            try:
                self.wfile.write(chunk)
            except OSError:
                return
            if limit is not None and passed.bytes >= limit:
                self.wfile.flush()
                if fault.stall_after is not None:
                    self.proxy.released.wait(60)
                return

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass
