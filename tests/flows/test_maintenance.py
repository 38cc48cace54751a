"""Maintenance as a person runs it: a real Prefect run, its table and its lines, and failure where rows are wrong."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from pydantic import ValidationError

from flows.weekly_maintenance import MaintenanceChoice
from storage.lake import open_lake
from storage.settings import Settings
from tasks.maintain import check_lake, expire_old_snapshots, remove_old_files, summarise_maintenance
from tests.storage.writer_process import whole_sessions, write_session

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]


def _maintain(settings: Settings, *arguments: str) -> tuple[int, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NEUROLAKE_", "PREFECT_"))}
    environment |= {"NEUROLAKE_HOME": str(settings.home), "NEUROLAKE_THREADS": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "flows.maintenance", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    return done.returncode, done.stdout


def test_a_lake_with_wrong_rows_is_tidied_and_the_run_fails_with_them(settings: Settings) -> None:
    with open_lake(settings) as lake:
        for number in range(3):
            write_session(lake, f"lab-{number}", number)  # which has fewer frames than it says: none
    status, out = _maintain(settings)
    assert status == 1
    assert "3 merged, 9 files to 3" in out
    assert "offending  frame_count_differs" in out
    assert "9 files (0.0 MB) that no snapshot names, too young to remove" in out
    with open_lake(settings, read_only=True) as lake:
        assert whole_sessions(lake) == {"lab-0": 0, "lab-1": 1, "lab-2": 2}
    with closing(sqlite3.connect(settings.home / "prefect" / "prefect.db")) as prefect:
        [(artifact,)] = prefect.execute("SELECT data FROM artifact WHERE key = 'maintenance'").fetchall()
        [(state, message)] = prefect.execute(
            "SELECT type, message FROM flow_run_state WHERE type IN ('FAILED', 'COMPLETED')"
        ).fetchall()
    rows = json.loads(json.loads(artifact)) if artifact.startswith('"') else json.loads(artifact)
    assert {"what": "tables", "found": "3 merged, 9 files to 3"} in rows
    assert state == "FAILED"
    assert "frame_count_differs (3 rows)" in message


def test_a_sound_lake_passes_and_a_dry_run_changes_nothing(settings: Settings) -> None:
    open_lake(settings).close()
    with open_lake(settings, read_only=True) as lake:
        before = lake.snapshots()["snapshot_id"].to_list()
    expiry, removal = expire_old_snapshots.fn(1, True), remove_old_files.fn(7, True)
    summary = summarise_maintenance(expiry, ["recorded.units"], [], removal, check_lake.fn(), (), dry_run=True)
    assert summary.failures == ()
    assert summary.lines[0] == "dry run    nothing was changed; what would be"
    assert "tables     1 whose rows lie in several files" in summary.lines
    assert any(line.startswith("checks ") and line.endswith("checks find nothing") for line in summary.lines)
    with open_lake(settings, read_only=True) as lake:
        assert lake.snapshots()["snapshot_id"].to_list() == before


def test_a_failed_step_is_told_of_beside_what_the_others_did() -> None:
    summary = summarise_maintenance(None, [], [], None, None, ("remove_old_files: a file is missing",), dry_run=False)
    assert summary.failures == ("remove_old_files: a file is missing",)
    assert "failed     remove_old_files: a file is missing" in summary.lines


def test_limits_are_upheld_and_a_lake_that_is_not_there_is_not_made(settings: Settings) -> None:
    for wrong in ({"remove_after_days": 0}, {"keep_days": 0}, {"keep": 3}):
        with pytest.raises(ValidationError):
            MaintenanceChoice(**wrong)
    form = MaintenanceChoice.model_json_schema()["properties"]
    assert all(field["description"] for field in form.values())
    status, out = _maintain(settings)
    assert (status, "make nightly" in out) == (2, True)
    assert not settings.catalog_file.exists()
