"""Hand what was fetched to the main environment: a sources.yaml that names the files and their readers."""

import glob
import os
from pathlib import Path

import yaml

_HEADER = """\
# Written by fetch_allen, which keeps the entries allen_vb and allen_vc_neuropixels up to date and leaves others alone.
# Into the lake: make nightly SOURCES={file}
"""


def name_source(file: Path, name: str, reader: str, places: set[tuple[Path, str]]) -> None:
    """Write or replace one entry of the yaml: the files of each folder and pattern, to be read by this reader.

    Folders below the yaml's own are relative to it, so that all of it can be moved. Raises ValueError when the yaml
    is there and isn't one of sources.
    """
    paths = sorted(f"{glob.escape(_relative(folder, file.parent))}/{pattern}" for folder, pattern in places)
    others = [one for one in _entries(file) if one.get("name") != name]
    listed = sorted([*others, {"name": name, "paths": paths, "reader": reader}], key=lambda one: str(one.get("name")))
    text = _HEADER.format(file=file) + yaml.safe_dump({"sources": listed}, sort_keys=False, allow_unicode=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_name(file.name + ".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(file)


def _entries(file: Path) -> list[dict]:
    if not file.exists():
        return []
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    entries = content.get("sources") if isinstance(content, dict) else None
    if not (isinstance(entries, list) and all(isinstance(one, dict) for one in entries)):
        raise ValueError(f"{file} holds no list of sources; move it away, and it is written anew")
    return entries


def _relative(folder: Path, start: Path) -> str:
    folder, start = Path(os.path.realpath(folder)), Path(os.path.realpath(start))
    return folder.relative_to(start).as_posix() if folder.is_relative_to(start) else folder.as_posix()
