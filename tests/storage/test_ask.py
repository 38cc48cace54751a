"""Asking: the lake answers questions and nothing else, in Python, on the command line and in the shell."""

import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from storage.ask import NotAQuestion, ask, refuse_other_than_questions, write_answer
from storage.attach import LakeMissing
from storage.lake import Lake
from storage.settings import Settings


def run(module: str, *arguments: str, typed: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", module, *arguments], input=typed, capture_output=True, text=True)


@pytest.mark.parametrize(
    "question",
    ["SELECT 1", "FROM recorded.sessions", "WITH a AS (SELECT 1) SELECT * FROM a", "EXPLAIN SELECT 1",
     "explain analyze SELECT 1"],
)  # fmt: skip
def test_questions_are_admitted(lake: Lake, question: str):
    ask(question, lake.settings)


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM recorded.sessions", "INSERT INTO recorded.rejected SELECT * FROM recorded.rejected",
     "ATTACH ':memory:' AS other", "COPY recorded.sessions TO 'sessions.csv'",
     "SELECT 1; SELECT 2", "EXPLAIN DELETE FROM recorded.sessions", "EXPLAIN ANALYZE DELETE FROM recorded.sessions",
     "SET threads = 1", "CALL lake.set_commit_message('a', 'b')", "DETACH lake", "", "-- nothing",
     "FROM ducklake_expire_snapshots('lake', older_than => now())",
     "SELECT * FROM DUCKLAKE_CLEANUP_OLD_FILES('lake', cleanup_all => true)"],
)  # fmt: skip
def test_anything_else_is_refused(statement: str):
    with pytest.raises(NotAQuestion):
        refuse_other_than_questions(statement)


@pytest.mark.parametrize(
    "reach",
    ["FROM read_csv('/etc/passwd')", "FROM read_text('/etc/passwd')", "FROM glob('/*')", "FROM '/etc/passwd'",
     "SELECT getenv('HOME')", "FROM query('FROM read_text(''/etc/passwd'')')"],
)  # fmt: skip
def test_nothing_outside_the_lake_is_read(lake: Lake, reach: str):
    with pytest.raises(duckdb.Error):
        ask(reach, lake.settings)


def test_without_a_lake_the_message_says_what_makes_one(settings: Settings):
    with pytest.raises(LakeMissing, match="make nightly"):
        ask("SELECT 1", settings)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_answer_is_written_whole(tmp_path: Path, settings: Settings, suffix: str):
    answer = pl.DataFrame({"unit_id": [1, 2], "peak_dff": [0.5, None]})
    path = tmp_path / f"answer{suffix}"
    write_answer(answer, path, settings)
    assert (pl.read_csv(path) if suffix == ".csv" else pl.read_parquet(path)).equals(answer)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_answer_goes_nowhere_into_the_lake_nor_under_another_suffix(tmp_path: Path, lake: Lake):
    answer = pl.DataFrame({"a": [1]})
    with pytest.raises(ValueError, match="outside the lake"):
        write_answer(answer, lake.settings.data_folder / "a.parquet", lake.settings)
    with pytest.raises(ValueError, match=r"\.csv or \.parquet"):
        write_answer(answer, tmp_path / "a.xlsx", lake.settings)


def test_the_command_prints_a_table_and_its_size(lake: Lake):
    done = run("storage.ask", "SELECT range AS n FROM range(50)")
    assert done.returncode == 0
    assert "40 of 50 rows, the rest with --out" in done.stdout


def test_the_command_says_what_is_wrong_in_plain_words(lake: Lake):
    done = run("storage.ask", "SELECT no_such_column FROM recorded.sessions")
    assert done.returncode == 2
    assert "no_such_column" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_shell_answers_and_guards(lake: Lake):
    typed = """SELECT 40 + 2 AS answer, count(*) FROM recorded.sessions;
    DELETE FROM recorded.sessions;
    FROM read_text('/etc/passwd');
    SET enable_external_access = true;
    .shell echo escaped
    """
    done = run("storage.shell", typed=typed)
    assert "42" in done.stdout
    assert "recorded.sessions" in done.stdout
    assert "root:" not in done.stdout
    assert "escaped" not in done.stdout.replace(".shell echo escaped", "")
    assert "read-only" in done.stderr
    assert "disabled by configuration" in done.stderr
    assert "locked" in done.stderr


def test_the_shell_without_a_lake_says_so():
    done = run("storage.shell", typed="SELECT 1;")
    assert done.returncode == 2
    assert "make nightly" in done.stderr
