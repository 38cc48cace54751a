import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from models.calibration import calibration


@pytest.fixture
def rng():
    return np.random.default_rng(8)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.4, 0.5), (2.0, -1.0)])
def test_a_planted_slope_and_intercept_come_back(rng, slope, intercept):
    log_odds = rng.normal(0, 1.5, 40_000)
    y = (rng.random(40_000) < expit(intercept + slope * log_odds)).astype(int)
    found = calibration(expit(log_odds), y)
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept), abs=0.06)


def test_it_agrees_with_statsmodels(rng):
    log_odds = rng.normal(size=80)
    y = (rng.random(80) < expit(0.7 * log_odds)).astype(int)
    expected = sm.Logit(y, sm.add_constant(log_odds)).fit(disp=False).params
    found = calibration(expit(log_odds), y)
    assert (found.intercept, found.slope) == pytest.approx(tuple(expected), abs=1e-6)


def test_probabilities_of_zero_and_one_count_as_half_a_row(rng):
    probability = rng.choice([0.0, 0.3, 0.8, 1.0], 100)
    y = (rng.random(100) < 0.2 + 0.6 * probability).astype(int)
    assert calibration(probability, y) == calibration(np.clip(probability, 0.005, 0.995), y)


@pytest.mark.parametrize(
    ("probability", "y", "said"),
    [
        ([0.2, 1.2, 0.4, 0.1], [0, 1, 0, 1], "must be 0 to 1, got 0.1 to 1.2"),
        ([0.2, 0.3, 0.4, 0.1], [1, 1, 1, 1], "rows of both labels"),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1], "the same probability"),
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], "part the labels without error"),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0], "part the labels without error"),
    ],
)
def test_probabilities_without_a_slope_are_refused(probability, y, said):
    with pytest.raises(ValueError, match=said):
        calibration(np.array(probability), np.array(y))
