"""Maintenance of the lake: expire old snapshots, merge small files, remove what nothing names, check the rows."""

from typing import Annotated, Any

from prefect import Task, flow
from prefect.artifacts import create_table_artifact
from pydantic import BaseModel, ConfigDict, Field

from flows.notify import TOLD_OF
from tasks.maintain import (
    MaintenanceSummary,
    check_lake,
    expire_old_snapshots,
    merge_table,
    remove_old_files,
    small_tables,
    summarise_maintenance,
)


class MaintenanceChoice(BaseModel):
    """What a person fills in to run maintenance by hand."""

    model_config = ConfigDict(extra="forbid")

    keep_days: Annotated[
        int,
        Field(
            description="keep each snapshot for so many days after the next one took its place; those that a study "
            "or a registered model names are kept for ever",
            ge=1,
            le=3650,
            examples=[30],
        ),
    ] = 30
    remove_after_days: Annotated[
        int,
        Field(
            description="remove a file that no snapshot names once it is so many days old; well above the longest "
            "run, as a run's files are unnamed until it commits",
            ge=1,
            le=365,
            examples=[7],
        ),
    ] = 7
    run_checks: Annotated[bool, Field(description="then run every data check, and fail if one finds rows")] = True
    dry_run: Annotated[bool, Field(description="only say what would be done")] = False


class MaintenanceIncomplete(Exception):
    """A step of maintenance failed, or a data check found rows; what the other steps did stands."""

    def __init__(self, summary: MaintenanceSummary) -> None:
        super().__init__("; ".join(summary.failures))
        self.summary = summary


@flow(name="maintenance", **TOLD_OF)
def maintenance(choice: MaintenanceChoice | None = None) -> MaintenanceSummary:
    """Keep the lake small and sound; every snapshot that is kept reads as it did."""
    choice = choice or MaintenanceChoice()
    steps = _Steps()
    expiry = steps.take(expire_old_snapshots, choice.keep_days, choice.dry_run)
    mergeable = steps.take(small_tables) or []
    merged = [] if choice.dry_run else [steps.take(merge_table, table) for table in mergeable]
    removal = steps.take(remove_old_files, choice.remove_after_days, choice.dry_run)
    checked = steps.take(check_lake) if choice.run_checks else None
    summary = summarise_maintenance(
        expiry, mergeable, [one for one in merged if one], removal, checked, steps.failures, choice.dry_run
    )
    create_table_artifact(
        [{"what": what, "found": found} for what, found in summary.rows],
        key="maintenance",
        description="what maintenance did and found",
    )
    if summary.failures:
        raise MaintenanceIncomplete(summary)
    return summary


class _Steps:
    """Runs tasks one after the other; one that fails does not end the others."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def take(self, task: Task, *arguments: object) -> Any:
        """The task's result; None when it failed."""
        state = task(*arguments, return_state=True)
        if state.is_completed():
            return state.result()
        self.failures.append(f"{task.name}: {state.message}")
        return None
