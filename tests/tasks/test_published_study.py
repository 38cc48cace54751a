"""The real feature table of Allen Visual Behavior, from file to findings: the source's numbers come back."""

from pathlib import Path

import polars as pl
import pytest

from storage.due import NewFile, StudyDue, studies_due
from storage.lake import Lake, open_lake
from storage.settings import Settings
from tasks.conclude import conclude_study
from tasks.ingest import ingest_file

PUBLISHED = {
    "LR": (0.902, 0.953),
    "DT": (0.890, 0.938),
    "RF": (0.931, 0.969),
    "SVM": (0.880, 0.914),
    "KNN": (0.873, 0.898),
    "GB": (0.945, 0.977),
    "XGB": (0.947, 0.969),
}
RIGOROUS = {"LR": 0.908, "RF": 0.947, "GB": 0.949}
PEAK_F = {
    "cre_line": 6.408,
    "omitted": 1.876,
    "exposure_level": 5.031,
    "cre_line x omitted": 50.708,
    "cre_line x exposure_level": 9.783,
    "omitted x exposure_level": 19.739,
    "cre_line x omitted x exposure_level": 18.056,
}

pytestmark = pytest.mark.xdist_group("feature table")


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, StudyDue]:
    table = Path(__file__).resolve().parents[3] / "shared/recordings/visual_behavior/response_features.csv"
    if not table.exists():
        pytest.skip("the shared recordings are not on this machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROLAKE_HOME", str(tmp_path_factory.mktemp("home")))
        settings = Settings()
        ingest_file.fn(NewFile("visual_behavior", None, str(table)))
        with open_lake(settings) as lake:
            due = studies_due(lake, "rigorous", "responses recipe", "study recipe")[0]
        conclude_study.fn(due, "rigorous", None)
    return open_lake(settings, read_only=True), due


@pytest.mark.parametrize("decoder", PUBLISHED)
def test_published_accuracies_come_back_to_three_decimals(studied: tuple[Lake, StudyDue], decoder: str) -> None:
    lake, due = studied
    row = lake.answer("decoder_table", study_id=due.study_id).row(
        by_predicate=(pl.col("protocol") == "published") & (pl.col("decoder") == decoder), named=True
    )
    assert (round(row["lomo_accuracy"], 3), round(row["test_accuracy"], 3)) == PUBLISHED[decoder]
    assert row["fold_count"] == 13


def test_published_gradient_boosting_has_its_f1_and_auc(studied: tuple[Lake, StudyDue]) -> None:
    lake, due = studied
    table = lake.answer("decoder_table", study_id=due.study_id)
    row = table.row(by_predicate=(pl.col("protocol") == "published") & (pl.col("decoder") == "GB"), named=True)
    assert (round(row["test_f1"], 3), round(row["test_roc_auc"], 3)) == (0.976, 0.997)


def test_rigorous_accuracies_are_those_of_an_independent_run(studied: tuple[Lake, StudyDue]) -> None:
    lake, due = studied
    table = lake.answer("decoder_table", study_id=due.study_id).filter(pl.col("protocol") == "rigorous")
    found = dict(table.select("decoder", pl.col("lomo_accuracy").round(3)).iter_rows())
    assert {name: found[name] for name in RIGOROUS} == RIGOROUS


def test_the_anova_of_peak_amplitude_has_the_published_f(studied: tuple[Lake, StudyDue]) -> None:
    lake, due = studied
    rows = lake.query("FROM findings.anova WHERE study_id = $id AND measure = 'peak_dff'", id=due.study_id)
    found = {row["term"]: row for row in rows.iter_rows(named=True)}
    assert {term: pytest.approx(found[term]["f"], abs=5e-4) for term in PEAK_F} == PEAK_F
    assert found["residual"]["dof"] == 632
    assert found["residual"]["f"] is None


def test_no_mouse_stands_on_both_sides_of_the_rigorous_test(studied: tuple[Lake, StudyDue]) -> None:
    lake, due = studied
    sides = lake.query(
        """SELECT s.subject_id, count(*) FILTER (WHERE p.scheme = 'test') AS tested, count(*) AS all_rows
        FROM findings.predictions AS p JOIN recorded.sessions AS s USING (session_id)
        WHERE p.study_id = $id AND p.protocol = 'rigorous' AND p.decoder = 'LR' GROUP BY ALL""",
        id=due.study_id,
    )
    # A tested mouse has each of its rows once left out and once tested; the others are never tested.
    tested = sides.filter(pl.col("tested") > 0)
    assert len(tested) >= 2
    assert (tested["tested"] * 2 == tested["all_rows"]).all()


def test_a_later_study_on_the_same_rows_keeps_the_champion_on_a_tie(
    studied: tuple[Lake, StudyDue], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, due = studied
    monkeypatch.setenv("NEUROLAKE_HOME", str(lake.settings.home))
    again = StudyDue(due.project, "omission-again", due.feature_studies)
    conclude_study.fn(again, "rigorous", None)
    with open_lake(lake.settings, read_only=True) as now:
        row = now.query("FROM findings.promotions WHERE study_id = 'omission-again'").row(0, named=True)
    assert (row["model_version"], row["champion_version"], row["promoted"]) == (2, 1, False)
    assert row["champion_accuracy"] == pytest.approx(row["accuracy"])
