"""Files of the data folder that no snapshot names: what merging and expiry gave up, and what killed writers left.

A living writer's file is unnamed too, until it commits. So a file must be old, not only unnamed, before it goes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
from pyarrow import fs

from storage.maintain import lake_to_maintain
from storage.object_store import open_store
from storage.settings import Settings
from storage.turns import WHOLE_LAKE, turn

# DuckLake's catalog; its tables are part of its published format.
_CATALOG = "__ducklake_metadata_lake"


class FolderMismatch(Exception):
    """The data folder is not the one that the catalog describes, or not this lake's alone; nothing was removed."""


@dataclass(frozen=True)
class Stored:
    """Files and their size together."""

    file_count: int
    byte_count: int

    def __sub__(self, other: "Stored") -> "Stored":
        return Stored(self.file_count - other.file_count, self.byte_count - other.byte_count)


@dataclass(frozen=True)
class Removal:
    """What lay in the data folder, what was removed, and what no snapshot names but is too young to go.

    ``given_up`` are files that merging and expiry had scheduled, ``orphaned`` those that no catalog ever knew.
    """

    before: Stored
    given_up: Stored
    orphaned: Stored
    waiting: Stored

    @property
    def after(self) -> Stored:
        return self.before - self.given_up - self.orphaned


def remove_unnamed_files(settings: Settings, *, older_than: timedelta, dry_run: bool = False) -> Removal:
    """Remove the Parquet files that no snapshot names and that are older than that.

    The age of a file that was given up counts from then, since somebody may be reading it, and in whole days of UTC;
    that of any other from when it was last written. Raises FolderMismatch when a file that the catalog names isn't
    there, or an unnamed one is older than the lake, and so another's.
    """
    before = datetime.now(UTC) - older_than
    with lake_to_maintain(settings) as connection, turn(settings, [WHOLE_LAKE]):
        # First what there is, then what is named: a file that comes in between is on neither list.
        there = _files_there(settings)
        named, given_up = _named(connection), _given_up(connection)
        _require_same_folder(settings, there, named)
        unnamed = {path: file for path, file in there.items() if path not in named and path.endswith(".parquet")}
        orphans = {path: file for path, file in unnamed.items() if path not in given_up}
        _require_own_files(settings, connection, orphans)
        old_orphans = [file for file in orphans.values() if file.mtime < before]
        past_use = _past_use(connection, before)
        if early := sorted(path for path in past_use if path in named or given_up[path] >= before):
            raise FolderMismatch(f"{len(early)} files are scheduled for removal too early, such as {early[0]}")
        if not dry_run:
            _remove(settings, old_orphans)
            _past_use(connection, before, remove=True)
    of_given_up = _stored(unnamed[path] for path in past_use if path in unnamed)
    of_orphans = _stored(old_orphans)
    return Removal(
        _stored(there.values()), of_given_up, of_orphans, _stored(unnamed.values()) - of_given_up - of_orphans
    )


def _files_there(settings: Settings) -> dict[str, fs.FileInfo]:
    """Every file of the lake's data, by its path below its folder."""
    if settings.data_on_s3:
        found = open_store(settings).files()
    else:
        everything = fs.FileSelector(settings.data_address, recursive=True, allow_not_found=True)
        found = fs.LocalFileSystem().get_file_info(everything)
    return {_below(settings.data_address, file.path): file for file in found if file.type == fs.FileType.File}


def _remove(settings: Settings, files: Iterable[fs.FileInfo]) -> None:
    remove = open_store(settings).delete if settings.data_on_s3 else fs.LocalFileSystem().delete_file
    for file in files:
        remove(file.path)


def _named(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Paths below the data folder of all that any snapshot names: data files, and files of deleted rows."""
    root = _root(connection)
    statements = [_NAMED.format(catalog=_CATALOG, files=f"ducklake_{kind}_file") for kind in ("data", "delete")]
    return {_below(root, path) for (path,) in connection.execute(" UNION ".join(statements), [root, root]).fetchall()}


def _given_up(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """When each file that is scheduled for removal was given up."""
    root = _root(connection)
    scheduled = connection.execute(
        f"""SELECT CASE WHEN path_is_relative::BOOLEAN THEN ? || path ELSE path END, schedule_start::TIMESTAMPTZ
        FROM {_CATALOG}.ducklake_files_scheduled_for_deletion""",
        [root],
    )
    return {_below(root, path): since for path, since in scheduled.fetchall()}


def _past_use(connection: duckdb.DuckDBPyConnection, before: datetime, *, remove: bool = False) -> set[str]:
    """Files that were given up before the day began in which ``before`` lies; removed if so wished."""
    # On SQLite, DuckLake 1.0 compares days only: it would take what was given up later on the same day.
    midnight = before.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(microseconds=1)
    statement = "CALL ducklake_cleanup_old_files('lake', older_than => ?, dry_run => ?)"
    listed = connection.execute(statement, [midnight, not remove]).fetchall()
    root = _root(connection)
    return {_below(root, path) for (path,) in listed}


def _root(connection: duckdb.DuckDBPyConnection) -> str:
    """The data folder, as the paths of the lake begin."""
    return connection.execute("SELECT data_path FROM ducklake_settings('lake')").fetchall()[0][0]


def _require_same_folder(settings: Settings, there: Mapping[str, fs.FileInfo], named: set[str]) -> None:
    if missing := sorted(named - there.keys()):
        raise FolderMismatch(
            f"the catalog names {len(missing)} files that are not in {settings.data_address}, such as {missing[0]}: "
            "set NEUROLAKE_DATA to the folder that belongs to this catalog, or restore them; nothing was removed"
        )


def _require_own_files(
    settings: Settings, connection: duckdb.DuckDBPyConnection, orphans: Mapping[str, fs.FileInfo]
) -> None:
    [(born,)] = connection.execute("SELECT min(snapshot_time) FROM ducklake_snapshots('lake')").fetchall()
    if foreign := sorted(path for path, file in orphans.items() if file.mtime < born):
        raise FolderMismatch(
            f"{len(foreign)} files in {settings.data_address} are older than this lake ({born:%Y-%m-%d %H:%M} UTC), "
            f"such as {foreign[0]}: another lake may have its data there; move what is not this lake's elsewhere, "
            "or set NEUROLAKE_DATA; nothing was removed"
        )


def _below(root: str, path: str) -> str:
    inside = path.removeprefix(root).lstrip("/")
    if inside == path:
        raise FolderMismatch(f"the catalog names {path}, which is not below {root}; nothing was removed")
    return inside


def _stored(files: Iterable[fs.FileInfo]) -> Stored:
    sizes = [file.size for file in files]
    return Stored(len(sizes), sum(sizes))


_NAMED = """SELECT
        CASE WHEN files.path_is_relative::BOOLEAN THEN
            CASE WHEN tables.path_is_relative::BOOLEAN THEN
                CASE WHEN schemas.path_is_relative::BOOLEAN THEN ? || schemas.path ELSE schemas.path END || tables.path
            ELSE tables.path END || files.path
        ELSE files.path END
    FROM {catalog}.{files} AS files
    JOIN {catalog}.ducklake_table AS tables USING (table_id)
    JOIN {catalog}.ducklake_schema AS schemas USING (schema_id)"""
