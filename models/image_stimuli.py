"""What simulated sessions show: noise with the amplitude spectrum of natural scenes, and where Gabors were put."""

import numpy as np
from numpy.typing import NDArray

GREY = 127.5
_IMAGE_SD = 45.0
_POSITIONS_DEG = np.arange(-40.0, 41.0, 10.0)
_ORIENTATIONS_DEG = np.array([0.0, 45.0, 90.0])


def natural_images(
    n_images: int, height_px: int, width_px: int, rng: np.random.Generator
) -> NDArray[np.uint8]:  # (n_images, height_px, width_px)
    """Noise whose amplitude falls with 1/frequency, as that of natural scenes does, each of mean 127.5 and s.d. 45.

    Returns (n_images, height_px, width_px), 0 to 255. Amplitude spectrum after Field (1987); phases are random, so
    there are no edges in them. Raises ValueError for a size under 8 pixels or fewer than one image.
    """
    if n_images < 1 or min(height_px, width_px) < 8:
        raise ValueError(f"natural images need at least 1 of 8 x 8 px, got {n_images} of {height_px} x {width_px}")
    frequency = np.hypot(np.fft.fftfreq(height_px)[:, None], np.fft.rfftfreq(width_px)[None, :])
    frequency[0, 0] = np.inf  # no mean
    images = np.empty((n_images, height_px, width_px), np.uint8)
    for at in range(n_images):
        white = np.fft.rfft2(rng.standard_normal((height_px, width_px)))
        image = np.fft.irfft2(white / frequency, (height_px, width_px))
        images[at] = np.clip(np.rint(GREY + _IMAGE_SD * image / image.std()), 0, 255)
    return images


def gabor_conditions() -> dict[str, NDArray[np.float64]]:
    """The 243 patches of the Allen Institute's receptive-field mapping: 81 positions by 3 orientations, (243,) each.

    ``x_position`` and ``y_position`` are degrees from the screen's centre, right and up; ``orientation`` is degrees.
    """
    y, x, orientation = np.meshgrid(_POSITIONS_DEG, _POSITIONS_DEG, _ORIENTATIONS_DEG, indexing="ij")
    return {"x_position": x.ravel(), "y_position": y.ravel(), "orientation": orientation.ravel()}
