"""Reader of the movement format: frame, one column per neuron, and a label 0 none, 1 contralateral, 2 ipsilateral."""

import zipfile
from pathlib import Path

from pydantic import Field

from storage.readers.about import About, about_of, native_id
from storage.readers.given import Given
from storage.readers.lab.lab_description import MovementDescription
from storage.readers.lab.lab_entries import Signal
from storage.readers.lab.lab_session import lab_recording
from storage.readers.lab.movement_table import ARRAYS, movement_columns
from storage.readers.recording import Recording

NAME = "movement"
VERSION = 1
KNOWS = "frame, a column for each neuron, and a movement label as last column: CSV, or npz"
FORM = "file"
SUFFIXES = (".csv", ".npz")


class AboutMovement(About):
    """What the owner says of a movement table that has no YAML beside it."""

    signal: Signal = Field(default="dff", description="what was measured of the neurons")


def recognises(path: Path) -> bool:
    """Whether its first line is frame, ..., label, or it is a npz of frame, neurons and label. Raises OSError."""
    if path.suffix.lower() == ".npz":
        try:
            with zipfile.ZipFile(path) as archive:
                return {f"{name}.npy" for name in ARRAYS} <= set(archive.namelist())
        # Python's zipfile raises a RuntimeError for an archive of a later version of the format than it reads.
        except (zipfile.BadZipFile, RuntimeError, ValueError):
            return False
    separators = {".csv": ",", ".tsv": "\t", ".txt": ""}
    suffix = path.suffix.lower()
    return suffix in separators and bool(movement_columns(path, separators[suffix]))


def read(given: Given) -> Recording:
    """One session: the neurons as dF/F unless the owner says otherwise, and the label of each frame.

    It is called as the owner says, else by subject and start, else as the file. Raises Refused without a rate, which
    the format has no place for.
    """
    about = about_of(given, AboutMovement)
    if about.rate_hz is None:
        expected = (
            f"`rate_hz:` in {given.path.stem}.yaml beside it (`format: movement`), or in `about:` of sources.yaml"
        )
        raise given.refused(
            field="rate_hz", found="rate_hz unknown: the file has frame numbers only", expected=expected
        )
    description = MovementDescription(format="movement", **about.model_dump(exclude_unset=True))
    return lab_recording(given, description, {"file": given.path}, description.native or native_id(given.path))
