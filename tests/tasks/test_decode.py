"""Decoders of a study, from feature rows to the rows of every table: on mice with a planted effect."""

import json
import warnings

import numpy as np
import polars as pl
import pytest

from models.decoders import CLASSIFIERS, decoder_of
from models.response_features import FEATURES
from models.tuned_decoders import RECIPES
from storage.tables import DECODER_SCORES, DECODER_TESTS, FEATURE_IMPORTANCE, PREDICTIONS, SPLITS
from tasks.decode import PARTS, accuracy_on_same_folds, decode_study, fit_chosen
from tasks.decoder_design import design
from tasks.second_notebook import second_notebook

SEVEN = ["LR", "DT", "RF", "SVM", "KNN", "GB", "XGB"]
LINES = ("Sst-IRES-Cre", "Vip-IRES-Cre")


def feature_rows(n_mice: int = 6, n_cells: int = 4, names: str = "48673{}", seed: int = 2) -> pl.DataFrame:
    """Omissions raise the peak, and in Vip mice delay it; each mouse has levels of its own."""
    rng = np.random.default_rng(seed)
    rows = []
    for mouse in range(n_mice):
        level = rng.normal(0, 0.1, len(FEATURES))
        for exposure in ("familiar", "novel"):
            for cell in range(n_cells):
                for condition in ("presented", "omitted"):
                    values = dict(zip(FEATURES, level + rng.normal(0, 0.5, len(FEATURES)), strict=True))
                    values["peak_dff"] += 3.0 * (condition == "omitted")
                    values["peak_latency_s"] += 3.0 * (mouse % 2)
                    rows.append(
                        {"session_id": f"s{mouse}-{exposure}", "unit_id": 100 * mouse + cell}
                        | {"mouse_id": names.format(mouse), "cre_line": LINES[mouse % 2], "exposure_level": exposure}
                        | {"condition": condition, "event_count": 20}
                        | values
                    )
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def studied():
    called: list[str] = []
    part, decodings = decode_study(feature_rows(), "study", called.append)
    tables = {table: pl.from_arrow(table.rows(rows)) for table, rows in part.rows.items()}
    return tables, decodings, part.notes, called


def test_every_table_has_rows_that_its_key_tells_apart(studied):
    tables, _, notes, called = studied
    assert set(tables) == {DECODER_SCORES, DECODER_TESTS, FEATURE_IMPORTANCE, SPLITS, PREDICTIONS}
    assert all(not frame.select(table.key).is_duplicated().any() for table, frame in tables.items())
    assert notes == ()
    assert len(called) == PARTS
    assert set(called) == set(CLASSIFIERS)


def test_all_classifiers_are_scored_for_both_targets_under_both_protocols(studied):
    scores = studied[0][DECODER_SCORES].filter(pl.col("scheme") != "notebook_2")
    found = scores.group_by("protocol", "target", "scheme").agg(pl.col("decoder").unique(), pl.len())
    by_group = {(row["protocol"], row["target"], row["scheme"]): row for row in found.to_dicts()}
    assert all(set(row["decoder"]) == set(CLASSIFIERS) for row in by_group.values())
    for target in ("condition", "cre_line"):
        for protocol in ("published", "rigorous"):
            assert by_group[protocol, target, "leave_one_mouse_out"]["len"] == 8 * 6
            assert by_group[protocol, target, "test"]["len"] == 8
        assert by_group["rigorous", target, "selection"]["len"] == 8 * 4
    assert len(by_group) == 10


def test_the_second_notebook_has_its_seven(studied):
    tables = studied[0]
    scores = tables[DECODER_SCORES].filter(scheme="notebook_2")
    assert scores["decoder"].to_list() == SEVEN
    assert set(scores["protocol"]) == {"published"}
    assert scores["test_count"].unique().to_list() == [20]  # a fifth of 96
    assert len(tables[PREDICTIONS].filter(scheme="notebook_2")) == 7 * 20


def test_planted_effects_are_found_and_the_dummy_finds_none(studied):
    tests = studied[0][DECODER_TESTS].filter(protocol="rigorous")
    of_condition = tests.filter(target="condition")
    assert of_condition.filter(decoder="dummy")["accuracy"].item() == 0.5
    assert (of_condition.filter(pl.col("decoder") != "dummy")["accuracy"] > 0.75).all()
    lr = of_condition.row(by_predicate=pl.col("decoder") == "LR", named=True)
    assert (lr["p_permutation"], lr["permutation_count"]) == (1 / 32, 31)
    with_interval = tests.drop_nulls("ci_low")
    assert len(with_interval) > 8
    assert (with_interval["ci_low"] <= with_interval["accuracy"]).all()
    assert (with_interval["accuracy"] <= with_interval["ci_high"]).all()
    assert "against chance with C=1.0" in lr["notes"]
    assert "all exchanges of labels by whole mice" in lr["notes"]
    of_line = tests.filter(target="cre_line").row(by_predicate=pl.col("decoder") == "LR", named=True)
    assert of_line["accuracy"] > 0.85
    assert (of_line["p_permutation"], of_line["permutation_count"]) == (2 / 20, 19)
    assert of_line["chance_accuracy"] < 0.5


def test_what_a_row_lacks_its_notes_say(studied):
    tests = studied[0][DECODER_TESTS]
    for row in tests.to_dicts():
        permuted = row["p_permutation"] is not None
        assert permuted == (row["permutation_count"] > 0)
        assert permuted != ("against chance: only" in row["notes"] or "does not test against chance" in row["notes"])
        calibrated = row["calibration_slope"] is not None
        assert calibrated != ("no calibration" in row["notes"])
        assert (row["ci_low"] is None) == ("no interval" in row["notes"])
    assert (tests.filter(decoder="SVM")["notes"].str.contains("gives no probabilities")).all()
    assert tests.filter(protocol="published")["permutation_count"].sum() == 0


def test_tuned_parameters_are_points_of_the_grid(studied):
    scores = studied[0][DECODER_SCORES]
    assert scores.filter(protocol="published")["tuned"].null_count() == len(scores.filter(protocol="published"))
    for row in scores.filter(protocol="rigorous").to_dicts():
        assert json.loads(row["tuned"]) in [dict(point) for point in RECIPES[row["decoder"]].grid]


def test_importance_names_the_planted_features(studied):
    importance = studied[0][FEATURE_IMPORTANCE].filter(protocol="rigorous")
    for target, planted in (("condition", "peak_dff"), ("cre_line", "peak_latency_s")):
        found = importance.filter(target=target).sort("importance", descending=True)
        assert found["feature"][0] == planted
        assert found["importance"][0] > 0.2
        assert found["decoder"].n_unique() == 1
        assert target not in found["feature"].to_list()
        assert not {"unit_id", "mouse_id"} & set(found["feature"])


def test_stored_splits_are_those_of_the_predictions_and_rigorous_ones_part_mice(studied):
    tables = studied[0]
    splits = tables[SPLITS]
    sides = splits.filter(protocol="rigorous").group_by("target", "scheme", "fold", "subject_id").agg(pl.col("side"))
    assert (sides["side"].list.len() == 1).all()
    random = splits.filter(protocol="published", scheme="test", target="condition")
    assert random.group_by("subject_id").agg(pl.len())["len"].max() == 2
    tested = splits.filter(side="test").group_by("protocol", "target", "scheme", "fold").agg(pl.col("row_count").sum())
    counts = tables[DECODER_SCORES].filter(decoder="LR").join(tested, on=["protocol", "target", "scheme", "fold"])
    assert len(counts) == len(tables[DECODER_SCORES].filter(decoder="LR"))
    assert (counts["test_count"] == counts["row_count"]).all()


def test_predictions_give_back_the_scores(studied):
    tables = studied[0]
    right = (pl.col("truth") == pl.col("predicted")).mean().alias("share")
    by = ["protocol", "target", "decoder", "scheme", "fold"]
    found = tables[PREDICTIONS].group_by(by).agg(right, pl.len()).join(tables[DECODER_SCORES], on=by)
    assert len(found) == len(tables[DECODER_SCORES].filter(pl.col("scheme") != "selection"))
    assert (found["share"] - found["accuracy"]).abs().max() < 1e-12
    assert (found["len"] == found["test_count"]).all()
    truths = tables[PREDICTIONS].filter(target="cre_line")["truth"].unique().sort().to_list()
    assert truths == list(LINES)


def test_the_choice_takes_no_part_of_the_mice_that_test_it(studied):
    _, decodings, _, _ = studied
    rigorous = decodings["rigorous"]
    by_selection = {name: np.mean(rigorous.accuracies(name, "selection")) for name in SEVEN}
    assert by_selection[rigorous.chosen] == max(by_selection.values())
    selected = {row["fold"] for row in rigorous.scores if row["scheme"] == "selection"}
    tested = {row["session_id"] for row in rigorous.predictions if row["scheme"] == "test"}
    assert not {f"s{fold[-1]}-familiar" for fold in selected} & tested


def test_the_chosen_decoder_is_fitted_on_all_and_equals_itself_on_the_same_folds(studied):
    _, decodings, _, _ = studied
    for decoding in decodings.values():
        fitted = fit_chosen(decoding)
        assert fitted.score(decoding.design.X, decoding.design.y) > 0.9
        expected = np.mean(decoding.accuracies(decoding.chosen, "leave_one_mouse_out"))
        assert accuracy_on_same_folds(fitted, decoding.design) == pytest.approx(expected, abs=1e-12)


def test_mice_with_names_are_decoded_by_the_second_notebook_alone_of_the_published_two():
    named = feature_rows(n_mice=3, n_cells=3, names="vip-{}")
    with pytest.raises(ValueError, match="these mice have names"):
        design(named, "published")
    assert len(second_notebook(named, "study").rows[DECODER_SCORES]) == 7
    assert design(named, "published", "cre_line").columns == (*FEATURES, "exposure_level", "condition")


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (feature_rows(n_mice=1), "one mouse"),
        (feature_rows(n_mice=2).filter(pl.col("condition") == "omitted"), "condition, rigorous"),
        (feature_rows().clear(), "no row has every feature"),
        (feature_rows().with_columns(peak_dff=pl.lit(float("inf"))), "finite"),
        (feature_rows().filter(pl.col("cre_line") == LINES[0]).head(16), "two cre lines"),
    ],
)
def test_rows_that_no_decoder_learns_from_are_noted(features, said):
    called: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        part, _ = decode_study(features, "study", called.append)
    assert any(said in note for note in part.notes)
    assert len(called) == PARTS


def test_a_feature_that_names_the_mouse_tells_nothing_of_shuffled_conditions():
    """Shuffled within each mouse, so that a mouse's own share of omissions can't be guessed by."""
    features = feature_rows(n_mice=8, n_cells=6, seed=5)
    mouse_id = features["mouse_id"].to_numpy()
    order = np.lexsort((np.random.default_rng(6).random(len(features)), mouse_id))  # rows of each mouse stay together
    shuffled = features.with_columns(
        condition=features["condition"].gather(order),
        decay_time_s=pl.col("mouse_id").cast(pl.Float64),
        rise_time_s=pl.col("unit_id").cast(pl.Float64),
    )
    rigorous = design(shuffled, "rigorous")
    assert not {"unit_id", "mouse_id"} & set(rigorous.columns)
    for name in ("LR", "DT", "KNN"):
        decoder = decoder_of(RECIPES[name].unfitted(), rigorous.columns, rigorous.categorical)
        assert accuracy_on_same_folds(decoder, rigorous) == pytest.approx(0.5, abs=0.12)  # 192 rows: s.d. 0.036
