"""Every data check finds its planted bad row, that row alone, and nothing in a sound lake."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sql
from storage.check import Check, all_checks, run_check, run_checks
from storage.lake import Lake, open_lake
from storage.settings import Settings
from storage.tables import TABLE_BY_NAME, TABLES
from tests.storage.whole_lake import fill

DECLARED = [check for check in all_checks() if check.name not in sql.names("checks")]

# How to break each written rule, and the row that must come back.
PLANTED = {
    "attributes_are_not_json": (
        ["UPDATE recorded.trials SET attributes = '{go: true' WHERE session_id = 'lab-b' AND trial_id = 1"],
        {"in_table": "trials", "session_id": "lab-b", "number": 1},
    ),
    "events_lack_an_onset": (
        ["UPDATE recorded.events SET onset_s = NULL WHERE session_id = 'lab-a' AND event_id = 0"],
        {"session_id": "lab-a", "event_id": 0},
    ),
    "images_lack_pixels": (
        ["UPDATE recorded.images SET width_px = 3 WHERE session_id = 'lab-a'"],
        {"session_id": "lab-a", "byte_count": 2},
    ),
    "signals_differ": (
        ["UPDATE recorded.sessions SET signals = 'dff,events' WHERE session_id = 'lab-a'"],
        {"session_id": "lab-a", "signals": "dff,events", "found": "dff"},
    ),
    "signals_are_cut": (
        ["DELETE FROM recorded.behavior_signals WHERE session_id = 'lab-a' AND sample = 0"],
        {"session_id": "lab-a", "row_count": 1},
    ),
    "snippets_are_cut": (
        ["DELETE FROM recorded.snippets WHERE session_id = 'lab-a' AND unit_id = 2 AND event_id = 1 AND sample = 0"],
        {"session_id": "lab-a", "unit_id": 2, "event_id": 1, "row_count": 1},
    ),
    "split_sides_share_mice": (
        ["INSERT INTO findings.splits SELECT * REPLACE ('test' AS side) FROM findings.splits"
         " WHERE side = 'train' AND fold = 'm2'"],
        {"scheme": "leave_one_mouse_out", "fold": "m2", "subject_id": "m1"},
    ),
    "spikes_are_missing": (
        ["DELETE FROM recorded.spikes WHERE session_id = 'lab-b' AND unit_id = 1 AND spike = 0"],
        {"session_id": "lab-b", "unit_id": 1, "row_count": 1},
    ),
    "spikes_run_backwards": (
        ["UPDATE recorded.spikes SET time_s = -1 WHERE session_id = 'lab-b' AND unit_id = 1 AND spike = 1"],
        {"session_id": "lab-b", "unit_id": 1, "spike": 1},
    ),
    "trials_end_before_they_begin": (
        ["UPDATE recorded.trials SET stop_s = -1 WHERE session_id = 'lab-a' AND trial_id = 0"],
        {"session_id": "lab-a", "trial_id": 0},
    ),
    "content_is_in_twice": (
        ["UPDATE recorded.sessions SET content_sha256 = 'lab-a' WHERE session_id = 'lab-b'"],
        {"content_sha256": "lab-a"},
    ),
    "derived_rows_lack_a_study": (
        ["INSERT INTO derived.response_features SELECT * REPLACE ('lost' AS study_id)"
         " FROM derived.response_features LIMIT 1"],
        {"study_id": "lost"},
    ),
    "fits_lack_a_type": (
        ["DELETE FROM derived.roi_types WHERE session_id = 'lab-a' AND unit_id = 1"],
        {"study_id": "regressors-lab-a", "session_id": "lab-a", "unit_id": 1},
    ),
    "types_name_no_regressor": (
        ["UPDATE derived.roi_types SET response_type = 'lost' WHERE session_id = 'lab-b' AND unit_id = 2"],
        {"session_id": "lab-b", "unit_id": 2, "response_type": "lost"},
    ),
    "inputs_lack_a_best": (
        ["UPDATE derived.excitatory_inputs SET is_best = TRUE WHERE session_id = 'lab-a' AND unit_id = 1"],
        {"study_id": "inputs-lab-a", "unit_id": 1, "kind": "exciting", "best_count": 2},
    ),
    "inputs_lack_pixels": (
        ["UPDATE derived.excitatory_inputs SET width_px = 4 WHERE session_id = 'lab-b' AND unit_id = 2 AND seed = 1"],
        {"session_id": "lab-b", "unit_id": 2, "seed": 1, "byte_count": 24},
    ),
    "predicted_units_lack_a_score": (
        ["DELETE FROM findings.encoding_scores WHERE session_id = 'lab-a' AND unit_id = 1 AND side = 'test'"],
        {"study_id": "encoding-lab-a", "unit_id": 1, "model": "network 1"},
    ),
    "raster_places_are_cut": (
        ["UPDATE derived.raster_order SET place = 5 WHERE session_id = 'lab-b' AND unit_id = 1"],
        {"session_id": "lab-b", "scope": "all blocks", "unit_count": 2, "last_place": 5},
    ),
    "events_are_out_of_order": (
        ["UPDATE recorded.events SET onset_s = -1 WHERE session_id = 'lab-a' AND event_id = 1"],
        {"session_id": "lab-a", "event_id": 1},
    ),
    "events_end_before_they_begin": (
        ["UPDATE recorded.events SET offset_s = 0.5 WHERE session_id = 'lab-b' AND event_id = 1"],
        {"session_id": "lab-b", "event_id": 1},
    ),
    "frame_count_differs": (
        ["UPDATE recorded.sessions SET frame_count = 4 WHERE session_id = 'lab-a'"],
        {"session_id": "lab-a", "frame_count": 4, "row_count": 3},
    ),
    "frames_are_missing": (
        ["DELETE FROM recorded.frames WHERE session_id = 'lab-a' AND frame = 1"],
        {"session_id": "lab-a", "row_count": 2},
    ),
    "frames_run_backwards": (
        ["UPDATE recorded.frames SET time_s = 0.5 WHERE session_id = 'lab-b' AND frame = 2"],
        {"session_id": "lab-b", "frame": 2},
    ),
    "omissions_show_images": (
        ["UPDATE recorded.events SET image_name = 'im061' WHERE session_id = 'lab-a' AND kind = 'omission'"],
        {"session_id": "lab-a", "event_id": 1},
    ),
    "predictions_lack_a_score": (
        ["DELETE FROM findings.decoder_scores WHERE fold = 'm2'"],
        {"fold": "m2", "decoder": "LR", "target": "condition"},
    ),
    "session_ids_are_unfit": (
        ["INSERT INTO recorded.sessions SELECT * REPLACE ('lab=c' AS session_id) FROM recorded.sessions LIMIT 1"],
        {"session_id": "lab=c"},
    ),
    "subjects_have_two_lines": (
        ["UPDATE recorded.sessions SET subject_id = 'm1', cre_line = 'Sst-IRES-Cre' WHERE session_id = 'lab-b'"],
        {"subject_id": "m1"},
    ),
    "tested_mice_were_trained_on": (
        ["DELETE FROM findings.predictions WHERE scheme = 'test' AND unit_id = 2"],
        {"subject_id": "m2", "decoder": "LR", "target": "condition"},
    ),
    "traces_are_cut": (
        ["DELETE FROM recorded.traces WHERE session_id = 'lab-a' AND unit_id = 2 AND frame = 2"],
        {"session_id": "lab-a", "unit_id": 2, "row_count": 2},
    ),
    "traces_lack_units": (
        ["DELETE FROM recorded.traces WHERE session_id = 'lab-b' AND unit_id = 1"],
        {"session_id": "lab-b", "unit_id": 1},
    ),
    "unit_count_differs": (
        ["UPDATE recorded.sessions SET unit_count = 5 WHERE session_id = 'lab-b'"],
        {"session_id": "lab-b", "unit_count": 5, "row_count": 2},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with open_lake(Settings(home=tmp_path_factory.mktemp("checks"), threads=1)) as lake:
        fill(lake)
        yield lake


@pytest.fixture
def planted(whole_lake: Lake) -> Iterator[Lake]:
    """The lake in a transaction that is rolled back: what a test plants is gone after it."""
    whole_lake._connection.execute("BEGIN")
    yield whole_lake
    whole_lake._connection.execute("ROLLBACK")


def test_a_sound_lake_breaks_no_rule(whole_lake: Lake):
    assert [result.name for result in run_checks(whole_lake) if len(result.offending)] == []


def test_every_written_check_has_a_planted_row():
    assert sorted(PLANTED) == sql.names("checks")


@pytest.mark.parametrize("name", PLANTED)
def test_a_written_check_returns_the_planted_row_alone(planted: Lake, name: str):
    statements, expected = PLANTED[name]
    for statement in statements:
        planted._connection.execute(statement)
    check = next(check for check in all_checks() if check.name == name)
    found = run_check(planted, check).offending.to_dicts()
    assert len(found) == 1
    assert {key: found[0][key] for key in expected} == expected


@pytest.mark.parametrize("check", DECLARED, ids=lambda check: check.name.replace(" ", "_"))
def test_a_declared_check_returns_the_planted_row_alone(planted: Lake, check: Check):
    found = run_check(planted, check).offending
    assert found.is_empty()
    expected = plant(planted, check)
    found = run_check(planted, check).offending.to_dicts()
    assert len(found) == 1
    for name, value in expected.items():
        assert found[0][name] == value or (value != value and found[0][name] != found[0][name])


def plant(lake: Lake, check: Check) -> dict:
    """Add one row that breaks a declared rule; what must come back."""
    where, kind = check.name.split(": ")
    table = TABLE_BY_NAME[".".join(where.split(".")[:2])]
    if kind == "key":
        insert(lake, table.name, {})
        return {"row_count": 2}
    if kind in table.parents:
        child = next(column for column in table.columns if column.name == table.parents[kind][-1])
        lost = {child.name: "lost" if child.type == "text" else -7}
        insert(lake, table.name, lost)
        return lost
    column = next(c for c in table.columns if c.name == where.split(".")[2])
    if kind == "missing":
        lake._connection.execute(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} DROP NOT NULL")
    bad = {
        "missing": None,
        "NaN": float("nan"),
        "values": "of no kind",
        "at least": (column.at_least or 0) - 1,
        "at most": (column.at_most or 0) + 1,
        "above": column.above,
    }[kind]
    insert(lake, table.name, {column.name: bad})
    return {column.name: bad}


def insert(lake: Lake, table: str, changed: dict) -> None:
    """Add a copy of a row with some columns changed."""
    types = {column.name: column.sql_type for column in TABLE_BY_NAME[table].columns}
    replaced = ", ".join(f"${name}::{types[name]} AS {name}" for name in changed)
    columns = f"* REPLACE ({replaced})" if changed else "*"
    lake._connection.execute(f"INSERT INTO {table} SELECT {columns} FROM {table} LIMIT 1", changed or None)


def test_traces_whose_last_frame_is_misnumbered_are_reported(planted: Lake):
    planted._connection.execute(
        "UPDATE recorded.traces SET frame = 9 WHERE session_id = 'lab-a' AND frame = 2 AND unit_id = 1"
    )
    check = next(check for check in all_checks() if check.name == "traces_are_cut")
    found = run_check(planted, check).offending
    assert found.select("session_id", "unit_id", "row_count").rows() == [("lab-a", 1, 3)]


def test_all_that_a_declaration_says_is_checked():
    names = {check.name for check in DECLARED}
    for table in TABLES:
        assert f"{table.name}: key" in names
        assert {f"{table.name}: {parent}" for parent in table.parents} <= names
        for column in table.columns:
            said = {
                "missing": not column.nullable, "NaN": column.type in ("real", "double"), "values": column.one_of,
                "at least": column.at_least is not None, "at most": column.at_most is not None,
                "above": column.above is not None,
            }  # fmt: skip
            for kind, holds in said.items():
                assert (f"{table.name}.{column.name}: {kind}" in names) == bool(holds)


@pytest.mark.parametrize(
    ("name", "frame", "value"),
    [("recorded.traces.frame: missing", None, 0.5), ("recorded.traces.value: NaN", 3, float("nan"))],
)
def test_a_registered_file_can_not_hide_a_bad_row(planted: Lake, tmp_path: Path, name: str, frame: int, value: float):
    """DuckDB passes over files by what the catalog knows of them, and such a file did not come by the write path."""
    path = tmp_path / "session_id=lab-a" / "signal=dff" / "a.parquet"
    path.parent.mkdir(parents=True)
    types = pa.schema([("unit_id", pa.int64()), ("frame", pa.int32()), ("value", pa.float32())])
    pq.write_table(pa.table({"unit_id": [1, 1], "frame": [7, frame], "value": [0.5, value]}, schema=types), path)
    call = "CALL ducklake_add_data_files('lake', 'traces', ?, schema => 'recorded', hive_partitioning => true)"
    planted._connection.execute(call, [str(path)])
    check = next(check for check in DECLARED if check.name == name)
    found = run_check(planted, check).offending.to_dicts()
    assert [(row["session_id"], row["unit_id"], row["frame"]) for row in found] == [("lab-a", 1, frame)]


def test_the_command_ends_with_one_when_a_rule_is_broken(lake: Lake):
    fill(lake)
    command = [sys.executable, "-m", "storage.check"]
    sound = subprocess.run(command, capture_output=True, text=True)
    assert sound.returncode == 0
    assert f"{len(all_checks())} of {len(all_checks())} checks find nothing" in sound.stdout
    lake._connection.execute("UPDATE recorded.sessions SET unit_count = 5 WHERE session_id = 'lab-b'")
    lake._connection.execute(
        "INSERT INTO recorded.rejected SELECT * REPLACE ('[/vip]' AS source_uri) FROM recorded.rejected"
    )
    lake._connection.execute("INSERT INTO recorded.rejected FROM recorded.rejected WHERE source_uri = '[/vip]'")
    broken = subprocess.run(command, capture_output=True, text=True)
    assert broken.returncode == 1
    assert "unit_count_differs" in broken.stdout
    assert "[/vip]" in broken.stdout
    assert broken.stdout.splitlines()[-1].endswith("ask for the rows above with `make sql`")
