"""Most exciting inputs held against Gabors: masks, light and contrast, and what a second model makes of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import t
from torch import nn

from models.shown_images import predicted_responses, response_of_own, shown

SOURCE_RADIUS_PX = 12.0
SOURCE_SHIFT_PX = 3.0
SOURCE_ROW = 29


@dataclass(frozen=True)
class CircularMasks:
    """One disc per image, (n_images,) each: its middle in columns and rows from the top left pixel, and its radius."""

    column_px: NDArray[np.float64]
    row_px: NDArray[np.float64]
    radius_px: NDArray[np.float64]

    def within(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Whether each pixel's middle lies in the disc, (n_images, height, width)."""
        row, column = np.mgrid[: shape[0], : shape[1]]
        off = np.hypot(row - self.row_px[:, None, None], column - self.column_px[:, None, None])
        return off <= self.radius_px[:, None, None]


@dataclass(frozen=True)
class SeedInterval:
    """A mean over seeds and where it lies with so much confidence, (n_units,) each; ends are NaN with one seed."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class SecondOpinion:
    """What a model that was trained independently predicts for the images that the first one found, (n_units,) each."""

    response: NDArray[np.float64]  # to the first model's image
    own_response: NDArray[np.float64]  # to the image that this model itself found
    share: NDArray[np.float64]  # response above blank as a share of the own image's; NaN where that isn't above blank
    above: NDArray[np.float64]  # share of natural images that it predicts a lower response to
    r: NDArray[np.float64]  # Pearson's, over pixels, between the two models' images; NaN where one is constant


def published_masks(n_images: int, shape: tuple[int, int], shift_px: float = 0.0) -> CircularMasks:
    """The source's disc of 12 pixels around the middle; for its most exciting input ``shift_px`` is 3, to the right.

    It read both off the pixels of row 29 (``pixel_profile``).
    """
    middle = np.zeros(n_images)
    return CircularMasks(middle + (shape[1] - 1) / 2 + shift_px, middle + (shape[0] - 1) / 2, middle + SOURCE_RADIUS_PX)


def energy_masks(images: NDArray[np.floating], share: float = 0.9, about: float | None = None) -> CircularMasks:
    """For each image of (n_images, height, width) the disc around its energy that holds ``share`` of it.

    Energy is the squared deviation from the grey ``about`` (each image's median where not given). The disc's middle
    is where energy, blurred by 2 pixels so that neither one pixel nor faint noise all over decides, exceeds half its
    highest: the mean place of that, weighted. The radius is the smallest for which the disc has that share of all
    energy, at least 1 pixel. Raises ValueError for constant images and a share outside 0 .. 1.
    """
    images = shown(images).astype(np.float64)
    if not 0 < share < 1:
        raise ValueError(f"a disc holds a share of the energy between 0 and 1, got {share}")
    grey = np.median(images, axis=(1, 2))[:, None, None] if about is None else about
    energy = (images - grey) ** 2
    _refuse_constant(images)
    row, column = np.mgrid[: images.shape[1], : images.shape[2]]
    masks = []
    for one in energy:
        core = gaussian_filter(one, 2.0)
        core = np.where(core > core.max() / 2, core, 0.0)
        middle = [(core * axis).sum() / core.sum() for axis in (column, row)]
        off = np.hypot(column - middle[0], row - middle[1]).ravel()
        order = np.argsort(off)
        held = np.cumsum(one.ravel()[order])
        masks.append((*middle, max(off[order[np.searchsorted(held, share * held[-1])]], 1.0)))
    return CircularMasks(*np.array(masks).reshape(-1, 3).T)


def pixel_profile(images: NDArray[np.floating], row: int = SOURCE_ROW) -> NDArray[np.float64]:
    """The pixels of one row of each image, (n_images, width); ValueError where images have no such row."""
    images = shown(images)
    if not 0 <= row < images.shape[1]:
        raise ValueError(f"images have rows 0 to {images.shape[1] - 1}, got {row}")
    return images[:, row].astype(np.float64)


def masked_luminance(images: NDArray[np.floating], masks: CircularMasks) -> NDArray[np.float64]:
    """Sum of the pixels within each disc over the disc's area pi r ** 2, (n_images,), in the images' units.

    A disc that reaches beyond the image counts as black there. Raises ValueError for another number of discs.
    """
    images, within = _masked(images, masks)
    return np.where(within, images, 0.0).sum(axis=(1, 2)) / (np.pi * masks.radius_px**2)


def masked_contrast(images: NDArray[np.floating], masks: CircularMasks) -> NDArray[np.float64]:
    """Population standard deviation of the pixels within each disc, (n_images,), in the images' units.

    Raises ValueError for another number of discs, or one without pixels.
    """
    images, within = _masked(images, masks)
    if not within.any(axis=(1, 2)).all():
        raise ValueError(f"{int((~within.any(axis=(1, 2))).sum())} discs hold no pixel")
    return images.std(axis=(1, 2), where=within)


def image_correlation(
    a: NDArray[np.floating],  # (n_images, height, width)
    b: NDArray[np.floating],  # (n_images, height, width)
    masks: CircularMasks | None = None,
) -> NDArray[np.float64]:
    """Pearson's r over pixels of each image and its counterpart, within the disc where one is given, (n_images,).

    NaN where either is constant. Raises ValueError for images of other shapes.
    """
    a, b = shown(a).astype(np.float64), shown(b).astype(np.float64)
    if a.shape != b.shape:
        raise ValueError(f"images to compare must be of one number and size, got {a.shape} and {b.shape}")
    within = np.ones(a.shape, dtype=bool) if masks is None else _masked(a, masks)[1]
    a, b = (np.where(within, one - one.mean(axis=(1, 2), where=within, keepdims=True), 0.0) for one in (a, b))
    lengths = (np.sqrt((one**2).sum(axis=(1, 2))) for one in (a, b))
    # Rounding leaves constant pixels a length of their own.
    least = 1e-6 * np.sqrt(within.sum(axis=(1, 2)))
    product = np.prod([np.where(length > least, length, np.nan) for length in lengths], axis=0)
    return np.clip((a * b).sum(axis=(1, 2)) / product, -1, 1)


def seed_interval(response: NDArray[np.floating], level: float = 0.95) -> SeedInterval:
    """Mean over seeds of (n_units, n_seeds), any unit, with Student's interval for it."""
    response = np.asarray(response, dtype=np.float64)
    if response.ndim != 2 or not response.size or not 0 < level < 1:
        raise ValueError(f"responses must be (n_units, n_seeds) and a level of 0 to 1, got {response.shape}, {level}")
    n_seeds, mean = response.shape[1], response.mean(axis=1)
    if n_seeds == 1:
        return SeedInterval(mean, mean * np.nan, mean * np.nan)
    half = t.ppf((1 + level) / 2, n_seeds - 1) * response.std(axis=1, ddof=1) / np.sqrt(n_seeds)
    return SeedInterval(mean, mean - half, mean + half)


def second_opinion(
    second: nn.Module,
    units: NDArray[np.integer],  # (n_units,)
    inputs: NDArray[np.floating],  # (n_units, height, width), what excites the first model most, display units
    own_inputs: NDArray[np.floating],  # (n_units, height, width), what excites this one most
    images: NDArray[np.floating],  # (n_images, height, width), natural images
    blank: float = 0.5,
) -> SecondOpinion:
    """Show a second, independently trained model what the first one found.

    An image that exploits the first model's mistakes excites the second little; one that stands for the neuron excites
    it nearly as much as its own, and more than natural images do. ``blank`` is the grey that responses are counted
    from. Raises ValueError as ``response_of_own``.
    """
    response, own_response = (response_of_own(second, one, units) for one in (inputs, own_inputs))
    to_blank = response_of_own(second, np.full(np.shape(inputs), blank), units)
    to_images = predicted_responses(second, images)[:, units]  # (n_images, n_units)
    gain = own_response - to_blank
    return SecondOpinion(
        response=response,
        own_response=own_response,
        share=np.divide(response - to_blank, gain, out=np.full(len(gain), np.nan), where=gain > 0),
        above=(to_images < response).mean(axis=0),
        r=image_correlation(inputs, own_inputs),
    )


def _masked(images: ArrayLike, masks: CircularMasks) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    images = shown(images).astype(np.float64)
    if len(masks.radius_px) != len(images):
        raise ValueError(f"each image has its own disc, got {len(images)} images and {len(masks.radius_px)} discs")
    return images, masks.within(images.shape[1:])


def _refuse_constant(images: NDArray[np.float64]) -> None:
    constant = np.flatnonzero(np.ptp(images, axis=(1, 2)) == 0)
    if len(constant):
        raise ValueError(f"images {constant.tolist()} are of one grey: they have no energy to measure")
