import numpy as np
import polars as pl
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from models.response_features import FEATURES
from tasks.figures import CONDITION_COLORS, as_png
from tasks.figures_responses import (
    behavior_figure,
    feature_figure,
    feature_figures,
    group_mean_figure,
    mean_figures,
    signal_name,
)

TIMES_S = np.linspace(-1, 2, 90)


def responses(mouse_count: int = 7, sem: float | None = 0.01) -> pl.DataFrame:
    groups = [
        pl.DataFrame({"time_s": TIMES_S, "mean_dff": np.sin(TIMES_S)}).with_columns(
            cre_line=pl.lit(line), exposure_level=pl.lit(level), condition=pl.lit(condition)
        )
        for line in ("Sst-IRES-Cre", "Vip-IRES-Cre")
        for level in ("novel", "familiar")
        for condition in ("presented", "omitted")
    ]
    return pl.concat(groups).with_columns(
        sem_dff=pl.lit(sem, pl.Float64), mouse_count=pl.lit(mouse_count), cell_count=pl.lit(61)
    )


def features(count: int = 20) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    groups = pl.DataFrame({"cre_line": ["Vip-IRES-Cre", "Sst-IRES-Cre"]}).join(
        pl.DataFrame({"condition": ["presented", "omitted"]}), how="cross"
    )
    rows = groups.join(pl.DataFrame({"unit_id": range(count)}), how="cross")
    return rows.with_columns(pl.Series(name, rng.normal(size=len(rows))) for name in FEATURES)


def texts(figure: Figure) -> str:
    found = [text.get_text() for text in figure.texts]
    return " ".join(found + [text.get_text() for axes in figure.axes for text in axes.texts])


def test_group_means_have_a_panel_per_group_with_n_units_and_shared_y():
    figure = group_mean_figure(responses())
    assert [axes.get_title() for axes in figure.axes] == [
        "VIP, familiar: 7 mice, 61 cells",
        "VIP, novel: 7 mice, 61 cells",
        "SST, familiar: 7 mice, 61 cells",
        "SST, novel: 7 mice, 61 cells",
    ]
    assert figure.axes[0].get_ylabel() == "dF/F"
    assert figure.axes[2].get_xlabel() == "time from onset (s)"
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_group_means_draw_two_lines_with_bands_in_the_conditions_colors():
    axes = group_mean_figure(responses()).axes[0]
    lines = {line.get_label(): to_hex(line.get_color()) for line in axes.lines if not line.get_label().startswith("_")}
    assert lines == {name: color.lower() for name, color in CONDITION_COLORS.items()}
    assert len(axes.collections) == 2
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), np.sin(TIMES_S))


def test_the_flash_rhythm_is_marked_around_the_onset():
    axes = group_mean_figure(responses()).axes[0]
    marks = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    assert marks == [-0.75, 0.75, 1.5]


def test_one_mouse_has_a_line_and_no_error():
    figure = group_mean_figure(responses(mouse_count=1, sem=None))
    assert "1 mouse, 61 cells" in figure.axes[0].get_title()
    assert as_png(figure)


def test_unequal_counts_are_given_for_each_condition():
    unequal = responses().with_columns(
        mouse_count=pl.when(pl.col("condition") == "omitted").then(5).otherwise(7),
        exposure_level=pl.lit(None, pl.String),
    )
    title = group_mean_figure(unequal).axes[0].get_title()
    assert "exposure not given" in title
    assert "presented 7 mice, 61 cells; omitted 5 mice, 61 cells" in title


def test_every_feature_has_a_panel_with_name_and_unit_and_a_box_per_group():
    figure = feature_figure(features())
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == 16
    assert {"peak (dF/F)", "peak latency (s)", "skewness", "energy ((dF/F)²)"} <= set(titles)
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["VIP", "SST"]
    assert len(figure.axes[0].collections) == 4


def test_a_feature_without_values_says_so():
    figure = feature_figure(features().with_columns(peak_dff=pl.lit(None, pl.Float64)))
    assert "no values" in texts(figure)
    assert as_png(figure)


def test_behaviour_has_a_row_per_signal_with_its_unit_and_counts():
    rows = pl.concat(
        [
            responses()
            .filter(cre_line="Vip-IRES-Cre")
            .rename({"mean_dff": "mean", "sem_dff": "sem"})
            .with_columns(signal=pl.lit(signal), event_count=pl.lit(240))
            for signal in ("running_speed_cm_per_s", "pupil_area_px2")
        ]
    )
    figure = behavior_figure(rows)
    assert [axes.get_ylabel() for axes in figure.axes] == ["pupil area (px²)", "", "running speed (cm/s)", ""]
    assert figure.axes[0].get_title() == "familiar: 7 mice, 240 events"
    assert signal_name("lick_rate") == "lick rate"


def test_what_there_is_nothing_of_is_left_out():
    assert mean_figures(responses().clear(), pl.DataFrame()) == ()
    assert feature_figures(features().clear()) == ()
    assert "ready-made" in texts(group_mean_figure(responses().clear()))
