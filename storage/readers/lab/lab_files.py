"""Reader of a lab's own files, described by a few lines of YAML beside them, or by `about:` in sources.yaml.

The description says which file holds what: `lab_description`. The path of such a recording is the YAML; with `about:`
it is the data file, or the folder in which the named files lie.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.readers.about import native_id
from storage.readers.given import Given
from storage.readers.lab.lab_description import FORMATS, LabDescription
from storage.readers.lab.lab_said import described
from storage.readers.lab.lab_session import lab_recording
from storage.readers.lab.lab_yaml import MOST_BYTES, yaml_mapping
from storage.readers.recording import Recording, Refusal, Refused

NAME = "lab_files"
VERSION = 1
KNOWS = "a lab's own matrices, movement tables and MATLAB files, described in a YAML beside them"
FORM = "files"
SUFFIXES: tuple[str, ...] = ()

_YAML = (".yaml", ".yml")
# Data files that a description without a file name means: the one beside it that is called as it is.
_BESIDE = {
    "matrix": (".csv", ".tsv", ".txt", ".npy"),
    "movement": (".csv", ".tsv", ".txt", ".npz"),
    "mat": (".mat",),
}
_OUR_FORMAT = re.compile(
    rf"^(?:\{{\s*)?[\"']?format[\"']?\s*:\s*[\"']?(?:{'|'.join(FORMATS)})[\"']?\s*(?:[#,}}].*)?$", re.M
)
_ANY_FORMAT = re.compile(r"^[\"']?format[\"']?\s*:", re.M)
_OUR_KEYS = re.compile(r"^[\"']?(?:orientation|matrix|matrices|rate_hz|signal|timestamps|variables)[\"']?\s*:", re.M)


def recognises(path: Path) -> bool:
    """Whether it is a small .yaml whose `format:` is ours, or misspelled beside our other keys. Raises OSError."""
    if path.suffix.lower() not in _YAML or not path.is_file() or path.stat().st_size > MOST_BYTES:
        return False
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    return bool(_OUR_FORMAT.search(text) or (_ANY_FORMAT.search(text) and _OUR_KEYS.search(text)))


def parts(path: Path, about: Mapping[str, Any] | None = None) -> list[Path]:
    """The YAML and the files that it names, those that are there.

    Where it is wrong: those beside it whose names stand in it or begin as its own, so that a description that can't be
    read doesn't leave its files behind as files that nobody knows.
    """
    itself = [path] if path.is_file() and (about is None or path.suffix.lower() in _YAML) else []
    try:
        said = _said(path, about, _NotSaid)
        return sorted({*itself, *(file for file in said.files.values() if file.is_file())})
    except Exception:  # whatever is wrong with it, `read` says what
        return sorted({*itself, *_mentioned(path)}) if itself else []


def read(given: Given) -> Recording:
    """One session: cells with their signals, frames, and what the description tells of events, trials, the animal.

    It is called as the description says, else by subject and start, else as the YAML or data file. Raises Refused for
    a description that is wrong, with key and line, and for whatever is wrong in one of the files.
    """

    def unsaid(*, field: str, found: str, expected: str) -> Refused:
        where = field if given.path.suffix.lower() in _YAML else f"about.{field}"
        return given.refused(field=where, found=found, expected=expected)

    said = _said(given.path, given.about, unsaid)
    for key, file in said.files.items():
        if not file.is_file():
            raise unsaid(field=key, found=f"no file {said.shown(file)}", expected=f"a file in {said.folder.name}")
    return lab_recording(given, said.description, said.files, said.native)


class _NotSaid(Exception):
    def __init__(self, *, field: str, found: str, expected: str) -> None:
        super().__init__(field, found, expected)


def _mentioned(path: Path) -> list[Path]:
    with path.open("rb") as file:
        text = file.read(MOST_BYTES).decode("utf-8-sig", errors="replace")
    beside = (file for file in path.parent.iterdir() if file.is_file() and file.suffix.lower() not in _YAML)
    return [file for file in beside if file.name in text or file.name.startswith(f"{path.stem}.")]


@dataclass(frozen=True)
class _Said:
    description: LabDescription
    folder: Path
    files: dict[str, Path]
    native: str

    def shown(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()


def _said(path: Path, about: Mapping[str, Any] | None, refused: Refusal) -> _Said:
    mapping, lines = dict(about or {}), {}
    is_yaml = path.suffix.lower() in _YAML and path.is_file()
    if is_yaml:
        written, lines = yaml_mapping(path, refused)
        if both := sorted(key for key in written if key in mapping and str(mapping[key]) != str(written[key])):
            found = f"{', '.join(both)}: one thing in the file, another in sources.yaml"
            raise refused(field=both[0], found=found, expected="each key once")
        mapping |= written
    description = described(mapping, lines, refused)
    folder = path if path.is_dir() else path.parent
    files = {key: folder / name for key, name in description.files()}
    if (key := description.unnamed_file) is not None:
        files[key] = path if path.is_file() and not is_yaml else _beside(path, key, description, refused)
    return _Said(description, folder, files, description.native or native_id(path))


def _beside(path: Path, key: str, description: LabDescription, refused: Refusal) -> Path:
    suffixes = _BESIDE[description.format]
    if path.is_dir():
        raise refused(field=key, found=f"no key {key}", expected="the file of that folder")
    there = [file for suffix in suffixes if (file := path.with_suffix(suffix)).is_file()]
    if len(there) != 1:
        found = f"{', '.join(file.name for file in there) or f'no {path.stem}.*'} beside {path.name}"
        raise refused(field=key, found=found, expected=f"one of {', '.join(suffixes)}, or the key {key}")
    return there[0]
