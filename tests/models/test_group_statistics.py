from itertools import product

import numpy as np
import pytest
from scipy import stats

from models.group_statistics import paired_mouse_contrast, three_way_anova
from models.simulate_mouse_effects import simulate_mouse_effects


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def balanced_design(n_per_cell=5):
    cells = list(product(["Sst", "Vip"], [False, True], ["familiar", "novel"])) * n_per_cell
    line, omitted, exposure = (np.array(column) for column in zip(*cells, strict=True))
    return line, omitted, exposure


def test_in_a_balanced_design_sums_of_squares_are_those_of_the_cell_means(rng):
    line, omitted, exposure = balanced_design()
    values = rng.normal(size=len(line)) + (line == "Vip") * omitted
    table = {row.term: row for row in three_way_anova(values, line, omitted, exposure)}
    # The contrast of each term is a product of +-1 codes; its sum of squares is (sum code * value)^2 / n.
    is_level = {"cre_line": line == "Vip", "omitted": omitted, "exposure_level": exposure == "novel"}
    code = {name: 2 * level - 1 for name, level in is_level.items()}
    for term, row in table.items():
        if term != "residual":
            contrast = np.prod([code[name] for name in term.split(" x ")], axis=0)
            assert row.sum_sq == pytest.approx((contrast @ values) ** 2 / len(values))
            assert row.dof == 1
    residual = table["residual"]
    assert residual.dof == len(values) - 8
    total = ((values - values.mean()) ** 2).sum()
    assert sum(row.sum_sq for row in table.values()) == pytest.approx(total)
    for row in list(table.values())[:-1]:
        assert row.f == pytest.approx(row.sum_sq / (residual.sum_sq / residual.dof))
        assert row.p == pytest.approx(stats.f.sf(row.f, 1, residual.dof))


def test_terms_come_named_with_the_residual_last(rng):
    rows = three_way_anova(rng.normal(size=40), *balanced_design())
    assert [row.term for row in rows] == [
        "cre_line",
        "omitted",
        "exposure_level",
        "cre_line x omitted",
        "cre_line x exposure_level",
        "omitted x exposure_level",
        "cre_line x omitted x exposure_level",
        "residual",
    ]
    assert np.isnan(rows[-1].f)
    assert np.isnan(rows[-1].p)


def test_the_published_anova_of_peak_amplitude_comes_back(published_table):
    d = published_table
    rows = three_way_anova(
        d["peak_dff"].to_numpy(),
        d["cre_line"].to_numpy(),
        d["omitted"].to_numpy(),
        d["exposure_level"].to_numpy(),
    )
    expected = [6.408, 1.876, 5.031, 50.708, 9.783, 19.739, 18.056]
    assert [row.f for row in rows[:-1]] == pytest.approx(expected, abs=5e-4)
    assert rows[-1].dof == 632


def test_a_factor_with_one_level_is_refused(rng):
    line, omitted, _ = balanced_design()
    with pytest.raises(ValueError, match=r"exposure_level must have at least two levels, got \['novel'\]"):
        three_way_anova(rng.normal(size=40), line, omitted, np.full(40, "novel"))


def test_an_empty_cell_of_the_design_is_refused_by_name(rng):
    line, omitted, exposure = balanced_design()
    kept = ~((line == "Vip") & omitted & (exposure == "novel"))
    with pytest.raises(ValueError, match=r"1 cells .* are empty: Vip x True x novel"):
        three_way_anova(rng.normal(size=kept.sum()), line[kept], omitted[kept], exposure[kept])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"values": np.full(8, np.nan)}, "finite, got 8"),
        ({"omitted": np.zeros(8)}, "boolean, got float64"),
        ({"cre_line": np.array(["Vip"] * 7)}, "cre_line must be"),
        ({"cre_line": np.array([None] + ["Vip"] * 7, dtype=object)}, "no missing entries, got 1"),
        ({}, "8 values leave no residual"),
    ],
)
def test_an_anova_on_bad_columns_is_refused(change, said):
    line, omitted, exposure = balanced_design(1)
    given = {"values": np.ones(8), "cre_line": line, "omitted": omitted, "exposure_level": exposure}
    with pytest.raises(ValueError, match=said):
        three_way_anova(**(given | change))


def contrast_of_differences(difference):
    """One cell per mouse, presented 0."""
    n = len(difference)
    values, omitted = np.concatenate([np.zeros(n), difference]), np.repeat([False, True], n)
    return paired_mouse_contrast(values, np.tile(np.arange(n), 2), np.zeros(2 * n), omitted)


def test_the_contrast_is_scipys_one_sample_t_test_over_mice(rng):
    difference = rng.normal(0.5, 1, 9)
    found, expected = contrast_of_differences(difference), stats.ttest_1samp(difference, 0)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.estimate == pytest.approx(difference.mean())
    assert (found.dof, found.n_mice, found.n_cells) == (8, 9, 9)
    assert found.mouse_differences == pytest.approx(tuple(difference))


def test_a_mouse_counts_once_however_many_cells_it_has():
    # Mouse a: cells with differences 1 and 3; mouse b: one with 4, whose rows of a condition are averaged.
    values = np.array([0, 1, 0, 3, 1, 5, 3, 7.0])
    mouse = np.array(["a", "a", "a", "a", "b", "b", "b", "b"])
    cell = np.array([1, 1, 2, 2, 1, 1, 1, 1])
    omitted = np.array([False, True] * 4)
    found = paired_mouse_contrast(values, mouse, cell, omitted)
    assert found.mice == ("a", "b")
    assert found.mouse_differences == (2.0, 4.0)
    assert found.estimate == 3.0
    assert (found.n_mice, found.n_cells) == (2, 3)


def test_cells_without_both_conditions_are_excluded_and_counted():
    values = np.array([0, 1, 0, 2, 9, 9, 9.0])
    mouse = np.array([1, 1, 2, 2, 1, 3, 3])
    cell = np.array([1, 1, 1, 1, 2, 1, 2])
    omitted = np.array([False, True, False, True, True, False, False])
    found = paired_mouse_contrast(values, mouse, cell, omitted)
    assert (found.n_mice, found.n_cells, found.n_cells_excluded) == (2, 2, 3)
    assert found.estimate == 1.5


def test_the_sign_flip_p_value_counts_the_flips_at_least_as_far_out():
    # 1 + 2 + 3 + 4: only all signs kept and all signs turned are as far from 0.
    found = contrast_of_differences(np.array([1.0, 2.0, 3.0, 4.0]))
    assert found.n_flips == 16
    assert found.p_sign_flip == 2 / 16
    assert contrast_of_differences(np.array([0.1, 0.2, -0.3])).p_sign_flip == 1.0


def test_with_many_mice_flips_are_drawn_with_the_seed(rng):
    found = contrast_of_differences(rng.normal(0.3, 1, 24))
    assert found.n_flips == 10_000
    assert found.p_sign_flip == pytest.approx(found.p, abs=0.03)
    far = contrast_of_differences(np.ones(20))
    assert far.p_sign_flip == 1 / 10_001


def test_a_single_mouse_is_refused():
    with pytest.raises(ValueError, match=r"at least 2 .* got 1"):
        contrast_of_differences(np.array([1.0]))


def test_over_mice_p_values_are_uniform_and_over_cells_they_are_not():
    rng = np.random.default_rng(20)
    over_mice, flips, over_cells = [], [], []
    for _ in range(500):
        s = simulate_mouse_effects(8, 20, 0.3, 0.0, 0.03, rng)
        found = paired_mouse_contrast(s.values, s.mouse_id, s.unit_key, s.omitted)
        over_mice.append(found.p)
        flips.append(found.p_sign_flip)
        over_cells.append(stats.ttest_rel(s.values[s.omitted], s.values[~s.omitted]).pvalue)
    assert stats.kstest(over_mice, "uniform").pvalue > 0.01
    assert np.mean(np.array(flips) <= 0.05) < 0.08
    assert np.mean(np.array(over_cells) < 0.05) > 0.15


def test_an_anova_over_cells_finds_omission_effects_where_mice_merely_differ():
    rng = np.random.default_rng(21)
    p = []
    for _ in range(60):
        s = simulate_mouse_effects(8, 20, 0.3, 0.0, 0.05, rng)
        line = np.where(s.mouse_id < 4, "Vip", "Sst")
        exposure = np.where(s.unit_key % 2 == 0, "familiar", "novel")
        rows = three_way_anova(s.values, line, s.omitted, exposure)
        p.append(next(row.p for row in rows if row.term == "omitted"))
    assert np.mean(np.array(p) < 0.05) > 0.15
