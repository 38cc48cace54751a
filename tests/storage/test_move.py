"""Moving a lake's catalog between SQLite and Postgres: the same lake there, nothing forked, and safe to break off."""

# ruff: noqa: F811 (fixtures are imported, and named as arguments)

import os
import signal
import subprocess
import sys
import threading

import duckdb
import psycopg
import pytest

from storage.attach import LakeMissing
from storage.closed_catalog import LakeMoved
from storage.lake import open_lake
from storage.move import CannotMove, main, move
from storage.settings import Settings
from storage.tables import TABLES
from tests.storage.postgres_server import postgres_address, postgres_settings  # noqa: F401 (fixtures)
from tests.storage.whole_lake import fill
from tests.storage.writer_process import whole_sessions, write_session

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.platform]


@pytest.fixture(params=["to postgres", "to sqlite"])
def settings_and_target(request: pytest.FixtureRequest, postgres_settings: Settings) -> tuple[Settings, Settings]:
    """Settings of an empty lake, and those of where it is to move: the same folders with the other catalog."""
    both = postgres_settings.model_copy(update={"catalog": "sqlite"}), postgres_settings
    return both if request.param == "to postgres" else both[::-1]


def _everything(settings: Settings) -> list[tuple]:
    """The snapshots, and at each of them the number of rows of every table and a digest of their text."""
    with open_lake(settings, read_only=True) as lake:
        found = lake.snapshots().rows()
        for snapshot, *_ in found[1:]:
            digest = "md5(string_agg(t::VARCHAR, ';' ORDER BY t::VARCHAR))"
            one = f"SELECT '{{0}}', count(*), {digest} FROM {{0}} AS t AT (VERSION => {{1}})"
            found += lake.query(" UNION ALL ".join(one.format(table.name, snapshot) for table in TABLES)).rows()
    return found


def _some_history(settings: Settings) -> None:
    with open_lake(settings) as lake:
        fill(lake)
        write_session(lake, "x", 1)
        write_session(lake, "x", 2)
        lake.replace({}, forget_sessions=["lab-a"], message='it\'s "gone"', info={"µ": None})


def test_a_lake_moves_there_and_back_with_all_that_it_ever_held(settings_and_target: tuple[Settings, Settings]) -> None:
    settings, target = settings_and_target
    _some_history(settings)
    before = _everything(settings)
    files = sorted(path for path in settings.data_folder.rglob("*") if path.is_file())

    moved = move(settings, target.catalog)
    assert moved.settings.catalog == target.catalog
    assert sum(one.row_count for one in moved.contents.current) == sum(count for _, count, _ in before[-len(TABLES) :])
    assert _everything(target) == before
    assert sorted(path for path in settings.data_folder.rglob("*") if path.is_file()) == files

    with open_lake(target) as lake:
        write_session(lake, "y", 3)
        assert lake.traces("y").values.size
    after = _everything(target)
    assert len(after) == len(before) + 1 + len(TABLES)
    move(target, settings.catalog)
    assert _everything(settings) == after
    with open_lake(settings) as lake:
        write_session(lake, "z", 4)
        sessions = lake.query("SELECT session_id FROM recorded.sessions ORDER BY ALL")["session_id"].to_list()
    assert sessions == ["lab-b", "x", "y", "z"]
    with pytest.raises(LakeMoved, match="the lake moved from here"):
        open_lake(target)


def test_what_is_left_over_tells_where_the_lake_went_and_takes_no_rows(
    settings_and_target: tuple[Settings, Settings],
) -> None:
    settings, target = settings_and_target
    early = open_lake(settings)  # opened before the move, it knows nothing of it
    snapshot = write_session(early, "a", 1)
    waiting: list[BaseException] = []

    def write_meanwhile() -> None:
        try:
            write_session(early, "a", 2)
        except duckdb.Error as error:
            waiting.append(error)

    writer = threading.Thread(target=write_meanwhile)

    def tell(step: str, part: str = "") -> None:
        if step.startswith("copying") and not part:
            writer.start()

    move(settings, target.catalog, tell)
    writer.join()
    early.close()
    assert "the lake moved from here" in str(waiting[0])
    for options in ({}, {"read_only": True}, {"snapshot": snapshot}):
        with pytest.raises(LakeMoved, match="NEUROLAKE_CATALOG"):
            open_lake(settings, **options)
    with pytest.raises(LakeMoved, match="NEUROLAKE_CATALOG"):
        move(settings, target.catalog)
    with open_lake(target) as lake:
        assert whole_sessions(lake) == {"a": 1}
        assert lake.snapshot_id == snapshot


@pytest.mark.parametrize("lines", [2, 4, 6])
def test_a_killed_move_leaves_a_whole_lake_and_is_finished_by_the_same_command(
    settings_and_target: tuple[Settings, Settings], lines: int
) -> None:
    settings, target = settings_and_target
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)
    with subprocess.Popen(
        [sys.executable, "-m", "storage.move", "--to", target.catalog],
        env=_environment(settings) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        told = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
    assert all(told)

    try:
        open_lake(settings, read_only=True).close()
    except LakeMoved:
        assert lines == 6  # only the opening of the new one was left to do, or not even that
    else:
        with pytest.raises((LakeMoved, LakeMissing)):
            open_lake(target, read_only=True)
        with open_lake(settings) as lake:
            write_session(lake, "b", 2)
    try:
        move(settings, target.catalog)
    except LakeMoved:
        assert lines == 6
    with open_lake(target) as lake:
        assert whole_sessions(lake) == ({"a": 1} if lines == 6 else {"a": 1, "b": 2})
    with pytest.raises(LakeMoved):
        open_lake(settings)


class _BrokenOff(Exception):
    pass


def test_a_move_broken_off_before_its_last_step_says_so_at_both_ends(
    settings_and_target: tuple[Settings, Settings],
) -> None:
    settings, target = settings_and_target
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)

    def break_off(step: str, part: str = "") -> None:
        if step.startswith("opening"):
            raise _BrokenOff

    with pytest.raises(_BrokenOff):
        move(settings, target.catalog, break_off)
    with pytest.raises(LakeMoved, match="the lake moved from here"):
        open_lake(settings)
    with pytest.raises(LakeMoved, match="run it again"):
        open_lake(target)
    with pytest.raises(LakeMoved, match="run it again"):
        move(target, settings.catalog)
    move(settings, target.catalog)
    with open_lake(target) as lake:
        assert whole_sessions(lake) == {"a": 1}


def test_a_copy_that_differs_is_not_taken(settings_and_target: tuple[Settings, Settings]) -> None:
    settings, target = settings_and_target
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)

    def spoil(step: str, part: str = "") -> None:
        if step.startswith("comparing"):
            one = "(SELECT min(data_file_id) FROM ducklake_data_file)"
            spoiled = f"UPDATE ducklake_data_file SET record_count = record_count + 1 WHERE data_file_id = {one}"
            _in_catalog(target, spoiled)

    with pytest.raises(CannotMove, match=r"'ducklake_data_file': 2"):
        move(settings, target.catalog, spoil)
    with open_lake(settings) as lake:
        write_session(lake, "a", 2)
    move(settings, target.catalog)
    with open_lake(target) as lake:
        assert whole_sessions(lake) == {"a": 2}


def _in_catalog(settings: Settings, statement: str) -> None:
    with duckdb.connect() as connection:
        kind, at = ("sqlite", settings.catalog_file) if settings.catalog == "sqlite" else ("postgres", settings.catalog)
        connection.execute(f"LOAD {kind}_scanner; ATTACH '{at}' AS catalog (TYPE {kind}); USE catalog")
        connection.execute(statement)


def test_nothing_is_written_over_what_stands_at_the_target(postgres_settings: Settings) -> None:
    settings = postgres_settings.model_copy(update={"catalog": "sqlite"})
    with pytest.raises(LakeMissing):
        move(settings, postgres_settings.catalog)
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)
    with open_lake(postgres_settings) as lake:
        write_session(lake, "other", 1)
    for one, other in ((settings, postgres_settings), (postgres_settings, settings)):
        with pytest.raises(CannotMove, match=r"holds a lake of 2 snapshots, and nothing is written over it"):
            move(one, other.catalog)
    with psycopg.connect(postgres_settings.catalog, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        connection.execute(f"DROP TABLE {', '.join(name for (name,) in tables)}")
        connection.execute("CREATE TABLE flow_run (id INTEGER)")
    with pytest.raises(CannotMove, match="tables that are not a lake's"):
        move(settings, postgres_settings.catalog)
    with open_lake(settings) as lake:
        assert whole_sessions(lake) == {"a": 1}


def test_the_leftover_of_another_lake_is_not_written_over(settings_and_target: tuple[Settings, Settings]) -> None:
    settings, target = settings_and_target
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)
    move(settings, target.catalog)
    _another_lake_at(target)
    with pytest.raises(CannotMove, match="nothing is written over it"):
        move(target, settings.catalog)


def _another_lake_at(settings: Settings) -> None:
    """Put a lake of the same shape, which is another one, in place of the lake of the settings."""
    if settings.catalog == "sqlite":
        settings.catalog_file.unlink()
    else:
        with psycopg.connect(settings.catalog, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
    open_lake(settings).close()


def test_a_database_that_is_not_there_is_made(postgres_settings: Settings) -> None:
    settings = postgres_settings.model_copy(update={"catalog": "sqlite"})
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)
    new = postgres_settings.catalog.replace("?host=", "_new?host=")
    done = subprocess.run(
        [sys.executable, "-m", "storage.move", "--to", new],
        env=_environment(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"moved  {len(TABLES)} tables" in done.stdout
    assert "export NEUROLAKE_CATALOG='postgresql://" in done.stdout
    with open_lake(settings.model_copy(update={"catalog": new})) as lake:
        assert whole_sessions(lake) == {"a": 1}


@pytest.mark.parametrize("address", ["postgresql://me:se%20cret@127.0.0.1:1/x", "mysql://me:se%20cret@h/x"])
def test_a_password_is_never_printed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, address: str
) -> None:
    open_lake(settings).close()
    monkeypatch.setenv("NEUROLAKE_HOME", str(settings.home))
    assert main(["--to", address]) == 1
    printed = "".join(capsys.readouterr())
    assert "postgresql://" in printed
    assert "secret" not in printed.replace("%20", "").replace(" ", "")


def test_a_catalog_stays_where_it_is(settings: Settings) -> None:
    open_lake(settings).close()
    with pytest.raises(CannotMove, match="sqlite already"):
        move(settings, "sqlite")


def _environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "NEUROLAKE_HOME": str(settings.home),
        "NEUROLAKE_DATA": str(settings.data_folder),
        "NEUROLAKE_CATALOG": settings.catalog,
        "NEUROLAKE_THREADS": "1",
    }
