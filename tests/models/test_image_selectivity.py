"""Entropy, variance, outliers and likeness of mean responses, against values known by hand and other libraries."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.ensemble import IsolationForest

from models.image_selectivity import (
    extreme_pairs,
    outlying_units,
    response_entropy,
    response_variance,
    unit_correlations,
)
from models.unit_choice import chosen_by_percentile, chosen_by_reliability


def test_entropy_is_in_nats_over_distinct_values():
    means = np.array([[0, 0, 0, 0], [1, 1, 2, 2], [1, 2, 3, 4], [1, 1, 1, np.nan]], float)
    np.testing.assert_allclose(response_entropy(means), [0, np.log(2), np.log(4), 0])
    drawn = np.random.default_rng(0).integers(0, 20, (5, 118)) / 50
    by_scipy = [entropy(np.unique(row, return_counts=True)[1]) for row in drawn]
    np.testing.assert_allclose(response_entropy(drawn), by_scipy)


def test_variance_passes_over_images_never_shown():
    means = np.array([[1.0, 3.0, np.nan], [2.0, 2.0, 2.0]])
    assert response_variance(means).tolist() == [1.0, 0.0]


def test_the_planted_outlier_is_found_as_by_scikit_learn():
    rng = np.random.default_rng(0)
    profiles = rng.poisson(3, (60, 118)).astype(float)
    profiles[7] *= 20
    profiles[9] = 0  # never fires
    found = outlying_units(profiles)
    others = np.delete(np.arange(60), 9)
    forest = IsolationForest(n_estimators=100, random_state=42).fit(profiles[others])
    np.testing.assert_array_equal(found.outlying[others], forest.predict(profiles[others]) == -1)
    np.testing.assert_allclose(found.score[others], forest.score_samples(profiles[others]))
    assert found.outlying[7]
    assert found.score[others].argmin() == list(others).index(7)
    assert not found.outlying[9]
    assert np.isnan(found.score[9])
    assert not outlying_units(profiles[[7, 9]]).outlying.any()


def test_partners_are_the_most_and_least_alike():
    rng = np.random.default_rng(1)
    base = rng.standard_normal(118)
    means = np.stack([base, base + 0.1 * rng.standard_normal(118), -base, rng.standard_normal(118), np.zeros(118)])
    found = unit_correlations(means)
    np.testing.assert_allclose(found.r[:4, :4], np.corrcoef(means[:4]), atol=1e-12)
    assert np.isnan(found.r[4]).all()
    assert found.most_alike.tolist()[:2] == [1, 0]
    assert found.least_alike.tolist()[:3] == [2, 2, 0]
    assert (found.most_alike[4], found.least_alike[4]) == (-1, -1)
    assert np.isnan(found.highest_r[4])
    pairs = extreme_pairs(found.r)
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == [(0, 1), (1, 2), (0, 2)]
    assert pairs.r[2] == pytest.approx(-1)


def test_units_are_chosen_above_both_percentiles():
    oracle = np.array([0.1, 0.2, 0.3, 0.4, 0.5, np.nan])
    variance = np.array([9, 1, 2, 3, 4, 5.0])
    # Of the five that have an oracle, its 60th percentile is 0.34, and the median variance 3.
    assert chosen_by_percentile(oracle, variance).tolist() == [False, False, False, False, True, False]
    assert chosen_by_percentile(oracle, variance, variance_percentile=0).tolist() == [False] * 3 + [True, True, False]


def test_units_are_chosen_whose_interval_is_above_chance():
    assert chosen_by_reliability(np.array([0.1, -0.1, np.nan, 0.0])).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: response_entropy(np.zeros(3)), "must be"),
        (lambda: outlying_units(np.array([[1, np.nan], [1, 2.0]])), "NaN for some"),
        (lambda: unit_correlations(np.array([[1, np.nan], [1, 2.0]])), "two images or more that all units saw, got 1"),
        (lambda: chosen_by_percentile(np.full(2, np.nan), np.ones(2)), "none of 2 units"),
        (lambda: chosen_by_percentile(np.ones(2), np.ones(2), oracle_percentile=101), "0 to 100"),
    ],
)
def test_what_cannot_be_told_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
