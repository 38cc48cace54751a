from itertools import combinations, product

import numpy as np
import pandas as pd
import pingouin
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from models.factorial_design import FACTORS, FactorialDesign
from models.factorial_models import linear_model, three_way_anova, two_measure_manova
from models.simulate_mouse_effects import simulate_mouse_effects

TERMS = [
    "cre_line",
    "omitted",
    "exposure_level",
    "cre_line x omitted",
    "cre_line x exposure_level",
    "omitted x exposure_level",
    "cre_line x omitted x exposure_level",
]
PUBLISHED_F = {
    "peak_dff": [6.408, 1.876, 5.031, 50.708, 9.783, 19.739, 18.056],
    "peak_latency_s": [61.185, 11.056, 0.068, 401.959, 0.208, 4.756, 10.114],
    "auc_dff_s": [65.723, 3.169, 12.068, 154.944, 26.925, 30.652, 40.402],
}
PUBLISHED_PARTIAL_ETA_SQ = {
    "peak_dff": [0.010038, 0.002959, 0.007898, 0.074274, 0.015243, 0.030287, 0.027777],
    "peak_latency_s": [0.088267, 0.017192, 0.000108, 0.388757, 0.000330, 0.007469, 0.015751],
    "auc_dff_s": [0.094196, 0.004989, 0.018737, 0.196893, 0.040862, 0.046257, 0.060087],
}


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def balanced_design(n_per_cell=5):
    cells = list(product(["Sst", "Vip"], [False, True], ["familiar", "novel"])) * n_per_cell
    return FactorialDesign(*(np.array(column) for column in zip(*cells, strict=True)))


def random_design(seed, n=60, lines=("Sst", "Vip")):
    """Cells of unlike size, none empty."""
    rng = np.random.default_rng(seed)
    line = np.concatenate([np.repeat(lines, 4), rng.choice(lines, n)])
    omitted = np.concatenate([np.tile([False, True], 2 * len(lines)), rng.random(n) < 0.4])
    exposure = np.where(np.concatenate([np.tile([0, 0, 1, 1], len(lines)), rng.random(n)]) < 0.6, "familiar", "novel")
    return FactorialDesign(line, omitted, exposure), rng


def published_design(table):
    return FactorialDesign(*(table[name].to_numpy() for name in FACTORS))


def treatment_columns(design):
    """Indicators of each factor's levels beyond the first, and their products, by term."""
    of_factor = {
        name: np.column_stack([design.factors[name].astype(str) == level for level in design.levels[name][1:]])
        for name in FACTORS
    }
    columns = {}
    for size in (1, 2, 3):
        for names in combinations(FACTORS, size):
            block = np.ones((len(design.omitted), 1))
            for name in names:
                block = np.einsum("ni,nj->nij", block, of_factor[name]).reshape(len(block), -1)
            columns[" x ".join(names)] = block.astype(float)
    return columns


def residual_products(y, *blocks):
    """Cross products of the residuals of ``y`` (n, n_measures) after least squares on a constant and the blocks."""
    X = np.column_stack([np.ones(len(y)), *blocks])
    residual = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    return residual.T @ residual


def test_in_a_balanced_design_sums_of_squares_are_those_of_the_cell_means(rng):
    design = balanced_design()
    values = rng.normal(size=40) + (design.cre_line == "Vip") * design.omitted
    table = {row.term: row for row in three_way_anova(values, design)}
    # The contrast of each term is a product of +-1 codes; its sum of squares is (sum code * value)^2 / n.
    is_level = {
        "cre_line": design.cre_line == "Vip",
        "omitted": design.omitted,
        "exposure_level": design.exposure_level == "novel",
    }
    code = {name: 2 * level - 1 for name, level in is_level.items()}
    residual = table["residual"]
    for term in TERMS:
        row = table[term]
        contrast = np.prod([code[name] for name in term.split(" x ")], axis=0)
        assert row.sum_sq == pytest.approx((contrast @ values) ** 2 / len(values))
        assert row.dof == 1
        assert row.f == pytest.approx(row.sum_sq / (residual.sum_sq / residual.dof))
        assert row.p == pytest.approx(stats.f.sf(row.f, 1, residual.dof))
        assert row.partial_eta_sq == pytest.approx(row.sum_sq / (row.sum_sq + residual.sum_sq))
    assert residual.dof == len(values) - 8
    total = ((values - values.mean()) ** 2).sum()
    assert sum(row.sum_sq for row in table.values()) == pytest.approx(total)


def test_terms_come_named_with_the_residual_last(rng):
    rows = three_way_anova(rng.normal(size=40), balanced_design())
    assert [row.term for row in rows] == [*TERMS, "residual"]
    assert np.isnan([rows[-1].f, rows[-1].p, rows[-1].partial_eta_sq]).all()


@pytest.mark.parametrize("lines", [("Sst", "Vip"), ("Slc", "Sst", "Vip")])
def test_an_anova_agrees_with_models_compared_by_hand(lines):
    design, rng = random_design(3, lines=lines)
    values = rng.normal(size=len(design.omitted))
    columns = treatment_columns(design)
    found = {row.term: row for row in three_way_anova(values, design)}
    for term in TERMS:
        # Type II: a term is tested beside all others that don't contain it.
        beside = [block for name, block in columns.items() if not set(term.split(" x ")) <= set(name.split(" x "))]
        gain = residual_products(values[:, None], *beside) - residual_products(values[:, None], *beside, columns[term])
        assert found[term].sum_sq == pytest.approx(gain.item(), rel=1e-9)
        assert found[term].dof == columns[term].shape[1]
    assert found["residual"].sum_sq == pytest.approx(residual_products(values[:, None], *columns.values()).item())


@pytest.mark.parametrize("seed", range(3))
def test_an_anova_agrees_with_pingouin(seed):
    design, rng = random_design(seed)
    values = rng.normal(size=len(design.omitted))
    frame = pd.DataFrame({"value": values, **design.factors})
    theirs = pingouin.anova(frame, dv="value", between=list(FACTORS), effsize="np2")
    *found, _ = three_way_anova(values, design)
    for column, name in (("F", "f"), ("p_unc", "p"), ("np2", "partial_eta_sq")):
        assert [getattr(row, name) for row in found] == pytest.approx(theirs[column].tolist()[:7], rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_manova_agrees_with_determinants_by_hand(seed):
    design, rng = random_design(seed)
    y = rng.normal(size=(len(design.omitted), 2)) @ np.array([[1, 0.4], [0, 2]])
    columns = treatment_columns(design)
    error = residual_products(y, *columns.values())
    found = two_measure_manova(y[:, 0], y[:, 1], design)
    assert [test.contrast for test in found] == TERMS
    for test in found:
        others = [block for name, block in columns.items() if name != test.contrast]
        wilks = np.linalg.det(error) / np.linalg.det(residual_products(y, *others))
        dof = len(y) - 8 - 1
        assert test.statistic == pytest.approx(wilks, rel=1e-9)
        # With one degree of freedom and two measures Wilks' lambda is an F exactly.
        assert (test.dof, test.residual_dof) == (2, dof)
        assert test.f == pytest.approx((1 - wilks) / wilks * dof / 2, rel=1e-9)
        assert test.p == pytest.approx(stats.f.sf(test.f, 2, dof), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_linear_model_agrees_with_least_squares_and_the_glm(seed):
    design, rng = random_design(seed)
    values = rng.normal(size=len(design.omitted))
    blocks = {"intercept": np.ones((len(values), 1)), **treatment_columns(design)}
    del blocks[TERMS[-1]]
    X = np.column_stack(list(blocks.values()))
    coefficients = np.linalg.lstsq(X, values, rcond=None)[0]
    variance = ((values - X @ coefficients) ** 2).sum() / (len(values) - 7)
    error = np.sqrt(variance * np.diag(np.linalg.inv(X.T @ X)))
    found = linear_model(values, design)
    assert [test.contrast for test in found] == [
        "intercept",
        "cre_line[Vip]",
        "omitted",
        "exposure_level[novel]",
        "cre_line[Vip] x omitted",
        "cre_line[Vip] x exposure_level[novel]",
        "omitted x exposure_level[novel]",
    ]
    assert [test.estimate for test in found] == pytest.approx(coefficients.tolist(), rel=1e-9)
    assert [test.statistic for test in found] == pytest.approx((coefficients / error).tolist(), rel=1e-8)
    assert [test.p for test in found] == pytest.approx(
        (2 * stats.norm.sf(abs(coefficients / error))).tolist(), rel=1e-6
    )
    assert [test.ci_high for test in found] == pytest.approx((coefficients + 1.959964 * error).tolist(), rel=1e-6)
    assert {test.residual_dof for test in found} == {len(values) - 7}
    glm = smf.glm("value ~ (cre_line + C(omitted) + exposure_level) ** 2", {"value": values, **design.factors}).fit()
    assert [test.p for test in found] == pytest.approx(glm.pvalues.tolist(), rel=1e-6)


@pytest.mark.parametrize("measure", PUBLISHED_F)
def test_the_published_anova_comes_back(published_table, measure):
    *found, residual = three_way_anova(published_table[measure].to_numpy(), published_design(published_table))
    assert [row.f for row in found] == pytest.approx(PUBLISHED_F[measure], abs=5e-4)
    assert [row.partial_eta_sq for row in found] == pytest.approx(PUBLISHED_PARTIAL_ETA_SQ[measure], abs=5e-7)
    assert residual.dof == 632


def test_the_published_manova_comes_back(published_table):
    measures = (published_table[name].to_numpy() for name in ("peak_dff", "peak_latency_s"))
    line, *_ = two_measure_manova(*measures, published_design(published_table))
    assert (line.contrast, round(line.statistic, 4), round(line.f, 4)) == ("cre_line", 0.8297, 64.7463)


def test_measures_that_follow_from_one_another_are_refused(rng):
    values = rng.normal(size=40)
    with pytest.raises(ValueError, match="must not follow from one another"):
        two_measure_manova(values, 2 * values, balanced_design())


def test_the_published_linear_models_come_back(published_table):
    design = published_design(published_table)
    peak = linear_model(published_table["peak_dff"].to_numpy(), design)
    coefficients = [0.080853, -0.056135, -0.015116, -0.008005, 0.066520, 0.030364, -0.042129]
    assert [test.estimate for test in peak] == pytest.approx(coefficients, abs=5e-7)
    assert peak[4].p == pytest.approx(2.111805e-12, rel=1e-6)
    width = linear_model(published_table["fwhm_s"].to_numpy(), design)
    assert width[-1].estimate == pytest.approx(0.675277, abs=5e-7)
    assert width[-1].p == pytest.approx(1.875e-12, rel=1e-6)


def test_levels_that_a_formula_could_not_hold_come_back_as_they_are(rng):
    plain = balanced_design()
    strange = FactorialDesign(
        np.where(plain.cre_line == "Vip", "Vip-IRES-Cre/wt;Ai148(f:l-[T.2])/wt", "Sst"),
        plain.omitted,
        plain.exposure_level,
    )
    found = linear_model(rng.normal(size=40), strange)
    assert found[1].contrast == "cre_line[Vip-IRES-Cre/wt;Ai148(f:l-[T.2])/wt]"


def test_an_empty_cell_of_the_design_is_refused_by_name():
    full = balanced_design()
    kept = ~((full.cre_line == "Vip") & full.omitted & (full.exposure_level == "novel"))
    with pytest.raises(ValueError, match=r"1 cells .* are empty: Vip x True x novel"):
        FactorialDesign(*(factor[kept] for factor in full.factors.values()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"exposure_level": np.full(16, "novel")}, r"exposure_level must have at least two levels, got \['novel'\]"),
        ({"omitted": np.zeros(16)}, "boolean, got float64"),
        ({"cre_line": np.array(["Vip"] * 15)}, r"cre_line must be \(16,\) like omitted, got \(15,\)"),
        ({"cre_line": np.array([None] + ["Vip"] * 15, dtype=object)}, "cre_line must have no missing entries, got 1"),
    ],
)
def test_bad_factors_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        FactorialDesign(**(balanced_design(2).factors | change))


def test_a_design_without_residual_is_refused():
    with pytest.raises(ValueError, match="8 values leave no residual for 8 cells"):
        balanced_design(1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full(40, np.nan), "finite, got 40"),
        (np.ones(39), r"values must be \(40,\) like omitted, got \(39,\)"),
        (np.ones(40), "must vary, got 1 in all 40 rows"),
    ],
)
def test_bad_values_are_refused(values, said):
    for model in (three_way_anova, linear_model, lambda *given: two_measure_manova(given[0], *given)):
        with pytest.raises(ValueError, match=said):
            model(values, balanced_design())


def test_an_anova_over_cells_finds_omission_effects_where_mice_merely_differ():
    rng = np.random.default_rng(21)
    p = []
    for _ in range(60):
        s = simulate_mouse_effects(8, 20, 0.3, 0.0, 0.05, rng)
        line = np.where(s.mouse_id < 4, "Vip", "Sst")
        exposure = np.where(s.unit_key % 2 == 0, "familiar", "novel")
        rows = three_way_anova(s.values, FactorialDesign(line, s.omitted, exposure))
        p.append(next(row.p for row in rows if row.term == "omitted"))
    assert np.mean(np.array(p) < 0.05) > 0.15
