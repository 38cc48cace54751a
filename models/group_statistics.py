"""Tests of group effects: the published three-way ANOVA over cells, and the contrast over animals."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.typing import NDArray
from scipy import stats

_FACTORS = ("cre_line", "omitted", "exposure_level")
# Up to here all sign flips are tried; above, a fixed number is drawn.
_MOST_MICE_FOR_ALL_FLIPS = 16
_DRAWN_FLIPS = 10_000


@dataclass(frozen=True)
class AnovaTerm:
    """One row of an ANOVA table; ``sum_sq`` in squared units of the values, F and p NaN for the residual."""

    term: str
    sum_sq: float
    dof: float
    f: float
    p: float


@dataclass(frozen=True)
class MouseContrast:
    """Omitted minus presented, tested over animals.

    ``estimate``, ``ci_low`` and ``ci_high`` (95 %) are in the unit of the values; ``t``, ``dof`` and ``p``
    are of the one-sample t test over mice; ``p_sign_flip`` is the permutation p value over ``n_flips`` sign
    flips. ``mice`` and ``mouse_differences`` (each n_mice long) are the numbers tested. ``n_cells_excluded``
    cells lacked a condition.
    """

    estimate: float
    ci_low: float
    ci_high: float
    t: float
    dof: int
    p: float
    p_sign_flip: float
    n_flips: int
    n_mice: int
    n_cells: int
    n_cells_excluded: int
    mice: tuple[int | str, ...]
    mouse_differences: tuple[float, ...]


def three_way_anova(
    values: NDArray[np.floating],  # (n,)
    cre_line: NDArray[np.str_],  # (n,)
    omitted: NDArray[np.bool_],  # (n,)
    exposure_level: NDArray[np.str_],  # (n,)
) -> list[AnovaTerm]:
    """Type II analysis of variance of one value per cell and condition: cre line x omission x exposure.

    All arguments are (n,); ``values`` in any unit, ``omitted`` boolean. Returns main effects, two-way and
    three-way interactions, and last the residual. Rows count as independent, which cells of one mouse are
    not: this is the `published` test, ``paired_mouse_contrast`` the `rigorous` one. Raises ValueError when a
    factor has one level, a cell of the design is empty, values are not finite, or no residual degree of
    freedom is left. Method: ordinary least squares with sum contrasts,
    ``statsmodels.stats.anova.anova_lm(typ=2)``.
    """
    values = _finite_values(values)
    omitted = _condition(omitted, len(values))
    frame = pd.DataFrame({"value": values})
    for name, factor in zip(_FACTORS, (cre_line, omitted, exposure_level), strict=True):
        # As text: booleans and category codes would otherwise be read as numbers by some formula engines.
        frame[name] = [str(level) for level in _aligned(name, factor, len(values))]
    levels = {name: sorted(frame[name].unique()) for name in _FACTORS}
    for name, found in levels.items():
        if len(found) < 2:
            raise ValueError(f"{name} must have at least two levels, got {found}")
    present = set(frame[list(_FACTORS)].itertuples(index=False, name=None))
    empty = [cell for cell in product(*levels.values()) if cell not in present]
    if empty:
        named = "; ".join(" x ".join(cell) for cell in empty)
        raise ValueError(f"{len(empty)} cells of {' x '.join(_FACTORS)} are empty: {named}")
    if len(values) <= len(present):
        raise ValueError(f"{len(values)} values leave no residual for {len(present)} cells of the design")
    fitted = smf.ols("value ~ " + " * ".join(f"C({name}, Sum)" for name in _FACTORS), frame).fit()
    table = sm.stats.anova_lm(fitted, typ=2)
    return [
        AnovaTerm(_term(str(name)), *(float(row[column]) for column in ("sum_sq", "df", "F", "PR(>F)")))
        for name, row in table.iterrows()
    ]


def paired_mouse_contrast(
    values: NDArray[np.floating],  # (n,)
    mouse_id: NDArray[np.generic],  # (n,)
    unit_key: NDArray[np.generic],  # (n,)
    omitted: NDArray[np.bool_],  # (n,)
    seed: int = 0,
) -> MouseContrast:
    """Omitted minus presented, one difference per mouse, and a one-sample t test over mice.

    All arguments are (n,): ``values`` in any unit, ``unit_key`` names a cell within its mouse, ``omitted``
    boolean. Within a cell each condition is averaged over its rows and the difference taken; a mouse's number
    is the mean over its cells. Cells lacking a condition are excluded and counted, and a mouse left without
    cells is no mouse. The sign-flip p value is two-sided on the mean: exact over all 2^n flips up to 16 mice,
    else over 10,000 flips drawn with ``seed``, counting the observed one. When all mice agree to the last
    digit t is infinite (p = 0), and NaN when all differences are 0. Raises ValueError for fewer than two
    mice, or values that are not finite.
    """
    values = _finite_values(values)
    frame = pd.DataFrame(
        {
            "value": values,
            "mouse": _aligned("mouse_id", mouse_id, len(values)),
            "cell": _aligned("unit_key", unit_key, len(values)),
            "omitted": _condition(omitted, len(values)),
        }
    )
    by_cell = frame.groupby(["mouse", "cell", "omitted"])["value"].mean().unstack("omitted")
    by_cell = by_cell.reindex(columns=[False, True])
    complete = by_cell.dropna()
    by_mouse = (complete[True] - complete[False]).groupby(level="mouse").mean()
    n_mice = len(by_mouse)
    if n_mice < 2:
        raise ValueError(f"a test over mice needs at least 2 with cells in both conditions, got {n_mice}")
    difference = by_mouse.to_numpy()
    estimate, sem = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(n_mice))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = float(np.float64(estimate) / sem)
    margin = float(stats.t.ppf(0.975, n_mice - 1)) * sem
    p_sign_flip, n_flips = _sign_flip(difference, seed)
    return MouseContrast(
        estimate=estimate,
        ci_low=estimate - margin,
        ci_high=estimate + margin,
        t=t,
        dof=n_mice - 1,
        p=float(2 * stats.t.sf(abs(t), n_mice - 1)),
        p_sign_flip=p_sign_flip,
        n_flips=n_flips,
        n_mice=n_mice,
        n_cells=len(complete),
        n_cells_excluded=len(by_cell) - len(complete),
        mice=tuple(by_mouse.index.tolist()),
        mouse_differences=tuple(difference.tolist()),
    )


def _sign_flip(difference: NDArray[np.float64], seed: int) -> tuple[float, int]:
    n = len(difference)
    every_flip = n <= _MOST_MICE_FOR_ALL_FLIPS
    if every_flip:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = np.random.default_rng(seed).choice((-1, 1), size=(_DRAWN_FLIPS, n))
    # Flips that tie with the observed sum differ from it by rounding only; they count as at least as far out.
    tolerance = 1e-12 * np.abs(difference).sum()
    extreme = int((np.abs(signs @ difference) >= abs(difference.sum()) - tolerance).sum())
    p = extreme / len(signs) if every_flip else (extreme + 1) / (len(signs) + 1)
    return p, len(signs)


def _term(name: str) -> str:
    if name == "Residual":
        return "residual"
    return " x ".join(part.removeprefix("C(").split(",")[0] for part in name.split(":"))


def _finite_values(values: NDArray[np.floating]) -> NDArray[np.float64]:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"values must be (n,), got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite, got {int((~np.isfinite(values)).sum())} that are not")
    return values


def _condition(omitted: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    omitted = _aligned("omitted", omitted, n)
    if omitted.dtype != np.bool_:
        raise ValueError(f"omitted must be boolean, got {omitted.dtype}")
    return omitted


def _aligned(name: str, column: NDArray[np.generic], n: int) -> NDArray[np.generic]:
    column = np.asarray(column)
    if column.shape != (n,):
        raise ValueError(f"{name} must be ({n},) like values, got {column.shape}")
    if pd.isna(column).any():
        raise ValueError(f"{name} must have no missing entries, got {int(pd.isna(column).sum())}")
    return column
