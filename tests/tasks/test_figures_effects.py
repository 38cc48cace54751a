import numpy as np
import polars as pl
import pytest

from storage.tables import CONTRASTS, GROUP_TESTS
from tasks.figures_effects import (
    confidence_ellipse,
    effect_figures,
    ellipse_figure,
    interaction_figure,
    mouse_difference_figure,
)
from tasks.figures_intervals import (
    CELLS_COLOR,
    MICE_COLOR,
    comparison_figures,
    effect_interval_figure,
    interval_figures,
)
from tasks.over_mice import mean_over_mice, omission_effects
from tests.tasks.planted_study import STUDY, contrast


def features() -> pl.DataFrame:
    """Three VIP mice of two cells, whose omission effects are .1 and .3, .3 and .5, .5 and .7."""
    rows = [
        {"session_id": f"s{mouse}", "mouse_id": f"m{mouse}", "unit_id": cell, "cre_line": "Vip-IRES-Cre",
         "exposure_level": "familiar", "condition": condition,
         "peak_dff": 1.0 + mouse + (condition == "omitted") * (0.1 + 0.2 * mouse + 0.2 * cell),
         "peak_latency_s": 0.3 + 0.1 * cell + 0.05 * mouse**2, "auc_dff_s": 0.5}
        for mouse in range(3) for cell in range(2) for condition in ("presented", "omitted")
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_effects_are_within_cells_and_then_within_mice():
    found = omission_effects(features(), "peak_dff")
    np.testing.assert_allclose(found["effect"], [0.2, 0.4, 0.6])
    assert found["cell_count"].to_list() == [2, 2, 2]
    only_presented = features().filter((pl.col("condition") == "presented") | (pl.col("unit_id") == 0))
    assert omission_effects(only_presented, "peak_dff")["cell_count"].to_list() == [1, 1, 1]


def test_a_mean_over_mice_has_the_interval_of_t():
    found = mean_over_mice(np.array([0.2, 0.4, 0.6]))
    assert found.mean == pytest.approx(0.4)
    assert (found.ci_low, found.ci_high) == (pytest.approx(0.4 - 4.302653 * 0.2 / 3**0.5), pytest.approx(0.8968275))
    assert mean_over_mice(np.array([0.2])).ci_low is None
    with pytest.raises(ValueError, match="at least one mouse"):
        mean_over_mice(np.array([]))


def test_each_mouse_is_a_dot_in_each_group():
    axes = mouse_difference_figure(features()).axes[0]
    assert axes.get_title() == "peak (dF/F)"
    np.testing.assert_allclose(axes.collections[0].get_offsets()[:, 1], [0.2, 0.4, 0.6])
    assert axes.get_xticklabels()[0].get_text() == "VIP\nfamiliar\n3 mice"


def test_interactions_are_means_over_mice_of_each_condition():
    axes = interaction_figure(features()).axes[0]
    line = next(
        line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] != line.get_xdata()[1]
    )
    np.testing.assert_allclose(line.get_ydata(), [2.0, 2.4])
    assert axes.get_title() == "VIP: 3 mice familiar"


def test_the_ellipse_holds_95_percent_of_a_normal_cloud():
    rng = np.random.default_rng(0)
    points = rng.multivariate_normal([1.0, 2.0], [[2.0, 1.2], [1.2, 1.0]], 20_000)
    centre, width, height, angle = confidence_ellipse(points)
    turned = np.radians(angle)
    along = (points - centre) @ np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    inside = (along[:, 0] / (width / 2)) ** 2 + (along[:, 1] / (height / 2)) ** 2 <= 1
    assert inside.mean() == pytest.approx(0.95, abs=0.005)
    with pytest.raises(ValueError, match="three points or more, got 2"):
        confidence_ellipse(points[:2])


def test_ellipses_are_of_cells_and_of_mice_and_of_none_with_two_mice():
    figure = ellipse_figure(features())
    assert figure.axes[0].get_title() == "VIP, familiar: 3 mice, 6 cells"
    assert len(figure.axes[0].patches) == 6
    two = ellipse_figure(features().filter(pl.col("mouse_id") != "m2"))
    assert len(two.axes[0].patches) == 4


def test_intervals_over_mice_stand_beside_those_over_cells():
    contrasts = pl.from_arrow(CONTRASTS.rows([contrast(), contrast(measure="auc_dff_s")]))
    welch = {
        "study_id": STUDY, "test": "welch", "measure": "peak_dff", "within": "Vip-IRES-Cre, familiar",
        "contrast": "omitted - presented", "estimate": 0.05, "ci_low": 0.04, "ci_high": 0.06, "statistic_name": "t",
        "row_count": 9, "cell_count": 9, "mouse_count": 2,
    }  # fmt: skip
    tests = pl.from_arrow(GROUP_TESTS.rows([welch]))
    axes = effect_interval_figure(contrasts, tests).axes[0]
    intervals = {line.get_color(): line.get_xdata() for line in axes.lines if line.get_linewidth() == 1.8}
    np.testing.assert_allclose(intervals[MICE_COLOR], [0.0181, 0.0662])
    np.testing.assert_allclose(intervals[CELLS_COLOR], [0.04, 0.06])
    assert len(interval_figures(contrasts, tests)) == 1
    assert interval_figures(contrasts.clear(), tests.clear()) == ()
    assert comparison_figures(tests) == ()


def test_effects_of_no_placed_cell_are_left_out():
    assert effect_figures(features().clear()) == ()
    assert effect_figures(features().with_columns(cre_line=pl.lit(None, pl.String))) == ()
