"""Scores against loops, and against what is known of a perfect model."""

import numpy as np
import pytest

from models.encoding_scores import (
    correlation_to_mean,
    encoding_scores,
    explained_explainable_variance,
    single_trial_correlation,
)
from models.image_reliability import oracle_correlation, split_half


@pytest.fixture
def recorded():
    rng = np.random.default_rng(0)
    trials = rng.poisson(3.0, (4, 20, 6)).astype(float)
    trials[:, ::3, 4:] = np.nan
    trials[:, 5, 1:] = np.nan  # shown once
    return rng.normal(3, 1, (20, 4)), trials


def test_scores_are_those_of_loops(recorded):
    predicted, trials = recorded
    for unit in range(4):
        mean = [np.nanmean(trials[unit, i]) for i in range(20)]
        assert correlation_to_mean(predicted, trials)[unit] == pytest.approx(
            np.corrcoef(predicted[:, unit], mean)[0, 1]
        )
        pairs = [(predicted[i, unit], y) for i in range(20) for y in trials[unit, i] if not np.isnan(y)]
        x, y = np.array(pairs).T
        assert single_trial_correlation(predicted, trials)[unit] == pytest.approx(np.corrcoef(x, y)[0, 1])
        of_image = [one[~np.isnan(one)] for one in trials[unit]]
        noise = np.mean([one.var(ddof=1) for one in of_image if len(one) > 1])
        expected = 1 - (np.mean((y - x) ** 2) - noise) / (y.var() - noise) if y.var() > noise else np.nan
        found = explained_explainable_variance(predicted, trials)[unit]
        assert found == pytest.approx(expected, nan_ok=True)


def test_the_true_rates_reach_every_ceiling_and_the_mean_explains_nothing():
    rng = np.random.default_rng(1)
    rate = rng.gamma(2.0, 2.0, (300, 5))
    trials = rng.poisson(rate.T[:, :, None], (5, 300, 10)).astype(float)
    scores = encoding_scores(rate, trials, oracle_correlation(trials), split_half(trials))
    np.testing.assert_allclose(scores.noise_corrected_correlation, 1, atol=0.03)
    np.testing.assert_allclose(scores.explained_explainable_variance, 1, atol=0.03)
    # The oracle's mean of nine other trials is noisier than the rate itself.
    assert (scores.fraction_of_oracle > 1).all()
    nothing = explained_explainable_variance(np.tile(trials.mean(axis=(1, 2)), (300, 1)), trials)
    np.testing.assert_allclose(nothing, 0, atol=1e-9)


def test_noise_corrected_correlation_by_hand(recorded):
    predicted, trials = recorded
    scores = encoding_scores(predicted, trials, np.array([0.5, 0.25, 0.0, np.nan]), np.array([0.6, 1.0, 0.0, -0.2]))
    to_mean, single = correlation_to_mean(predicted, trials), single_trial_correlation(predicted, trials)
    np.testing.assert_allclose(
        scores.noise_corrected_correlation, [to_mean[0] / np.sqrt(0.75), to_mean[1], np.nan, np.nan]
    )
    np.testing.assert_allclose(scores.fraction_of_oracle, [single[0] / 0.5, single[1] / 0.25, np.nan, np.nan])


def test_a_silent_neuron_and_a_constant_prediction_have_no_score(recorded):
    predicted, trials = recorded
    trials[0], predicted[:, 1] = np.where(np.isnan(trials[0]), np.nan, 0.0), 1 / 3
    scores = encoding_scores(predicted, trials, np.ones(4), np.ones(4))
    for found in (scores.correlation_to_mean, scores.single_trial_correlation, scores.noise_corrected_correlation):
        assert np.isnan(found).tolist() == [True, True, False, False]
    assert np.isnan(scores.explained_explainable_variance[0])


def test_sizes_that_do_not_match_are_refused(recorded):
    predicted, trials = recorded
    with pytest.raises(ValueError, match=r"got \(4, 20\) and \(4, 20, 6\)"):
        correlation_to_mean(predicted.T, trials)
    with pytest.raises(ValueError, match="oracle and split_half"):
        encoding_scores(predicted, trials, np.ones(3), np.ones(4))
    predicted[0, 0] = np.nan
    with pytest.raises(ValueError, match="1 that are not"):
        correlation_to_mean(predicted, trials)
