"""Effects of omission over mice: within each mouse, between exposures, between cre lines."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.mouse_tests import (
    bootstrap_interval,
    bootstrap_interval_between,
    cohens_d,
    exchange_p,
    intraclass_correlation,
    sign_flip_p,
    t_over_mice,
    welch_t,
)


@dataclass(frozen=True, eq=False)
class MouseDifferences:
    """Omitted minus presented, one number per mouse: the mean over its cells of the cell's own difference.

    ``mouse_id`` and ``difference`` are (n_mice,), the latter in the unit of the values; ``cells`` the cells behind
    them, each with its mouse, ``n_cells_excluded`` those that lack a condition; ``intraclass_correlation`` is of the
    cells' differences within mice, NaN where mice have one cell each.
    """

    mouse_id: NDArray[np.generic]
    difference: NDArray[np.float64]
    cells: frozenset
    n_cells_excluded: int
    intraclass_correlation: float


@dataclass(frozen=True)
class MouseContrast:
    """A difference tested over mice.

    ``estimate``, ``ci_low`` and ``ci_high`` (95 %, t), ``bootstrap_low`` and ``bootstrap_high`` (95 %, studentised
    bootstrap, NaN under 5 mice) are in the unit of the values; ``t``, ``dof`` and ``p`` are of the t test over mice,
    ``p_permutation`` is of ``n_permutations`` flips or exchanges of whole mice. Cohen's d and the intraclass
    correlation are unitless, NaN where they have no value.
    """

    estimate: float
    ci_low: float
    ci_high: float
    t: float
    dof: float
    p: float
    p_permutation: float
    n_permutations: int
    bootstrap_low: float
    bootstrap_high: float
    cohens_d: float
    cohens_d_low: float
    cohens_d_high: float
    intraclass_correlation: float
    n_mice: int
    n_cells: int
    n_cells_excluded: int


def mouse_differences(
    values: NDArray[np.floating],  # (n,)
    mouse_id: NDArray[np.generic],  # (n,)
    unit_key: NDArray[np.generic],  # (n,)
    omitted: NDArray[np.bool_],  # (n,)
) -> MouseDifferences:
    """Omitted minus presented of each mouse, from rows of cells.

    All arguments are (n,): ``values`` in any unit, ``unit_key`` names a cell within its mouse, ``omitted`` boolean.
    Within a cell each condition is averaged over its rows. Cells lacking a condition are excluded and counted, and a
    mouse left without cells is no mouse. Raises ValueError for values that are not finite, columns that are not
    (n,) or have missing entries, or ``omitted`` that isn't boolean.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"values must be (n,), got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite, got {int((~np.isfinite(values)).sum())} that are not")
    columns = {"mouse_id": mouse_id, "unit_key": unit_key, "omitted": omitted}
    rows = pd.DataFrame({"value": values} | {name: _aligned(name, column, values) for name, column in columns.items()})
    if rows["omitted"].dtype != np.bool_:
        raise ValueError(f"omitted must be boolean, got {rows['omitted'].dtype}")
    by_cell = rows.groupby(["mouse_id", "unit_key", "omitted"])["value"].mean().unstack("omitted")
    by_cell = by_cell.reindex(columns=[False, True])
    complete = by_cell.dropna()
    difference = complete[True] - complete[False]
    by_mouse = difference.groupby(level="mouse_id").mean()
    return MouseDifferences(
        mouse_id=by_mouse.index.to_numpy(),
        difference=by_mouse.to_numpy(),
        cells=frozenset(complete.index),
        n_cells_excluded=len(by_cell) - len(complete),
        intraclass_correlation=intraclass_correlation(
            difference.to_numpy(), difference.index.get_level_values("mouse_id").to_numpy()
        ),
    )


def paired_mouse_contrast(
    values: NDArray[np.floating],  # (n,)
    mouse_id: NDArray[np.generic],  # (n,)
    unit_key: NDArray[np.generic],  # (n,)
    omitted: NDArray[np.bool_],  # (n,)
    seed: int = 0,
) -> MouseContrast:
    """Omitted minus presented within each mouse, tested over mice; `contrast_within` of `mouse_differences`."""
    return contrast_within(mouse_differences(values, mouse_id, unit_key, omitted), seed)


def contrast_within(found: MouseDifferences, seed: int = 0) -> MouseContrast:
    """One-sample t over mice, exact sign flips, studentised bootstrap, and Cohen's d (dz): mean over s.d. of mice.

    ``seed`` draws flips above 16 mice and resamples above 8. Raises ValueError for fewer than two mice.
    """
    return _within(found.difference, len(found.cells), found.n_cells_excluded, found.intraclass_correlation, seed)


def contrast_of_exposures(familiar: MouseDifferences, novel: MouseDifferences, seed: int = 0) -> MouseContrast:
    """Novel minus familiar of the omission's effect in the mice that have both, tested as `contrast_within`.

    A cell that was met in both exposures counts once; no intraclass correlation. Raises ValueError for fewer than two
    mice with both.
    """
    mice, in_novel, in_familiar = np.intersect1d(novel.mouse_id, familiar.mouse_id, return_indices=True)
    if len(mice) < 2:
        raise ValueError(f"at least 2 mice must have cells in both exposures, got {len(mice)}")
    kept = set(mice.tolist())
    return _within(
        novel.difference[in_novel] - familiar.difference[in_familiar],
        sum(cell[0] in kept for cell in novel.cells | familiar.cells),
        novel.n_cells_excluded + familiar.n_cells_excluded,
        np.nan,
        seed,
    )


def contrast_between(a: MouseDifferences, b: MouseDifferences, seed: int = 0) -> MouseContrast:
    """The omission's effect in the mice of ``a`` minus that in those of ``b``: Welch's t over mice.

    With it p by exchanging mice between groups, a studentised bootstrap within groups, and Cohen's d on the pooled
    s.d. of mice, with its interval from Student's t. Raises ValueError for fewer than two mice in a group, or a mouse
    in both.
    """
    if shared := set(a.mouse_id.tolist()) & set(b.mouse_id.tolist()):
        raise ValueError(f"a mouse must be in one group, got {sorted(shared)[0]!r} in both")
    t = welch_t(a.difference, b.difference)
    ci_low, ci_high = t.interval()
    bootstrap_low, bootstrap_high = bootstrap_interval_between(a.difference, b.difference, seed)
    p_permutation, n_permutations = exchange_p(a.difference, b.difference, seed)
    n_a, n_b = len(a.difference), len(b.difference)
    pooled = np.sqrt(((n_a - 1) * a.difference.var(ddof=1) + (n_b - 1) * b.difference.var(ddof=1)) / (n_a + n_b - 2))
    d_per_t = np.sqrt(1 / n_a + 1 / n_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        students_t = float(t.estimate / (pooled * d_per_t))
    d, d_low, d_high = cohens_d(students_t, n_a + n_b - 2, float(d_per_t))
    return MouseContrast(
        estimate=float(t.estimate),
        ci_low=float(ci_low),
        ci_high=float(ci_high),
        t=float(t.t),
        dof=float(t.dof),
        p=float(t.p),
        p_permutation=float(p_permutation),
        n_permutations=n_permutations,
        bootstrap_low=float(bootstrap_low),
        bootstrap_high=float(bootstrap_high),
        cohens_d=d,
        cohens_d_low=d_low,
        cohens_d_high=d_high,
        intraclass_correlation=np.nan,
        n_mice=n_a + n_b,
        n_cells=len(a.cells) + len(b.cells),
        n_cells_excluded=a.n_cells_excluded + b.n_cells_excluded,
    )


def _within(
    difference: NDArray[np.float64],  # (n_mice,)
    n_cells: int,
    n_cells_excluded: int,
    correlation: float,
    seed: int,
) -> MouseContrast:
    t = t_over_mice(difference)
    ci_low, ci_high = t.interval()
    bootstrap_low, bootstrap_high = bootstrap_interval(difference, seed)
    p_permutation, n_permutations = sign_flip_p(difference, seed)
    n_mice = len(difference)
    d, d_low, d_high = cohens_d(float(t.t), n_mice - 1, 1 / np.sqrt(n_mice))
    return MouseContrast(
        estimate=float(t.estimate),
        ci_low=float(ci_low),
        ci_high=float(ci_high),
        t=float(t.t),
        dof=float(t.dof),
        p=float(t.p),
        p_permutation=float(p_permutation),
        n_permutations=n_permutations,
        bootstrap_low=float(bootstrap_low),
        bootstrap_high=float(bootstrap_high),
        cohens_d=d,
        cohens_d_low=d_low,
        cohens_d_high=d_high,
        intraclass_correlation=correlation,
        n_mice=n_mice,
        n_cells=n_cells,
        n_cells_excluded=n_cells_excluded,
    )


def _aligned(name: str, column: NDArray[np.generic], values: NDArray[np.float64]) -> NDArray[np.generic]:
    column = np.asarray(column)
    if column.shape != values.shape:
        raise ValueError(f"{name} must be {values.shape} like values, got {column.shape}")
    if pd.isna(column).any():
        raise ValueError(f"{name} must have no missing entries, got {int(pd.isna(column).sum())}")
    return column
