"""What a file's bytes are: SHA-256, and a cache of it so that a night does not read terabytes again."""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_BLOCK_BYTES = 1 << 20


def content_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the file's bytes, in hex. Raises OSError when it can't be read."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class HashCache:
    """Hashes already computed, in one SQLite file of a folder, valid while size, times and inode stay the same.

    Any number of threads and processes may use it at once. It only ever saves time: a cache that is corrupt is made
    anew, and one that is locked or cannot be written is done without.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._file = Path(folder) / "content_hashes.sqlite"

    def content_sha256(self, path: str | os.PathLike[str]) -> str:
        """As the function of that name, without reading a file that hasn't changed. Raises OSError as it does."""
        key, before = os.fsencode(os.path.abspath(path)), _state(path)
        try:
            if known := self._known(key, before):
                return known
        except sqlite3.Error as error:
            self._rebuild_after(error)
        found = content_sha256(path)
        # A file that was written to while it was read is not remembered: its hash is of no state that it ever had.
        if _state(path) == before:
            try:
                self._remember(key, before, found)
            except sqlite3.Error as error:
                self._rebuild_after(error)
        return found

    def _known(self, key: bytes, state: str) -> str | None:
        with self._cache() as cache:
            row = cache.execute("SELECT sha256 FROM hashes WHERE path = ? AND state = ?", (key, state)).fetchone()
        return row[0] if row else None

    def _remember(self, key: bytes, state: str, sha256: str) -> None:
        with self._cache() as cache:
            cache.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", (key, state, sha256))

    @contextlib.contextmanager
    def _cache(self) -> Iterator[sqlite3.Connection]:
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
        # A connection for each question: SQLite's may not be shared by threads or kept across a fork.
        with contextlib.closing(sqlite3.connect(self._file, timeout=30, isolation_level=None)) as cache:
            cache.execute("PRAGMA synchronous = OFF")
            cache.execute("CREATE TABLE IF NOT EXISTS hashes (path BLOB PRIMARY KEY, state TEXT, sha256 TEXT)")
            yield cache

    def _rebuild_after(self, error: sqlite3.Error) -> None:
        # OperationalError is a lock, a full disk or a folder without permission: the cache itself is sound.
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            # The journal goes too: SQLite would roll the old one back into the new file.
            for file in (self._file, self._file.with_name(self._file.name + "-journal")):
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)


def _state(path: str | os.PathLike[str]) -> str:
    found = os.stat(path)
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
