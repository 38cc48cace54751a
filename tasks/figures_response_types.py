"""Figures of response types over a whole study: r2 against chance, types by region, responses to each stimulus."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from tasks.figure_groups import FAINT, TEXT, plain, saying
from tasks.figures import ReportFigure, as_png
from tasks.response_type_recipe import AMBIGUOUS_TYPE, NO_TYPE
from tasks.response_types_rows import TypesRows
from tasks.response_types_traces import ShownSession
from tasks.sentences import PROTOCOLS, counted

# After Okabe and Ito, told apart by color-blind readers; those beyond the seventh come round again.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F")
OTHER_COLORS = {AMBIGUOUS_TYPE: "#6b6b6b", NO_TYPE: "#c9ccd1"}
_R2_BINS = 40
_BEFORE_DECAYS, _AFTER_DECAYS = 1.0, 4.0
_FEWEST_BEFORE, _FEWEST_AFTER = 3, 10  # frames


def type_colors(rows: TypesRows) -> dict[str, str]:
    """Every type of the study in its order, regressors first, each with its color."""
    order = rows.regressors.group_by("regressor").agg(pl.col("place").min()).sort("place", "regressor")["regressor"]
    return {name: _COLORS[n % len(_COLORS)] for n, name in enumerate(order)} | OTHER_COLORS


def study_figures(rows: TypesRows, shown: Sequence[ShownSession]) -> tuple[ReportFigure, ...]:
    """Those of the whole study that there are rows for."""
    if rows.rois.is_empty():
        return ()
    recipe = rows.recipe
    figures = [
        ReportFigure(
            "How much of each ROI the regressors explain",
            "In-sample r2 of every ROI; filled: selected. Rigorous: an r2 that circular shifts of the regressors rarely"
            f" reach, with a false-discovery rate of {recipe.fdr:g}; line: r2 by chance, from those shifts, as many"
            f" ROIs. Published: r2 above {recipe.smallest_r2:g} (dashed), whatever chance reaches.",
            as_png(r2_figure(rows)),
        ),
        ReportFigure(
            "Response types by region",
            "Share of the region's ROIs of each type, with the number of ROIs. 'ambiguous': selected, and"
            " driven by no event clearly more than by another; 'none': not selected.",
            as_png(share_figure(rows)),
        ),
    ]
    if shown:
        figures.append(
            ReportFigure(
                "Mean response to each event",
                f"Mean over events, then over the ROIs of a type; {_of_sessions(shown)}, {rows.protocol} protocol."
                f" Band: the first {recipe.response_frames} frames, whose mean is kept for every ROI as mean_response.",
                as_png(response_figure(rows, shown)),
            )
        )
    return tuple(figures)


def r2_figure(rows: TypesRows) -> Figure:
    """A histogram for each protocol: all ROIs, those selected, and what chance gives."""
    protocols = [one for one in PROTOCOLS if len(rows.of(one).drop_nulls("r2"))]
    if not protocols:
        return saying("No ROI could be fitted.")
    top = max(float(rows.of(one)["r2"].max()) for one in protocols)
    edges = np.linspace(0, max(top * 1.02, 0.1), _R2_BINS + 1)
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    for axes, protocol in zip(figure.subplots(1, len(protocols), squeeze=False)[0], protocols, strict=True):
        rois = rows.of(protocol).drop_nulls("r2")
        axes.hist(rois["r2"].to_numpy(), edges, color="#e3e6ea", edgecolor=FAINT, linewidth=0.5)
        axes.hist(rois.filter("selected")["r2"].to_numpy(), edges, color="#0072B2")
        if protocol == "published":
            axes.axvline(rows.recipe.smallest_r2, color="#D55E00", linestyle="--", linewidth=1.4)
        elif len(rows.chance):
            axes.stairs(_by_chance(rows.chance, edges) * len(rois), edges, color="#D55E00", linewidth=1.4)
        selected = counted(int(rois["selected"].sum()), "ROI")
        axes.set_yscale("symlog", linthresh=10)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylim(bottom=0)
        plain(axes, f"{protocol}: {selected} selected of {len(rois):,}", "in-sample r2", "ROIs")
    handles = [
        Patch(color="#0072B2", label="selected"),
        Patch(facecolor="#e3e6ea", edgecolor=FAINT, label="not selected"),
        Line2D([], [], color="#D55E00", label="chance, or threshold"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=9, frameon=False)
    return figure


def share_figure(rows: TypesRows) -> Figure:
    """A stacked bar for each region, a panel for each protocol."""
    colors = type_colors(rows)
    regions = rows.types["region"].unique().sort(descending=True).to_list()
    if not regions:
        return saying("No ROI has a type.")
    protocols = [one for one in PROTOCOLS if len(rows.types.filter(protocol=one))]
    figure = Figure(figsize=(9.6, 1.5 + 0.5 * len(regions)), layout="constrained")
    panels = figure.subplots(1, len(protocols), sharey=True, squeeze=False)[0]
    for axes, protocol in zip(panels, protocols, strict=True):
        for place, region in enumerate(regions):
            of_region = {
                row["response_type"]: row for row in rows.types.filter(protocol=protocol, region=region).to_dicts()
            }
            left = 0.0
            for name, color in colors.items():
                if not (row := of_region.get(name)) or not row["roi_count"]:
                    continue
                axes.barh(place, row["share"], left=left, color=color, edgecolor="white", linewidth=0.8, height=0.66)
                if row["share"] > 0.05:
                    ink = "#222222" if name == NO_TYPE else "white"
                    axes.text(left + row["share"] / 2, place, f"{row['roi_count']:,}", ha="center", va="center",
                              fontsize=8, color=ink)  # fmt: skip
                left += row["share"]
        axes.set_xlim(0, 1)
        plain(axes, protocol, "share of the region's ROIs")
    panels[0].set_yticks(range(len(regions)), regions, fontsize=8)
    there = set(rows.types.filter(pl.col("roi_count") > 0)["response_type"])
    handles = [Patch(color=color, label=name) for name, color in colors.items() if name in there]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), fontsize=9, frameon=False)
    return figure


def response_figure(rows: TypesRows, shown: Sequence[ShownSession]) -> Figure:
    """A panel for each kind of event, in it a line for each type: dF/F around the event."""
    colors = type_colors(rows)
    names = [name for name in colors if any(name in one.fitted.regressors.event_frames for one in shown)]
    columns = min(3, len(names))
    figure = Figure(figsize=(9.6, 0.5 + 2.3 * -(-len(names) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(names) // columns), columns, sharey=True, squeeze=False).flat
    for place, axes in enumerate(panels):
        if place >= len(names):
            axes.set_axis_off()
            continue
        _draw_responses(axes, rows, shown, names[place], colors)
        plain(axes, names[place], "time from the event (s)", "dF/F" if place % columns == 0 else "")
    there = [name for name in colors if any((one.rois["response_type"] == name).any() for one in shown)]
    handles = [Line2D([], [], color=colors[name], linewidth=2.2, label=name) for name in there]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), fontsize=9, frameon=False)
    return figure


def around_events(dff: NDArray[np.floating], frames: NDArray[np.int64], before: int, after: int) -> NDArray[np.float64]:
    """Mean over the events whose window lies within the recording, (n_rois, before + after + 1); NaN without any."""
    whole = frames[(frames >= before) & (frames + after < dff.shape[1])]
    offsets = np.arange(-before, after + 1)
    if not len(whole):
        return np.full((len(dff), len(offsets)), np.nan)
    total = np.zeros((len(dff), len(offsets)))
    for frame in whole:  # one event at a time: all windows at once can be larger than the traces
        total += dff[:, frame - before : frame + after + 1]
    return total / len(whole)


def _draw_responses(
    axes: Axes, rows: TypesRows, shown: Sequence[ShownSession], stimulus: str, colors: dict[str, str]
) -> None:
    rate_hz = float(np.median([one.fitted.rate_hz for one in shown]))
    decay_s = float(np.median([one.fitted.kernel.decay_s for one in shown]))
    before = max(round(_BEFORE_DECAYS * decay_s * rate_hz), _FEWEST_BEFORE)
    after = max(round(_AFTER_DECAYS * decay_s * rate_hz), _FEWEST_AFTER)
    times_s = np.arange(-before, after + 1) / rate_hz
    axes.axvspan(0, (rows.recipe.response_frames - 1) / rate_hz, color="#eef1f4", zorder=0)
    axes.axvline(0, color=TEXT, linewidth=0.8)
    of_types: dict[str, list[NDArray[np.float64]]] = {}
    for one in shown:
        frames = one.fitted.regressors.event_frames.get(stimulus)
        if frames is None:
            continue
        means = around_events(one.fitted.dff, frames, before, after)
        for name in one.rois["response_type"].unique():
            of_types.setdefault(name, []).append(means[(one.rois["response_type"] == name).to_numpy()])
    for name in (name for name in colors if name in of_types):
        curves = np.concatenate(of_types[name])
        curves = curves[~np.isnan(curves).any(axis=1)]
        if len(curves):
            axes.plot(times_s, curves.mean(axis=0), color=colors[name], linewidth=1.7)


def _by_chance(chance: pl.DataFrame, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of shifts in each of the bins, (n_bins,), from a histogram with bins of its own."""
    at = np.concatenate([[0.0], np.cumsum(chance["share"].to_numpy())])
    below = np.concatenate([chance["r2_low"].to_numpy()[:1], chance["r2_high"].to_numpy()])
    return np.diff(np.interp(edges, below, at))


def _of_sessions(shown: Sequence[ShownSession]) -> str:
    return f"session {shown[0].session_id}" if len(shown) == 1 else f"the {len(shown)} sessions with most selected ROIs"
