from dataclasses import replace

import polars as pl
import pytest

from storage.tables import CONTRASTS
from tasks.closing_lines import found_lines, summary_lines
from tasks.study_rows import StudyRows
from tests.tasks.planted_study import contrast, planted_rows

XGB = {
    "protocol": "rigorous", "target": "condition", "decoder": "XGB", "lomo_accuracy": 0.714, "test_accuracy": 0.69,
    "fold_count": 13,
}  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> StudyRows:
    return planted_rows(tmp_path_factory.mktemp("lines"), mice=1, cells=1)


def found(planted: StudyRows, *changes: dict, decoders: bool = True) -> StudyRows:
    """A study with these contrasts, and one decoder or none."""
    return replace(
        planted,
        contrasts=pl.from_arrow(CONTRASTS.rows([contrast(**change) for change in changes])),
        decoders=pl.DataFrame([XGB]) if decoders else pl.DataFrame([XGB]).clear(),
        predictions=planted.predictions.clear(),
        promotion=None,
    )


def test_terminal_lines_are_two_to_four(planted: StudyRows):
    groups = [
        {"cre_line": line, "exposure_level": level}
        for line in ("Sst-IRES-Cre", "Vip-IRES-Cre", "Pvalb-IRES-Cre", "Slc17a7-IRES2-Cre")
        for level in ("familiar", "novel")
    ]
    lines = found_lines(found(planted, *groups))
    assert len(lines) == 4
    assert lines[0] == (
        "VIP cells, omitted minus presented: familiar +0.041 dF/F peak (0.018 to 0.066, 7 mice, p = .004);"
        " novel +0.041 dF/F peak (0.018 to 0.066, 7 mice, p = .004)"
    )
    assert lines[3] == "decoder XGB: 71 % on left-out mice (13 folds, chance 50 %), 69 % on test rows"
    few = found_lines(found(planted, {"mouse_count": 3, "p_holm": 0.4}, decoders=False))
    assert few == ["VIP cells, omitted minus presented: familiar no difference found (only 3 mice, p = .40)"]


def test_other_contrasts_and_spikes_stay_in_the_report(planted: StudyRows):
    others = ({"contrast": "novel - familiar", "exposure_level": "all"}, {"measure": "peak_spike_prob"})
    assert found_lines(found(planted, {}, *others, decoders=False)) == found_lines(found(planted, {}, decoders=False))


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
