"""Models of a session's units under a protocol: linear ones, and networks trained from several seeds."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.encoding_baselines import Baseline, linear_nonlinear, ridge_on_gabor_energy, ridge_on_pixels
from models.encoding_model import Averaged, EncodingChoice, Model, predict, published_choice
from models.encoding_training import (
    Trained,
    TrainingChoice,
    train_encoding_model,
    train_ensemble,
    train_unit_by_unit,
)
from models.image_responses import mean_responses
from models.image_splits import ImageSplit
from tasks.image_coding_recipe import BY_VALIDATION, READOUT_NAMES, CodingRecipe

ONE_EACH = "a network for each unit"
_BASELINES: dict[str, Callable[..., Baseline]] = {
    "ridge on pixels": ridge_on_pixels,
    "ridge on Gabor energy": ridge_on_gabor_energy,
    "linear-nonlinear": linear_nonlinear,
}


@dataclass(frozen=True, eq=False)
class Predictor:
    """What one model says of all images: ``predicted`` (n_images, n_model_units) for ``units`` (n_model_units,).

    ``units`` are places among the session's units; ``trained`` what networks it is made of; ``shape`` that of the
    images that it sees.
    """

    name: str
    kind: str
    units: NDArray[np.int64]
    predicted: NDArray[np.float64]
    trained: tuple[Trained, ...]
    duration_s: float
    shape: tuple[int, int]

    @property
    def epoch_count(self) -> int | None:
        return sum(len(one.curve) for one in self.trained) or None

    @property
    def device(self) -> str:
        return self.trained[0].device if self.trained else "cpu"


@dataclass(frozen=True, eq=False)
class SessionModels:
    """All models of a session; ``kept`` is the one that is registered, of the units ``kept_units`` (n,).

    ``curves`` names each network whose learning is kept, with how it was trained.
    """

    predictors: tuple[Predictor, ...]
    kept: Model
    kept_name: str
    kept_units: NDArray[np.int64]
    curves: dict[str, Trained]
    notes: tuple[str, ...]


def rigorous_models(
    grey: NDArray[np.float32],  # (n_images, height, width)
    fine: NDArray[np.float32],  # (n_images, height, width), the same images for linear models
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats)
    split: ImageSplit,
    recipe: CodingRecipe,
    device: str,
) -> SessionModels:
    """Linear models, and networks of all units at once, one after the other and their mean.

    Where the readout is to be chosen, the first network is trained with each, and the one with the lowest loss on
    validation images is kept. Raises ValueError as `models.encoding_training.train_encoding_model`.
    """
    units = np.arange(len(trials))
    notes: list[str] = []
    predictors = list(_linear(fine, trials, split, units, notes))
    training = TrainingChoice(most_epochs=recipe.most_epochs, shift=recipe.shift_px, seed=recipe.seed, device=device)
    tried = [train_encoding_model(grey, trials, split, choice, training) for choice in _choices(recipe)]
    first = min(tried, key=lambda one: one.validation_loss)
    notes += _note_of_readout(first, tried)
    choice = first.model.choice
    ensemble, trained = train_ensemble(grey, trials, split, choice, training, recipe.network_count, first=first)
    predictors += [
        Predictor(name, "network", units, predict(one.model, grey), (one,), one.duration_s, recipe.image_shape)
        for name, one in zip(_numbered(len(trained)), trained, strict=True)
    ]
    kept_name = predictors[-1].name
    if len(trained) > 1:
        kept_name = mean_name(len(trained))
        whole_s = sum(one.duration_s for one in trained)
        predictors.append(
            Predictor(kept_name, "network", units, predict(ensemble, grey), trained, whole_s, recipe.image_shape)
        )
    curves = dict(zip(_numbered(len(trained)), trained, strict=True))
    return SessionModels(tuple(predictors), ensemble, kept_name, units, curves, tuple(notes))


def published_models(
    grey: NDArray[np.float32],  # (n_images, height, width)
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats)
    split: ImageSplit,
    recipe: CodingRecipe,
    device: str,
    units: NDArray[np.int64],  # (n_chosen,), places
    unit_id: NDArray[np.int64],  # (n_units,)
) -> SessionModels:
    """A network for each of the chosen units, as the source trained them.

    Raises ValueError where none of them can be learned, and as `models.encoding_training.train_encoding_model`.
    """
    learned = units[[_changes(trials[unit], split) for unit in units]]
    notes = [f"{len(units) - len(learned)} chosen units answer all training images alike: no network of those"]
    if not len(learned):
        raise ValueError(f"none of the {len(units)} chosen units has responses that differ between training images")
    training = TrainingChoice(loss="mse", most_epochs=recipe.most_epochs, seed=recipe.seed, device=device)
    choice = published_choice(recipe.image_shape)
    model, trained = train_unit_by_unit(grey, trials[learned], split, choice, training)
    whole_s = sum(one.duration_s for one in trained)
    predictor = Predictor(ONE_EACH, "network", learned, predict(model, grey), trained, whole_s, recipe.image_shape)
    curves = {f"unit {unit_id[unit]}": one for unit, one in zip(learned, trained, strict=True)}
    return SessionModels(
        (predictor,), model, ONE_EACH, learned, curves, tuple(notes) if len(learned) < len(units) else ()
    )


def mean_name(count: int) -> str:
    """What the mean prediction of several networks is called."""
    return f"mean of {count} networks"


def first_two(model: Model) -> tuple[Model, Model | None]:
    """The network that exciting inputs are made through, and one that was trained independently of it, if there is."""
    if not isinstance(model, Averaged):
        return model, None
    return model.models[0], model.models[1] if len(model.models) > 1 else None


def _numbered(count: int) -> list[str]:
    return [f"network {number}" for number in range(1, count + 1)]


def _choices(recipe: CodingRecipe) -> list[EncodingChoice]:
    """Networks to begin with, one for each readout that may be the one."""
    names = READOUT_NAMES if recipe.readout == BY_VALIDATION else (recipe.readout,)
    each = [EncodingChoice(image_shape=recipe.image_shape, readout=name) for name in names]
    return [
        replace(published_choice(one.image_shape), output=one.output) if one.readout == "pyramid" else one
        for one in each
    ]


def _note_of_readout(kept: Trained, tried: Sequence[Trained]) -> list[str]:
    if len(tried) < 2:
        return []
    losses = ", ".join(f"{one.model.choice.readout} {one.validation_loss:.4f}" for one in tried)
    return [f"{kept.model.choice.readout} readout, of the lowest loss on validation images: {losses}"]


def _linear(
    grey: NDArray[np.float32],
    trials: NDArray[np.float64],
    split: ImageSplit,
    units: NDArray[np.int64],
    notes: list[str],
) -> Iterator[Predictor]:
    for name, fitted in _BASELINES.items():
        started = time.monotonic()
        try:
            found = fitted(grey, trials, split)
        except ValueError as error:
            notes.append(f"no {name}: {error}")
            continue
        yield Predictor(name, "linear", units, found.predicted, (), time.monotonic() - started, grey.shape[1:])


def _changes(trials: NDArray[np.float64], split: ImageSplit) -> bool:
    """Whether a unit's mean responses (n_images, n_repeats) differ between training images."""
    means = mean_responses(trials[None, split.train])[0]
    known = means[np.isfinite(means)]
    return bool(len(known) and known.min() < known.max())
