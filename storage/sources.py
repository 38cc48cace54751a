"""Where recordings come from: sources.yaml, or a file, folder or glob given by hand."""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from storage.declaration import SESSION_ID_PATTERN
from storage.readers.choose import KNOWN_SUFFIXES, READERS


class Source(BaseModel):
    """One collection of recordings that is analysed together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="first part of every session_id, and the project in recorded.sessions")
    paths: tuple[str, ...] = Field(min_length=1, description="files, folders and globs (** for any depth)")
    reader: str | None = Field(default=None, description="reader of every file; without it, by content")

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
class FoundFiles:
    """What a source's paths lead to: files to read, how many a folder held that nobody would, and dead paths."""

    files: tuple[Path, ...]
    passed_over: int
    missing: tuple[str, ...]


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
    """The source's files, sorted, each once however many names and links lead to it.

    A file that is named or matched by a glob is always among them, to be read or refused. In a folder those with the
    suffix of a recording are, hidden ones apart; the rest are counted. A path that leads to nothing is missing.
    """
    offered: list[Path] = []
    missing: list[str] = []
    passed_over = 0
    for path in source.paths:
        if _is_folder(path):
            inside = list(_walked(path, missing))
            read = [file for file in inside if file.suffix.lower() in KNOWN_SUFFIXES]
            passed_over += len(inside) - len(read)
        elif os.path.lexists(path):
            read = [Path(path)]
        else:
            read = [Path(match) for match in glob.iglob(path, recursive=True) if not _is_folder(match)]
            missing += [] if read else [path]
        offered += read
    by_content = {os.path.realpath(file): file for file in sorted(offered, reverse=True)}
    return FoundFiles(tuple(sorted(by_content.values())), passed_over, tuple(missing))


def _walked(folder: str, missing: list[str]) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, onerror=lambda error: missing.append(str(error.filename))):
        recordings = [name for name in folders if _has_known_suffix(name)]
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or name in recordings))
        yield from (Path(parent, name) for name in files + recordings if not name.startswith("."))


def _is_folder(path: str) -> bool:
    # A folder called session.nwb is a recording in a form that no reader knows, to be refused by its name.
    return os.path.isdir(path) and not _has_known_suffix(path)


def _has_known_suffix(path: str) -> bool:
    return Path(path).suffix.lower() in KNOWN_SUFFIXES


def _absolute(path: str, folder: Path) -> str:
    return os.path.abspath(folder / os.path.expanduser(path))


def _name_of(given: str) -> str:
    if os.path.lexists(given) or not glob.has_magic(given):
        path = Path(os.path.abspath(given))
        name = path.name if _is_folder(given) else path.stem
    else:
        plain = given
        while glob.has_magic(plain):
            plain = os.path.dirname(plain)
        name = os.path.basename(os.path.abspath(plain))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:80].strip("-") or "recordings"


def _in_words(error: ValidationError) -> Iterator[str]:
    for one in error.errors():
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"]).lstrip(".")
        yield f"{where or 'the file'}: {one['msg']}"
