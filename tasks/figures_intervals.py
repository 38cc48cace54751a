"""Intervals of effects: over mice beside those over cells, and Tukey's and the pairwise comparisons."""

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.figure_groups import FAINT, TEXT, plain
from tasks.figures import ReportFigure, as_png
from tasks.sentences import cre_name, group_order, measure_with_unit
from tasks.sentences_effects import OMISSION

MEASURES = ("peak_dff", "peak_latency_s", "auc_dff_s")
MICE_COLOR, CELLS_COLOR = "#0072B2", "#E69F00"
_PAIRWISE_MEASURE = "peak_dff"


def interval_figures(contrasts: pl.DataFrame, group_tests: pl.DataFrame) -> tuple[ReportFigure, ...]:
    """Intervals of both protocols for each group."""
    if contrasts.filter(pl.col("measure").is_in(MEASURES), contrast=OMISSION).is_empty():
        return ()
    return (
        ReportFigure(
            "Effects with their intervals, over mice and over cells",
            "Omitted minus presented with 95 % intervals. Over mice: what this report concludes from; n is mice."
            " Over cells, as published: each cell counts, and the interval is as a rule too narrow; a mouse that"
            " gave many cells also weighs more there.",
            as_png(effect_interval_figure(contrasts, group_tests)),
        ),
    )


def comparison_figures(group_tests: pl.DataFrame) -> tuple[ReportFigure, ...]:
    """Intervals of the comparisons between all groups, as published."""
    compared = group_tests.filter(pl.col("test").is_in(["tukey", "pairwise"]), measure=_PAIRWISE_MEASURE)
    if compared.is_empty():
        return ()
    return (
        ReportFigure(
            "Tukey's and pairwise comparisons of the peak",
            "As published, over cells: Tukey's 95 % intervals are for the family of all pairs; those of pairwise"
            " comparisons are of one t test each. They take cells of one mouse as independent, and nothing is"
            " concluded from them.",
            as_png(comparison_figure(compared)),
        ),
    )


def effect_interval_figure(contrasts: pl.DataFrame, group_tests: pl.DataFrame) -> Figure:
    """A panel per measure: each group's interval over mice, and below it the one over cells."""
    of_omission = contrasts.filter(pl.col("measure").is_in(MEASURES), contrast=OMISSION)
    over_cells = {
        (row["measure"], row["within"]): row
        for row in group_tests.filter(pl.col("test").is_in(["student", "welch"])).to_dicts()
    }
    groups = sorted(
        of_omission.select("cre_line", "exposure_level").unique().iter_rows(), key=lambda group: group_order(*group)
    )
    figure = Figure(figsize=(9.6, 1.1 + 0.5 * len(groups)), layout="constrained")
    for number, (axes, measure) in enumerate(zip(figure.subplots(1, len(MEASURES)), MEASURES, strict=True)):
        axes.axvline(0, color=FAINT, linewidth=1)
        for at, (line, exposure) in enumerate(groups):
            for row in of_omission.filter(measure=measure, cre_line=line, exposure_level=exposure).to_dicts():
                _draw_interval(axes, at - 0.14, row["difference"], row, MICE_COLOR)
            if row := over_cells.get((measure, f"{line}, {exposure}")):
                _draw_interval(axes, at + 0.14, row["estimate"], row, CELLS_COLOR)
        plain(axes, "", f"omitted - presented, {measure_with_unit(measure)}")
        _name_rows(axes, [f"{cre_name(line)}, {exposure}" for line, exposure in groups] if number == 0 else None,
                   len(groups))  # fmt: skip
    handles = [
        Line2D([], [], color=color, marker="o", label=label)
        for color, label in ((MICE_COLOR, "over mice"), (CELLS_COLOR, "over cells, as published"))
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=9, frameon=False)
    return figure


def comparison_figure(compared: pl.DataFrame) -> Figure:
    """Tukey's comparisons left, pairwise ones right: difference and interval of each pair, dark where p < .05."""
    sides = {test: compared.filter(test=test).to_dicts() for test in ("tukey", "pairwise")}
    sides = {test: rows for test, rows in sides.items() if rows}
    tallest = max(len(rows) for rows in sides.values())
    figure = Figure(figsize=(9.6, 0.9 + 0.19 * max(tallest, 4)), layout="constrained")
    panels = figure.subplots(1, len(sides), squeeze=False)[0]
    for axes, (test, rows) in zip(panels, sides.items(), strict=True):
        axes.axvline(0, color=FAINT, linewidth=1)
        for at, row in enumerate(rows):
            is_small = row["p_corrected"] is not None and row["p_corrected"] < 0.05
            _draw_interval(axes, at, row["estimate"], row, TEXT if is_small else "#999999")
        title = "Tukey, family-wise" if test == "tukey" else "pairwise t, p by Benjamini-Hochberg"
        plain(axes, title, f"difference, {measure_with_unit(_PAIRWISE_MEASURE)}")
        _name_rows(axes, [_brief(row["contrast"]) for row in rows], len(rows))
        axes.tick_params(axis="y", labelsize=6.5)
    return figure


def _brief(contrast: str) -> str:
    sides = contrast.split(" - ")
    return " - ".join(" ".join(cre_name(part) for part in side.split(", ")) for side in sides)


def _draw_interval(axes: Axes, at: float, centre: float | None, row: Mapping, color: str) -> None:
    if centre is None:
        return
    if row["ci_low"] is not None and row["ci_high"] is not None:
        axes.plot([row["ci_low"], row["ci_high"]], [at, at], color=color, linewidth=1.8)
    axes.plot([centre], [at], marker="o", markersize=4, color=color)


def _name_rows(axes: Axes, names: Sequence[str] | None, count: int) -> None:
    axes.set_yticks(range(count), names or [""] * count)
    axes.set_ylim(count - 0.5, -0.5)
