"""Reliability of responses to images: against loops, planted variances, chance, and a real recording's known values."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from models.image_reliability import (
    ReliabilityChoice,
    bootstrap_interval,
    explainable_variance,
    oracle_correlation,
    signal_to_noise,
    spearman_brown,
    split_half,
    unit_reliability,
)
from models.image_responses import trials_by_image
from models.nan_statistics import nan_correlation, nan_mean
from models.published_oracle import published_oracle

MACAQUE = Path(__file__).resolve().parents[3] / "shared/recordings/natural_images/macaque_v4_210325"


@pytest.fixture(scope="module")
def trials():
    """Three units, 30 images shown 2 to 6 times: one tuned, one less, one that fires at random."""
    rng = np.random.default_rng(1)
    tuning = np.array([3.0, 0.7, 0.0])[:, None] * rng.standard_normal(30)
    found = tuning[:, :, None] + rng.standard_normal((3, 30, 6))
    shown = rng.integers(2, 7, 30)
    return np.where(np.arange(6) < shown[:, None], found, np.nan)


def gaussian_trials(signal_sd, noise_sd, n_images=2000, n_repeats=10, seed=0):
    rng = np.random.default_rng(seed)
    mean = signal_sd * rng.standard_normal((1, n_images, 1))
    return mean + noise_sd * rng.standard_normal((1, n_images, n_repeats))


def test_the_real_recording_has_the_reliability_that_is_known():
    if not MACAQUE.is_dir():
        pytest.skip(f"the macaque recording is not on this machine: {MACAQUE}")
    trials = np.load(MACAQUE / "responses_raw_210325.npy")
    found = unit_reliability(trials, ReliabilityChoice(n_draws=200))
    assert np.median(found.split_half) == pytest.approx(0.617, abs=0.01)
    assert (found.split_half.min(), found.split_half.max()) == (
        pytest.approx(0.37, abs=0.01),
        pytest.approx(0.87, abs=0.01),
    )
    assert found.oracle.mean() == pytest.approx(0.471, abs=5e-4)
    assert (found.low < found.oracle).all()
    assert (found.oracle < found.high).all()
    assert (found.n_images, found.n_left_out) == (640, 0)


def test_the_oracle_is_the_correlation_of_every_trial_with_the_mean_of_the_others(trials):
    for unit, of_unit in enumerate(trials):
        one, others = [], []
        for image in of_unit:
            known = image[~np.isnan(image)]
            one += known.tolist()
            others += [np.delete(known, at).mean() for at in range(len(known))]
        assert oracle_correlation(trials)[unit] == pytest.approx(np.corrcoef(one, others)[0, 1], abs=1e-12)


def test_measures_recover_planted_variances():
    # Signal variance 1, noise variance 4, 10 repeats.
    trials = gaussian_trials(1, 2)
    assert explainable_variance(trials)[0] == pytest.approx(1 / 5, abs=0.01)
    assert signal_to_noise(trials)[0] == pytest.approx((1 + 4 / 10) / 4, abs=0.02)
    assert split_half(trials, n_splits=20)[0] == pytest.approx(1 / (1 + 4 / 5), abs=0.02)
    assert oracle_correlation(trials)[0] == pytest.approx(1 / np.sqrt(5 * (1 + 4 / 9)), abs=0.02)
    assert spearman_brown(split_half(trials, n_splits=20))[0] == pytest.approx(1 / (1 + 4 / 10), abs=0.02)


def test_explainable_variance_is_that_of_the_equation(trials):
    for unit, of_unit in enumerate(trials):
        total = np.nanvar(of_unit, ddof=1)
        noise = np.mean([np.var(image[~np.isnan(image)], ddof=1) for image in of_unit])
        assert explainable_variance(trials)[unit] == pytest.approx((total - noise) / total, abs=1e-12)
        means = np.nanmean(of_unit, axis=1)
        assert signal_to_noise(trials)[unit] == pytest.approx(means.var(ddof=1) / noise, abs=1e-12)


def test_shuffled_trials_are_unreliable():
    trials = gaussian_trials(1, 1, n_images=300)
    shuffled = np.random.default_rng(0).permuted(np.repeat(trials, 200, axis=0).reshape(200, -1), axis=1)
    shuffled = shuffled.reshape(200, 300, 10)
    for measure in (oracle_correlation, explainable_variance, lambda of: split_half(of, n_splits=5)):
        assert abs(measure(shuffled).mean()) < 0.01
        assert measure(trials)[0] > 0.3


def test_split_halves_differ_by_seed_and_not_by_unit(trials):
    same = np.repeat(trials[:1], 3, axis=0)
    assert np.ptp(split_half(same, n_splits=3)) < 1e-12
    assert split_half(trials, n_splits=3, seed=1)[0] != split_half(trials, n_splits=3, seed=2)[0]
    np.testing.assert_array_equal(split_half(trials, n_splits=3), split_half(trials, n_splits=3))


def test_images_shown_once_are_left_out(trials):
    once = np.full((3, 4, 6), np.nan)
    once[:, :, 0] = 100.0
    more = np.concatenate([trials, once], axis=1)
    found, without = unit_reliability(more), unit_reliability(trials)
    np.testing.assert_allclose(found.oracle, without.oracle)
    np.testing.assert_allclose(found.explainable_variance, without.explainable_variance)
    assert (found.n_images, found.n_left_out) == (30, 4)


def test_units_that_never_change_have_no_reliability(trials):
    still = np.where(np.isnan(trials[:2]), np.nan, np.array([0.0, 0.1])[:, None, None])
    found = unit_reliability(np.concatenate([still, trials]), ReliabilityChoice(n_splits=5, n_draws=50))
    for measure in (found.oracle, found.split_half, found.explainable_variance, found.signal_to_noise, found.low):
        assert np.isnan(measure).tolist() == [True, True, False, False, False]


def test_without_repeats_there_is_no_reliability(trials):
    with pytest.raises(ValueError, match="two images or more that were shown more than once, got 0 of 30"):
        oracle_correlation(trials[:, :, :1])
    with pytest.raises(ValueError, match="NaN in every unit"):
        unit_reliability(np.where(np.arange(3)[:, None, None] == 1, np.nan, trials))


@pytest.mark.parametrize("measure", ["oracle", "explainable_variance", "split_half"])
def test_the_interval_covers_the_true_value_as_often_as_it_says(measure):
    # Signal and noise variance 1, 6 repeats: the expectations follow from the equations.
    expected = {"oracle": 1 / np.sqrt(2 * 1.2), "explainable_variance": 0.5, "split_half": 1 / (1 + 1 / 3)}[measure]
    rng = np.random.default_rng(2)
    trials = rng.standard_normal((300, 80, 1)) + rng.standard_normal((300, 80, 6))
    low, high = bootstrap_interval(trials, measure, n_draws=300, n_splits=10).T
    covered = ((low < expected) & (expected < high)).mean()
    assert 0.89 <= covered <= 0.98  # 95 % but for the percentile bootstrap's own error at 80 images


def test_the_interval_holds_the_measure_over_images_drawn_by_hand(trials):
    draws = 400
    low, high = bootstrap_interval(trials, "oracle", n_draws=draws, seed=5)[0]
    rng = np.random.default_rng(6)
    by_hand = [oracle_correlation(trials[:1, rng.integers(0, 30, 30)])[0] for _ in range(draws)]
    assert (low, high) == pytest.approx(np.quantile(by_hand, [0.025, 0.975]), abs=0.02)


def oracle_of_a_table(table, n_draws, rng):
    """The source's loops over pandas, for one unit: rows of image and count, trials without spikes dropped."""
    table = table[table["count"] > 0]
    images = table["image"].unique()
    found = []
    for _ in range(n_draws):
        one, others = [], []
        for image in images:
            of_image = table[table["image"] == image]["count"].to_numpy()
            if len(of_image) > 1:
                at = rng.integers(len(of_image))
                one.append(of_image[at])
                others.append(np.delete(of_image, at).mean())
        if np.ptp(one) and np.ptp(others):  # else there is nothing to correlate
            found.append(spearmanr(one, others).statistic)
    return np.mean(found)


def test_the_published_oracle_is_that_of_loops_over_a_table():
    rng = np.random.default_rng(0)
    image = rng.permutation(np.repeat(np.arange(-1, 25), 8))
    rate = np.array([[0.3], [2.0]]) * np.exp(rng.standard_normal((2, 26)))
    counts = rng.poisson(rate[:, image])
    found = published_oracle(counts, image, n_draws=400)
    for unit in range(2):
        table = pd.DataFrame({"image": image, "count": counts[unit]})
        several = (table[table["count"] > 0].groupby("image").size().reindex(np.arange(-1, 25)) > 1).mean()
        by_loops = oracle_of_a_table(table, 100, rng) * several
        assert found[unit] == pytest.approx(by_loops, abs=0.03)
    assert found[1] > 0.4


def test_the_published_oracle_drops_silent_trials_and_keeps_the_blank():
    image = np.repeat(np.arange(-1, 3), 3)
    counts = np.array([[5, 5, 5, 1, 1, 0, 2, 2, 2, 0, 0, 4], np.zeros(12, int)])
    # Of four images (the blank is one) three have two trials left, and their trials rank as the means do.
    assert published_oracle(counts, image).tolist() == [pytest.approx(0.75), 0.0]
    without_blank = trials_by_image(counts, image, 3)
    assert oracle_correlation(without_blank)[0] < 0.75


def test_correlations_pass_over_what_is_missing():
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((2, 5, 20))
    a[0, 3], b[0, 7] = np.nan, np.nan
    kept = np.setdiff1d(np.arange(20), [3, 7])
    assert nan_correlation(a, b)[0] == pytest.approx(np.corrcoef(a[0, kept], b[0, kept])[0, 1])
    assert nan_correlation(a, b)[1] == pytest.approx(np.corrcoef(a[1], b[1])[0, 1])
    assert np.isnan(nan_correlation(np.full(20, 0.1), b[1]))
    assert np.isnan(nan_mean(np.array([[np.nan, 1.0], [np.nan, 3.0]]))).tolist() == [True, False]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_splits": 0}, "at least 1"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"interval_of": "snr"}, "one of"),
    ],
)
def test_choices_that_cannot_be_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        ReliabilityChoice(**changed)
