"""Asking: the lake answers questions and nothing else, in Python, on the command line and in the shell."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import psutil
import pyarrow as pa
import pytest

from storage.ask import NotAQuestion, ask, refuse_other_than_questions, write_answer
from storage.attach import LakeMissing
from storage.lake import Lake, open_lake
from storage.settings import Settings


def run(module: str, *arguments: str, typed: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", module, *arguments], input=typed, capture_output=True, text=True)


@pytest.mark.parametrize(
    "question",
    ["SELECT 1", "FROM recorded.sessions", "WITH a AS (SELECT 1) SELECT * FROM a", "EXPLAIN SELECT 1",
     "explain analyze SELECT 1", "EXPLAIN (ANALYZE, FORMAT json) SELECT 1", "SHOW ALL TABLES",
     "SUMMARIZE recorded.units", "PIVOT recorded.sessions ON sex IN ('F', 'M') USING count(*)",
     "FROM ducklake_snapshots('lake')", "SELECT 1;", "FROM recorded.sessions AT (VERSION => 1)"],
)  # fmt: skip
def test_questions_are_admitted(lake: Lake, question: str):
    ask(question, lake.settings)


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM recorded.sessions", "INSERT INTO recorded.rejected SELECT * FROM recorded.rejected",
     "ATTACH ':memory:' AS other", "COPY recorded.sessions TO 'sessions.csv'",
     "SELECT 1; SELECT 2", "EXPLAIN DELETE FROM recorded.sessions", "EXPLAIN ANALYZE DELETE FROM recorded.sessions",
     "SET threads = 1", "CALL lake.set_commit_message('a', 'b')", "DETACH lake", "", "-- nothing",
     "EXPLAIN (ANALYZE) DELETE FROM recorded.sessions", "/* EXPLAIN SELECT */ EXPLAIN DELETE FROM recorded.sessions",
     "PIVOT recorded.sessions ON sex"],
)  # fmt: skip
def test_anything_else_is_refused(statement: str):
    with pytest.raises(NotAQuestion):
        refuse_other_than_questions(statement)


@pytest.mark.parametrize(
    "call",
    ["ducklake_expire_snapshots('lake', older_than => now())", "DUCKLAKE_CLEANUP_OLD_FILES('lake')",
     "ducklake_add_data_files('lake', 'traces', '/tmp/a.parquet')", "ducklake_merge_adjacent_files('lake')",
     "enable_logging('QueryLog')", "query('SELECT 1')", "sqlite_scan('/a.sqlite', 'a')", "read_csv('/etc/passwd')",
     "json_execute_serialized_sql(json_serialize_sql('SELECT 1'))", "main.\"ducklake_set_option\"('lake', 'a', 'b')"],
)  # fmt: skip
def test_functions_that_are_no_tables_are_refused(call: str):
    with pytest.raises(NotAQuestion, match="found a call of"):
        refuse_other_than_questions(f"FROM {call}")


@pytest.mark.parametrize(
    "select",
    ["SELECT 1 WHERE EXISTS (FROM {})", "WITH a AS (FROM {}) SELECT 1 FROM a", "EXPLAIN ANALYZE FROM {}",
     "SELECT 1 FROM range(1), LATERAL (FROM {})", "FROM range(1) UNION ALL FROM {}", "SUMMARIZE FROM {}"],
)  # fmt: skip
def test_they_are_found_wherever_they_stand(select: str):
    with pytest.raises(NotAQuestion, match="found a call of ducklake_cleanup_old_files"):
        refuse_other_than_questions(select.format("ducklake_cleanup_old_files('lake', cleanup_all => true)"))


def test_asking_to_clean_up_deletes_no_file(lake: Lake):
    """DuckLake deletes the files before it finds that the lake is attached for reading only."""
    for _ in range(2):
        lake._connection.execute("INSERT INTO recorded.frames VALUES ('lab-a', 0, 0.0)")
        lake._connection.execute("DELETE FROM recorded.frames")
    lake._connection.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
    files = sorted(lake.settings.data_folder.rglob("*.parquet"))
    assert files
    for call in ("ducklake_cleanup_old_files('lake', cleanup_all => true)",
                 "query('FROM ducklake_' || 'cleanup_old_files(''lake'', cleanup_all => true)')"):  # fmt: skip
        with pytest.raises(NotAQuestion):
            ask(f"FROM {call}", lake.settings)
    assert sorted(lake.settings.data_folder.rglob("*.parquet")) == files


def test_the_name_of_a_refused_function_may_stand_in_a_text(lake: Lake):
    assert ask("SELECT 'query(ducklake_set_option)' AS text", lake.settings).item() == "query(ducklake_set_option)"


@pytest.mark.parametrize(
    "reach",
    ["FROM read_csv('/etc/passwd')", "FROM read_text('/etc/passwd')", "FROM glob('/*')", "FROM '/etc/passwd'",
     "SELECT getenv('HOME')"],
)  # fmt: skip
def test_the_open_lake_reads_nothing_outside_itself(lake: Lake, reach: str):
    with open_lake(lake.settings, read_only=True) as reading, pytest.raises(duckdb.Error):
        reading.query(reach)


def test_without_a_lake_the_message_says_what_makes_one(settings: Settings):
    with pytest.raises(LakeMissing, match="make nightly"):
        ask("SELECT 1", settings)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_answer_is_written_whole(tmp_path: Path, settings: Settings, suffix: str):
    answer = pl.DataFrame({"unit_id": [1, 2], "peak_dff": [0.5, None]})
    path = tmp_path / f"answer{suffix}"
    assert (
        write_answer(iter([answer[:0].to_arrow(), answer[:1].to_arrow(), answer[1:].to_arrow()]), path, settings) == 2
    )
    assert (pl.read_csv(path) if suffix == ".csv" else pl.read_parquet(path)).equals(answer)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_answer_goes_nowhere_into_the_lake_nor_under_another_suffix(tmp_path: Path, lake: Lake):
    with pytest.raises(ValueError, match="outside the lake"):
        write_answer(iter([]), lake.settings.data_folder / "a.parquet", lake.settings)
    with pytest.raises(ValueError, match=r"\.csv or \.parquet"):
        write_answer(iter([]), tmp_path / "a.xlsx", lake.settings)
    with pytest.raises(ValueError, match="folder that is there"):
        write_answer(iter([]), tmp_path / "nowhere" / "a.csv", lake.settings)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_answer_that_breaks_off_leaves_the_older_file(tmp_path: Path, settings: Settings, suffix: str):
    def breaks_off() -> Iterator[pa.Table]:
        yield pa.table({"a": [1]})
        raise duckdb.IOException("a file of the lake is gone")

    path = tmp_path / f"answer{suffix}"
    path.write_text("older")
    with pytest.raises(duckdb.IOException):
        write_answer(breaks_off(), path, settings)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "older"


def test_the_command_writes_an_answer_without_rows(lake: Lake, tmp_path: Path):
    done = run("storage.ask", "SELECT session_id, unit_id FROM recorded.units", "--out", str(tmp_path / "units.csv"))
    assert done.returncode == 0
    assert (tmp_path / "units.csv").read_text() == "session_id,unit_id\n"


def test_the_command_prints_a_table_and_its_size(lake: Lake):
    done = run("storage.ask", "SELECT range AS n FROM range(50)")
    assert done.returncode == 0
    assert "40 of 50 rows, the rest with --out" in done.stdout


def test_the_command_prints_brackets_as_they_stand(lake: Lake):
    done = run("storage.ask", "SELECT '[/lab]/[vip].nwb' AS source_uri")
    assert "[/lab]/[vip].nwb" in done.stdout


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT no_such_column FROM recorded.sessions", "no_such_column"),
        ("FROM recorded.sesions", 'Did you mean "sessions"?'),
        ("SELEC 1", "syntax error"),
        ("DELETE FROM recorded.sessions", "found DELETE"),
        ("SELECT INTERVAL 1 DAY", "interval"),
    ],
)
def test_the_command_says_what_is_wrong_on_one_line(lake: Lake, statement: str, said: str):
    done = run("storage.ask", statement)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_command_asks_an_earlier_snapshot(lake: Lake):
    before = lake.snapshot_id
    lake._connection.execute("INSERT INTO recorded.frames VALUES ('lab-a', 0, 0.0)")
    assert ask("SELECT count(*) FROM recorded.frames", lake.settings).item() == 1
    assert ask("SELECT count(*) FROM recorded.frames", lake.settings, snapshot=before).item() == 0
    assert "No snapshot found" in run("storage.ask", "SELECT 1", "--snapshot", "999").stderr


def test_the_shell_answers_and_guards(lake: Lake):
    # Each from the first column: the shell takes an indented .shell for SQL.
    typed = [
        "SELECT 40 + 2 AS answer, count(*) FROM recorded.sessions;",
        "DELETE FROM recorded.sessions;",
        "FROM read_text('/etc/passwd');",
        "SET enable_external_access = true;",
        "SHOW ALL TABLES;",
        ".shell echo escaped",
        ".read /etc/passwd",
    ]
    done = run("storage.shell", typed="\n".join([*typed, ""]))
    assert "42" in done.stdout
    assert "recorded.sessions" in done.stdout
    assert "response_features" in done.stdout.split("42", 1)[1]
    assert "root:" not in done.stdout
    assert "escaped" not in done.stdout
    assert "read-only" in done.stderr
    assert "disabled by configuration" in done.stderr
    assert "locked" in done.stderr
    assert ".read cannot be used in -safe mode" in done.stderr


def test_the_shell_keeps_the_catalog_address_from_its_arguments(lake: Lake):
    process = subprocess.Popen([sys.executable, "-m", "storage.shell"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()  # the greeting: the shell runs
    programs = psutil.Process(process.pid).children(recursive=True)
    arguments = [argument for program in programs for argument in program.cmdline()]
    process.communicate(b".quit\n")
    assert any(argument.startswith(".read") for argument in arguments)
    assert not any("ATTACH" in argument for argument in arguments)


def test_the_shell_without_a_lake_says_so():
    done = run("storage.shell", typed="SELECT 1;")
    assert done.returncode == 2
    assert "make nightly" in done.stderr
