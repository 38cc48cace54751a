"""Maintenance as tasks: expire, merge, remove, check; and what it came to, in lines and as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.check import run_checks
from storage.lake import open_lake
from storage.maintain import Merged, merge_small_files, tables_to_merge
from storage.maintain_files import Removal, Stored, remove_unnamed_files
from storage.maintain_snapshots import Expiry, expire_snapshots
from storage.settings import Settings
from tasks.attempts import HOUR_S, PATIENT
from tasks.sentences import counted

_SHOWN_ROWS, _SHOWN_NAMED = 3, 10


@dataclass(frozen=True)
class Offence:
    """A data check that finds rows: its rule, how many, and the first of them."""

    name: str
    rule: str
    row_count: int
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """How many data checks ran, and those that find rows."""

    check_count: int
    offences: tuple[Offence, ...]


@dataclass(frozen=True)
class MaintenanceSummary:
    """What maintenance did, what failed or broke a rule, and what it says in the end, in lines and as rows."""

    failures: tuple[str, ...]
    lines: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]


@task(**PATIENT, timeout_seconds=HOUR_S, cache_policy=NO_CACHE, tags=["lake"], task_run_name="expire snapshots")
def expire_old_snapshots(keep_days: int, dry_run: bool) -> Expiry:
    """Expire the snapshots that nothing needs; ``dry_run`` only says which."""
    return expire_snapshots(Settings(), keep=timedelta(days=keep_days), dry_run=dry_run)


@task(**PATIENT, timeout_seconds=HOUR_S, cache_policy=NO_CACHE, tags=["lake"], task_run_name="look for small files")
def small_tables() -> list[str]:
    """Tables whose rows lie in several files that may be merged."""
    return tables_to_merge(Settings())


@task(**PATIENT, timeout_seconds=4 * HOUR_S, cache_policy=NO_CACHE, tags=["lake"], task_run_name="merge {table_name}")
def merge_table(table_name: str) -> Merged:
    """Merge the small files of one table."""
    return merge_small_files(Settings(), table_name)


@task(**PATIENT, timeout_seconds=HOUR_S, cache_policy=NO_CACHE, tags=["lake"], task_run_name="remove old files")
def remove_old_files(older_than_days: int, dry_run: bool) -> Removal:
    """Remove old files that no snapshot names; ``dry_run`` only counts them."""
    return remove_unnamed_files(Settings(), older_than=timedelta(days=older_than_days), dry_run=dry_run)


@task(**PATIENT, timeout_seconds=4 * HOUR_S, cache_policy=NO_CACHE, tags=["lake"], task_run_name="check the lake")
def check_lake() -> Checked:
    """Run every data check on the lake as it is now."""
    with open_lake(read_only=True) as lake:
        results = run_checks(lake)
    offences = (
        Offence(
            result.name,
            result.rule,
            len(result.offending),
            tuple(str(row) for row in result.offending.head(_SHOWN_ROWS).to_dicts()),
        )
        for result in results
        if len(result.offending)
    )
    return Checked(len(results), tuple(offences))


def summarise_maintenance(
    expiry: Expiry | None,
    mergeable: Sequence[str],
    merged: Sequence[Merged],
    removal: Removal | None,
    checked: Checked | None,
    failures: Sequence[str],
    dry_run: bool,
) -> MaintenanceSummary:
    """Maintenance in rows and lines; None for a step that was left out, or failed and is among the failures."""
    rows = [("dry run", "nothing was changed; what would be")] if dry_run else []
    rows += _snapshot_rows(expiry) if expiry else []
    rows.append(("tables", _merge_text(mergeable, merged, dry_run)))
    rows += _file_rows(removal) if removal else []
    offences = checked.offences if checked else ()
    if checked:
        sound = checked.check_count - len(offences)
        rows.append(("checks", f"{sound} of {checked.check_count} checks find nothing"))
    broken = [f"{o.name} ({o.rule}): {counted(o.row_count, 'row')}, {'; '.join(o.shown)}" for o in offences]
    rows += [("offending", one) for one in broken]
    rows += [("failed", failure) for failure in failures]
    lines = [f"{what:<11}{found}" for what, found in rows]
    if offences:
        lines.append(f"{'ask':<11}make check, make sql")
    names = ", ".join(f"{o.name} ({counted(o.row_count, 'row')})" for o in offences)
    found = [f"{counted(len(offences), 'data check')} found rows: {names}"] if offences else []
    return MaintenanceSummary((*failures, *found), tuple(lines), tuple(rows))


def _snapshot_rows(expiry: Expiry) -> list[tuple[str, str]]:
    why = ", ".join(f"{count} {reason}" for reason, count in sorted(expiry.counts.items()))
    rows = [("snapshots", f"{len(expiry.expired)} expired, {len(expiry.kept)} kept ({why})")]
    for reason in ("named by a study", "named by a model"):
        if named := expiry.kept_for(reason):
            rows.append(("kept", f"{reason}: {_listed(named)}"))
    if expiry.missing:
        rows.append(("missing", f"named by a study or a model, but gone before: {_listed(expiry.missing)}"))
    return rows


def _merge_text(mergeable: Sequence[str], merged: Sequence[Merged], dry_run: bool) -> str:
    if dry_run:
        return f"{len(mergeable)} whose rows lie in several files"
    fewer = [one for one in merged if one.files_after < one.files_before]
    before, after = sum(one.files_before for one in fewer), sum(one.files_after for one in fewer)
    return f"{len(fewer)} merged, {before} files to {after}" if fewer else "none had files to merge"


def _file_rows(removal: Removal) -> list[tuple[str, str]]:
    return [
        ("given up", f"{_said(removal.given_up)} of merged tables and expired snapshots removed"),
        ("orphans", f"{_said(removal.orphaned)} that no snapshot ever named removed"),
        ("waiting", f"{_said(removal.waiting)} that no snapshot names, too young to remove"),
        ("data", f"{_said(removal.before)} before, {_said(removal.after)} after"),
    ]


def _said(stored: Stored) -> str:
    return f"{counted(stored.file_count, 'file')} ({stored.byte_count / 1e6:,.1f} MB)"


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN_NAMED]))
    return shown if len(numbers) <= _SHOWN_NAMED else f"{shown} and {len(numbers) - _SHOWN_NAMED} more"
