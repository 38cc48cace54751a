"""Lakes of earlier versions are brought up to date and lose nothing; newer ones are refused; lakes made twice at once.

tests/storage/lakes holds the tables of each earlier version, as neurolake made them then.
"""

# ruff: noqa: F811 (fixtures are imported, and named as arguments)

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from storage import migrations
from storage.attach import connect
from storage.lake import Lake, LakeMismatch, open_lake
from storage.lake_version import LAKE_VERSION
from storage.migrations import Migration, stored_shapes
from storage.settings import Settings
from storage.tables import TABLES
from tests.storage.postgres_server import postgres_address, postgres_settings  # noqa: F401 (fixtures)
from tests.storage.test_writers import catalog_settings  # noqa: F401 (fixture)
from tests.storage.whole_lake import fill
from tests.storage.writer_process import whole_sessions, write_session

LAKES = Path(__file__).parent / "lakes"
ROWS = 3
CARRIED = {
    "findings.contrasts": {"contrast": "omitted - presented"},
    "findings.decoder_scores": {"target": "condition"},
    "findings.predictions": {"target": "condition"},
}
_VALUE = {
    "VARCHAR": "'{column} ' || i",
    "BOOLEAN": "i % 2 = 0",
    "BLOB": "'\\x00\\xff'::BLOB",
    "TIMESTAMP WITH TIME ZONE": "'2026-01-01T00:00:00Z'::TIMESTAMPTZ + to_hours(i)",
}


def _make(settings: Settings, version: int, *, instead: tuple[str, str] = ("", "")) -> dict[str, pl.DataFrame]:
    """A lake of an earlier version with rows in every table, one text of its DDL replaced; returns all its rows."""
    for folder in (settings.catalog_file.parent, settings.data_folder):
        folder.mkdir(parents=True, exist_ok=True)
    ddl = (LAKES / f"version_{version}.sql").read_text(encoding="utf-8")
    assert instead[0] in ddl
    with connect(settings, read_only=False) as lake:
        lake.execute("BEGIN; CREATE SCHEMA recorded; CREATE SCHEMA derived; CREATE SCHEMA findings")
        lake.execute(ddl.replace(*instead) if instead[0] else ddl)
        rows = {}
        for name, shape in stored_shapes(lake).items():
            values = (_VALUE.get(kind, "i").format(column=column) for column, kind, _ in shape)
            lake.execute(f"INSERT INTO {name} SELECT {', '.join(values)} FROM range({ROWS}) AS r(i)")
            rows[name] = pl.from_arrow(lake.execute(f"FROM {name} ORDER BY ALL").to_arrow_table())
        lake.execute("COMMIT")
    return rows


def _shapes(lake: Lake) -> dict[str, tuple]:
    return stored_shapes(lake._connection)


def _comments(lake: Lake) -> set[tuple]:
    asked = "SELECT schema_name, table_name, {} comment FROM {}() WHERE database_name = 'lake' AND schema_name IN {}"
    schemas = "('recorded', 'derived', 'findings')"
    columns = lake.query(asked.format("column_name,", "duckdb_columns", schemas)).rows()
    return {*columns, *lake.query(asked.format("", "duckdb_tables", schemas)).rows()}


@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize("version", [1, 2])
def test_a_lake_of_an_earlier_version_keeps_every_row(
    catalog_settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, version: int
) -> None:
    before = _make(catalog_settings, version)
    with pytest.raises(LakeMismatch, match=r"earlier version .* `make nightly`"):
        open_lake(catalog_settings, read_only=True)
    with caplog.at_level(logging.WARNING), open_lake(catalog_settings) as lake:
        assert f"lake of version {version} brought to {LAKE_VERSION}" in caplog.text
        for table, rows in before.items():
            now = lake.query(f"FROM {table} ORDER BY ALL")
            if table == "derived.mean_responses":
                assert now.is_empty()
                now = lake.query(f"FROM earlier.derived_mean_responses_{version} ORDER BY ALL")
            if table == "findings.contrasts":
                assert now["p_permutation"].to_list() == rows["p_sign_flip"].to_list()
                rows = rows.drop("p_sign_flip").with_columns(pl.col("dof").cast(pl.Float64))
            if table == "findings.predictions":
                assert now["truth"].to_list() == now["condition"].to_list()
            assert now.select(rows.columns).equals(rows), table
            new = now.drop(rows.columns)
            for column, value in CARRIED.get(table, {}).items():
                assert new[column].to_list() == [value] * ROWS
            said = {*CARRIED.get(table, {}), "p_permutation", "truth"}
            assert all(new[column].null_count() == ROWS for column in new.columns if column not in said), table
        fresh = catalog_settings.model_copy(update={"home": tmp_path / "new", "data": None, "catalog": "sqlite"})
        with open_lake(fresh) as new:
            assert _shapes(lake) == _shapes(new)
            assert _comments(lake) == _comments(new)
        assert lake.query("FROM neurolake.lake_version")["version"].item() == LAKE_VERSION

        snapshot = lake.snapshot_id
        last = lake.snapshots().row(-1, named=True)
        assert last["commit_message"] == f"lake of version {version} brought to {LAKE_VERSION}"
        carried_over = json.loads(last["commit_extra_info"])["carried_over"]
        assert ("recorded.events: 3 rows carried over" in carried_over) == (version == 1)
        # What is written next lands in its own columns.
        write_session(lake, "a", 5)
        lake.replace({}, forget_sessions=["session_id 0", "session_id 1", "session_id 2"], message="")
        fill(lake)
        assert lake.query("SELECT DISTINCT reader FROM recorded.sessions ORDER BY ALL")["reader"].to_list() == [
            "nwb",
            "writer_process",
        ]
    with open_lake(catalog_settings) as again, open_lake(catalog_settings, snapshot=snapshot - 1) as then:
        assert again.snapshot_id == snapshot + 3
        assert {name: len(shape) for name, shape in _shapes(then).items()} == {n: r.width for n, r in before.items()}
        for table, rows in before.items():
            assert then.query(f"FROM {table} ORDER BY ALL").equals(rows), table


def test_a_lake_of_version_3_gets_the_tables_of_the_next_and_is_not_changed_otherwise(settings: Settings) -> None:
    before = _make(settings, 3)
    with open_lake(settings) as lake:
        new = {"derived.regressor_fits", "findings.response_types"}
        new |= {"derived.excitatory_inputs", "findings.image_coding"}
        assert {table.name for table in TABLES} - set(before) >= new
        assert lake.query("SELECT count(*) FROM derived.regressor_fits").item() == 0
        for table, rows in before.items():
            assert lake.query(f"FROM {table} ORDER BY ALL").equals(rows), table
        last = lake.snapshots().row(-1, named=True)
        assert last["commit_message"] == f"lake of version 3 brought to {LAKE_VERSION}"
        assert json.loads(last["commit_extra_info"])["carried_over"] == []


def test_a_lake_without_a_number_and_of_todays_shape_only_gets_its_number(lake: Lake) -> None:
    fill(lake)
    lake.query("DROP VIEW neurolake.lake_version")
    snapshot = lake.snapshot_id
    with open_lake(lake.settings, read_only=True) as reader:
        assert reader.query("SELECT count(*) AS n FROM recorded.units")["n"].item() == 4
    with open_lake(lake.settings) as numbered:
        assert numbered.snapshot_id == snapshot + 1
        assert numbered.query("FROM neurolake.lake_version")["version"].item() == LAKE_VERSION
        assert not numbered.query("SELECT * FROM duckdb_tables() WHERE schema_name = 'earlier'").height


@pytest.mark.xdist_group("postgres")
def test_a_lake_of_a_newer_version_is_refused(catalog_settings: Settings) -> None:
    with open_lake(catalog_settings) as lake:
        first = write_session(lake, "a", 1)
        lake.query("CREATE OR REPLACE VIEW neurolake.lake_version AS SELECT 99 AS version, '7.0' AS written_by")
        lake.query("DROP TABLE findings.promotions")  # as a newer version may
        newest = lake.snapshot_id
    says = rf"version 99, written by neurolake 7\.0.* up to version {LAKE_VERSION}"
    for options in ({}, {"read_only": True}, {"snapshot": newest}):
        with pytest.raises(LakeMismatch, match=says):
            open_lake(catalog_settings, **options)
    with open_lake(catalog_settings, snapshot=first) as then:
        assert then.query("FROM ducklake_snapshots('lake')")["snapshot_id"].max() == newest  # nothing was changed
        assert whole_sessions(then) == {"a": 1}


@pytest.mark.parametrize(
    ("instead", "says"),
    [
        (("frame INTEGER NOT NULL, time_s", "frame BIGINT NOT NULL, time_s"), "frame is BIGINT and should be INTEGER"),
        (("NOT NULL, name VARCHAR, structure", "NOT NULL, alias VARCHAR, structure"), "alias has no place in it"),
        (("CREATE TABLE recorded.frames", "CREATE TABLE recorded.own (x INTEGER); CREATE TABLE recorded.frames"),
         r"holds tables that neurolake never made: \['recorded\.own'\]"),
        (("spike INTEGER NOT NULL, ", ""), "spike is new and may not be NULL"),
        (("condition VARCHAR NOT NULL, predicted", "condition VARCHAR, predicted"), None),
    ],
    ids=["another type", "another column", "another table", "a new column that may not be NULL", "may be NULL"],
)  # fmt: skip
def test_what_can_not_be_carried_over_is_named_and_nothing_is_changed(
    settings: Settings, instead: tuple[str, str], says: str | None
) -> None:
    before = _make(settings, 2, instead=instead)
    if says is None:  # no row is NULL there
        open_lake(settings).close()
        return
    with pytest.raises(LakeMismatch, match=says):
        open_lake(settings)
    with connect(settings, read_only=True) as lake:
        assert lake.execute("FROM lake.current_snapshot()").fetchall() == [(1,)]
        for table, rows in before.items():
            assert pl.from_arrow(lake.execute(f"FROM {table} ORDER BY ALL").to_arrow_table()).equals(rows)


def test_a_missing_value_where_none_may_be_is_named(settings: Settings) -> None:
    _make(settings, 2, instead=("condition VARCHAR NOT NULL, predicted", "condition VARCHAR, predicted"))
    with connect(settings, read_only=False) as lake:
        lake.execute("UPDATE findings.predictions SET condition = NULL")
    with pytest.raises(LakeMismatch, match=rf"findings\.predictions can't be brought to version {LAKE_VERSION}"):
        open_lake(settings)


def test_a_migration_that_would_lose_a_recorded_row_is_not_made(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(settings, 1)
    loses = Migration(2, "loses", {"recorded.units": "SELECT * FROM earlier WHERE unit_id > 0"})
    monkeypatch.setattr(migrations, "MIGRATIONS", (loses, *migrations.MIGRATIONS))
    with pytest.raises(LakeMismatch, match=r"recorded\.units has 3 rows, and 2 would come over"):
        open_lake(settings)


def test_rows_in_files_stay_where_they_are(settings: Settings) -> None:
    before = _make(settings, 2, instead=(", amplitude FLOAT)", ")"))
    files = set(settings.data_folder.rglob("spikes/**/*.parquet"))
    with open_lake(settings) as lake:
        assert set(settings.data_folder.rglob("spikes/**/*.parquet")) == files
        found = lake.query("FROM recorded.spikes ORDER BY ALL")
        assert found.drop("amplitude").equals(before["recorded.spikes"])
        assert found["amplitude"].null_count() == ROWS
        fill(lake)
        amplitudes = lake.query("SELECT DISTINCT amplitude FROM recorded.spikes ORDER BY ALL")
        assert amplitudes["amplitude"].to_list() == [1.0, None]


@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize("version", [None, 2], ids=["new", "earlier"])
def test_two_processes_may_open_a_lake_at_once_for_the_first_time(
    catalog_settings: Settings, version: int | None
) -> None:
    if version:
        _make(catalog_settings, version)
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "NEUROLAKE_HOME": str(catalog_settings.home),
        "NEUROLAKE_DATA": str(catalog_settings.data_folder),
        "NEUROLAKE_CATALOG": catalog_settings.catalog,
        "NEUROLAKE_THREADS": "1",
    }
    opened = (
        "import sys; from storage.lake import open_lake; from tests.storage.writer_process import write_session\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "with open_lake() as lake: write_session(lake, sys.argv[1], 1)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", opened, name],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    with open_lake(catalog_settings, read_only=True) as lake:
        messages = lake.snapshots()["commit_message"].to_list()
        made = f"lake of version {version} brought to {LAKE_VERSION}" if version else "make tables"
        assert messages.count(made) == 1
        assert sorted(messages[-2:]) == ["a version 1", "b version 1"]
        there = lake.query("SELECT session_id FROM recorded.sessions WHERE length(session_id) = 1 ORDER BY ALL")
        assert there["session_id"].to_list() == ["a", "b"]


def test_the_version_is_raised_when_the_tables_change() -> None:
    columns = [(t.name, t.road, t.partition, c.name, c.sql_type, c.nullable) for t in TABLES for c in t.columns]
    found = hashlib.sha256(json.dumps(sorted(columns)).encode()).hexdigest()[:16]
    assert {LAKE_VERSION: found} == {4: "b5937bf8e81e33eb"}, (
        "the declared tables have changed: raise LAKE_VERSION in storage/lake_version.py, put the tables as they were "
        "into tests/storage/lakes, say in storage/migrations.py how rows come over where that doesn't follow "
        "from the declarations, and put the new version and fingerprint here"
    )
