"""The Allen Institute's collections that can be fetched: how each is searched and fetched, and who reads its files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prefect import Task

from storage.settings import Settings
from tasks.allen_choice import AllenChoice
from tasks.allen_sources import name_source
from tasks.fetch_neuropixels import fetch_session, find_sessions
from tasks.fetch_visual_behavior import fetch_experiment, find_experiments


@dataclass(frozen=True)
class Collection:
    """Tasks that find and fetch sessions, the source and reader of their files, and where a file's kind lies."""

    find: Task
    fetch: Task
    source: str
    reader: str
    place_of: Callable[[Path], tuple[Path, str]]


COLLECTIONS = {
    "visual_behavior": Collection(
        find=find_experiments,
        fetch=fetch_experiment,
        source="allen_vb",
        reader="allen_visual_behavior",
        place_of=lambda file: (file.parent, "*.nwb"),
    ),
    "neuropixels": Collection(
        find=find_sessions,
        fetch=fetch_session,
        source="allen_vc_neuropixels",
        reader="allen_neuropixels",
        # Not *.nwb: the SDK puts probes' LFP files beside a session's.
        place_of=lambda file: (file.parents[1], "session_*/session_*.nwb"),
    ),
}


def folder_of(choice: AllenChoice, settings: Settings) -> Path:
    """The choice's folder, or the one of its cache in NEUROLAKE_HOME."""
    return choice.folder or settings.home / "allen" / choice.cache


def hand_over(choice: AllenChoice, files: list[Path], settings: Settings) -> Path | None:
    """Name the files in <home>/allen/sources.yaml, and return its path; None when there are no files."""
    if not files:
        return None
    collection, file = COLLECTIONS[choice.cache], settings.home / "allen" / "sources.yaml"
    name_source(file, collection.source, collection.reader, {collection.place_of(path) for path in files})
    return file
