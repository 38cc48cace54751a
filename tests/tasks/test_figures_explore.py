import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tasks.explore import score_rows
from tasks.figures_explore import explore_figures, indices_figure, maps_figure, motifs_figure
from tasks.figures_variation import heatmap_figure, histogram_figure, ridge_figure, spread_figure
from tasks.unit_responses import unit_responses
from tests.tasks.planted_responses import LINES, peaks_of, planted_responses


def scores(responses: pl.DataFrame) -> pl.DataFrame:
    """Rows of derived.unit_scores, made by hand: places at random, VIP cells in motif 0, SST cells in motif 1."""
    rng = np.random.default_rng(0)
    units = responses.unique(["session_id", "unit_id"], maintain_order=True)
    places = {f"{name}_{axis}": rng.normal(size=len(units)) for name in ("pc", "umap", "tsne") for axis in (1, 2)}
    motif = (units["cre_line"] != LINES[0]).cast(pl.Float64).to_numpy()
    columns = places | {"motif": motif, "motif_silhouette": np.full(len(units), 0.4)}
    columns |= {"omission_index": np.full(len(units), 0.25), "novelty_index": np.full(len(units), np.nan)}
    return pl.concat(list(score_rows(units, columns))).with_columns(pl.col("value").fill_nan(None))


def about(rows: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    sessions = responses.select("session_id", "mouse_id", "cre_line", "exposure_level").unique("session_id")
    return rows.join(sessions, on="session_id")


def texts(figure: Figure) -> str:
    found = [text.get_text() for text in figure.texts]
    return " ".join(found + [text.get_text() for axes in figure.axes for text in [*axes.texts, axes.title]])


def test_every_figure_is_drawn_of_what_the_lake_holds():
    responses = planted_responses(mice=2, cells=3)
    figures = explore_figures(responses, scores(responses), peaks_of(responses))
    assert [figure.title for figure in figures] == [
        "Cells",
        "Responses of all cells",
        "Responses of each mouse",
        "Distribution of mean responses",
        "Variability over time",
        "Maps of mean responses",
        "Response motifs",
        "Omission and novelty index",
    ]
    assert all(figure.png.startswith(b"\x89PNG") for figure in figures)
    assert "here 0.40" in figures[6].caption


@pytest.mark.parametrize("kind", ["one mouse", "no mouse", "nothing", "no columns", "ready-made", "one condition"])
def test_little_or_nothing_is_drawn_or_said(kind):
    responses = planted_responses(mice=1, cells=2, lines=LINES[:1])
    features = peaks_of(responses)
    rows = scores(responses)
    if kind == "no mouse":
        groups = [pl.lit(None, pl.String).alias(name) for name in ("mouse_id", "cre_line", "exposure_level")]
        responses = responses.with_columns(groups)
    elif kind == "nothing":
        responses, rows, features = responses.clear(), rows.clear(), features.clear()
    elif kind == "no columns":
        responses, rows, features = pl.DataFrame(), pl.DataFrame(), pl.DataFrame()
    elif kind == "ready-made":
        responses, rows = pl.DataFrame(), rows.filter(score="omission_index")
    elif kind == "one condition":
        responses = responses.filter(condition="presented")
    figures = explore_figures(responses, rows, features)
    assert all(figure.png.startswith(b"\x89PNG") for figure in figures)


def test_without_rows_the_figures_say_why():
    none = unit_responses(pl.DataFrame())
    drawn = [figure(none) for figure in (heatmap_figure, ridge_figure, histogram_figure, spread_figure)]
    drawn += [figure(none, pl.DataFrame()) for figure in (maps_figure, motifs_figure)]
    drawn.append(indices_figure(pl.DataFrame()))
    assert all(texts(figure).startswith("No ") and not figure.axes for figure in drawn)


def test_heatmaps_have_both_conditions_in_the_order_of_the_omitted_peak():
    found = unit_responses(planted_responses(mice=2, cells=5))
    figure = heatmap_figure(found)
    panels = figure.axes[:8]
    assert [axes.get_title() for axes in panels[:4]] == [
        "VIP, familiar\n2 mice, 10 cells",
        "VIP, novel\n2 mice, 10 cells",
        "SST, familiar\n2 mice, 10 cells",
        "SST, novel\n2 mice, 10 cells",
    ]
    omitted = panels[4].images[0].get_array()
    assert (np.diff(omitted.argmax(axis=1)) >= 0).all()
    vip = (found.units["cre_line"] == LINES[0]) & (found.units["exposure_level"] == "familiar")
    presented = found.presented[vip.to_numpy()]
    order = np.argsort(found.omitted[vip.to_numpy()].argmax(axis=1), kind="stable")
    np.testing.assert_array_equal(panels[0].images[0].get_array(), presented[order])


def test_ridges_are_means_of_each_mouse():
    found = unit_responses(planted_responses(mice=3, cells=4))
    axes = ridge_figure(found).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["Vip-0", "Vip-1", "Vip-2"]
    first = ((found.units["mouse_id"] == "Vip-0") & (found.units["exposure_level"] == "familiar")).to_numpy()
    np.testing.assert_allclose(axes.lines[0].get_ydata(), found.presented[first].mean(axis=0))


def test_spread_is_over_cells_and_over_mice():
    found = unit_responses(planted_responses(mice=3, cells=4))
    of_cells, of_mice = spread_figure(found).axes[0].lines[1:3]
    vip = (found.units["cre_line"] == LINES[0]) & (found.units["exposure_level"] == "familiar")
    values = found.presented[vip.to_numpy()]
    np.testing.assert_allclose(of_cells.get_ydata(), values.std(axis=0, ddof=1))
    means = values.reshape(3, 4, -1).mean(axis=1)  # mice come one after the other
    np.testing.assert_allclose(of_mice.get_ydata(), means.std(axis=0, ddof=1))


def test_histograms_count_every_cell():
    found = unit_responses(planted_responses(mice=2, cells=5))
    for axes in histogram_figure(found).axes:
        bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert sum(bar.get_height() for bar in bars) == 2 * 10  # cells in either condition


def test_motifs_say_how_many_rows_of_each_group_they_hold():
    responses = planted_responses(mice=2, cells=3)
    figure = motifs_figure(unit_responses(responses), about(scores(responses), responses))
    assert figure.axes[0].get_title() == "motif 1: 12 rows"
    labels = [tick.get_text() for tick in figure.axes[3].get_yticklabels()]
    assert labels == ["6  VIP, familiar", "6  VIP, novel", "0  SST, familiar", "0  SST, novel"]


def test_maps_have_a_row_of_groups_and_a_row_of_motifs():
    responses = planted_responses(mice=2, cells=3)
    of_lake = about(scores(responses), responses)
    figure = maps_figure(unit_responses(responses), of_lake)
    assert len(figure.axes) == 6
    assert "PC 1" in figure.axes[0].get_xlabel()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["VIP, familiar", "VIP, novel", "SST, familiar", "SST, novel", "motif 1", "motif 2"]
    without_motifs = of_lake.filter(~pl.col("score").is_in(["motif", "motif_silhouette"]))
    assert len(maps_figure(unit_responses(responses), without_motifs).axes) == 3


def test_indices_without_a_value_are_not_shown():
    responses = planted_responses(mice=2, cells=3)
    figure = indices_figure(about(scores(responses), responses))
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["omission index"]
    assert "2 mice" in texts(figure)
