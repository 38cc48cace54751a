"""What the study of image coding has to do: sessions to be measured, modelled and imaged, projects to conclude on."""

from collections.abc import Mapping
from dataclasses import dataclass

from storage.due import EVERYTHING, Selection, fingerprint
from storage.lake import Lake


@dataclass(frozen=True)
class CodingRecipes:
    """Names of what each part of the study is computed by; those of ``training`` and ``inputs`` by protocol."""

    responses: str
    training: Mapping[str, str]
    inputs: Mapping[str, str]
    study: str


@dataclass(frozen=True)
class PartDue:
    """A part of the study of one session under a protocol, with the ids of its rows and of the parts that it reads.

    ``responses_study`` is its own id where its responses are due, ``training_study`` where its models are.
    """

    project: str
    session_id: str
    content_sha256: str
    protocol: str
    study_id: str
    responses_study: str
    training_study: str


@dataclass(frozen=True)
class CodingDue:
    """A project to be concluded on, from these parts' studies."""

    project: str
    study_id: str
    part_studies: tuple[str, ...]


def image_responses_due(lake: Lake, recipes: CodingRecipes, chosen: Selection = EVERYTHING) -> list[PartDue]:
    """Sessions whose responses to images no study of this recipe has measured or found missing.

    They are the same under both protocols: their study stands under 'rigorous'.
    """
    done = _done(lake)
    first = [one[0] for one in _parts(lake, recipes, chosen) if one[0].protocol == "rigorous"]
    return [one for one in first if one.study_id not in done]


def training_due(lake: Lake, recipes: CodingRecipes, chosen: Selection = EVERYTHING) -> list[PartDue]:
    """Sessions and protocols whose responses were measured, and that no study of these recipes has modelled."""
    done = _done(lake)
    return [
        training
        for responses, training, _ in _parts(lake, recipes, chosen)
        if done.get(responses.study_id) and training.study_id not in done
    ]


def inputs_due(lake: Lake, recipes: CodingRecipes, chosen: Selection = EVERYTHING) -> list[PartDue]:
    """Sessions and protocols that were modelled, and whose exciting inputs no study of these recipes has made."""
    done = _done(lake)
    return [
        inputs
        for _, training, inputs in _parts(lake, recipes, chosen)
        if done.get(training.study_id) and inputs.study_id not in done
    ]


def coding_due(lake: Lake, protocol: str, recipes: CodingRecipes, chosen: Selection = EVERYTHING) -> list[CodingDue]:
    """Projects whose sessions' parts no study of this recipe and protocol has concluded on."""
    done = _done(lake)
    return [one for one in _studies(lake, done, protocol, recipes, chosen) if one.study_id not in done]


def coding_concluded(lake: Lake, protocol: str, recipes: CodingRecipes, chosen: Selection = EVERYTHING) -> list[str]:
    """Studies of this recipe and protocol, on what the lake holds now, that are in it."""
    done = _done(lake)
    return [one.study_id for one in _studies(lake, done, protocol, recipes, chosen) if one.study_id in done]


def _done(lake: Lake) -> dict[str, bool]:
    """Studies that are in the lake, and whether they have rows that others can be computed from."""
    return dict(lake.answer("coding_parts_done").rows())


def _parts(lake: Lake, recipes: CodingRecipes, chosen: Selection) -> list[tuple[PartDue, PartDue, PartDue]]:
    """Responses, models and inputs of every session under every protocol, session by session.

    A project that is named has all of its sessions, so that those which don't fit are named with their reason; without
    one, those that showed images and have spikes.
    """
    sessions = [row for row in lake.answer("session_inputs").iter_rows(named=True) if chosen.takes(row)]
    if chosen.project is None:
        fitting = set(lake.answer("image_session_ids")["session_id"])
        sessions = [row for row in sessions if row["session_id"] in fitting]
    return [_of_session(row, protocol, recipes) for row in sessions for protocol in recipes.training]


def _of_session(row: Mapping, protocol: str, recipes: CodingRecipes) -> tuple[PartDue, PartDue, PartDue]:
    content = (row["session_id"], row["content_sha256"])
    responses = f"imageresponses-{fingerprint(*content, recipes.responses)}"
    training = f"encoding-{fingerprint(*content, protocol, recipes.training[protocol])}"
    inputs = f"inputs-{fingerprint(*content, protocol, recipes.inputs[protocol])}"
    return tuple(
        PartDue(row["project"], *content, protocol, study_id, responses, training)
        for study_id in (responses, training, inputs)
    )


def _studies(
    lake: Lake, done: Mapping[str, bool], protocol: str, recipes: CodingRecipes, chosen: Selection
) -> list[CodingDue]:
    """The study of each project on the parts that are done: one whose part failed is in the next study."""
    parts: dict[str, set[str]] = {}
    for of_session in _parts(lake, recipes, chosen):
        for part in of_session:
            if part.study_id in done:
                parts.setdefault(part.project, set()).add(part.study_id)
    return [
        CodingDue(project, f"imagecoding-{fingerprint(project, protocol, recipes.study, *sorted(studies))}",
                  tuple(sorted(studies)))
        for project, studies in parts.items()
    ]  # fmt: skip
