"""The source study's tests between groups of rows: Levene and t, Tukey, pairwise comparisons.

Rows count as independent, which cells of one mouse are not; whoever shows these tests says so beside them.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import pingouin
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multicomp import pairwise_tukeyhsd

_LARGEST_P_OF_UNEQUAL_VARIANCES = 0.05


@dataclass(frozen=True)
class GroupTest:
    """One test: what is compared and what came out; None where the test has no such number.

    ``estimate`` with ``ci_low`` and ``ci_high`` (95 %) is in the unit of the values. ``dof`` is of t or q, or of the
    effect before an F; ``residual_dof`` is what the rows leave when each counts. ``groups`` are the two compared.
    """

    test: str
    contrast: str
    statistic_name: str
    statistic: float
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    f: float | None = None
    dof: float | None = None
    residual_dof: float | None = None
    p: float | None = None
    p_corrected: float | None = None
    correction: str | None = None
    effect_name: str | None = None
    effect_size: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    groups: tuple[str, str] | None = None


def variance_and_mean_tests(
    values: NDArray[np.floating],  # (n,)
    omitted: NDArray[np.bool_],  # (n,)
) -> tuple[GroupTest, GroupTest]:
    """Levene's test on medians, then t of omitted minus presented: Student's if p > .05, else Welch's.

    Both arguments are (n,), ``values`` in any unit. Hedges' g is positive where omitted is larger. Raises ValueError
    for values that are not finite or all the same, ``omitted`` not boolean, or a condition with fewer than two rows.
    Method: ``scipy.stats.levene``, ``scipy.stats.ttest_ind``.
    """
    omitted = np.asarray(omitted)
    if omitted.dtype != np.bool_:
        raise ValueError(f"omitted must be boolean, got {omitted.dtype}")
    _, (presented, absent) = _grouped(values, np.where(omitted, "omitted", "presented"), ("presented", "omitted"))
    with _degenerate_groups_give_nan():
        levene = stats.levene(absent, presented)
        equal = bool(levene.pvalue > _LARGEST_P_OF_UNEQUAL_VARIANCES)
        t = stats.ttest_ind(absent, presented, equal_var=equal)
        low, high = t.confidence_interval(0.95)
    contrast, groups = "omitted - presented", ("omitted", "presented")
    return (
        GroupTest(
            test="levene",
            contrast=contrast,
            statistic_name="W",
            statistic=float(levene.statistic),
            dof=1.0,
            residual_dof=len(values) - 2.0,
            p=float(levene.pvalue),
            groups=groups,
        ),
        GroupTest(
            test="student" if equal else "welch",
            contrast=contrast,
            statistic_name="t",
            statistic=float(t.statistic),
            estimate=float(absent.mean() - presented.mean()),
            ci_low=float(low),
            ci_high=float(high),
            dof=float(t.df),
            residual_dof=float(t.df),
            p=float(t.pvalue),
            **_hedges(absent, presented),
            groups=groups,
        ),
    )


def tukey(
    values: NDArray[np.floating],  # (n,)
    group: NDArray[np.str_],  # (n,)
    order: Sequence[str],
) -> list[GroupTest]:
    """Tukey's honestly significant differences between all groups, the later in ``order`` minus the earlier.

    ``values`` and ``group`` are (n,). p and intervals are for the family of all pairs (Tukey-Kramer). Raises
    ValueError for values that are not finite or all the same, groups not in ``order``, fewer than two groups, or a
    group of one row.
    Method: ``statsmodels.stats.multicomp.pairwise_tukeyhsd``.
    """
    order, members = _grouped(values, group, order)
    with _degenerate_groups_give_nan():
        found = pairwise_tukeyhsd(
            np.concatenate(members), np.repeat(np.arange(len(members)), [len(m) for m in members])
        )
        q = found.meandiffs / found.std_pairs
    return [
        GroupTest(
            test="tukey",
            contrast=f"{order[later]} - {order[earlier]}",
            statistic_name="q",
            statistic=float(q[pair]),
            estimate=float(found.meandiffs[pair]),
            ci_low=float(found.confint[pair, 0]),
            ci_high=float(found.confint[pair, 1]),
            dof=float(found.df_total),
            residual_dof=float(found.df_total),
            p_corrected=float(found.pvalues[pair]),
            correction="Tukey",
            **_hedges(members[later], members[earlier]),
            groups=(order[later], order[earlier]),
        )
        for pair, (earlier, later) in enumerate(combinations(range(len(order)), 2))
    ]


def pairwise(
    values: NDArray[np.floating],  # (n,)
    group: NDArray[np.str_],  # (n,)
    order: Sequence[str],
) -> list[GroupTest]:
    """t tests between all groups, the earlier in ``order`` minus the later, corrected by Benjamini-Hochberg.

    ``values`` and ``group`` are (n,). Pairs of equal size get Student's t, others Welch's. Raises ValueError as
    ``tukey`` does. Method: ``pingouin.pairwise_tests(padjust="fdr_bh", effsize="hedges")``; the intervals of the
    differences are those of the same t.
    """
    order, members = _grouped(values, group, order)
    # pingouin goes through groups by alphabet: codes keep them in order.
    codes = np.repeat([f"{number:03d}" for number in range(len(order))], [len(member) for member in members])
    frame = pd.DataFrame({"value": np.concatenate(members), "group": codes})
    with _degenerate_groups_give_nan():
        found = pingouin.pairwise_tests(frame, dv="value", between="group", padjust="fdr_bh", effsize="hedges")
    # pingouin leaves out columns that it has nothing for: the correction of a single pair, p without variance.
    found = found.reindex(columns=["A", "B", "T", "dof", "p_unc", "p_corr"])
    if len(order) == 2:
        found["p_corr"] = found["p_unc"]
    tests = []
    for row in found.itertuples():
        first, second = int(row.A), int(row.B)
        a, b = members[first], members[second]
        estimate = float(a.mean() - b.mean())
        margin = float(stats.t.ppf(0.975, row.dof)) * _standard_error(a, b)
        tests.append(
            GroupTest(
                test="pairwise",
                contrast=f"{order[first]} - {order[second]}",
                statistic_name="t",
                statistic=float(row.T),
                estimate=estimate,
                ci_low=estimate - margin,
                ci_high=estimate + margin,
                dof=float(row.dof),
                residual_dof=float(row.dof),
                p=float(row.p_unc),
                p_corrected=float(row.p_corr),
                correction="Benjamini-Hochberg",
                **_hedges(a, b),
                groups=(order[first], order[second]),
            )
        )
    return tests


def _grouped(
    values: NDArray[np.floating], group: NDArray[np.str_], order: Sequence[str]
) -> tuple[list[str], list[NDArray[np.float64]]]:
    """The groups that have rows, in order, and the values of each."""
    values, group = np.asarray(values, dtype=np.float64), np.asarray(group)
    if values.ndim != 1 or group.shape != values.shape:
        raise ValueError(f"values and their groups must be (n,) alike, got {values.shape} and {group.shape}")
    if strays := int((~np.isfinite(values)).sum()):
        raise ValueError(f"values must be finite, got {strays} that are not")
    if len(values) and values.min() == values.max():
        raise ValueError(f"values must vary, got {values[0]:g} in all {len(values)} rows")
    if unknown := sorted(set(group.tolist()) - set(order)):
        raise ValueError(f"groups must be of {list(order)}, got {unknown}")
    by_group = {name: values[group == name] for name in order}
    present = [name for name, members in by_group.items() if len(members)]
    if len(present) < 2:
        raise ValueError(f"a test between groups needs at least two, got {present}")
    if small := [name for name in present if len(by_group[name]) < 2]:
        raise ValueError(f"each group must have at least two rows, got one in {'; '.join(small)}")
    return present, [by_group[name] for name in present]


def _hedges(a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, float | str]:
    with _degenerate_groups_give_nan():
        g = float(pingouin.compute_effsize(a, b, eftype="hedges"))
        low, high = pingouin.compute_esci(stat=g, nx=len(a), ny=len(b), eftype="hedges", decimals=12)
    return {"effect_name": "Hedges g", "effect_size": g, "effect_low": float(low), "effect_high": float(high)}


def _standard_error(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Of the difference of means; with equal numbers the pooled one is the same as Welch's."""
    return float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))


@contextmanager
def _degenerate_groups_give_nan() -> Iterator[None]:
    """Groups without variance give NaN or infinity, which the rows then say; the libraries also warn."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
