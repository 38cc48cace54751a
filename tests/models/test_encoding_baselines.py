"""Baselines against scikit-learn's models of their own, and Gabor energies against gratings."""

import numpy as np
import pytest
from sklearn.linear_model import PoissonRegressor, Ridge

from models.encoding_baselines import (
    GaborBank,
    gabor_energy,
    linear_nonlinear,
    ridge_on_gabor_energy,
    ridge_on_pixels,
)
from models.image_splits import split_images

SHAPE = (8, 10)
BANK = GaborBank((4.0,), 4)


@pytest.fixture(scope="module")
def planted():
    """Images of noise, counts of an exponential neuron of one filter, a linear one, and a silent one."""
    rng = np.random.default_rng(0)
    grey = rng.normal(100, 30, (300, *SHAPE))
    grey[:, 0, 0] = 17.0  # a dead pixel
    filters = rng.normal(size=(2, *SHAPE)) * 0.015 / np.sqrt(2)
    drive = np.einsum("uhw,nhw->un", filters, grey - 100)
    rate = np.stack([np.exp(drive[0]), np.maximum(0.05, 2 + drive[1]), np.zeros(300)])
    trials = rng.poisson(rate[:, :, None], (3, 300, 8)).astype(float)
    return grey, trials, rate, split_images(np.arange(300), seed=0)


def test_ridge_on_pixels_is_scikit_learns_at_the_chosen_penalty(planted):
    grey, trials, _, split = planted
    found = ridge_on_pixels(grey, trials, split)
    learned = np.concatenate([split.train, split.validation])
    pixels = (grey - grey[learned].mean()) / grey[learned].std()
    theirs = Ridge(alpha=found.penalty).fit(pixels[learned].reshape(255, -1), trials[:, learned].mean(axis=2).T)
    np.testing.assert_allclose(found.predicted, theirs.predict(pixels.reshape(300, -1)), atol=1e-4)
    assert np.allclose(found.predicted[:, 2], 0)


def test_the_linear_nonlinear_model_is_scikit_learns_on_pixels(planted):
    grey, trials, rate, split = planted
    found = linear_nonlinear(grey, trials, split)
    learned = np.sort(np.concatenate([split.train, split.validation]))
    pixels = grey.reshape(300, -1)
    pixels = (pixels - pixels[learned].mean(axis=0)) / np.sqrt(pixels[learned].var(axis=0).sum())
    theirs = PoissonRegressor(alpha=found.penalty[0] / 255, max_iter=1000, tol=1e-8)
    theirs.fit(pixels[learned], trials[0, learned].mean(axis=1))
    np.testing.assert_allclose(found.predicted[:, 0], theirs.predict(pixels), rtol=0.02)
    held_out = found.predicted[split.test]
    assert np.corrcoef(held_out[:, 0], rate[0, split.test])[0, 1] > 0.9
    assert (held_out[:, 2] == 0).all()
    assert np.isnan(found.penalty[2])


@pytest.mark.parametrize("fit", [ridge_on_pixels, linear_nonlinear, lambda *given: ridge_on_gabor_energy(*given, BANK)])
def test_test_images_are_never_seen(planted, fit):
    grey, trials, _, split = planted
    other = trials.copy()
    other[:, split.test] = np.nan
    np.testing.assert_array_equal(fit(grey, trials, split).predicted, fit(grey, other, split).predicted)


def test_energy_does_not_depend_on_a_gratings_phase_and_is_largest_at_its_orientation():
    y, x = np.mgrid[:24, :24]
    bank = GaborBank((4.0, 6.0), 4)
    for at, angle in enumerate(np.pi * np.arange(4) / 4):
        phases = np.linspace(0, 2 * np.pi, 7)[:, None, None]
        gratings = np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / 6 + phases)
        energy = gabor_energy(gratings, bank)[:, 4 * 6 * 6 :].reshape(7, 4, 4, 4)  # of wavelength 6
        inner = energy[:, :, 1:3, 1:3]
        assert (inner.max(axis=0) / inner.min(axis=0))[at].max() < 1.05
        assert (inner.mean(axis=(0, 2, 3)).argmax()) == at


def test_ridge_on_gabor_energy_finds_a_phase_invariant_neuron_that_pixels_do_not():
    rng = np.random.default_rng(1)
    grey = rng.normal(size=(400, 12, 12))
    bank = GaborBank((4.0,), 4)
    energy = gabor_energy(grey, bank)[:, 4]
    trials = rng.normal(energy[:, None], 0.2, (400, 4))[None]
    split = split_images(np.arange(400), seed=0)
    scores = [
        np.corrcoef(found.predicted[split.test, 0], energy[split.test])[0, 1]
        for found in (ridge_on_gabor_energy(grey, trials, split, bank), ridge_on_pixels(grey, trials, split))
    ]
    assert scores[0] > 0.95
    assert scores[1] < 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, t: (g[:-1], t), "grey must be"),
        (lambda g, t: (np.full_like(g, 3), t), "have one value"),
        (lambda g, t: (g, np.where(np.arange(300)[:, None] < 200, np.nan, t)), "not shown to all units"),
        (lambda g, t: (g, t - 1), "below 0"),
    ],
)
def test_what_does_not_fit_is_refused(planted, change, message):
    grey, trials, _, split = planted
    with pytest.raises(ValueError, match=message):
        linear_nonlinear(*change(grey, trials), split)


def test_wavelengths_that_cannot_be_seen_are_refused():
    with pytest.raises(ValueError, match="longest wavelength, 16 px"):
        gabor_energy(np.zeros((2, 12, 20)))
    with pytest.raises(ValueError, match="2 pixels or more"):
        GaborBank((1.0,))
