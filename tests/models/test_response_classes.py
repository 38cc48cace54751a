import numpy as np
import pytest
from scipy.signal import lfilter

from models.indicator_kernels import Kernel
from models.regressor_fits import coefficient_covariance, fit_regressors
from models.regressors import event_regressors
from models.response_classes import (
    AMBIGUOUS,
    NOT_SELECTED,
    class_counts,
    clear_largest_coefficient,
    largest_coefficient,
    mean_responses,
    published_mean_responses,
)

COEFFICIENTS = np.array([[3.0, 1, 0], [1, 1.2, 0], [-3, -1, -2], [0, 0, 5], [np.nan] * 3])
SELECTED = np.array([True, True, True, False, False])
UNIT_ERRORS = np.tile(np.eye(3) / 8, (5, 1, 1))  # differences have a standard error of 1/2


def test_the_largest_coefficient_is_the_class_of_selected_rois():
    assert largest_coefficient(COEFFICIENTS, SELECTED).tolist() == [0, 1, 1, NOT_SELECTED, NOT_SELECTED]
    among = np.array([False, True, True])
    assert largest_coefficient(COEFFICIENTS, SELECTED, among).tolist() == [1, 1, 1, NOT_SELECTED, NOT_SELECTED]
    assert largest_coefficient(COEFFICIENTS, np.zeros(5, bool)).tolist() == [NOT_SELECTED] * 5


def test_margins_by_hand():
    found = clear_largest_coefficient(COEFFICIENTS, UNIT_ERRORS, SELECTED)
    assert found.response_class.tolist() == [0, AMBIGUOUS, AMBIGUOUS, NOT_SELECTED, NOT_SELECTED]
    assert found.largest.tolist() == [0, 1, 1, NOT_SELECTED, NOT_SELECTED]
    # 3 against 1; 1.2 against 1; of suppression alone -1 against 0, which is known without an error.
    np.testing.assert_allclose(found.margin, [2, 0.2, -1, np.nan, np.nan])
    np.testing.assert_allclose(found.z, [4, 0.4, -1 * np.sqrt(8), np.nan, np.nan])
    assert class_counts(found.response_class, ("prey", "looming", "dimming")) == {
        "prey": 1,
        "looming": 0,
        "dimming": 0,
        "ambiguous": 2,
        "not selected": 2,
    }


def test_errors_that_go_together_make_a_difference_surer():
    together = np.tile(np.full((2, 2), 0.99) + 0.01 * np.eye(2), (1, 1, 1))
    apart = np.tile(np.eye(2), (1, 1, 1))
    coefficient, selected = np.array([[9.0, 8.5]]), np.array([True])
    assert clear_largest_coefficient(coefficient, together, selected).response_class[0] == 0
    assert clear_largest_coefficient(coefficient, apart, selected).response_class[0] == AMBIGUOUS


def test_rois_that_answer_alike_to_two_stimuli_are_ambiguous_but_for_the_level():
    rng = np.random.default_rng(0)
    frames = {name: np.sort(rng.choice(780, 15, replace=False)) for name in "abc"}
    regressors = event_regressors(frames, Kernel(1.5), 2.0, 800)
    noise = 0.1 * lfilter([0.6], [1, -0.8], rng.normal(size=(1000, 800)), axis=1)
    alike = noise + 3 * (regressors.values[0] + regressors.values[1])
    fits, covariance = fit_regressors(alike, regressors), coefficient_covariance(alike, regressors)
    found = clear_largest_coefficient(fits.coefficient, covariance, fits.is_fitted).response_class
    assert (found != AMBIGUOUS).mean() == pytest.approx(0.05, abs=0.025)
    assert set(np.unique(found)) == {AMBIGUOUS, 0, 1}
    apart = noise + 3 * regressors.values[1]
    fits, covariance = fit_regressors(apart, regressors), coefficient_covariance(apart, regressors)
    assert (clear_largest_coefficient(fits.coefficient, covariance, fits.is_fitted).response_class == 1).mean() > 0.99


def test_mean_responses_by_hand_and_as_the_source_has_them():
    dff = np.arange(40.0).reshape(2, 20)
    frames = {"prey": np.array([0, 4]), "looming": np.array([17])}
    # Five frames from 0 average 2, from 4: 6; of the last three, 17 to 19: 18.
    np.testing.assert_allclose(mean_responses(dff, frames), [[4, 18], [24, 38]])
    # The source divides looming by the number of prey events too.
    np.testing.assert_allclose(published_mean_responses(dff, frames), [[4, 9], [24, 19]])
    source = np.zeros((2, 2, 2))
    for column, events in enumerate(frames.values()):
        for event, frame in enumerate(events):
            source[:, column, event] = dff[:, frame : frame + 5].mean(-1)
    np.testing.assert_allclose(published_mean_responses(dff, frames), source.mean(-1))
    with pytest.raises(ValueError, match="no more events than the first stimulus has, 1; prey has more"):
        published_mean_responses(dff, dict(reversed(frames.items())))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="wasn't fitted can't be selected"):
        largest_coefficient(COEFFICIENTS, np.ones(5, bool))
    with pytest.raises(ValueError, match="at least one of 3 regressors"):
        largest_coefficient(COEFFICIENTS, SELECTED, np.zeros(3, bool))
    with pytest.raises(ValueError, match="one of each ROI"):
        largest_coefficient(COEFFICIENTS, SELECTED[:2])
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 0"):
        clear_largest_coefficient(COEFFICIENTS, UNIT_ERRORS, SELECTED, level=0)
    with pytest.raises(ValueError, match="a covariance each"):
        clear_largest_coefficient(COEFFICIENTS, UNIT_ERRORS[:2], SELECTED)
    with pytest.raises(ValueError, match="within frames 0 to 19"):
        mean_responses(np.ones((2, 20)), {"prey": np.array([20])})
    with pytest.raises(ValueError, match="a frame or more"):
        mean_responses(np.ones((2, 20)), {"prey": np.array([2])}, 0)
