"""Catalogs closed to readers and writers: one whose lake has moved elsewhere, or that is being filled by a move.

A note in the catalog's own database says why, for whoever opens it. A moved catalog also has a trigger that refuses
every commit: of those who had it open before, of other programs, and of earlier versions of neurolake. Written by
anyone, a left-over catalog would make two lakes of one.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import duckdb
import psycopg

from storage.lake_version import LakeMismatch
from storage.postgres import without_password
from storage.settings import Settings
from storage.turns import LakeBusy

NOTE_KEY = "neurolake_closed"
Connection = sqlite3.Connection | psycopg.Connection


class LakeMoved(LakeMismatch):
    """The catalog is closed: the lake is elsewhere now, or on its way here."""


@dataclass(frozen=True)
class Note:
    """Why a catalog is closed: its lake ``moved`` to another, or is ``arriving`` from there; ``lake`` says which."""

    state: Literal["moved", "arriving"]
    other: str  # the other catalog, without a password
    lake: str

    @property
    def text(self) -> str:
        if self.state == "moved":
            what = "unset NEUROLAKE_CATALOG" if self.other == "sqlite" else f"set NEUROLAKE_CATALOG={self.other}"
            return (
                f"the lake moved from here: its catalog is {self.other} now. To use it, {what} (with its password, "
                "if any); to move it back, do so and run `python -m storage.move --to` with this catalog"
            )
        return (
            f"this catalog is being filled from {self.other} by `python -m storage.move`; if that was broken off, "
            "run it again as it was, with NEUROLAKE_CATALOG as it was before"
        )


def shown(catalog: str) -> str:
    """A catalog's name as it may be printed: without its password."""
    parts = urlsplit(without_password(catalog)[0])
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "password"]
    return urlunsplit(parts._replace(query=urlencode(query, safe="/")))


def refuse_closed(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise LakeMoved when the catalog of the attached lake is closed."""
    found = connection.execute(
        "SELECT value FROM __ducklake_metadata_lake.ducklake_metadata WHERE key = ?", [NOTE_KEY]
    ).fetchall()
    if found:
        raise LakeMoved(Note(**json.loads(found[0][0])).text)


@contextmanager
def catalog_database(settings: Settings) -> Iterator[Connection]:
    """The catalog's own database, in one transaction: what is done in it is kept when the block ends well.

    No DuckDB may have a SQLite catalog open in this process: closing a file frees every lock that a process has on it.
    """
    if settings.catalog != "sqlite":
        with psycopg.connect(settings.catalog) as connection:
            yield connection
        return
    waits_s = settings.lock_timeout_s
    with closing(sqlite3.connect(settings.catalog_file, timeout=waits_s, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def stop_commits(connection: psycopg.Connection, settings: Settings) -> None:
    """Hold up every commit to a lake on Postgres until the transaction ends; LakeBusy when one goes on for too long."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{int(settings.lock_timeout_s * 1000)}ms"])
    try:
        connection.execute("LOCK TABLE ducklake_snapshot IN SHARE ROW EXCLUSIVE MODE")
    except psycopg.errors.LockNotAvailable as error:
        raise LakeBusy(f"a commit to the lake went on for {settings.lock_timeout_s:g} s") from error


def note_of(connection: Connection) -> Note | None:
    """Why the catalog is closed; None when it is open."""
    found = connection.execute(f"SELECT value FROM ducklake_metadata WHERE key = '{NOTE_KEY}'").fetchall()
    return Note(**json.loads(found[0][0])) if found else None


def close(connection: Connection, note: Note) -> None:
    """Close the catalog: the note for who opens it and, once the lake has moved, the trigger for who has it open."""
    reopen(connection)
    bound = "?" if isinstance(connection, sqlite3.Connection) else "%s"
    connection.execute(
        f"INSERT INTO ducklake_metadata (key, value) VALUES ('{NOTE_KEY}', {bound})", [json.dumps(asdict(note))]
    )
    if note.state == "arriving":
        return
    text = "'" + note.text.replace("'", "''") + "'"
    if isinstance(connection, sqlite3.Connection):
        connection.execute(
            f"CREATE TRIGGER {NOTE_KEY} BEFORE INSERT ON ducklake_snapshot BEGIN SELECT RAISE(ABORT, {text}); END"
        )
        return
    connection.execute(
        f"CREATE FUNCTION {NOTE_KEY}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$neurolake$ BEGIN RAISE EXCEPTION USING MESSAGE = {text}; END $neurolake$".encode()
    )
    connection.execute(
        f"CREATE TRIGGER {NOTE_KEY} BEFORE INSERT ON ducklake_snapshot FOR EACH ROW EXECUTE FUNCTION {NOTE_KEY}()"
    )


def reopen(connection: Connection) -> None:
    """Take note and trigger away, where there are any."""
    connection.execute(f"DELETE FROM ducklake_metadata WHERE key = '{NOTE_KEY}'")
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"DROP TRIGGER IF EXISTS {NOTE_KEY}")
    else:
        connection.execute(f"DROP TRIGGER IF EXISTS {NOTE_KEY} ON ducklake_snapshot")
        connection.execute(f"DROP FUNCTION IF EXISTS {NOTE_KEY}()")
