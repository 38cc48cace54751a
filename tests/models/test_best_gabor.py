"""The best Gabor: a planted one's parameters come back, and its phase matters to simple cells only."""

import numpy as np
import pytest

from models.best_gabor import GaborSearch, best_gabors, norm_of, phase_tuning, shown_gabors
from models.gabors import Gabors, gabor_patches
from tests.models.planted_cells import Cells, likeness, planted_gabors

SHAPE = (30, 48)
UNITS = np.arange(6)
NORM = 0.04
SEARCH = GaborSearch(grid_px=6, cycles_per_px=(0.08, 0.13), sigmas_px=(3.5,), n_refined=3)


@pytest.fixture(scope="module")
def planted():
    return planted_gabors(6, SHAPE, seed=3)


@pytest.fixture(scope="module")
def best(planted):
    return {kind: best_gabors(Cells(planted, kind), UNITS, SHAPE, NORM, SEARCH) for kind in ("simple", "complex")}


@pytest.mark.parametrize("kind", ["simple", "complex"])
def test_planted_parameters_come_back(planted, best, kind):
    found = best[kind].gabor
    assert likeness(planted, best[kind].images, kind).min() > 0.95
    np.testing.assert_allclose(found.x_px, planted.x_px, atol=0.75)
    np.testing.assert_allclose(found.y_px, planted.y_px, atol=0.75)
    np.testing.assert_allclose(found.cycles_per_px, planted.cycles_per_px, atol=0.01)
    turned = (found.orientation_deg - planted.orientation_deg + 90) % 180 - 90
    assert np.abs(turned).max() < 5
    assert np.abs(found.sigma_px / planted.sigma_px - 1).max() < 0.25


def test_a_simple_cells_phase_comes_back(planted, best):
    found = best["simple"].gabor
    opposite = np.abs(found.orientation_deg - planted.orientation_deg) > 90
    phase = np.where(opposite, -1, 1) * found.phase_deg
    off = (phase - planted.phase_deg + 180) % 360 - 180
    assert np.abs(off).max() < 25


def test_refining_only_ever_helps_and_parameters_draw_the_image(best):
    for found in best.values():
        assert (found.response >= found.coarse_response * 0.999).all()
        np.testing.assert_allclose(shown_gabors(found.gabor, SHAPE, NORM), found.images, atol=2e-4)


def test_norms_are_matched_each_to_its_own(planted):
    wanted = np.linspace(0.01, 0.03, 6)  # small enough that nothing is cut at black or white
    images = best_gabors(Cells(planted), UNITS, SHAPE, wanted, SEARCH).images
    np.testing.assert_allclose(norm_of(images), wanted, rtol=1e-3)


def test_shown_gabors_are_the_patches_at_their_norm():
    gabors = Gabors(*(np.array([one]) for one in (2.0, -1.0, 30.0, 0.1, 80.0, 4.0)))
    (patch,) = gabor_patches(gabors, SHAPE)
    expected = 0.5 + 0.02 * patch / np.sqrt((patch**2).mean())
    np.testing.assert_allclose(shown_gabors(gabors, SHAPE, 0.02)[0], expected, atol=1e-5)


def test_phase_matters_to_simple_cells_and_not_to_complex_ones(planted, best):
    rectified = Cells(planted, "rectified")
    simple = phase_tuning(rectified, UNITS, best["simple"].gabor, SHAPE, NORM)
    np.testing.assert_allclose(simple.modulation, np.pi / 2, rtol=0.05)  # of a half-wave
    assert not simple.phase_invariant.any()
    energy = phase_tuning(Cells(planted, "complex"), UNITS, best["complex"].gabor, SHAPE, NORM)
    assert energy.modulation.max() < 0.1
    assert energy.phase_invariant.all()
    assert energy.response.shape == (6, 16)


def test_a_unit_that_no_phase_excites_has_no_modulation(planted, best):
    model = Cells(planted, "complex", gain=-1.0)
    assert np.isnan(phase_tuning(model, UNITS, best["complex"].gabor, SHAPE, NORM).modulation).all()


def test_what_cannot_be_searched_is_refused(planted, best):
    with pytest.raises(ValueError, match=r"at most .5 cycles"):
        GaborSearch(cycles_per_px=(0.1, 0.7))
    with pytest.raises(ValueError, match="numbers above 0"):
        GaborSearch(sigmas_px=())
    with pytest.raises(ValueError, match="norm above 0"):
        best_gabors(Cells(planted), UNITS, SHAPE, 0.0)
    with pytest.raises(ValueError, match="a Gabor per unit"):
        phase_tuning(Cells(planted), UNITS[:2], best["simple"].gabor, SHAPE, NORM)
    with pytest.raises(ValueError, match=r"asked for \[6\]"):
        best_gabors(Cells(planted), np.array([6]), SHAPE, NORM)
