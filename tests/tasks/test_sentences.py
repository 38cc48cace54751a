import polars as pl
import pytest

from storage.tables import ANOVA, CONTRASTS
from tasks.sentences import (
    cre_name,
    decimals_for,
    findings,
    fixed,
    found_lines,
    majority_share,
    measure_name,
    measure_unit,
    p_text,
    summary_lines,
)

STUDY = {"study_id": "omission-1", "protocol": "rigorous"}
FOUND = {
    "study_id": "omission-1", "measure": "peak_dff", "cre_line": "Vip-IRES-Cre", "exposure_level": "familiar",
    "difference": 0.0413, "ci_low": 0.0181, "ci_high": 0.0662, "t": 4.53, "dof": 6, "p": 0.001, "p_holm": 0.0043,
    "p_sign_flip": 0.016, "mouse_count": 7, "cell_count": 61, "excluded_cell_count": 0,
}  # fmt: skip
RESIDUAL = {
    "study_id": "omission-1", "measure": "peak_dff", "term": "residual", "sum_sq": 1.0, "dof": 472.0, "f": None,
    "p": None, "cell_count": 240, "mouse_count": 13,
}  # fmt: skip
XGB = {
    "protocol": "rigorous", "decoder": "XGB", "lomo_accuracy": 0.714, "test_accuracy": 0.69, "test_f1": 0.7,
    "test_roc_auc": 0.75, "fold_count": 13,
}  # fmt: skip
SESSIONS = pl.DataFrame(
    {
        "project": ["vb"],
        "cre_line": ["Vip-IRES-Cre"],
        "exposure_level": ["familiar"],
        "session_count": [7],
        "mouse_count": [7],
        "unit_count": [61],
    }
)


def contrasts(*changes: dict) -> pl.DataFrame:
    return pl.from_arrow(CONTRASTS.rows([FOUND | change for change in changes])) if changes else NO_CONTRASTS


def decoders(*changes: dict) -> pl.DataFrame:
    return pl.DataFrame([XGB | change for change in changes], infer_schema_length=None)


NO_CONTRASTS = pl.from_arrow(CONTRASTS.rows([FOUND])).clear()
NO_ANOVA = pl.from_arrow(ANOVA.rows([RESIDUAL])).clear()
NO_DECODERS = decoders({}).clear()


def sentences(found: pl.DataFrame, sessions: pl.DataFrame = SESSIONS) -> list[str]:
    return findings(found, NO_ANOVA, NO_DECODERS, STUDY, sessions)


def test_a_difference_is_said_with_interval_mice_cells_and_corrected_p():
    assert sentences(contrasts({})) == [
        "VIP cells, familiar sets: omission minus presentation +0.041 dF/F peak (95 % CI 0.018 to 0.066 over 7 mice,"
        " 61 cells; t(6) = 4.5, p = .004 Holm-corrected)."
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"difference": 0.0371}, "+0.037 dF/F"),
        ({"ci_low": 0.0111}, "CI 0.011 to 0.066"),
        ({"mouse_count": 9}, "over 9 mice"),
        ({"cell_count": 1204}, "1,204 cells"),
        ({"t": 5.02}, "t(6) = 5.0"),
        ({"p_holm": 0.0001}, "p < .001 Holm-corrected"),
        ({"measure": "peak_latency_s"}, "+0.041 s peak latency"),
    ],
)
def test_each_number_comes_from_the_row(change, said):
    assert said not in sentences(contrasts({}))[0]
    assert said in sentences(contrasts(change))[0]


def test_without_significance_no_difference_was_found_and_no_effect_is_never_said():
    (sentence,) = sentences(contrasts({"p": 0.2, "p_holm": 0.31, "ci_low": -0.01}))
    assert "no difference found in peak" in sentence
    assert "7 mice" in sentence
    assert "p = .31" in sentence
    assert "no effect" not in sentence
    assert "before correction" not in sentence


def test_an_interval_beside_zero_that_correction_undid_is_explained():
    (sentence,) = sentences(contrasts({"p": 0.016, "p_holm": 0.18}))
    assert "no difference found" in sentence
    assert "p = .18 Holm-corrected, p = .016 before correction" in sentence


def test_fewer_than_five_mice_carry_little():
    assert "With only 4 mice, this carries little." in sentences(contrasts({"mouse_count": 4}))[0]
    assert "carries little" not in sentences(contrasts({"mouse_count": 5}))[0]


def test_a_contrast_that_could_not_be_tested_has_no_p():
    (sentence,) = sentences(contrasts({"t": None, "p": None, "p_holm": None, "ci_low": 0.0413, "ci_high": 0.0413}))
    assert "no difference found" in sentence
    assert "t undefined, no p value" in sentence


def test_groups_with_sessions_but_no_contrast_are_named_with_their_n():
    one_mouse = SESSIONS.with_columns(
        cre_line=pl.lit("Sst-IRES-Cre"), mouse_count=pl.lit(1, pl.Int64), unit_count=pl.lit(1, pl.Int64)
    )
    said = sentences(contrasts({}), pl.concat([SESSIONS, one_mouse]))
    assert said[1].startswith("SST cells, familiar sets: not tested (1 mouse, 1 cell)")
    unknown = SESSIONS.with_columns(cre_line=pl.lit(None, pl.String), exposure_level=pl.lit(None, pl.String))
    assert sentences(NO_CONTRASTS, unknown)[0].startswith("Cells without a cre line, exposure not given: not tested")
    assert sentences(NO_CONTRASTS, SESSIONS.clear()) == ["No session of this project is in the lake."]


def test_other_measures_have_one_sentence_each():
    latency = {"measure": "peak_latency_s", "difference": -0.12, "ci_low": -0.2, "ci_high": -0.04}
    said = sentences(
        contrasts(latency | {"exposure_level": "novel", "p_holm": 0.5}, latency, {}, {"exposure_level": "novel"})
    )
    assert [sentence.split(":")[0] for sentence in said] == [
        "VIP cells, familiar sets", "VIP cells, novel sets", "Peak latency",
    ]  # fmt: skip
    assert "VIP cells, familiar sets (-0.120 s over 7 mice, p = .004 Holm-corrected)" in said[2]
    assert "no difference found in 1 other group." in said[2]
    none = sentences(contrasts({}, latency | {"p_holm": 0.5}))[1]
    assert none == "Peak latency: no difference found in 1 group of cells, over 7 mice."


def test_the_decoder_sentence_names_the_best_of_the_protocol_with_chance_and_folds():
    several = decoders({}, {"decoder": "LR", "lomo_accuracy": 0.6}, {"protocol": "published", "lomo_accuracy": 0.95})
    ours, theirs = findings(NO_CONTRASTS, NO_ANOVA, several, STUDY, SESSIONS)[1:]
    assert "rigorous protocol: XGB tells omissions from presentations with 71 % accuracy" in ours
    assert "(13 folds; chance 50 %); 69 % on the mice held out for the test" in ours
    assert "best of 2 decoders" in ours
    assert "published protocol (for comparison): XGB" in theirs
    assert "95 % accuracy" in theirs
    assert "one mouse's cells stand on both sides" in theirs


def test_the_decoder_is_held_against_the_commoner_condition():
    said = findings(NO_CONTRASTS, NO_ANOVA, decoders({}), STUDY, SESSIONS, majority=0.72)[-1]
    assert "the commoner condition's share is 72 %, not exceeded" in said
    predictions = pl.DataFrame(
        {
            "protocol": "rigorous",
            "decoder": ["LR"] * 4 + ["RF"] * 4,
            "scheme": "leave_one_mouse_out",
            "session_id": "s",
            "unit_id": [1, 2, 3, 1] * 2,
            "condition": ["presented", "presented", "presented", "omitted"] * 2,
        }
    )
    assert majority_share(predictions, "rigorous") == 0.75
    assert majority_share(predictions, "published") is None


def test_the_anova_sentence_draws_no_conclusion():
    terms = [
        {"term": "omitted", "dof": 1.0, "f": 9.0, "p": 0.003},
        {"term": "cre_line", "dof": 1.0, "f": 1.0, "p": 0.3},
    ]
    anova = pl.from_arrow(ANOVA.rows([RESIDUAL | term for term in terms] + [RESIDUAL]))
    said = findings(NO_CONTRASTS, anova, NO_DECODERS, STUDY, SESSIONS)[-1]
    assert "1 of 2 terms at p < .05" in said
    assert "240 cells as independent (472 residual degrees of freedom) while they share 13 mice" in said
    assert "too small, and no conclusion is drawn from it" in said


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0004, "< .001"),
        (0.0123, ".012"),
        (0.31, ".31"),
        (1.0, "1.00"),
        (0.0496, ".0496"),
        (0.05, ".050"),
        (None, "-"),
    ],
)
def test_p_values(p, text):
    assert p_text(p) == text


def test_numbers_have_two_digits_of_their_interval_and_no_more():
    assert [decimals_for(spread) for spread in (0.024, 0.3, 12.0, 250.0, 0.0, None)] == [3, 2, 0, 0, 3, 3]
    assert fixed(-0.0001, 2) == "0.00"
    assert fixed(0.04, 2, "+") == "+0.04"


def test_names_and_units():
    assert [cre_name(line) for line in ("Vip-IRES-Cre", "Sst-IRES-Cre", "Slc17a7-IRES2-Cre")] == [
        "VIP", "SST", "Slc17a7-IRES2-Cre",
    ]  # fmt: skip
    assert (measure_name("peak_latency_s"), measure_unit("peak_latency_s")) == ("peak latency", "s")
    assert (measure_name("skewness"), measure_unit("skewness")) == ("skewness", "")


def test_terminal_lines_are_two_to_four():
    groups = [
        {"cre_line": line, "exposure_level": level}
        for line in ("Sst-IRES-Cre", "Vip-IRES-Cre", "Pvalb-IRES-Cre", "Slc17a7-IRES2-Cre")
        for level in ("familiar", "novel")
    ]
    lines = found_lines(contrasts(*groups), decoders({}), STUDY)
    assert len(lines) == 4
    assert lines[0] == (
        "VIP cells, omitted minus presented: familiar +0.041 dF/F peak (0.018 to 0.066, 7 mice, p = .004);"
        " novel +0.041 dF/F peak (0.018 to 0.066, 7 mice, p = .004)"
    )
    assert lines[3] == "decoder XGB: 71 % on left-out mice (13 folds, chance 50 %), 69 % on test rows"
    few = found_lines(contrasts({"mouse_count": 3, "p_holm": 0.4}), NO_DECODERS, STUDY)
    assert few == ["VIP cells, omitted minus presented: familiar no difference found (only 3 mice, p = .40)"]


def test_the_night_ends_with_what_to_do_next():
    assert summary_lines(3, [("plane0", "time runs backwards at frame 8,114")], ["found"], ["reports/a.html"]) == [
        "3 sessions in, 1 rejected (plane0: time runs backwards at frame 8,114; see recorded.rejected)",
        "found",
        "report   reports/a.html",
        "ask      make sql",
        "models   make models",
        "prefect  make prefect",
    ]
    assert summary_lines(1, [])[:2] == ["1 session in, none rejected", "ask      make sql"]


def test_many_refusals_are_cut_short_and_cannot_move_the_cursor():
    lines = summary_lines(0, [("a\x1b[2Jb\n", "c")] * 5)
    assert lines[0] == "0 sessions in, 5 rejected (see recorded.rejected)"
    assert lines[1:5] == ["  a [2Jb : c"] * 3 + ["  and 2 more"]
