"""Where a gradient ascent starts, and whether it ends at the same image from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.exciting_inputs import ExcitingInputs

FLAT: dict[str, float] = {"black": 0.0, "grey": 0.5, "white": 1.0}


@dataclass(frozen=True)
class Starts:
    """The images that every unit's ascent starts from, in display units."""

    images: NDArray[np.float32]  # (n_seeds, height, width)
    seed: NDArray[np.int64]  # (n_seeds,)
    name: str


@dataclass(frozen=True)
class StartComparison:
    """Each unit's best image from each start, held against the others."""

    unit: NDArray[np.int64]  # (n_units,)
    name: tuple[str, ...]  # (n_starts,)
    response: NDArray[np.float64]  # (n_units, n_starts), as the model predicts
    correlation: NDArray[np.float64]  # (n_units, n_starts, n_starts), over pixels; NaN where an image is constant


def noise_starts(
    shape: tuple[int, int],  # height and width, pixels
    seeds: Sequence[int],
    mean: float = 0.5,
    contrast: float = 0.05,
) -> Starts:
    """White noise of normal pixels, one image per seed and the same for every unit.

    ``mean`` and ``contrast`` (s.d.) in display units. Raises ValueError for seeds named twice, or no contrast.
    """
    _checked(shape, seeds)
    if contrast <= 0:
        raise ValueError(f"noise needs a contrast above 0, got {contrast}: take flat_start for an image of one grey")
    noise = np.stack([np.random.default_rng(seed).standard_normal(shape) for seed in seeds])
    return Starts((mean + contrast * noise).astype(np.float32), np.asarray(seeds, dtype=np.int64), "noise")


def uniform_noise_starts(shape: tuple[int, int], seeds: Sequence[int]) -> Starts:
    """White noise of pixels anywhere from black to white, one image per seed and the same for every unit."""
    _checked(shape, seeds)
    noise = np.stack([np.random.default_rng(seed).random(shape) for seed in seeds])
    return Starts(noise.astype(np.float32), np.asarray(seeds, dtype=np.int64), "noise")


def flat_start(shape: tuple[int, int], grey: Literal["black", "grey", "white"]) -> Starts:
    """One image of one grey; it has no seed to draw, and bears the number 0."""
    _checked(shape, (0,))
    if grey not in FLAT:
        raise ValueError(f"a flat start is one of {', '.join(FLAT)}, got {grey!r}")
    return Starts(np.full((1, *shape), FLAT[grey], dtype=np.float32), np.zeros(1, dtype=np.int64), grey)


def compare_starts(found: "Sequence[ExcitingInputs]") -> StartComparison:
    """Hold the images that ascents of the same units found from different starts against each other.

    A unit whose images agree whatever the start has one most exciting input; one whose images differ at a like
    response has several (it is invariant to what tells them apart), or a model that the ascent gets stuck in.
    Raises ValueError for fewer than two starts, a start given twice, or other units.
    """
    names = tuple(one.start for one in found)
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"comparing takes two or more different starts, got {list(names)}")
    if any(not np.array_equal(one.unit, found[0].unit) for one in found):
        raise ValueError("the ascents to compare are of different units")
    best = np.stack([one.best_images for one in found], axis=1)  # (n_units, n_starts, height, width)
    response = np.stack([one.response[np.arange(len(one.unit)), one.best] for one in found], axis=1)
    return StartComparison(found[0].unit, names, response, pixel_correlations(best))


def pixel_correlations(images: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pearson's r over pixels of every two images of a unit, (n_units, n_images, n_images).

    ``images`` (n_units, n_images, height, width), any unit. NaN where either is constant.
    """
    pixels = np.asarray(images, dtype=np.float64).reshape(*images.shape[:2], -1)
    pixels = pixels - pixels.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(pixels, axis=-1)
    # Rounding leaves a constant image a length of its own: a part in 1e6 of a grey is none.
    length[length <= 1e-6 * np.sqrt(pixels.shape[-1])] = np.nan
    return np.clip(pixels @ pixels.mT / (length[:, :, None] * length[:, None]), -1, 1)


def _checked(shape: tuple[int, int], seeds: Sequence[int]) -> None:
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape must be a height and a width in pixels, got {shape}")
    if not len(seeds) or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be one or more different numbers, got {list(seeds)}")
