import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from models.factorial_design import FACTORS, FactorialDesign
from models.mixed_models import random_intercept_per_cell

TERMS = [
    "intercept",
    "cre_line[Vip]",
    "omitted",
    "exposure_level[novel]",
    "cre_line[Vip] x omitted",
    "cre_line[Vip] x exposure_level[novel]",
    "omitted x exposure_level[novel]",
    "cre_line[Vip] x omitted x exposure_level[novel]",
    "variance of cell",
    "variance of residual",
]


def simulated(seed, cell_sd, n_cells=40, share_kept=1.0):
    """Each cell in both conditions and exposures, in random order; rows of unlike cells lost when not all are kept."""
    rng = np.random.default_rng(seed)
    cell = np.repeat(np.arange(n_cells), 4)
    line = np.where(cell % 2, "Vip", "Sst")
    omitted, novel = np.tile([False, False, True, True], n_cells), np.tile([False, True], 2 * n_cells)
    own = cell_sd * rng.normal(size=n_cells)
    values = 0.01 * (rng.normal(size=len(cell)) + own[cell] + 0.3 * omitted * (line == "Vip"))
    kept = rng.permutation(len(cell))[: int(share_kept * len(cell))]
    design = FactorialDesign(line[kept], omitted[kept], np.where(novel, "novel", "familiar")[kept])
    return values[kept], design, cell[kept]


def full_columns(design):
    vip, omitted, novel = design.cre_line == "Vip", design.omitted, design.exposure_level == "novel"
    columns = [vip, omitted, novel, vip & omitted, vip & novel, omitted & novel, vip & omitted & novel]
    return np.column_stack([np.ones(len(omitted)), *columns]).astype(float)


def dense_restricted_likelihood(values, design, cell):
    """The largest restricted likelihood by n x n matrices, and the ratio of variances that has it."""
    X, same = full_columns(design), (cell[:, None] == cell).astype(float)
    n, k = X.shape

    def likelihood(ratio):
        covariance = np.eye(n) + ratio * same
        inverse = np.linalg.inv(covariance)
        information = X.T @ inverse @ X
        residual = values - X @ np.linalg.solve(information, X.T @ inverse @ values)
        scale = residual @ inverse @ residual / (n - k)
        logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        return -((n - k) * (np.log(2 * np.pi * scale) + 1) + logs) / 2

    found = minimize_scalar(lambda logged: -likelihood(np.exp(logged)), bounds=(-14, 8), options={"xatol": 1e-8})
    return max((-found.fun, np.exp(found.x)), (likelihood(0.0), 0.0))


@pytest.mark.parametrize("share_kept", [1.0, 0.7])
@pytest.mark.parametrize(("seed", "cell_sd"), [(0, 0.3), (1, 0.0), (2, 0.02), (3, 0.5), (4, 20.0)])
def test_the_likelihood_is_the_largest_by_dense_matrices(seed, cell_sd, share_kept):
    values, design, cell = simulated(seed, cell_sd, share_kept=share_kept)
    largest, ratio = dense_restricted_likelihood(values, design, cell)
    found = random_intercept_per_cell(values, design, cell)
    assert found.converged
    assert found.log_likelihood == pytest.approx(largest, abs=1e-5)
    of_cells, of_residuals = found.terms[-2].estimate, found.terms[-1].estimate
    assert of_cells / of_residuals == pytest.approx(ratio, rel=1e-3, abs=1e-5)
    assert found.on_boundary == (ratio == 0)


@pytest.mark.parametrize("seed", [3, 5])
def test_in_a_balanced_design_variances_and_means_are_those_of_the_anova(seed):
    values, design, cell = simulated(seed, 0.8)
    found = random_intercept_per_cell(values, design, cell)
    terms = {term.term: term for term in found.terms}
    assert list(terms) == TERMS
    by_cell = values[np.argsort(cell * 4 + design.omitted * 2 + (design.exposure_level == "novel"))].reshape(-1, 4)
    lines = np.arange(len(by_cell)) % 2
    means = np.array([by_cell[lines == line].mean(axis=0) for line in (0, 1)])
    deviation = by_cell - means[lines]
    cell_mean = deviation.mean(axis=1)
    residual = ((deviation - cell_mean[:, None]) ** 2).sum() / (38 * 3)
    of_cells = (4 * (cell_mean**2).sum() / 38 - residual) / 4
    assert terms["variance of residual"].estimate == pytest.approx(residual, rel=1e-5)
    assert terms["variance of cell"].estimate == pytest.approx(of_cells, rel=1e-5)
    assert terms["intercept"].estimate == pytest.approx(means[0, 0], rel=1e-8)
    omitted = terms["omitted"]
    # A difference within cells: the cells' own level drops out of its error.
    error = np.sqrt(2 * residual / 20)
    assert omitted.estimate == pytest.approx(means[0, 2] - means[0, 0], rel=1e-8)
    assert omitted.standard_error == pytest.approx(error, rel=1e-4)
    assert omitted.statistic == pytest.approx(omitted.estimate / error, rel=1e-4)
    assert omitted.p == pytest.approx(2 * norm.sf(abs(omitted.statistic)), rel=1e-6)
    assert omitted.ci_high - omitted.estimate == pytest.approx(1.959964 * omitted.standard_error, rel=1e-6)


def test_another_unit_gives_the_same_fit():
    values, design, cell = simulated(3, 0.5)
    found, scaled = (random_intercept_per_cell(unit * values, design, cell) for unit in (1, 1e4))
    assert [term.estimate for term in scaled.terms[:-2]] == pytest.approx([1e4 * t.estimate for t in found.terms[:-2]])
    assert [term.p for term in scaled.terms[:-2]] == pytest.approx([term.p for term in found.terms[:-2]], rel=1e-5)
    assert scaled.log_likelihood == pytest.approx(found.log_likelihood - (len(values) - 8) * np.log(1e4))


@pytest.mark.parametrize(("measure", "log_likelihood"), [("peak_dff", 942.32), ("auc_dff_s", 923.96)])
def test_the_published_mixed_models_come_back(published_table, measure, log_likelihood):
    design = FactorialDesign(*(published_table[name].to_numpy() for name in FACTORS))
    found = random_intercept_per_cell(
        published_table[measure].to_numpy(), design, published_table["unit_id"].to_numpy()
    )
    assert (found.n_rows, found.n_groups, found.converged) == (640, 223, True)
    assert round(found.log_likelihood, 2) == log_likelihood
    # Of AUC the source's model finds no variance between cells.
    assert found.on_boundary == (measure == "auc_dff_s")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (np.arange(160), "got 160 in 160 rows"),
        (np.zeros(160, int), "got 1 in 160 rows"),
        (np.zeros(159, int), r"cell must be \(160,\) like omitted, got \(159,\)"),
    ],
)
def test_cells_that_carry_no_intercept_are_refused(cell, said):
    values, design, _ = simulated(0, 0.3)
    with pytest.raises(ValueError, match=said):
        random_intercept_per_cell(values, design, cell)


def test_values_without_residual_are_refused():
    _, design, cell = simulated(0, 0.3)
    with pytest.raises(ValueError, match="no residual variance"):
        random_intercept_per_cell(design.omitted + 2.0 * (design.cre_line == "Vip"), design, cell)
    with pytest.raises(ValueError, match="no residual variance"):
        random_intercept_per_cell(np.random.default_rng(0).normal(size=40)[cell], design, cell)
