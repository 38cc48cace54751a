"""Which sessions of the Allen Institute's collections a person wants, and which of a collection's table those are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.form import as_form

Row = Mapping[str, Any]
Advance = Callable[[int, int | None], None]  # bytes that are here, and of how many


class AllenChoice(BaseModel):
    """Which sessions are fetched. Criteria that are left empty leave every session in."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=as_form)

    cache: Annotated[
        Literal["visual_behavior", "neuropixels"],
        Field(
            description="'visual_behavior': Visual Behavior 2P, from S3; "
            "'neuropixels': Visual Coding Neuropixels, from the Institute's warehouse"
        ),
    ] = "visual_behavior"
    projects: Annotated[
        tuple[str, ...],
        Field(
            description="project codes; of neuropixels, session types",
            examples=[["VisualBehavior", "VisualBehaviorMultiscope"], ["brain_observatory_1.1"]],
        ),
    ] = ()
    cre_lines: Annotated[tuple[str, ...], Field(description="driver lines", examples=[["Vip-IRES-Cre"]])] = ()
    structures: Annotated[
        tuple[str, ...],
        Field(description="brain structures imaged or recorded in", examples=[["VISp", "LGd"]]),
    ] = ()
    session_ids: Annotated[
        tuple[int, ...],
        Field(
            description="visual_behavior: ophys experiments, or ophys sessions with all their planes; "
            "neuropixels: ecephys sessions",
            examples=[[951980471], [715093703]],
        ),
    ] = ()
    behavior: Annotated[
        Literal["any", "active", "passive"],
        Field(description="'active': the mouse did the task; 'passive': it was shown the same images"),
    ] = "any"
    experience_levels: Annotated[
        tuple[str, ...], Field(description="visual_behavior only", examples=[["Familiar", "Novel 1", "Novel >1"]])
    ] = ()
    max_sessions: Annotated[
        int | None, Field(ge=1, description="at most so many, those with the lowest ids", examples=[3])
    ] = None
    folder: Annotated[
        Path | None,
        Field(
            description="absolute path of the cache; by default allen/<cache> in NEUROLAKE_HOME",
            examples=["/data/allen/visual_behavior"],
        ),
    ] = None
    release: Annotated[
        str | None,
        Field(
            description="visual_behavior: release of the data; by default the folder's last one, or else the newest",
            examples=["1.1.0"],
        ),
    ] = None
    verify_all: Annotated[
        bool, Field(description="read every file that is here again, not only those that changed since it was verified")
    ] = False
    warehouse: Annotated[
        str, Field(description="neuropixels: address of the warehouse, or of a mirror", pattern=r"^https?://[^/]+/?$")
    ] = "http://api.brain-map.org"

    @model_validator(mode="after")
    def _fits_the_cache(self) -> "AllenChoice":
        if self.folder is not None and not self.folder.is_absolute():
            raise ValueError(f"folder must be an absolute path, got {str(self.folder)!r}")
        if self.cache == "neuropixels":
            if self.behavior == "active":
                raise ValueError("behavior: got 'active', but the mice of Visual Coding did no task; ask for 'passive'")
            if self.experience_levels or self.release:
                raise ValueError("experience_levels and release are of visual_behavior; leave them out of neuropixels")
        return self


@dataclass(frozen=True)
class AllenSession:
    """One session's file in a cache: its ids, what it is in words, its place, and whether it is known to be whole."""

    session_id: str
    file_id: str
    about: str
    folder: Path
    path: Path
    is_here: bool


@dataclass(frozen=True)
class FoundSessions:
    """Sessions that fit a choice, and what else a person should know of the collection."""

    sessions: tuple[AllenSession, ...]
    note: str | None = None


@dataclass(frozen=True)
class Fetched:
    """One session's file, whole: where it is, and whether it came now or was here already."""

    session_id: str
    path: Path
    bytes: int
    was_here: bool


@dataclass(frozen=True)
class Criterion:
    """One wish, the values asked for, and how to see a row's values (a row may have several)."""

    name: str
    wanted: Sequence[Any]
    values_of: Callable[[Row], Iterable[Any]]

    def fits(self, row: Row) -> bool:
        return not self.wanted or not set(self.wanted).isdisjoint(self.values_of(row))


def fitting(rows: Iterable[Row], criteria: Sequence[Criterion], *, what: str) -> list[Row]:
    """Rows that fit every criterion. Raises ValueError naming the values that exist when none does.

    A value that no row has at all is refused even where other values match: it is most likely misspelt.
    """
    rows = list(rows)
    for criterion in criteria:
        known = _values(rows, criterion)
        if strangers := [value for value in criterion.wanted if value not in known]:
            raise ValueError(f"{criterion.name}: no {what} has {_words(strangers)}; there are {_words(known)}")
    found = [row for row in rows if all(criterion.fits(row) for criterion in criteria)]
    if not found:
        raise ValueError(_why_none(rows, [one for one in criteria if one.wanted], what))
    return found


def _why_none(rows: list[Row], asked: Sequence[Criterion], what: str) -> str:
    lines = [f"no {what} fits all of it; of {len(rows)}"]
    for criterion in asked:
        others = [row for row in rows if all(one.fits(row) for one in asked if one is not criterion)]
        left = _words(_values(others, criterion)) if others else "none"
        alone = sum(criterion.fits(row) for row in rows)
        lines.append(f"{criterion.name} {_words(criterion.wanted)}: {alone} by itself; with the rest there are {left}")
    return "\n  ".join(lines)


def _values(rows: list[Row], criterion: Criterion) -> list[Any]:
    return sorted({value for row in rows for value in criterion.values_of(row)}, key=str)


def _words(values: Sequence[Any], most: int = 40) -> str:
    shown = ", ".join(str(value) for value in values[:most])
    return f"{shown}, ... ({len(values)} in all)" if len(values) > most else shown
