import numpy as np
import pytest

from models.score_intervals import accuracy_interval


def test_the_interval_holds_the_mean_19_times_in_20():
    rng = np.random.default_rng(0)
    drawn = rng.normal(0.7, 0.08, (300, 8))
    intervals = np.array([accuracy_interval(accuracies) for accuracies in drawn])
    held = np.mean((intervals[:, 0] <= 0.7) & (intervals[:, 1] >= 0.7))
    assert 0.92 <= held <= 0.98  # s.d. of the share: 0.011


def test_the_interval_lies_around_the_mean_and_within_0_to_1():
    accuracies = np.array([1.0, 0.97, 0.98, 0.99, 0.6])
    low, high = accuracy_interval(accuracies)
    assert 0 <= low < accuracies.mean() < high <= 1
    assert accuracy_interval(accuracies) == (low, high)


def test_mice_that_agree_leave_a_point():
    assert accuracy_interval(np.full(6, 0.5)) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("accuracies", "said"), [([0.5, 0.6, 0.7], "at least 4 mice, got 3"), ([1.0, 1.0, 1.0, 1.0, 0.9], "score the same")]
)
def test_mice_too_few_or_too_alike_are_refused(accuracies, said):
    with pytest.raises(ValueError, match=said):
        accuracy_interval(np.array(accuracies))
