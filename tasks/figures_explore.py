"""Figures of an exploration: how many cells, their indices, maps of their responses, motifs."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.response_maps import in_own_spread, principal_components
from models.response_motifs import NO_STRUCTURE
from tasks.figure_groups import FAINT, TEXT, CellGroup, cell_groups, group_counts, plain, saying
from tasks.figures import CONDITION_COLORS, ReportFigure, as_png, condition_legend
from tasks.figures_variation import heat, response_figures
from tasks.sentences import counted, cre_name
from tasks.unit_responses import UnitResponses, unit_responses

# Tol's muted set: motifs, of which there are eight at most.
_MOTIF_COLORS = ("#332288", "#88CCEE", "#117733", "#DDCC77", "#CC6677", "#AA4499", "#999933", "#882255")
_MAPS = {"pc": "principal components", "umap": "UMAP", "tsne": "t-SNE"}
_INDICES = {
    "omission_index": "omission index\n(O - P) / (O + P)",
    "novelty_index": "novelty index, images\n(N - F) / (N + F)",
    "novelty_index_omitted": "novelty index, omissions\n(N - F) / (N + F)",
}
_SPREAD = "in s.d. about its mean over both conditions"


def explore_figures(responses: pl.DataFrame, scores: pl.DataFrame, features: pl.DataFrame) -> tuple[ReportFigure, ...]:
    """Every figure of an exploration, in order, with captions.

    ``responses`` is an answer of `unit_mean_responses`, ``scores`` are rows of derived.unit_scores; ``features``, an
    answer of `features_of_project`, says whose the cells are where there are no mean responses. Each may be empty, and
    the figures that need it then say so.
    """
    found = unit_responses(responses)
    scores = _with_groups(scores, [frame for frame in (responses, features) if len(frame)])
    return (
        ReportFigure(
            "Cells",
            "Cells with mean responses or indices, by cre line and exposure; a cell that was seen at both levels counts"
            " at both.",
            as_png(cells_figure(scores)),
        ),
        *response_figures(found),
        ReportFigure(
            "Maps of mean responses",
            "Each point is a cell in a session: its presented and its omitted mean response one after the other,"
            f" {_SPREAD} (shape counts, brightness doesn't). Filled: familiar, open: novel. UMAP and t-SNE start from"
            " 20 principal components, with fixed seeds; distances between far groups, and their sizes, mean nothing"
            " there.",
            as_png(maps_figure(found, scores)),
        ),
        ReportFigure(
            "Response motifs",
            "k-means of 20 principal components of the same rows; the number of motifs is the one of 2 to 8 with the"
            f" highest mean silhouette{_silhouette(scores)}. Left: mean over the motif's rows; middle: its rows,"
            f" {_SPREAD}; right: the share of each group's rows that is in the motif, and their number. Cells of one"
            " mouse are not independent.",
            as_png(motifs_figure(found, scores)),
        ),
        ReportFigure(
            "Omission and novelty index",
            "Of peaks of mean responses, a peak below 0 counted as 0; cells without a peak in either have none."
            " Bars: cells; triangles: means of mice. Novelty index: of cells seen in both sets, whose id is"
            " the same in both sessions.",
            as_png(indices_figure(scores)),
        ),
    )


def cells_figure(scores: pl.DataFrame) -> Figure:
    """Cells of each cre line and exposure level, with the mice that they are of."""
    if scores.is_empty():
        return saying("No cells were scored.")
    groups = cell_groups(scores)
    figure = Figure(figsize=(9.6, 0.7 + 0.4 * len(groups)), layout="constrained")
    axes = figure.subplots()
    for at, group in enumerate(groups):
        rows = group.of(scores)
        count = rows.select("mouse_id", "unit_id").n_unique()
        axes.barh(at, count, 0.7, **_fill(group))
        axes.annotate(group_counts(rows), (count, at), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.margins(x=0.2)
    axes.set_yticks(range(len(groups)), [group.name for group in groups])
    axes.invert_yaxis()
    plain(axes, x="cells")
    return figure


def maps_figure(found: UnitResponses, scores: pl.DataFrame) -> Figure:
    """Three maps, in the colors of the cells' groups above and of their motifs below."""
    places = _wide(scores)
    if "pc_1" not in places.columns:
        return saying("No maps: too few cells with mean responses to both conditions.")
    shares = principal_components(in_own_spread(found.rows), 2).explained if len(found.rows) > 2 else ()
    components = [f"PC {n + 1} ({100 * share:.0f} %)" for n, share in enumerate(shares)] or ["PC 1", "PC 2"]
    groups = cell_groups(places)
    has_motifs = "motif" in places.columns
    figure = Figure(figsize=(9.6, 3.4 + 3.0 * has_motifs), layout="constrained")
    panels = figure.subplots(1 + has_motifs, 3, squeeze=False)
    for column, (name, title) in enumerate(_MAPS.items()):
        shown = places.drop_nulls([f"{name}_1", f"{name}_2"])
        for axes in panels[:, column]:
            axes.set_xticks([])
            axes.set_yticks([])
            x, y = components if name == "pc" else ("", "")
            plain(axes, x=x, y=y)
        for group in groups:
            _dots(panels[0, column], group.of(shown), name, group.color, is_open=group.is_novel)
        if has_motifs:
            for motif in sorted(shown["motif"].drop_nulls().unique()):
                _dots(panels[1, column], shown.filter(motif=motif), name, _MOTIF_COLORS[int(motif)], is_open=False)
        panels[0, column].set_title(title, fontsize=10, color=TEXT)
    handles = [_marker(group.name, group.color, group.is_novel) for group in groups]
    if has_motifs:
        motifs = sorted(places["motif"].drop_nulls().unique())
        handles += [_marker(f"motif {int(motif) + 1}", _MOTIF_COLORS[int(motif)], False) for motif in motifs]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def motifs_figure(found: UnitResponses, scores: pl.DataFrame) -> Figure:
    """For each motif its mean, its rows, and what it is made of."""
    places = _wide(scores)
    if "motif" not in places.columns or found.units.is_empty():
        return saying("No motifs: too few cells with mean responses to both conditions.")
    placed = found.units.join(places.select("session_id", "unit_id", "motif"), on=["session_id", "unit_id"], how="left")
    shapes, motif_of = in_own_spread(found.rows), placed["motif"].cast(pl.Float64).fill_null(-1).to_numpy()
    motifs = [int(motif) for motif in np.unique(motif_of[motif_of >= 0])]
    groups = cell_groups(placed)
    figure = Figure(figsize=(9.6, 0.8 + 1.75 * len(motifs)), layout="constrained")
    panels = figure.subplots(len(motifs), 4, squeeze=False, sharex="col", width_ratios=(1.1, 1, 1, 1))
    means = [shapes[motif_of == motif].mean(axis=0) for motif in motifs]
    low, high = min(mean.min() for mean in means), max(mean.max() for mean in means)
    n_samples = len(found.times_s)
    for row, motif in enumerate(motifs):
        of_motif, last = shapes[motif_of == motif], row == len(motifs) - 1
        axes, left, right, made_of = panels[row]
        axes.axvline(0, color=FAINT, linewidth=1)
        for part, (condition, color) in enumerate(CONDITION_COLORS.items()):
            mean = means[row][part * n_samples : (part + 1) * n_samples]
            axes.plot(found.times_s, mean, color=color, linewidth=1.6, label=condition)
        axes.set_ylim(low - 0.1, high + 0.1)
        x = "time from onset (s)" if last else ""
        plain(axes, f"motif {motif + 1}: {counted(len(of_motif), 'row')}", x, "response (s.d.)")
        ordered = of_motif[np.argsort(of_motif.max(axis=1))[::-1]]
        for part, (panel, condition) in enumerate(zip((left, right), CONDITION_COLORS, strict=True)):
            heat(panel, found.times_s, ordered[:, part * n_samples : (part + 1) * n_samples], 2.5)
            plain(panel, condition if row == 0 else "", x)
        _composition(made_of, placed, motif, groups, x="share of the group (%)" if last else "")
    condition_legend(figure)
    return figure


def indices_figure(scores: pl.DataFrame) -> Figure:
    """Histograms of the indices over cells, with the means of mice, a row for each cre line and exposure."""
    known = scores.filter(pl.col("score").is_in(list(_INDICES))).drop_nulls("value") if len(scores) else scores
    if known.is_empty():
        return saying("No indices: no cell has a peak in both conditions, or at both exposure levels.")
    shown = [name for name in _INDICES if len(known.filter(score=name))]
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    edges = np.linspace(-1, 1, 41)
    for axes, name in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        rows = known.filter(score=name)
        groups = cell_groups(rows)
        for at, group in enumerate(groups):
            of_group = group.of(rows)
            share, _ = np.histogram(of_group["value"], edges)
            tall = 0.8 * share / max(share.max(), 1)
            # A novelty index stands at the novel session, and is about both.
            label = group.name if name == "omission_index" else cre_name(group.cre_line)
            axes.bar(edges[:-1], tall, np.diff(edges), bottom=-at, align="edge", color=group.color, alpha=0.55)
            mice = of_group.drop_nulls("mouse_id").group_by("mouse_id").agg(pl.col("value").mean())["value"]
            axes.scatter(mice, np.full(len(mice), -at - 0.05), marker=6, s=26, color=TEXT, linewidths=0, clip_on=False)
            axes.axhline(-at, color=FAINT, linewidth=0.8, zorder=0)
            said = "\n".join([label, *group_counts(of_group).split(", ")])
            axes.text(-0.97, -at + 0.82, said, fontsize=8, color=TEXT, va="top")
        axes.axvline(0, color=TEXT, linewidth=0.8)
        axes.set(xlim=(-1, 1), ylim=(0.85 - len(groups), 0.9), yticks=[], xticks=[-1, -0.5, 0, 0.5, 1])
        plain(axes, _INDICES[name], "index", "cells (tallest bar 1)" if axes.get_subplotspec().is_first_col() else "")
    return figure


def _composition(axes: Axes, placed: pl.DataFrame, motif: int, groups: list[CellGroup], x: str) -> None:
    labels = []
    for at, group in enumerate(groups):
        rows = group.of(placed)
        within = (rows["motif"] == motif).sum()
        axes.barh(at, 100 * within / max(len(rows), 1), 0.7, **_fill(group))
        labels.append(f"{within}  {group.name}")
    axes.set_yticks(range(len(groups)), labels)
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    axes.yaxis.tick_right()
    axes.tick_params(axis="y", length=0)
    plain(axes, x=x)
    axes.spines["right"].set_visible(False)


def _fill(group: CellGroup) -> dict:
    return {"facecolor": "none" if group.is_novel else group.color, "edgecolor": group.color, "linewidth": 1.4}


def _dots(axes: Axes, rows: pl.DataFrame, name: str, color: str, is_open: bool) -> None:
    face = "none" if is_open else color
    axes.scatter(rows[f"{name}_1"], rows[f"{name}_2"], s=14, facecolors=face, edgecolors=color, linewidths=0.9)


def _marker(name: str, color: str, is_open: bool) -> Line2D:
    face = "none" if is_open else color
    return Line2D([], [], linestyle="", marker="o", markersize=5, color=color, markerfacecolor=face, label=name)


def _with_groups(scores: pl.DataFrame, said: list[pl.DataFrame]) -> pl.DataFrame:
    """Scores, with the mouse, the cre line and the exposure level of each session."""
    about = pl.Schema(dict.fromkeys(("session_id", "mouse_id", "cre_line", "exposure_level"), pl.String))
    if scores.is_empty():
        return scores
    sessions = pl.concat([pl.DataFrame(schema=about), *(frame.select(about.names()).cast(about) for frame in said)])
    return scores.join(sessions.unique("session_id"), on="session_id", how="left", maintain_order="left")


def _silhouette(scores: pl.DataFrame) -> str:
    mean = scores.filter(score="motif_silhouette")["value"].mean() if len(scores) else None
    return "" if mean is None else f", here {mean:.2f} (below {NO_STRUCTURE} there is no structure to speak of)"


def _wide(scores: pl.DataFrame) -> pl.DataFrame:
    """A row for each unit in a session, its scores in columns."""
    if scores.is_empty():
        return scores
    about = ["session_id", "unit_id", "mouse_id", "cre_line", "exposure_level"]
    return scores.pivot("score", index=about, values="value").sort("session_id", "unit_id")
