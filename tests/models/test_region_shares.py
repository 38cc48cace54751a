import numpy as np
import pytest
from scipy.stats import fisher_exact, ttest_ind
from statsmodels.stats.multitest import multipletests

from models.region_shares import holm, over_animals, over_rois


def test_over_animals_is_welch():
    a, b = np.array([0.1, 0.2, 0.4]), np.array([0.5, 0.7])
    found, oracle = over_animals(a, b), ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(oracle.pvalue)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(oracle.confidence_interval(0.95)))


def test_without_spread_there_is_a_difference_and_no_p():
    found = over_animals(np.array([0.2, 0.2]), np.array([0.5, 0.5]))
    assert found.difference == pytest.approx(-0.3)
    assert np.isnan([found.p, found.ci_low, found.ci_high]).all()


def test_one_animal_is_not_enough():
    with pytest.raises(ValueError, match="two animals, got 1 and 2"):
        over_animals(np.array([0.2]), np.array([0.5, 0.6]))


def test_over_rois_is_fisher_with_an_interval_that_holds_the_difference():
    found = over_rois(3, 40, 12, 50)
    assert found.p == pytest.approx(fisher_exact([[3, 37], [12, 38]]).pvalue)
    assert found.ci_low < found.difference < found.ci_high
    with pytest.raises(ValueError, match="counts must be within totals"):
        over_rois(5, 4, 1, 2)


def test_holm_agrees_with_statsmodels_and_passes_over_missing_ones():
    p = np.array([0.01, np.nan, 0.04, 0.03])
    corrected = holm(p)
    assert np.isnan(corrected[1])
    assert corrected[[0, 2, 3]] == pytest.approx(multipletests(p[[0, 2, 3]], method="holm")[1])
