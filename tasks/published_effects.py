"""Effects of omission as the source study tested them: over cells, each taken as independent, and saying so."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import polars as pl

from models.factorial_design import FactorialDesign
from models.factorial_models import linear_model, three_way_anova, two_measure_manova
from models.mixed_models import MixedModel, random_intercept_per_cell
from models.published_tests import GroupTest, pairwise, tukey, variance_and_mean_tests
from storage.tables import ANOVA, GROUP_TESTS, MIXED_EFFECTS
from tasks.sample_counts import independence_warning, sample_counts
from tasks.study_part import StudyPart

LINEAR_MEASURES = (
    "peak_dff",
    "peak_latency_s",
    "slope_dff_per_s",
    "fwhm_s",
    "auc_dff_s",
    "mean_0_500ms_dff",
    "mean_500_1000ms_dff",
)
_CONDITIONS = ("presented", "omitted")
_ALL = "all"


def published_effects(features: pl.DataFrame, study_id: str, measures: Sequence[str]) -> StudyPart:
    """Rows of findings.anova, group_tests and mixed_effects (random intercept per cell), as the source made them.

    ``features`` answers `features_of_project`. ``measures`` are three of its columns: peak, latency, AUC. Each gets
    Levene's and t tests within each cre line and exposure, ANOVA, Tukey and pairwise comparisons; peak and latency the
    MANOVA; peak and AUC the mixed model; those of `LINEAR_MEASURES` that there are (or their like of spike
    probability) linear models. Rows without the measure are left out; what the rows don't allow, and rows without a
    mouse, are noted.
    """
    peak, latency, auc, *_ = measures
    refusals = _Refusals()
    known = features.drop_nulls("mouse_id")
    nameless = len(features) - len(known)
    notes = (f"tests over cells: {nameless} rows of sessions without a mouse are left out",) if nameless else ()
    features = known
    anova, tests, mixed = [], [], []
    for measure in measures:
        found = _measured(features, measure)
        tests += _within_groups(found, measure, refusals)
        with refusals.of("three-way ANOVA", measure):
            anova += _anova(found, measure)
        tests += _between_groups(found, measure, refusals)
    with refusals.of("MANOVA", f"{peak} + {latency}"):
        tests += _manova(_measured(features, peak, latency), peak, latency)
    spikes = [name.replace("_dff", "_spike_prob") for name in LINEAR_MEASURES]
    for measure in LINEAR_MEASURES if peak in LINEAR_MEASURES else spikes:
        with refusals.of("linear model", measure):
            found = _measured(features, measure)
            tests += _rows(found, linear_model(found[measure].to_numpy(), _design(found)), measure, _ALL)
    for measure in (peak, auc):
        with refusals.of("mixed model with a random intercept per cell", measure):
            mixed += _mixed(_measured(features, measure), measure)
    found_rows = {ANOVA: anova, GROUP_TESTS: tests, MIXED_EFFECTS: mixed}
    return StudyPart(
        {table: [{"study_id": study_id, **row} for row in rows] for table, rows in found_rows.items() if rows},
        (*notes, *refusals.notes),
    )


class _Refusals:
    """Why tests could not be made; those with the same reason in one note."""

    def __init__(self) -> None:
        self._measures: dict[tuple[str, str], list[str]] = defaultdict(list)

    @contextmanager
    def of(self, test: str, measure: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            self._measures[test, str(error)].append(measure)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(f"{test} of {', '.join(of)}: {reason}" for (test, reason), of in self._measures.items())


def _measured(features: pl.DataFrame, *measures: str) -> pl.DataFrame:
    return features.drop_nulls(measures).drop_nans(measures)


def _design(rows: pl.DataFrame) -> FactorialDesign:
    return FactorialDesign(
        cre_line=rows["cre_line"].to_numpy(),
        omitted=(rows["condition"] == "omitted").to_numpy(),
        exposure_level=rows["exposure_level"].to_numpy(),
    )


def _within_groups(found: pl.DataFrame, measure: str, refusals: _Refusals) -> Iterator[Mapping]:
    names = ("cre_line", "exposure_level")
    for (line, exposure), group in found.sort(names).group_by(names, maintain_order=True):
        within = f"{line}, {exposure}"
        with refusals.of(f"t test in {within}", measure):
            tests = variance_and_mean_tests(group[measure].to_numpy(), (group["condition"] == "omitted").to_numpy())
            yield from _rows(group, tests, measure, within)


def _anova(found: pl.DataFrame, measure: str) -> Iterator[Mapping]:
    terms = three_way_anova(found[measure].to_numpy(), _design(found))
    shared = {"measure": measure, **sample_counts(found), "warning": independence_warning(found, terms[-1].dof)}
    for term in terms:
        yield asdict(term) | shared


def _between_groups(found: pl.DataFrame, measure: str, refusals: _Refusals) -> Iterator[Mapping]:
    values = found[measure].to_numpy()
    lines, exposures = (sorted(found[name].unique()) for name in ("cre_line", "exposure_level"))
    # As the source has them, groups are named by line, condition, exposure, presented before omitted.
    combined = found.select(pl.concat_str("cre_line", "condition", "exposure_level", separator=", ")).to_series()
    combinations = [f"{line}, {shown}, {level}" for line in lines for shown in _CONDITIONS for level in exposures]
    for of, group, order in (
        ("conditions", found["condition"], _CONDITIONS),
        ("cre lines", found["cre_line"], lines),
        ("exposures", found["exposure_level"], exposures),
        ("all groups", combined, combinations),
    ):
        with refusals.of(f"Tukey's test between {of}", measure):
            yield from _rows(found, tukey(values, group.to_numpy(), order), measure, _ALL)
    with refusals.of("pairwise comparisons between all groups", measure):
        for test in pairwise(values, combined.to_numpy(), combinations):
            yield from _rows(found.filter(combined.is_in(test.groups)), [test], measure, _ALL)


def _manova(found: pl.DataFrame, peak: str, latency: str) -> Iterator[Mapping]:
    tests = two_measure_manova(found[peak].to_numpy(), found[latency].to_numpy(), _design(found))
    yield from _rows(found, tests, f"{peak} + {latency}", _ALL)


def _rows(found: pl.DataFrame, tests: Sequence[GroupTest], measure: str, within: str) -> Iterator[Mapping]:
    """Rows of findings.group_tests: each with what it stands on, and a warning if it takes that for more."""
    counts = {"row_count": len(found), **sample_counts(found)}
    for test in tests:
        row = asdict(test) | {"measure": measure, "within": within, **counts}
        del row["groups"]
        yield row | {"warning": independence_warning(found, test.residual_dof)}


def _mixed(found: pl.DataFrame, measure: str) -> Iterator[Mapping]:
    cell = found.select(pl.concat_str("mouse_id", "unit_id", separator="/")).to_series().to_numpy()
    fitted = random_intercept_per_cell(found[measure].to_numpy(), _design(found), cell)
    warnings = [independence_warning(found, None), *_warnings_of_fit(fitted)]
    shared = {
        "protocol": "published",
        "measure": measure,
        "model": "random intercept per cell",
        "log_likelihood": fitted.log_likelihood,
        "converged": fitted.converged,
        "row_count": fitted.n_rows,
        "group_count": fitted.n_groups,
        **sample_counts(found),
        "warning": "; ".join(said for said in warnings if said),
    }
    for term in fitted.terms:
        # statsmodels gives Wald z: no degrees of freedom.
        yield asdict(term) | shared | {"dof": None}


def _warnings_of_fit(fitted: MixedModel) -> Iterator[str]:
    if not fitted.converged:
        yield "the fit did not reach the largest likelihood"
    if fitted.on_boundary:
        yield "the variance between cells is estimated as 0, so the model is one without cells"
