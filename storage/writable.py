"""Whether a lake's folders can be written to, asked before anything is begun in them."""

import os
from pathlib import Path

from storage.settings import Settings


class LakeNotWritable(PermissionError):
    """The lake lies where nothing can be written; the message names the setting that says where it lies."""


def require_writable(settings: Settings) -> None:
    """Make the folders of the lake that aren't there. Raises LakeNotWritable when a writer couldn't work in them."""
    if settings.catalog == "sqlite":
        _require(settings.catalog_file.parent, "NEUROLAKE_HOME")
        for file in (settings.catalog_file, settings.write_lock_file):
            if file.exists() and not os.access(file, os.R_OK | os.W_OK):
                raise _refusal(file, "NEUROLAKE_HOME")
    if not settings.data_on_s3:
        _require(settings.data_folder, "NEUROLAKE_DATA" if settings.data else "NEUROLAKE_HOME")


def _require(folder: Path, setting: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refusal(folder, setting, str(error.strerror)) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _refusal(folder, setting)


def _refusal(path: Path, setting: str, why: str = "no permission, or a read-only disk") -> LakeNotWritable:
    return LakeNotWritable(
        f"{path} is not writable ({why}); {setting} says where the lake is. Reading it works "
        "(make sql, storage.ask); to write, use a folder of your own or ask who owns this one"
    )
