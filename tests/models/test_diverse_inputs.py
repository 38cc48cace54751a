"""Diverse exciting inputs: a simple cell's stay alike, a complex cell's turn through the phases."""

import numpy as np
import pytest

from models.ascent_starts import noise_starts
from models.diverse_inputs import diverse_inputs
from models.exciting_inputs import exciting_inputs, inhibiting, rigorous_ascent
from models.image_stimuli import natural_images
from tests.models.planted_cells import Cells, planted_gabors

SHAPE = (24, 36)
UNITS = np.arange(5)


@pytest.fixture(scope="module")
def ascent():
    return rigorous_ascent(natural_images(10, *SHAPE, np.random.default_rng(0)) / 255, 150, radius_px=6)


@pytest.fixture(scope="module")
def diverse(ascent):
    planted, starts = planted_gabors(5, SHAPE, seed=4), noise_starts(SHAPE, (0, 1))
    found = {}
    for kind in ("simple", "complex", "rectified"):
        model = Cells(planted, kind)
        found[kind] = diverse_inputs(model, exciting_inputs(model, UNITS, ascent, starts), ascent, n_images=4)
    return found


@pytest.mark.parametrize("kind", ["simple", "complex"])
def test_the_response_is_held(diverse, kind):
    assert diverse[kind].images.shape == (5, 4, *SHAPE)
    assert diverse[kind].response_share.min() > 0.83
    assert 0.84 < np.median(diverse[kind].response_share) < 0.9


def test_complex_cells_are_found_invariant_and_simple_ones_not(diverse):
    # Two images that a linear unit answers with .85 of its best have an r of 2 * .85 ** 2 - 1 = .445 or more.
    assert diverse["simple"].least_likeness.min() > 0.4
    assert diverse["complex"].least_likeness.max() < -0.2


def test_images_that_a_unit_does_not_answer_are_not_counted(diverse):
    rectified = diverse["rectified"]
    assert not rectified.held.all()
    assert (rectified.held.sum(axis=1) >= 2).any()
    np.testing.assert_array_equal(np.isnan(rectified.likeness), rectified.held.sum(axis=1) < 2)
    assert np.nanmin(rectified.least_likeness) > 0.4


def test_units_do_not_see_each_other(ascent, diverse):
    model = Cells(planted_gabors(5, SHAPE, seed=4), "simple")
    mei = exciting_inputs(model, UNITS[3:4], ascent, noise_starts(SHAPE, (0, 1)))
    # Noise is drawn once for all units, as deep as each one's own image.
    alone = diverse_inputs(model, mei, ascent, n_images=4)
    np.testing.assert_allclose(alone.images[0], diverse["simple"].images[3], atol=5e-3)


def test_what_has_no_diversity_is_refused(ascent):
    model, starts = Cells(planted_gabors(5, SHAPE), baseline=-50), noise_starts(SHAPE, (0,))
    found = exciting_inputs(model, UNITS, ascent, starts)
    with pytest.raises(ValueError, match="respond to nothing"):
        diverse_inputs(model, found, ascent)
    with pytest.raises(ValueError, match="most inhibiting"):
        diverse_inputs(model, exciting_inputs(model, UNITS, inhibiting(ascent), starts), ascent)
    with pytest.raises(ValueError, match="two images or more"):
        diverse_inputs(model, found, ascent, n_images=1)
