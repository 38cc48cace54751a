"""Power spectra of images: over frequency, over direction, and how many-fold their symmetry is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.gabors import Protocol
from models.shown_images import shown

BIN_RAD = np.pi / 16


@dataclass(frozen=True)
class FrequencyContent:
    """Where the power of images lies."""

    cycles_per_px: NDArray[np.float64]  # (n_bins,), middle of each bin
    power: NDArray[np.float64]  # (n_images, n_bins), share of each image's power
    centre: NDArray[np.float64]  # (n_images,), mean frequency weighted by power, cycles per pixel


def power_spectrum(images: NDArray[np.floating], protocol: Protocol = "rigorous") -> NDArray[np.float64]:
    """Squared magnitude of the Fourier transform, (n_images, height, width), the zero frequency in the middle.

    ``rigorous`` takes each image's mean off first, and so has nothing at zero frequency; ``published`` leaves it in.
    Raises ValueError for constant images, which have no other frequency.
    """
    images = shown(images).astype(np.float64)
    constant = np.flatnonzero(np.ptp(images, axis=(1, 2)) == 0)
    if len(constant):
        raise ValueError(f"images {constant.tolist()} are of one grey: their only frequency is zero")
    if protocol == "rigorous":
        images = images - images.mean(axis=(1, 2), keepdims=True)
    return np.fft.fftshift(np.abs(np.fft.fft2(images)) ** 2, axes=(1, 2))


def log_power_spectrum(images: NDArray[np.floating], protocol: Protocol = "rigorous") -> NDArray[np.float64]:
    """Decimal logarithm of each image's power spectrum, (n_images, height, width), no lower than 1e-12 of its peak."""
    power = power_spectrum(images, protocol)
    return np.log10(np.maximum(power, 1e-12 * power.max(axis=(1, 2), keepdims=True)))


def angular_power(images: NDArray[np.floating], protocol: Protocol = "rigorous") -> NDArray[np.float64]:
    """Mean power along each direction of frequency space, (n_images, 32): bin k around k pi / 16, anticlockwise of x.

    ``published`` keeps the zero frequency, which has no direction and falls into bin 0, and all others; ``rigorous``
    leaves out both it and the corners beyond half a cycle per pixel, where some directions reach and others don't.
    """
    power = power_spectrum(images, protocol)
    frequency, direction = _polar(power.shape[1:])
    n_bins = round(2 * np.pi / BIN_RAD)
    of_bin = np.round(direction / BIN_RAD).astype(int) % n_bins
    counts = (frequency > 0) & (frequency <= 0.5) if protocol == "rigorous" else np.ones_like(of_bin, dtype=bool)
    weights = np.zeros((n_bins, of_bin.size))
    weights[of_bin.ravel(), np.arange(of_bin.size)] = counts.ravel()
    each = weights.sum(axis=1)
    if (each == 0).any():
        raise ValueError(f"images of {power.shape[1:]} pixels are too small to tell {n_bins} directions apart")
    return power.reshape(len(power), -1) @ (weights / each[:, None]).T


def symmetry_index(images: NDArray[np.floating], fold: int, protocol: Protocol = "rigorous") -> NDArray[np.float64]:
    """How much of the power goes ``fold`` times round with direction, (n_images,), 0 to 1.

    The magnitude of that Fourier component of ``angular_power`` over its sum. A grating is 2-fold: its power lies in
    two opposite directions. The spectrum of any image is the same in opposite directions, so that the 1-fold index of
    an image without mean is 0; the source keeps the zero frequency, which lies in one bin and outweighs the others, so
    that its indices say how bright an image is, and a ring has .97. Raises ValueError for a fold below 1 or above 15.
    """
    n_bins = round(2 * np.pi / BIN_RAD)
    if not 1 <= fold < n_bins / 2:
        raise ValueError(f"{n_bins} directions tell folds 1 to {n_bins // 2 - 1} apart, got {fold}")
    waves = np.abs(np.fft.rfft(angular_power(images, protocol), axis=1))
    return waves[:, fold] / waves[:, 0]


def frequency_content(images: NDArray[np.floating], n_bins: int = 24) -> FrequencyContent:
    """Share of power in ``n_bins`` rings of spatial frequency up to .5 cycles per pixel, without the mean."""
    power = power_spectrum(images)
    frequency, _ = _polar(power.shape[1:])
    edges = np.linspace(0, 0.5, n_bins + 1)
    ring = np.digitize(frequency, edges[1:], right=True).ravel()  # beyond .5: n_bins
    flat = power.reshape(len(power), -1)
    total = flat.sum(axis=1)
    shares = np.stack([flat[:, ring == one].sum(axis=1) for one in range(n_bins)], axis=1) / total[:, None]
    return FrequencyContent((edges[:-1] + edges[1:]) / 2, shares, flat @ frequency.ravel() / total)


def _polar(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequency in cycles per pixel and its direction in radians, anticlockwise of x, (height, width) each."""
    down, right = np.meshgrid(*(np.fft.fftshift(np.fft.fftfreq(size)) for size in shape), indexing="ij")
    return np.hypot(right, down), np.arctan2(-down, right)
