from itertools import combinations

import numpy as np
import pingouin
import pytest
from scipy import stats

from models.published_tests import pairwise, tukey, variance_and_mean_tests

GROUPS = [
    f"{line}, {condition}, {exposure}"
    for line in ("Sst-IRES-Cre", "Vip-IRES-Cre")
    for condition in ("presented", "omitted")
    for exposure in ("familiar", "novel")
]


def random_groups(seed, count):
    """Groups of unlike size, mean and spread; every other seed of the same size."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(4, 30, count) if seed % 2 else np.full(count, 12)
    members = [rng.normal(rng.normal(), rng.uniform(0.5, 3), size) for size in sizes]
    names = [f"group {letter}" for letter in "abcdefgh"[:count]]
    return members, np.concatenate(members), np.repeat(names, sizes), names


def hedges_by_hand(a, b):
    n = len(a) + len(b)
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (n - 2))
    return (a.mean() - b.mean()) / pooled * (1 - 3 / (4 * n - 9))


def published_groups(table):
    condition = np.where(table["omitted"], "omitted", "presented")
    return (table["cre_line"] + ", " + condition + ", " + table["exposure_level"]).to_numpy()


@pytest.mark.parametrize("seed", range(6))
def test_t_and_levene_agree_with_pingouin(seed):
    (presented, absent), values, group, _ = random_groups(seed, 2)
    levene, t = variance_and_mean_tests(values, group == "group b")
    homoscedasticity = pingouin.homoscedasticity([absent, presented], method="levene").iloc[0]
    assert (levene.statistic, levene.p) == pytest.approx((homoscedasticity["W"], homoscedasticity["pval"]), rel=1e-9)
    assert t.test == ("student" if levene.p > 0.05 else "welch")
    theirs = pingouin.ttest(absent, presented, correction=t.test == "welch").iloc[0]
    assert (t.statistic, t.dof, t.p) == pytest.approx((theirs["T"], theirs["dof"], theirs["p_val"]), rel=1e-9)
    assert (t.ci_low, t.ci_high) == pytest.approx(theirs["CI95"], abs=5e-3)  # pingouin rounds these to two decimals
    assert t.estimate == pytest.approx(absent.mean() - presented.mean())
    assert t.effect_size == pytest.approx(hedges_by_hand(absent, presented))
    assert t.effect_low < t.effect_size < t.effect_high


def test_t_of_three_against_three_by_hand():
    _, t = variance_and_mean_tests(np.array([0.0, 2, 4, 3, 5, 10]), np.repeat([False, True], 3))
    # Means 2 and 6, variances 4 and 13, pooled 8.5.
    assert (t.test, t.dof, t.estimate) == ("student", 4, 4)
    assert t.statistic == pytest.approx(4 / np.sqrt(8.5 * 2 / 3))
    assert t.effect_size == pytest.approx(4 / np.sqrt(8.5) * (1 - 3 / 15))


@pytest.mark.parametrize("seed", range(4))
def test_tukey_agrees_with_scipy(seed):
    members, values, group, names = random_groups(seed, 4)
    theirs = stats.tukey_hsd(*members)
    intervals = theirs.confidence_interval(0.95)
    found = tukey(values, group, names)
    for test, (earlier, later) in zip(found, combinations(range(4), 2), strict=True):
        assert test.contrast == f"{names[later]} - {names[earlier]}"
        assert test.estimate == pytest.approx(theirs.statistic[later, earlier], rel=1e-9)
        assert test.p_corrected == pytest.approx(theirs.pvalue[later, earlier], abs=1e-9)
        low_and_high = intervals.low[later, earlier], intervals.high[later, earlier]
        assert (test.ci_low, test.ci_high) == pytest.approx(low_and_high, abs=1e-6)
        assert test.residual_dof == len(values) - 4
        assert test.effect_size == pytest.approx(hedges_by_hand(members[later], members[earlier]))


@pytest.mark.parametrize("seed", range(4))
def test_pairwise_comparisons_agree_with_scipy_and_hand(seed):
    members, values, group, names = random_groups(seed, 5)
    found = pairwise(values, group, names)
    p = []
    for test, (earlier, later) in zip(found, combinations(range(5), 2), strict=True):
        a, b = members[earlier], members[later]
        theirs = stats.ttest_ind(a, b, equal_var=len(a) == len(b))
        low, high = theirs.confidence_interval(0.95)
        p.append(theirs.pvalue)
        assert test.contrast == f"{names[earlier]} - {names[later]}"
        assert (test.statistic, test.dof, test.p) == pytest.approx(
            (theirs.statistic, theirs.df, theirs.pvalue), rel=1e-7
        )
        assert (test.estimate, test.ci_low, test.ci_high) == pytest.approx((a.mean() - b.mean(), low, high), rel=1e-7)
        assert test.effect_size == pytest.approx(hedges_by_hand(a, b), rel=1e-9)
    assert [test.p_corrected for test in found] == pytest.approx(stats.false_discovery_control(p).tolist(), rel=1e-7)


def test_groups_go_in_the_order_given_and_absent_ones_are_passed_over():
    values, group = np.array([1.0, 2, 5, 6]), np.array(["presented", "presented", "omitted", "omitted"])
    order = ("novel", "presented", "omitted")
    assert [test.contrast for test in tukey(values, group, order)] == ["omitted - presented"]
    (test,) = pairwise(values, group, order)
    assert (test.contrast, test.estimate) == ("presented - omitted", -4)
    assert test.p_corrected == test.p


def test_the_published_tukey_of_peak_amplitude_comes_back(published_table):
    condition = np.where(published_table["omitted"], "omitted", "presented")
    (found,) = tukey(published_table["peak_dff"].to_numpy(), condition, ("presented", "omitted"))
    numbers = found.estimate, found.p_corrected, found.ci_low, found.ci_high
    assert [round(number, 4) for number in numbers] == [0.0063, 0.2026, -0.0034, 0.0159]


def test_the_published_pairwise_comparisons_come_back(published_table):
    found = pairwise(published_table["peak_dff"].to_numpy(), published_groups(published_table), GROUPS)
    by_contrast = {test.contrast: test for test in found}
    assert len(by_contrast) == 28
    vip = by_contrast["Vip-IRES-Cre, presented, familiar - Vip-IRES-Cre, omitted, familiar"]
    assert vip.p_corrected == pytest.approx(1.783091e-9, rel=1e-6)
    assert vip.effect_size == pytest.approx(-0.944412, abs=1e-6)
    # What one cell of the notebook shows beside the comparison above, by hand.
    exposure = by_contrast["Vip-IRES-Cre, presented, familiar - Vip-IRES-Cre, presented, novel"]
    assert exposure.p_corrected == pytest.approx(1.972077e-13, rel=1e-6)
    assert exposure.effect_size == pytest.approx(-1.426982, abs=1e-6)


@pytest.mark.parametrize(
    ("line", "exposure", "measure", "levene_p", "test", "p"),
    [
        ("Vip-IRES-Cre", "novel", "peak_dff", 0.7817, "student", 0.1674),
        ("Sst-IRES-Cre", "familiar", "peak_dff", 0.0060, "welch", 0.0003),
        ("Sst-IRES-Cre", "familiar", "peak_latency_s", 0.0188, "welch", 0.0000),
        ("Sst-IRES-Cre", "novel", "peak_dff", 0.1473, "student", 0.0992),
        ("Sst-IRES-Cre", "novel", "peak_latency_s", 0.1169, "student", 0.0000),
    ],
)
def test_the_published_t_tests_come_back(published_table, line, exposure, measure, levene_p, test, p):
    group = published_table[(published_table["cre_line"] == line) & (published_table["exposure_level"] == exposure)]
    levene, t = variance_and_mean_tests(group[measure].to_numpy(), group["omitted"].to_numpy())
    assert (round(levene.p, 4), t.test, round(t.p, 4)) == (levene_p, test, p)


def test_groups_without_variance_give_no_number_and_no_error():
    values, group = np.array([0.0, 0, 0, 0, 1, 2]), np.repeat(["a", "b", "c"], 2)
    equal, *others = pairwise(values, group, ("a", "b", "c"))
    assert np.isnan(equal.p)
    assert all(np.isfinite(test.p_corrected) for test in others)
    assert [test.estimate for test in tukey(values, group, ("a", "b", "c"))] == [0, 1.5, 1.5]
    _, t = variance_and_mean_tests(np.array([0.0, 0, 1, 1]), np.array([False, False, True, True]))
    assert (t.estimate, t.p) == (1, 0)


@pytest.mark.parametrize(
    ("values", "group", "said"),
    [
        ([1, 2, 3], ["a", "b", "b"], "at least two rows, got one in a"),
        ([1, 2, 3], ["a", "a", "a"], r"needs at least two, got \['a'\]"),
        ([1, np.nan, 3], ["a", "a", "b"], "finite, got 1"),
        ([2, 2, 2, 2], ["a", "a", "b", "b"], "must vary, got 2 in all 4 rows"),
        ([1, 2, 3], ["a", "a", "z"], r"of \['a', 'b'\], got \['z'\]"),
        ([1, 2, 3], ["a", "b"], r"\(n,\) alike, got \(3,\) and \(2,\)"),
    ],
)
def test_what_can_not_be_compared_is_refused(values, group, said):
    for test in (tukey, pairwise):
        with pytest.raises(ValueError, match=said):
            test(np.array(values, float), np.array(group), ("a", "b"))


def test_conditions_must_be_boolean():
    with pytest.raises(ValueError, match="boolean, got int64"):
        variance_and_mean_tests(np.arange(4.0), np.array([0, 0, 1, 1]))
