"""The lake: what goes in comes out, at every snapshot and by every road, and what doesn't fit is refused."""

import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from storage import traces as trace_files
from storage.attach import LakeMissing
from storage.declaration import Column, Table
from storage.lake import Lake, LakeMismatch, open_lake
from storage.settings import Settings
from storage.tables import EVENTS, RESPONSE_FEATURES, SESSIONS, TABLES, TRACES, UNITS
from storage.traces import TraceMatrix
from tests.storage.whole_lake import fill
from tests.storage.writer_process import session_rows, session_traces, whole_sessions, write_session

DFF = np.array([[0.0, 0.5, np.nan, 1.5], [1.0, 2.0, 3.0, 4.0], [-1.0, -2.0, -3.0, -4.0]], np.float32)
UNIT_ID = np.array([30, 10, 20])


@pytest.fixture
def recorded(lake: Lake) -> Lake:
    lake.replace(session_rows("lab-1"), traces=[TraceMatrix("lab-1", "dff", UNIT_ID, DFF)], message="one")
    return lake


def test_a_matrix_comes_back_in_order_of_unit_with_its_missing_values(recorded: Lake):
    found = recorded.traces("lab-1")
    assert found.unit_id.tolist() == [10, 20, 30]
    np.testing.assert_array_equal(found.values, DFF[[1, 2, 0]])


def test_a_missing_value_is_null_in_sql(recorded: Lake):
    rows = recorded.query("SELECT unit_id, frame FROM recorded.traces WHERE value IS NULL").rows()
    assert rows == [(30, 2)]
    assert recorded.query("SELECT count(*) FROM recorded.traces WHERE isnan(value)").item() == 0


@pytest.mark.parametrize("frames", [slice(None), slice(1, 3), slice(-2, None), slice(0, 99), slice(3, 1)])
@pytest.mark.parametrize("units", [None, [30], [20, 30], [30, 10, 20]])
def test_a_span_is_that_part_of_the_whole_by_either_road(recorded: Lake, frames: slice, units: list | None):
    rows = [UNIT_ID.tolist().index(unit) for unit in (units or sorted(UNIT_ID.tolist()))]
    expected = DFF[rows][:, slice(*frames.indices(4))]
    direct = recorded.traces("lab-1", frames=frames, units=units)
    np.testing.assert_array_equal(direct.values, expected)
    unit_id, by_sql = recorded._traces_by_sql("lab-1", "dff", frames, units)
    np.testing.assert_array_equal(by_sql, expected)
    assert direct.unit_id.tolist() == unit_id.tolist() == UNIT_ID[rows].tolist()


def test_units_of_several_row_groups_come_back_whole(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trace_files, "FRAMES_PER_GROUP", 7)
    dff = np.arange(3 * 40, dtype=np.float32).reshape(3, 40)
    lake.replace(session_rows("lab-1"), traces=[TraceMatrix("lab-1", "dff", np.arange(3), dff)], message="one")
    np.testing.assert_array_equal(lake.traces("lab-1").values, dff)
    np.testing.assert_array_equal(lake.traces("lab-1", frames=slice(5, 29), units=[2, 0]).values, dff[[2, 0], 5:29])


def test_a_session_or_unit_that_is_not_there_is_named(recorded: Lake):
    with pytest.raises(KeyError, match="lab-2"):
        recorded.traces("lab-2")
    with pytest.raises(KeyError, match="11"):
        recorded.traces("lab-1", units=[10, 11])
    with pytest.raises(ValueError, match="step 2"):
        recorded.traces("lab-1", frames=slice(0, 4, 2))


@pytest.mark.parametrize("session_id", ["lab-007", "x-2024-01-01", "p-1e5", "p-true", "p-null", "a.b_c-D"])
def test_a_session_id_stays_text(lake: Lake, session_id: str):
    write_session(lake, session_id, 1)
    assert lake.query("SELECT DISTINCT session_id FROM recorded.traces").item() == session_id
    assert whole_sessions(lake) == {session_id: 1}
    assert lake.traces(session_id).session_id == session_id


def test_rows_added_by_plain_sql_are_read_by_sql(recorded: Lake):
    recorded._connection.execute("DELETE FROM recorded.traces WHERE unit_id = 10 AND frame = 0")
    np.testing.assert_array_equal(recorded.traces("lab-1").values, np.array([[np.nan, 2, 3, 4], DFF[2], DFF[0]], "f4"))
    recorded._connection.execute("INSERT INTO recorded.traces VALUES ('lab-1', 'dff', 40, 1, 9.0)")
    found = recorded.traces("lab-1")
    assert found.unit_id.tolist() == [10, 20, 30, 40]
    np.testing.assert_array_equal(found.values[3], np.array([np.nan, 9, np.nan, np.nan], "f4"))


def test_every_earlier_snapshot_reads_by_both_roads(lake: Lake):
    snapshots = {write_session(lake, "lab-1", version): version for version in range(1, 6)}
    for snapshot, version in snapshots.items():
        with open_lake(lake.settings, snapshot=snapshot) as then:
            assert whole_sessions(then) == {"lab-1": version}
            expected = session_traces("lab-1", version).values
            np.testing.assert_array_equal(then.traces("lab-1").values, expected)
            np.testing.assert_array_equal(then._traces_by_sql("lab-1", "dff", slice(None), None)[1], expected)


def test_a_replaced_session_takes_its_derived_rows_along_and_leaves_the_others(lake: Lake):
    fill(lake)
    lake.replace(session_rows("lab-a", 3), traces=[session_traces("lab-a", 3)], message="again")
    for table in TABLES:
        if "session_id" in table.column_names and table not in (SESSIONS, UNITS, TRACES, EVENTS):
            left = lake.query(f"SELECT DISTINCT session_id FROM {table.name} WHERE session_id IS NOT NULL")
            assert left["session_id"].to_list() == ["lab-b"], table.name


def test_a_write_of_many_tables_is_one_snapshot_with_its_message(lake: Lake):
    before = lake.snapshot_id
    after = lake.replace(session_rows("lab-1"), traces=[session_traces("lab-1")], message="hello", info={"flow_run": 7})
    assert after == before + 1 == lake.snapshot_id
    last = lake.snapshots().row(-1, named=True)
    assert (last["commit_message"], last["commit_extra_info"]) == ("hello", '{"flow_run": 7}')


def test_rows_other_than_declared_are_refused():
    units = {"session_id": ["a-1"], "unit_id": [1], "x_px": [None], "y_px": [None], "area_px": [None]}
    assert UNITS.rows(units).schema == UNITS.arrow_schema
    with pytest.raises(ValueError, match=r"unknown columns.*depth"):
        UNITS.rows(units | {"depth": [1]})
    with pytest.raises(ValueError, match=r"missing columns.*unit_id"):
        UNITS.rows({name: column for name, column in units.items() if name != "unit_id"})
    with pytest.raises(ValueError, match="declared types"):
        UNITS.rows(units | {"unit_id": ["seven"]})
    with pytest.raises(ValueError, match="unit_id is missing in 1 rows"):
        UNITS.rows(units | {"unit_id": [None]})


def test_the_write_path_takes_no_rows_that_bypass_the_declaration(lake: Lake):
    units = UNITS.rows({"session_id": ["a-1"], "unit_id": [1], "x_px": [1.0], "y_px": [None], "area_px": [None]})
    with pytest.raises(ValueError, match="declared schema"):
        lake.replace({UNITS: units.set_column(1, "unit_id", pa.array([1], pa.int32()))}, message="")
    with pytest.raises(ValueError, match="NaN"):
        lake.replace({UNITS: units.set_column(2, UNITS.arrow_schema.field("x_px"), pa.array([np.nan]))}, message="")
    with pytest.raises(ValueError, match="written as traces"):
        lake.replace({TRACES: units}, message="")
    with pytest.raises(ValueError, match="each unit may stand once"):
        lake.replace({}, traces=[TraceMatrix("a-1", "dff", np.array([1, 1]), DFF[:2])], message="")
    assert lake.query("SELECT count(*) FROM recorded.units").item() == 0


def test_nan_in_rows_becomes_null():
    rows = UNITS.rows({"session_id": ["a"], "unit_id": [1], "x_px": [np.nan], "y_px": [2.0], "area_px": [None]})
    assert rows["x_px"].to_pylist() == [None]


def test_a_table_names_only_its_own_columns():
    with pytest.raises(ValueError, match="has no column"):
        Table("recorded.x", "", key=("a",), replaced_by=("b",), columns=(Column("a", "text", "a"),))


def test_the_catalog_comments_are_those_of_the_declarations(lake: Lake):
    comments = lake.query(
        "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables() WHERE database_name = 'lake'"
    )
    assert dict(comments.rows()) == {table.name: table.meaning for table in TABLES}
    column = lake.query(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'response_features' AND column_name = 'fwhm_s'"
    ).item()
    assert column == next(c.comment for c in RESPONSE_FEATURES.columns if c.name == "fwhm_s")


def test_a_copied_lake_opens_elsewhere(recorded: Lake, tmp_path: Path):
    copied = tmp_path / "elsewhere"
    shutil.copytree(recorded.settings.home, copied)
    shutil.rmtree(recorded.settings.home)
    with open_lake(Settings(home=copied)) as there:
        np.testing.assert_array_equal(there.traces("lab-1").values, DFF[[1, 2, 0]])
        assert there.query("SELECT count(*) FROM recorded.traces").item() == DFF.size
        write_session(there, "lab-2", 1)


def test_who_only_asks_can_not_write(recorded: Lake):
    with open_lake(recorded.settings, read_only=True) as asked:
        with pytest.raises(duckdb.Error, match="read-only"):
            write_session(asked, "lab-2", 1)
        with pytest.raises(duckdb.Error, match="disabled by configuration"):
            asked.query("FROM read_text('/etc/passwd')")
        with pytest.raises(duckdb.Error, match="locked"):
            asked.query("SET enable_external_access = true")


def test_a_lake_of_another_version_is_refused(recorded: Lake):
    recorded._connection.execute("ALTER TABLE recorded.units ADD COLUMN depth_um DOUBLE")
    with pytest.raises(LakeMismatch, match=r"recorded\.units\.depth_um"):
        open_lake(recorded.settings)


def test_no_lake_is_made_by_looking(settings: Settings):
    with pytest.raises(LakeMissing, match="make nightly"):
        open_lake(settings, read_only=True)
    assert not settings.home.exists()


def test_settings_refuse_what_they_do_not_know(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("NEUROLAKE_CATALOGUE", "sqlite")
    with pytest.raises(ValidationError, match="NEUROLAKE_CATALOGUE"):
        Settings()
    monkeypatch.delenv("NEUROLAKE_CATALOGUE")
    monkeypatch.setenv("NEUROLAKE_HOME", "relative/folder")
    with pytest.raises(ValidationError, match="absolute"):
        Settings()
    with pytest.raises(ValidationError, match="postgresql"):
        Settings(home=tmp_path, catalog="mysql://x")
