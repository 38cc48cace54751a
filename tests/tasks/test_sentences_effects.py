import polars as pl
import pytest

from storage.tables import ANOVA, CONTRASTS, GROUP_TESTS, MIXED_EFFECTS
from tasks.sentences_effects import mixed_sentences, novelty_sentences, omission_sentences, published_sentences
from tests.tasks.planted_study import STUDY, contrast

SESSIONS = pl.DataFrame(
    {"mouse_id": ["m1"], "cre_line": ["Vip-IRES-Cre"], "exposure_level": ["familiar"], "unit_count": [61]}
)
COUNTS = {"cell_count": 240, "mouse_count": 13}
TERM = {"study_id": STUDY, "measure": "peak_dff", "term": "omitted", "sum_sq": 1.0, "dof": 1.0, "f": 9.0, "p": 0.003}
MIXED = {
    "study_id": STUDY, "protocol": "rigorous", "measure": "peak_dff", "model": "random slope per mouse",
    "term": "omitted in Vip-IRES-Cre, familiar", "estimate": 0.0352, "ci_low": 0.0195, "ci_high": 0.0509, "dof": 6.0,
    "p": 0.002, "log_likelihood": 1.0, "converged": True, "row_count": 640, "group_count": 13, **COUNTS,
}  # fmt: skip


def contrasts(*changes: dict) -> pl.DataFrame:
    rows = pl.from_arrow(CONTRASTS.rows([contrast(**change) for change in (changes or ({},))]))
    return rows if changes else rows.clear()


def said(*changes: dict, sessions: pl.DataFrame = SESSIONS) -> list[str]:
    return list(omission_sentences(contrasts(*changes), sessions))


def test_a_difference_is_said_with_interval_mice_cells_corrected_p_and_d():
    assert said({}) == [
        "VIP cells, familiar sets: omission minus presentation +0.041 dF/F peak (95 % CI 0.018 to 0.066 over 7 mice,"
        " 61 cells; t(6) = 4.5, p = .004 Holm-corrected; d = 1.7, 0.5 to 2.9)."
    ]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"difference": 0.0371}, "+0.037 dF/F"),
        ({"ci_low": 0.0111}, "CI 0.011 to 0.066"),
        ({"mouse_count": 9}, "over 9 mice"),
        ({"cell_count": 1204}, "1,204 cells"),
        ({"t": 5.02}, "t(6) = 5.0"),
        ({"p_holm": 0.0001}, "p < .001 Holm-corrected"),
        ({"measure": "peak_latency_s"}, "+0.041 s peak latency"),
        ({"cohens_d": 1.92}, "d = 1.9, 0.5 to 2.9"),
        ({"cohens_d_low": None, "cohens_d": 1.92}, "d = 1.9)"),
    ],
)
def test_each_number_comes_from_the_row(change, text):
    assert text not in said({})[0]
    assert text in said(change)[0]


def test_without_significance_no_difference_was_found_and_no_effect_is_never_said():
    (sentence,) = said({"p": 0.2, "p_holm": 0.31, "ci_low": -0.01})
    assert "no difference found in peak" in sentence
    assert "7 mice" in sentence
    assert "p = .31" in sentence
    assert "no effect" not in sentence
    assert "before correction" not in sentence


def test_an_interval_beside_zero_that_correction_undid_is_explained():
    (sentence,) = said({"p": 0.016, "p_holm": 0.18})
    assert "no difference found" in sentence
    assert "p = .18 Holm-corrected, p = .016 before correction" in sentence


def test_fewer_than_five_mice_carry_little():
    assert "With only 4 mice, this carries little." in said({"mouse_count": 4})[0]
    assert "carries little" not in said({"mouse_count": 5})[0]


def test_a_contrast_that_could_not_be_tested_has_no_p():
    (sentence,) = said({"t": None, "p": None, "p_holm": None, "ci_low": 0.0413, "ci_high": 0.0413, "cohens_d": None})
    assert "no difference found" in sentence
    assert "t undefined, no p value" in sentence
    assert "d =" not in sentence


def test_groups_with_sessions_but_no_contrast_are_named_with_their_n():
    one_mouse = SESSIONS.with_columns(cre_line=pl.lit("Sst-IRES-Cre"), unit_count=pl.lit(1, pl.Int64))
    assert said({}, sessions=pl.concat([SESSIONS, one_mouse]))[1].startswith(
        "SST cells, familiar sets: not tested (1 mouse, 1 cell)"
    )
    unknown = SESSIONS.with_columns(cre_line=pl.lit(None, pl.String), exposure_level=pl.lit(None, pl.String))
    assert said(sessions=unknown)[0].startswith("Cells without a cre line, exposure not given: not tested")
    assert said(sessions=SESSIONS.clear()) == ["No session of this project has responses to omissions."]


def test_other_measures_have_one_sentence_each():
    latency = {"measure": "peak_latency_s", "difference": -0.12, "ci_low": -0.2, "ci_high": -0.04}
    sentences = said(latency | {"exposure_level": "novel", "p_holm": 0.5}, latency, {}, {"exposure_level": "novel"})
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "VIP cells, familiar sets", "VIP cells, novel sets", "Peak latency",
    ]  # fmt: skip
    assert "VIP cells, familiar sets (-0.120 s over 7 mice, p = .004 Holm-corrected)" in sentences[2]
    assert "no difference found in 1 other group." in sentences[2]
    none = said({}, latency | {"p_holm": 0.5})[1]
    assert none == "Peak latency: no difference found in 1 group of cells, over 7 mice."
    area = {"measure": "auc_dff_s", "p_holm": 0.5, "mouse_count": 6}
    together = said({}, latency | {"p_holm": 0.5}, area)[1:]
    assert together == [
        "Peak latency and response area: no difference found in 1 group of cells, over 6 to 7 mice each."
    ]


def test_novelty_and_cell_type_are_not_mixed_up_with_omission():
    novelty = {"contrast": "novel - familiar", "exposure_level": "all", "difference": -0.02}
    lines = {"contrast": "between cre lines", "cre_line": "Sst-IRES-Cre - Vip-IRES-Cre", "dof": 9.34, "p_holm": 0.3}
    assert len(said({}, novelty, lines)) == 1
    first, second = novelty_sentences(contrasts({}, novelty, lines))
    assert first.startswith(
        "VIP cells: omission minus presentation is lower in novel than in familiar sets, by -0.020 dF/F peak (95 %"
    )
    assert second.startswith("SST against VIP cells, familiar sets: no difference found between cell types in what")
    assert "t(9.3) = 4.5" in second


def test_spikes_have_sentences_of_their_own():
    both = contrasts({}, {"measure": "peak_spike_prob"})
    (of_spikes,) = omission_sentences(both, SESSIONS, of_spikes=True)
    assert "+0.041 spikes/frame peak" in of_spikes
    assert len(list(omission_sentences(both, SESSIONS))) == 1


def test_mixed_models_say_which_terms_are_below_five_percent_and_whether_contrasts_agree():
    other = MIXED | {"term": "omitted in Sst-IRES-Cre, novel", "p": 0.4}
    variance = MIXED | {"term": "variance of slopes of omitted", "p": None}
    mixed = pl.from_arrow(MIXED_EFFECTS.rows([MIXED, other, variance]))
    (sentence,) = mixed_sentences(mixed, contrasts({}, {"cre_line": "Sst-IRES-Cre", "exposure_level": "novel"}))
    assert "find omitted in VIP, familiar +0.035 dF/F (13 mice, 240 cells, p = .002)." in sentence
    assert "In 1 of 2 groups they and the t test over mice, uncorrected like them, are on the same side" in sentence
    unsure = pl.from_arrow(MIXED_EFFECTS.rows([other | {"converged": False}]))
    (none,) = mixed_sentences(unsure, contrasts())
    assert none.endswith("find none of 1 term with omission at p < .05. Not every fit converged: take them with care.")
    published = MIXED | {"protocol": "published", "model": "random intercept per cell"}
    assert list(mixed_sentences(pl.from_arrow(MIXED_EFFECTS.rows([published])), contrasts({}))) == []


def test_published_tests_draw_no_conclusion():
    terms = [TERM, TERM | {"term": "cre_line", "p": 0.3}, TERM | {"term": "residual", "dof": 472.0, "p": None}]
    anova = pl.from_arrow(ANOVA.rows([term | COUNTS for term in terms]))
    welch = {
        "study_id": STUDY, "test": "welch", "measure": "peak_dff", "within": "Vip-IRES-Cre, familiar", "p": 0.01,
        "contrast": "omitted - presented", "statistic_name": "t", "row_count": 96, **COUNTS,
    }  # fmt: skip
    tests = pl.from_arrow(GROUP_TESTS.rows([welch]))
    of_anova, of_t = published_sentences(anova, tests)
    assert "1 of 2 terms at p < .05" in of_anova
    assert "240 cells as independent (472 residual degrees of freedom) while they share 13 mice" in of_anova
    assert "no conclusion is drawn from it" in of_anova
    assert "1 of 1 group at p < .05" in of_t
    assert "not relied on" in of_t
    assert list(published_sentences(anova.clear(), tests.clear())) == []
