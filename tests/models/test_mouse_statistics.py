import numpy as np
import pingouin
import pytest
from scipy import stats

from models.mouse_statistics import (
    MouseDifferences,
    contrast_between,
    contrast_of_exposures,
    contrast_within,
    mouse_differences,
    paired_mouse_contrast,
)
from models.mouse_tests import bootstrap_interval, intraclass_correlation
from models.simulate_mouse_effects import simulate_mouse_effects


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def one_cell_each(difference, first=0):
    """Mice with one cell each, whose presented value is 0."""
    n = len(difference)
    values, omitted = np.concatenate([np.zeros(n), difference]), np.repeat([False, True], n)
    return mouse_differences(values, np.tile(np.arange(first, first + n), 2), np.zeros(2 * n), omitted)


def test_the_contrast_is_scipys_one_sample_t_test_over_mice(rng):
    difference = rng.normal(0.5, 1, 9)
    found, expected = contrast_within(one_cell_each(difference)), stats.ttest_1samp(difference, 0)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.estimate == pytest.approx(difference.mean())
    assert (found.dof, found.n_mice, found.n_cells) == (8, 9, 9)
    assert (found.bootstrap_low, found.bootstrap_high) == bootstrap_interval(difference)
    assert found.cohens_d == pytest.approx(pingouin.ttest(difference, 0)["cohen_d"].item())


def test_a_mouse_counts_once_however_many_cells_it_has():
    # Mouse a: cells with differences 1 and 3; mouse b: one with 4, whose rows of a condition are averaged.
    values = np.array([0, 1, 0, 3, 1, 5, 3, 7.0])
    mouse = np.array(["a", "a", "a", "a", "b", "b", "b", "b"])
    cell = np.array([1, 1, 2, 2, 1, 1, 1, 1])
    omitted = np.array([False, True] * 4)
    found = mouse_differences(values, mouse, cell, omitted)
    assert found.mouse_id.tolist() == ["a", "b"]
    assert found.difference.tolist() == [2, 4]
    contrast = contrast_within(found)
    assert (contrast.estimate, contrast.n_mice, contrast.n_cells) == (3, 2, 3)
    assert paired_mouse_contrast(values, mouse, cell, omitted).t == contrast.t


def test_cells_without_both_conditions_are_excluded_and_counted():
    values = np.array([0, 1, 0, 2, 9, 9, 9.0])
    mouse = np.array([1, 1, 2, 2, 1, 3, 3])
    cell = np.array([1, 1, 1, 1, 2, 1, 2])
    omitted = np.array([False, True, False, True, True, False, False])
    found = contrast_within(mouse_differences(values, mouse, cell, omitted))
    assert (found.n_mice, found.n_cells, found.n_cells_excluded) == (2, 2, 3)
    assert found.estimate == 1.5


def test_the_intraclass_correlation_is_of_the_cells_differences(rng):
    s = simulate_mouse_effects(5, 6, 0.4, 0.01, 0.05, rng)
    found = mouse_differences(s.values, s.mouse_id, s.unit_key, s.omitted)
    cells = s.values[s.omitted] - s.values[~s.omitted]
    assert found.intraclass_correlation == pytest.approx(intraclass_correlation(cells, s.mouse_id[s.omitted]))
    assert contrast_within(found).intraclass_correlation == found.intraclass_correlation


def test_the_sign_flip_p_value_counts_the_flips_at_least_as_far_out():
    # 1 + 2 + 3 + 4: only all signs kept and all signs turned are as far from 0.
    found = contrast_within(one_cell_each(np.array([1.0, 2.0, 3.0, 4.0])))
    assert (found.p_permutation, found.n_permutations) == (2 / 16, 16)
    assert contrast_within(one_cell_each(np.array([0.1, 0.2, -0.3]))).p_permutation == 1.0


def test_exposures_are_compared_in_the_mice_that_have_both(rng):
    familiar = one_cell_each(np.array([1.0, 2, 3, 4, 50]))
    novel = one_cell_each(np.array([2.0, 4, 6, 8, 70]), first=1)
    # Mice 1 to 4 have both: novel 2, 4, 6, 8 less familiar 2, 3, 4, 50.
    found = contrast_of_exposures(familiar, novel)
    expected = stats.ttest_1samp(np.array([0.0, 1, 2, -42]), 0)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (found.n_mice, found.n_cells, found.dof) == (4, 4, 3)
    assert np.isnan(found.intraclass_correlation)


def test_cells_of_both_exposures_are_counted_once_where_they_have_one_name():
    values, mouse, omitted = np.arange(8.0), np.repeat([1, 2], 4), np.array([False, True] * 4)
    familiar = mouse_differences(values, mouse, np.array(["f1", "f1", "c", "c"] * 2), omitted)
    novel = mouse_differences(values, mouse, np.array(["n1", "n1", "c", "c"] * 2), omitted)
    assert contrast_of_exposures(familiar, novel).n_cells == 6


def test_lines_are_compared_by_welchs_t_over_their_mice(rng):
    a, b = rng.normal(0.5, 1, 7), rng.normal(0, 3, 5)
    found, expected = (
        contrast_between(one_cell_each(a), one_cell_each(b, first=7)),
        stats.ttest_ind(a, b, equal_var=False),
    )
    assert (found.t, found.p, found.dof) == pytest.approx((expected.statistic, expected.pvalue, expected.df))
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.estimate == pytest.approx(a.mean() - b.mean())
    assert (found.n_mice, found.n_cells, found.n_permutations) == (12, 12, 792)
    assert found.cohens_d == pytest.approx(pingouin.compute_effsize(a, b, eftype="cohen"))
    assert found.bootstrap_low < found.estimate < found.bootstrap_high


def test_too_few_mice_are_refused_by_number():
    with pytest.raises(ValueError, match=r"at least 2 .* got 1"):
        contrast_within(one_cell_each(np.array([1.0])))
    with pytest.raises(ValueError, match="at least 2 mice must have cells in both exposures, got 1"):
        contrast_of_exposures(one_cell_each(np.arange(3.0)), one_cell_each(np.arange(3.0), first=2))
    with pytest.raises(ValueError, match=r"at least 2 .* got 1"):
        contrast_between(one_cell_each(np.arange(3.0)), one_cell_each(np.array([1.0]), first=3))


def test_a_mouse_of_two_lines_is_refused_by_name():
    with pytest.raises(ValueError, match="a mouse must be in one group, got 2 in both"):
        contrast_between(one_cell_each(np.arange(3.0)), one_cell_each(np.arange(3.0), first=2))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"values": np.full(4, np.nan)}, "finite, got 4"),
        ({"values": np.ones((2, 2))}, r"values must be \(n,\), got \(2, 2\)"),
        ({"omitted": np.zeros(4)}, "boolean, got float64"),
        ({"mouse_id": np.ones(3)}, r"mouse_id must be \(4,\)"),
        ({"unit_key": np.array([None, 1, 1, 1], dtype=object)}, "no missing entries, got 1"),
    ],
)
def test_bad_columns_are_refused(change, said):
    given = {
        "values": np.ones(4),
        "mouse_id": np.array([1, 1, 2, 2]),
        "unit_key": np.ones(4),
        "omitted": np.array([False, True] * 2),
    }
    with pytest.raises(ValueError, match=said):
        mouse_differences(**(given | change))


def test_without_cells_in_both_conditions_there_are_no_mice():
    found = mouse_differences(np.ones(3), np.arange(3), np.arange(3), np.ones(3, dtype=bool))
    assert isinstance(found, MouseDifferences)
    assert (len(found.difference), found.n_cells_excluded) == (0, 3)
    with pytest.raises(ValueError, match=r"at least 2 .* got 0"):
        contrast_within(found)
