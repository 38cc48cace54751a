"""What excites a session's units through their network: most exciting inputs and all that is held against them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.ascent_starts import (
    FLAT,
    StartComparison,
    Starts,
    compare_starts,
    flat_start,
    noise_starts,
    uniform_noise_starts,
)
from models.best_gabor import BestGabors, GaborSearch, PhaseTuning, best_gabors, norm_of, phase_tuning
from models.diverse_inputs import DiverseInputs, diverse_inputs
from models.exciting_inputs import (
    Ascent,
    ExcitingInputs,
    exciting_inputs,
    inhibiting,
    rigorous_ascent,
    seed_agreement,
)
from models.gabors import (
    PredictionMatch,
    Screen,
    TopGabors,
    mean_of_top,
    predicted_against_measured,
    session_gabors,
    session_gratings,
    source_gabors,
)
from models.input_comparison import SecondOpinion, second_opinion
from models.published_ascent import published_ascent
from models.shown_images import drift_response, predicted_responses, response_of_own
from tasks.image_coding_recipe import CodingRecipe
from tasks.image_sessions import Patterns

GREY = 0.5
_DRIFT_PHASES = 8
_LEAST_NORM = 1e-3  # of an image without contrast, whose Gabor would have none


@dataclass(frozen=True, eq=False)
class SessionInputs:
    """What was found for each of ``units`` (n_units,), outputs of the network; images are 0 black to 1 white.

    ``natural`` (n_units,) is the highest response to any of the session's images, ``blank`` (n_units,) to plain grey;
    ``top_gabors`` (n_units, height, width) and ``predicted_patterns`` (n_units, n_patterns) are None where the session
    showed no Gabors or nothing is known of how they looked, ``second`` where one network was trained, and the rest
    under 'published', whose source made none of them. ``notes`` say what is missing.
    """

    units: NDArray[np.int64]
    exciting: ExcitingInputs
    agreement: NDArray[np.float64]
    blank: NDArray[np.float64]
    natural: NDArray[np.float64]
    top_gabors: NDArray[np.float32] | None
    top_gabors_response: NDArray[np.float64] | None
    predicted_patterns: NDArray[np.float64] | None
    pattern_match: PredictionMatch | None
    other_starts: tuple[ExcitingInputs, ...] = ()
    starts_compared: StartComparison | None = None
    inhibiting: ExcitingInputs | None = None
    diverse: DiverseInputs | None = None
    best_gabor: BestGabors | None = None
    phase: PhaseTuning | None = None
    second: ExcitingInputs | None = None
    opinion: SecondOpinion | None = None
    notes: tuple[str, ...] = ()


def published_inputs(
    model: nn.Module,
    units: NDArray[np.int64],  # (n_units,), outputs of the network
    images: NDArray[np.float32],  # (n_images, height, width), that it learned from, 0 to 1
    patterns: Patterns | None,
    counts: NDArray[np.float64] | None,  # (n_units, n_patterns), mean counts of these units
    recipe: CodingRecipe,
) -> SessionInputs:
    """As the source: an ascent from one image of noise, and the mean of the three Gabors that a unit fired most for.

    Raises ValueError as `models.exciting_inputs.exciting_inputs`.
    """
    starts = uniform_noise_starts(images.shape[1:], range(recipe.starts("published")))
    found = exciting_inputs(model, units, published_ascent(images, recipe.steps("published")), starts)
    notes: list[str] = []
    return SessionInputs(
        units=units,
        exciting=found,
        agreement=_agreement(found),
        **_responses(model, units, images, patterns, counts, "published", recipe, notes),
        notes=tuple(notes),
    )


def rigorous_inputs(
    model: nn.Module,
    second: nn.Module | None,
    units: NDArray[np.int64],  # (n_units,), outputs of the network
    images: NDArray[np.float32],  # (n_images, height, width), that it learned from, 0 to 1
    patterns: Patterns | None,
    counts: NDArray[np.float64] | None,  # (n_units, n_patterns), mean counts of these units
    recipe: CodingRecipe,
) -> SessionInputs:
    """Climb from noise and from flat grey, downwards too, and search Gabors; the same for all units at once.

    ``second`` is a network that was trained independently. Raises ValueError as
    `models.exciting_inputs.exciting_inputs`.
    """
    shape = images.shape[1:]
    ascent = rigorous_ascent(images, recipe.steps("rigorous"), recipe.radius_px)
    starts = noise_starts(shape, range(recipe.starts("rigorous")))
    one_start = Starts(starts.images[:1], starts.seed[:1], starts.name)
    found = exciting_inputs(model, units, ascent, starts)
    flat = tuple(exciting_inputs(model, units, ascent, flat_start(shape, grey)) for grey in FLAT)
    best = found.best_images
    norm = np.maximum(norm_of(best, GREY), _LEAST_NORM)
    gabor = best_gabors(model, units, shape, norm, GaborSearch(grid_px=recipe.gabor_grid_px), GREY)
    theirs = None if second is None else exciting_inputs(second, units, ascent, one_start)
    notes: list[str] = []
    return SessionInputs(
        units=units,
        exciting=found,
        agreement=_agreement(found),
        **_responses(model, units, images, patterns, counts, "rigorous", recipe, notes),
        other_starts=flat,
        starts_compared=compare_starts([found, *flat]),
        inhibiting=exciting_inputs(model, units, inhibiting(ascent), one_start),
        diverse=_diverse(model, found, ascent, recipe, notes),
        best_gabor=gabor,
        phase=phase_tuning(model, units, gabor.gabor, shape, norm, GREY),
        second=theirs,
        opinion=None if theirs is None else second_opinion(second, units, best, theirs.best_images, images, GREY),
        notes=tuple(notes),
    )


def _agreement(found: ExcitingInputs) -> NDArray[np.float64]:
    return seed_agreement(found.images) if found.images.shape[1] > 1 else np.full(len(found.unit), np.nan)


def _responses(
    model: nn.Module,
    units: NDArray[np.int64],
    images: NDArray[np.float32],
    patterns: Patterns | None,
    counts: NDArray[np.float64] | None,
    protocol: str,
    recipe: CodingRecipe,
    notes: list[str],
) -> dict:
    """To plain grey, to the session's images, and to its Gabors."""
    shape = images.shape[1:]
    predicted, match = _patterns_predicted(model, units, patterns, counts, shape, recipe, notes)
    top = _top_gabors(patterns, counts, shape, protocol, recipe, notes)
    return {
        "blank": response_of_own(model, np.full((len(units), *shape), GREY, np.float32), units),
        "natural": predicted_responses(model, images)[:, units].max(axis=0),
        "top_gabors": top,
        "top_gabors_response": None if top is None else response_of_own(model, top, units),
        "predicted_patterns": predicted,
        "pattern_match": match,
    }


def _diverse(
    model: nn.Module, found: ExcitingInputs, ascent: Ascent, recipe: CodingRecipe, notes: list[str]
) -> DiverseInputs | None:
    """Of the units whose best response is above zero."""
    responding = found.response.max(axis=1) > 0
    if not responding.all():
        notes.append(f"no diverse inputs of {int((~responding).sum())} units, which respond to nothing")
    if not responding.any():
        return None
    kept = replace(
        found,
        unit=found.unit[responding],
        images=found.images[responding],
        response=found.response[responding],
    )
    try:
        return diverse_inputs(model, kept, ascent, recipe.diverse_count, seed=recipe.seed)
    except ValueError as error:
        notes.append(f"no diverse inputs: {error}")
        return None


def _top_gabors(
    patterns: Patterns | None,
    counts: NDArray[np.float64] | None,
    shape: tuple[int, int],
    protocol: str,
    recipe: CodingRecipe,
    notes: list[str],
) -> NDArray[np.float32] | None:
    """Mean of the three Gabors that each unit fired most for, as the source draws them, 0 to 1."""
    gabors = None if patterns is None else _rows_of(patterns, "gabors")
    if gabors is None or counts is None or len(gabors) < 3:
        notes.append("the session showed no Gabors, so there is no mean of the best three of them")
        return None
    shown = patterns.shown[gabors.tolist()]
    drawn = source_gabors(shown["orientation_deg"].to_numpy(), shape)  # -1 to 1
    if protocol == "rigorous":
        drawn = 2 * _as_shown(shown, shape, recipe, 0.0) - 1
    found: TopGabors = mean_of_top(drawn, counts[:, gabors], protocol)
    return (GREY + GREY * found.images).clip(0, 1).astype(np.float32)


def _patterns_predicted(
    model: nn.Module,
    units: NDArray[np.int64],
    patterns: Patterns | None,
    counts: NDArray[np.float64] | None,
    shape: tuple[int, int],
    recipe: CodingRecipe,
    notes: list[str],
) -> tuple[NDArray[np.float64] | None, PredictionMatch | None]:
    """Responses to the session's own patterns as they were shown, the mean over a cycle of their drift or phase."""
    if patterns is None or counts is None:
        return None, None
    predicted = np.empty(counts.shape)
    try:
        for stimulus in patterns.shown["stimulus"].unique():
            rows = _rows_of(patterns, stimulus)
            shown = patterns.shown[rows.tolist()]
            phases = np.arange(_DRIFT_PHASES) / _DRIFT_PHASES
            frames = np.stack([_as_shown(shown, shape, recipe, phase) for phase in phases])
            predicted[:, rows] = drift_response(model, units, frames)
        return predicted, predicted_against_measured(predicted, counts)
    except ValueError as error:
        notes.append(f"responses to the session's own patterns are not predicted: {error}")
        return None, None


def _rows_of(patterns: Patterns, stimulus: str) -> NDArray[np.int64]:
    return np.flatnonzero((patterns.shown["stimulus"] == stimulus).to_numpy())


def _as_shown(shown, shape: tuple[int, int], recipe: CodingRecipe, phase: float) -> NDArray[np.float64]:
    """Patterns of one stimulus as the screen showed them, (n, height, width), 0 to 1."""
    screen = Screen(*recipe.screen_deg)
    orientation, frequency = (shown[name].to_numpy() for name in ("orientation_deg", "cycles_per_deg"))
    contrast = shown["contrast"].fill_null(0.8).to_numpy()
    if np.isnan(frequency.astype(float)).any():
        raise ValueError("their spatial frequency isn't told")
    if shown["stimulus"][0] != "gabors":
        return session_gratings(shape, screen, orientation, frequency, phase_cycles=phase, contrast=contrast)
    x_deg, y_deg = (shown[name].cast(float).to_numpy() for name in ("x_deg", "y_deg"))
    if np.isnan(x_deg).any() or np.isnan(y_deg).any():
        raise ValueError("their places aren't told")
    return session_gabors(
        shape,
        screen,
        x_deg,
        y_deg,
        orientation,
        cycles_per_deg=frequency,
        size_deg=shown["size_deg"].fill_null(20.0).to_numpy(),
        contrast=contrast,
        phase_cycles=phase,
    )
