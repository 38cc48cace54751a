"""Figures of decoding through time: courses with clusters and windows, and how far what is learned carries in time."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.figure_groups import FAINT, TEXT, plain
from tasks.figures import ReportFigure, as_png
from tasks.sentences import ALPHA, PROTOCOLS, counted, cre_name, group_order
from tasks.time_windows import ACCURACY_THRESHOLD, AUC_THRESHOLD, FEWEST_POINTS, windows_above

_PROTOCOL_COLORS = {"rigorous": "#0072B2", "published": "#E69F00"}
_LEVEL_NAMES = {"single_trial": "single trials of single cells", "population": "a session's cells together"}
_THRESHOLDS = {"auc": AUC_THRESHOLD, "accuracy": ACCURACY_THRESHOLD}


def course_figures(time_decoding: pl.DataFrame, score: str = "auc") -> tuple[ReportFigure, ...]:
    """A figure per level: AUC or accuracy at each time, both protocols, with captions; none without rows."""
    name = "AUC" if score == "auc" else "accuracy"
    figures = []
    for level, plainly in _LEVEL_NAMES.items():
        rows = _main_decoder(time_decoding.filter(level=level))
        if rows.is_empty():
            continue
        tests = "Bars below: clusters above chance (p < .05, by permutation)" if score == "auc" else (
            "Grey: the share of the commoner condition"
        )  # fmt: skip
        figures.append(
            ReportFigure(
                f"Decoding through time, {plainly}: {name}",
                f"Omitted against presented at each time, {rows['decoder'][0]}; band: s.e.m. over folds or mice."
                f" {tests}. Bars above: windows of at least {FEWEST_POINTS} points in a row above"
                f" {_THRESHOLDS[score]} (dotted), as the source names them, which is no test. Published folds put one"
                " cell's responses on both sides; rigorous folds leave out whole mice or sessions.",
                as_png(course_figure(rows, score)),
            )
        )
    return tuple(figures)


def generalisation_figures(time_generalisation: pl.DataFrame, protocol: str) -> tuple[ReportFigure, ...]:
    """A figure per level: AUC of decoders learned at one time and tested at another, under one protocol."""
    figures = []
    for level, plainly in _LEVEL_NAMES.items():
        rows = _main_decoder(time_generalisation.filter(level=level, protocol=protocol))
        if rows.is_empty():
            continue
        figures.append(
            ReportFigure(
                f"Temporal generalisation, {plainly}, {protocol} protocol",
                f"AUC of {rows['decoder'][0]} learned at one time (up) and tested at another (across). Along the"
                " diagonal only: what tells them apart changes with time; a square: it lasts; below .5: it turns.",
                as_png(generalisation_figure(rows)),
            )
        )
    return tuple(figures)


def course_figure(rows: pl.DataFrame, score: str) -> Figure:
    """A panel per cre line and exposure, a line per protocol."""
    groups = _groups(rows)
    columns = min(2, len(groups))
    lines = -(-len(groups) // columns)
    figure = Figure(figsize=(9.6, 0.6 + 2.4 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for number, axes in enumerate(panels.flat):
        if number >= len(groups):
            axes.set_axis_off()
            continue
        line, exposure = groups[number]
        of_group = rows.filter(cre_line=line, exposure_level=exposure)
        chance = 0.5 if score == "auc" else of_group["chance_accuracy"].mean()
        axes.axhline(chance, color=FAINT, linewidth=0.8)
        axes.axhline(_THRESHOLDS[score], color=FAINT, linewidth=0.8, linestyle=":")
        axes.axvline(0, color=TEXT, linewidth=1)
        for at, protocol in enumerate(PROTOCOLS):
            _draw_course(axes, of_group.filter(protocol=protocol).sort("time_s"), score, _PROTOCOL_COLORS[protocol], at)
        row = of_group.sort("protocol", descending=True).row(0, named=True)
        title = f"{cre_name(line)}, {exposure}: {counted(row['mouse_count'], 'mouse')}, {row['row_count']:,} rows"
        is_last = number + columns >= len(groups)
        y = {"auc": "AUC", "accuracy": "accuracy"}[score]
        plain(axes, title, "time from onset (s)" if is_last else "", y if number % columns == 0 else "")
    low, high = panels[0, 0].get_ylim()
    panels[0, 0].set_ylim(low - 0.10 * (high - low), high + 0.10 * (high - low))
    handles = [Line2D([], [], color=color, linewidth=2.4, label=name) for name, color in _PROTOCOL_COLORS.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=9, frameon=False)
    return figure


def generalisation_figure(rows: pl.DataFrame) -> Figure:
    """A heatmap per cre line and exposure, all on one scale about .5."""
    groups = _groups(rows)
    reach = max(float((rows["auc"] - 0.5).abs().max()), 0.05)
    # Panels are squares: as high as the page's width leaves them.
    figure = Figure(figsize=(9.6, min(0.8 + 7.4 / len(groups), 3.4)), layout="constrained")
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for number, (axes, (line, exposure)) in enumerate(zip(panels, groups, strict=True)):
        square = rows.filter(cre_line=line, exposure_level=exposure).pivot(
            on="test_s", index="train_s", values="auc", sort_columns=False
        ).sort("train_s")  # fmt: skip
        tested_s = sorted(float(name) for name in square.columns[1:])
        auc = square.select(sorted(square.columns[1:], key=float)).to_numpy()
        learned_s = square["train_s"].to_numpy()
        image = axes.pcolormesh(
            tested_s, learned_s, auc, cmap="RdBu_r", vmin=0.5 - reach, vmax=0.5 + reach, shading="nearest",
            rasterized=True,
        )  # fmt: skip
        axes.plot([tested_s[0], tested_s[-1]], [tested_s[0], tested_s[-1]], color=TEXT, linewidth=0.6, linestyle=":")
        axes.axhline(0, color=TEXT, linewidth=0.6)
        axes.axvline(0, color=TEXT, linewidth=0.6)
        plain(axes, f"{cre_name(line)}, {exposure}", "tested at (s)", "learned at (s)" if number == 0 else "")
        axes.set_aspect("equal")
    bar = figure.colorbar(image, ax=panels, shrink=0.8)
    bar.set_label("AUC", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return figure


def _main_decoder(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(decoder="logistic") if "logistic" in rows["decoder"] else rows


def _groups(rows: pl.DataFrame) -> list[tuple[str, str]]:
    pairs = rows.select("cre_line", "exposure_level").unique().iter_rows()
    return sorted(pairs, key=lambda pair: group_order(*pair))


def _draw_course(axes: Axes, course: pl.DataFrame, score: str, color: str, at: int) -> None:
    if course.is_empty():
        return
    times_s, mean = course["time_s"].to_numpy(), course[score].to_numpy()
    sem = course[f"{score}_sem"].fill_null(0).to_numpy()
    axes.plot(times_s, mean, color=color, linewidth=1.5)
    axes.fill_between(times_s, mean - sem, mean + sem, color=color, alpha=0.2, linewidth=0)
    stride_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    across = axes.get_xaxis_transform()
    for start_s, stop_s in windows_above(times_s, mean, _THRESHOLDS[score]):
        axes.plot([start_s, stop_s], [0.985 - 0.03 * at] * 2, color=color, linewidth=2, alpha=0.5, transform=across)
    if score == "auc":
        for _, cluster in course.filter(pl.col("p_cluster") < ALPHA).group_by("cluster"):
            start_s, stop_s = cluster["time_s"].min() - stride_s / 2, cluster["time_s"].max() + stride_s / 2
            axes.plot([start_s, stop_s], [0.015 + 0.04 * at] * 2, color=color, linewidth=3.5, transform=across,
                      solid_capstyle="butt")  # fmt: skip
