"""A study's effects as rows: what each stands on, what it is warned of, and what could not be tested."""

from collections import Counter
from itertools import product

import numpy as np
import polars as pl
import pytest

from storage.tables import ANOVA, CONTRASTS, GROUP_TESTS, MIXED_EFFECTS
from tasks.effects import MEASURES, effects
from tasks.published_effects import LINEAR_MEASURES, published_effects
from tasks.sample_counts import independence_warning, sample_counts
from tasks.study_part import StudyPart

LINES = ("Sst-IRES-Cre", "Vip-IRES-Cre")


def features(seed: int = 0, event_count: int | None = 40) -> pl.DataFrame:
    """Three mice of each line, each familiar and novel, six cells a mouse; VIP cells peak higher in omissions."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "session_id": f"lab-{line[:3]}{mouse}-{exposure}",
            "unit_id": cell,
            "mouse_id": f"{line[:3]}{mouse}",
            "cre_line": line,
            "exposure_level": exposure,
            "condition": condition,
            "event_count": event_count,
        }
        for line, mouse, exposure, cell, condition in product(
            LINES, range(3), ("familiar", "novel"), range(6), ("presented", "omitted")
        )
    ]
    table = pl.DataFrame(rows, schema_overrides={"event_count": pl.Int64})
    measured = table.with_columns(pl.Series(name, rng.normal(size=len(table))) for name in LINEAR_MEASURES)
    lift = 2.0 * ((pl.col("cre_line") == "Vip-IRES-Cre") & (pl.col("condition") == "omitted"))
    return measured.with_columns(peak_dff=pl.col("peak_dff") + lift)


@pytest.fixture(scope="module")
def published() -> dict[str, pl.DataFrame]:
    part = published_effects(features(), "study", MEASURES)
    assert part.notes == ()
    return {table.short_name: pl.from_arrow(table.rows(rows)) for table, rows in part.rows.items()}


def test_each_test_is_made_of_each_measure_and_group(published: dict[str, pl.DataFrame]) -> None:
    tests = published["group_tests"]
    assert not tests.select(GROUP_TESTS.key).is_duplicated().any()
    count = Counter(tests["test"].to_list())
    # Three measures: four groups; three factors of two levels and 28 pairs of eight groups; 28 pairs. Seven terms.
    t_tests = count.pop("student", 0) + count.pop("welch", 0)
    assert t_tests == 12
    assert count == {"levene": 12, "tukey": 93, "pairwise": 84, "manova": 7, "glm": 49}
    assert set(tests.filter(test="glm")["measure"]) == set(LINEAR_MEASURES)
    assert Counter(published["anova"]["measure"].to_list()) == dict.fromkeys(MEASURES, 8)
    assert Counter(published["mixed_effects"]["measure"].to_list()) == {"peak_dff": 10, "auc_dff_s": 10}


def test_the_planted_effect_is_found_where_it_is(published: dict[str, pl.DataFrame]) -> None:
    tests = published["group_tests"].filter(pl.col("test").is_in(["student", "welch"]), measure="peak_dff")
    p = dict(tests.select("within", "p").iter_rows())
    assert {within for within in p if p[within] < 0.01} == {"Vip-IRES-Cre, familiar", "Vip-IRES-Cre, novel"}
    anova = published["anova"].filter(measure="peak_dff")
    assert anova.filter(term="cre_line x omitted")["p"].item() < 1e-4


def test_each_row_says_on_what_it_stands(published: dict[str, pl.DataFrame]) -> None:
    tests = published["group_tests"]
    counts = ("row_count", "cell_count", "mouse_count", "event_count")
    # 36 cells of 6 mice, each in 2 sessions under 2 conditions of 40 events.
    assert tests.filter(test="manova").select(counts).unique().rows() == [(144, 36, 6, 960)]
    assert tests.filter(pl.col("test").is_in(["levene", "student", "welch"])).select(counts).unique().rows() == [
        (36, 18, 3, 240)
    ]
    between_lines = tests.filter(
        test="pairwise", contrast="Sst-IRES-Cre, presented, familiar - Vip-IRES-Cre, omitted, novel"
    )
    assert between_lines.select(counts).unique().rows() == [(36, 36, 6, 240)]
    mixed = published["mixed_effects"]
    assert mixed.select("row_count", "group_count", *counts[1:]).unique().rows() == [(144, 36, 36, 6, 960)]


def test_each_row_is_warned_that_cells_count_for_mice(published: dict[str, pl.DataFrame]) -> None:
    anova = "takes 36 cells of 6 mice as independent: 136 residual degrees of freedom where the animals allow 4"
    assert published["anova"]["warning"].unique().to_list() == [anova]
    tests = published["group_tests"]
    assert tests["warning"].null_count() == 0
    levene = "takes 18 cells of 3 mice as independent: 34 residual degrees of freedom where the animals allow 2"
    assert tests.filter(test="levene")["warning"].unique().to_list() == [levene]
    infinite = "takes 36 cells of 6 mice as independent: infinitely many residual degrees of freedom where the"
    assert published["mixed_effects"]["warning"].str.starts_with(infinite).all()


def test_no_warning_where_the_animals_allow_the_degrees_of_freedom() -> None:
    rows = features()
    assert independence_warning(rows, 4) is None
    assert "5 residual degrees of freedom where the animals allow 4" in independence_warning(rows, 5)


@pytest.fixture(scope="module")
def odd() -> StudyPart:
    """Effects of ready-made features: no variance between cells in peaks, a cell without AUC, rows without a mouse."""
    sign = pl.when(condition="omitted").then(1).otherwise(-1)
    lacking = (pl.col("session_id") == "lab-Vip0-novel") & (pl.col("unit_id") == 0)
    rows = features(event_count=None).with_columns(
        peak_dff=sign * (pl.col("unit_id") + 1.0), auc_dff_s=pl.when(~lacking).then("auc_dff_s")
    )
    nameless = features(1).head(12).with_columns(mouse_id=pl.lit(None, pl.String))
    return published_effects(pl.concat([rows, nameless]), "study", MEASURES)


def test_a_mixed_model_without_variance_between_cells_says_so(odd: StudyPart) -> None:
    row = next(row for row in odd.rows[MIXED_EFFECTS] if row["measure"] == "peak_dff")
    assert row["converged"]
    assert row["warning"].endswith("; the variance between cells is estimated as 0, so the model is one without cells")


def test_events_are_unknown_where_features_came_ready_made(odd: StudyPart) -> None:
    assert sample_counts(features(event_count=None)) == {"cell_count": 36, "mouse_count": 6, "event_count": None}
    assert {row["event_count"] for rows in odd.rows.values() for row in rows} == {None}


def test_rows_without_a_measure_are_left_out_of_its_tests_only(odd: StudyPart) -> None:
    cells = {(row["measure"], row["row_count"]) for row in odd.rows[MIXED_EFFECTS]}
    assert cells == {("peak_dff", 144), ("auc_dff_s", 142)}


def test_rows_without_a_mouse_are_left_out_and_counted(odd: StudyPart) -> None:
    assert odd.notes == ("tests over cells: 12 rows of sessions without a mouse are left out",)


def test_what_the_design_does_not_allow_is_noted_with_its_reason() -> None:
    part = published_effects(features().filter(cre_line="Vip-IRES-Cre"), "study", MEASURES)
    assert set(part.rows) == {GROUP_TESTS}
    tested = {row["test"] for row in part.rows[GROUP_TESTS]}
    assert tested - {"student", "welch"} == {"levene", "tukey", "pairwise"}
    one_line = "cre_line must have at least two levels, got ['Vip-IRES-Cre']"
    assert part.notes == (
        f"three-way ANOVA of peak_dff, peak_latency_s, auc_dff_s: {one_line}",
        "Tukey's test between cre lines of peak_dff, peak_latency_s, auc_dff_s: a test between groups needs at least "
        "two, got ['Vip-IRES-Cre']",
        f"MANOVA of peak_dff + peak_latency_s: {one_line}",
        f"linear model of {', '.join(LINEAR_MEASURES)}: {one_line}",
        f"mixed model with a random intercept per cell of peak_dff, auc_dff_s: {one_line}",
    )


def test_an_empty_cell_of_the_design_is_named() -> None:
    kept = ~((pl.col("cre_line") == "Vip-IRES-Cre") & (pl.col("exposure_level") == "novel"))
    part = published_effects(features().filter(kept), "study", MEASURES)
    assert ANOVA not in part.rows
    assert part.notes[0].endswith(
        "2 cells of cre_line x omitted x exposure_level are empty: Vip-IRES-Cre x False x novel; "
        "Vip-IRES-Cre x True x novel"
    )


def test_a_project_without_rows_has_notes_only() -> None:
    part = published_effects(features().clear(), "study", MEASURES)
    assert part.rows == {}
    assert len(part.notes) == 9


def test_measures_of_spike_probability_are_tested_alike() -> None:
    names = {name: name.replace("_dff", "_spike_prob") for name in LINEAR_MEASURES}
    part = published_effects(features().rename(names), "study", [names[measure] for measure in MEASURES])
    assert part.notes == ()
    tests = pl.DataFrame(part.rows[GROUP_TESTS], infer_schema_length=None)
    assert set(tests.filter(test="glm")["measure"]) == set(names.values())
    assert set(tests.filter(test="manova")["measure"]) == {"peak_spike_prob + peak_latency_s"}


def test_effects_have_the_rows_of_both_protocols() -> None:
    part = effects(features(), "study")
    mixed = part.rows[MIXED_EFFECTS]
    assert set(mixed["protocol"]) == {"published", "rigorous"}
    assert set(part.rows) == {ANOVA, CONTRASTS, GROUP_TESTS, MIXED_EFFECTS}
    for table, rows in part.rows.items():
        assert not rows.select(table.key).is_duplicated().any()
        assert set(rows["study_id"]) == {"study"}
