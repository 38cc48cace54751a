"""A paired difference against SciPy's test, known medians, and chance."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from models.paired_differences import paired_difference


def test_a_shift_comes_back_with_its_interval_and_scipys_p() -> None:
    rng = np.random.default_rng(1)
    second = rng.normal(0, 0.3, 60)
    first = second + 0.2 + rng.normal(0, 0.1, 60)
    found = paired_difference(first, second)
    assert found.median == pytest.approx(np.median(first - second))
    assert 0.15 < found.low < found.median < found.high < 0.25
    assert found.p == pytest.approx(wilcoxon(first, second).pvalue)
    assert found.n_units == 60


def test_units_without_a_value_are_left_out_and_too_few_give_no_interval() -> None:
    found = paired_difference(np.array([1.0, np.nan, 3.0]), np.array([0.5, 1.0, np.nan]))
    assert (found.median, found.n_units) == (0.5, 1)
    assert np.isnan([found.low, found.high, found.p]).all()
    assert np.isnan(paired_difference(np.array([np.nan]), np.array([1.0])).median)


def test_the_same_twice_differs_by_nothing() -> None:
    same = np.linspace(0, 1, 9)
    assert paired_difference(same, same).p == 1
    assert paired_difference(same + 0.25, same).low == pytest.approx(0.25)


def test_the_interval_holds_zero_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    held = [
        found.low <= 0 <= found.high
        for found in (paired_difference(rng.normal(size=40), rng.normal(size=40), n_draws=300) for _ in range(100))
    ]
    assert np.mean(held) > 0.88


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="each unit needs two values"):
        paired_difference(np.zeros(3), np.zeros(4))
