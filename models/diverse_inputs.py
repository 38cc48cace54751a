"""Diverse exciting inputs: images that excite a unit nearly as much as its best one, as unlike as they can be."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.ascent_starts import pixel_correlations
from models.exciting_inputs import AT_ONCE, Ascent, ExcitingInputs, climb
from models.shown_images import asked, known_units

# How many units of likeness (Pearson's r) a response that falls short by its whole share costs.
_SHORTFALL_WEIGHT = 20.0
# How far below the share a response may end and still count as held.
_SLACK = 0.02


@dataclass(frozen=True)
class DiverseInputs:
    """Images of each unit, what it responds to them, and how like each other they are."""

    unit: NDArray[np.int64]  # (n_units,)
    images: NDArray[np.float32]  # (n_units, n_images, height, width), display units
    response: NDArray[np.float64]  # (n_units, n_images), as the model predicts
    response_share: NDArray[np.float64]  # (n_units, n_images), of the response to the most exciting input
    held: NDArray[np.bool_]  # (n_units, n_images), whether that is the share asked for
    likeness: NDArray[np.float64]  # (n_units,), mean Pearson's r over pixels of every two that hold it; NaN below two
    least_likeness: NDArray[np.float64]  # (n_units,), r of the two of them that are least alike


@dataclass(frozen=True)
class Unlike:
    """Aim: each image unlike the one of its unit that is most like it, at a share of the best response or more.

    Images come unit by unit, ``n_images`` each.
    """

    best_response: Tensor  # (n_units,)
    n_images: int
    share: float

    def __call__(self, response: Tensor, images: Tensor) -> Tensor:
        """Less likeness and less shortfall, (n_units * n_images,)."""
        pixels = images.reshape(-1, self.n_images, images[0].numel())
        pixels = pixels - pixels.mean(dim=-1, keepdim=True)
        pixels = pixels / pixels.norm(dim=-1, keepdim=True).clamp(min=1e-9)
        self_only = 2 * torch.eye(self.n_images, device=images.device)
        likeness = (pixels @ pixels.mT - self_only).amax(dim=-1)  # (n_units, n_images)
        share = response.reshape(-1, self.n_images) / self.best_response[:, None]
        return (-_SHORTFALL_WEIGHT * (self.share - share).clamp(min=0) - likeness).reshape(-1)


def diverse_inputs(
    model: nn.Module,
    found: ExcitingInputs,
    ascent: Ascent,
    n_images: int = 6,
    share: float = 0.85,
    seed: int = 0,
    at_once: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> DiverseInputs:
    """Images that hold a share of each unit's best response, ``found``, and are as unlike as they can be.

    They start from noise of the best image's contrast, and climb as ``ascent`` says but for its aim and without
    stopping; ``progress`` is told how many units are done. A unit that one pattern excites gets images that are alike:
    two that a linear unit answers with the share .85 have an r of .445 (2 share ** 2 - 1) at the least. One that
    doesn't care for phase gets images of opposite contrast, whose r is negative. Raises ValueError for fewer than two
    images, a share outside 0 .. 1, most inhibiting inputs, units whose best response isn't above zero, and as
    ``exciting_inputs``. Method: Cadena et al. (2018), with the response held as in Ding et al. (2023).
    """
    if n_images < 2 or not 0 < share <= 1:
        raise ValueError(f"diverse inputs take two images or more and a share of 0 to 1, got {n_images} and {share}")
    if found.sign < 0:
        raise ValueError("diverse inputs start from most exciting inputs, got most inhibiting ones")
    best, best_response = found.best_images, found.response.max(axis=1)
    if (best_response <= 0).any():
        raise ValueError(
            f"units {found.unit[best_response <= 0].tolist()} respond to nothing: there is no share to hold"
        )
    known_units(model, found.unit, best.shape[1:])
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n_images, *best.shape[1:])) * best.std(axis=(1, 2))[:, None, None, None]
    grey = np.median(best, axis=(1, 2))[:, None, None, None]
    start = (grey + noise).astype(np.float32)  # (n_units, n_images, height, width)
    units_at_once = max((at_once or AT_ONCE[asked(model).type]) // n_images, 1)
    images, response = np.empty_like(start), np.empty(start.shape[:2])
    for first in range(0, len(start), units_at_once):
        rows = slice(first, first + units_at_once)
        held = torch.from_numpy(best_response[rows]).float().to(asked(model))
        alike = replace(ascent, aim=Unlike(held, n_images, share), stop=None)
        some = start[rows]
        climbed = climb(model, some.reshape(-1, *some.shape[2:]), found.unit[rows].repeat(n_images), alike)
        images[rows] = climbed.images.reshape(some.shape)
        response[rows] = climbed.response_by_step[:, -1].reshape(-1, n_images)
        if progress:
            progress(min(first + units_at_once, len(start)))
    response_share = response / best_response[:, None]
    held = response_share >= share - _SLACK
    first, second = np.triu_indices(n_images, k=1)
    both = held[:, first] & held[:, second]  # (n_units, n_pairs)
    likeness = np.where(both, pixel_correlations(images)[:, first, second], np.nan)
    n_pairs = both.sum(axis=1)
    mean = np.divide(np.nansum(likeness, axis=1), n_pairs, out=np.full(len(best), np.nan), where=n_pairs > 0)
    least = np.where(n_pairs > 0, np.fmin.reduce(likeness, axis=1), np.nan)
    return DiverseInputs(found.unit, images, response, response_share, held, mean, least)
