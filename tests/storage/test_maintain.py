"""Maintenance: what is kept reads as it did, a living writer's files stay, and a kill at any moment harms nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from storage.attach import LakeMissing
from storage.lake import Lake, open_lake
from storage.maintain import merge_small_files, tables_to_merge
from storage.maintain_files import FolderMismatch, remove_unnamed_files
from storage.maintain_snapshots import (
    ModelsElsewhere,
    expire_snapshots,
    snapshots_of_models,
    snapshots_to_keep,
)
from storage.settings import Settings
from storage.tables import PROMOTIONS, REJECTED, STUDIES
from storage.turns import turn
from tests.storage.postgres_server import postgres_address, postgres_settings  # noqa: F401 (fixtures)
from tests.storage.set_back import set_back
from tests.storage.writer_process import session_traces, whole_sessions, write_session

DAY = timedelta(days=1)
TABLES_WRITTEN = ("recorded.sessions", "recorded.units", "recorded.events", "recorded.rejected", "recorded.traces")


@pytest.fixture(params=["sqlite", "postgres"])
def catalog_settings(request: pytest.FixtureRequest) -> Settings:
    """Settings of an empty lake, on SQLite and on Postgres."""
    return request.getfixturevalue("settings" if request.param == "sqlite" else "postgres_settings")


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """``start(settings, *arguments)`` starts a process of maintain_process.py; none outlives the test."""
    started = []

    def start(settings: Settings, *arguments: object) -> subprocess.Popen:
        environment = os.environ | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "NEUROLAKE_HOME": str(settings.home),
            "NEUROLAKE_DATA": str(settings.data_folder),
            "NEUROLAKE_CATALOG": settings.catalog,
            "NEUROLAKE_THREADS": "1",
        }
        command = [sys.executable, str(Path(__file__).with_name("maintain_process.py")), *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def _rejected(*numbers: int) -> dict:
    row = {"content_sha256": None, "reader": None, "reader_version": None, "field": "dff", "found": "8",
           "expected": "9", "rejected_at": datetime(2026, 1, 1, tzinfo=UTC)}  # fmt: skip
    return {REJECTED: REJECTED.rows([row | {"source_uri": f"{number}.nwb"} for number in numbers])}


def _name_snapshot(lake: Lake, study_id: str, snapshot: int) -> None:
    row = {name: None for name in STUDIES.column_names} | {
        "study_id": study_id, "kind": "omission", "project": "test", "protocol": "rigorous", "parameters": "{}",
        "inputs": "[]", "code_version": "0", "snapshot_id": snapshot, "finished_at": datetime.now(UTC),
    }  # fmt: skip
    lake.replace({STUDIES: STUDIES.rows([row])}, message=study_id)


def _rows(lake: Lake, snapshot: int) -> Mapping[str, pl.DataFrame]:
    return {name: lake.query(f"FROM {name} AT (VERSION => {snapshot}) ORDER BY ALL") for name in TABLES_WRITTEN}


def _written_in_many_steps(settings: Settings) -> dict[int, Mapping[str, pl.DataFrame]]:
    """A lake whose sessions came, were replaced and went; all rows as they were at each of its snapshots."""
    with open_lake(settings) as lake:
        for version in range(7):
            write_session(lake, f"lab-{version % 3}", version)
            lake.replace(_rejected(*range(version, version + 3)), message="")
        lake.replace({}, forget_sessions=["lab-1"], forget_rejected=["4.nwb"], message="")
        return {snapshot: _rows(lake, snapshot) for snapshot in lake.snapshots()["snapshot_id"] if snapshot > 0}


def _differing(settings: Settings, known: Mapping[int, Mapping[str, pl.DataFrame]]) -> list[tuple[int, str]]:
    """Snapshots and tables that don't read as they did, by SQL and, for the traces, straight from the files."""
    with open_lake(settings, read_only=True) as lake:
        now = {snapshot: _rows(lake, snapshot) for snapshot in known}
    differing = [(at, name) for at, rows in known.items() for name in rows if not rows[name].equals(now[at][name])]
    for snapshot, rows in list(known.items())[::3]:
        with open_lake(settings, snapshot=snapshot) as then:
            for session, version in rows["recorded.sessions"].select("session_id", "reader_version").iter_rows():
                if not (then.traces(session).values == session_traces(session, version).values).all():
                    differing.append((snapshot, f"traces of {session}"))
    return differing


# Which snapshots stay.


def test_a_snapshot_is_as_old_as_the_one_that_took_its_place() -> None:
    day = {number: datetime(2026, 11, number, tzinfo=UTC) for number in range(1, 31)}
    snapshots = [(0, day[1]), (1, day[2]), (2, day[3]), (3, day[10]), (4, day[20]), (5, day[21])]
    assert snapshots_to_keep(snapshots, set(), set(), since=day[15]) == {
        0: "first",
        3: "young",  # the newest until the 20th: a study that began on the 19th reads it
        4: "young",
        5: "newest",
    }
    kept = snapshots_to_keep(snapshots, {1, 5, 99}, {1, 2}, since=day[22])
    assert kept == {0: "first", 1: "named by a study", 2: "named by a model", 5: "newest"}
    assert snapshots_to_keep([(7, day[1])], set(), set(), since=day[30]) == {7: "newest"}


@pytest.mark.xdist_group("postgres")
def test_whatever_is_kept_reads_as_it_did_after_merging_expiry_and_removal(catalog_settings: Settings) -> None:
    known = _written_in_many_steps(catalog_settings)
    merged = [merge_small_files(catalog_settings, table) for table in tables_to_merge(catalog_settings)]
    assert {one.table for one in merged} == {"recorded.sessions", "recorded.units", "recorded.events",
                                             "recorded.rejected"}  # fmt: skip
    assert sum(one.files_after for one in merged) < sum(one.files_before for one in merged)
    assert _differing(catalog_settings, known) == []

    with open_lake(catalog_settings) as lake:
        _name_snapshot(lake, "s1", 4)
        _name_snapshot(lake, "s2", 9)
        newest = lake.snapshot_id
    assert expire_snapshots(catalog_settings, keep=DAY).expired == ()
    foretold = expire_snapshots(catalog_settings, keep=timedelta(0), dry_run=True)
    expiry = expire_snapshots(catalog_settings, keep=timedelta(0))
    assert foretold == expiry
    assert expiry.kept == {0: "first", 4: "named by a study", 9: "named by a study", newest: "newest"}
    with open_lake(catalog_settings, read_only=True) as lake:
        assert lake.snapshots()["snapshot_id"].to_list() == [0, 4, 9, newest]
    with pytest.raises(duckdb.Error):
        open_lake(catalog_settings, snapshot=5)

    set_back(catalog_settings, 3 * DAY)
    removal = remove_unnamed_files(catalog_settings, older_than=DAY)
    assert removal.given_up.file_count > 10
    assert (removal.orphaned.file_count, removal.waiting.file_count) == (0, 0)
    there = list(catalog_settings.data_folder.rglob("*.parquet"))
    assert (removal.after.file_count, removal.after.byte_count) == (len(there), sum(f.stat().st_size for f in there))
    assert _differing(catalog_settings, {snapshot: known[snapshot] for snapshot in (4, 9)}) == []
    with open_lake(catalog_settings) as lake:
        write_session(lake, "lab-1", 40)
        assert whole_sessions(lake) == {"lab-0": 6, "lab-1": 40, "lab-2": 5}
    assert expire_snapshots(catalog_settings, keep=timedelta(0)).expired == (newest,)


def test_a_table_written_as_files_is_never_merged(settings: Settings) -> None:
    _written_in_many_steps(settings)
    assert "recorded.traces" not in tables_to_merge(settings)
    with pytest.raises(ValueError, match="written as files"):
        merge_small_files(settings, "recorded.traces")


def test_merging_where_nothing_is_to_merge_leaves_no_snapshot(settings: Settings) -> None:
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)
        before = lake.snapshot_id
    assert tables_to_merge(settings) == []
    assert merge_small_files(settings, "recorded.units").files_after == 1
    with open_lake(settings, read_only=True) as lake:
        assert lake.snapshot_id == before


def test_maintenance_makes_no_lake(settings: Settings) -> None:
    for maintain in (tables_to_merge, lambda s: expire_snapshots(s, keep=DAY)):
        with pytest.raises(LakeMissing):
            maintain(settings)
    assert not settings.catalog_file.exists()


def test_snapshots_that_registered_models_name_stay(settings: Settings) -> None:
    from storage.registry import EXPERIMENT, Registry

    known = _written_in_many_steps(settings)
    with open_lake(settings) as lake:
        _name_snapshot(lake, "s1", 6)
        promotion = {"study_id": "s1", "model_name": "decoder", "model_version": 1, "decoder": "svm",
                     "mlflow_run_id": "elsewhere", "accuracy": 0.9, "promoted": True}  # fmt: skip
        lake.replace({PROMOTIONS: PROMOTIONS.rows([promotion])}, message="")
    with pytest.raises(ModelsElsewhere, match="NEUROLAKE_MLFLOW"):
        expire_snapshots(settings, keep=timedelta(0))

    Registry(settings)
    from mlflow import MlflowClient

    client = MlflowClient(settings.mlflow_address)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    client.create_registered_model("decoder")
    runs = [client.create_run(experiment, tags={"lake_snapshot": str(snapshot)}) for snapshot in (5, 8, 11)]
    for run in runs[:2]:
        client.create_model_version("decoder", run.info.artifact_uri, run.info.run_id)
    client.create_model_version("decoder", runs[0].info.artifact_uri)  # by hand, without a run
    client.delete_run(runs[1].info.run_id)  # its version is still registered
    with pytest.raises(ModelsElsewhere):
        expire_snapshots(settings, keep=timedelta(0))
    with open_lake(settings) as lake:
        promoted = PROMOTIONS.rows([promotion | {"mlflow_run_id": runs[0].info.run_id}])
        lake.replace({PROMOTIONS: promoted}, message="")
    assert snapshots_of_models(settings) == {5, 8}
    expiry = expire_snapshots(settings, keep=timedelta(0))
    assert (expiry.kept_for("named by a model"), expiry.kept_for("named by a study")) == ((5, 8), (6,))
    assert _differing(settings, {snapshot: known[snapshot] for snapshot in (5, 6, 8)}) == []


# Which files go.


def _file_of(settings: Settings, session_id: str, writer: subprocess.Popen) -> Path:
    """The traces' file of a writer that waits for its turn, once it has written it."""
    folder = settings.data_folder / "recorded" / "traces" / f"session_id={session_id}"
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at and writer.poll() is None:
        if found := [file for file in folder.rglob("*.parquet") if file.stat().st_size]:
            time.sleep(0.3)  # the last bytes, and on to the wait
            return found[0]
        time.sleep(0.02)
    writer.kill()
    raise AssertionError(f"no file of {session_id}: {writer.communicate()[1]}")


def _paused_before_its_commit(
    settings: Settings, start: Callable[..., subprocess.Popen], session_id: str
) -> tuple[subprocess.Popen, Path]:
    writer = start(settings, "write", session_id, 7)
    assert writer.stdout.readline() == "ready\n"
    with turn(settings, [f"session_id={session_id}"]):
        writer.stdin.write("go\n")
        writer.stdin.flush()
        file = _file_of(settings, session_id, writer)
        writer.send_signal(signal.SIGSTOP)
    return writer, file


@pytest.mark.xdist_group("postgres")
def test_a_living_writers_file_stays_and_its_rows_come(
    catalog_settings: Settings, start: Callable[..., subprocess.Popen]
) -> None:
    with open_lake(catalog_settings) as lake:
        write_session(lake, "a", 1)
    set_back(catalog_settings, 30 * DAY)
    writer, file = _paused_before_its_commit(catalog_settings, start, "slow")
    removal = remove_unnamed_files(catalog_settings, older_than=DAY)
    assert (removal.orphaned.file_count, removal.waiting.file_count) == (0, 1)
    writer.send_signal(signal.SIGCONT)
    assert writer.wait(60) == 0
    with open_lake(catalog_settings, read_only=True) as lake:
        assert whole_sessions(lake) == {"a": 1, "slow": 7}
        assert lake.traces("slow").values.tolist() == session_traces("slow", 7).values.tolist()
    os.utime(file, (0, 0))  # named now, so its age is nothing
    assert remove_unnamed_files(catalog_settings, older_than=DAY).orphaned.file_count == 0


@pytest.mark.xdist_group("postgres")
def test_a_writer_that_was_paused_for_too_long_fails_whole(
    catalog_settings: Settings, start: Callable[..., subprocess.Popen]
) -> None:
    with open_lake(catalog_settings) as lake:
        write_session(lake, "a", 1)
    writer, _ = _paused_before_its_commit(catalog_settings, start, "slow")
    assert remove_unnamed_files(catalog_settings, older_than=timedelta(0)).orphaned.file_count == 1
    writer.send_signal(signal.SIGCONT)
    _, error = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert "slow" in error
    with open_lake(catalog_settings) as lake:
        assert whole_sessions(lake) == {"a": 1}
        write_session(lake, "slow", 7)
        assert whole_sessions(lake) == {"a": 1, "slow": 7}


def test_what_a_killed_writer_left_goes_once_it_is_old(
    settings: Settings, start: Callable[..., subprocess.Popen]
) -> None:
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)
    set_back(settings, 30 * DAY)
    writer, file = _paused_before_its_commit(settings, start, "slow")
    writer.kill()
    torn = settings.data_folder / "recorded" / "events" / "ducklake-torn.parquet"
    torn.write_bytes(file.read_bytes()[:50])
    other = settings.data_folder / "recorded" / "notes.txt"
    other.write_text("not the lake's")
    sizes = file.stat().st_size + 50

    assert remove_unnamed_files(settings, older_than=DAY).waiting.file_count == 2
    eight_days_ago = time.time() - 8 * 86_400
    for one in (file, torn, other):
        os.utime(one, (eight_days_ago, eight_days_ago))
    assert remove_unnamed_files(settings, older_than=9 * DAY).orphaned.file_count == 0
    foretold = remove_unnamed_files(settings, older_than=7 * DAY, dry_run=True)
    assert file.exists()
    removal = remove_unnamed_files(settings, older_than=7 * DAY)
    assert removal == foretold
    assert (removal.orphaned.file_count, removal.orphaned.byte_count) == (2, sizes)
    assert [one.exists() for one in (file, torn, other)] == [False, False, True]
    with open_lake(settings, read_only=True) as lake:
        assert whole_sessions(lake) == {"a": 1}


def test_a_file_that_was_given_up_is_kept_for_whoever_reads_it(settings: Settings) -> None:
    known = _written_in_many_steps(settings)
    for file in settings.data_folder.rglob("*.parquet"):
        os.utime(file, (0, 0))
    for table in tables_to_merge(settings):
        merge_small_files(settings, table)
    for days in (0, 0.8):  # on SQLite, DuckLake itself would take files of the same day as the limit
        set_back(settings, days * DAY)
        removal = remove_unnamed_files(settings, older_than=DAY)
        assert removal.given_up.file_count == removal.orphaned.file_count == 0
        assert removal.waiting.file_count > 3
    set_back(settings, 1.3 * DAY)
    assert remove_unnamed_files(settings, older_than=DAY).given_up == removal.waiting
    assert _differing(settings, known) == []


def test_files_of_another_lake_are_left(settings: Settings, tmp_path: Path) -> None:
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)
    for file in settings.data_folder.rglob("*.parquet"):
        os.utime(file, (time.time() - 86_400,) * 2)
    mistaken = settings.model_copy(update={"home": tmp_path / "new", "data": settings.data_folder})
    with open_lake(mistaken) as lake:
        write_session(lake, "b", 1)
    with pytest.raises(FolderMismatch, match=r"4 files .* older than this lake"):
        remove_unnamed_files(mistaken, older_than=timedelta(0))
    with open_lake(settings, read_only=True) as lake:
        assert whole_sessions(lake) == {"a": 1}


def test_nothing_is_removed_when_named_files_are_missing(settings: Settings, tmp_path: Path) -> None:
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)
    elsewhere = settings.model_copy(update={"data": tmp_path / "other"})
    stray = tmp_path / "other" / "recorded" / "units" / "stray.parquet"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"stray")
    with pytest.raises(FolderMismatch, match=r"names 4 files .* NEUROLAKE_DATA"):
        remove_unnamed_files(elsewhere, older_than=timedelta(0))
    assert stray.exists()


@pytest.mark.parametrize("link", ["folder", "inside"])
def test_links_to_the_data_change_nothing(settings: Settings, tmp_path: Path, link: str) -> None:
    data = settings.data_folder
    with open_lake(settings) as lake:
        write_session(lake, "a", 1)
    if link == "folder":
        (tmp_path / "data").symlink_to(data)
        settings = settings.model_copy(update={"data": tmp_path / "data"})
    else:
        (data / "recorded" / "traces").rename(tmp_path / "traces")
        (data / "recorded" / "traces").symlink_to(tmp_path / "traces")
    with open_lake(settings) as lake:
        write_session(lake, "b", 2)
    removal = remove_unnamed_files(settings, older_than=timedelta(0))
    assert (removal.before.file_count, removal.orphaned.file_count) == (8, 0)
    with open_lake(settings) as lake:  # for people, who open it read-only, a link inside leads out of the lake
        assert whole_sessions(lake) == {"a": 1, "b": 2}


# What a kill does.


@pytest.mark.xdist_group("postgres")
def test_killed_maintenance_leaves_the_lake_whole(
    catalog_settings: Settings, start: Callable[..., subprocess.Popen]
) -> None:
    known = _written_in_many_steps(catalog_settings)
    named = (3, 8, 12)
    with open_lake(catalog_settings) as lake:
        for snapshot in named:
            _name_snapshot(lake, f"s{snapshot}", snapshot)
    told, error = start(catalog_settings, "kill", 9, 20_261_121).communicate(timeout=400)
    assert set(told.split()) == {"merge", "expire", "remove"}, error
    assert _differing(catalog_settings, {snapshot: known[snapshot] for snapshot in named}) == []
    with open_lake(catalog_settings, read_only=True) as lake:
        versions = whole_sessions(lake)
        for snapshot in lake.snapshots()["snapshot_id"]:
            if snapshot > 1:  # the tables are there
                whole_sessions(lake, snapshot)
    for table in tables_to_merge(catalog_settings):
        merge_small_files(catalog_settings, table)
    expiry = expire_snapshots(catalog_settings, keep=timedelta(0))
    assert expiry.kept_for("named by a study") == named
    set_back(catalog_settings, 3 * DAY)
    assert remove_unnamed_files(catalog_settings, older_than=timedelta(0)).waiting.file_count == 0
    assert _differing(catalog_settings, {snapshot: known[snapshot] for snapshot in named}) == []
    with open_lake(catalog_settings, read_only=True) as lake:
        assert whole_sessions(lake) == versions
