"""Which reader reads a file; and reading it, whatever is wrong with it, to a Recording or to a Refused."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from storage.content_hash import content_sha256
from storage.readers.allen import allen_neuropixels, allen_visual_behavior
from storage.readers.foreign.csv_rows import csv_header
from storage.readers.given import Given
from storage.readers.lab import lab_files, movement
from storage.readers.nwb import nwb
from storage.readers.parts import Unfit, recording_sha256, require_below, require_fit, state_of, uri_of
from storage.readers.pipelines import caiman, kilosort, minian, suite2p
from storage.readers.recording import Recording, Refused, checked
from storage.readers.studies import (
    course_snippets,
    image_responses,
    image_set,
    spike_ground_truth,
    spike_trials,
    tectum,
    visual_behavior_features,
    visual_behavior_trials,
)
from storage.row_files import RowBlocks
from storage.traces import Traces, TraceStream


class Reader(Protocol):
    """A module of storage/readers: what it is called, what it knows, and how it reads a recording.

    FORM says what stands for a recording: one ``file``; a ``folder``; or a file that names others, ``files``. Readers
    of the last two have ``parts(path, about)``, the files that are read, of which the recording's hash is made.
    SUFFIXES are those of files that are read or refused, never passed over, when they are found in a folder.
    """

    NAME: str
    VERSION: int
    KNOWS: str
    FORM: Literal["file", "folder", "files"]
    SUFFIXES: tuple[str, ...]

    def recognises(self, path: Path) -> bool:
        """Whether it is of this reader's kind, whole or not. Raises OSError when it can't be opened.

        Of a folder, or of a file that names others, it may look at names and text alone: it runs in the process
        that looks for new recordings, which no damaged file may crash.
        """

    def read(self, given: Given) -> Recording:
        """The recording, not yet ``checked``. Raises Refused."""


# In order: the first that recognises a file reads it, so the particular come before the general.
READERS: tuple[Reader, ...] = (
    allen_visual_behavior,
    allen_neuropixels,
    course_snippets,
    image_set,
    visual_behavior_features,
    visual_behavior_trials,
    tectum,
    image_responses,
    spike_trials,
    suite2p,
    caiman,
    kilosort,
    minian,
    lab_files,
    movement,
    spike_ground_truth,
    nwb,
)

KNOWN_SUFFIXES = tuple(sorted({suffix for reader in READERS for suffix in reader.SUFFIXES} | {".csv", ".h5", ".hdf5"}))
# Changes whenever any reader does: a file that none knew is offered to them again.
KNOWN_FORMATS = int(hashlib.sha256(repr([(r.NAME, r.VERSION) for r in READERS]).encode()).hexdigest()[:7], 16)
_SHOWN_COLUMNS = 24


def reader_for(path: Path, named: str | None = None) -> Reader | None:
    """The reader of that name, or else the first that recognises the path; None where none does.

    Raises ValueError for a name that no reader has, OSError when the file can't be opened.
    """
    if named is None:
        folder = path.is_dir()
        return next((r for r in READERS if (r.FORM == "folder") == folder and r.recognises(path)), None)
    return reader_named(named)


def reader_named(name: str) -> Reader:
    """The reader of that name. Raises ValueError when there is none."""
    for reader in READERS:
        if name == reader.NAME:
            return reader
    raise ValueError(f"no reader is called {name!r}; there are {', '.join(one.NAME for one in READERS)}")


def parts_of(path: Path, reader: Reader | None, about: Mapping[str, Any] | None = None) -> list[Path]:
    """The files that are read for a recording, the path itself where it stands for itself. Raises OSError."""
    if reader is None or reader.FORM == "file":
        return [path]
    return sorted(reader.parts(path, about))


def read_recording(
    path: str | os.PathLike[str],
    project: str,
    reader_name: str | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    about: Mapping[str, Any] | None = None,
    hashed: Callable[[Path], str] = content_sha256,
) -> Recording:
    """The recording that a file or folder holds, all of it checked.

    ``root`` is the folder that it was found in: links out of it are refused. ``hashed`` gives a file's SHA-256. Raises
    Refused and nothing else, whatever the file holds or the reader meets, with ``source_uri`` the absolute path: one
    bad file never ends a night; streams of the recording raise it too. The refusal carries the file's hash and its
    reader as far as they are known.
    """
    path = Path(os.path.abspath(path))
    uri = uri_of(path)
    sha256: str | None = None
    reader: Reader | None = None
    try:
        require_below(path, Path(root) if root else None)
        if not path.is_dir():
            require_fit([path], None)
        reader = reader_for(path, reader_name)
        if reader is None and path.is_dir():
            raise Refused(source_uri=uri, field="folder", found=_unknown(path), expected=_what_is_known())
        files = parts_of(path, reader, about)
        require_fit(files, Path(root) if root else path if path.is_dir() else path.parent if len(files) > 1 else None)
        before = state_of(files)
        sha256 = recording_sha256(path, files, about, hashed)
        if reader is None:
            raise Refused(source_uri=uri, field="file", found=_unknown(path), expected=_what_is_known())
        given = Given(path, project, uri, sha256, reader.NAME, reader.VERSION, about)
        return _guarded(checked(reader.read(given)), files, before)
    except Refused as refused:
        _complete(refused, sha256, reader)
        raise
    except Exception as error:
        raise _complete(_refusal(error, uri, reader), sha256, reader) from error


def _refusal(error: Exception, uri: str, reader: Reader | None) -> Refused:
    if isinstance(error, OSError):
        found = str(error) if isinstance(error, Unfit) else f"{type(error).__name__}: {error.strerror or error}"
        return Refused(source_uri=uri, field="file", found=found, expected="a file that can be read")
    found = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    expected = "what the reader knows" if reader else "a reader's name"
    return Refused(source_uri=uri, field="file", found=found, expected=expected)


def _complete(refused: Refused, sha256: str | None, reader: Reader | None) -> Refused:
    refused.content_sha256 = sha256
    refused.reader = reader.NAME if reader else None
    refused.reader_version = reader.VERSION if reader else KNOWN_FORMATS
    return refused


def _guarded(recording: Recording, files: Sequence[Path], before: list[tuple[int, int, int]]) -> Recording:
    """The recording, refused when a file changes before the last of its streams is read."""
    uri, sha256, reader = recording.source_uri, recording.content_sha256, reader_named(recording.reader)

    def require_unchanged() -> None:
        if state_of(files) != before:
            found = "it changing while it was read"
            raise Refused(source_uri=uri, field="file", found=found, expected="a finished file")

    @contextmanager
    def refusing() -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            _complete(refused, sha256, reader)
            raise
        except Exception as error:
            raise _complete(_refusal(error, uri, reader), sha256, reader) from error

    def stream(trace: Traces) -> Traces:
        def read(start: int, stop: int) -> np.ndarray:
            with refusing():
                values = trace.read(start, stop)
                if stop == trace.frame_count:
                    require_unchanged()
                return values

        if not isinstance(trace, TraceStream):
            return trace
        return replace(trace, read=read)

    def blocks_of(rows: RowBlocks) -> RowBlocks:
        def blocks() -> Iterator[pa.Table]:
            with refusing():
                yield from rows.blocks()
                require_unchanged()

        return RowBlocks(rows.table, blocks)

    require_unchanged()
    return replace(
        recording,
        traces=tuple(stream(one) for one in recording.traces),
        blocks=tuple(blocks_of(one) for one in recording.blocks),
    )


def _unknown(path: Path) -> str:
    if path.is_dir():
        return "no reader knows this folder"
    if path.stat().st_size == 0:
        return "no reader knows this file: it is empty"
    if path.suffix.lower() != ".csv":
        return "no reader knows this file"
    header = csv_header(path)
    others = f" and {len(header) - _SHOWN_COLUMNS} more" if len(header) > _SHOWN_COLUMNS else ""
    return f"no reader knows this file: columns {', '.join(header[:_SHOWN_COLUMNS])}{others}"


def _what_is_known() -> str:
    return f"what one of these reads, or reader: and about: in sources.yaml: {', '.join(one.NAME for one in READERS)}"
