"""The source's loop, against the same loop written out slowly in NumPy with gradients by hand."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models.ascent_starts import flat_start, uniform_noise_starts
from models.exciting_inputs import exciting_inputs, inhibiting
from models.image_stimuli import natural_images
from models.published_ascent import published_ascent, published_sigmas
from tests.models.planted_cells import Cells, likeness, planted_gabors

SHAPE = (20, 31)
N_STEPS = 300


@pytest.fixture(scope="module")
def planted():
    return planted_gabors(3, SHAPE, seed=5)


@pytest.fixture(scope="module")
def images():
    return natural_images(20, *SHAPE, np.random.default_rng(1)) / 255


def loop_by_hand(even, contrast, image, n_steps, gain=2.0, sign=1):
    """One image, one simple cell: float64, one operation after the other."""
    image, sigma = image.astype(np.float64), 7.0
    height, width = image.shape
    for i in range(n_steps):
        drive = np.sum((image - 0.5) * even)
        gradient = sign * gain / (1 + np.exp(-4 * drive)) * even
        deviation = image - image.mean()
        found = np.sqrt((deviation**2).sum() / (image.size - 1))
        gradient = gradient + 2 * np.sign(contrast - found) * deviation / ((image.size - 1) * found)
        spectrum = np.fft.rfft2(gradient)
        for y in range(height):  # the row's number, also where it stands for a negative frequency
            for x in range(width // 2 + 1):
                spectrum[y, x] /= max(np.hypot(y / height, x / width) * max(height, width), 1) ** 0.25
        image = image + 0.1 * np.fft.irfft2(spectrum, s=(height, width))
        image = gaussian_filter(image, sigma)
        sigma += (0.001 - sigma) * i / n_steps
        image = (image - image.min()) / (image.max() - image.min())
    return image


@pytest.mark.parametrize("sign", [1, -1])
def test_the_loop_is_the_one_written_out(planted, images, sign):
    ascent = published_ascent(images, n_steps=N_STEPS)
    starts = uniform_noise_starts(SHAPE, seeds=(0, 1))
    found = exciting_inputs(Cells(planted), np.arange(3), ascent if sign > 0 else inhibiting(ascent), starts)
    contrast = np.mean([one.std(ddof=1) for one in images])
    for unit, seed in ((0, 0), (2, 1)):
        expected = loop_by_hand(planted.even[unit], contrast, starts.images[seed], N_STEPS, sign=sign)
        np.testing.assert_allclose(found.images[unit, seed], expected, atol=2e-5)
    assert found.images.min() == 0
    assert found.images.max() == 1


def test_the_loop_finds_planted_filters(planted, images):
    found = exciting_inputs(
        Cells(planted), np.arange(3), published_ascent(images, 500), uniform_noise_starts(SHAPE, (0, 1))
    )
    assert np.median([likeness(planted, found.images[:, seed], "simple") for seed in (0, 1)]) > 0.8


def test_blur_follows_the_written_rule():
    sigmas = published_sigmas(1000)
    assert len(sigmas) == 1000
    assert sigmas[:2] == (7.0, 7.0)  # i = 0 changes nothing
    assert sigmas[2] == pytest.approx(7 - 6.999 * 1 / 1000)
    assert sigmas[3] == pytest.approx(sigmas[2] + (0.001 - sigmas[2]) * 2 / 1000)
    assert [np.argmax(np.array(sigmas) < below) + 1 for below in (3.5, 1 / 8)] == [39, 90]


def test_it_can_start_from_one_grey(planted, images):
    ascent = published_ascent(images, n_steps=50)
    for grey in ("black", "grey"):
        found = exciting_inputs(Cells(planted), np.arange(3), ascent, flat_start(SHAPE, grey))
        assert found.moved.all()
        assert (found.response > found.response_by_step[..., 0]).all()
