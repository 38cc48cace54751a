"""Where recordings come from: sources.yaml, or a file, folder or glob given by hand."""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from storage.declaration import SESSION_ID_PATTERN
from storage.readers.choose import KNOWN_SUFFIXES, READERS, parts_of, reader_named


class Source(BaseModel):
    """One collection of recordings that is analysed together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="first part of every session_id, and the project in recorded.sessions")
    paths: tuple[str, ...] = Field(min_length=1, description="files, folders and globs (** for any depth)")
    reader: str | None = Field(default=None, description="reader of every file; without it, by content")
    about: dict[str, Any] | None = Field(
        default=None, description="what the recordings at these paths don't say themselves; each path is then one"
    )

    @field_validator("name")
    @classmethod
    def _fits_session_ids(cls, name: str) -> str:
        if not SESSION_ID_PATTERN.fullmatch(name):
            raise ValueError(f"must be of A-Z a-z 0-9 . _ - (it begins every session_id), got {name!r}")
        return name

    @field_validator("reader")
    @classmethod
    def _is_a_reader(cls, reader: str | None) -> str | None:
        names = [one.NAME for one in READERS]
        if reader is not None and reader not in names:
            raise ValueError(f"must be one of {', '.join(names)}, got {reader!r}")
        return reader


class _SourcesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[Source, ...]

    @field_validator("sources")
    @classmethod
    def _named_once(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        names = [source.name for source in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each name may stand once, got {', '.join(twice)} again")
        return sources


@dataclass(frozen=True)
class Found:
    """One recording to read: its file or folder, the folder it was found in, and the reader where its form tells."""

    path: Path
    root: Path | None = None
    reader: str | None = None


@dataclass(frozen=True)
class FoundFiles:
    """What a source's paths lead to: recordings, how many files a folder held that are none, and dead paths."""

    recordings: tuple[Found, ...]
    passed_over: int
    missing: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(found.path for found in self.recordings)


def load_sources(text_or_path: str | os.PathLike[str]) -> tuple[Source, ...]:
    """The sources of a .yaml file; or one source of a data file, folder or glob, named after it.

    Relative paths are against the yaml's folder, or else the working folder; all come back absolute. Raises
    ValueError naming file and field when the yaml is not as it should be, FileNotFoundError when it isn't there.
    """
    given = os.path.expanduser(os.fspath(text_or_path))
    if Path(given).suffix.lower() not in (".yaml", ".yml"):
        return (Source(name=_name_of(given), paths=(os.path.abspath(given),)),)
    try:
        content = yaml.safe_load(Path(given).read_text(encoding="utf-8"))
        listed = _SourcesFile.model_validate(content).sources
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{given} is not YAML: {error}") from error
    except ValidationError as error:
        raise ValueError(f"{given}: {'; '.join(_in_words(error))}") from error
    folder = Path(os.path.abspath(given)).parent
    return tuple(
        source.model_copy(update={"paths": tuple(_absolute(path, folder) for path in source.paths)})
        for source in listed
    )


def found_files(source: Source) -> FoundFiles:
    """The source's recordings, sorted, each once however many names and links lead to it.

    A file that is named or matched by a glob is always among them, to be read or refused. In a folder those with the
    suffix of a recording are, and folders and descriptions that stand for one, whose files are not offered again;
    hidden ones apart, the rest are counted. A path that leads to nothing is missing.
    """
    offered: list[Found] = []
    missing: list[str] = []
    passed_over = 0
    for path in source.paths:
        if source.about is not None:
            there = [_named(Path(path), None)] if os.path.lexists(path) else []
        elif _is_folder(path):
            there, others = _in_folder(Path(path), source.reader, missing)
            passed_over += others
        elif os.path.lexists(path):
            there = [_named(Path(path), None)]
        else:
            root = Path(_plain_part(path))
            there = [_named(Path(match), root) for match in glob.iglob(path, recursive=True) if not _is_folder(match)]
        if not os.path.lexists(path) and not there:
            missing.append(path)
        offered += there
    once = {os.path.realpath(found.path): found for found in sorted(offered, key=lambda f: f.path, reverse=True)}
    return FoundFiles(tuple(sorted(once.values(), key=lambda found: found.path)), passed_over, tuple(missing))


def _in_folder(root: Path, reader: str | None, missing: list[str]) -> tuple[list[Found], int]:
    """The recordings in a folder and everything below it, and how many other files there are."""
    found: list[Found] = []
    passed_over = 0
    for parent, folders, files in os.walk(root, onerror=lambda error: missing.append(str(error.filename))):
        here = Path(parent)
        if whole := _reader_of("folder", here, reader):
            found.append(Found(here, root, whole))
            folders.clear()
            continue
        described = [
            Found(here / name, root, by)
            for name in sorted(files)
            if name.lower().endswith((".yaml", ".yml")) and (by := _reader_of("files", here / name, reader))
        ]
        taken = {part for one in described for part in _parts(one)}
        as_files = [
            name for name in folders if _has_known_suffix(name) and not _reader_of("folder", here / name, reader)
        ]
        led_out = [name for name in folders if (here / name).is_symlink() and not _is_below(here / name, root)]
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or name in as_files))
        inside = [here / name for name in [*files, *as_files, *led_out] if not name.startswith(".")]
        rest = [file for file in inside if file not in taken]
        read = [file for file in rest if _has_known_suffix(file.name) or file.name in led_out]
        found += described + [Found(file, root) for file in read]
        passed_over += len(rest) - len(read)
    return found, passed_over


def _named(path: Path, root: Path | None) -> Found:
    form = "folder" if path.is_dir() else "files"
    return Found(path, root, _reader_of(form, path, None))


def _reader_of(form: str, path: Path, named: str | None) -> str | None:
    """The reader of that form that stands for the path as a whole."""
    for reader in READERS:
        wanted = form == reader.FORM and named in (None, reader.NAME)
        if wanted and reader.recognises(path):
            return reader.NAME
    return None


def _parts(found: Found) -> list[Path]:
    return parts_of(found.path, reader_named(found.reader))


def _is_below(path: Path, root: Path) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(root) + os.sep)


def _is_folder(path: str) -> bool:
    # A folder called session.nwb is a recording in a form that no reader knows, to be refused by its name.
    return os.path.isdir(path) and not (_has_known_suffix(path) and _is_no_recording(Path(path), None))


def _is_no_recording(folder: Path, reader: str | None) -> bool:
    return _reader_of("folder", folder, reader) is None


def _has_known_suffix(path: str) -> bool:
    return Path(path).suffix.lower() in KNOWN_SUFFIXES


def _plain_part(pattern: str) -> str:
    """The folder that a glob begins with, before its first wildcard."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern


def _absolute(path: str, folder: Path) -> str:
    return os.path.abspath(folder / os.path.expanduser(path))


def _name_of(given: str) -> str:
    if os.path.lexists(given) or not glob.has_magic(given):
        path = Path(os.path.abspath(given))
        name = path.name if _is_folder(given) else path.stem
    else:
        name = os.path.basename(os.path.abspath(_plain_part(given)))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:80].strip("-") or "recordings"


def _in_words(error: ValidationError) -> Iterator[str]:
    for one in error.errors():
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"]).lstrip(".")
        yield f"{where or 'the file'}: {one['msg']}"
