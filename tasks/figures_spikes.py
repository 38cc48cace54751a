"""Figures of inferred spike probability: noise and rates, rasters, mean responses, response magnitude."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from models.response_maps import first_component_over_time
from storage.lake import Lake
from tasks.figure_groups import FAINT, TEXT, cell_groups, group_counts, plain, saying
from tasks.figures import CONDITION_COLORS, ReportFigure, as_png, condition_legend
from tasks.sentences import counted, cre_name, cre_order

SHOWN_S = 60.0  # of a session, from its middle
_MAGNITUDE = "response_magnitude_spike_prob"
_HISTOGRAMS = {
    "noise_level": "noise of dF/F (% Hz$^{-1/2}$)",
    "mean_spike_prob_hz": "mean rate (expected spikes / s)",
}
_NONE = "No session of this study has inferred spike probability."


def spike_figures(lake: Lake, project: str, feature_studies: Sequence[str], study_id: str) -> tuple[ReportFigure, ...]:
    """Every figure of the spike-based repeat, with captions; none when no session has spike probability."""
    studies = list(feature_studies)
    sessions = lake.answer("spike_signals", studies=studies).filter("has_spike_prob")
    if sessions.is_empty():
        return ()
    scores = lake.query("SELECT * FROM derived.unit_scores WHERE study_id = $study_id", study_id=study_id)
    about = sessions.select("session_id", "mouse_id", "cre_line", "exposure_level")
    features = lake.answer("spike_features_of_project", project=project, studies=studies)
    return (
        ReportFigure(
            "Noise and rates",
            "Of each cell in a session. Noise: median size of the difference of consecutive frames of dF/F over the"
            " square root of the frame rate; the noisier a recording, the less of its spikes can be inferred. Rate:"
            " expected spikes per second. Triangles: means of mice.",
            as_png(noise_and_rate_figure(scores.join(about, on="session_id"))),
        ),
        ReportFigure(
            "Spike probability over a session",
            f"{SHOWN_S:g} s from the middle of one session of each cre line, the one with most cells: each row a cell,"
            " in the order of its weight on the first principal component; below, that component over time (fitted on"
            " the whole session, each cell scaled to s.d. 1). Lines: omissions.",
            as_png(raster_figure(lake, sessions)),
        ),
        ReportFigure(
            "Mean spike probability",
            "Expected spikes per frame around image onset, or around when the omitted image was due, less the mean"
            " before 0 s: mean over mice of each mouse's mean over cells; band: s.e.m. over mice, none where there is"
            " one mouse.",
            as_png(mean_spike_figure(lake.answer("group_mean_spike_prob", studies=studies))),
        ),
        ReportFigure(
            "Response magnitude",
            "Mean of 0 to 1 s minus mean of -1 to 0 s of each cell's mean spike probability (small points: cells; large"
            " ones: means of mice, joined within each). Cells of one mouse are not independent.",
            as_png(magnitude_figure(features)),
        ),
    )


def noise_and_rate_figure(scores: pl.DataFrame) -> Figure:
    """Histograms over cells of noise level and mean rate, by cre line and exposure, with the means of mice.

    ``scores`` are rows of derived.unit_scores with mouse_id, cre_line and exposure_level.
    """
    known = scores.filter(pl.col("score").is_in(list(_HISTOGRAMS))).drop_nulls("value") if len(scores) else scores
    if known.is_empty():
        return saying(_NONE)
    shown = [name for name in _HISTOGRAMS if len(known.filter(score=name))]
    groups = cell_groups(known)
    figure = Figure(figsize=(9.6, 0.9 + 0.8 * len(groups)), layout="constrained")
    for column, (axes, name) in enumerate(zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True)):
        rows = known.filter(score=name)
        edges = np.histogram_bin_edges(rows["value"], 40)
        for at, group in enumerate(groups):
            of_group = group.of(rows)
            share, _ = np.histogram(of_group["value"], edges)
            axes.bar(
                edges[:-1], 0.8 * share / max(share.max(), 1), np.diff(edges), bottom=-at, align="edge", alpha=0.55,
                color=group.color,
            )  # fmt: skip
            mice = of_group.drop_nulls("mouse_id").group_by("mouse_id").agg(pl.col("value").mean())["value"]
            axes.scatter(mice, np.full(len(mice), -at - 0.06), marker=6, s=24, color=TEXT, linewidths=0)
            axes.axhline(-at, color=FAINT, linewidth=0.8, zorder=0)
        labels = [f"{group.name}\n{group_counts(group.of(rows))}" for group in groups]
        axes.set_yticks([0.4 - at for at in range(len(groups))], labels if column == 0 else [""] * len(groups))
        axes.set_ylim(0.8 - len(groups), 0.95)
        axes.tick_params(axis="y", length=0)
        plain(axes, x=_HISTOGRAMS[name], y="cells (tallest bar 1)" if column == 0 else "")
    return figure


def raster_figure(lake: Lake, sessions: pl.DataFrame) -> Figure:
    """Spike probability of a session's cells over time, and what they do together, for a session of each cre line.

    ``sessions`` is an answer of `spike_signals`, those with spike probability.
    """
    if sessions.is_empty():
        return saying(_NONE)
    largest = sessions.sort(["unit_count", "session_id"], descending=[True, False]).unique(
        "cre_line", keep="first", maintain_order=True
    )
    chosen = sorted(largest.iter_rows(named=True), key=lambda row: cre_order(row["cre_line"]))[:3]
    figure = Figure(figsize=(9.6, 0.4 + 3.2 * len(chosen)), layout="constrained")
    grid = GridSpec(2 * len(chosen), 1, figure, height_ratios=(2.4, 1) * len(chosen))
    for row, session in enumerate(chosen):
        raster = figure.add_subplot(grid[2 * row])
        component = figure.add_subplot(grid[2 * row + 1], sharex=raster)
        _draw_session(lake, session, raster, component)
        plain(component, x="time (s)" if row == len(chosen) - 1 else "", y=component.get_ylabel())
    return figure


def mean_spike_figure(responses: pl.DataFrame) -> Figure:
    """Presented against omitted, mean with s.e.m. over mice, from an answer of `group_mean_spike_prob`."""
    if responses.is_empty():
        return saying(_NONE)
    groups = cell_groups(responses)
    figure = Figure(figsize=(9.6, 2.9), layout="constrained")
    panels = figure.subplots(1, len(groups), squeeze=False, sharex=True, sharey=True)[0]
    for axes, group in zip(panels, groups, strict=True):
        of_group = group.of(responses)
        axes.axhline(0, color=FAINT, linewidth=0.8)
        axes.axvline(0, color=FAINT, linewidth=1)
        for condition, color in CONDITION_COLORS.items():
            rows = of_group.filter(condition=condition).sort("time_s")
            mean = rows["mean_spike_prob"].to_numpy()
            sem = rows["sem_spike_prob"].cast(pl.Float64).fill_null(np.nan).to_numpy()
            axes.plot(rows["time_s"], mean, color=color, linewidth=1.5)
            axes.fill_between(rows["time_s"], mean - sem, mean + sem, color=color, alpha=0.22, linewidth=0)
        counts = f"{counted(of_group['mouse_count'].max(), 'mouse')}, {counted(of_group['cell_count'].max(), 'cell')}"
        y = "expected spikes / frame" if axes is panels[0] else ""
        plain(axes, f"{group.name}\n{counts}", "time from onset (s)", y)
    condition_legend(figure)
    return figure


def magnitude_figure(features: pl.DataFrame) -> Figure:
    """Response magnitude of cells and mice in both conditions, from an answer of `spike_features_of_project`."""
    known = features.drop_nulls(_MAGNITUDE) if len(features) else features
    if known.is_empty():
        return saying(_NONE)
    groups = cell_groups(known)
    rng = np.random.default_rng(0)
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    panels = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
    for axes, group in zip(panels, groups, strict=True):
        of_group = group.of(known)
        axes.axhline(0, color=FAINT, linewidth=0.8)
        mice = of_group.drop_nulls("mouse_id").pivot(
            "condition", index="mouse_id", values=_MAGNITUDE, aggregate_function="mean"
        )
        for at, (condition, color) in enumerate(CONDITION_COLORS.items()):
            values = of_group.filter(condition=condition)[_MAGNITUDE].to_numpy()
            axes.scatter(at + rng.uniform(-0.2, 0.2, len(values)), values, s=5, color=color, alpha=0.35, linewidths=0)
            if condition in mice.columns:
                axes.scatter(np.full(len(mice), at), mice[condition], s=34, color=color, edgecolors="white", zorder=3)
        if set(CONDITION_COLORS) <= set(mice.columns):
            axes.plot([0, 1], mice.select(list(CONDITION_COLORS)).to_numpy().T, color=TEXT, linewidth=0.8, zorder=2)
        axes.set_xticks([0, 1], list(CONDITION_COLORS))
        axes.set_xlim(-0.5, 1.5)
        y = "response magnitude\n(expected spikes / frame)" if axes is panels[0] else ""
        plain(axes, f"{group.name}\n{group_counts(of_group)}", y=y)
    return figure


def _draw_session(lake: Lake, session: dict, raster: Axes, below: Axes) -> None:
    traces = lake.traces(session["session_id"], "spike_prob")
    time_s = lake.answer("session_frames", session_id=session["session_id"])["time_s"].to_numpy()
    middle_s = (time_s[0] + time_s[-1]) / 2
    shown = slice(*np.searchsorted(time_s, [middle_s - SHOWN_S / 2, middle_s + SHOWN_S / 2]))
    values, order = traces.values[:, shown], np.arange(len(traces.unit_id))
    axis_s = time_s[shown][[0, -1]]
    explained = "no common component: cells that vary are fewer than two"
    try:
        component, weight, share = first_component_over_time(traces.values)
    except ValueError:
        below.set_yticks([])
    else:
        order = np.argsort(-np.nan_to_num(weight, nan=-np.inf), kind="stable")
        below.plot(time_s[shown], component[shown], color=TEXT, linewidth=0.9)
        explained = f"PC 1\n({100 * share:.0f} %)"
    below.set_ylabel(explained)
    finite = values[np.isfinite(values)]
    limit = float(np.percentile(finite, 99)) if len(finite) else 1.0
    extent = (axis_s[0], axis_s[1], len(values), 0)
    image = raster.imshow(
        values[order], aspect="auto", cmap="Greys", vmin=0, vmax=limit or 1.0, extent=extent, interpolation="nearest"
    )
    bar = raster.figure.colorbar(image, ax=raster, pad=0.01, aspect=12)
    bar.set_label("spikes / frame", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    omissions = lake.answer("session_onsets", session_id=session["session_id"], kinds=["omission"])
    for onset_s in omissions.filter(pl.col("onset_s").is_between(*axis_s))["onset_s"]:
        for axes in (raster, below):
            axes.axvline(onset_s, color=CONDITION_COLORS["omitted"], linewidth=1)
    exposure = session["exposure_level"] or "exposure not given"
    plain(raster, f"{cre_name(session['cre_line'])}, {exposure}: {session['session_id']}", y="cells")
    raster.set_yticks([])
    raster.tick_params(labelbottom=False)
