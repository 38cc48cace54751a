from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from storage.tables import CONTRASTS
from tasks.findings import findings
from tasks.sentences_brief import brief_sentences
from tasks.study_rows import StudyRows
from tests.tasks.planted_study import contrast, planted_rows

pytestmark = pytest.mark.xdist_group("report")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> StudyRows:
    return planted_rows(tmp_path_factory.mktemp("brief"))


def brief(rows: StudyRows, *changes: dict) -> list[str]:
    contrasts = pl.from_arrow(CONTRASTS.rows([contrast(**change) for change in changes]))
    return list(brief_sentences(replace(rows, contrasts=contrasts)))


def test_the_answer_stands_first_and_in_three_sentences_at_most(rows: StudyRows):
    first, *others = findings(rows)
    assert (first.heading, first.is_brief) == ("In short", True)
    assert [sentence.split(",")[0].split(":")[0] for sentence in first.sentences] == [
        "Omission against presentation", "Whether that depends on novelty or cell type", "What can be read out",
    ]  # fmt: skip
    assert not any(other.is_brief for other in others)


def test_what_differs_leads(rows: StudyRows):
    sst = {"cre_line": "Sst-IRES-Cre", "p_holm": 0.002}
    omission = brief(rows, {"p_holm": 0.3}, sst)[0]
    assert omission == (
        "Omission against presentation, peak (p Holm-corrected): SST familiar +0.041 dF/F (95 % CI 0.018 to"
        " 0.066, 7 mice, p = .002); no difference found in VIP familiar +0.041 dF/F (95 % CI 0.018"
        " to 0.066, 7 mice, p = .30)."
    )


def test_other_measures_that_differ_are_named_with_their_groups_and_the_number_of_comparisons(rows: StudyRows):
    spikes = {"measure": "response_magnitude_spike_prob"}
    omission = brief(rows, {"p_holm": 0.3, "mouse_count": 4}, spikes, spikes | {"exposure_level": "novel"},
                     {"measure": "auc_dff_s", "p_holm": 0.4})[0]  # fmt: skip
    assert omission.endswith(
        " Of 3 comparisons of other measures 2 differ: response magnitude of spikes in VIP familiar, VIP novel."
        " With only 4 mice, this carries little."
    )


def test_novelty_and_cell_type_say_which_way(rows: StudyRows):
    novelty = {"contrast": "novel - familiar", "exposure_level": "all"}
    lines = {"contrast": "between cre lines", "cre_line": "Sst-IRES-Cre - Vip-IRES-Cre", "p_holm": 0.3}
    said = brief(rows, novelty, lines)[0]
    assert "VIP, novel minus familiar +0.041 dF/F (" in said
    assert "no dependence found in SST minus VIP familiar +0.041 dF/F (" in said


def test_a_decoder_not_shown_to_exceed_chance_says_so(rows: StudyRows):
    unsure = replace(rows, decoder_tests=rows.decoder_tests.with_columns(p_permutation=pl.lit(0.2)))
    assert "which it is not shown to exceed, p = .20" in list(brief_sentences(unsure))[-1]
    assert "which it is not shown to exceed" not in list(brief_sentences(rows))[-1]


def test_time_courses_are_counted_and_the_earliest_is_named(rows: StudyRows):
    said = list(brief_sentences(rows))[-1]
    assert "first from 0.20 s on" in said
    none = replace(rows, time_decoding=rows.time_decoding.with_columns(cluster=pl.lit(None, pl.Int64)))
    assert "no time found at which single responses do" in list(brief_sentences(none))[-1]


def test_without_any_result_there_is_no_answer(tmp_path: Path):
    assert list(brief_sentences(planted_rows(tmp_path, mice=1, cells=1, tested=False))) == []
