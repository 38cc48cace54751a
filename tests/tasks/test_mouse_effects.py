from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from models.response_features import FEATURES
from storage.tables import CONTRASTS, MIXED_EFFECTS
from tasks.mouse_effects import mouse_effects
from tasks.study_part import StudyPart

MEASURES = ("peak_dff", "peak_latency_s", "auc_dff_s")
SST, VIP = "Sst-IRES-Cre", "Vip-IRES-Cre"
TABLE = Path(__file__).resolve().parents[3] / "shared/recordings/visual_behavior/response_features.csv"
EFFECT_DFF = {(SST, "familiar"): 0.0, (SST, "novel"): 0.0, (VIP, "familiar"): 0.1, (VIP, "novel"): 0.0}


def planted(n_mice: int = 6, n_cells: int = 5, seed: int = 61) -> pl.DataFrame:
    """Features of mice that each met both exposures; VIP cells answer familiar omissions by .1 dF/F more."""
    rng = np.random.default_rng(seed)
    rows = []
    for line in (SST, VIP):
        for mouse in range(n_mice):
            for exposure in ("familiar", "novel"):
                effect = rng.normal(EFFECT_DFF[line, exposure], 0.01)
                for cell in range(n_cells):
                    level = rng.normal(0.2, 0.05)
                    for condition, events in (("presented", 40), ("omitted", 30)):
                        value = level + effect * (condition == "omitted") + rng.normal(0, 0.01)
                        rows.append(
                            {
                                "session_id": f"{line}-{mouse}-{exposure}",
                                "unit_id": cell,
                                "mouse_id": f"{line}-{mouse}",
                                "cre_line": line,
                                "exposure_level": exposure,
                                "condition": condition,
                                "event_count": events,
                                "peak_dff": value,
                                "peak_latency_s": rng.normal(0.5, 0.1),
                                "auc_dff_s": value + rng.normal(0, 0.01),
                            }
                        )
    return pl.DataFrame(rows)


def contrasts_of(features: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    part = mouse_effects(features, "study", MEASURES)
    return pl.from_arrow(CONTRASTS.rows(part.rows[CONTRASTS])), part.notes


@pytest.fixture(scope="module")
def features() -> pl.DataFrame:
    return planted()


@pytest.fixture(scope="module")
def part(features: pl.DataFrame) -> StudyPart:
    return mouse_effects(features, "study", MEASURES)


@pytest.fixture(scope="module")
def contrasts(part: StudyPart) -> pl.DataFrame:
    return pl.from_arrow(CONTRASTS.rows(part.rows[CONTRASTS]))


def row_of(contrasts: pl.DataFrame, contrast: str, line: str, exposure: str, measure: str = "peak_dff") -> dict:
    return contrasts.filter(contrast=contrast, cre_line=line, exposure_level=exposure, measure=measure).row(
        0, named=True
    )


def mouse_means(features: pl.DataFrame, line: str, exposure: str) -> np.ndarray:
    wide = features.filter(cre_line=line, exposure_level=exposure).pivot(
        "condition", index=["mouse_id", "unit_id"], values="peak_dff"
    )
    return (
        wide.with_columns(difference=pl.col("omitted") - pl.col("presented"))
        .group_by("mouse_id")
        .agg(pl.col("difference").mean())
        .sort("mouse_id")["difference"]
        .to_numpy()
    )


def test_every_contrast_of_every_measure_is_made(contrasts: pl.DataFrame) -> None:
    found = contrasts.group_by("contrast").len().sort("contrast")
    assert found.rows() == [("between cre lines", 6), ("novel - familiar", 6), ("omitted - presented", 12)]


def test_the_planted_effect_is_found_where_it_is_and_nowhere_else(contrasts: pl.DataFrame) -> None:
    peak = contrasts.filter(measure="peak_dff", contrast="omitted - presented")
    found = peak.filter(pl.col("p_holm") < 0.05)
    assert found.select("cre_line", "exposure_level").rows() == [(VIP, "familiar")]
    assert found["difference"].item() == pytest.approx(0.1, abs=0.02)


def test_numbers_are_scipys_on_means_of_mice(features: pl.DataFrame, contrasts: pl.DataFrame) -> None:
    vip, sst = mouse_means(features, VIP, "familiar"), mouse_means(features, SST, "familiar")
    for row, expected in (
        (row_of(contrasts, "omitted - presented", VIP, "familiar"), stats.ttest_1samp(vip, 0)),
        (
            row_of(contrasts, "novel - familiar", VIP, "all"),
            stats.ttest_rel(mouse_means(features, VIP, "novel"), vip),
        ),
        (
            row_of(contrasts, "between cre lines", f"{SST} - {VIP}", "familiar"),
            stats.ttest_ind(sst, vip, equal_var=False),
        ),
    ):
        assert (row["t"], row["p"], row["dof"]) == pytest.approx((expected.statistic, expected.pvalue, expected.df))
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_holm_is_over_all_contrasts_of_the_study(contrasts: pl.DataFrame) -> None:
    expected = multipletests(contrasts["p"].to_numpy(), method="holm")[1]
    np.testing.assert_allclose(contrasts["p_holm"].to_numpy(), expected)


def test_every_row_says_on_what_it_stands(contrasts: pl.DataFrame) -> None:
    within = row_of(contrasts, "omitted - presented", VIP, "familiar")
    assert (within["mouse_count"], within["cell_count"], within["event_count"]) == (6, 30, 6 * 70)
    # A cell keeps its unit_id from one exposure to the other.
    exposures = row_of(contrasts, "novel - familiar", VIP, "all")
    assert (exposures["mouse_count"], exposures["cell_count"], exposures["event_count"]) == (6, 30, 12 * 70)
    between = row_of(contrasts, "between cre lines", f"{SST} - {VIP}", "novel")
    assert (between["mouse_count"], between["cell_count"], between["event_count"]) == (12, 60, 12 * 70)


def test_cells_with_one_condition_are_left_out_and_counted(features: pl.DataFrame) -> None:
    lone = (pl.col("session_id") == f"{VIP}-0-familiar") & (pl.col("unit_id") == 0) & (pl.col("condition") == "omitted")
    familiar = features.filter(cre_line=VIP, exposure_level="familiar")
    found, _ = contrasts_of(familiar.with_columns(peak_dff=pl.when(lone).then(None).otherwise("peak_dff")))
    row = row_of(found, "omitted - presented", VIP, "familiar")
    assert (row["cell_count"], row["excluded_cell_count"]) == (29, 1)


def test_mixed_models_agree_with_the_contrasts_where_mice_have_equally_many_cells(
    part: StudyPart, contrasts: pl.DataFrame
) -> None:
    mixed = pl.from_arrow(MIXED_EFFECTS.rows(part.rows[MIXED_EFFECTS]))
    assert mixed.select("measure", "term").is_unique().all()
    assert len(mixed) == 2 * 4 * 6
    assert set(mixed["protocol"]) == {"rigorous"}
    for line, exposure in EFFECT_DFF:
        row = mixed.filter(measure="peak_dff", term=f"omitted in {line}, {exposure}").row(0, named=True)
        contrast = row_of(contrasts, "omitted - presented", line, exposure)
        assert row["estimate"] == pytest.approx(contrast["difference"], rel=1e-6)
        assert row["dof"] == 5
        assert (row["row_count"], row["group_count"], row["mouse_count"], row["cell_count"]) == (60, 6, 6, 30)
    variances = mixed.filter(pl.col("term").str.starts_with("variance"))
    assert len(variances) == 2 * 4 * 4
    assert variances["p"].null_count() == len(variances)


def test_what_the_rows_dont_allow_is_noted_with_its_reason(features: pl.DataFrame) -> None:
    few = features.filter(cre_line=VIP, exposure_level="familiar").filter(pl.col("mouse_id") <= f"{VIP}-3")
    part = mouse_effects(few, "study", MEASURES)
    assert len(part.rows[CONTRASTS]) == 3
    measures = ", ".join(MEASURES)
    assert f"novel - familiar, {VIP} of {measures}: no cells of {VIP}, novel" in part.notes
    assert f"between cre lines of {measures}: needs two, got {VIP}" in part.notes
    assert (
        "4 mice are too few for sign flips to reach p < .05, and for a bootstrap interval"
        f" (omitted - presented in {VIP}, familiar)"
    ) in part.notes
    contrasts = pl.from_arrow(CONTRASTS.rows(part.rows[CONTRASTS]))
    assert contrasts["bootstrap_low"].null_count() == 3


def test_a_caution_is_said_once_for_all_groups(features: pl.DataFrame) -> None:
    few = features.filter(cre_line=VIP).filter(pl.col("mouse_id") <= f"{VIP}-3")
    cautions = [note for note in mouse_effects(few, "study", MEASURES).notes if "too few for sign flips" in note]
    assert len(cautions) == 1
    assert cautions[0].endswith(f"(omitted - presented in {VIP}, familiar and {VIP}, novel; novel - familiar in {VIP})")


def test_a_single_mouse_gives_no_rows_but_notes(features: pl.DataFrame) -> None:
    part = mouse_effects(features.filter(mouse_id=f"{VIP}-0"), "study", MEASURES)
    assert part.rows == {}
    assert any("at least 2 with cells in both conditions, got 1" in note for note in part.notes)
    assert any("at least 3 with cells in both conditions, got 1" in note for note in part.notes)


def test_rows_without_a_mouse_are_left_out_and_counted(features: pl.DataFrame) -> None:
    nameless = features.filter(cre_line=SST, exposure_level="familiar").with_columns(
        mouse_id=pl.when(pl.col("mouse_id") == f"{SST}-0").then(None).otherwise("mouse_id")
    )
    found, notes = contrasts_of(nameless)
    assert row_of(found, "omitted - presented", SST, "familiar")["mouse_count"] == 5
    assert any("10 rows without a mouse" in note for note in notes)


def test_a_measure_without_any_difference_has_a_contrast_without_p(features: pl.DataFrame) -> None:
    found, notes = contrasts_of(features.with_columns(peak_latency_s=pl.lit(0.5), peak_dff=pl.lit(0.1)))
    still = found.filter(measure="peak_latency_s")
    assert still["p"].null_count() == still["p_holm"].null_count() == 8
    assert still["p_permutation"].to_list() == [1.0] * 8
    assert any("values must differ" in note for note in notes)


def test_on_the_real_table_vip_cells_answer_familiar_omissions_more_and_sst_cells_less() -> None:
    if not TABLE.is_file():
        pytest.skip(f"the study's table is not on this machine: {TABLE}")
    table = pd.read_csv(TABLE)
    table = table.rename(columns=dict(zip(table.columns[5:], FEATURES, strict=True)))
    real = pl.from_pandas(table).select(
        pl.format("{}-{}", "mouse_id", "exposure_level").alias("session_id"),
        pl.col("cell_specimen_id").alias("unit_id"),
        pl.col("mouse_id").cast(pl.String),
        "cre_line",
        "exposure_level",
        pl.when("omitted").then(pl.lit("omitted")).otherwise(pl.lit("presented")).alias("condition"),
        pl.lit(None, dtype=pl.Int64).alias("event_count"),
        *MEASURES,
    )
    found, _ = contrasts_of(real)
    counts = found.filter(measure="peak_dff", contrast="omitted - presented").sort("cre_line", "exposure_level")
    assert counts["mouse_count"].to_list() == [7, 4, 6, 5]
    assert counts["cell_count"].to_list() == [96, 42, 99, 83]
    vip, sst = (row_of(found, "omitted - presented", line, "familiar") for line in (VIP, SST))
    assert (vip["difference"], vip["t"], vip["dof"]) == pytest.approx((0.0617, 3.926, 5), abs=5e-4)
    assert (sst["difference"], sst["t"], sst["dof"]) == pytest.approx((-0.0274, -5.613, 6), abs=5e-4)
    assert sst["p_permutation"] == 2 / 128
    between = row_of(found, "between cre lines", f"{SST} - {VIP}", "familiar")
    assert between["mouse_count"] == 13
    assert between["p_holm"] < 0.05
