"""The files that make up a recording, each fit to be opened, and one hash of them all."""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

MOST_PARTS = 100_000


class Unfit(OSError):
    """A path that is never opened: no plain file, or a link that leads out of the folder it was found in."""


def require_fit(files: Sequence[Path], root: Path | None) -> None:
    """Raises Unfit unless each file is a plain one and, with ``root``, lies below it whatever links lead to it."""
    if len(files) > MOST_PARTS:
        raise Unfit(f"{len(files)} files, more than {MOST_PARTS}")
    for file in files:
        require_below(file, root)
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise Unfit(f"{file.name} is no plain file")


def require_below(path: Path, root: Path | None) -> None:
    """Raises Unfit unless a path is ``root`` or lies below it, whatever links lead to it."""
    target = os.path.realpath(path)
    if root is not None and not f"{target}{os.sep}".startswith(os.path.join(os.path.realpath(root), "")):
        raise Unfit(f"a link that leads out of {root}, to {target}")


def recording_sha256(
    path: Path, files: Sequence[Path], about: Mapping[str, Any] | None, content_sha256: Callable[[Path], str]
) -> str:
    """SHA-256 of a recording: of the bytes of a file that stands for itself, else of its files' names and hashes.

    What the owner says about it counts too: said otherwise, it is another recording. Raises OSError.
    """
    if list(files) == [path] and about is None:
        return content_sha256(path)
    base = path if path.is_dir() else path.parent
    listed = sorted((os.path.relpath(file, base), content_sha256(file)) for file in files)
    return hashlib.sha256(json.dumps([listed, about], sort_keys=True, default=str).encode()).hexdigest()


def state_of(files: Sequence[Path]) -> list[tuple[int, int, int]]:
    """Size, time and inode of each file: what changes when one is written to. Raises OSError."""
    return [(found.st_size, found.st_mtime_ns, found.st_ino) for found in (file.stat() for file in files)]


def uri_of(path: Path) -> str:
    """The path as text for the lake: bytes of a name that are no UTF-8 could not be written to it."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")
