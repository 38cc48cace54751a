"""Whole sessions or none, nothing lost, nothing doubled: under SIGKILL, and with six writers and readers at once."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.attach import LakeMissing
from storage.lake import Lake, open_lake
from storage.settings import Settings
from storage.turns import LakeBusy, turn
from tests.storage.postgres_server import postgres_address, postgres_settings  # noqa: F401 (fixtures)
from tests.storage.writer_process import counts, session_rows, session_traces, whole_sessions, write_session

HERE = Path(__file__).parent
WRITERS, COMMITS_EACH = 6, 16


@pytest.fixture(params=["sqlite", "postgres"])
def catalog_settings(request: pytest.FixtureRequest) -> Settings:
    """Settings of an empty lake, on SQLite and on Postgres."""
    return request.getfixturevalue("settings" if request.param == "sqlite" else "postgres_settings")


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """``start(settings, *arguments)`` starts a writer process; none outlives the test."""
    started = []

    def start(settings: Settings, *arguments: object) -> subprocess.Popen:
        environment = os.environ | {
            "PYTHONPATH": str(HERE.parents[1]),
            "NEUROLAKE_HOME": str(settings.home),
            "NEUROLAKE_DATA": str(settings.data_folder),
            "NEUROLAKE_CATALOG": settings.catalog,
            "NEUROLAKE_THREADS": "1",
        }
        command = [sys.executable, str(HERE / "writer_process.py"), *map(str, arguments)]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_fifty_killed_writers_leave_whole_sessions_and_lose_no_finished_commit(
    settings: Settings, start: Callable[..., subprocess.Popen]
) -> None:
    told, _ = start(settings, "kill", 50, 20_261_121).communicate(timeout=400)

    begun, done = defaultdict(set), {}
    for event, session_id, version in map(json.loads, told.splitlines()):
        if event == "begun":
            begun[session_id].add(version)
        else:
            done[session_id] = version
    assert sum(map(len, begun.values())) >= 50  # every round was killed while it wrote
    with open_lake(settings) as lake:
        versions = whole_sessions(lake)
        # A commit may have happened and its writer died before it could say so.
        later = {session: {v for v in begun[session] if v >= done.get(session, 0)} for session in begun}
        assert set(done) <= set(versions) <= set(begun)
        assert all(version in later[session] for session, version in versions.items())
        for snapshot in lake.snapshots()["snapshot_id"]:
            if snapshot > 1:  # the tables are there
                whole_sessions(lake, snapshot)
        write_session(lake, "lab-0", 77)
        assert whole_sessions(lake) == {**versions, "lab-0": 77}
        assert lake.traces("lab-0").values.tolist() == session_traces("lab-0", 77).values.tolist()


@pytest.mark.xdist_group("postgres")
def test_six_writers_at_once_lose_and_double_nothing(
    catalog_settings: Settings, start: Callable[..., subprocess.Popen]
) -> None:
    open_lake(catalog_settings).close()
    writers = [start(catalog_settings, "commits", number, COMMITS_EACH) for number in range(WRITERS)]
    assert all(json.loads(writer.stdout.readline()) == "ready" for writer in writers)
    began = time.monotonic()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    seen, reader_errors = [], []
    reader = threading.Thread(target=_read_while_written, args=(catalog_settings, writers, seen, reader_errors))
    reader.start()
    lines = [line for writer in writers for line in writer.communicate(timeout=400)[0].splitlines()]
    seconds = time.monotonic() - began
    reader.join()
    print(f"\n{len(lines)} commits of {WRITERS} writers: {len(lines) / seconds:.1f} a second, {len(seen)} reads")

    assert reader_errors == []
    assert len(seen) > 3  # a reader comes to its turn, and what it sees only grows
    assert seen == sorted(seen)
    commits = {snapshot: (session, version) for session, version, snapshot in map(json.loads, lines)}
    assert len(commits) == len(lines) == WRITERS * COMMITS_EACH
    last = {session: version for _, (session, version) in sorted(commits.items())}
    with open_lake(catalog_settings, read_only=True) as lake:
        assert whole_sessions(lake) == last
        assert len([session for session in last if session.startswith("own-")]) == WRITERS * COMMITS_EACH // 2
        messages = lake.snapshots().select("snapshot_id", "commit_message")
        written = {number: message for number, message in messages.iter_rows() if number > 1}
        assert written == {n: f"{session} version {version}" for n, (session, version) in commits.items()}


def _read_while_written(
    settings: Settings, writers: list[subprocess.Popen], seen: list[int], errors: list[BaseException]
) -> None:
    """Open, read whole sessions, close, as long as a writer lives; how many sessions there were goes to ``seen``."""
    try:
        while any(writer.poll() is None for writer in writers):
            with open_lake(settings, read_only=True) as lake:
                snapshot = lake.snapshot_id
                versions = whole_sessions(lake, snapshot) if snapshot > 1 else {}
                for session, version in list(versions.items())[:3]:
                    if not session.startswith("shared"):
                        assert lake.traces(session).values.size == counts(version)[2]
            seen.append(len(versions))
            time.sleep(0.3)  # a person asks now and then; without a pause the reader takes a core of its own
    except BaseException as error:
        errors.append(error)


@pytest.mark.xdist_group("postgres")
def test_a_writer_that_waits_too_long_for_its_turn_says_so(catalog_settings: Settings) -> None:
    hasty = catalog_settings.model_copy(update={"lock_timeout_s": 0.2})
    with open_lake(hasty) as lake, turn(catalog_settings, ["session_id=a"]):
        with pytest.raises(LakeBusy, match=r"0\.2 s"):
            write_session(lake, "a", 1)
        assert len(lake.query("FROM recorded.sessions")) == 0
    with open_lake(hasty) as lake:
        write_session(lake, "a", 1)
        assert whole_sessions(lake) == {"a": 1}


@pytest.mark.xdist_group("postgres")
def test_a_lake_that_is_not_there_can_not_be_read(catalog_settings: Settings) -> None:
    with pytest.raises(LakeMissing, match="make nightly"):
        open_lake(catalog_settings, read_only=True)
    assert not catalog_settings.data_folder.exists()


def test_reading_leaves_no_lock_on_the_catalog(lake: Lake) -> None:
    snapshot = write_session(lake, "a", 1)
    with closing(sqlite3.connect(lake.settings.catalog_file, timeout=0, isolation_level=None)) as catalog:
        for ask in (
            lambda: write_session(lake, "a", 1),
            lambda: lake.snapshot_id,
            lambda: lake.query("FROM recorded.sessions"),
            lambda: lake.traces("a"),
            lambda: lake._traces_by_sql("a", "dff", slice(None), None),
            lambda: open_lake(lake.settings, snapshot=snapshot).close(),
        ):
            ask()
            catalog.execute("BEGIN EXCLUSIVE")  # as another writer's commit needs it
            catalog.execute("ROLLBACK")


@pytest.mark.xdist_group("postgres")
def test_a_lake_on_either_catalog_gives_back_what_was_written(catalog_settings: Settings) -> None:
    with open_lake(catalog_settings) as lake:
        first = write_session(lake, "lab-007", 1)
        write_session(lake, "lab-007", 2)
        assert whole_sessions(lake) == {"lab-007": 2}
    with open_lake(catalog_settings, snapshot=first) as then:
        assert then.traces("lab-007").values.tolist() == session_traces("lab-007", 1).values.tolist()
        assert whole_sessions(then) == {"lab-007": 1}


def test_a_write_that_fails_at_its_end_leaves_no_row_behind(lake: Lake) -> None:
    write_session(lake, "a", 1)
    with pytest.raises(TypeError, match="keys must be"):
        lake.replace(session_rows("a", 2), traces=[session_traces("a", 2)], message="", info={("no", "JSON"): "key"})
    assert whole_sessions(lake) == {"a": 1}
    write_session(lake, "a", 3)
    assert whole_sessions(lake) == {"a": 3}
