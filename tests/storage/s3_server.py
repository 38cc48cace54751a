"""An S3 server for tests, and in front of it a wire that a test can make fail or crawl; import the fixtures."""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import boto3
import pytest
from moto.server import ThreadedMotoServer

from storage.settings import Settings

KEY_ID, SECRET = "lab-key", "it's a 'secret'/+"
_ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code>'
    b"<Message>We encountered an internal error. Please try again.</Message></Error>"
)
_REASONS = {500: "Internal Server Error", 503: "Slow Down"}


@dataclass(frozen=True)
class Fault:
    """What happens to a request: an error status, a delay, or silence before or in the middle of the answer."""

    status: int | None = None
    delay_s: float = 0.0
    silent: bool = False
    silent_after_bytes: int | None = None


@dataclass
class Wire:
    """A port that passes requests on to the server, one a connection; ``fault(method, target)`` says what befalls each.

    ``requests`` notes them all, as "PUT /bucket/key?query"; ``answered_bytes`` counts what came back.
    """

    backend: tuple[str, int]
    fault: Callable[[str, str], Fault | None] = lambda method, target: None
    requests: list[str] = field(default_factory=list)
    answered_bytes: int = 0

    def __post_init__(self) -> None:
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                if not (more := client.recv(65_536)):
                    return
                request += more
            head, body = request.split(b"\r\n\r\n", 1)
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ", 2)
            self.requests.append(f"{method} {target}")
            fault = self.fault(method, target) or Fault()
            self._closing.wait(fault.delay_s)
            if fault.silent:
                self._closing.wait()
            elif fault.status:
                self._refuse(client, fault.status, b"" if method == "HEAD" else _ERROR)
            else:
                lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
                self._pass_on(client, b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body, fault)

    @staticmethod
    def _refuse(client: socket.socket, status: int, content: bytes) -> None:
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        client.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        # Whoever is still sending would take a closed connection for another error than the one that was sent.
        client.shutdown(socket.SHUT_WR)
        client.settimeout(2)
        while client.recv(65_536):
            pass

    def _pass_on(self, client: socket.socket, request: bytes, fault: Fault) -> None:
        with socket.create_connection(self.backend) as server:
            server.sendall(request)
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            passed = 0
            while answer := server.recv(65_536):
                if fault.silent_after_bytes is not None and passed + len(answer) > fault.silent_after_bytes:
                    client.sendall(answer[: max(fault.silent_after_bytes - passed, 0)])
                    self._closing.wait()
                    return
                client.sendall(answer)
                passed += len(answer)
                self.answered_bytes += len(answer)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while more := source.recv(65_536):
            target.sendall(more)


class S3Server:
    """A bucket of its own on a server that all tests of a process share."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.bucket = f"lab-{uuid.uuid4().hex[:8]}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.address,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=self.bucket)

    def environment(self, address: str | None = None) -> dict[str, str]:
        """The variables by which a process finds the server, or the wire to it whose address is given."""
        return {
            "AWS_ENDPOINT_URL": address or self.address,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def objects(self) -> dict[str, int]:
        """Name and size of every object that is to be seen in the bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {found["Key"]: found["Size"] for page in pages for found in page.get("Contents", [])}


@pytest.fixture(scope="session")
def _s3_port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # A line for each request would bury the report of a test that failed.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield port
    server.stop()


@pytest.fixture(name="s3")
def s3_fixture(_s3_port: int, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, named in the environment, with an empty bucket."""
    server = S3Server(_s3_port)
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
        monkeypatch.delenv(name)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture(name="wire")
def wire_fixture(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A wire to the server, which the environment names in the server's place."""
    wire = Wire(("127.0.0.1", s3.port))
    monkeypatch.setenv("AWS_ENDPOINT_URL", wire.address)
    yield wire
    wire.close()


@pytest.fixture(name="s3_settings")
def s3_settings_fixture(settings: Settings, s3: S3Server) -> Settings:
    """Settings of an empty lake on S3, whose catalog is a file."""
    return Settings(home=settings.home, data=f"s3://{s3.bucket}/the/lake", threads=2, s3_timeout_s=1)


def first(count: int, of: Callable[[str, str], bool], fault: Fault) -> Callable[[str, str], Fault | None]:
    """The first so many requests of a kind meet the fault."""
    left = [count]
    turn = threading.Lock()

    def choose(method: str, target: str) -> Fault | None:
        with turn:
            if left[0] and of(method, target):
                left[0] -= 1
                return fault
        return None

    return choose
