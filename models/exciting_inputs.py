"""Most exciting inputs: the image that makes a model's unit respond most, by gradient ascent, for all units at once."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.ascent_slots import (
    After,
    Aim,
    Blur,
    NormAtMost,
    NormedStep,
    Plateau,
    Precondition,
    Response,
    ResponseAtContrast,
    SmoothGradient,
    Step,
    Stop,
    Transform,
    WithinRange,
    contrast_of,
)
from models.ascent_starts import Starts, pixel_correlations
from models.shown_images import asked, known_units, mean_contrast, response_of, shown, true_gradients

# Convolutions are a CPU's limit; for the features of more images at 60 x 96 pixels the system hands out new memory at
# every step (6 of 20 ms with 16 images).
AT_ONCE = {"cpu": 4, "cuda": 512}


@dataclass(frozen=True)
class Ascent:
    """How images are climbed: one choice per slot of ``models.ascent_slots``, in the order of their use."""

    n_steps: int
    step: Step
    aim: Aim = field(default_factory=Response)
    transform: Transform | None = None
    precondition: Precondition | None = None
    after: tuple[After, ...] = ()
    stop: Stop | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for an ascent without steps."""
        if self.n_steps < 1:
            raise ValueError(f"an ascent takes one step or more, got {self.n_steps}")


@dataclass(frozen=True)
class Climbed:
    """Images after an ascent, one row each, and their way."""

    images: NDArray[np.float32]  # (n_images, height, width), display units
    response_by_step: NDArray[np.float64]  # (n_images, n_steps + 1), before each step and at the end; NaN after a stop
    contrast_by_step: NDArray[np.float64]  # (n_images, n_steps + 1), sample s.d. of pixels, likewise
    n_steps: NDArray[np.int64]  # (n_images,), taken
    moved: NDArray[np.bool_]  # (n_images,), False where the model never gave a gradient


@dataclass(frozen=True)
class ExcitingInputs:
    """The images found for each unit from each start, and their way."""

    unit: NDArray[np.int64]  # (n_units,)
    seed: NDArray[np.int64]  # (n_seeds,)
    start: str
    images: NDArray[np.float32]  # (n_units, n_seeds, height, width), display units
    response: NDArray[np.float64]  # (n_units, n_seeds), as the model predicts
    contrast: NDArray[np.float64]  # (n_units, n_seeds), sample s.d. of pixels
    response_by_step: NDArray[np.float64]  # (n_units, n_seeds, n_steps + 1), NaN after a stop
    contrast_by_step: NDArray[np.float64]  # (n_units, n_seeds, n_steps + 1), likewise
    n_steps: NDArray[np.int64]  # (n_units, n_seeds), taken
    moved: NDArray[np.bool_]  # (n_units, n_seeds), False: the model gave no gradient, the start came back
    sign: int  # 1 for the most exciting, -1 for the most inhibiting

    @property
    def best(self) -> NDArray[np.int64]:
        """Index (n_units,) of the seed whose image excites most (inhibits most, if that was sought)."""
        return (self.sign * self.response).argmax(axis=1)

    @property
    def best_images(self) -> NDArray[np.float32]:
        """The image of that seed, (n_units, height, width)."""
        return self.images[np.arange(len(self.unit)), self.best]


def rigorous_ascent(
    images: NDArray[np.floating],  # (n_images, height, width), the model's training images, display units
    n_steps: int = 200,
    radius_px: float = 12.0,
) -> Ascent:
    """An ascent to images that could be shown: within black and white, with no more energy than a natural patch has.

    Deviations from the training images' mean grey are held to the norm that a disc of ``radius_px`` (the source's
    mask) has at the training images' mean contrast, since one receptive field covers no more; the frequencies' weights
    are right for both signs; blur goes from 2 pixels to none over the first half. Stops where the response no longer
    changes. Raises ValueError for images without contrast, or smaller than that disc.
    """
    images = shown(images)
    share = np.pi * radius_px**2 / images[0].size
    if not 0 < share <= 1:
        raise ValueError(f"a disc of {radius_px:g} pixels doesn't fit into images of {images.shape[1:]} pixels")
    norm = float(np.sqrt(share)) * mean_contrast(images)
    return Ascent(
        n_steps=n_steps,
        step=NormedStep(first=0.1 * norm, last=0.01 * norm, n_steps=n_steps),
        precondition=SmoothGradient(power=0.25),
        after=(
            Blur(tuple(np.geomspace(2.0, 0.1, max(n_steps // 2, 2)).tolist())),
            NormAtMost(norm, about=float(images.mean(dtype=np.float64))),
            WithinRange(0.0, 1.0),
        ),
        stop=Plateau(patience=20, tolerance=1e-4, least_steps=n_steps // 2),
    )


def inhibiting(ascent: Ascent) -> Ascent:
    """The same ascent, to the images that make units respond least."""
    return replace(ascent, aim=replace(ascent.aim, sign=-ascent.aim.sign))


def exciting_inputs(
    model: nn.Module,
    units: NDArray[np.integer],  # (n_units,), numbers of the model's outputs
    ascent: Ascent,
    starts: Starts,
    at_once: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> ExcitingInputs:
    """Climb one image per unit and start, each to its own unit's response.

    ``model`` takes images (n, 1, height, width) in display units and predicts (n, n_units); images go where it lies.
    So many images climb together as ``at_once`` says (4 on a CPU, 512 on a GPU), and ``progress`` is told how many
    are done. Raises ValueError for a model in training mode, units that it doesn't have, images that it can't see,
    and where a response or an image stops being finite. Method: Walker et al. (2019); slots after sinzlab/mei.
    """
    if not isinstance(ascent.aim, Response | ResponseAtContrast):
        raise ValueError(f"most exciting inputs aim at the response of one image each, got {ascent.aim}")
    start = shown(starts.images)
    units = known_units(model, units, start.shape[1:])
    n_units, n_seeds = len(units), len(start)
    at_once = at_once or AT_ONCE[asked(model).type]
    unit, seed = (one.ravel() for one in np.meshgrid(np.arange(n_units), np.arange(n_seeds), indexing="ij"))
    found = []
    for first in range(0, n_units * n_seeds, at_once):
        rows = slice(first, first + at_once)
        found.append(climb(model, start[seed[rows]], units[unit[rows]], ascent))
        if progress:
            progress(min(first + at_once, n_units * n_seeds))
    whole = (n_units, n_seeds)
    response = np.concatenate([_last(one.response_by_step, one.n_steps) for one in found]).reshape(whole)
    contrast = np.concatenate([_last(one.contrast_by_step, one.n_steps) for one in found]).reshape(whole)
    return ExcitingInputs(
        unit=units,
        seed=starts.seed,
        start=starts.name,
        images=np.concatenate([one.images for one in found]).reshape(*whole, *start.shape[1:]),
        response=response,
        contrast=contrast,
        response_by_step=np.concatenate([one.response_by_step for one in found]).reshape(*whole, -1),
        contrast_by_step=np.concatenate([one.contrast_by_step for one in found]).reshape(*whole, -1),
        n_steps=np.concatenate([one.n_steps for one in found]).reshape(whole),
        moved=np.concatenate([one.moved for one in found]).reshape(whole),
        sign=ascent.aim.sign,
    )


def climb(
    model: nn.Module,
    start: NDArray[np.float32],  # (n_images, height, width), display units
    units: NDArray[np.int64],  # (n_images,)
    ascent: Ascent,
) -> Climbed:
    """Take the steps of an ascent with so many images together; see ``exciting_inputs``."""
    device = asked(model)
    images = torch.from_numpy(start[:, None].copy()).to(device)  # (n_images, 1, height, width)
    units = torch.from_numpy(units).to(device)
    n_images = len(images)
    response_by_step = torch.full((n_images, ascent.n_steps + 1), torch.nan, dtype=torch.float64, device=device)
    contrast_by_step = response_by_step.clone()
    moved = torch.zeros(n_images, dtype=torch.bool, device=device)
    taken = torch.full((n_images,), ascent.n_steps, device=device)
    climbing = torch.arange(n_images, device=device)
    for step in range(ascent.n_steps):
        here = images[climbing]
        response, gradient = _gradient(model, here, units[climbing], ascent, step)
        response_by_step[climbing, step] = response
        contrast_by_step[climbing, step] = contrast_of(here).double()
        moved[climbing] |= gradient.abs().amax(dim=(-3, -2, -1)) > 0
        if ascent.stop is not None:
            done = ascent.stop(response_by_step[climbing, : step + 1])
            if done.any():
                taken[climbing[done]] = step
                here, gradient, climbing = here[~done], gradient[~done], climbing[~done]
                if not len(climbing):
                    break
        images[climbing] = _after(ascent, here, gradient, step)
    with torch.no_grad():
        last = response_of(model, images, units).double()
    response_by_step[torch.arange(n_images, device=device), taken] = last
    contrast_by_step[torch.arange(n_images, device=device), taken] = contrast_of(images).double()
    lost = ~(torch.isfinite(last) & torch.isfinite(images).all(dim=(-3, -2, -1)))
    if lost.any():
        raise ValueError(
            f"{int(lost.sum())} of {n_images} images or their responses are no longer finite: smaller steps?"
        )
    return Climbed(
        images[:, 0].cpu().numpy(),
        response_by_step.cpu().numpy(),
        contrast_by_step.cpu().numpy(),
        taken.cpu().numpy(),
        moved.cpu().numpy(),
    )


def seed_agreement(images: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean Pearson correlation over pixels of every two of a unit's images, (n_units,).

    ``images`` (n_units, n_seeds, height, width). NaN where an image is constant. Raises ValueError for one seed.
    """
    if images.ndim != 4 or images.shape[1] < 2:
        raise ValueError(f"images must be (n_units, two or more seeds, height, width), got {images.shape}")
    first, second = np.triu_indices(images.shape[1], k=1)
    return pixel_correlations(images)[:, first, second].mean(axis=1)


def _gradient(model: nn.Module, images: Tensor, units: Tensor, ascent: Ascent, step: int) -> tuple[Tensor, Tensor]:
    """Responses (n,) to what is seen, and the gradient that is followed, (n, 1, height, width)."""
    images = images.detach().requires_grad_()
    seen = images if ascent.transform is None else ascent.transform(images, step)
    with true_gradients(model):
        response = response_of(model, seen, units)
    # Images of a batch don't see each other: the gradient of the sum is each one's own.
    (gradient,) = torch.autograd.grad(ascent.aim(response, images).sum(), images)
    if ascent.precondition is not None:
        gradient = ascent.precondition(gradient)
    return response.detach().double(), gradient


@torch.no_grad()
def _after(ascent: Ascent, images: Tensor, gradient: Tensor, step: int) -> Tensor:
    images = ascent.step(images, gradient, step)
    for slot in ascent.after:
        images = slot(images, step)
    return images


def _last(by_step: NDArray[np.float64], n_steps: NDArray[np.int64]) -> NDArray[np.float64]:
    return by_step[np.arange(len(by_step)), n_steps]
