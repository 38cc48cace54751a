"""Which reader reads a file; and reading it, whatever is wrong with it, to a Recording or to a Refused."""

import csv
import os
from pathlib import Path
from typing import Protocol

from storage.content_hash import content_sha256
from storage.readers import nwb_ophys, visual_behavior_features
from storage.readers.recording import Recording, Refused, checked


class Reader(Protocol):
    """A module of storage/readers: what it is called, what it knows, and how it reads a file."""

    NAME: str
    VERSION: int
    KNOWS: str

    def recognises(self, path: Path) -> bool:
        """Whether the file is of this reader's kind, whole or not. Raises OSError when it can't be opened."""

    def read(self, path: Path, project: str, source_uri: str, content_sha256: str) -> Recording:
        """The file's recording, not yet ``checked``. Raises Refused."""


READERS: tuple[Reader, ...] = (nwb_ophys, visual_behavior_features)

# Suffixes that a lab would expect to be read: found in a folder, such a file is read or refused, never passed over.
KNOWN_SUFFIXES = (".nwb", ".h5", ".hdf5", ".csv")
_SHOWN_COLUMNS = 24


def reader_for(path: Path, named: str | None = None) -> Reader | None:
    """The reader of that name, or else the first that recognises the file; None where none does.

    Raises ValueError for a name that no reader has, OSError when the file can't be opened.
    """
    if named is None:
        return next((reader for reader in READERS if reader.recognises(path)), None)
    for reader in READERS:
        if named == reader.NAME:
            return reader
    raise ValueError(f"no reader is called {named!r}; there are {', '.join(one.NAME for one in READERS)}")


def read_recording(path: str | os.PathLike[str], project: str, reader_name: str | None = None) -> Recording:
    """The file's recording, all of it checked.

    Raises Refused and nothing else, whatever the file holds or the reader meets, with ``source_uri`` the absolute
    path: one bad file never ends a night. The refusal carries the file's hash and its reader as far as they are known.
    """
    path = Path(os.path.abspath(path))
    # A name that is no UTF-8 could not be written to the lake.
    uri = os.fsencode(path).decode("utf-8", errors="backslashreplace")
    sha256: str | None = None
    reader: Reader | None = None
    try:
        before = _state(path)
        sha256 = content_sha256(path)
        reader = reader_for(path, reader_name)
        if reader is None:
            raise Refused(source_uri=uri, field="file", found=_unknown(path), expected=_what_is_known())
        recording = checked(reader.read(path, project, uri, sha256))
        if _state(path) != before:
            found = "it changing while it was read"
            raise Refused(source_uri=uri, field="file", found=found, expected="a finished file")
        return recording
    except Refused as refused:
        refusal = refused
    except OSError as error:
        found = f"{type(error).__name__}: {error.strerror or error}"
        refusal = Refused(source_uri=uri, field="file", found=found, expected="a file that can be read")
        refusal.__cause__ = error
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        expected = "what the reader knows" if reader else "a reader's name"
        refusal = Refused(source_uri=uri, field="file", found=found, expected=expected)
        refusal.__cause__ = error
    refusal.content_sha256 = sha256
    if reader is not None:
        refusal.reader, refusal.reader_version = reader.NAME, reader.VERSION
    raise refusal


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _unknown(path: Path) -> str:
    if path.stat().st_size == 0:
        return "no reader knows this file: it is empty"
    if path.suffix.lower() != ".csv":
        return "no reader knows this file"
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        header = next(csv.reader([file.readline(10_000)]), [])
    others = f" and {len(header) - _SHOWN_COLUMNS} more" if len(header) > _SHOWN_COLUMNS else ""
    return f"no reader knows this file: columns {', '.join(header[:_SHOWN_COLUMNS])}{others}"


def _what_is_known() -> str:
    return "; ".join(f"{reader.KNOWS} ({reader.NAME})" for reader in READERS)
