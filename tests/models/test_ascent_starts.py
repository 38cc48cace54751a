"""Starts of an ascent, and whether ascents from different ones end alike."""

from dataclasses import replace

import numpy as np
import pytest

from models.ascent_starts import compare_starts, flat_start, noise_starts, pixel_correlations, uniform_noise_starts
from models.exciting_inputs import exciting_inputs, rigorous_ascent, seed_agreement
from models.image_stimuli import natural_images
from tests.models.planted_cells import Cells, planted_gabors

SHAPE = (24, 36)


def test_noise_is_the_seeds_own_whoever_it_is_drawn_with():
    both, one = noise_starts(SHAPE, (7, 2)), noise_starts(SHAPE, (2,))
    np.testing.assert_array_equal(both.images[1], one.images[0])
    assert abs(both.images.mean() - 0.5) < 0.01
    assert abs(both.images.std() - 0.05) < 0.005
    uniform = uniform_noise_starts(SHAPE, (0,)).images
    assert 0 <= uniform.min() < 0.01
    assert 0.99 < uniform.max() <= 1


def test_correlations_are_those_of_numpy():
    images = np.random.default_rng(0).random((2, 3, *SHAPE))
    images[1, 2] = 0.3
    found = pixel_correlations(images)
    np.testing.assert_allclose(found[0], np.corrcoef(images[0].reshape(3, -1)), atol=1e-12)
    assert np.isnan(found[1, 2]).all()
    assert np.isnan(found[1, :, 2]).all()
    np.testing.assert_allclose(found[1, 0, 1], np.corrcoef(images[1, :2].reshape(2, -1))[0, 1])
    expected = np.corrcoef(images[0].reshape(3, -1))[np.triu_indices(3, k=1)].mean()
    np.testing.assert_allclose(seed_agreement(images)[0], expected)


@pytest.fixture(scope="module")
def comparisons():
    planted = planted_gabors(6, SHAPE, seed=2)
    ascent = rigorous_ascent(natural_images(10, *SHAPE, np.random.default_rng(0)) / 255, 100, radius_px=6)
    starts = [noise_starts(SHAPE, (0, 1)), flat_start(SHAPE, "black"), flat_start(SHAPE, "grey")]
    return {
        kind: compare_starts([exciting_inputs(Cells(planted, kind), np.arange(6), ascent, one) for one in starts])
        for kind in ("simple", "complex")
    }


def test_a_simple_cell_has_one_input_from_wherever_it_starts(comparisons):
    simple = comparisons["simple"]
    assert simple.name == ("noise", "black", "grey")
    assert simple.correlation.min() > 0.9
    assert (np.ptp(simple.response, axis=1) / simple.response.mean(axis=1)).max() < 0.02


def test_a_complex_cell_answers_alike_to_unlike_inputs(comparisons):
    unlike = comparisons["complex"]
    assert np.median(unlike.correlation[:, 0, 1]) < 0.8
    answered = unlike.response[:, :2]  # plain grey is a trough that gives a complex cell no direction
    assert (np.ptp(answered, axis=1) / answered.mean(axis=1)).max() < 0.05


def test_what_cannot_be_compared_is_refused():
    planted = planted_gabors(2, SHAPE)
    ascent = replace(
        rigorous_ascent(natural_images(10, *SHAPE, np.random.default_rng(0)) / 255, radius_px=6), n_steps=2
    )
    grey = exciting_inputs(Cells(planted), np.arange(2), ascent, flat_start(SHAPE, "grey"))
    black = exciting_inputs(Cells(planted), np.arange(1), ascent, flat_start(SHAPE, "black"))
    with pytest.raises(ValueError, match="two or more different starts"):
        compare_starts([grey, grey])
    with pytest.raises(ValueError, match="different units"):
        compare_starts([grey, black])
    with pytest.raises(ValueError, match="different numbers"):
        noise_starts(SHAPE, (1, 1))
    with pytest.raises(ValueError, match="contrast above 0"):
        noise_starts(SHAPE, (1,), contrast=0)
    with pytest.raises(ValueError, match="black, grey, white"):
        flat_start(SHAPE, "blue")
    with pytest.raises(ValueError, match=r"two or more seeds"):
        seed_agreement(grey.images)
