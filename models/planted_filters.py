"""Simulated neurons of primary visual cortex: Gabor filters, rectified (simple) or pooled over phase (complex)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.image_stimuli import GREY

_WAVELENGTH_PX = (6.0, 14.0)
_SIGMA_PER_WAVELENGTH = 0.4
_RATE_SPREAD = 0.5  # s.d. of the logarithm of mean counts


@dataclass(frozen=True, eq=False)
class PlantedFilters:
    """What was planted in each unit.

    ``kind`` (n_units,) is 'simple', 'complex', 'unresponsive' or 'silent'. ``even`` and ``odd`` (n_units, height_px,
    width_px) are a quadrature pair of Gabors of mean 0 and norm 1: a simple cell has ``even`` alone, whose phase is
    ``phase_rad``; ``odd`` lags it by a quarter of a cycle. ``x_px`` counts columns from the left and ``y_px`` rows from
    the top; ``orientation_deg`` is the direction in which luminance changes, anticlockwise of x. ``gain`` is expected
    spikes per unit of the filter's output, ``baseline`` those without any; all (n_units,).
    """

    kind: NDArray[np.str_]
    even: NDArray[np.float64]
    odd: NDArray[np.float64]
    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    orientation_deg: NDArray[np.float64]
    wavelength_px: NDArray[np.float64]
    sigma_px: NDArray[np.float64]
    phase_rad: NDArray[np.float64]
    gain: NDArray[np.float64]
    baseline: NDArray[np.float64]


def plant_filters(
    kind: NDArray[np.str_],  # (n_units,)
    images: NDArray[np.number],  # (n_images, height_px, width_px), 0 to 255
    mean_count: float,
    baseline_count: float,
    rng: np.random.Generator,
) -> PlantedFilters:
    """Filters within the middle of the images, with gains that make the images evoke ``mean_count`` spikes on average.

    ``kind`` (n_units,) as in PlantedFilters, ``images`` (n_images, height_px, width_px), 0 to 255. Mean counts are
    spread log-normally over units, by 0.5 in the logarithm about ``mean_count``; unresponsive units fire as much on
    average, whatever is shown; silent ones never fire.
    """
    n_units, (height_px, width_px) = len(kind), images.shape[1:]
    x_px, y_px = rng.uniform(0.35, 0.65, (2, n_units)) * np.array([[width_px - 1], [height_px - 1]])
    orientation_deg = rng.uniform(0, 180, n_units)
    wavelength_px = np.exp(rng.uniform(*np.log(_WAVELENGTH_PX), n_units))
    sigma_px = _SIGMA_PER_WAVELENGTH * wavelength_px
    phase_rad = rng.uniform(0, 2 * np.pi, n_units)
    place = (height_px, width_px, x_px, y_px, orientation_deg, wavelength_px, sigma_px)
    even, odd = _gabors(*place, phase_rad), _gabors(*place, phase_rad + np.pi / 2)
    count = mean_count * np.exp(_RATE_SPREAD * rng.standard_normal(n_units))

    shape = (x_px, y_px, orientation_deg, wavelength_px, sigma_px, phase_rad)
    bare = PlantedFilters(kind, even, odd, *shape, np.ones(n_units), np.zeros(n_units))
    driven = np.isin(kind, ["simple", "complex"])
    gain = np.where(driven, count / planted_responses(bare, images).mean(axis=1).clip(1e-9), 0.0)
    baseline = np.select([driven, kind == "unresponsive"], [baseline_count, baseline_count + count], 0.0)
    return PlantedFilters(kind, even, odd, *shape, gain, baseline)


def planted_responses(
    truth: PlantedFilters,
    images: NDArray[np.number],  # (n_images, height_px, width_px), 0 to 255
) -> NDArray[np.float64]:  # (n_units, n_images)
    """Expected spikes of each unit to each image, (n_units, n_images), per presentation.

    ``images`` (n_images, height_px, width_px), 0 to 255; mid grey (127.5) evokes the baseline. Simple cells are
    half-wave rectified, complex ones give the root of their energy (Adelson & Bergen 1985). Raises ValueError for
    images of another size than the filters'.
    """
    if images.shape[1:] != truth.even.shape[1:]:
        raise ValueError(f"images must be of the filters' {truth.even.shape[1:]} px, got {images.shape[1:]}")
    seen = images.reshape(len(images), -1) - GREY  # (n_images, n_pixels)
    even, odd = (one.reshape(len(one), -1) @ seen.T for one in (truth.even, truth.odd))  # (n_units, n_images)
    output = np.where((truth.kind == "complex")[:, None], np.hypot(even, odd), np.maximum(even, 0))
    return truth.baseline[:, None] + truth.gain[:, None] * output


def _gabors(
    height_px: int,
    width_px: int,
    x_px: NDArray[np.float64],
    y_px: NDArray[np.float64],
    orientation_deg: NDArray[np.float64],
    wavelength_px: NDArray[np.float64],
    sigma_px: NDArray[np.float64],
    phase_rad: NDArray[np.float64],
) -> NDArray[np.float64]:  # (n_units, height_px, width_px)
    x = np.arange(width_px)[None, None, :] - x_px[:, None, None]
    y = y_px[:, None, None] - np.arange(height_px)[None, :, None]  # up
    angle = np.deg2rad(orientation_deg)[:, None, None]
    along = x * np.cos(angle) + y * np.sin(angle)
    window = np.exp(-0.5 * (x**2 + y**2) / sigma_px[:, None, None] ** 2)
    gabor = window * np.cos(2 * np.pi * along / wavelength_px[:, None, None] + phase_rad[:, None, None])
    # A filter that passes the mean would answer to the screen's luminance.
    gabor -= window * (gabor.sum(axis=(1, 2)) / window.sum(axis=(1, 2)))[:, None, None]
    return gabor / np.linalg.norm(gabor, axis=(1, 2), keepdims=True)
