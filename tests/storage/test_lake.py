"""The lake: what a write replaces and refuses, what snapshots keep, who may read what, and its settings."""

import shutil
import traceback
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pydantic import ValidationError

from storage.attach import LakeMissing, connect
from storage.declaration import Column, Table
from storage.lake import Lake, LakeMismatch, open_lake
from storage.settings import Settings
from storage.tables import EVENTS, MEAN_RESPONSES, PROMOTIONS, REJECTED, SESSIONS, STUDIES, TABLES, TRACES, UNITS
from tests.storage.whole_lake import fill
from tests.storage.writer_process import session_rows, session_traces, whole_sessions, write_session


def _response(session_id: str, study_id: str = "s1") -> pa.Table:
    row = {"study_id": study_id, "session_id": session_id, "unit_id": 0, "condition": "presented", "sample": 0,
           "time_s": 0.0, "mean_dff": float("nan"), "sem_dff": 1.0, "event_count": 1, "dropped_count": 0,
           "missing_count": 0}  # fmt: skip
    return MEAN_RESPONSES.rows([row])


def _count(lake: Lake, table: str) -> int:
    return lake.query(f"SELECT count(*) AS n FROM {table}")["n"].item()


def _rejected(uri: str, found: str = "8") -> pa.Table:
    row = {"source_uri": uri, "content_sha256": None, "reader": None, "reader_version": None, "field": "dff",
           "found": found, "expected": "9", "rejected_at": datetime(2026, 1, 1, tzinfo=UTC)}  # fmt: skip
    return REJECTED.rows([row])


# What a write does.


def test_a_session_appears_in_all_its_tables_in_one_snapshot(lake: Lake) -> None:
    before = lake.snapshot_id
    snapshot = write_session(lake, "a", 4)
    assert snapshot == lake.snapshot_id == before + 1
    assert whole_sessions(lake) == {"a": 4}
    assert whole_sessions(lake, before) == {}


def test_replacing_a_session_takes_away_all_that_was_known_of_it(lake: Lake) -> None:
    write_session(lake, "a", 1)
    write_session(lake, "b", 1)
    lake.replace({MEAN_RESPONSES: _response("a")}, message="")
    lake.replace({MEAN_RESPONSES: _response("b")}, message="")
    write_session(lake, "a", 2)
    assert whole_sessions(lake) == {"a": 2, "b": 1}
    assert lake.query("SELECT session_id FROM derived.mean_responses")["session_id"].to_list() == ["b"]


def test_derived_rows_replace_those_of_their_study_and_session_only(lake: Lake) -> None:
    for session_id, study_id in (("a", "s1"), ("a", "s2"), ("b", "s1"), ("a", "s1")):
        lake.replace({MEAN_RESPONSES: _response(session_id, study_id)}, message="")
    found = lake.query("SELECT study_id, session_id FROM derived.mean_responses ORDER BY ALL").rows()
    assert found == [("s1", "a"), ("s1", "b"), ("s2", "a")]
    assert lake.query("SELECT mean_dff FROM derived.mean_responses")["mean_dff"].null_count() == 3


def test_forgetting_a_session_takes_its_rows_from_every_table(lake: Lake) -> None:
    for session_id in ("a", "b"):
        write_session(lake, session_id, 1)
        lake.replace({MEAN_RESPONSES: _response(session_id)}, message="")
    lake.replace({}, forget_sessions=["a"], message="forget a")
    for table in TABLES:
        if "session_id" in table.column_names:
            assert "a" not in lake.query(f"SELECT session_id FROM {table.name}")["session_id"].to_list(), table.name
    assert whole_sessions(lake) == {"b": 1}
    with pytest.raises(KeyError):
        lake.traces("a")


def test_replacing_a_session_takes_its_rows_from_every_derived_table(lake: Lake) -> None:
    fill(lake)
    write_session(lake, "lab-a", 3)
    for table in TABLES:
        if "session_id" in table.column_names and table not in (SESSIONS, UNITS, TRACES, EVENTS):
            left = lake.query(f"SELECT DISTINCT session_id FROM {table.name} WHERE session_id IS NOT NULL")
            assert left["session_id"].to_list() == ["lab-b"], table.name


def test_a_file_that_is_read_leaves_the_rejected(lake: Lake) -> None:
    lake.replace({REJECTED: _rejected("one.nwb")}, message="")
    lake.replace({REJECTED: _rejected("two.nwb")}, message="")
    lake.replace({REJECTED: _rejected("two.nwb", found="7")}, message="")
    lake.replace({}, forget_rejected=["one.nwb"], message="")
    assert lake.query("SELECT source_uri, found FROM recorded.rejected").rows() == [("two.nwb", "7")]


def test_a_write_may_be_repeated(lake: Lake) -> None:
    for _ in range(3):
        write_session(lake, "a", 5)
    assert whole_sessions(lake) == {"a": 5}


def test_message_and_info_stand_in_the_snapshots(lake: Lake) -> None:
    lake.replace({REJECTED: _rejected("x")}, message='it\'s "read"', info={"n": 3, "at": Path("/x"), "µ": ["ü", None]})
    last = lake.snapshots().row(-1, named=True)
    assert last["snapshot_id"] == lake.snapshot_id
    assert last["commit_message"] == 'it\'s "read"'
    info = pl.Series([last["commit_extra_info"]]).str.json_decode(
        pl.Struct({"n": pl.Int64, "at": pl.String, "µ": pl.List(pl.String)})
    )
    assert info.item() == {"n": 3, "at": "/x", "µ": ["ü", None]}
    assert last["author"]


def test_a_table_that_is_empty_again_stays_readable(lake: Lake) -> None:
    snapshot = write_session(lake, "a", 1)
    lake.replace({}, forget_sessions=["a"], message="")
    assert whole_sessions(lake) == {}
    assert whole_sessions(lake, snapshot) == {"a": 1}


def test_every_snapshot_still_reads_as_it_was(lake: Lake) -> None:
    expected = {lake.snapshot_id: {}}
    for version, session_id in enumerate(["a", "b", "a", "c", "b", "a"], start=1):
        before = expected[lake.snapshot_id]
        expected[write_session(lake, session_id, version)] = before | {session_id: version}
    for snapshot, versions in expected.items():
        assert whole_sessions(lake, snapshot) == versions
        with open_lake(lake.settings, snapshot=snapshot) as then:
            assert whole_sessions(then) == versions
            for session_id, version in versions.items():
                np.testing.assert_array_equal(
                    then.traces(session_id).values, session_traces(session_id, version).values
                )


# What a write refuses.


def _changed(rows: pa.Table, column: str, values: pa.Array) -> pa.Table:
    place = rows.schema.get_field_index(column)
    return rows.set_column(place, rows.schema.field(column).with_type(values.type), values)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows.append_column("more", pa.array([1] * len(rows))),
        lambda rows: rows.drop_columns(["x_px"]),
        lambda rows: rows.select(rows.column_names[::-1]),
        lambda rows: _changed(rows, "unit_id", pa.array(range(len(rows)), pa.int32())),
        lambda rows: _changed(rows, "x_px", pa.array([1.0] * len(rows), pa.float32())),
        lambda rows: _changed(rows, "x_px", pa.array([float("nan")] * len(rows))),
        lambda rows: _changed(rows, "unit_id", pa.array([None] * len(rows), pa.int64())),
    ],
    ids=["extra column", "column gone", "other order", "narrower", "float for double", "NaN", "NULL in the key"],
)
def test_rows_that_are_not_as_declared_are_refused(lake: Lake, spoil) -> None:
    rows = session_rows("a", 1)
    rows[UNITS] = spoil(rows[UNITS])
    with pytest.raises(ValueError, match=r"recorded\.units"):
        lake.replace(rows, traces=[session_traces("a", 1)], message="")
    assert whole_sessions(lake) == {}


def test_traces_are_not_written_as_rows(lake: Lake) -> None:
    with pytest.raises(ValueError, match="as files, not as rows"):
        lake.replace({TRACES: TRACES.arrow_schema.empty_table()}, message="")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"more": 1}, r"unknown columns \['more'\]"),
        ({"event_id": "one"}, "don't fit the declared types"),
        ({"kind": None}, "kind is missing in 1 rows"),
    ],
)
def test_rows_are_made_as_declared_or_refused(change: dict, says: str) -> None:
    event = {"session_id": "a", "event_id": 0, "kind": "image", "onset_s": 1.0, "offset_s": 1.25,
             "image_name": None, "is_change": None}  # fmt: skip
    assert EVENTS.rows([event]).schema.equals(EVENTS.arrow_schema)
    with pytest.raises(ValueError, match=says):
        EVENTS.rows([event | change])


# Who may read what.


def test_reading_connections_refuse_to_write(lake: Lake) -> None:
    write_session(lake, "a", 1)
    with open_lake(lake.settings, read_only=True) as reader:
        for statement in (
            "DELETE FROM recorded.units",
            "INSERT INTO recorded.units (session_id, unit_id) VALUES ('a', 9)",
            "CREATE TABLE recorded.more (x INTEGER)",
        ):
            with pytest.raises(duckdb.Error, match="read-only"):
                reader.query(statement)
        with pytest.raises(duckdb.Error, match="read-only"):
            write_session(reader, "a", 2)
        assert whole_sessions(reader) == {"a": 1}


def test_reading_connections_reach_no_file_outside_the_lake(lake: Lake, tmp_path: Path) -> None:
    write_session(lake, "a", 1)
    outside = tmp_path / "outside.csv"
    outside.write_text("x\n1\n")
    with open_lake(lake.settings, read_only=True) as reader:
        for statement in (
            "FROM read_csv('/etc/passwd')",
            f"FROM read_csv('{outside}')",
            f"COPY (SELECT 1) TO '{outside}'",
            f"ATTACH '{tmp_path}/other.duckdb'",
        ):
            with pytest.raises(duckdb.Error, match=r"[Pp]ermission|disabled"):
                reader.query(statement)
        with pytest.raises(duckdb.Error, match="locked"):
            reader.query("SET enable_external_access = true")
        assert len(reader.traces("a").unit_id) == 3
    assert outside.read_text() == "x\n1\n"


def test_there_is_no_reading_a_lake_that_is_not_there(settings: Settings) -> None:
    with pytest.raises(LakeMissing, match="NEUROLAKE_HOME"):
        open_lake(settings, read_only=True)
    assert not settings.home.exists()
    settings.catalog_file.parent.mkdir(parents=True)
    settings.catalog_file.touch()  # a writer was killed as it made it
    with pytest.raises(LakeMissing):
        open_lake(settings, read_only=True)
    open_lake(settings).close()
    with open_lake(settings, read_only=True) as lake:
        assert _count(lake, SESSIONS.name) == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ALTER TABLE recorded.units ADD COLUMN depth_um DOUBLE", r"recorded\.units\.depth_um"),
        ("ALTER TABLE recorded.units DROP COLUMN area_px", r"recorded\.units\.area_px"),
        ("ALTER TABLE recorded.frames ALTER frame TYPE BIGINT", r"recorded\.frames\.frame"),
        ("CREATE TABLE findings.more (x INTEGER)", r"findings\.more\.x"),
    ],
)
def test_a_lake_whose_tables_were_changed_is_refused(lake: Lake, change: str, says: str) -> None:
    lake.query(change)
    for read_only in (True, False):
        with pytest.raises(LakeMismatch, match=says):
            open_lake(lake.settings, read_only=read_only)


def test_a_table_that_is_gone_is_made_again_by_a_writer(lake: Lake) -> None:
    write_session(lake, "a", 1)
    lake.query("DROP TABLE findings.promotions")
    with open_lake(lake.settings) as again:
        assert _count(again, PROMOTIONS.name) == 0
        assert whole_sessions(again) == {"a": 1}


def test_a_copied_lake_reads_without_the_one_it_was_copied_from(lake: Lake, tmp_path: Path) -> None:
    first = write_session(lake, "lab-007", 1)
    write_session(lake, "lab-007", 2)
    lake.close()
    copied = lake.settings.model_copy(update={"home": tmp_path / "else where" / "it's here"})
    shutil.copytree(lake.settings.home, copied.home)
    shutil.rmtree(lake.settings.home)
    with open_lake(copied, snapshot=first) as then:
        np.testing.assert_array_equal(then.traces("lab-007").values, session_traces("lab-007", 1).values)
    with open_lake(copied) as here:
        assert here._trace_files("lab-007", "dff")[0].startswith(str(copied.data_folder))
        assert whole_sessions(here) == {"lab-007": 2}
        write_session(here, "b", 3)
        assert whole_sessions(here) == {"lab-007": 2, "b": 3}
    assert not lake.settings.home.exists()


def test_tables_and_columns_carry_their_meaning(lake: Lake) -> None:
    tables = lake.query(
        "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables() WHERE database_name = 'lake'"
    )
    assert dict(tables.rows()) == {table.name: table.meaning for table in TABLES}
    columns = lake.query(
        "SELECT comment FROM duckdb_columns() WHERE database_name = 'lake' AND column_name = 'onset_s'"
    )
    onset = next(column for column in EVENTS.columns if column.name == "onset_s")
    assert columns["comment"].to_list() == [onset.comment]
    assert onset.comment.endswith(" [s]")


def test_a_table_names_only_its_own_columns() -> None:
    with pytest.raises(ValueError, match="has no column"):
        Table("recorded.x", "", key=("a",), replaced_by=("b",), columns=(Column("a", "text", "a"),))


def test_parameters_are_bound_by_name(lake: Lake) -> None:
    write_session(lake, "a", 1)
    asked = "SELECT count(*) AS n FROM recorded.units WHERE session_id = $session_id"
    assert lake.query(asked, session_id="a")["n"].item() == 3
    assert lake.query(asked, session_id="a' OR true --")["n"].item() == 0


def test_a_study_stays_when_a_session_is_replaced(lake: Lake) -> None:
    study = {name: "x" for name in STUDIES.column_names} | {
        "kind": "omission", "protocol": "rigorous", "session_id": None, "snapshot_id": 1,
        "finished_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    lake.replace({STUDIES: STUDIES.rows([study])}, message="")
    write_session(lake, "a", 1)
    write_session(lake, "a", 2)
    assert _count(lake, STUDIES.name) == 1


# Settings.


def test_an_unknown_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROLAKE_CATALOGUE", "sqlite")
    with pytest.raises(ValidationError, match="NEUROLAKE_CATALOGUE"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HOME", "lake", "absolute path"),
        ("DATA", "./data", "absolute path"),
        ("CATALOG", "mysql://x", "postgresql://"),
        ("THREADS", "0", "greater than or equal to 1"),
        ("LOCK_TIMEOUT_S", "0", "greater than 0"),
    ],
)
def test_a_setting_out_of_range_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(f"NEUROLAKE_{name}", value)
    with pytest.raises(ValidationError, match=says):
        Settings()


def test_loading_settings_touches_no_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEUROLAKE_HOME", str(tmp_path / "nowhere"))
    settings = Settings()
    assert settings.data_folder == tmp_path / "nowhere" / "lake" / "data"
    assert settings.mlflow_address == f"sqlite:///{tmp_path}/nowhere/mlflow/mlflow.sqlite"
    assert list(tmp_path.iterdir()) == []


def test_settings_do_not_change(settings: Settings) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings.threads = 3


@pytest.mark.parametrize("read_only", [False, True])
def test_a_catalog_that_does_not_answer_is_named_without_its_password(tmp_path: Path, read_only: bool) -> None:
    settings = Settings(home=tmp_path, catalog="postgresql://lab:swordfish@127.0.0.1:1/lake")
    assert "swordfish" not in repr(settings)
    with pytest.raises(duckdb.IOException, match=r"\[NEUROLAKE_CATALOG\].*refused") as caught:
        connect(settings, read_only=read_only)
    assert "swordfish" not in "".join(traceback.format_exception(caught.value))
