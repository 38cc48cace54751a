"""What a run leaves on its page in Prefect: its closing lines, what went in and what was refused, and its studies.

Nothing here ends a run: what it did is in the lake, and a page that could not be left is logged.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import shorten, wrap

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.ingest import Ingested
from tasks.present import Presented
from tasks.study_page import as_code, as_text

_MOST_ROWS = 200
_LONGEST_CELL, _CELL_WIDTH = 400, 50


def leave_summary(key: str, lines: Sequence[str], reports: Sequence[str]) -> None:
    """A run's last lines as a page of Markdown, with the path of each report."""
    written = "".join(f"\n- `{report}`" for report in reports)
    page = f"{as_code(lines)}\n\n**Reports**, files on the worker's machine:{written or ' none'}"
    _leave(key, create_markdown_artifact, markdown=page, description="what this run came to")


def leave_recordings(files: Sequence[Ingested]) -> None:
    """A table of the recordings that were read: refused ones first, each with its reason. None for none."""
    if files:
        _leave(
            "recordings",
            create_table_artifact,
            table=recordings_table(files),
            description="recordings read by this run: `FROM recorded.sessions;`, refused: `FROM recorded.rejected;`",
        )


def leave_studies(presented: Sequence[Presented], kind: str = "study") -> None:
    """A page for each study, named by its kind: findings, main figures, links, and the SQL of its rows."""
    for study in presented:
        key = re.sub(r"[^a-z0-9]+", "-", f"{kind}-{study.project.lower()}").strip("-")
        _leave(key, create_markdown_artifact, markdown=study.page, description="what the study found")


def recordings_table(files: Sequence[Ingested]) -> list[dict[str, str]]:
    """A row per recording, refused ones first; beyond some hundreds, a last row says how many more there are."""
    refused = [file for file in files if file.refusal]
    read = [file for file in files if not file.refusal]
    rows = [_row(file) for file in (*refused, *read)[:_MOST_ROWS]]
    if (more := len(files) - _MOST_ROWS) > 0:
        not_shown = max(len(refused) - _MOST_ROWS, 0)
        rows.append(dict.fromkeys(rows[0], "") | {"recording": f"and {more} more, of them {not_shown} refused"})
    return rows


def _row(file: Ingested) -> dict[str, str]:
    said = shorten(file.refusal or ", ".join(file.session_ids), _LONGEST_CELL)
    return {
        "recording": as_text(Path(file.path).name),
        "outcome": "refused" if file.refusal else "in",
        # Prefect shows a cell on one line, however long, but for Markdown's own line breaks.
        "sessions or reason": "  \n".join(as_text(line) for line in wrap(said, _CELL_WIDTH)),
    }


def _leave(key: str, create: Callable, **content: object) -> None:
    try:
        create(key=key, **content)
    except Exception as error:
        get_run_logger().warning("%r could not be left on this run's page: %s: %s", key, type(error).__name__, error)
