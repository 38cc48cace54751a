"""How often each test calls an effect where there is none, and how often it finds one that is there.

Data sets are (n_sets, 2, 2, n_mice, n_cells): two groups of mice, presented and omitted, one value per cell, dF/F.
The groups stand for two cre lines; for the contrast of exposures, for the same mice under both.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models.mouse_mixed_model import MouseModel, random_slope_per_mouse
from models.mouse_tests import (
    bootstrap_interval,
    bootstrap_interval_between,
    exchange_p,
    sign_flip_p,
    t_over_mice,
    welch_t,
)
from models.simulate_mouse_effects import NestedDesign, simulate_nested

ALPHA = 0.05
_RESAMPLES = 2000
_WITHIN, _EXPOSURES, _BETWEEN = "omitted - presented", "novel - familiar", "between cre lines"

Sets = NDArray[np.float64]  # (n_sets, 2, 2, n_mice, n_cells)
Calls = NDArray[np.bool_]  # (n_sets,)


@dataclass(frozen=True)
class CalledTest:
    """A test by name: of which contrast, and under which protocol conclusions are drawn from it, or 'neither'."""

    contrast: str
    test: str
    protocol: str


def simulate_groups(design: NestedDesign, n_sets: int, effect_dff: float, rng: np.random.Generator) -> Sets:
    """Data sets in which the second group's mice have ``effect_dff`` on average, and the first's none."""
    groups = simulate_nested(design, 2 * n_sets, rng)
    groups = groups.reshape(n_sets, 2, *groups.shape[1:])
    groups[:, 1, 1] += effect_dff
    return groups


def calls(sets: Sets, rng: np.random.Generator) -> Mapping[CalledTest, Calls]:
    """Whether each test calls an effect at 5 %, for each data set; all tests but the mixed models fitted one by one.

    Effects within mice are those of the second group. ``rng`` draws what the percentile bootstrap resamples.
    """
    return {about: call(sets, rng) for about, call in _TESTS.items()}


def fit_each(sets: Sets) -> Iterator[MouseModel]:
    """The mixed model with a random slope per mouse, of the second group of each data set; 0.1 to 0.2 s each."""
    _, _, _, n_mice, n_cells = sets.shape
    mouse = np.tile(np.repeat(np.arange(n_mice), n_cells), 2)
    cell = np.tile(np.arange(n_mice * n_cells), 2)
    omitted = np.repeat([False, True], n_mice * n_cells)
    for one in sets[:, 1]:
        yield random_slope_per_mouse(one.ravel(), mouse, cell, omitted)


def fitted_calls(
    estimate: NDArray[np.float64],  # (n_sets,), dF/F
    standard_error: NDArray[np.float64],  # (n_sets,), dF/F
    n_mice: int,
    shift_dff: float = 0.0,
) -> Mapping[CalledTest, Calls]:
    """Calls of the mixed model's t on mice minus one, and of the Wald z of the same fit.

    ``shift_dff`` is added to the estimates: an effect on average moves them by itself and leaves variances as they are.
    """
    t = np.abs(estimate + shift_dff) / standard_error
    return {
        CalledTest(_WITHIN, "mixed model with slopes per mouse, t", "rigorous"): t > stats.t.isf(ALPHA / 2, n_mice - 1),
        CalledTest(_WITHIN, "mixed model with slopes per mouse, Wald z", "neither"): t > stats.norm.isf(ALPHA / 2),
    }


def _cells(sets: Sets) -> NDArray[np.float64]:  # (n_sets, 2, n_mice, n_cells), omitted minus presented
    return sets[:, :, 1] - sets[:, :, 0]


def _mice(sets: Sets) -> NDArray[np.float64]:  # (n_sets, 2, n_mice), omitted minus presented
    return _cells(sets).mean(axis=-1)


def _within(sets: Sets) -> NDArray[np.float64]:
    return _mice(sets)[:, 1]


def _exposures(sets: Sets) -> NDArray[np.float64]:
    return _mice(sets)[:, 1] - _mice(sets)[:, 0]


def _excludes_zero(ends: tuple[NDArray[np.float64], NDArray[np.float64]]) -> Calls:
    return (ends[0] > 0) | (ends[1] < 0)


def _over_mice(numbers: Callable[[Sets], NDArray[np.float64]], contrast: str) -> Mapping[CalledTest, Callable]:
    return {
        CalledTest(contrast, "t over mice", "rigorous"): lambda sets, rng: t_over_mice(numbers(sets)).p <= ALPHA,
        CalledTest(contrast, "sign flips of mice", "rigorous"): lambda sets, rng: (
            sign_flip_p(numbers(sets))[0] <= ALPHA
        ),
        CalledTest(contrast, "studentised bootstrap over mice", "rigorous"): lambda sets, rng: _excludes_zero(
            bootstrap_interval(numbers(sets))
        ),
    }


def _percentile(sets: Sets, rng: np.random.Generator) -> Calls:
    return _excludes_zero(_percentiles(_resampled_means(_within(sets), rng)))


def _percentile_between(sets: Sets, rng: np.random.Generator) -> Calls:
    first, second = (_resampled_means(_mice(sets)[:, group], rng) for group in (0, 1))
    return _excludes_zero(_percentiles(second - first))


def _resampled_means(numbers: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    n = numbers.shape[-1]
    return numbers @ rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).T / n


def _percentiles(means: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return tuple(np.quantile(means, (0.025, 0.975), axis=-1))


def _student_over_cells(sets: Sets, rng: np.random.Generator) -> Calls:
    presented, omitted = sets[:, 1, 0].reshape(len(sets), -1), sets[:, 1, 1].reshape(len(sets), -1)
    return stats.ttest_ind(omitted, presented, axis=1).pvalue <= ALPHA


def _student_between_cells(sets: Sets, rng: np.random.Generator) -> Calls:
    first, second = _cells(sets).reshape(len(sets), 2, -1).swapaxes(0, 1)
    return stats.ttest_ind(second, first, axis=1).pvalue <= ALPHA


def _intercept_per_cell(sets: Sets, rng: np.random.Generator) -> Calls:
    """Wald z of a random intercept per cell: with one value in each condition that is the paired t's statistic."""
    difference = _cells(sets)[:, 1].reshape(len(sets), -1)
    return np.abs(t_over_mice(difference).t) > stats.norm.isf(ALPHA / 2)


def _intercept_per_mouse(sets: Sets, rng: np.random.Generator) -> Calls:
    """Wald z of the lines' difference with a random intercept per mouse: closed form, as mice have equal cells.

    Searle, Casella and McCulloch (1992), section 4.5: mean squares, pooled where that between mice is the smaller.
    """
    difference = _cells(sets)
    _, _, n_mice, n_cells = difference.shape
    mice = difference.mean(axis=-1)
    between, within = mice.var(axis=-1, ddof=1).mean(axis=-1) * n_cells, difference.var(axis=-1, ddof=1).mean((1, 2))
    dof, dof_within = 2 * (n_mice - 1), 2 * n_mice * (n_cells - 1)
    pooled = (dof * between + dof_within * within) / (dof + dof_within)
    error = np.sqrt(2 * np.where(between > within, between, pooled) / (n_mice * n_cells))
    z = (mice[:, 1].mean(axis=-1) - mice[:, 0].mean(axis=-1)) / error
    return np.abs(z) > stats.norm.isf(ALPHA / 2)


def _anova(term: str) -> Callable[[Sets, np.random.Generator], Calls]:
    """F of a term of the three-way ANOVA over cells, half of each mouse's cells familiar and half novel."""

    def call(sets: Sets, rng: np.random.Generator) -> Calls:
        n_sets, _, _, n_mice, n_cells = sets.shape
        cells = sets[..., : n_cells // 2 * 2].reshape(n_sets, 2, 2, n_mice, 2, n_cells // 2)
        mean = cells.mean(axis=(3, 5), keepdims=True)
        n = n_mice * (n_cells // 2)
        residual = ((cells - mean) ** 2).sum(axis=(1, 2, 3, 4, 5)) / (8 * (n - 1))
        line = np.array([-1.0, 1.0])[:, None, None]
        omitted = np.array([-1.0, 1.0])[:, None]
        code = {"omitted": omitted, "cre_line x omitted": line * omitted}[term] * np.ones((2, 2, 2))
        contrast = (mean[:, :, :, 0, :, 0] * code).sum(axis=(1, 2, 3))
        return contrast**2 * n / 8 / residual > stats.f.isf(ALPHA, 1, 8 * (n - 1))

    return call


_TESTS: Mapping[CalledTest, Callable[[Sets, np.random.Generator], Calls]] = {
    **_over_mice(_within, _WITHIN),
    CalledTest(_WITHIN, "percentile bootstrap over mice", "neither"): _percentile,
    CalledTest(_WITHIN, "Student's t over cells", "published"): _student_over_cells,
    CalledTest(_WITHIN, "three-way ANOVA over cells, omitted", "published"): _anova("omitted"),
    CalledTest(_WITHIN, "mixed model with an intercept per cell, Wald z", "published"): _intercept_per_cell,
    **_over_mice(_exposures, _EXPOSURES),
    CalledTest(_BETWEEN, "Welch's t over mice", "rigorous"): lambda sets, rng: (
        welch_t(_mice(sets)[:, 1], _mice(sets)[:, 0]).p <= ALPHA
    ),
    CalledTest(_BETWEEN, "exchanges of mice", "rigorous"): lambda sets, rng: (
        exchange_p(_mice(sets)[:, 1], _mice(sets)[:, 0])[0] <= ALPHA
    ),
    CalledTest(_BETWEEN, "studentised bootstrap over mice", "rigorous"): lambda sets, rng: _excludes_zero(
        bootstrap_interval_between(_mice(sets)[:, 1], _mice(sets)[:, 0])
    ),
    CalledTest(_BETWEEN, "percentile bootstrap over mice", "neither"): _percentile_between,
    CalledTest(_BETWEEN, "mixed model with an intercept per mouse, Wald z", "neither"): _intercept_per_mouse,
    CalledTest(_BETWEEN, "Student's t over cells", "published"): _student_between_cells,
    CalledTest(_BETWEEN, "three-way ANOVA over cells, cre_line x omitted", "published"): _anova("cre_line x omitted"),
}
