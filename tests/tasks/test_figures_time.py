import numpy as np
import polars as pl

from storage.tables import TIME_DECODING, TIME_GENERALISATION
from tasks.figures_time import course_figure, course_figures, generalisation_figure, generalisation_figures
from tasks.time_windows import windows_above
from tests.tasks.planted_study import STUDY

KEY = {
    "study_id": STUDY, "protocol": "rigorous", "level": "single_trial", "decoder": "logistic",
    "cre_line": "Vip-IRES-Cre", "exposure_level": "familiar",
}  # fmt: skip
TIMES_S = (-0.1, 0.0, 0.1, 0.2, 0.3)
AUC = (0.5, 0.5, 0.7, 0.8, 0.55)


def courses(**changes: object) -> pl.DataFrame:
    rows = [
        KEY | {"time_s": time_s, "auc": auc, "auc_sem": 0.01, "accuracy": 0.5, "chance_accuracy": 0.6,
               "cluster": 0 if auc > 0.6 else None, "p_cluster": 0.01 if auc > 0.6 else None, "permutation_count": 99,
               "fold_count": 5, "row_count": 1200, "mouse_count": 5} | changes
        for time_s, auc in zip(TIMES_S, AUC, strict=True)
    ]  # fmt: skip
    return pl.from_arrow(TIME_DECODING.rows(rows))


def test_windows_are_runs_of_two_points_or_more():
    times_s = np.arange(8) / 10
    score = np.array([0.7, 0.7, 0.5, 0.7, 0.5, 0.7, 0.7, 0.7])
    assert windows_above(times_s, score, 0.6) == [(0.0, 0.1), (0.5, 0.7)]
    assert windows_above(times_s, score, 0.7) == []
    assert windows_above(times_s[:0], score[:0], 0.6) == []


def test_a_course_is_drawn_with_its_window_and_its_cluster():
    axes = course_figure(courses(), "auc").axes[0]
    assert axes.get_title() == "VIP, familiar: 5 mice, 1,200 rows"
    np.testing.assert_allclose(next(line for line in axes.lines if len(line.get_xdata()) == 5).get_ydata(), AUC)
    thick = {line.get_linewidth(): line.get_xdata() for line in axes.lines}
    np.testing.assert_allclose(thick[2], [0.1, 0.2])
    np.testing.assert_allclose(thick[3.5], [0.05, 0.25])


def test_a_cluster_that_is_not_significant_is_not_drawn():
    axes = course_figure(courses(p_cluster=0.2), "auc").axes[0]
    assert 3.5 not in {line.get_linewidth() for line in axes.lines}


def test_chance_of_accuracy_is_the_commoner_condition():
    chance = course_figure(courses(), "accuracy").axes[0].lines[0]
    assert list(chance.get_ydata()) == [0.6, 0.6]


def test_each_level_has_its_figure_and_none_without_rows():
    both = pl.concat([courses(), courses(level="population")])
    assert [figure.title for figure in course_figures(both)] == [
        "Decoding through time, single trials of single cells: AUC",
        "Decoding through time, a session's cells together: AUC",
    ]
    assert course_figures(both.clear()) == ()


def test_generalisation_has_training_times_up_and_test_times_across():
    square = [
        KEY | {"train_s": a, "test_s": b, "auc": 0.5 + 0.1 * i - 0.02 * j}
        for i, a in enumerate((-0.1, 0.0, 0.1)) for j, b in enumerate((-0.1, 0.0, 0.1))
    ]  # fmt: skip
    rows = pl.from_arrow(TIME_GENERALISATION.rows(square[::-1]))
    mesh = generalisation_figure(rows).axes[0].collections[0]
    np.testing.assert_allclose(
        np.asarray(mesh.get_array()).reshape(3, 3), [[0.5, 0.48, 0.46], [0.6, 0.58, 0.56], [0.7, 0.68, 0.66]]
    )
    assert len(generalisation_figures(rows, "rigorous")) == 1
    assert generalisation_figures(rows, "published") == ()
