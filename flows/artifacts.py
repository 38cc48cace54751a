"""What a run leaves on its page in Prefect: its closing lines, and where its report and its rows are."""

from collections.abc import Sequence

from prefect.artifacts import create_markdown_artifact


def leave_summary(key: str, lines: Sequence[str], reports: Sequence[str]) -> None:
    """A run's last lines as a page of Markdown, with the path of each report."""
    said = "\n".join(f"    {line}" for line in lines)
    written = "".join(f"\n- `{report}`" for report in reports)
    create_markdown_artifact(
        key=key,
        markdown=f"{said}\n\n**Reports**, files on the worker's machine:{written or ' none'}",
        description="what this run came to",
    )
