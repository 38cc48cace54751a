"""The slots of a gradient ascent on images: what is seen, aimed at, followed, done after each step, and when to stop.

Every slot takes images (n, 1, height, width) in display units and treats each one by itself, so that images climbed
together are those climbed one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

# What the model is shown of the images at this step, (n, 1, height, width); gradients pass through.
Transform = Callable[[Tensor, int], Tensor]
# What is climbed, (n,), from responses (n,) and images.
Aim = Callable[[Tensor, Tensor], Tensor]
# The gradient that is followed, from the gradient found.
Precondition = Callable[[Tensor], Tensor]
# The images after following a gradient, from images, gradient and step.
Step = Callable[[Tensor, Tensor, int], Tensor]
# The images as they are kept, from the images and the step.
After = Callable[[Tensor, int], Tensor]
# Which images are done, (n,), from their responses so far, (n, step + 1).
Stop = Callable[[Tensor], Tensor]

Vertical = Literal["both signs", "non-negative"]


@dataclass(frozen=True)
class Shifted:
    """Transform: the model sees all images shifted (around the edges) by up to so many pixels, anew at each step."""

    most_px: int
    seed: int = 0

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """The images, shifted by what seed and step say."""
        shift = np.random.default_rng((self.seed, step)).integers(-self.most_px, self.most_px + 1, size=2)
        return images.roll(tuple(shift.tolist()), dims=(-2, -1))


@dataclass(frozen=True)
class Response:
    """Aim: the highest response (sign 1), or the lowest (-1)."""

    sign: Literal[1, -1] = 1

    def __call__(self, response: Tensor, images: Tensor) -> Tensor:
        """The response, signed."""
        return self.sign * response


@dataclass(frozen=True)
class ResponseAtContrast:
    """Aim: the response, less ``weight`` times how far the contrast (sample s.d.) is from the one given."""

    contrast: float
    weight: float = 2.0
    sign: Literal[1, -1] = 1

    def __call__(self, response: Tensor, images: Tensor) -> Tensor:
        """The signed response less the penalty."""
        return self.sign * response - self.weight * (self.contrast - contrast_of(images)).abs()


@dataclass(frozen=True)
class SmoothGradient:
    """Precondition: divide each spatial frequency f of the gradient by f ** ``power``.

    f is in cycles along the image's longer side, and at least 1. ``vertical="non-negative"`` weights the rows of the
    transform as if none stood for a negative frequency, as the source does: gratings that tilt one way are then
    smoothed more than those that tilt the other way.
    """

    power: float
    vertical: Vertical = "both signs"

    def __call__(self, gradient: Tensor) -> Tensor:
        """The gradient, smoothed."""
        shape = gradient.shape[-2:]
        weights = frequency_weights(*shape, self.power, self.vertical)  # (height, width // 2 + 1)
        weights = torch.from_numpy(weights).to(gradient)
        return torch.fft.irfft2(torch.fft.rfft2(gradient) * weights, s=shape)


@dataclass(frozen=True)
class RawStep:
    """Step: the gradient times ``size``."""

    size: float

    def __call__(self, images: Tensor, gradient: Tensor, step: int) -> Tensor:
        """The images moved."""
        return images + self.size * gradient


@dataclass(frozen=True)
class NormedStep:
    """Step of a set length along the gradient: pixels move by the root mean square ``first``, in the end ``last``."""

    first: float
    last: float
    n_steps: int

    def __call__(self, images: Tensor, gradient: Tensor, step: int) -> Tensor:
        """The images moved; those without gradient stay."""
        size = self.first * (self.last / self.first) ** (step / max(self.n_steps - 1, 1))
        # By its peak first: where a unit is all but silent, the squares of its gradient would underflow.
        peak = gradient.abs().amax(dim=(-2, -1), keepdim=True)
        gradient = gradient / torch.where(peak > 0, peak, 1.0)
        length = gradient.square().mean(dim=(-2, -1), keepdim=True).sqrt()
        return images + size * gradient / torch.where(peak > 0, length, 1.0)


@dataclass(frozen=True)
class Blur:
    """After: Gaussian blur by the step's sigma in pixels; none once the sigmas have ended or are too small to matter.

    Mirrored at the edges and cut at 4 sigma; equals ``scipy.ndimage.gaussian_filter``.
    """

    sigmas_px: tuple[float, ...]

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """The images, blurred."""
        if step >= len(self.sigmas_px) or int(4 * self.sigmas_px[step] + 0.5) == 0:
            return images
        sigma_px = self.sigmas_px[step]
        rows, columns = (torch.from_numpy(_blur_matrix(size, sigma_px)).to(images) for size in images.shape[-2:])
        return rows @ images @ columns.T


@dataclass(frozen=True)
class NormAtMost:
    """After: deviations from the grey ``about`` shrunk to a root mean square of ``norm`` where they exceed it."""

    norm: float
    about: float

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """The images, within the norm."""
        deviation = images - self.about
        length = deviation.square().mean(dim=(-2, -1), keepdim=True).sqrt()
        return self.about + deviation * (self.norm / length.clamp(min=self.norm))


@dataclass(frozen=True)
class ContrastAt:
    """After: the sample standard deviation of each image set to ``contrast``, its mean kept; constant images stay."""

    contrast: float

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """The images at this contrast."""
        mean, contrast = images.mean(dim=(-2, -1), keepdim=True), contrast_of(images)[:, None, None, None]
        return mean + (images - mean) * torch.where(contrast > 0, self.contrast / contrast.clamp(min=1e-12), 1.0)


@dataclass(frozen=True)
class WithinRange:
    """After: pixels below ``low`` or above ``high`` are set to these."""

    low: float
    high: float

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """The images, clipped."""
        return images.clamp(self.low, self.high)


@dataclass(frozen=True)
class UnitRange:
    """After: each image stretched so that its darkest pixel is 0 and its brightest 1; constant images stay."""

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """The images, stretched."""
        low, high = images.amin(dim=(-2, -1), keepdim=True), images.amax(dim=(-2, -1), keepdim=True)
        return torch.where(high > low, (images - low) / torch.where(high > low, high - low, 1.0), images)


@dataclass(frozen=True)
class Plateau:
    """Stop: an image is done when its response changed by less than a share over so many steps.

    The largest change within the last ``patience`` steps is held against ``tolerance`` times the largest absolute
    response so far; never before ``least_steps``.
    """

    patience: int
    tolerance: float
    least_steps: int

    def __call__(self, responses: Tensor) -> Tensor:
        """Which images are done, (n,), by their responses (n, step + 1)."""
        if responses.shape[1] - 1 < max(self.least_steps, self.patience):
            return torch.zeros(len(responses), dtype=torch.bool, device=responses.device)
        last = responses[:, -self.patience - 1 :]
        return last.amax(1) - last.amin(1) <= self.tolerance * responses.abs().amax(1)


def contrast_of(images: Tensor) -> Tensor:
    """Sample standard deviation of each image of (n, 1, height, width): (n,). A constant one has 0, and slope 0."""
    n_pixels = images.shape[-2] * images.shape[-1]
    variance = (images - images.mean(dim=(-2, -1), keepdim=True)).square().sum(dim=(-3, -2, -1)) / (n_pixels - 1)
    # The slope of a root at exactly zero is not finite.
    return torch.where(variance > 0, torch.where(variance > 0, variance, 1.0).sqrt(), 0.0)


@lru_cache(maxsize=64)
def frequency_weights(height: int, width: int, power: float, vertical: Vertical) -> np.ndarray:
    """What each frequency of ``rfft2`` is multiplied by, (height, width // 2 + 1): see ``SmoothGradient``."""
    longer = max(height, width)
    signed = np.fft.fftfreq(height) if vertical == "both signs" else np.arange(height) / height
    cycles = longer * np.hypot(signed[:, None], np.fft.rfftfreq(width))
    weights = np.maximum(cycles, 1.0) ** -power
    # Columns that hold a frequency and its negative: only the part that keeps an image real comes back from irfft2,
    # and not every library leaves out the rest by itself.
    for column in {0, width // 2} if width % 2 == 0 else {0}:
        weights[:, column] = (weights[:, column] + weights[-np.arange(height), column]) / 2
    return weights


@lru_cache(maxsize=1024)
def _blur_matrix(size: int, sigma_px: float) -> np.ndarray:
    """The matrix (size, size) that blurs a column of pixels."""
    return gaussian_filter1d(np.eye(size), sigma_px, axis=0, mode="reflect", truncate=4.0)
