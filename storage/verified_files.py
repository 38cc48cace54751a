"""Which files of a folder were checked and found whole, so that gigabytes are not read again to see it."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_RECORD = "_verified.json"


class FolderBusy(Exception):
    """Another fetch writes to the same folder."""


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other fetches out of the folder. Raises FolderBusy when one is at work there."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "_fetch.json.lock", timeout=0):
            yield
    except Timeout as error:
        raise FolderBusy(f"another fetch is writing to {folder}; wait for it, or name another folder") from error


class VerifiedFiles:
    """What a file was verified against (a checksum, or a size), valid while its size and its times stay the same.

    Kept in one JSON file of the folder; a torn or foreign one is taken for empty, and files are verified again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holds(self, path: Path, against: str) -> bool:
        """Whether the file is there, and is the one that was verified against that."""
        state = _state(path)
        return state is not None and self._read().get(self._name(path)) == [against, *state]

    def remember(self, path: Path, against: str) -> None:
        """Write down that the file, as it is now, was verified."""
        state = _state(path)
        if state is None:
            raise FileNotFoundError(f"{path} can't be remembered as whole: it is not there")
        known = self._read() | {self._name(path): [against, *state]}
        scratch = self._folder / (_RECORD + ".new")
        scratch.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        scratch.replace(self._folder / _RECORD)

    def _read(self) -> dict[str, list]:
        try:
            known = json.loads((self._folder / _RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self._folder)


def _state(path: Path) -> list[int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]
