import numpy as np
import pytest
from scipy.stats import norm

from models.spike_noise import mean_rate_hz, noise_level


@pytest.mark.parametrize("rate_hz", [7.5, 30.0])
def test_white_noise_has_the_level_of_its_formula(rate_hz):
    """Differences of white noise have s.d. sqrt(2) s, and the median of their size is its third quartile."""
    sd = np.array([0.02, 0.1])
    dff = np.random.default_rng(0).normal(size=(2, 100_000)) * sd[:, None]
    expected = 100 * norm.ppf(0.75) * np.sqrt(2) * sd / np.sqrt(rate_hz)
    np.testing.assert_allclose(noise_level(dff, rate_hz), expected, rtol=0.02)


def test_noise_by_hand_with_missing_frames():
    # Steps 0.1, 0.3, 0.2: median 0.2; the rate of 4 Hz halves it.
    steps = [0.0, 0.1, 0.4, 0.2]
    dff = np.array([steps, [0.0, 0.1, np.nan, 0.5], [np.nan, 1.0, np.nan, 1.0], [np.nan] * 4])
    np.testing.assert_allclose(noise_level(dff, 4.0), [10.0, 5.0, np.nan, np.nan])


def test_slow_signals_add_no_noise():
    noise = np.random.default_rng(1).normal(0, 0.05, (1, 20_000))
    slow = np.sin(np.linspace(0, 40, 20_000))
    np.testing.assert_allclose(noise_level(noise + slow, 30.0), noise_level(noise, 30.0), rtol=0.01)


def test_rates_count_only_frames_that_have_a_value():
    spike_prob = np.array([[0.1, 0.3, 0.2, 0.2], [np.nan, 0.5, 0.1, np.nan], [np.nan] * 4])
    np.testing.assert_allclose(mean_rate_hz(spike_prob, 10.0), [2.0, 3.0, np.nan])


@pytest.mark.parametrize("measure", [noise_level, mean_rate_hz])
def test_what_cannot_be_is_refused(measure):
    with pytest.raises(ValueError, match="rate_hz must be positive, got 0"):
        measure(np.zeros((1, 3)), 0)
    with pytest.raises(ValueError, match=r"\(n_units, n_frames\), got \(3,\)"):
        measure(np.zeros(3), 30.0)
