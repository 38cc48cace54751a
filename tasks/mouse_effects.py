"""Effects of omission tested over mice: contrasts within mice, between exposures and cre lines, and mixed models."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations

import polars as pl
from statsmodels.stats.multitest import multipletests

from models.mouse_mixed_model import MouseModel, random_slope_per_mouse
from models.mouse_statistics import (
    MouseContrast,
    MouseDifferences,
    contrast_between,
    contrast_of_exposures,
    contrast_within,
    mouse_differences,
)
from models.mouse_tests import FEWEST_MICE_TO_RESAMPLE
from storage.tables import CONTRASTS, MIXED_EFFECTS
from tasks.sample_counts import sample_counts
from tasks.study_part import StudyPart

_WITHIN, _EXPOSURES, _BETWEEN = "omitted - presented", "novel - familiar", "between cre lines"
_ALL = "all"
# Sign flips of n mice give no p below 2 / 2^n.
_FEWEST_MICE_TO_FLIP = 6

Group = tuple[str, str]  # cre line, exposure level


def mouse_effects(features: pl.DataFrame, study_id: str, measures: Sequence[str]) -> StudyPart:
    """Rows of findings.contrasts, p corrected over all of them (Holm), and of findings.mixed_effects, `rigorous`.

    ``features`` answers `features_of_project`. ``measures`` are three of its columns: peak, latency, AUC. Each gets
    contrasts over mice; peak and AUC a mixed model with a random slope per mouse for each cre line and exposure. Rows
    without the measure or a mouse are left out. What the rows don't allow is noted with its reason.
    """
    notes = _Reasons()
    known = features.drop_nulls(["mouse_id", "cre_line", "exposure_level"])
    if nameless := len(features) - len(known):
        notes.add("tests over mice", f"{nameless} rows without a mouse, a cre line or an exposure level are left out")
    contrasts, mixed = [], []
    for measure in measures:
        sampled = list(_groups(known, measure))
        contrasts += _contrasts(sampled, measure, notes)
    peak, _, auc, *_ = measures
    for measure in (peak, auc):
        mixed += _mixed(known.drop_nulls(measure).drop_nans(measure), measure, notes)
    rows = {CONTRASTS: _with_holm(contrasts), MIXED_EFFECTS: mixed}
    return StudyPart(
        {table: [{"study_id": study_id, **row} for row in found] for table, found in rows.items() if found},
        notes.said,
    )


class _Reasons:
    """Why something could not be computed, measures with the same reason in one note; cautions, with their groups."""

    def __init__(self) -> None:
        self._measures: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._cautions: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))

    def add(self, what: str, reason: str, measure: str | None = None) -> None:
        self._measures[what, reason] += [measure] if measure else []

    def caution(self, says: str, contrast: str, group: str) -> None:
        """The same of several groups is said once."""
        self._cautions[says][contrast][group] = None

    @contextmanager
    def of(self, what: str, measure: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            self.add(what, str(error), measure)

    @property
    def said(self) -> tuple[str, ...]:
        reasons = (
            f"{what} of {', '.join(measures)}: {reason}" if measures else f"{what}: {reason}"
            for (what, reason), measures in self._measures.items()
        )
        cautions = (
            f"{says} ({'; '.join(f'{contrast} in {_listed(groups)}' for contrast, groups in of.items())})"
            for says, of in self._cautions.items()
        )
        return (*reasons, *cautions)


@dataclass(frozen=True, eq=False)
class _Sampled:
    """Mice of one cre line and exposure, and the rows of those cells that have both conditions."""

    cre_line: str
    exposure_level: str
    mice: MouseDifferences
    rows: pl.DataFrame


def _groups(features: pl.DataFrame, measure: str) -> Iterator[_Sampled]:
    finite = features.drop_nulls(measure).drop_nans(measure)
    names = ("cre_line", "exposure_level")
    cell = ("session_id", "unit_id")
    for (line, exposure), rows in finite.sort(names).group_by(names, maintain_order=True):
        mice = mouse_differences(
            rows[measure].to_numpy(),
            rows["mouse_id"].to_numpy(),
            rows.select(pl.concat_str(cell, separator="/")).to_series().to_numpy(),
            (rows["condition"] == "omitted").to_numpy(),
        )
        yield _Sampled(line, exposure, mice, rows.filter(pl.col("condition").n_unique().over(cell) == 2))


def _contrasts(sampled: Sequence[_Sampled], measure: str, notes: _Reasons) -> Iterator[Mapping]:
    for one in sampled:
        where = f"{one.cre_line}, {one.exposure_level}"
        with notes.of(f"{_WITHIN}, {where}", measure):
            found = contrast_within(one.mice)
            yield _row(found, measure, _WITHIN, one.cre_line, one.exposure_level, one.rows)
            _few_mice(notes, _WITHIN, where, found.n_mice)
    by_group = {(one.cre_line, one.exposure_level): one for one in sampled}
    lines, exposures = (sorted({group[i] for group in by_group}) for i in (0, 1))
    for line in lines:
        with notes.of(f"{_EXPOSURES}, {line}", measure):
            familiar, novel = (_met(by_group, (line, exposure)) for exposure in ("familiar", "novel"))
            found = contrast_of_exposures(familiar.mice, novel.mice)
            rows = pl.concat([familiar.rows, novel.rows])
            both = rows.filter(pl.col("exposure_level").n_unique().over("mouse_id") == 2)
            yield _row(found, measure, _EXPOSURES, line, _ALL, both)
            _few_mice(notes, _EXPOSURES, line, found.n_mice)
    if len(lines) < 2:
        notes.add(_BETWEEN, f"needs two, got {', '.join(lines) or 'none'}", measure)
    for first, second in combinations(lines, 2):
        for exposure in exposures:
            named = f"{first} - {second}"
            with notes.of(f"{_BETWEEN}, {named}, {exposure}", measure):
                a, b = (_met(by_group, (line, exposure)) for line in (first, second))
                found = contrast_between(a.mice, b.mice)
                yield _row(found, measure, _BETWEEN, named, exposure, pl.concat([a.rows, b.rows]))


def _met(by_group: Mapping[Group, _Sampled], group: Group) -> _Sampled:
    if group not in by_group:
        raise ValueError(f"no cells of {', '.join(group)}")
    return by_group[group]


def _listed(groups: Iterable[str]) -> str:
    """Groups, whose names may hold a comma, one after the other."""
    return " and ".join(groups)


def _few_mice(notes: _Reasons, contrast: str, group: str, n_mice: int) -> None:
    if n_mice < _FEWEST_MICE_TO_FLIP:
        no_interval = ", and for a bootstrap interval" if n_mice < FEWEST_MICE_TO_RESAMPLE else ""
        notes.caution(f"{n_mice} mice are too few for sign flips to reach p < .05{no_interval}", contrast, group)


def _row(
    found: MouseContrast, measure: str, contrast: str, cre_line: str, exposure_level: str, rows: pl.DataFrame
) -> dict:
    counts = sample_counts(rows)
    return {
        "measure": measure,
        "contrast": contrast,
        "cre_line": cre_line,
        "exposure_level": exposure_level,
        "difference": found.estimate,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "t": found.t,
        "dof": found.dof,
        "p": found.p,
        "p_permutation": found.p_permutation,
        "bootstrap_low": found.bootstrap_low,
        "bootstrap_high": found.bootstrap_high,
        "cohens_d": found.cohens_d,
        "cohens_d_low": found.cohens_d_low,
        "cohens_d_high": found.cohens_d_high,
        "intraclass_correlation": found.intraclass_correlation,
        "mouse_count": found.n_mice,
        "cell_count": counts["cell_count"],
        "excluded_cell_count": found.n_cells_excluded,
        "event_count": counts["event_count"],
    }


def _with_holm(rows: Sequence[dict]) -> list[Mapping]:
    """Rows with p corrected over those that have one: it is NaN where all mice differ by 0."""
    tested = [row for row in rows if row["p"] == row["p"]]
    corrected = multipletests([row["p"] for row in tested], method="holm")[1] if tested else []
    by_row = dict(zip(map(id, tested), map(float, corrected), strict=True))
    return [row | {"p_holm": by_row.get(id(row))} for row in rows]


def _mixed(rows: pl.DataFrame, measure: str, notes: _Reasons) -> Iterator[Mapping]:
    names = ("cre_line", "exposure_level")
    for group, of_group in rows.sort(names).group_by(names, maintain_order=True):
        where = ", ".join(group)
        with notes.of(f"mixed model with a random slope per mouse, {where}", measure):
            fitted = random_slope_per_mouse(
                of_group[measure].to_numpy(),
                of_group["mouse_id"].to_numpy(),
                of_group["unit_id"].to_numpy(),
                (of_group["condition"] == "omitted").to_numpy(),
            )
            yield from _terms(fitted, measure, where, of_group)


def _terms(fitted: MouseModel, measure: str, where: str, rows: pl.DataFrame) -> Iterator[Mapping]:
    shared = {
        "protocol": "rigorous",
        "measure": measure,
        "model": "random slope per mouse",
        "log_likelihood": fitted.log_likelihood,
        "converged": fitted.converged,
        "row_count": fitted.n_rows,
        "group_count": fitted.n_mice,
        **sample_counts(rows),
        "warning": "; ".join(_doubts(fitted)) or None,
    }
    for term in fitted.terms:
        yield shared | {
            "term": f"{term.term} in {where}",
            "estimate": term.estimate,
            "standard_error": term.standard_error,
            "ci_low": term.ci_low,
            "ci_high": term.ci_high,
            "statistic": term.t,
            "dof": term.dof,
            "p": term.p,
        }


def _doubts(fitted: MouseModel) -> Iterator[str]:
    if not fitted.converged:
        yield "the fit did not reach a maximum"
    if fitted.on_boundary:
        yield "a variance is estimated as 0, or mice's slopes follow from their intercepts"
