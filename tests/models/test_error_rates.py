"""The short form of `make calibrate`: fewer data sets, wider bands."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm

from models.error_rates import CalledTest, calls, fit_each, fitted_calls, simulate_groups
from models.mouse_statistics import contrast_between, contrast_of_exposures, contrast_within, mouse_differences
from models.simulate_mouse_effects import NestedDesign

DESIGN = NestedDesign(0.1)
N_SETS = 1000


@pytest.fixture(scope="module")
def rates():
    rng = np.random.default_rng(51)
    counts = {}
    for _ in range(4):
        for about, called in calls(simulate_groups(DESIGN, N_SETS // 4, 0.0, rng), rng).items():
            counts[about] = counts.get(about, 0) + int(called.sum())
    return {about: n / N_SETS for about, n in counts.items()}


def band(rate):
    """Where the share of calls lies in 99.9 % of runs."""
    return tuple(stats.binom.ppf((0.0005, 0.9995), N_SETS, rate) / N_SETS)


def test_what_rigorous_concludes_from_errs_as_often_as_it_says(rates):
    for about, rate in rates.items():
        if about.protocol == "rigorous":
            # Of the p values that 6 mice's flips can have, one is below .05: 2 / 64.
            expected = 2 / 64 if about.test == "sign flips of mice" else 0.05
            low, high = band(expected)
            assert low <= rate <= high, about
    assert sum(about.protocol == "rigorous" for about in rates) == 9


def test_the_published_tests_over_cells_err_many_times_as_often(rates):
    published = {about: rate for about, rate in rates.items() if about.protocol == "published"}
    assert len(published) == 5
    assert min(published.values()) > 0.25
    assert published[CalledTest("between cre lines", "Student's t over cells", "published")] == pytest.approx(
        0.46, abs=0.06
    )


def test_wald_z_and_percentiles_over_six_mice_err_too_often(rates):
    found = {(about.contrast, about.test): rate for about, rate in rates.items() if about.protocol == "neither"}
    assert band(0.078)[0] <= found["between cre lines", "mixed model with an intercept per mouse, Wald z"]
    assert found["between cre lines", "percentile bootstrap over mice"] > band(0.05)[1]
    assert found["omitted - presented", "percentile bootstrap over mice"] > band(0.05)[1]


def test_t_of_the_mixed_model_errs_as_it_says_and_its_wald_z_does_not():
    # Fewer cells: the fit is the same on 6 mice, and quicker.
    sets = simulate_groups(NestedDesign(0.3, cells_per_mouse=8), 50, 0.0, np.random.default_rng(52))
    fits = list(fit_each(sets))
    estimate = np.array([fit.omitted.estimate for fit in fits])
    error = np.array([fit.omitted.standard_error for fit in fits])
    t, z = (float(called.mean()) for called in fitted_calls(estimate, error, 6).values())
    assert t <= stats.binom.ppf(0.9995, 50, 0.05) / 50
    assert z > t
    found, _ = (float(called.mean()) for called in fitted_calls(estimate, error, 6, shift_dff=0.1).values())
    assert found > 0.6


def test_planted_effects_are_found_the_more_often_the_larger_they_are():
    about = CalledTest("omitted - presented", "t over mice", "rigorous")
    rng = np.random.default_rng(53)
    power = [calls(simulate_groups(DESIGN, 200, effect, rng), rng)[about].mean() for effect in (0.0, 0.02, 0.05)]
    assert power[0] < 0.12 < power[1] < power[2]
    # Of one-sample t with the s.d. of a mouse's mean difference.
    sd = np.hypot(DESIGN.effect_sd_between_mice, np.sqrt(2 * 0.9 * 0.7 / 60) * DESIGN.response_sd_dff)
    noncentrality = 0.02 / sd * np.sqrt(6)
    edge = stats.t.ppf(0.975, 5)
    expected = stats.nct.sf(edge, 5, noncentrality) + stats.nct.cdf(-edge, 5, noncentrality)
    assert power[1] == pytest.approx(expected, abs=0.11)


@pytest.fixture(scope="module")
def few():
    """A few small data sets of strong and weak effects, so that calls differ."""
    rng = np.random.default_rng(54)
    design = NestedDesign(0.2, n_mice=5, cells_per_mouse=6)
    sets = np.concatenate([simulate_groups(design, 6, effect, rng) for effect in (0.0, 0.03, 0.06)])
    return sets, calls(sets, rng)


def rows_of(one):
    """The rows of one data set: line, mouse, cell, exposure, omission and value."""
    _, _, n_mice, n_cells = one.shape
    line, omitted, mouse, cell = (index.ravel() for index in np.indices(one.shape))
    exposure = np.where(cell < n_cells // 2, "familiar", "novel")
    mouse = line * n_mice + mouse
    return pd.DataFrame(
        {"line": line, "omitted": omitted, "mouse": mouse, "cell": mouse * n_cells + cell, "exposure": exposure}
        | {"value": one.ravel()}
    )


def test_calls_over_mice_are_those_of_the_contrasts_that_studies_make(few):
    sets, found = few
    for i, one in enumerate(sets):
        rows = rows_of(one)
        first, second = (
            mouse_differences(
                of_line["value"].to_numpy(),
                of_line["mouse"].to_numpy(),
                of_line["cell"].to_numpy(),
                (of_line["omitted"] == 1).to_numpy(),
            )
            for _, of_line in rows.groupby("line")
        )
        same_mice = mouse_differences(
            rows["value"][rows["line"] == 0].to_numpy(),
            rows["mouse"][rows["line"] == 1].to_numpy(),
            rows["cell"][rows["line"] == 0].to_numpy(),
            (rows["omitted"][rows["line"] == 0] == 1).to_numpy(),
        )
        for contrast, by_t, by_permutation, made in (
            ("omitted - presented", "t over mice", "sign flips of mice", contrast_within(second)),
            ("novel - familiar", "t over mice", "sign flips of mice", contrast_of_exposures(same_mice, second)),
            ("between cre lines", "Welch's t over mice", "exchanges of mice", contrast_between(second, first)),
        ):
            excluded = made.bootstrap_low > 0 or made.bootstrap_high < 0
            expected = {
                by_t: made.p <= 0.05,
                by_permutation: made.p_permutation <= 0.05,
                "studentised bootstrap over mice": excluded,
            }
            for test, called in expected.items():
                assert found[CalledTest(contrast, test, "rigorous")][i] == called


def test_calls_over_cells_are_those_of_scipy_and_statsmodels(few):
    sets, found = few
    for i, one in enumerate(sets):
        rows = rows_of(one)
        second = rows[rows["line"] == 1]
        presented, omitted = (second["value"][second["omitted"] == k].to_numpy() for k in (0, 1))
        within = stats.ttest_ind(omitted, presented).pvalue <= 0.05
        assert found[CalledTest("omitted - presented", "Student's t over cells", "published")][i] == within
        differences = (one[:, 1] - one[:, 0]).reshape(2, -1)
        between = stats.ttest_ind(*differences).pvalue <= 0.05
        assert found[CalledTest("between cre lines", "Student's t over cells", "published")][i] == between
        table = anova_lm(smf.ols("value ~ C(line, Sum) * C(omitted, Sum) * C(exposure, Sum)", rows).fit(), typ=2)[
            "PR(>F)"
        ]
        for contrast, test, term in (
            ("omitted - presented", "three-way ANOVA over cells, omitted", "C(omitted, Sum)"),
            ("between cre lines", "three-way ANOVA over cells, cre_line x omitted", "C(line, Sum):C(omitted, Sum)"),
        ):
            assert found[CalledTest(contrast, test, "published")][i] == (table[term] <= 0.05)


def test_wald_calls_are_those_of_statsmodels(few):
    sets, found = few
    intercept_per_cell = CalledTest(
        "omitted - presented", "mixed model with an intercept per cell, Wald z", "published"
    )
    intercept_per_mouse = CalledTest("between cre lines", "mixed model with an intercept per mouse, Wald z", "neither")
    for i in range(0, len(sets), 3):
        rows = rows_of(sets[i])
        second = rows[rows["line"] == 1].assign(value=rows["value"] / rows["value"].std())
        differences = rows[rows["omitted"] == 1].assign(
            value=(sets[i][:, 1] - sets[i][:, 0]).ravel() / rows["value"].std()
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cell = smf.mixedlm("value ~ omitted", second, groups="cell").fit(reml=True)
            mouse = smf.mixedlm("value ~ line", differences, groups="mouse").fit(reml=True)
        assert found[intercept_per_cell][i] == (cell.pvalues["omitted"] < 0.05)
        assert found[intercept_per_mouse][i] == (mouse.pvalues["line"] < 0.05)
