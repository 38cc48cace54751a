"""What a night has to do: files not met before, sessions without responses, projects without an up-to-date study.

A study's id is a fingerprint of everything that decides its rows, so what is due is whatever has no row yet; a
night that was killed is finished by the next one, and a night with nothing new does nothing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.content_hash import HashCache
from storage.lake import Lake
from storage.readers.choose import KNOWN_FORMATS, READERS, parts_of, reader_named
from storage.readers.parts import recording_sha256, require_fit, uri_of
from storage.sources import Found, Source, found_files

_SHOWN = 10  # names listed in an error


@dataclass(frozen=True)
class NewFile:
    """A recording to read: for which project, by which reader (None: by content), its file or folder.

    ``root`` is the folder it was found in, which links may not lead out of; ``about`` is JSON of what sources.yaml
    says of it.
    """

    project: str
    reader: str | None
    path: str
    root: str | None = None
    about: str | None = None


@dataclass(frozen=True)
class Search:
    """What a look through the sources found: new files, files known already, and what it did not offer to a reader."""

    new: tuple[NewFile, ...]
    known_count: int
    passed_over_count: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """Which sessions take part; None and empty choices leave it open."""

    project: str | None = None
    cre_lines: tuple[str, ...] = ()
    session_ids: tuple[str, ...] = ()

    def takes(self, session: Mapping) -> bool:
        """Whether a row of `session_inputs` takes part."""
        return (
            self.project in (None, session["project"])
            and (not self.cre_lines or session["cre_line"] in self.cre_lines)
            and (not self.session_ids or session["session_id"] in self.session_ids)
        )


EVERYTHING = Selection()


class NothingChosen(ValueError):
    """A choice names a project, driver line or session that the lake hasn't."""


def require_known(lake: Lake, chosen: Selection) -> None:
    """Raise NothingChosen for what the choice names and the lake hasn't, listing what it has."""
    rows = [row for row in lake.answer("session_inputs").iter_rows(named=True)]
    for field, wanted in (
        ("project", () if chosen.project is None else (chosen.project,)),
        ("cre_line", chosen.cre_lines),
        ("session_id", chosen.session_ids),
    ):
        there = sorted({row[field] for row in rows if row[field] is not None})
        if unknown := sorted(set(wanted) - set(there)):
            shown = ", ".join(there[:_SHOWN]) + (f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else "")
            place = f"project {chosen.project!r}" if field != "project" else "the lake"
            raise NothingChosen(f"{place} has no {field} {', '.join(map(repr, unknown))}; it has {shown or 'none yet'}")
        rows = [row for row in rows if not wanted or row[field] in wanted]


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
    """Recordings whose content the lake has not met, or met with an older version of their reader.

    The same content under two names is read once.
    """
    known = lake.answer("known_contents")
    met = {(row["content_sha256"], row["reader"], row["reader_version"]) for row in known.iter_rows(named=True)}
    unreadable = {row["source_uri"] for row in known.iter_rows(named=True) if row["content_sha256"] is None}
    hashes = HashCache(lake.settings.cache_folder)
    new: dict[str, NewFile] = {}
    contents: set[str] = set()
    known_count, passed_over_count, missing = 0, 0, []
    for source in sources:
        search = found_files(source)
        passed_over_count += search.passed_over
        missing += search.missing
        for found in search.recordings:
            content = _content(found, source, hashes)
            if content is None:
                is_known = uri_of(found.path) in unreadable
            else:
                is_known = content in contents or any((content, *reader) in met for reader in _as_of_now(source))
                contents.add(content)
            if is_known:
                known_count += 1
            else:
                about = json.dumps(source.about, sort_keys=True, default=str) if source.about else None
                root = str(found.root) if found.root else None
                file = NewFile(source.name, source.reader or found.reader, str(found.path), root, about)
                new.setdefault(str(found.path), file)
    return Search(tuple(new.values()), known_count, passed_over_count, tuple(missing))


def responses_due(lake: Lake, protocol: str, recipe: str, chosen: Selection = EVERYTHING) -> list[SessionDue]:
    """Sessions with omissions and dF/F, whole or cut out, that no study of this recipe and protocol has measured."""
    done = set(lake.answer("study_ids")["study_id"])
    due = (
        SessionDue(row["project"], row["session_id"], row["content_sha256"], _responses_id(row, protocol, recipe))
        for row in _inputs(lake, chosen)
        if row["has_omissions"]
    )
    return [session for session in due if session.study_id not in done]


def studies_due(
    lake: Lake, protocol: str, responses_recipe: str, recipe: str, chosen: Selection = EVERYTHING
) -> list[StudyDue]:
    """Projects whose sessions' features no study of this recipe and protocol has concluded on."""
    done = set(lake.answer("study_ids")["study_id"])
    return [study for study in _studies(lake, protocol, responses_recipe, recipe, chosen) if study.study_id not in done]


def reports_due(
    lake: Lake,
    protocol: str,
    responses_recipe: str,
    recipe: str,
    chosen: Selection = EVERYTHING,
    again: bool = False,
) -> list[str]:
    """Studies that were concluded and whose report isn't in the reports folder; with ``again``, those too that are."""
    done = set(lake.answer("study_ids")["study_id"])
    concluded = [study.study_id for study in _studies(lake, protocol, responses_recipe, recipe, chosen)]
    there = lake.settings.reports_folder
    return [one for one in concluded if one in done and (again or not any(there.glob(f"*{one}.html")))]


def _studies(lake: Lake, protocol: str, responses_recipe: str, recipe: str, chosen: Selection) -> list[StudyDue]:
    """The study of each project on what the lake holds of it now."""
    inputs: dict[str, set[str]] = {}
    for row in _inputs(lake, chosen):
        measured = {_responses_id(row, protocol, responses_recipe)} if row["has_omissions"] else set()
        ready_made = {study for study in row["feature_studies"] if study.startswith("source:")}
        inputs.setdefault(row["project"], set()).update(measured | ready_made)
    by_project = ((project, tuple(sorted(studies))) for project, studies in inputs.items() if studies)
    return [
        StudyDue(project, f"omission-{fingerprint(project, protocol, recipe, *studies)}", studies)
        for project, studies in by_project
    ]


def _inputs(lake: Lake, chosen: Selection) -> list[dict]:
    return [row for row in lake.answer("session_inputs").iter_rows(named=True) if chosen.takes(row)]


def fingerprint(*parts: str) -> str:
    """Sixteen hex digits that any change of the parts changes."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _responses_id(session: dict, protocol: str, recipe: str) -> str:
    return f"responses-{fingerprint(session['session_id'], session['content_sha256'], protocol, recipe)}"


def _as_of_now(source: Source) -> list[tuple[str | None, int]]:
    """Every reader that may read the source's files, with its version; None stands for no reader knowing them."""
    named = [(r.NAME, r.VERSION) for r in READERS if source.reader in (None, r.NAME)]
    return [*named, (None, KNOWN_FORMATS)]


def _content(found: Found, source: Source, hashes: HashCache) -> str | None:
    """The recording's hash; None where it can't be had. Nothing is opened but to be hashed."""
    name = source.reader or found.reader
    try:
        parts = parts_of(found.path, reader_named(name) if name else None, source.about)
        require_fit(parts, found.root)
        return recording_sha256(found.path, parts, source.about, hashes.content_sha256)
    except OSError:
        return None
