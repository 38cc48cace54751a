"""Model cells whose filters are known: rectified simple cells, and complex cells of a quadrature pair."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Planted:
    """What was planted, (n_units,) each; positions in pixels from the image's centre, y up."""

    x_px: np.ndarray
    y_px: np.ndarray
    orientation_deg: np.ndarray  # direction in which luminance changes, anticlockwise of x
    cycles_per_px: np.ndarray
    phase_deg: np.ndarray
    sigma_px: np.ndarray
    even: np.ndarray  # (n_units, height, width), mean 0, norm 1
    odd: np.ndarray


def planted_gabors(n_units, shape, seed=0):
    """Gabors of unlike places, sizes and tilts, a quarter of the image or less."""
    rng = np.random.default_rng(seed)
    height, width = shape
    x_px = rng.uniform(-width / 6, width / 6, n_units)
    y_px = rng.uniform(-height / 8, height / 8, n_units)
    orientation_deg = rng.uniform(0, 180, n_units)
    cycles_per_px = rng.uniform(0.08, 0.15, n_units)
    phase_deg = rng.uniform(0, 360, n_units)
    sigma_px = rng.uniform(2.5, 4, n_units)
    row, column = np.mgrid[:height, :width]
    right = column - (width - 1) / 2 - x_px[:, None, None]
    up = (height - 1) / 2 - row - y_px[:, None, None]
    tilt = np.deg2rad(orientation_deg)[:, None, None]
    along = right * np.cos(tilt) + up * np.sin(tilt)
    envelope = np.exp(-(right**2 + up**2) / (2 * sigma_px[:, None, None] ** 2))
    angle = 2 * np.pi * cycles_per_px[:, None, None] * along + np.deg2rad(phase_deg)[:, None, None]
    pair = [_normed(envelope * wave(angle)) for wave in (np.cos, np.sin)]
    return Planted(x_px, y_px, orientation_deg, cycles_per_px, phase_deg, sigma_px, *pair)


def _normed(filters):
    filters = filters - filters.mean(axis=(1, 2), keepdims=True)
    return filters / np.linalg.norm(filters, axis=(1, 2), keepdims=True)


class Cells(nn.Module):
    """Responses (n, n_units) of planted cells to images (n, 1, height, width) of display units."""

    def __init__(self, planted, kind="simple", gain=2.0, baseline=0.1):
        super().__init__()
        self.kind, self.gain, self.baseline = kind, gain, baseline
        self.register_buffer("even", torch.from_numpy(planted.even.astype(np.float32)))
        self.register_buffer("odd", torch.from_numpy(planted.odd.astype(np.float32)))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        even, odd = (torch.einsum("nchw,uhw->nu", images - 0.5, one) for one in (self.even, self.odd))
        if self.kind == "complex":
            drive = torch.sqrt(even**2 + odd**2 + 1e-12)
        elif self.kind == "simple":
            drive = torch.nn.functional.softplus(even * 4) / 4
        else:
            drive = torch.relu(even)
        return self.baseline + self.gain * drive


def correlation(a, b):
    """Pearson's r over pixels, (n,), of images (n, height, width) each."""
    a, b = (one.reshape(len(one), -1) - one.reshape(len(one), -1).mean(axis=1, keepdims=True) for one in (a, b))
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def likeness(planted, images, kind):
    """How like the planted filter each image is: r for simple cells, the r of the best phase for complex ones."""
    even = correlation(images, planted.even)
    return np.hypot(even, correlation(images, planted.odd)) if kind == "complex" else even
