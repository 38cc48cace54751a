"""Masks, light and contrast by hand; intervals as SciPy's; a second model's opinion of real and of false inputs."""

import numpy as np
import pytest
import torch
from scipy.stats import t, ttest_1samp
from torch import nn

from models.gabors import source_gabors
from models.input_comparison import (
    CircularMasks,
    energy_masks,
    image_correlation,
    masked_contrast,
    masked_luminance,
    pixel_profile,
    published_masks,
    second_opinion,
    seed_interval,
)
from tests.models.planted_cells import Cells, planted_gabors

SHAPE = (60, 96)


def patch(column, row, sigma, phase=0.3):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    envelope = np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * sigma**2))
    return 0.5 + 0.4 * envelope * np.cos(0.8 * (x - column) + phase)


def test_the_sources_masks_lie_in_the_middle_and_3_pixels_beside_it():
    gabor, mei = published_masks(2, SHAPE), published_masks(2, SHAPE, shift_px=3)
    assert gabor.column_px.tolist() == [47.5, 47.5]
    assert mei.column_px.tolist() == [50.5, 50.5]
    assert mei.row_px.tolist() == [29.5, 29.5]
    within = mei.within(SHAPE)[0]
    assert within.sum() == pytest.approx(np.pi * 144, rel=0.03)
    row, column = np.nonzero(within)
    assert (column.mean(), row.mean()) == pytest.approx((50.5, 29.5))


def test_an_images_own_energy_says_where_and_how_large_it_is():
    images = np.stack([patch(30, 40, 4), patch(60, 20, 4), patch(48, 30, 7)])
    masks = energy_masks(images, share=0.9)
    np.testing.assert_allclose(masks.column_px, [30, 60, 48], atol=1)
    np.testing.assert_allclose(masks.row_px, [40, 20, 30], atol=1)
    # Energy of a Gauss falls as exp(-r ** 2 / sigma ** 2): 90 % of it within sigma * sqrt(ln 10).
    np.testing.assert_allclose(masks.radius_px, np.sqrt(np.log(10)) * np.array([4, 4, 7]), atol=1)


def test_light_and_contrast_by_hand():
    image = np.zeros((1, 20, 20))
    image[0, :, 10:] = 1.0
    masks = CircularMasks(*(np.array([one]) for one in (9.5, 9.5, 6.0)))
    within = masks.within((20, 20))[0]
    assert masked_luminance(image, masks)[0] == pytest.approx(within.sum() / 2 / (np.pi * 36))
    assert masked_contrast(image, masks)[0] == pytest.approx(0.5)  # population s.d. of as many 0 as 1
    assert masked_contrast(image * 0 + 0.3, masks)[0] == pytest.approx(0, abs=1e-7)


def test_the_profile_is_row_29():
    image = np.arange(60)[:, None] + np.zeros((1, 60, 96))
    assert (pixel_profile(image) == 29).all()
    assert pixel_profile(image).shape == (1, 96)
    assert source_gabors([0.0], SHAPE)[0, 29].any()
    with pytest.raises(ValueError, match="rows 0 to 19, got 29"):
        pixel_profile(np.zeros((1, 20, 20)))


def test_correlation_is_that_of_numpy_also_within_a_disc():
    a, b = np.random.default_rng(0).random((2, 2, *SHAPE))
    masks = published_masks(2, SHAPE)
    within = masks.within(SHAPE)
    for at in range(2):
        expected = np.corrcoef(a[at].ravel(), b[at].ravel())[0, 1]
        assert image_correlation(a, b)[at] == pytest.approx(expected, abs=1e-6)
        expected = np.corrcoef(a[at][within[at]], b[at][within[at]])[0, 1]
        assert image_correlation(a, b, masks)[at] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(image_correlation(a, b * 0 + 0.7)).all()


def test_the_interval_over_seeds_is_students():
    response = np.random.default_rng(0).normal(5, 1, (3, 4))
    found = seed_interval(response, 0.9)
    for unit in range(3):
        expected = ttest_1samp(response[unit], 0).confidence_interval(0.9)
        assert (found.low[unit], found.high[unit]) == pytest.approx(tuple(expected))
    assert np.isnan(seed_interval(response[:, :1]).low).all()


def test_intervals_hold_the_truth_as_often_as_they_say():
    response = np.random.default_rng(1).normal(2, 3, (4000, 4))
    found = seed_interval(response)
    assert ((found.low < 2) & (found.high > 2)).mean() == pytest.approx(0.95, abs=0.012)
    assert t.ppf(0.975, 3) > 3  # four seeds: far from a normal's 1.96


def test_a_second_model_tells_true_inputs_from_a_first_models_mistakes():
    planted = planted_gabors(4, SHAPE, seed=1)
    second = Cells(planted)
    true = 0.5 + 1.5 * planted.even
    rng = np.random.default_rng(0)
    false = 0.5 + 1.5 * rng.standard_normal((4, *SHAPE)) / np.sqrt(5760)
    natural = 0.5 + 0.02 * rng.standard_normal((50, *SHAPE))
    opinion = second_opinion(second, np.arange(4), true, true, natural)
    np.testing.assert_allclose(opinion.share, 1)
    np.testing.assert_allclose(opinion.r, 1)
    assert (opinion.above == 1).all()
    fooled = second_opinion(second, np.arange(4), false, true, natural)
    assert fooled.share.max() < 0.3
    assert np.abs(fooled.r).max() < 0.1
    np.testing.assert_allclose(fooled.own_response, opinion.response)


def test_a_second_model_that_nothing_excites_has_no_share():
    class Silent(nn.Module):
        def forward(self, images):
            return torch.zeros(len(images), 2)

    images = np.random.default_rng(0).random((2, *SHAPE))
    opinion = second_opinion(Silent().eval(), np.arange(2), images, images, images)
    assert np.isnan(opinion.share).all()
    assert (opinion.above == 0).all()


def test_what_cannot_be_compared_is_refused():
    image = np.random.default_rng(0).random((2, *SHAPE))
    with pytest.raises(ValueError, match=r"images \[1\] are of one grey"):
        energy_masks(np.stack([image[0], image[0] * 0]))
    with pytest.raises(ValueError, match="share of the energy between 0 and 1"):
        energy_masks(image, share=1.0)
    with pytest.raises(ValueError, match="2 images and 3 discs"):
        masked_luminance(image, published_masks(3, SHAPE))
    with pytest.raises(ValueError, match="1 discs hold no pixel"):
        masked_contrast(image[:1], CircularMasks(*(np.array([one]) for one in (-50.0, 0.0, 3.0))))
    with pytest.raises(ValueError, match="one number and size"):
        image_correlation(image, image[:, :20])
    with pytest.raises(ValueError, match=r"\(n_units, n_seeds\)"):
        seed_interval(np.zeros(3))
