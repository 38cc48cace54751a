"""The source study's models of cre line, omission and exposure: ANOVA, MANOVA and linear models.

Rows count as independent, which cells of one mouse are not; whoever shows these models says so beside them.
"""

from dataclasses import dataclass

import numpy as np
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.typing import NDArray
from statsmodels.multivariate.manova import MANOVA

from models.factorial_design import FACTORS, FactorialDesign
from models.published_tests import GroupTest


@dataclass(frozen=True)
class AnovaTerm:
    """One row of an ANOVA table; ``sum_sq`` in squared units of the values; F, p and effect NaN for the residual."""

    term: str
    sum_sq: float
    dof: float
    f: float
    p: float
    partial_eta_sq: float


def three_way_anova(
    values: NDArray[np.floating],  # (n,)
    design: FactorialDesign,
) -> list[AnovaTerm]:
    """Type II analysis of variance: main effects, two-way and three-way interactions, and last the residual.

    ``values`` (n,) in any unit. Partial eta squared is a term's share of its own and the residual's sum of squares.
    Raises ValueError when values are not (n,), not finite, or all the same. Method: least squares with sum
    contrasts, ``statsmodels.stats.anova.anova_lm(typ=2)``; equals ``pingouin.anova``.
    """
    formula = "value ~ " + " * ".join(f"C({name}, Sum)" for name in FACTORS)
    table = sm.stats.anova_lm(smf.ols(formula, design.frame(value=values)).fit(), typ=2)
    residual = float(table.loc["Residual", "sum_sq"])
    return [
        AnovaTerm(
            term="residual" if name == "Residual" else design.term(str(name)),
            sum_sq=float(row["sum_sq"]),
            dof=float(row["df"]),
            f=float(row["F"]),
            p=float(row["PR(>F)"]),
            partial_eta_sq=float("nan") if name == "Residual" else float(row["sum_sq"] / (row["sum_sq"] + residual)),
        )
        for name, row in table.iterrows()
    ]


def two_measure_manova(
    first: NDArray[np.floating],  # (n,)
    second: NDArray[np.floating],  # (n,)
    design: FactorialDesign,
) -> list[GroupTest]:
    """Wilks' lambda of each factor and interaction on two measures together.

    ``first`` and ``second`` (n,), each in its own unit. As in the source, terms are tested one by one in treatment
    coding: a main effect is that at the other factors' reference levels (the first by alphabet; presented). Raises
    ValueError when values are not (n,), not finite or all the same, or one measure follows from the other.
    Method: ``statsmodels.multivariate.manova.MANOVA.mv_test``.
    """
    frame = design.frame(first=first, second=second)
    try:
        found = MANOVA.from_formula("first + second ~ " + " * ".join(FACTORS), frame).mv_test().results
    except np.linalg.LinAlgError as error:
        raise ValueError("the two measures must not follow from one another: their errors are collinear") from error
    wilks = {design.term(name): result["stat"].loc["Wilks' lambda"] for name, result in found.items()}
    return [
        GroupTest(
            test="manova",
            contrast=term,
            statistic_name="Wilks lambda",
            statistic=float(row["Value"]),
            f=float(row["F Value"]),
            dof=float(row["Num DF"]),
            residual_dof=float(row["Den DF"]),
            p=float(row["Pr > F"]),
        )
        for term, row in wilks.items()
        if term != "intercept"
    ]


def linear_model(
    values: NDArray[np.floating],  # (n,)
    design: FactorialDesign,
) -> list[GroupTest]:
    """Gaussian linear model with main effects and two-way interactions: a Wald z of each coefficient.

    ``values`` (n,) in any unit. Treatment coding: the intercept is the mean at the reference levels (the first by
    alphabet; presented). Raises ValueError when values are not (n,), not finite, or all the same.
    Method: ``statsmodels.formula.api.ols``, which needs no search; equals the source's ``glm`` of a Gaussian family.
    """
    found = smf.ols(f"value ~ ({' + '.join(FACTORS)}) ** 2", design.frame(value=values)).fit(use_t=False)
    intervals = found.conf_int(0.05)
    return [
        GroupTest(
            test="glm",
            contrast=design.term(str(name)),
            statistic_name="z",
            statistic=float(found.tvalues[name]),
            estimate=float(found.params[name]),
            ci_low=float(intervals.loc[name, 0]),
            ci_high=float(intervals.loc[name, 1]),
            residual_dof=float(found.df_resid),
            p=float(found.pvalues[name]),
        )
        for name in found.params.index
    ]
