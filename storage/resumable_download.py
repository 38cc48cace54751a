"""A file brought from elsewhere whole or not at all: resumed where it was interrupted, checked before it counts."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PART_SUFFIX = ".part"


class Interrupted(Exception):
    """The connection broke or the server faltered; what has arrived is kept, and asking again may help."""


class DownloadFailed(Exception):
    """A file could not be had whole."""


@dataclass(frozen=True)
class Opened:
    """Bytes on their way: the first one's place in the file, the size of the whole file if the server says it."""

    start: int
    total: int | None
    chunks: Iterator[bytes]


class Source(Protocol):
    """Where a file's bytes come from. ``open`` raises Interrupted for what may pass, DownloadFailed for what won't."""

    def open(self, start: int) -> Opened:
        """The bytes from ``start``, or from 0 where the server can't skip."""


def bring(
    source: Source,
    path: Path,
    fault: Callable[[Path], str | None],
    *,
    advance: Callable[[int, int | None], None] = lambda done, total: None,
    tries: int = 6,
    first_pause_s: float = 1.0,
) -> None:
    """Fetch the source to ``path``, by way of ``path.part``.

    An interrupted download goes on where it stopped, in this call (with pauses that double) or in a later one.
    ``fault`` says what is wrong with a file that has its full length, None if nothing; a faulty one is fetched anew
    from its first byte. ``advance`` is told how many bytes are here, and of how many. Raises DownloadFailed after
    ``tries`` tries, or at once where trying again can't help; and OSError when the disk refuses the bytes.
    """
    part = path.with_name(path.name + PART_SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    reason = "never tried"
    for tried in range(tries):
        if tried:
            time.sleep(first_pause_s * 2 ** (tried - 1))
        try:
            _append(source, part, advance)
        except Interrupted as interrupted:
            reason = str(interrupted)
            continue
        found = fault(part)
        if found is None:
            part.replace(path)
            return
        reason = found
        part.unlink()
    raise DownloadFailed(f"{path.name}: {reason}; given up after {tries} tries, and a later run goes on from here")


def _append(source: Source, part: Path, advance: Callable[[int, int | None], None]) -> None:
    """Write what is missing of the part. Raises Interrupted unless the whole length is there then."""
    opened = source.open(part.stat().st_size if part.exists() else 0)
    done = opened.start
    with open(part, "r+b" if part.exists() else "wb") as file:
        file.truncate(done)
        file.seek(done)
        advance(done, opened.total)
        for chunk in opened.chunks:
            file.write(chunk)
            done += len(chunk)
            advance(done, opened.total)
        file.flush()
        os.fsync(file.fileno())
    if opened.total is not None and done != opened.total:
        raise Interrupted(f"{done:,} bytes came, expected {opened.total:,}")
