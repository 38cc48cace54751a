"""The row of findings.studies of what was computed of one session."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Protocol


class Due(Protocol):
    """What was due of a session: the id of its study, and the content that the study is of."""

    study_id: str
    project: str
    session_id: str
    content_sha256: str


def session_study_row(
    due: Due,
    kind: str,
    protocol: str | None,
    parameters: Mapping[str, Any],
    snapshot_id: int,
    flow_run_id: str | None,
    notes: Sequence[str],
) -> dict[str, Any]:
    """As `Table.rows` takes it, finished now; ``protocol`` is None of what is the same for both."""
    return {
        "study_id": due.study_id,
        "kind": kind,
        "project": due.project,
        "session_id": due.session_id,
        "protocol": protocol,
        "parameters": json.dumps(dict(parameters)),
        "inputs": json.dumps([due.content_sha256]),
        "code_version": version("neurolake"),
        "snapshot_id": snapshot_id,
        "flow_run_id": flow_run_id,
        "notes": "\n".join(notes) or None,
        "finished_at": datetime.now(UTC),
    }
