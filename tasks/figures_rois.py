"""Figures of the ROIs of one session: heatmaps with their trees, traces of types, places, numbers of clusters."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from models.roi_clusters import z_scored
from tasks.figure_groups import TEXT, plain, saying
from tasks.figures import ReportFigure, as_png
from tasks.response_type_recipe import NO_TYPE
from tasks.response_types_rows import TypesRows
from tasks.response_types_traces import ShownSession
from tasks.sentences import counted

Z_RANGE = (-1.0, 3.0)
_MOST_LINES = 60  # events of a kind that are drawn as lines over a heatmap
_LONGEST_STRETCH = 600  # frames of a stretch of traces
_SCOPES = {"all": "all ROIs", "selected": "selected ROIs"}


def session_figures(rows: TypesRows, one: ShownSession, colors: Mapping[str, str]) -> tuple[ReportFigure, ...]:
    """Everything drawn of a session that its rows allow."""
    figures = []
    for scope, named in _SCOPES.items():
        figure, count = heatmap_figure(one, scope, colors)
        if figure is not None:
            order = "in the order of the tree's leaves" if scope in one.trees else "by type and r2"
            figures.append(
                ReportFigure(
                    f"Heatmap of {named}, {one.session_id}",
                    f"{counted(count, 'ROI')}, {order}; each row in its own mean and spread, colors from"
                    f" {Z_RANGE[0]:g} to {Z_RANGE[1]:g}. Lines and ticks: events. Right: the ROI's type.",
                    as_png(figure),
                )
            )
    figures.append(
        ReportFigure(
            f"Traces of each type, {one.session_id}",
            "Mean dF/F of the ROIs of each type, with the s.d. over ROIs; colored: the mean of their fits to all"
            " regressors, and below it the regressor of that type." + _stretch_said(one),
            as_png(type_trace_figure(one, colors)),
        )
    )
    if one.rois["x_px"].count():
        figures.append(
            ReportFigure(
                f"Where the types lie, {one.session_id}",
                "Centres of the ROIs in the imaging plane, as the recording gives them.",
                as_png(plane_figure(one, colors)),
            )
        )
    counts = rows.cluster_counts.filter(protocol=rows.protocol, session_id=one.session_id)
    if counts["cluster_count"].n_unique() > 1:
        figures.append(
            ReportFigure(
                f"How many clusters, {one.session_id}",
                "Mean silhouette over ROIs, and how alike the clusterings of draws of the ROIs are (adjusted Rand"
                " index), for each number of clusters; ring: the number that was taken.",
                as_png(count_figure(counts)),
            )
        )
    return tuple(figures)


def heatmap_figure(one: ShownSession, scope: str, colors: Mapping[str, str]) -> tuple[Figure | None, int]:
    """Traces as rows, with the tree on the left, events above and types on the right; and the number of rows."""
    leaf = one.rois[f"leaf_of_{scope}"].to_numpy(allow_copy=True)
    order = _rows_in_order(one, scope)
    if not len(order):
        return None, 0
    values = z_scored(one.fitted.dff[order])
    frame_s = one.fitted.frame_s
    height = float(np.clip(1.4 + 0.018 * len(order), 3.4, 7.5))
    figure = Figure(figsize=(9.6, height), layout="constrained")
    tree = one.trees.get(scope)
    drawn = tree is not None and len(tree) + 1 == len(order)
    panels = figure.subplots(
        2, 4, squeeze=False, gridspec_kw={"width_ratios": [1.3 if drawn else 0.01, 8, 0.18, 0.12],
                                          "height_ratios": [0.32, height - 0.32]},
    )  # fmt: skip
    for axes in (*panels[0, [0, 2, 3]], panels[1, 0]):
        axes.set_axis_off()
    events, heat = panels[0, 1], panels[1, 1]
    if drawn:
        draw_tree(panels[1, 0], tree, leaf[np.sort(order)].astype(np.int64))
    image = heat.imshow(
        values, aspect="auto", vmin=Z_RANGE[0], vmax=Z_RANGE[1], cmap="magma", interpolation="nearest"
        if values.shape[1] < 2000 else "antialiased", extent=(frame_s[0], frame_s[-1], len(order), 0),
    )  # fmt: skip
    _draw_events(events, heat, one, colors)
    plain(heat, "", "time (s)", "")
    heat.set_yticks([])
    types = list(colors)
    codes = np.array([types.index(name) for name in one.rois["response_type"].to_numpy()[order]])
    panels[1, 2].imshow(
        codes[:, None], aspect="auto", vmin=0, vmax=len(types), cmap=ListedColormap([*colors.values(), "#ffffff"]),
        interpolation="nearest",
    )  # fmt: skip
    panels[1, 2].set_axis_off()
    figure.colorbar(image, cax=panels[1, 3], ticks=[-1, 0, 1, 2, 3])
    panels[1, 3].tick_params(labelsize=8)
    _legend(figure, one.rois["response_type"].to_numpy()[order], colors)
    return figure, len(order)


def draw_tree(axes: Axes, merges: NDArray[np.float64], leaf: NDArray[np.int64]) -> None:
    """A tree on its side: leaves at the right, in the rows of a heatmap.

    ``merges`` (n - 1, 4) as SciPy's linkage, ``leaf`` (n,) the place of each row from above. Drawn without recursion,
    which SciPy's own drawing needs, deeper than Python allows for chains of some thousands.
    """
    n_leaves = len(leaf)
    height = np.concatenate([np.zeros(n_leaves), merges[:, 2]])
    place = np.concatenate([leaf + 0.5, np.zeros(len(merges))])
    lines = []
    for merge, (first, second) in enumerate(merges[:, :2].astype(int)):
        top, low, high = merges[merge, 2], place[first], place[second]
        place[n_leaves + merge] = (low + high) / 2
        lines.append([(height[first], low), (top, low), (top, high), (height[second], high)])
    axes.add_collection(LineCollection(lines, colors=TEXT, linewidths=float(np.clip(60 / n_leaves, 0.15, 0.7))))
    axes.set_xlim(max(height.max(), 1e-12) * 1.02, 0)
    axes.set_ylim(n_leaves, 0)


def type_trace_figure(one: ShownSession, colors: Mapping[str, str]) -> Figure:
    """A panel for each type that has ROIs: their mean with its spread, and the type's regressor."""
    types = [name for name in colors if name != NO_TYPE and (one.rois["response_type"] == name).any()]
    if not types:
        return saying("No ROI of this session was selected.")
    stretch = busiest_stretch(one)
    times_s = one.fitted.frame_s[stretch]
    figure = Figure(figsize=(9.6, 0.5 + 1.45 * len(types)), layout="constrained")
    for axes, name in zip(figure.subplots(len(types), 1, sharex=True, squeeze=False)[:, 0], types, strict=True):
        of_type = (one.rois["response_type"] == name).to_numpy()
        traces = one.fitted.dff[of_type][:, stretch]
        mean, spread = traces.mean(axis=0), traces.std(axis=0)
        axes.fill_between(times_s, mean - spread, mean + spread, color="#d5d9de", linewidth=0)
        axes.plot(times_s, mean, color="#222222", linewidth=1)
        fit = one.intercept[of_type, None] + one.coefficient[of_type] @ one.fitted.regressors.values[:, stretch]
        axes.plot(times_s, fit.mean(axis=0), color=colors[name], linewidth=1.4)
        for event_name, frames in one.fitted.regressors.event_frames.items():
            there = frames[(frames >= stretch.start) & (frames < stretch.stop)]
            if len(there) <= _MOST_LINES:
                axes.vlines(one.fitted.frame_s[there], 0, 1, transform=axes.get_xaxis_transform(),
                            color=colors[event_name], linewidth=0.8, alpha=0.55)  # fmt: skip
        low, high = axes.get_ylim()
        if name in one.fitted.regressors.names:
            regressor = one.fitted.regressors.values[one.fitted.regressors.names.index(name), stretch]
            span = np.ptp(regressor) or 1.0
            axes.plot(times_s, low - 0.32 * (high - low) + 0.3 * (high - low) * (regressor - regressor.min()) / span,
                      color=colors[name], linewidth=1.6)  # fmt: skip
        plain(axes, f"{name}: {counted(int(of_type.sum()), 'ROI')}", "", "dF/F")
    axes.set_xlabel("time (s)", fontsize=9)
    return figure


def plane_figure(one: ShownSession, colors: Mapping[str, str]) -> Figure:
    """Centres of ROIs, colored by type; those of no type below the others."""
    placed = one.rois.drop_nulls(["x_px", "y_px"])
    figure = Figure(figsize=(9.6, 5.2), layout="constrained")
    axes = figure.subplots()
    for name in reversed(list(colors)):
        of_type = placed.filter(response_type=name)
        axes.scatter(
            of_type["x_px"], of_type["y_px"], s=26 if name != NO_TYPE else 12, color=colors[name], linewidths=0
        )
    axes.set_aspect("equal")
    axes.invert_yaxis()
    plain(axes, "", "x (px)", "y (px)")
    _legend(figure, placed["response_type"].to_numpy(), colors)
    return figure


def count_figure(counts: pl.DataFrame) -> Figure:
    """Silhouette and stability against the number of clusters, a panel for each scope."""
    scopes = [scope for scope in _SCOPES if len(counts.filter(scope=scope))]
    figure = Figure(figsize=(9.6, 3.0), layout="constrained")
    for axes, scope in zip(figure.subplots(1, len(scopes), sharey=True, squeeze=False)[0], scopes, strict=True):
        of_scope = counts.filter(scope=scope).sort("cluster_count")
        for measure, color in (("silhouette", "#0072B2"), ("stability", "#D55E00")):
            axes.plot(of_scope["cluster_count"], of_scope[measure], "o-", color=color, markersize=3.5, linewidth=1.4)
            chosen = of_scope.filter("chosen")
            axes.plot(chosen["cluster_count"], chosen[measure], "o", color=color, markersize=9, fillstyle="none")
        plain(axes, _SCOPES[scope], "clusters", "")
    handles = [
        Line2D([], [], color=color, label=name, linewidth=2)
        for name, color in (("silhouette", "#0072B2"), ("stability", "#D55E00"))
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=9, frameon=False)
    return figure


def busiest_stretch(one: ShownSession) -> slice:
    """The whole recording, or of a longer one the stretch with most kinds of events, then with most events."""
    n_frames = len(one.fitted.frame_s)
    if n_frames <= 2 * _LONGEST_STRETCH:
        return slice(0, n_frames)
    starts = np.arange(0, n_frames - _LONGEST_STRETCH, _LONGEST_STRETCH // 4)
    inside = [
        np.array([((frames >= start) & (frames < start + _LONGEST_STRETCH)).sum() for start in starts])
        for frames in one.fitted.regressors.event_frames.values()
    ]
    kinds, events = np.sum([count > 0 for count in inside], axis=0), np.sum(inside, axis=0)
    start = int(starts[np.lexsort((-events, -kinds))[0]])
    return slice(start, start + _LONGEST_STRETCH)


def _rows_in_order(one: ShownSession, scope: str) -> NDArray[np.int64]:
    """Places of the ROIs of a scope, (n_rows,): in leaf order, or by type and r2 where they weren't clustered."""
    fit = one.rois.with_row_index("place").filter(pl.col("note").is_null())
    of_scope = fit if scope == "all" else fit.filter("selected")
    leaf = f"leaf_of_{scope}"
    if of_scope[leaf].count():
        return of_scope.drop_nulls(leaf).sort(leaf)["place"].cast(pl.Int64).to_numpy()
    return of_scope.sort("response_type", "r2", descending=[False, True])["place"].cast(pl.Int64).to_numpy()


def _draw_events(strip: Axes, heat: Axes, one: ShownSession, colors: Mapping[str, str]) -> None:
    """Ticks above the heatmap, and lines through it where they are few."""
    frame_s = one.fitted.frame_s
    for name, frames in one.fitted.regressors.event_frames.items():
        few = len(frames) <= _MOST_LINES
        strip.vlines(frame_s[frames], 0, 1, color=colors[name], linewidth=1.2 if few else 0.4)
        if few:
            heat.vlines(frame_s[frames], 0, 1, transform=heat.get_xaxis_transform(), color=colors[name], linewidth=0.8)
    strip.set_xlim(frame_s[0], frame_s[-1])
    strip.set_ylim(0, 1)
    strip.set_axis_off()


def _legend(figure: Figure, types: Sequence[str], colors: Mapping[str, str]) -> None:
    there = set(types)
    handles = [Line2D([], [], color=color, linewidth=4, label=name) for name, color in colors.items() if name in there]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 7), fontsize=9, frameon=False)


def _stretch_said(one: ShownSession) -> str:
    stretch, frame_s = busiest_stretch(one), one.fitted.frame_s
    if stretch.stop - stretch.start == len(frame_s):
        return ""
    return f" From {frame_s[stretch.start]:.0f} to {frame_s[stretch.stop - 1]:.0f} s, where most kinds of events are."
