"""Figures of effects: each mouse's difference, interactions, ellipses of peak against latency, intervals."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from scipy import stats

from tasks.figure_groups import FAINT, TEXT, cell_groups, plain, saying
from tasks.figures import CONDITION_COLORS, ReportFigure, as_png, condition_legend
from tasks.over_mice import mean_over_mice, mouse_means, omission_effects
from tasks.sentences import counted, cre_name, cre_order, measure_with_unit

MEASURES = ("peak_dff", "peak_latency_s", "auc_dff_s")
_MOST_POINTS = 400
_LEVEL = 0.95


def effect_figures(features: pl.DataFrame) -> tuple[ReportFigure, ...]:
    """Effects of omission by mouse, by factor, and as clouds of cells, with captions; none without features."""
    placed = features.drop_nulls(["mouse_id", "cre_line", "exposure_level"])
    if placed.is_empty():
        return ()
    mice = counted(placed["mouse_id"].n_unique(), "mouse")
    return (
        ReportFigure(
            "Omission effect of each mouse",
            "Omitted minus presented within each cell, averaged within each mouse: a dot per mouse, a line joins the"
            " same mouse in familiar and novel sets. Beside them the mean over mice with its 95 % interval (t), none"
            f" with one mouse. {mice} in all.",
            as_png(mouse_difference_figure(placed)),
        ),
        ReportFigure(
            "Interaction of omission, exposure and cell type",
            "Mean over mice of each mouse's mean over cells, with 95 % intervals over mice (t). Lines that aren't"
            " parallel are an interaction. Intervals of the two conditions are not to be compared with each other, as"
            " mice differ more than conditions do: the figure above has the differences within mice.",
            as_png(interaction_figure(placed)),
        ),
        ReportFigure(
            "Peak against latency",
            f"Points: cells (up to {_MOST_POINTS} a condition, drawn at random). Filled ellipse: 95 % of cells, if they"
            " were normal; dashed: 95 % of mice, from their means (diamonds), where there are three or more. An ellipse"
            " describes the spread; it is no test.",
            as_png(ellipse_figure(placed)),
        ),
    )


def mouse_difference_figure(features: pl.DataFrame) -> Figure:
    """A panel per measure: each mouse's omission effect by group, with mean and interval."""
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    for axes, measure in zip(figure.subplots(1, len(MEASURES)), MEASURES, strict=True):
        effects = omission_effects(features, measure)
        groups = cell_groups(effects) if len(effects) else []
        axes.axhline(0, color=FAINT, linewidth=0.8)
        places = {(group.cre_line, group.exposure_level): at for at, group in enumerate(groups)}
        for of_mouse in effects.partition_by("cre_line", "mouse_id"):
            at = sorted(
                (places[line, exposure], effect)
                for line, exposure, effect in of_mouse.select("cre_line", "exposure_level", "effect").iter_rows()
            )
            axes.plot(*zip(*at, strict=True), color=FAINT, linewidth=0.8, zorder=1)
        for at, group in enumerate(groups):
            of_mice = group.of(effects)["effect"].to_numpy()
            face = "white" if group.is_novel else group.color
            axes.scatter([at] * len(of_mice), of_mice, s=20, facecolor=face, edgecolor=group.color, zorder=2)
            _draw_mean(axes, at + 0.24, of_mice, TEXT)
        plain(axes, measure_with_unit(measure), "", "omitted - presented" if measure == MEASURES[0] else "")
        names = [f"{cre_name(g.cre_line)}\n{g.exposure_level}\n{len(g.of(effects))} mice" for g in groups]
        axes.set_xticks(range(len(groups)), names, fontsize=8)
        axes.set_xlim(-0.5, len(groups) - 0.3)
    return figure


def interaction_figure(features: pl.DataFrame) -> Figure:
    """Means with intervals over mice: columns measures, rows cre lines, lines exposures, from presented to omitted."""
    cre_lines = sorted(features["cre_line"].unique(), key=cre_order)
    exposures = sorted(features["exposure_level"].unique())
    figure = Figure(figsize=(9.6, 0.5 + 2.5 * len(cre_lines)), layout="constrained")
    panels = figure.subplots(len(cre_lines), len(MEASURES), sharex=True, sharey="col", squeeze=False)
    by = ["cre_line", "exposure_level", "condition"]
    for column, measure in enumerate(MEASURES):
        of_mice = mouse_means(features, measure, by)
        for row, line in enumerate(cre_lines):
            axes = panels[row, column]
            counts = []
            for number, exposure in enumerate(exposures):
                rows = of_mice.filter(cre_line=line, exposure_level=exposure)
                _draw_pair(axes, rows, measure, 0.08 * number, is_novel=exposure == "novel")
                counts.append(f"{counted(rows['mouse_id'].n_unique(), 'mouse')} {exposure}")
            plain(axes, f"{cre_name(line)}: {', '.join(counts)}", "", measure_with_unit(measure))
            axes.set_xticks([0, 1], list(CONDITION_COLORS), fontsize=8)
            axes.set_xlim(-0.3, 1.4)
    handles = [
        Line2D([], [], color=TEXT, marker="o", markerfacecolor="white" if exposure == "novel" else TEXT,
               linestyle="--" if exposure == "novel" else "-", label=f"{exposure} sets")
        for exposure in exposures
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=9, frameon=False)
    return figure


def ellipse_figure(features: pl.DataFrame) -> Figure:
    """Peak against its latency: cells and mice of each group, with the ellipses that hold 95 % of either."""
    finite = features.drop_nulls(["peak_dff", "peak_latency_s"])
    if finite.is_empty():
        return saying("No peaks.")
    cre_lines = sorted(finite["cre_line"].unique(), key=cre_order)
    exposures = sorted(finite["exposure_level"].unique())
    figure = Figure(figsize=(9.6, 0.6 + 3.0 * len(cre_lines)), layout="constrained")
    panels = figure.subplots(len(cre_lines), len(exposures), sharex=True, sharey=True, squeeze=False)
    low, high = np.percentile(finite["peak_dff"].to_numpy(), [0.5, 99.0])
    for row, line in enumerate(cre_lines):
        for column, exposure in enumerate(exposures):
            axes = panels[row, column]
            rows = finite.filter(cre_line=line, exposure_level=exposure)
            for condition, color in CONDITION_COLORS.items():
                _draw_cloud(axes, rows.filter(condition=condition), color)
            cells = counted(rows.select("mouse_id", "unit_id").n_unique(), "cell")
            title = f"{cre_name(line)}, {exposure}: {counted(rows['mouse_id'].n_unique(), 'mouse')}, {cells}"
            x = "latency of the peak (s)" if row == len(cre_lines) - 1 else ""
            plain(axes, title, x, "peak (dF/F)" if column == 0 else "")
    panels[0, 0].set_ylim(low - 0.15 * (high - low), high + 0.25 * (high - low))
    condition_legend(figure)
    return figure


def confidence_ellipse(points: np.ndarray, level: float = _LEVEL) -> tuple[np.ndarray, float, float, float]:
    """Centre, width, height and angle (degrees) of the ellipse that holds a share of a normal cloud (n_points, 2).

    The covariance's axes, scaled by the square root of chi-squared's quantile with two degrees of freedom. Raises
    ValueError with fewer than three points.
    """
    if len(points) < 3:
        raise ValueError(f"an ellipse takes three points or more, got {len(points)}")
    variances, axes = np.linalg.eigh(np.cov(points.T))
    diameters = 2 * np.sqrt(stats.chi2.ppf(level, 2) * np.clip(variances, 0, None))
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    return points.mean(axis=0), float(diameters[1]), float(diameters[0]), float(angle)


def _draw_cloud(axes: Axes, rows: pl.DataFrame, color: str) -> None:
    columns = ("peak_latency_s", "peak_dff")
    cells = rows.select(columns).to_numpy()
    rng = np.random.default_rng(0)
    shown = cells if len(cells) <= _MOST_POINTS else rng.choice(cells, _MOST_POINTS, replace=False)
    axes.scatter(*shown.T, s=5, color=color, alpha=0.25, linewidths=0)
    mice = rows.group_by("mouse_id").agg(pl.col(columns).mean()).select(columns).to_numpy()
    axes.scatter(*mice.T, s=22, color=color, marker="D", edgecolors="white", linewidths=0.5, zorder=3)
    for points, style in ((cells, {"facecolor": color, "alpha": 0.12}), (mice, {"fill": False, "linestyle": "--"})):
        if len(points) >= 3:
            centre, width, height, angle = confidence_ellipse(points)
            axes.add_patch(Ellipse(centre, width, height, angle=angle, edgecolor=color, linewidth=1.2, **style))
            if "alpha" in style:
                axes.add_patch(Ellipse(centre, width, height, angle=angle, edgecolor=color, fill=False, linewidth=1.2))


def _draw_pair(axes: Axes, of_mice: pl.DataFrame, measure: str, offset: float, is_novel: bool) -> None:
    places, means = [], []
    for at, condition in enumerate(CONDITION_COLORS):
        values = of_mice.filter(condition=condition)[measure].to_numpy()
        if len(values):
            color = CONDITION_COLORS[condition]
            _draw_mean(axes, at + offset, values, color, face="white" if is_novel else color)
            places.append(at + offset)
            means.append(float(np.mean(values)))
    axes.plot(places, means, color=TEXT, linewidth=1, linestyle="--" if is_novel else "-", zorder=1)


def _draw_mean(axes: Axes, at: float, of_mice: Sequence[float], color: str, face: str | None = None) -> None:
    if len(of_mice) == 0:
        return
    found = mean_over_mice(np.asarray(of_mice))
    if found.ci_low is not None:
        axes.plot([at, at], [found.ci_low, found.ci_high], color=color, linewidth=1.6, zorder=2)
    axes.plot([at], [found.mean], marker="o", markersize=5, color=color, markerfacecolor=face or color, zorder=3)
