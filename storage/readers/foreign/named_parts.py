"""The files of a recording that is a folder, found by what they are called."""

import fnmatch
from collections.abc import Collection, Mapping
from pathlib import Path

from storage.readers.recording import Refusal


def files_named(folder: Path, patterns: Mapping[str, str]) -> dict[str, list[Path]]:
    """The folder's files of each pattern, sorted, whatever their case; none of a folder that can't be listed."""
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file())
    except OSError:
        files = []
    return {
        part: [file for file in files if fnmatch.fnmatchcase(file.name.lower(), pattern)]
        for part, pattern in patterns.items()
    }


def one_of_each(
    folder: Path, patterns: Mapping[str, str], refused: Refusal, optional: Collection[str] = ()
) -> dict[str, Path]:
    """The one file of each pattern; those of ``optional`` may be absent. Raises what ``refused`` makes otherwise."""
    named = files_named(folder, patterns)
    for part, files in named.items():
        if len(files) > 1 or (not files and part not in optional):
            names = ", ".join(file.name for file in files) or "none"
            raise refused(field="folder", found=f"{names} for {patterns[part]}", expected="one file of each kind")
    return {part: files[0] for part, files in named.items() if files}
