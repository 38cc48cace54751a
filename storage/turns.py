"""Writers take turns: one lock for a SQLite catalog, one advisory lock per key on Postgres."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg
from filelock import FileLock, Timeout

from storage.settings import Settings

WHOLE_LAKE = "lake"  # the key of what may run beside no other write


class LakeBusy(Exception):
    """Other writers held the lake for longer than NEUROLAKE_LOCK_TIMEOUT_S."""


@contextmanager
def turn(settings: Settings, keys: Iterable[str]) -> Iterator[None]:
    """Hold the right to write the given keys from before BEGIN until after COMMIT.

    A lock around COMMIT alone isn't enough: the transaction would have read an older state of its key. Raises
    LakeBusy when the turn doesn't come within the settings' lock_timeout_s.
    """
    if settings.catalog == "sqlite":
        with _file_turn(settings):
            yield
    else:
        with _postgres_turn(settings, keys):
            yield


@contextmanager
def _file_turn(settings: Settings) -> Iterator[None]:
    settings.write_lock_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.write_lock_file, timeout=settings.lock_timeout_s, poll_interval=0.01):
            yield
    except Timeout as error:
        raise LakeBusy(f"{settings.write_lock_file} was held for {settings.lock_timeout_s:g} s") from error


@contextmanager
def _postgres_turn(settings: Settings, keys: Iterable[str]) -> Iterator[None]:
    # Sorted, so that two writers of the same keys can't wait for each other; freed when the connection ends.
    keys = set(keys)
    numbers = sorted(map(_number, keys))
    with psycopg.connect(settings.catalog, autocommit=True) as connection:
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{int(settings.lock_timeout_s * 1000)}ms"])
        try:
            for number in numbers:
                connection.execute("SELECT pg_advisory_lock(%s)", [number])
            if WHOLE_LAKE not in keys:  # last: who wants the whole lake waits for writes, not for their queue
                connection.execute("SELECT pg_advisory_lock_shared(%s)", [_number(WHOLE_LAKE)])
        except psycopg.errors.LockNotAvailable as error:
            raise LakeBusy(f"a key of this write was held for {settings.lock_timeout_s:g} s") from error
        yield


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True)
