"""The Postgres behind `make up`: kept up when it is killed, left alone when it was shut down, stopped at the end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from storage.postgres import (
    Postgres,
    PostgresUnusable,
    running_postgres,
    stop_left_behind,
    with_driver,
    without_password,
)
from storage.settings import Settings
from tests.flows.named_postgres import named_postgres

pytestmark = pytest.mark.platform


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Short and open to others: for its socket, and for the user that it runs as.
    return tmp_path_factory.mktemp("pg") / "h"


@pytest.fixture
def own(home: Path) -> Iterator[Postgres]:
    home.mkdir()
    with running_postgres(Settings(home=home)) as postgres:
        yield postgres


def postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))


def test_a_killed_server_is_started_again_with_what_it_held(own: Postgres, home: Path) -> None:
    lake = own.database("lake")
    assert own.database("lake") == lake
    with psycopg.connect(lake) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    killed = postmaster(home)
    killed.kill()
    killed.wait(20)
    give_up_at = time.monotonic() + 60
    while True:
        assert own.keep_up()
        try:
            with psycopg.connect(lake) as connection:
                assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
                return
        except psycopg.OperationalError:
            assert time.monotonic() < give_up_at
            time.sleep(0.2)


def test_one_that_was_shut_down_stays_down_until_somebody_starts_it(own: Postgres, home: Path) -> None:
    running = postmaster(home)
    running.send_signal(signal.SIGINT)
    running.wait(30)
    assert not own.keep_up()
    assert not (home / "postgres" / "postmaster.pid").exists()


KILLED = """
import os, sys
from storage.postgres import running_postgres
from storage.settings import Settings
with running_postgres(Settings()):
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_running_is_stopped(home: Path) -> None:
    home.mkdir()
    environment = os.environ | {"NEUROLAKE_HOME": str(home)}
    killed = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    left = postmaster(home)
    assert stop_left_behind(Settings(home=home))
    left.wait(30)
    assert not stop_left_behind(Settings(home=home))


def test_a_user_who_may_not_make_a_database_is_told_what_to_have_done() -> None:
    with named_postgres("lab", "pass word/%", may_create=False) as address:
        with pytest.raises(PostgresUnusable, match=r"user 'lab' may not .*CREATE DATABASE \"prefect\" OWNER \"lab\""):
            Postgres(address).database("prefect")
        wrong = Settings(postgres=address.replace("pass%20word", "another"))
        with pytest.raises(PostgresUnusable, match="NEUROLAKE_POSTGRES can't be used") as refused:
            running_postgres(wrong).__enter__()
        assert "another" not in str(refused.value)


def test_addresses_of_the_drivers() -> None:
    assert with_driver("postgresql://u:p%40@h:1/db?sslmode=require", "asyncpg") == (
        "postgresql+asyncpg://u:p%40@h:1/db?ssl=require"
    )
    assert with_driver("postgresql://postgres:@/db?host=/a b/pg", "psycopg") == (
        "postgresql+psycopg://postgres:@/db?host=/a%20b/pg"
    )
    assert without_password("postgresql://u:p%40@h:1/db?sslmode=require") == (
        "postgresql://u@h:1/db?sslmode=require",
        "p@",
    )
    assert without_password("postgresql://u@h/db") == ("postgresql://u@h/db", None)
