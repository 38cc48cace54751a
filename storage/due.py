"""What a night has to do: files not met before, sessions without responses, projects without an up-to-date study.

A study's id is a fingerprint of everything that decides its rows, so what is due is whatever has no row yet; a
night that was killed is finished by the next one, and a night with nothing new does nothing.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from storage.content_hash import HashCache
from storage.lake import Lake
from storage.readers.choose import reader_for
from storage.sources import Source, found_files


@dataclass(frozen=True)
class NewFile:
    """A file to read: for which project, by which reader (None: by content), and its path."""

    project: str
    reader: str | None
    path: str


@dataclass(frozen=True)
class Search:
    """What a look through the sources found: new files, files known already, and what it did not offer to a reader."""

    new: tuple[NewFile, ...]
    known_count: int
    passed_over_count: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class SessionDue:
    """A session whose event-locked responses are to be measured, and the id they will carry."""

    project: str
    session_id: str
    content_sha256: str
    study_id: str


@dataclass(frozen=True)
class StudyDue:
    """A project to be concluded on, from the features of these studies."""

    project: str
    study_id: str
    feature_studies: tuple[str, ...]


def new_files(lake: Lake, sources: Sequence[Source]) -> Search:
    """Files whose content the lake has not met, or met with an older version of their reader."""
    known = lake.answer("known_contents")
    versions = {(row["content_sha256"], row["reader"], row["reader_version"]) for row in known.iter_rows(named=True)}
    unreadable = {row["source_uri"] for row in known.iter_rows(named=True) if row["content_sha256"] is None}
    hashes = HashCache(lake.settings.cache_folder)
    new: dict[str, NewFile] = {}
    known_count, passed_over_count, missing = 0, 0, []
    for source in sources:
        found = found_files(source)
        passed_over_count += found.passed_over
        missing += found.missing
        for path in found.files:
            if _is_known(path, source, hashes, versions, unreadable):
                known_count += 1
            else:
                new.setdefault(str(path), NewFile(source.name, source.reader, str(path)))
    return Search(tuple(new.values()), known_count, passed_over_count, tuple(missing))


def responses_due(lake: Lake, protocol: str, recipe: str) -> list[SessionDue]:
    """Sessions with traces that no study of this recipe and protocol has measured."""
    done = set(lake.answer("study_ids")["study_id"])
    due = (
        SessionDue(row["project"], row["session_id"], row["content_sha256"], _responses_id(row, protocol, recipe))
        for row in lake.answer("session_inputs").iter_rows(named=True)
        if row["has_traces"]
    )
    return [session for session in due if session.study_id not in done]


def studies_due(lake: Lake, protocol: str, responses_recipe: str, recipe: str) -> list[StudyDue]:
    """Projects whose sessions' features no study of this recipe and protocol has concluded on."""
    done = set(lake.answer("study_ids")["study_id"])
    inputs: dict[str, set[str]] = {}
    for row in lake.answer("session_inputs").iter_rows(named=True):
        measured = {_responses_id(row, protocol, responses_recipe)} if row["has_traces"] else set()
        ready_made = {study for study in row["feature_studies"] if study.startswith("source:")}
        inputs.setdefault(row["project"], set()).update(measured | ready_made)
    due = (
        StudyDue(project, f"omission-{fingerprint(project, protocol, recipe, *studies)}", studies)
        for project, studies in ((project, tuple(sorted(studies))) for project, studies in inputs.items())
        if studies
    )
    return [study for study in due if study.study_id not in done]


def reports_due(lake: Lake, protocol: str) -> list[str]:
    """Newest study of each project under this protocol, where its report isn't in the reports folder."""
    studies = lake.answer("study_ids").filter(pl.col("kind") == "omission", pl.col("protocol") == protocol)
    newest = studies.group_by("project", maintain_order=True).last()["study_id"]
    return [study for study in newest if not any(lake.settings.reports_folder.glob(f"*{study}.html"))]


def fingerprint(*parts: str) -> str:
    """Sixteen hex digits that any change of the parts changes."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _responses_id(session: dict, protocol: str, recipe: str) -> str:
    return f"responses-{fingerprint(session['session_id'], session['content_sha256'], protocol, recipe)}"


def _is_known(path: Path, source: Source, hashes: HashCache, versions: set, unreadable: set[str]) -> bool:
    try:
        content = hashes.content_sha256(path)
        reader = reader_for(path, source.reader)
    except OSError:
        return str(path) in unreadable
    return (content, reader and reader.NAME, reader and reader.VERSION) in versions
