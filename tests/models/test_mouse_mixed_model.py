import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from models.mouse_mixed_model import MOST_CUBED_CELLS, random_slope_per_mouse
from models.mouse_statistics import paired_mouse_contrast
from models.simulate_mouse_effects import NestedDesign, simulate_nested


def simulated(seed, design, effect_dff=0.0):
    """Values, mice, cells and conditions of one data set, a row each."""
    found = simulate_nested(design, 1, np.random.default_rng(seed))[0]
    found[1] += effect_dff
    cells = design.n_mice * design.cells_per_mouse
    mouse = np.tile(np.repeat(np.arange(design.n_mice), design.cells_per_mouse), 2)
    return found.ravel(), mouse, np.tile(np.arange(cells), 2), np.repeat([False, True], cells)


def unequal(seed):
    """Mice with 4 to 30 cells, some of which lack a condition."""
    values, mouse, cell, omitted = simulated(seed, NestedDesign(0.3, n_mice=8, cells_per_mouse=30), 0.03)
    rng = np.random.default_rng(seed)
    kept = (cell % 30 < rng.integers(4, 31, 8)[mouse]) & (rng.random(len(cell)) > 0.1)
    return values[kept], mouse[kept], cell[kept], omitted[kept]


def test_where_mice_have_equally_many_cells_the_effect_is_the_mean_over_mice_and_its_t_the_paired_one():
    columns = simulated(1, NestedDesign(0.3, n_mice=6, cells_per_mouse=40), 0.02)
    found, contrast = random_slope_per_mouse(*columns).omitted, paired_mouse_contrast(*columns)
    assert found.estimate == pytest.approx(contrast.estimate, rel=1e-8)
    assert (found.t, found.p) == pytest.approx((contrast.t, contrast.p), rel=1e-2)
    assert (found.ci_low, found.ci_high) == pytest.approx((contrast.ci_low, contrast.ci_high), abs=2e-4)
    assert found.dof == contrast.dof == 5


def test_the_model_is_statsmodels_with_slopes_of_mice_and_intercepts_of_cells():
    values, mouse, cell, omitted = unequal(2)
    found = random_slope_per_mouse(values, mouse, cell, omitted)
    rows = pd.DataFrame({"value": values, "mouse": mouse, "cell": cell, "omitted": omitted.astype(float)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = smf.mixedlm(
            "value ~ omitted", rows, groups="mouse", re_formula="~omitted", vc_formula={"cell": "0 + C(cell)"}
        ).fit(reml=True)
    terms = {term.term: term for term in found.terms}
    for name, theirs in (("intercept", "Intercept"), ("omitted", "omitted")):
        assert terms[name].estimate == pytest.approx(expected.fe_params[theirs], rel=1e-3)
        assert terms[name].standard_error == pytest.approx(expected.bse_fe[theirs], rel=1e-2)
        assert terms[name].p == pytest.approx(2 * stats.t.sf(abs(terms[name].t), 7))
    assert terms["variance of mouse"].estimate == pytest.approx(expected.cov_re.iloc[0, 0], rel=0.05)
    assert terms["variance of mouse slope"].estimate == pytest.approx(expected.cov_re.iloc[1, 1], rel=0.05)
    assert terms["variance of cell"].estimate == pytest.approx(expected.vcomp[0], rel=0.05)
    assert terms["variance of residual"].estimate == pytest.approx(expected.scale, rel=0.05)
    assert found.log_likelihood == pytest.approx(expected.llf, abs=1e-3)
    assert (found.converged, found.on_boundary) == (True, False)
    assert (found.n_rows, found.n_mice, found.n_cells) == (len(values), 8, len(np.unique(cell)))


def test_planted_variances_come_back():
    design = NestedDesign(0.3, n_mice=60, cells_per_mouse=12)
    terms = {term.term: term.estimate for term in random_slope_per_mouse(*simulated(3, design, 0.02)).terms}
    assert terms["omitted"] == pytest.approx(0.02, abs=0.012)
    assert terms["variance of mouse"] == pytest.approx(0.3 * 0.05**2, rel=0.5)
    assert terms["variance of mouse slope"] == pytest.approx(design.effect_sd_between_mice**2, rel=0.5)
    assert terms["variance of cell"] == pytest.approx(0.7 * 0.3 * 0.05**2, rel=0.25)
    assert terms["variance of residual"] == pytest.approx(0.7 * 0.7 * 0.05**2, rel=0.15)


def test_the_unit_of_the_values_changes_the_unit_of_the_answer_alone():
    values, *others = unequal(4)
    found, percent = random_slope_per_mouse(values, *others), random_slope_per_mouse(100 * values, *others)
    assert percent.omitted.estimate == pytest.approx(100 * found.omitted.estimate)
    assert percent.omitted.p == pytest.approx(found.omitted.p)
    assert percent.terms[-1].estimate == pytest.approx(1e4 * found.terms[-1].estimate)
    assert percent.log_likelihood == pytest.approx(found.log_likelihood - (len(values) - 2) * np.log(100))


def test_without_variance_between_mice_the_fit_says_that_it_is_on_the_boundary():
    fits = [
        random_slope_per_mouse(*simulated(seed, NestedDesign(0.0, n_mice=4, cells_per_mouse=10))) for seed in range(3)
    ]
    assert any(fit.on_boundary for fit in fits)
    assert all(np.isfinite(fit.omitted.p) for fit in fits)


def test_mice_of_one_condition_add_no_degrees_of_freedom():
    values, mouse, cell, omitted = simulated(5, NestedDesign(0.3, n_mice=6, cells_per_mouse=10))
    kept = ~(omitted & (mouse == 5))
    found = random_slope_per_mouse(values[kept], mouse[kept], cell[kept], omitted[kept])
    assert (found.n_mice, found.omitted.dof) == (6, 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mouse_id": np.tile([0, 0, 1, 1], 2)}, "at least 3 with cells in both conditions, got 2"),
        ({"omitted": np.ones(8, dtype=bool)}, "omitted and presented rows must both be there"),
        ({"mouse_id": np.tile([0, 1, 2, 3], 2)}, "two cells with both conditions, got one in each of 4 mice"),
        ({"values": np.full(8, np.inf)}, "finite, got 8"),
        ({"values": np.ones(8)}, "values must differ, got 8 of 1.0"),
        ({"omitted": np.ones(8)}, "boolean, got float64"),
        ({"unit_key": np.ones(7)}, r"both be \(n,\), got \(8,\) and \(7,\)"),
    ],
)
def test_rows_that_no_model_can_stand_on_are_refused(change, said):
    given = {
        "values": np.arange(8.0),
        "mouse_id": np.tile([0, 0, 1, 2], 2),
        "unit_key": np.tile(np.arange(4), 2),
        "omitted": np.repeat([False, True], 4),
    }
    with pytest.raises(ValueError, match=said):
        random_slope_per_mouse(**(given | change))


def test_more_cells_than_can_be_waited_for_are_refused():
    n = int(np.cbrt(MOST_CUBED_CELLS / 3)) + 1
    mouse, cell = np.repeat(np.arange(3), 2 * n), np.tile(np.repeat(np.arange(n), 2), 3)
    values, omitted = np.arange(6.0 * n), np.arange(6 * n) % 2 == 0
    with pytest.raises(ValueError, match=r"3 mice with up to 874 cells takes too long"):
        random_slope_per_mouse(values, mouse, cell, omitted)
