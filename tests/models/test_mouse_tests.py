from itertools import combinations, product
from math import comb

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from models.mouse_tests import (
    bootstrap_interval,
    bootstrap_interval_between,
    cohens_d,
    exchange_p,
    intraclass_correlation,
    sign_flip_p,
    t_over_mice,
    welch_t,
)


@pytest.fixture
def rng():
    return np.random.default_rng(31)


def test_t_over_mice_is_scipys_one_sample_t_test_set_by_set(rng):
    difference = rng.normal(0.3, 1, (5, 4, 7))
    found, expected = t_over_mice(difference), stats.ttest_1samp(difference, 0, axis=-1)
    np.testing.assert_allclose(found.t, expected.statistic)
    np.testing.assert_allclose(found.p, expected.pvalue)
    np.testing.assert_allclose(found.interval(), expected.confidence_interval(0.95))
    assert (found.dof == 6).all()


def test_welchs_t_is_scipys(rng):
    a, b = rng.normal(0, 1, (6, 7)), rng.normal(0.5, 3, (6, 4))
    found, expected = welch_t(a, b), stats.ttest_ind(a, b, axis=-1, equal_var=False)
    np.testing.assert_allclose(found.t, expected.statistic)
    np.testing.assert_allclose(found.dof, expected.df)
    np.testing.assert_allclose(found.p, expected.pvalue)
    np.testing.assert_allclose(found.interval(), expected.confidence_interval(0.95))


def test_mice_that_all_agree_have_an_infinite_t_and_mice_at_zero_none():
    assert (t_over_mice(np.ones(4)).t, t_over_mice(np.ones(4)).p) == (np.inf, 0)
    assert np.isnan(t_over_mice(np.zeros(4)).p)
    same = welch_t(np.ones(4), np.zeros(3))
    assert (same.t, same.dof, same.p) == (np.inf, 5, 0)


def test_sign_flips_are_scipys_permutation_test(rng):
    for difference in rng.normal(0.5, 1, (4, 6)):
        expected = stats.permutation_test((difference,), np.mean, permutation_type="samples", n_resamples=np.inf)
        p, n = sign_flip_p(difference)
        assert (p, n) == (pytest.approx(expected.pvalue), 64)


def test_six_mice_of_one_sign_have_the_smallest_p_there_is():
    assert sign_flip_p(np.arange(1.0, 7)) == (2 / 64, 64)
    assert sign_flip_p(np.zeros(6)) == (1.0, 64)


def test_with_many_mice_flips_are_drawn_with_the_seed(rng):
    difference = rng.normal(0.3, 1, 24)
    p, n = sign_flip_p(difference)
    assert n == 10_000
    assert p == sign_flip_p(difference)[0] != sign_flip_p(difference, seed=1)[0]
    assert p == pytest.approx(t_over_mice(difference).p, abs=0.03)
    assert sign_flip_p(np.ones(20))[0] == 1 / 10_001


def test_exchanges_are_scipys_permutation_test_of_welchs_t(rng):
    a, b = rng.normal(0.8, 1, (3, 5)), rng.normal(0, 2, (3, 4))
    p, n = exchange_p(a, b)
    assert n == comb(9, 4) == 126
    for one, other, found in zip(a, b, p, strict=True):
        t = [
            abs(stats.ttest_ind(np.delete(pooled, list(out)), pooled[list(out)], equal_var=False).statistic)
            for pooled in [np.concatenate([one, other])]
            for out in combinations(range(9), 4)
        ]
        observed = abs(stats.ttest_ind(one, other, equal_var=False).statistic)
        assert found == pytest.approx(np.mean(np.array(t) >= observed - 1e-9))


def test_groups_apart_have_the_smallest_p_and_equal_groups_the_largest():
    assert exchange_p(np.array([1.0, 2, 3]), np.array([11.0, 12, 13])) == (2 / 20, 20)
    assert exchange_p(np.zeros(3), np.zeros(3))[0] == 1
    assert exchange_p(np.ones(3), np.zeros(3))[0] == 2 / 20


def test_exchanges_of_many_mice_are_drawn(rng):
    a, b = rng.normal(0.6, 1, 12), rng.normal(0, 1, 12)
    p, n = exchange_p(a, b)
    assert n == 10_000
    assert p == pytest.approx(welch_t(a, b).p, abs=0.03)


def test_the_bootstrap_weighs_every_resample_of_few_mice(rng):
    # All 5^5 draws of five mice, one by one.
    difference = rng.normal(0.4, 1, 5)
    drawn = difference[np.array(list(product(range(5), repeat=5)))]
    with np.errstate(divide="ignore"):
        t = (drawn.mean(axis=1) - difference.mean()) / (drawn.std(axis=1, ddof=1) / np.sqrt(5))
    error = difference.std(ddof=1) / np.sqrt(5)
    low, high = (np.quantile(t, q, method="inverted_cdf") for q in (0.025, 0.975))
    assert bootstrap_interval(difference) == pytest.approx(
        (difference.mean() - high * error, difference.mean() - low * error)
    )


def test_with_many_mice_bootstrap_and_t_intervals_agree(rng):
    a, b = rng.normal(0.5, 1, 40), rng.normal(0, 2, 40)
    np.testing.assert_allclose(bootstrap_interval(a), t_over_mice(a).interval(), atol=0.05)
    np.testing.assert_allclose(bootstrap_interval_between(a, b), welch_t(a, b).interval(), atol=0.1)


def test_too_few_mice_have_no_bootstrap_interval(rng):
    assert np.isnan(bootstrap_interval(rng.normal(size=4))).all()
    assert np.isnan(bootstrap_interval_between(rng.normal(size=9), rng.normal(size=4))).all()
    assert np.isfinite(bootstrap_interval_between(rng.normal(size=5), rng.normal(size=5))).all()


@pytest.mark.parametrize("test", [t_over_mice, sign_flip_p, bootstrap_interval])
def test_a_single_mouse_is_refused(test):
    with pytest.raises(ValueError, match=r"at least 2 .* got 1"):
        test(np.array([1.0]))


def test_a_group_of_one_mouse_is_refused():
    for test in (welch_t, exchange_p, bootstrap_interval_between):
        with pytest.raises(ValueError, match=r"at least 2 .* got 1"):
            test(np.array([1.0, 2]), np.array([1.0]))


@pytest.mark.parametrize(("t", "dof"), [(0.0, 5), (2.3, 5), (-9.6, 3), (30.0, 11), (0.1, 1)])
def test_the_ends_of_cohens_d_make_the_t_just_as_unlikely_as_asked(t, dof):
    d, low, high = cohens_d(t, dof, 0.5)
    assert d == t * 0.5
    assert low < d < high
    assert stats.nct.cdf(t, dof, low / 0.5) == pytest.approx(0.975, abs=1e-4)
    assert stats.nct.cdf(t, dof, high / 0.5) == pytest.approx(0.025, abs=1e-4)


def test_an_infinite_t_has_no_cohens_d():
    assert np.isnan(cohens_d(np.inf, 5, 0.4)).all()


def test_the_intraclass_correlation_is_pingouins_when_mice_have_equally_many_cells(rng):
    mouse = np.repeat(np.arange(8), 12)
    values = rng.normal(size=96) + 0.7 * rng.normal(size=8)[mouse]
    rows = pd.DataFrame({"mouse": mouse, "cell": np.tile(np.arange(12), 8), "value": values})
    expected = pingouin.intraclass_corr(rows, targets="mouse", raters="cell", ratings="value").set_index("Type")
    name = next(kind for kind in expected.index if kind in ("ICC1", "ICC(1,1)"))
    assert intraclass_correlation(values, mouse) == pytest.approx(float(expected.loc[name, "ICC"]))


def test_the_intraclass_correlation_of_unequal_mice_recovers_what_was_planted(rng):
    mouse = np.repeat(np.arange(600), rng.integers(2, 30, 600))
    values = np.sqrt(0.7) * rng.normal(size=len(mouse)) + np.sqrt(0.3) * rng.normal(size=600)[mouse]
    assert intraclass_correlation(values, mouse) == pytest.approx(0.3, abs=0.04)


def test_without_two_cells_of_a_mouse_there_is_no_intraclass_correlation():
    assert np.isnan(intraclass_correlation(np.array([1.0, 2, 3]), np.array(["a", "b", "c"])))
    assert np.isnan(intraclass_correlation(np.array([1.0, 2, 3]), np.array(["a", "a", "a"])))
    assert np.isnan(intraclass_correlation(np.ones(4), np.array([1, 1, 2, 2])))
    assert intraclass_correlation(np.array([1.0, 1, 4, 4]), np.array([1, 1, 2, 2])) == 1
