"""What Prefect's server does by itself: it ends runs from which nothing is heard, whose machine or worker is gone.

A run that is killed alone is ended by its worker, within seconds. When both are gone, nobody is left to say so, and
the run would stay as running for ever. The server then tells people too, by the address in NEUROLAKE_NOTIFY.
"""

from collections.abc import Callable
from datetime import timedelta

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.notify import BLOCK
from storage.settings import Settings

# Runs send a heartbeat every PREFECT_FLOWS_HEARTBEAT_FREQUENCY seconds (`make up` says 30). A server that was away for
# some minutes has missed some of them, and a run that lives must not be ended for that.
SILENT_AFTER = timedelta(minutes=10)
# From the moment that a worker takes a run until the run says that it runs; images may have to be pulled.
NOT_BEGUN_AFTER = timedelta(minutes=30)

_NOTIFY_BLOCK = "neurolake-notify"  # where the server keeps the address, encrypted


def apply_automations(
    client: SyncPrefectClient,
    settings: Settings,
    silent_after: timedelta = SILENT_AFTER,
    not_begun_after: timedelta = NOT_BEGUN_AFTER,
) -> None:
    """Bring both automations to what this version and the settings say; the same again changes nothing."""
    tell = _word_by_server(client, settings)
    for automation in (
        _crash_after_silence(
            "end runs that fell silent",
            {"prefect.flow-run.heartbeat"},
            silent_after,
            "its process and its worker, or their machine, are gone: no heartbeat",
            tell,
        ),
        _crash_after_silence(
            "end runs that never began",
            {"prefect.flow-run.Pending", "prefect.flow-run.Submitting", "prefect.flow-run.InfrastructurePending"},
            not_begun_after,
            "a worker took it and did not start it",
            tell,
        ),
    ):
        there = client.read_automations_by_name(automation.name)
        if not there:
            client.create_automation(automation)
        elif AutomationCore.model_validate(there[0].model_dump(include=set(AutomationCore.model_fields))) != automation:
            client.update_automation(there[0].id, automation)


def _word_by_server(client: SyncPrefectClient, settings: Settings) -> Callable[[str], list]:
    """What the server does to tell people the reason why it ended a run: nothing without NEUROLAKE_NOTIFY."""
    if settings.notify is None:
        return lambda why: []
    address = settings.notify.get_secret_value()
    if address.startswith(BLOCK):
        kind, _, name = address.removeprefix(BLOCK).partition("/")
        block = client.read_block_document_by_name(name, kind).id
        subject = "{{ flow.name }} {{ flow_run.name }}: Crashed"
        return lambda why: [SendNotification(block_document_id=block, subject=subject, body=why)]
    block = Webhook(url=address, headers={"Content-Type": "application/json"}).save(_NOTIFY_BLOCK, overwrite=True)
    return lambda why: [CallWebhook(block_document_id=block, payload=_payload(why))]


def _payload(why: str) -> str:
    """The message of flows.notify in the server's templates."""
    fields = {
        "text": f"flow.name ~ ' ' ~ flow_run.name ~ ': Crashed, {why}'",
        "flow": "flow.name | default('')",
        "run": "flow_run.name | default('')",
        "state": "'Crashed'",
        "link": "flow_run | ui_url | default('')",
        "lines": f"['{why}']",
    }
    return "{" + ", ".join(f'"{name}": {{{{ ({value}) | tojson }}}}' for name, value in fields.items()) + "}"


def _crash_after_silence(
    name: str, after: set[str], silence: timedelta, why: str, tell: Callable[[str], list]
) -> AutomationCore:
    """Crash a run when no event of it follows one of these in time. A run that has ended can't be crashed any more."""
    reason = f"nothing was heard of this run for {silence.total_seconds() / 60:g} minutes: {why}"
    return AutomationCore(
        name=name,
        description=f"neurolake: crash a run of which nothing is heard for {silence.total_seconds() / 60:g} minutes",
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            for_each={"prefect.resource.id"},
            after=after,
            # Any event of the run: states have names of their own, such as TimedOut.
            expect={"prefect.flow-run.*"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=reason), *tell(reason)],
    )
