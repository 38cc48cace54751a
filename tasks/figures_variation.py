"""Figures of mean responses cell by cell and mouse by mouse: heatmaps, ridges, histograms, spread over time."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from tasks.figure_groups import FAINT, TEXT, CellGroup, cell_groups, group_counts, plain, saying
from tasks.figures import CONDITION_COLORS, ReportFigure, as_png, condition_legend
from tasks.unit_responses import UnitResponses

MEAN_WINDOW_S = (0.0, 0.75)  # one period of the flashes
_NONE = "No mean responses to both conditions: this project brought its features ready-made, or has none."
_MOST_RIDGES = 20


def response_figures(found: UnitResponses) -> tuple[ReportFigure, ...]:
    """Figures of mean responses, with captions."""
    start_s, stop_s = MEAN_WINDOW_S
    return (
        ReportFigure(
            "Responses of all cells",
            "Mean response of each cell in a session, dF/F. Rows of both conditions are in the order of the latency of"
            " the omitted peak: that order alone makes a diagonal in 'omitted', of noise too; what 'presented' shows of"
            " it is no artefact.",
            as_png(heatmap_figure(found)),
        ),
        ReportFigure(
            "Responses of each mouse",
            f"A ridge for each mouse, with its name: mean over its cells, up to {_MOST_RIDGES} mice.",
            as_png(ridge_figure(found)),
        ),
        ReportFigure(
            "Distribution of mean responses",
            f"Mean over {start_s:g} to {stop_s:g} s of each cell's mean response. Lines: means over mice of each"
            " mouse's mean. Axes span 1 to 99 % of cells; those beyond are in the outermost bars.",
            as_png(histogram_figure(found)),
        ),
        ReportFigure(
            "Variability over time",
            "S.d. of mean responses at each time: over cells (thin), and over mice of each mouse's mean over cells"
            " (thick; none with one mouse).",
            as_png(spread_figure(found)),
        ),
    )


def heatmap_figure(found: UnitResponses) -> Figure:
    """Every cell's mean response as a row of color, both conditions in one order."""
    if found.units.is_empty():
        return saying(_NONE)
    groups = cell_groups(found.units)
    limit = float(np.percentile(np.abs(found.rows), 99)) or 1.0
    tallest = max(_of(found, group).sum() for group in groups)
    figure = Figure(figsize=(9.6, 6.4 if tallest > 15 else 4.2), layout="constrained")
    panels = figure.subplots(2, len(groups), squeeze=False, sharex=True)
    for column, group in enumerate(groups):
        which = _of(found, group)
        order = np.argsort(found.omitted[which].argmax(axis=1), kind="stable")
        for row, (condition, values) in enumerate(_conditions(found)):
            axes = panels[row, column]
            image = heat(axes, found.times_s, values[which][order], limit)
            title = f"{group.name}\n{group_counts(found.units.filter(pl.Series(which)))}" if row == 0 else ""
            plain(axes, title, "time from onset (s)" if row else "", condition if column == 0 else "")
    bar = figure.colorbar(image, ax=panels, shrink=0.5, aspect=30, extend="both")
    bar.set_label("dF/F", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return figure


def ridge_figure(found: UnitResponses) -> Figure:
    """The mean of each mouse's cells, mice stacked, a panel for each cre line and exposure level."""
    if found.units.is_empty():
        return saying(_NONE)
    groups = cell_groups(found.units)
    means = {
        group: [(condition, *_mouse_means(found, group, values)) for condition, values in _conditions(found)]
        for group in groups
    }
    mouse_count = min(max(len(mice) for of_group in means.values() for _, mice, _ in of_group), _MOST_RIDGES)
    if mouse_count == 0:
        return saying("No ridges: no session says which mouse it is of.")
    step = max((np.ptp(traces) for of_group in means.values() for _, _, traces in of_group if len(traces)), default=1)
    step = 0.7 * float(step) or 1.0
    figure = Figure(figsize=(9.6, 1.3 + 0.55 * mouse_count), layout="constrained")
    panels = figure.subplots(1, len(groups), squeeze=False, sharex=True)[0]
    for axes, group in zip(panels, groups, strict=True):
        axes.set_ylim(-(mouse_count + 0.4) * step, 1.6 * step)
        mice = means[group][0][1]
        for condition, _, traces in means[group]:
            for at, trace in enumerate(traces[:_MOST_RIDGES]):
                base, color = -at * step, CONDITION_COLORS[condition]
                axes.fill_between(found.times_s, base, base + trace, color=color, alpha=0.15, linewidth=0, zorder=at)
                axes.plot(found.times_s, base + trace, color=color, linewidth=1.2, zorder=at)
        axes.axvline(0, color=FAINT, linewidth=1, zorder=0)
        plain(axes, group.name, "time from onset (s)")
        axes.set_yticks(-step * np.arange(len(mice[:_MOST_RIDGES])), mice[:_MOST_RIDGES], fontsize=7)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    size, end_s, low = _round(step), found.times_s[-1], -(mouse_count + 0.3) * step
    panels[-1].plot([end_s, end_s], [low, low + size], color=TEXT, linewidth=2)
    panels[-1].text(end_s, low, f"{size:g} dF/F  ", ha="right", va="bottom", fontsize=8, color=TEXT)
    condition_legend(figure)
    return figure


def histogram_figure(found: UnitResponses) -> Figure:
    """How many cells respond how strongly, both conditions over each other."""
    if found.units.is_empty():
        return saying(_NONE)
    groups = cell_groups(found.units)
    within = (found.times_s >= MEAN_WINDOW_S[0]) & (found.times_s < MEAN_WINDOW_S[1])
    if not within.any():
        return saying(f"No histogram: no sample between {MEAN_WINDOW_S[0]:g} and {MEAN_WINDOW_S[1]:g} s.")
    low, high = np.percentile(np.concatenate([v[:, within].mean(axis=1) for _, v in _conditions(found)]), [1, 99])
    edges = np.linspace(low, high if high > low else low + 1, 31)
    figure = Figure(figsize=(9.6, 2.8), layout="constrained")
    panels = figure.subplots(1, len(groups), squeeze=False, sharex=True)[0]
    for axes, group in zip(panels, groups, strict=True):
        which = _of(found, group)
        for condition, values in _conditions(found):
            color = CONDITION_COLORS[condition]
            means = values[which][:, within].mean(axis=1)
            axes.hist(np.clip(means, edges[0], edges[-1]), edges, color=color, alpha=0.35)
            axes.hist(np.clip(means, edges[0], edges[-1]), edges, color=color, histtype="step", linewidth=1.2)
            _, mouse_means = _mouse_means(found, group, values[:, within])
            if len(mouse_means):
                axes.axvline(mouse_means.mean(), color=color, linewidth=2)
        axes.axvline(0, color=FAINT, linewidth=1, zorder=0)
        counts = group_counts(found.units.filter(pl.Series(which)))
        plain(axes, f"{group.name}\n{counts}", "mean dF/F", "cells" if axes is panels[0] else "")
    condition_legend(figure)
    return figure


def spread_figure(found: UnitResponses) -> Figure:
    """Standard deviation at each time, over cells and over mice."""
    if found.units.is_empty():
        return saying(_NONE)
    groups = cell_groups(found.units)
    figure = Figure(figsize=(9.6, 2.8), layout="constrained")
    panels = figure.subplots(1, len(groups), squeeze=False, sharex=True, sharey=True)[0]
    for axes, group in zip(panels, groups, strict=True):
        which = _of(found, group)
        axes.axvline(0, color=FAINT, linewidth=1)
        for condition, values in _conditions(found):
            color = CONDITION_COLORS[condition]
            if which.sum() > 1:
                axes.plot(found.times_s, values[which].std(axis=0, ddof=1), color=color, linewidth=0.9)
            mice, means = _mouse_means(found, group, values)
            if len(mice) > 1:
                axes.plot(found.times_s, means.std(axis=0, ddof=1), color=color, linewidth=2)
        axes.set_ylim(bottom=0)
        counts = group_counts(found.units.filter(pl.Series(which)))
        plain(axes, f"{group.name}\n{counts}", "time from onset (s)", "s.d. (dF/F)" if axes is panels[0] else "")
    condition_legend(figure)
    return figure


def heat(axes: Axes, times_s: NDArray, rows: NDArray, limit: float) -> AxesImage:
    """Rows as colors, blue below 0 and red above, saturated beyond ``limit``."""
    axes.axvline(0, color=TEXT, linewidth=0.8)
    axes.set_yticks([])
    extent = (times_s[0], times_s[-1], len(rows), 0)
    return axes.imshow(
        rows, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent, interpolation="nearest"
    )


def _conditions(found: UnitResponses) -> Iterator[tuple[str, NDArray]]:
    yield "presented", found.presented
    yield "omitted", found.omitted


def _of(found: UnitResponses, group: CellGroup) -> NDArray[np.bool_]:
    return found.units.select(group.belongs.alias("of"))["of"].to_numpy()


def _mouse_means(found: UnitResponses, group: CellGroup, values: NDArray) -> tuple[list[str], NDArray]:
    """Mice of the group, and the mean over each one's rows (n_mice, n_samples)."""
    mouse_of = found.units["mouse_id"].fill_null("").to_numpy()
    mice = sorted({mouse for mouse in mouse_of[_of(found, group)] if mouse})
    which = _of(found, group)
    means = [values[which & (mouse_of == mouse)].mean(axis=0) for mouse in mice]
    return mice, np.stack(means) if means else np.zeros((0, values.shape[1]))


def _round(size: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above ``size``."""
    power = 10 ** np.floor(np.log10(size))
    return float(max(step for step in (1, 2, 5) if step * power <= size * 1.000001) * power)
