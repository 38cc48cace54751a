"""Word to people: what is sent, and that the secret address is in no error."""

import socket
import uuid

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_UI_URL, temporary_settings

from flows.notify import NotSent, message, send
from tests.flows.listener import listener

BODY = {"text": "nightly shy-owl: Failed"}


def test_a_message_says_what_happened_and_where_to_look() -> None:
    run = FlowRun(id=uuid.uuid4(), flow_id=uuid.uuid4(), name="shy-owl")
    with temporary_settings({PREFECT_UI_URL: "http://127.0.0.1:4200"}):
        told = message("nightly", run, "Failed", [f"line {n}" for n in range(25)])
    assert told["text"].startswith("nightly shy-owl: Failed\nline 0\n")
    assert told["text"].endswith(f"/{run.id}")
    assert told["link"].startswith("http://127.0.0.1:4200/")
    assert told["lines"][-1] == "and 5 more lines"


def test_it_is_posted_as_json() -> None:
    with listener() as lab:
        send(lab.address, BODY)
    assert lab.heard == [{"path": "/hooks/T0P-S3CR3T", **BODY}]


def test_the_address_is_in_no_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        unused = probe.getsockname()[1]
    with listener(status=500) as broken:
        addresses = [
            broken.address,
            f"http://127.0.0.1:{unused}/T0P-S3CR3T",
            "http://127.0.0.1/ T0P-S3CR3T",
            "gopher://T0P-S3CR3T",
            "T0P-S3CR3T",
        ]
        for address in addresses:
            with pytest.raises(NotSent, match="NEUROLAKE_NOTIFY") as refused:
                send(address, BODY)
            assert "S3CR3T" not in str(refused.value)
            # Nor in what a traceback of it shows.
            assert refused.value.__cause__ is None
            assert refused.value.__suppress_context__ or refused.value.__context__ is None
