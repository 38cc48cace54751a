"""The slots of a gradient ascent: each against a library or an answer by hand, and each image by itself."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from models.ascent_slots import (
    Blur,
    ContrastAt,
    NormAtMost,
    NormedStep,
    Plateau,
    RawStep,
    Response,
    ResponseAtContrast,
    Shifted,
    SmoothGradient,
    UnitRange,
    WithinRange,
    contrast_of,
    frequency_weights,
)

SHAPE = (18, 25)


@pytest.fixture
def images():
    return torch.from_numpy(np.random.default_rng(0).random((3, 1, *SHAPE)).astype(np.float32))


@pytest.mark.parametrize("sigma_px", [7.0, 1.3, 0.4])
def test_blur_is_that_of_scipy(images, sigma_px):
    ours = Blur((0.0, sigma_px))(images, 1)
    theirs = [gaussian_filter(one[0].numpy(), sigma_px) for one in images]
    np.testing.assert_allclose(ours[:, 0], theirs, atol=2e-6)


def test_no_blur_is_left_when_the_sigmas_are_small_or_over(images):
    assert Blur((0.1,))(images, 0) is images
    assert Blur((3.0,))(images, 1) is images


@pytest.mark.parametrize("shape", [(18, 25), (17, 24)])
def test_smoothing_divides_each_frequency_by_its_power(shape):
    gradient = np.random.default_rng(1).standard_normal((2, 1, *shape))
    cycles = max(shape) * np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    expected = np.fft.ifft2(np.fft.fft2(gradient) / np.maximum(cycles, 1) ** 0.7).real
    np.testing.assert_allclose(SmoothGradient(0.7)(torch.from_numpy(gradient)), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(18, 24), (17, 25)])
def test_weights_without_negative_frequencies_are_those_of_the_row_number(shape):
    gradient = np.random.default_rng(2).standard_normal((1, 1, *shape))
    cycles = max(shape) * np.hypot(np.arange(shape[0])[:, None] / shape[0], np.fft.rfftfreq(shape[1]))
    expected = np.fft.irfft2(np.fft.rfft2(gradient) / np.maximum(cycles, 1), s=shape)
    smoothed = SmoothGradient(1.0, vertical="non-negative")(torch.from_numpy(gradient))
    np.testing.assert_allclose(smoothed, expected, atol=1e-12)


def test_the_published_weights_treat_two_tilts_unlike():
    row, column = np.mgrid[:32, :32]
    tilts = [np.cos(2 * np.pi * (3 * column + sign * 5 * row) / 32) for sign in (1, -1)]
    gradient = torch.from_numpy(np.stack(tilts)[:, None])
    left = {v: SmoothGradient(1.0, v)(gradient).std(dim=(1, 2, 3)) for v in ("both signs", "non-negative")}
    np.testing.assert_allclose(left["both signs"][0], left["both signs"][1])
    assert left["non-negative"].max() / left["non-negative"].min() > 3  # 27 rows against 5


def test_weights_fall_from_one():
    weights = frequency_weights(*SHAPE, 0.5, "both signs")
    assert weights.shape == (18, 13)
    assert weights[0, 0] == weights.max() == 1
    assert weights.min() > 0


def test_contrast_is_the_sample_deviation_and_flat_where_there_is_none(images):
    np.testing.assert_allclose(contrast_of(images), images.numpy().std(axis=(1, 2, 3), ddof=1), rtol=1e-5)
    flat = torch.full((1, 1, *SHAPE), 0.5, requires_grad=True)
    (slope,) = torch.autograd.grad(contrast_of(flat).sum(), flat)
    assert contrast_of(flat) == 0
    assert (slope == 0).all()


def test_steps_have_the_length_they_say(images):
    gradient = torch.randn_like(images) * torch.tensor([1e-25, 1.0, 0.0])[:, None, None, None]
    moved = NormedStep(0.2, 0.05, n_steps=3)(images, gradient, 2) - images
    np.testing.assert_allclose(moved.square().mean(dim=(1, 2, 3)).sqrt(), [0.05, 0.05, 0], atol=1e-6)
    torch.testing.assert_close(RawStep(0.1)(images, gradient, 0), images + 0.1 * gradient)


def test_aims_by_hand():
    images = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])  # sample s.d. sqrt(1/3)
    response = torch.tensor([5.0])
    assert Response(-1)(response, images) == -5
    expected = -5 - 2 * abs(0.2 - np.sqrt(1 / 3))
    np.testing.assert_allclose(ResponseAtContrast(0.2, sign=-1)(response, images), expected, rtol=1e-6)


def test_a_norm_is_a_limit_and_a_contrast_is_kept(images):
    small = NormAtMost(10.0, about=0.5)(images, 0)
    torch.testing.assert_close(small, images)
    held = NormAtMost(0.1, about=0.4)(images, 0)
    np.testing.assert_allclose((held - 0.4).square().mean(dim=(1, 2, 3)).sqrt(), 0.1, rtol=1e-5)
    at = ContrastAt(0.3)(images, 0)
    np.testing.assert_allclose(contrast_of(at), 0.3, rtol=1e-5)
    torch.testing.assert_close(at.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)))


def test_ranges_by_hand_and_constant_images_stay():
    images = torch.tensor([[[[-1.0, 0.0, 3.0]]], [[[2.0, 2.0, 2.0]]]])
    torch.testing.assert_close(UnitRange()(images, 0), torch.tensor([[[[0.0, 0.25, 1.0]]], [[[2.0, 2.0, 2.0]]]]))
    torch.testing.assert_close(WithinRange(0, 1)(images, 0)[0, 0, 0], torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(ContrastAt(0.3)(images, 0)[1], images[1])


def test_a_shift_is_the_same_for_all_images_of_a_step_and_turns_back(images):
    shift = Shifted(4, seed=3)
    together, alone = shift(images, 7), shift(images[1:2], 7)
    torch.testing.assert_close(together[1:2], alone)
    assert not all(torch.equal(shift(images, step), images) for step in range(5))
    np.testing.assert_array_equal(np.sort(together.flatten()), np.sort(images.flatten()))


def test_a_plateau_is_flat_over_its_patience():
    rising = torch.arange(10.0)
    levelled = torch.tensor([0.0, 5, 8, 10, 10, 10, 10, 10, 10, 10])
    stop = Plateau(patience=4, tolerance=1e-3, least_steps=6)
    both = torch.stack([rising, levelled])
    assert stop(both).tolist() == [False, True]
    assert stop(both[:, :6]).tolist() == [False, False]  # five steps: too early
