"""Mixed model of the omission's effect: a random intercept and slope for each mouse, an intercept for each cell."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from numpy.typing import NDArray
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLMParams

# A fit takes 0.1 s for 6 mice of 60 cells, 1 s for 10 of 200, 8 s for 10 of 400: it grows with the cube of a mouse's
# cells, summed over mice. This is half a minute: 10 mice of 585.
MOST_CUBED_CELLS = 2e9
_FEWEST_MICE = 3
_FIXED = ("intercept", "omitted")
# In units of the residual's variance. statsmodels can neither start at 0 nor end there.
_SMALLEST_START = 1e-3
_SMALLEST_VARIANCE_RATIO = 1e-3


@dataclass(frozen=True)
class MouseModelTerm:
    """A fixed effect in the values' unit with t on ``dof``, or a variance in its square with NaN for the rest."""

    term: str
    estimate: float
    standard_error: float
    ci_low: float
    ci_high: float
    t: float
    dof: float
    p: float


@dataclass(frozen=True)
class MouseModel:
    """A fitted model; ``on_boundary``: a variance is 0, or a mouse's slope follows from its intercept."""

    terms: tuple[MouseModelTerm, ...]
    log_likelihood: float
    converged: bool
    on_boundary: bool
    n_rows: int
    n_mice: int
    n_cells: int

    @property
    def omitted(self) -> MouseModelTerm:
        """The fixed effect of omission."""
        return next(term for term in self.terms if term.term == "omitted")


def random_slope_per_mouse(
    values: NDArray[np.floating],  # (n,)
    mouse_id: NDArray[np.generic],  # (n,)
    unit_key: NDArray[np.generic],  # (n,)
    omitted: NDArray[np.bool_],  # (n,)
) -> MouseModel:
    """value ~ omitted, with intercept and slope of each mouse and intercept of each cell random, by REML.

    All arguments are (n,): ``values`` in any unit, ``unit_key`` names a cell within its mouse, ``omitted`` boolean.
    Terms are 'intercept' and 'omitted', then the variances of mice's intercepts and slopes, of cells and residuals.
    The omission's effect varies between mice, so t has mice minus one degrees of freedom (containment; Pinheiro and
    Bates 2000, section 2.4), of those mice that have cells in both conditions: the Wald z of the same fit has too
    many. Raises ValueError for fewer than three such mice, none with two such cells, values that are not finite or
    all the same, columns that are not (n,), more cells than a fit can be waited for, or a standard error that
    can't be reckoned. Method: ``statsmodels.regression.mixed_linear_model.MixedLM`` on values of unit s.d., scaled
    back.
    """
    rows = _rows(values, mouse_id, unit_key, omitted)
    n, n_mice, n_cells = len(rows), rows["mouse"].nunique(), rows["cell"].nunique()
    unit = float(rows["value"].std())
    # Its thresholds are absolute: values of a few percent would end the search where it began.
    rows["value"] /= unit
    complete = _complete(rows)
    dof = complete.index.get_level_values("mouse").nunique() - 1
    model = smf.mixedlm(
        "value ~ omitted", rows, groups="mouse", re_formula="~omitted", vc_formula={"cell": "0 + C(cell)"}
    )
    with warnings.catch_warnings():
        # What it warns of is said by ``converged`` and ``on_boundary``.
        warnings.simplefilter("ignore")
        try:
            found = model.fit(reml=True, start_params=_start(complete))
        except np.linalg.LinAlgError as error:
            raise ValueError(f"the mixed model can't be fitted to {n} rows of {n_mice} mice: {error}") from error
        standard_errors = np.asarray(found.bse_fe, dtype=np.float64)
    if not np.isfinite(standard_errors).all():
        raise ValueError(f"the mixed model of {n} rows of {n_mice} mice has no standard error: nothing is left over")
    by_mouse = np.asarray(found.cov_re)
    variances = {
        "mouse": by_mouse[0, 0],
        "mouse slope": by_mouse[1, 1],
        "cell": float(found.vcomp[0]),
        "residual": float(found.scale),
    }
    smallest = min(np.linalg.eigvalsh(by_mouse)[0], variances["cell"])
    nan = float("nan")
    return MouseModel(
        terms=(
            *(
                _fixed(name, float(estimate) * unit, float(error) * unit, dof)
                for name, estimate, error in zip(_FIXED, found.fe_params, standard_errors, strict=True)
            ),
            *(
                MouseModelTerm(f"variance of {of}", float(value) * unit**2, nan, nan, nan, nan, nan, nan)
                for of, value in variances.items()
            ),
        ),
        # Of the values themselves: two fixed effects are integrated out of the restricted likelihood.
        log_likelihood=float(found.llf) - (n - 2) * float(np.log(unit)),
        converged=bool(found.converged),
        on_boundary=bool(smallest < _SMALLEST_VARIANCE_RATIO * variances["residual"]),
        n_rows=n,
        n_mice=n_mice,
        n_cells=n_cells,
    )


def _start(by_cell: pd.DataFrame) -> MixedLMParams:
    """Variances in units of the residual's, from mean squares of the cells that have both conditions.

    They are the restricted maximum when mice have equally many cells and no variance is 0; from its own start
    statsmodels takes twice to five times as long, and can end below the maximum.
    """
    by_cell = pd.DataFrame({"presented": by_cell[0.0], "effect": by_cell[1.0] - by_cell[0.0]})
    by_mouse = by_cell.groupby(level="mouse").agg(["mean", "size"])
    means, size = by_mouse.xs("mean", axis=1, level=1), by_mouse.iloc[:, 1]
    rest = by_cell - means.reindex(by_cell.index, level="mouse")
    within = np.asarray(rest.T @ rest) / (len(by_cell) - len(means))
    residual = max(within[1, 1] / 2, _SMALLEST_START)
    between = np.asarray(means.cov()) - within * float((1 / size).mean())
    of_variance, along = np.linalg.eigh(between / residual)
    return MixedLMParams.from_components(
        fe_params=np.asarray(means.mean()),
        cov_re=along @ np.diag(np.maximum(of_variance, _SMALLEST_START)) @ along.T,
        vcomp=np.array([max(within[0, 0] / residual - 1, _SMALLEST_START)]),
    )


def _fixed(term: str, estimate: float, standard_error: float, dof: int) -> MouseModelTerm:
    t = estimate / standard_error
    margin = float(stats.t.ppf(0.975, dof)) * standard_error
    return MouseModelTerm(
        term, estimate, standard_error, estimate - margin, estimate + margin, t, dof, float(2 * stats.t.sf(abs(t), dof))
    )


def _rows(
    values: NDArray[np.floating],
    mouse_id: NDArray[np.generic],
    unit_key: NDArray[np.generic],
    omitted: NDArray[np.bool_],
) -> pd.DataFrame:
    values = np.asarray(values, dtype=np.float64)
    columns = {"mouse_id": mouse_id, "unit_key": unit_key, "omitted": omitted}
    columns = {name: np.asarray(column) for name, column in columns.items()}
    for name, column in columns.items():
        if column.shape != values.shape or values.ndim != 1:
            raise ValueError(f"values and {name} must both be (n,), got {values.shape} and {column.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite, got {int((~np.isfinite(values)).sum())} that are not")
    if columns["omitted"].dtype != np.bool_:
        raise ValueError(f"omitted must be boolean, got {columns['omitted'].dtype}")
    if columns["omitted"].all() or not columns["omitted"].any():
        raise ValueError("omitted and presented rows must both be there")
    mouse = np.unique(columns["mouse_id"], return_inverse=True)[1]
    key = np.unique(columns["unit_key"], return_inverse=True)[1]
    cell = np.unique(mouse * (key.max(initial=0) + 1) + key, return_inverse=True)[1]
    cells_of_mouse = np.bincount(mouse[np.unique(cell, return_index=True)[1]])
    if (cells_of_mouse.astype(float) ** 3).sum() > MOST_CUBED_CELLS:
        raise ValueError(
            f"a mixed model of {len(cells_of_mouse)} mice with up to {cells_of_mouse.max():,} cells takes too long:"
            f" to the third power they must add up to {MOST_CUBED_CELLS:g} at most"
        )
    if np.ptp(values) == 0:
        raise ValueError(f"values must differ, got {len(values)} of {values[0]}")
    return pd.DataFrame({"value": values, "mouse": mouse, "cell": cell, "omitted": columns["omitted"].astype(float)})


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Presented (0) and omitted (1) mean of each cell (mouse, cell) that has both."""
    by_cell = rows.groupby(["mouse", "cell", "omitted"])["value"].mean().unstack("omitted").dropna()
    if (n_mice := by_cell.index.get_level_values("mouse").nunique()) < _FEWEST_MICE:
        raise ValueError(
            f"a mixed model over mice needs at least {_FEWEST_MICE} with cells in both conditions, got {n_mice}"
        )
    if len(by_cell) == n_mice:
        raise ValueError(f"some mouse must have two cells with both conditions, got one in each of {n_mice} mice")
    return by_cell
