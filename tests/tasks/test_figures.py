from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from models.response_features import FEATURES
from tasks.figures import (
    CONDITION_COLORS,
    DECODER_COLORS,
    as_png,
    confusion_figure,
    feature_figure,
    group_mean_figure,
    roc_figure,
    study_figures,
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


def predictions(decoders: tuple[str, ...] = ("LR", "SVM", "XGB")) -> pl.DataFrame:
    """40 rows per decoder, of which every fourth answer is wrong."""
    truth = ["presented", "omitted"] * 20
    wrong = [row % 4 == 0 for row in range(40)]
    said = [{"presented": "omitted", "omitted": "presented"}[t] if w else t for t, w in zip(truth, wrong, strict=True)]
    one = pl.DataFrame(
        {"unit_id": range(40), "condition": truth, "predicted": said, "score": [float(s == "omitted") for s in said]}
    ).with_columns(protocol=pl.lit("rigorous"), scheme=pl.lit("leave_one_mouse_out"), session_id=pl.lit("s"))
    return pl.concat([one.with_columns(decoder=pl.lit(name)) for name in decoders])


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


def test_roc_has_a_curve_per_decoder_with_its_area():
    figure = roc_figure(predictions(), "rigorous")
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["chance", "LR  AUC 0.75", "SVM  AUC 0.75", "XGB  AUC 0.75"]
    assert [line.get_color() for line in lines[1:]] == [DECODER_COLORS[name] for name in ("LR", "SVM", "XGB")]


def test_confusion_counts_and_row_percent():
    figure = confusion_figure(predictions(("LR",)), "rigorous")
    assert [text.get_text() for text in figure.axes[0].texts] == ["10\n50 %", "10\n50 %", "0\n0 %", "20\n100 %"]


def test_only_left_out_mice_of_the_protocol_are_shown():
    others = pl.concat(
        [
            predictions(("RF",)).with_columns(scheme=pl.lit("test")),
            predictions(("GB",)).with_columns(protocol=pl.lit("published")),
            predictions(("LR",)),
        ]
    )
    assert len(roc_figure(others, "rigorous").axes[0].lines) == 2
    assert [axes.get_title() for axes in confusion_figure(others, "rigorous").axes] == ["LR"]


def test_one_class_is_said_and_not_drawn():
    one_class = predictions().filter(condition="omitted")
    assert "one class" in texts(roc_figure(one_class, "rigorous"))
    assert "no rows" in texts(confusion_figure(one_class, "rigorous"))


@pytest.mark.parametrize("columns", ["declared", "none"])
def test_nothing_to_draw_is_said(columns):
    empty = (lambda frame: frame.clear()) if columns == "declared" else (lambda frame: pl.DataFrame())
    figures = [
        group_mean_figure(empty(responses())),
        feature_figure(empty(features())),
        roc_figure(empty(predictions()), "rigorous"),
        confusion_figure(empty(predictions()), "rigorous"),
    ]
    assert all(texts(figure) and not figure.axes for figure in figures)
    assert all(as_png(figure).startswith(b"\x89PNG") for figure in figures)


def test_threads_draw_the_same_pixels_as_one():
    alone = study_figures(responses(), features(), predictions(), "rigorous")
    with ThreadPoolExecutor(2) as pool:
        drawn = [pool.submit(study_figures, responses(), features(), predictions(), "rigorous") for _ in range(2)]
        together = [figures.result() for figures in drawn]
    assert all(figures == alone for figures in together)
    assert "pooled" in alone[2].caption
