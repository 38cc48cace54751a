"""What an encoding model must beat: models that are linear in pixels or in the energy of Gabors.

All learn from the training and validation images together, which also choose how much they are regularised.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import PoissonRegressor, RidgeCV
from torch.nn.functional import conv2d

from models.image_responses import mean_responses
from models.image_splits import ImageSplit

_RIDGE_PENALTIES = np.logspace(0, 8, 17)
_POISSON_PENALTIES = np.logspace(-3, 5, 9)
_MOST_STEPS = 1000


@dataclass(frozen=True)
class Baseline:
    """A baseline's predictions of all images and what its regularisation became."""

    name: str
    predicted: NDArray[np.float64]  # (n_images, n_units), in the unit of the responses
    penalty: NDArray[np.float64]  # (n_units,)


@dataclass(frozen=True)
class GaborBank:
    """Gabors in pairs of even and odd phase on a square grid, one wavelength apart, within the image."""

    wavelengths_px: tuple[float, ...] = (4.0, 8.0, 16.0)
    n_orientations: int = 8
    sd_wavelengths: float = 0.5  # s.d. of the envelope in wavelengths: 1.1 octaves

    def __post_init__(self) -> None:
        """Raise ValueError for a wavelength that pixels cannot show, and numbers that are not positive."""
        if not self.wavelengths_px or min(self.wavelengths_px) < 2:
            raise ValueError(f"wavelengths must be 2 pixels or more, got {self.wavelengths_px}")
        if self.n_orientations < 1 or not self.sd_wavelengths > 0:
            raise ValueError(f"n_orientations and sd_wavelengths must be positive, got {self}")


def ridge_on_pixels(
    grey: NDArray[np.floating],  # (n_images, height, width)
    trials: NDArray[np.floating],  # (n_units, n_images, n_repeats)
    split: ImageSplit,
) -> Baseline:
    """Ridge regression of each neuron's mean response on the pixels, its penalty by leave-one-out (scikit-learn).

    ``grey`` (n_images, height, width), ``trials`` (n_units, n_images, n_repeats), NaN where an image was not shown
    again; ``split`` rows of images. Pixels share one mean and s.d., so that a pixel of constant grey adds nothing; a
    neuron that never changes is predicted by its mean. Raises ValueError for sizes that do not match, images of one
    value, and images to learn from that were not shown to all neurons.
    """
    mean, learned = _checked(grey, trials, split)
    pixels = _standardised(grey.reshape(len(grey), -1), learned)
    return _ridge("ridge on pixels", pixels, mean, learned)


def ridge_on_gabor_energy(
    grey: NDArray[np.floating],  # (n_images, height, width)
    trials: NDArray[np.floating],  # (n_units, n_images, n_repeats)
    split: ImageSplit,
    bank: GaborBank = GaborBank(),
) -> Baseline:
    """Ridge regression of each neuron's mean response on ``gabor_energy``; arrays and errors as `ridge_on_pixels`.

    Each energy is standardised over the images that are learned from; one that never changes there is left out.
    """
    mean, learned = _checked(grey, trials, split)
    energy = gabor_energy(_standardised(grey, learned), bank)  # (n_images, n_gabors)
    sd = energy[learned].std(axis=0)
    varies = sd > 1e-6 * sd.max()
    features = (energy[:, varies] - energy[learned][:, varies].mean(axis=0)) / sd[varies]
    return _ridge("ridge on Gabor energy", features, mean, learned)


def linear_nonlinear(
    grey: NDArray[np.floating],  # (n_images, height, width)
    trials: NDArray[np.floating],  # (n_units, n_images, n_repeats)
    split: ImageSplit,
) -> Baseline:
    """One linear filter per neuron and an exponential, for counts of a Poisson process (scikit-learn).

    Arrays and errors as `ridge_on_pixels`, and for negative responses. The squared weights' penalty is the one whose
    filter, learned from the training images, has the highest Poisson likelihood on the validation images; the filter
    is then learned from both. Takes principal components of the pixels, all of them, which changes no prediction.
    """
    mean, learned = _checked(grey, trials, split)
    if (mean < 0).any():
        raise ValueError(f"{int((mean < 0).sum())} mean responses are below 0; a Poisson model takes counts")
    pixels = _standardised(grey.reshape(len(grey), -1), learned).astype(np.float64)
    offset = pixels[learned].mean(axis=0)
    _, _, axes = np.linalg.svd(pixels[learned] - offset, full_matrices=False)
    scores = (pixels - offset) @ axes.T  # (n_images, n_components)
    # One scale for all components, so that the penalties mean the same at any image size.
    scores /= np.sqrt(scores[learned].var(axis=0).sum())
    predicted, penalty = np.tile(mean[learned].mean(axis=0), (len(grey), 1)), np.full(mean.shape[1], np.nan)
    for unit in np.flatnonzero(mean[split.train].std(axis=0) > 0):
        penalty[unit], predicted[:, unit] = _poisson(scores, mean[:, unit], split, learned)
    return Baseline("linear-nonlinear", predicted, penalty)


def gabor_energy(
    images: NDArray[np.floating],  # (n_images, height, width), mean grey 0
    bank: GaborBank = GaborBank(),
) -> NDArray[np.float32]:  # (n_images, n_gabors)
    """Root of the summed squares of an even and an odd Gabor's products with the images, (n_images, n_gabors).

    ``images`` (n_images, height, width) with their mean grey at 0, which is also what lies around them. Gabors are in
    order of wavelength, orientation (0 is a vertical grating), row and column; an even one has no mean. Raises
    ValueError when a wavelength is longer than an image's side.
    """
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 3 or min(images.shape[1:]) < max(bank.wavelengths_px):
        raise ValueError(
            f"images of (n_images, height, width) must span the longest wavelength, {max(bank.wavelengths_px):g} px, "
            f"got {images.shape}: name shorter ones"
        )
    seen = torch.as_tensor(images)[:, None]
    energies = []
    for wavelength_px in bank.wavelengths_px:
        kernels = torch.as_tensor(_gabor_pairs(wavelength_px, bank))[:, None]  # (2 * n_orientations, 1, side, side)
        half, step = kernels.shape[-1] // 2, max(1, round(wavelength_px))
        # The grid lies half a step inside the image.
        found = conv2d(seen, kernels, padding=half)[:, :, step // 2 :: step, step // 2 :: step]
        even, odd = found.unflatten(1, (2, bank.n_orientations)).unbind(1)
        energies.append((even.square() + odd.square()).sqrt().flatten(1))
    return torch.cat(energies, dim=1).numpy()


def _gabor_pairs(wavelength_px: float, bank: GaborBank) -> NDArray[np.float32]:
    """Gabors of norm 1, even ones of all orientations and then odd ones, (2 * n_orientations, side, side)."""
    sd_px = bank.sd_wavelengths * wavelength_px
    half = math.ceil(2.5 * sd_px)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    envelope = np.exp(-(x**2 + y**2) / (2 * sd_px**2))
    angle = np.pi * np.arange(bank.n_orientations)[:, None, None] / bank.n_orientations
    phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength_px
    even = envelope * np.cos(phase)
    even -= envelope * (even.sum(axis=(1, 2), keepdims=True) / envelope.sum())
    pairs = np.concatenate([even, envelope * np.sin(phase)])
    return (pairs / np.linalg.norm(pairs, axis=(1, 2), keepdims=True)).astype(np.float32)


def _ridge(name: str, features: NDArray, mean: NDArray, learned: NDArray[np.int64]) -> Baseline:
    ridge = RidgeCV(_RIDGE_PENALTIES, alpha_per_target=True)
    ridge.fit(features[learned].astype(np.float64), mean[learned])
    predicted = ridge.predict(features.astype(np.float64)).reshape(mean.shape)
    return Baseline(name, predicted, np.broadcast_to(ridge.alpha_, mean.shape[1:]).astype(np.float64))


def _poisson(scores: NDArray, mean: NDArray, split: ImageSplit, learned: NDArray[np.int64]) -> tuple[float, NDArray]:
    """The chosen penalty, and predictions of all images."""
    model = PoissonRegressor(max_iter=_MOST_STEPS, warm_start=True)
    scored = []
    for penalty in _POISSON_PENALTIES[::-1]:
        model.set_params(alpha=penalty / len(split.train)).fit(scores[split.train], mean[split.train])
        rate = np.maximum(model.predict(scores[split.validation]), 1e-12)
        scored.append((np.mean(mean[split.validation] * np.log(rate) - rate), penalty))
    penalty = max(scored)[1]
    model.set_params(alpha=penalty / len(learned)).fit(scores[learned], mean[learned])
    return penalty, model.predict(scores)


def _standardised(values: NDArray, learned: NDArray[np.int64]) -> NDArray[np.float32]:
    values = np.asarray(values, dtype=np.float32)
    sd = values[learned].std(dtype=np.float64)
    if not sd > 0:
        raise ValueError("all pixels of all images to learn from have one value: there is nothing to learn")
    return ((values - values[learned].mean(dtype=np.float64)) / sd).astype(np.float32)


def _checked(grey: NDArray, trials: NDArray, split: ImageSplit) -> tuple[NDArray, NDArray[np.int64]]:
    """Mean responses (n_images, n_units), and the rows that may be learned from."""
    grey, trials = np.asarray(grey), np.asarray(trials, dtype=np.float64)
    if grey.ndim != 3 or trials.ndim != 3 or len(grey) != trials.shape[1]:
        raise ValueError(
            "grey must be (n_images, height, width) of trials (n_units, n_images, n_repeats), "
            f"got {grey.shape} and {trials.shape}"
        )
    learned = np.sort(np.concatenate([split.train, split.validation]))
    mean = mean_responses(trials).T
    if n := int((~np.isfinite(mean[learned])).any(axis=1).sum()):
        raise ValueError(f"{n} of {len(learned)} images to learn from were not shown to all units: leave them out")
    return mean, learned
