import polars as pl
import pytest

from storage.tables import DECODER_TESTS, TIME_DECODING
from tasks.sentences_decoding import (
    best_decoder,
    decoder_sentences,
    first_cluster,
    labels_of,
    majority_share,
    task_name,
    time_sentences,
)
from tests.tasks.planted_study import STUDY

XGB = {
    "protocol": "rigorous", "target": "condition", "decoder": "XGB", "lomo_accuracy": 0.714, "test_accuracy": 0.69,
    "fold_count": 13,
}  # fmt: skip
TEST = {
    "study_id": STUDY, "protocol": "rigorous", "target": "condition", "decoder": "XGB", "accuracy": 0.714,
    "ci_low": 0.66, "ci_high": 0.77, "p_permutation": 0.004, "permutation_count": 499, "mouse_count": 13,
    "row_count": 640,
}  # fmt: skip
NO_TESTS = pl.from_arrow(DECODER_TESTS.rows([TEST])).clear()
PREDICTIONS = pl.DataFrame(
    {
        "protocol": "rigorous",
        "target": "condition",
        "decoder": ["LR"] * 4 + ["RF"] * 4,
        "scheme": "leave_one_mouse_out",
        "session_id": "s",
        "unit_id": [1, 2, 3, 1] * 2,
        "condition": ["presented", "presented", "presented", "omitted"] * 2,
        "truth": ["presented", "presented", "presented", "omitted"] * 2,
    }
)
EVEN = PREDICTIONS.filter(pl.col("unit_id") == 1)


def decoders(*changes: dict) -> pl.DataFrame:
    return pl.DataFrame([XGB | change for change in changes], infer_schema_length=None)


def course(**changes: object) -> list[dict]:
    """AUC .5, from 0.2 to 0.4 s .6, .7, .65: a cluster of p .002."""
    rows = []
    for time_s, auc in zip((-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.65), strict=True):
        inside = auc > 0.5
        rows.append(
            {"study_id": STUDY, "protocol": "rigorous", "level": "single_trial", "decoder": "logistic",
             "cre_line": "Vip-IRES-Cre", "exposure_level": "familiar", "time_s": time_s, "auc": auc, "accuracy": 0.5,
             "chance_accuracy": 0.5, "cluster": 0 if inside else None, "p_cluster": 0.002 if inside else None,
             "permutation_count": 499, "fold_count": 7, "row_count": 9600, "mouse_count": 7} | changes
        )  # fmt: skip
    return rows


def time_rows(*rows: dict) -> pl.DataFrame:
    return pl.from_arrow(TIME_DECODING.rows(list(rows)))


def test_the_decoder_sentence_names_the_best_of_the_protocol_with_interval_chance_p_and_folds():
    several = decoders(
        {}, {"decoder": "LR", "lomo_accuracy": 0.6}, {"decoder": "dummy", "lomo_accuracy": 0.9},
        {"protocol": "published", "lomo_accuracy": 0.95},
    )  # fmt: skip
    tests = pl.from_arrow(DECODER_TESTS.rows([TEST]))
    ours, theirs = decoder_sentences(several, tests, EVEN, "rigorous")
    assert ours == (
        "Decoding, rigorous protocol: XGB tells omissions from presentations with 71 % accuracy, leaving one mouse out"
        " (13 folds, 95 % CI 66 % to 77 % over mice; chance 50 %, p = .004 by 499 permutations); 69 % on the mice held"
        " out for the test. It is the best of 2 decoders on these folds, which flatters it a little."
    )
    assert "published protocol (for comparison): XGB" in theirs
    assert "95 % accuracy" in theirs
    assert "one mouse's cells stand on both sides" in theirs


def test_a_decoder_that_permutation_does_not_tell_from_chance_is_said_to_be_so():
    tests = pl.from_arrow(DECODER_TESTS.rows([TEST | {"p_permutation": 0.2}]))
    (sentence,) = decoder_sentences(decoders({}), tests, EVEN, "rigorous")
    assert "which it is not shown to exceed, p = .20 by 499 permutations" in sentence


def test_the_registered_decoder_was_chosen_on_other_mice():
    both = decoders({}, {"decoder": "LR", "lomo_accuracy": 0.6})
    (sentence,) = decoder_sentences(both, NO_TESTS, EVEN, "rigorous", registered="LR")
    assert "LR tells" in sentence
    assert "chosen on the other mice alone" in sentence


def test_few_left_out_mice_carry_little():
    (sentence,) = decoder_sentences(decoders({"fold_count": 3}), NO_TESTS, EVEN, "rigorous")
    assert sentence.endswith("With only 3 mice, this carries little.")


def test_the_decoder_is_held_against_the_commoner_answer():
    assert majority_share(PREDICTIONS, "rigorous") == 0.75
    assert majority_share(PREDICTIONS, "published") is None
    (sentence,) = decoder_sentences(decoders({}), NO_TESTS, PREDICTIONS, "rigorous")
    assert "the commoner answer's share is 75 %, not exceeded" in sentence


def test_cell_types_are_a_task_of_their_own():
    lines = PREDICTIONS.with_columns(target=pl.lit("cre_line"), truth=pl.Series(["Vip-IRES-Cre", "Sst-IRES-Cre"] * 4))
    (sentence,) = decoder_sentences(decoders({"target": "cre_line"}), NO_TESTS, lines, "rigorous", registered="LR")
    assert "XGB tells VIP from SST cells with 71 % accuracy" in sentence
    assert labels_of(lines, "cre_line") == ("Sst-IRES-Cre", "Vip-IRES-Cre")
    assert task_name("cre_line", lines.clear()) == "cre lines apart"


def test_no_decoder_has_no_sentence():
    none = decoders({}).clear()
    assert best_decoder(none, "rigorous", "condition") is None
    assert list(decoder_sentences(none, NO_TESTS, EVEN, "rigorous")) == []


def test_a_time_course_says_from_when_on_with_peak_and_means():
    (sentence,) = time_sentences(time_rows(*course()))
    assert sentence == (
        "VIP cells, familiar sets: single responses of single cells tell omissions from presentations from 0.20 s on"
        " (first cluster 0.20 to 0.40 s, p = .002; AUC 0.70 at its highest, 0.30 s from onset; 0.50 on average before"
        " onset and 0.59 after; 7 mice, 9,600 rows)."
    )


def test_of_two_clusters_the_first_significant_one_counts():
    early = [row | {"cluster": 1, "p_cluster": 0.3, "auc": 0.55} if row["time_s"] == 0.0 else row for row in course()]
    assert first_cluster(time_rows(*early)) == (pytest.approx(0.2), pytest.approx(0.4), 0.002)


def test_a_cluster_before_onset_is_remarked_on():
    early = [row | {"cluster": 0, "p_cluster": 0.002} if row["time_s"] >= -0.1 else row for row in course()]
    (sentence,) = time_sentences(time_rows(*early))
    assert "from -0.10 s on" in sentence
    assert "begins before the onset" in sentence


def test_without_a_cluster_no_time_was_found_and_without_permutations_nothing_was_tested():
    (none,) = time_sentences(time_rows(*course(cluster=None, p_cluster=None, mouse_count=3)))
    assert "no time found at which single responses of single cells tell" in none
    assert none.endswith("With only 3 mice, this carries little.")
    (untested,) = time_sentences(time_rows(*course(cluster=None, p_cluster=None, permutation_count=0)))
    assert "without a test against chance" in untested


def test_groups_without_a_time_share_a_sentence_after_those_with_one():
    nothing = {"cluster": None, "p_cluster": None, "exposure_level": "novel", "permutation_count": 499}
    one = course(**nothing, mouse_count=3, row_count=900)
    other = course(**nothing, cre_line="Sst-IRES-Cre", auc=0.55)
    first, together = time_sentences(time_rows(*one, *other, *course()))
    assert "from 0.20 s on" in first
    assert "in 2 groups (VIP novel, SST novel: AUC 0.55 to 0.70 at its highest;" in together
    assert "3 to 7 mice and 900 to 9,600 rows each). With only 3 mice, this carries little." in together


def test_conclusions_on_time_come_from_the_rigorous_protocol_alone():
    assert list(time_sentences(time_rows(*course(protocol="published")))) == []
    both = time_rows(*course(), *course(level="population", exposure_level="novel"))
    assert ["single cells" in sentence for sentence in time_sentences(both)] == [True, False]
