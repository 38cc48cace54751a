"""What the study of response types has to do: sessions without fits, projects without a study, studies to be shown."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from storage.due import EVERYTHING, Selection, fingerprint
from storage.lake import Lake


@dataclass(frozen=True)
class FitDue:
    """A session whose ROIs are to be fitted under a protocol, and the id that the rows will carry."""

    project: str
    session_id: str
    content_sha256: str
    protocol: str
    study_id: str


@dataclass(frozen=True)
class TypesDue:
    """A project to be concluded on, from the fits of these studies."""

    project: str
    study_id: str
    fit_studies: tuple[str, ...]


def fits_due(lake: Lake, recipes: Mapping[str, str], chosen: Selection = EVERYTHING) -> list[FitDue]:
    """Sessions that no study of these recipes, one for each protocol, has fitted or found unfit."""
    done = set(lake.answer("study_ids")["study_id"])
    return [one for one in _fits(lake, recipes, chosen) if one.study_id not in done]


def types_due(
    lake: Lake, protocol: str, recipes: Mapping[str, str], recipe: str, chosen: Selection = EVERYTHING
) -> list[TypesDue]:
    """Projects whose sessions' fits no study of this recipe and protocol has concluded on."""
    done = set(lake.answer("study_ids")["study_id"])
    return [one for one in _studies(lake, done, protocol, recipes, recipe, chosen) if one.study_id not in done]


def types_concluded(
    lake: Lake, protocol: str, recipes: Mapping[str, str], recipe: str, chosen: Selection = EVERYTHING
) -> list[str]:
    """Studies of this recipe and protocol, on what the lake holds now, that are in it."""
    done = set(lake.answer("study_ids")["study_id"])
    studies = _studies(lake, done, protocol, recipes, recipe, chosen)
    return [one.study_id for one in studies if one.study_id in done]


def _fits(lake: Lake, recipes: Mapping[str, str], chosen: Selection) -> list[FitDue]:
    """Every session under every protocol, session by session."""
    sessions = [row for row in lake.answer("session_inputs").iter_rows(named=True) if chosen.takes(row)]
    return [
        FitDue(
            row["project"],
            row["session_id"],
            row["content_sha256"],
            protocol,
            f"regressors-{fingerprint(row['session_id'], row['content_sha256'], protocol, recipe)}",
        )
        for row in sessions
        for protocol, recipe in recipes.items()
    ]


def _studies(
    lake: Lake, done: Set[str], protocol: str, recipes: Mapping[str, str], recipe: str, chosen: Selection
) -> list[TypesDue]:
    """The study of each project on the fits that are done: one whose fit failed is in the next study.

    Where no project is chosen, those without a ROI to fit are passed over.
    """
    passed_over = set()
    if chosen.project is None:
        passed_over = {one.project for one in _fits(lake, recipes, chosen)} - set(
            lake.answer("projects_with_rois")["project"]
        )
    fits: dict[str, list[str]] = {}
    for one in _fits(lake, recipes, chosen):
        if one.study_id in done and one.project not in passed_over:
            fits.setdefault(one.project, []).append(one.study_id)
    return [
        TypesDue(project, f"types-{fingerprint(project, protocol, recipe, *sorted(studies))}", tuple(sorted(studies)))
        for project, studies in fits.items()
    ]
