"""Move the lake's catalog between SQLite and Postgres: `python -m storage.move --to sqlite|postgresql://...`.

The data files stay where they are. While it runs nobody commits. The new catalog is compared with the old one row by
row, and the lake is read through both; only then is the old one closed and the new one opened. Broken off at any
point, even killed, the lake is where it was or where it goes, whole, and the same command finishes the move.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote, urlsplit, urlunsplit

import duckdb
import psycopg
from rich.console import Console

from storage.attach import LakeMissing, connect
from storage.catalog_copy import UnlikeCatalogs, copy_rows, differing_rows
from storage.closed_catalog import (
    Connection,
    LakeMoved,
    Note,
    catalog_database,
    close,
    note_of,
    reopen,
    shown,
    stop_commits,
)
from storage.lake_contents import LakeContents, lake_contents
from storage.postgres import Postgres
from storage.settings import Settings
from storage.turns import LakeBusy, turn
from storage.writable import require_writable

Tell = Callable[..., None]  # of a step and, where it has them, the part it has come to


class CannotMove(Exception):
    """The lake was not moved and is as it was; the message says why, and what to do."""


@dataclass(frozen=True)
class Moved:
    """Where the lake's catalog is now, and what was found in it both before and after."""

    settings: Settings
    contents: LakeContents


def move(settings: Settings, to: str, tell: Tell = lambda step, detail="": None) -> Moved:
    """Move the catalog of the settings to ``to``: 'sqlite', or the address of an empty Postgres database.

    ``tell`` hears of each step. Raises CannotMove when the target holds anything but what an earlier move of this lake
    left there, or when the copy differs; LakeMoved when the lake is elsewhere; LakeMissing; LakeBusy.
    """
    if to != "sqlite" and not to.startswith(("postgresql://", "postgres://")):
        raise CannotMove("a catalog is 'sqlite' or a postgresql:// address")
    target = settings.model_copy(update={"catalog": to})
    if shown(to) == shown(settings.catalog):
        raise CannotMove(f"the lake's catalog is {shown(to)} already")
    connect(settings, read_only=True).close()  # LakeMissing, and not a new catalog, where there is none
    for place in (settings, target):
        require_writable(place)
    _make_database(target)
    with _writers_wait(settings) as held, turn(target, ["tables"]):
        with _database_of(settings, held) as source:
            lake, gone = _lake_id(source), note_of(source)
        _refuse_other_places(settings, target, lake, gone)
        before = _read(settings, tell)
        if gone is None:
            _copy(settings, target, Note("arriving", shown(settings.catalog), lake), tell)
        tell("comparing both catalogs")
        if differing := differing_rows(settings, target):
            raise CannotMove(f"the copy differs, and the lake stays where it was: {differing}")
        after = _read(target, tell)
        if differing := before.differences(after):
            raise CannotMove(f"read through {shown(to)} the lake differs, and stays where it was: {differing[:5]}")
        tell("closing the old catalog")
        with _database_of(settings, held) as source:
            _refuse_later_snapshots(source, before)
            close(source, Note("moved", shown(target.catalog), lake))
    tell("opening the new one")
    with turn(target, ["tables"]), catalog_database(target) as arrived:
        reopen(arrived)
    return Moved(target, after)


@contextmanager
def _writers_wait(settings: Settings) -> Iterator[psycopg.Connection | None]:
    """Keep every writer of the lake waiting: all of them have one lock on SQLite, and on Postgres a table."""
    if settings.catalog == "sqlite":
        with turn(settings, ["tables"]):
            yield None
        return
    with catalog_database(settings) as connection:
        stop_commits(connection, settings)
        yield connection


@contextmanager
def _database_of(settings: Settings, held: psycopg.Connection | None) -> Iterator[Connection]:
    if held is not None:
        yield held
    else:
        with catalog_database(settings) as connection:
            yield connection


def _make_database(target: Settings) -> None:
    """Make the database on Postgres when it isn't there, as far as its owner may."""
    if target.catalog == "sqlite":
        return
    try:
        psycopg.connect(target.catalog, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        address = urlsplit(target.catalog)
        try:
            server = Postgres(urlunsplit(address._replace(path="/postgres")))
            server.database(unquote(address.path.removeprefix("/")))
        except psycopg.Error:
            raise CannotMove(f"{shown(target.catalog)} can't be reached: {error}") from None


def _lake_id(connection: Connection) -> str:
    """What tells this lake from every other: DuckLake's own id of its first schema."""
    return str(connection.execute("SELECT schema_uuid FROM ducklake_schema WHERE schema_id = 0").fetchall()[0][0])


def _refuse_other_places(settings: Settings, target: Settings, lake: str, gone: Note | None) -> None:
    """Raise unless the target is empty, or holds what a move of this very lake left there."""
    there = None
    if target.catalog != "sqlite" or target.catalog_file.exists():
        with catalog_database(target) as connection:
            there = _what_stands(connection)
            note = note_of(connection) if there is not None and there >= 0 else None
            same = note is not None and note.lake == lake
    if gone is not None:
        finishes = there is not None and same and note.state == "arriving" and gone.other == shown(target.catalog)
        if gone.state == "arriving" or not finishes:
            raise LakeMoved(gone.text)
    elif there is not None and there != 0 and not same:
        what = "tables that are not a lake's" if there < 0 else f"a lake of {there} snapshots"
        raise CannotMove(
            f"{shown(target.catalog)} holds {what}, and nothing is written over it; "
            + (f"put {target.catalog_file} elsewhere" if target.catalog == "sqlite" else "name an empty database")
        )


def _what_stands(connection: Connection) -> int | None:
    """Snapshots of the lake in that database, but for the one that makes it; None without tables, -1 with others."""
    schema = (
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        if isinstance(connection, psycopg.Connection)
        else "SELECT name FROM sqlite_master WHERE type = 'table'"
    )
    tables = [name for (name,) in connection.execute(schema).fetchall()]
    if not tables:
        return None
    if not all(name.startswith("ducklake_") for name in tables):
        return -1
    return connection.execute("SELECT count(*) FROM ducklake_snapshot WHERE snapshot_id > 0").fetchall()[0][0]


def _read(settings: Settings, tell: Tell) -> LakeContents:
    step = f"reading every table through {shown(settings.catalog)}"
    tell(step)
    return lake_contents(settings, lambda table: tell(step, table))


def _copy(settings: Settings, target: Settings, note: Note, tell: Tell) -> None:
    """Fill the target, which stays closed until it was compared."""
    step = f"copying the catalog to {shown(target.catalog)}"
    tell(step)
    connect(target, read_only=False).close()  # DuckLake makes its own tables, with the types of either database
    with catalog_database(target) as connection:
        close(connection, note)
    copy_rows(settings, target, partial(tell, step))


def _refuse_later_snapshots(source: Connection, read: LakeContents) -> None:
    last = source.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchall()[0][0]
    if last != read.snapshots[-1][0]:
        raise CannotMove(
            f"another program, which takes no turns, wrote snapshot {last} meanwhile; stop it and move again"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Move the lake's catalog between SQLite and Postgres. The data files stay where they are.

    Nobody can write meanwhile, and reading goes on. Every row of the catalog and every table is compared before the old
    catalog is closed: it stays as it is, and says where the lake went to whoever opens it. A move that is broken off is
    finished by the same command.
    """
    parser = argparse.ArgumentParser(
        prog="python -m storage.move",
        description=main.__doc__,
        epilog="The lake that is moved is that of NEUROLAKE_HOME and NEUROLAKE_CATALOG. Afterwards set "
        "NEUROLAKE_CATALOG to the new one. A password is best left out of the address and given as PGPASSWORD or in "
        "~/.pgpass, since the list of processes shows arguments.",
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="sqlite|postgresql://...",
        help="'sqlite', for a file beside the data, or an empty Postgres database, made if it isn't there",
    )
    to = parser.parse_args(arguments).to
    console = Console(highlight=False, soft_wrap=True)
    settings = None
    try:
        settings = Settings()
        with console.status("looking at the lake") as status:
            moved = move(settings, to, partial(_tell, console, status.update))
    except (CannotMove, UnlikeCatalogs, LakeMissing, LakeMoved, LakeBusy, ValueError, OSError) as error:
        return _failed(str(error), settings, to)
    except (duckdb.Error, psycopg.Error) as error:
        return _failed(f"not moved: {error}\nThe lake is as it was; the same command tries again", settings, to)
    _say_what_moved(console, settings, moved)
    return 0


def _tell(console: Console, update: Callable[[str], None], step: str, part: str = "") -> None:
    update(f"{step} {part}")
    if not part and not console.is_terminal:
        console.print(step, markup=False)


def _failed(text: str, settings: Settings | None, to: str) -> int:
    for catalog in (to, settings.catalog if settings else ""):
        # DuckDB's own words hold the catalog's address, as it was given.
        address = urlsplit(catalog)
        for password in filter(None, (address.password, unquote(address.password or ""))):
            text = text.replace(password, "***")
    print(text, file=sys.stderr)
    return 1


def _say_what_moved(console: Console, settings: Settings, moved: Moved) -> None:
    tables, now = moved.contents.current, moved.settings
    rows = sum(one.row_count for one in tables)
    on_sqlite = now.catalog == "sqlite"
    setting = "unset NEUROLAKE_CATALOG" if on_sqlite else f"export NEUROLAKE_CATALOG='{shown(now.catalog)}'"
    secret = ", with its password" if urlsplit(now.catalog).password else ""
    counts = f"{len(tables)} tables, {rows:,} rows, {len(moved.contents.snapshots)} snapshots"
    for name, text in {
        "moved": f"{counts}; the same before and after",
        "from": f"{shown(settings.catalog)}, which is closed and says where the lake went",
        "to": str(now.catalog_file) if on_sqlite else shown(now.catalog),
        "data": f"{now.data_address}, untouched",
        "now": f"{setting}{secret}; wherever neurolake runs",
        "back": f"then python -m storage.move --to '{shown(settings.catalog)}'",
    }.items():
        console.print(f"{name:<7}{text}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
