"""Word to people, by the address in NEUROLAKE_NOTIFY: runs that failed, crashed or were cancelled, recordings refused.

The address is a secret, as whoever knows it can write to the lab's channel: it stands in no log and no artifact. That
word could not be sent is logged, and never fails a run.
"""

import json
import urllib.request
from collections.abc import Sequence
from urllib.error import HTTPError
from urllib.parse import urlsplit

from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.logging.loggers import flow_run_logger
from prefect.utilities.urls import url_for

from storage.settings import Settings

_WITHIN_S = 10.0
_LONGEST_LINE, _MOST_LINES = 300, 20
BLOCK = "block:"  # before <type>/<name> of a Prefect block


class NotSent(Exception):
    """The message did not arrive; says why, without the address."""


def tell_of_end(flow: Flow, flow_run: FlowRun, state: State) -> None:
    """Prefect's hook for a run that failed, crashed or was cancelled; of one that was killed, its worker calls it."""
    _tell(flow, flow_run, state.name or state.type.value, (state.message or "").splitlines())


# What a flow is declared with: @flow(name="nightly", **TOLD_OF).
TOLD_OF = {"on_failure": [tell_of_end], "on_crashed": [tell_of_end], "on_cancellation": [tell_of_end]}


def tell_of_refusals(rejected_count: int, lines: Sequence[str]) -> None:
    """Within a flow, at its end: what it says last, if it refused recordings."""
    if rejected_count:
        run = FlowRunContext.get()
        _tell(run.flow, run.flow_run, f"{rejected_count} recordings refused", lines)


def _tell(flow: Flow, flow_run: FlowRun, state: str, lines: Sequence[str]) -> None:
    if (address := Settings().notify) is None:
        return
    try:
        send(address.get_secret_value(), message(flow.name, flow_run, state, lines))
    except NotSent as why:
        flow_run_logger(flow_run, flow).warning("Nobody was told of this run (%s): %s", state, why)


def message(flow: str, flow_run: FlowRun, state: str, lines: Sequence[str]) -> dict:
    """What is sent: ``text``, which Slack, Mattermost and Teams show, and its parts."""
    shown = [line[:_LONGEST_LINE] for line in lines[:_MOST_LINES]]
    shown += [f"and {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
    link = url_for(flow_run)
    return {
        "text": "\n".join([f"{flow} {flow_run.name}: {state}", *shown, *([link] if link else [])]),
        "flow": flow,
        "run": flow_run.name,
        "state": state,
        "link": link,
        "lines": shown,
    }


def send(address: str, body: dict) -> None:
    """POST the message to an http address, or hand its text to a Prefect block: `block:slack-webhook/lab`.

    Raises NotSent.
    """
    try:
        if address.startswith(BLOCK):
            _by_block(address.removeprefix(BLOCK), body)
        elif urlsplit(address).scheme in ("http", "https"):
            _by_post(address, body)
        else:
            raise NotSent("NEUROLAKE_NOTIFY must be an http or https address, or block:<type>/<name>")
    except NotSent:
        raise
    except HTTPError as error:
        raise NotSent(f"the address in NEUROLAKE_NOTIFY answered {error.code}") from None
    # Errors of addresses and blocks hold the address: their kind alone is passed on, and no traceback.
    except Exception as error:
        raise NotSent(f"the address in NEUROLAKE_NOTIFY could not be reached ({type(error).__name__})") from None


def _by_post(address: str, body: dict) -> None:
    request = urllib.request.Request(
        address, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_WITHIN_S) as response:
        response.read(1024)


def _by_block(name: str, body: dict) -> None:
    import prefect.blocks.notifications  # noqa: F401  its types are known once it is imported

    subject, _, rest = body["text"].partition("\n")
    block = Block.load(name)
    with block.raise_on_failure():
        block.notify(rest or subject, subject=subject)
