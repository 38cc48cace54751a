import numpy as np

from models.response_classes import AMBIGUOUS, NOT_SELECTED, clear_largest_coefficient
from models.signal_classes import with_signal_classes

# Two events and running; each coefficient has a standard error of 1, and none depends on another.
COVARIANCE = np.eye(3)
IS_STIMULUS = np.array([True, True, False])


def classes(coefficient: list[list[float]], selected: list[bool] | None = None) -> list[int]:
    values = np.array(coefficient, dtype=float)
    covariance = np.repeat(COVARIANCE[None], len(values), axis=0)
    chosen = np.ones(len(values), bool) if selected is None else np.array(selected)
    found = clear_largest_coefficient(values, covariance, chosen, IS_STIMULUS)
    return with_signal_classes(found, values, covariance, IS_STIMULUS).tolist()


def test_a_roi_that_follows_running_and_no_event_is_of_running():
    assert classes([[0.5, -0.5, 5.0]]) == [2]


def test_an_event_that_clearly_drives_a_roi_goes_before_running():
    assert classes([[6.0, 0.0, 9.0]]) == [0]


def test_two_events_alike_stay_ambiguous_whatever_running_does():
    assert classes([[6.0, 6.0, 9.0]]) == [AMBIGUOUS]


def test_running_that_is_not_clear_leaves_a_roi_ambiguous_and_others_are_not_selected():
    assert classes([[0.5, 0.0, 1.0], [0.5, 0.0, 9.0]], selected=[True, False]) == [AMBIGUOUS, NOT_SELECTED]


def test_without_signals_nothing_changes():
    values, covariance = np.array([[6.0, 6.0]]), np.eye(2)[None]
    found = clear_largest_coefficient(values, covariance, np.array([True]))
    same = with_signal_classes(found, values, covariance, np.array([True, True]))
    assert same.tolist() == found.response_class.tolist()
