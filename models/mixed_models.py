"""Mixed model of the source study: a random intercept per cell under the factors of the design."""

import warnings
from dataclasses import dataclass

import numpy as np
import statsmodels.formula.api as smf
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from statsmodels.regression.mixed_linear_model import MixedLMParams

from models.factorial_design import FACTORS, FactorialDesign

_VARIANCE_RATIOS = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 73)])
# statsmodels can't start at 0; from here it ends where 0 would, to rounding.
_SMALLEST_START = 1e-10
_SMALLEST_VARIANCE_RATIO = 1e-6
_LARGEST_SHORTFALL = 1e-4
_ROUNDING = 1e-12
_NO_RESIDUAL = "values leave no residual variance: the factors, or the cells, explain all of it"


@dataclass(frozen=True)
class MixedTerm:
    """A fixed effect in the values' unit with its Wald z, or a variance in its square with NaN for the rest."""

    term: str
    estimate: float
    standard_error: float
    ci_low: float
    ci_high: float
    statistic: float
    p: float


@dataclass(frozen=True)
class MixedModel:
    """A fitted mixed model; ``on_boundary``: the variance between groups is 0, so the groups explain nothing."""

    terms: tuple[MixedTerm, ...]
    log_likelihood: float
    converged: bool
    on_boundary: bool
    n_rows: int
    n_groups: int


def random_intercept_per_cell(
    values: NDArray[np.floating],  # (n,)
    design: FactorialDesign,
    cell: NDArray[np.generic],  # (n,)
) -> MixedModel:
    """Cre line x omission x exposure with a random intercept for each cell, by restricted likelihood (REML).

    ``values`` (n,) in any unit, ``cell`` (n,) names the cell of each row. Terms in treatment coding, as in
    ``linear_model``, then 'variance of cell' and 'variance of residual'. ``converged`` is False when the fit lies
    below the largest likelihood. Raises ValueError when values are not (n,), not finite or all the same, no cell has
    two rows, or no variance is left within cells. Method: ``statsmodels.regression.mixed_linear_model.MixedLM``,
    started at the maximum over the ratio of the two variances, which it can otherwise miss without a word when the
    cells' variance is near 0.
    """
    cell = np.asarray(cell)
    if cell.shape != (len(design.omitted),):
        raise ValueError(f"cell must be ({len(design.omitted)},) like omitted, got {cell.shape}")
    group = np.unique(cell, return_inverse=True)[1]
    n_groups = int(group.max()) + 1
    if n_groups == len(group) or n_groups < 2:
        raise ValueError(f"cells must be several, some with more than one row, got {n_groups} in {len(group)} rows")
    model = smf.mixedlm("value ~ " + " * ".join(FACTORS), design.frame(value=values), groups=group)
    ratio, coefficients, largest = _restricted_maximum(model.endog, model.exog, group)
    start = MixedLMParams.from_components(fe_params=coefficients, cov_re=np.array([[max(ratio, _SMALLEST_START)]]))
    with warnings.catch_warnings():
        # What it warns of is judged here: its threshold for a variance near 0 is absolute, whatever the unit.
        warnings.simplefilter("ignore")
        found = model.fit(reml=True, start_params=start)
    intervals = found.conf_int(0.05)
    variances = {"cell": float(found.cov_re.iloc[0, 0]), "residual": float(found.scale)}
    nan = float("nan")
    return MixedModel(
        terms=(
            *(
                MixedTerm(
                    term=design.term(str(name)),
                    estimate=float(found.fe_params[name]),
                    standard_error=float(found.bse_fe[name]),
                    ci_low=float(intervals.loc[name, 0]),
                    ci_high=float(intervals.loc[name, 1]),
                    statistic=float(found.tvalues[name]),
                    p=float(found.pvalues[name]),
                )
                for name in found.fe_params.index
            ),
            *(MixedTerm(f"variance of {of}", value, nan, nan, nan, nan, nan) for of, value in variances.items()),
        ),
        log_likelihood=float(found.llf),
        converged=bool(found.converged) and bool(found.llf > largest - _LARGEST_SHORTFALL),
        on_boundary=variances["cell"] < _SMALLEST_VARIANCE_RATIO * variances["residual"],
        n_rows=len(group),
        n_groups=n_groups,
    )


def _restricted_maximum(
    y: NDArray[np.float64],  # (n,)
    X: NDArray[np.float64],  # (n, k)
    group: NDArray[np.intp],  # (n,), from 0
) -> tuple[float, NDArray[np.float64], float]:
    """Variance ratio, coefficients (k,) and log-likelihood at the restricted maximum of a random intercept model.

    Given the ratio of the variances all else has a closed form, as the inverse of a group's covariance needs its sums
    only; the maximum over the ratio is found on a grid and refined. Method: Harville (1977), section 4.
    """
    n, k = X.shape
    size = np.bincount(group)
    table = np.column_stack([X, y])
    sums = np.column_stack([np.bincount(group, weights=column) for column in table.T])
    products = table.T @ table

    def solved(ratio: float) -> tuple[NDArray[np.float64], float]:
        weighted = products - (sums * (ratio / (1 + size * ratio))[:, None]).T @ sums
        coefficients = np.linalg.solve(weighted[:k, :k], weighted[:k, k])
        residual = (weighted[k, k] - weighted[:k, k] @ coefficients) / (n - k)
        if residual <= _ROUNDING * products[k, k] / n:
            raise ValueError(_NO_RESIDUAL)
        log_determinants = np.log1p(size * ratio).sum() + np.linalg.slogdet(weighted[:k, :k])[1]
        return coefficients, -((n - k) * (np.log(2 * np.pi * residual) + 1) + log_determinants) / 2

    likelihoods = [solved(ratio)[1] for ratio in _VARIANCE_RATIOS]
    best = int(np.argmax(likelihoods))
    if best == len(_VARIANCE_RATIOS) - 1:
        raise ValueError(_NO_RESIDUAL)
    around = _VARIANCE_RATIOS[max(best - 1, 0)], _VARIANCE_RATIOS[min(best + 1, len(_VARIANCE_RATIOS) - 1)]
    refined = minimize_scalar(
        lambda ratio: -solved(ratio)[1], bounds=around, method="bounded", options={"xatol": 1e-10}
    )
    ratio = float(refined.x) if -refined.fun > likelihoods[best] else float(_VARIANCE_RATIOS[best])
    return ratio, *solved(ratio)
