"""Figures of a session's units: rasters in the order that puts like beside like, correlations, reliability, firing."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.image_responses import spike_raster
from models.image_selectivity import unit_correlations
from tasks.figure_groups import FAINT, TEXT, plain, saying
from tasks.figures import ReportFigure, as_png
from tasks.image_coding_rows import CodingRows
from tasks.image_sessions import BLANK
from tasks.shown_coding import ShownCoding

_BLUE, _ORANGE = "#0072B2", "#D55E00"
_MOST_COLUMNS = 1400  # of a raster, as many as the page has pixels
_MOST_RASTER_UNITS = 4


def unit_figures(rows: CodingRows, one: ShownCoding) -> tuple[ReportFigure, ...]:
    """All figures of one session's units that there are rows for."""
    units = rows.units.filter(session_id=one.session_id)
    orders = rows.orders.filter(session_id=one.session_id)
    figures = []
    if one.activity is not None and len(orders):
        rules = ", ".join(orders["rule"].unique().sort())
        figures.append(
            ReportFigure(
                f"Raster of {one.session_id}: all blocks, and each by itself",
                "Spikes in bins of 0.1 s, each unit in its own mean and s.d. (white: none above its mean; black: 2 s.d."
                f" and more). Units are in the order of {rules}, for all blocks together and for each block anew;"
                " dashed: where blocks meet. Units that never change stand at the bottom.",
                as_png(raster_figure(one, orders)),
            )
        )
    figures.append(
        ReportFigure(
            f"Likeness of units, {one.session_id}",
            "Left: correlation of every two units' mean responses over images, in the order of the raster or else of"
            " their mean. Right: each unit's most and least alike partner; dotted: .7 and -.55, beyond which pairs are"
            " listed.",
            as_png(correlation_figure(one, units, orders)),
        )
    )
    figures.append(
        ReportFigure(
            f"Entropy, variance and oracle, {one.session_id}",
            "Each point is a unit. Entropy of its distinct mean counts, their variance over images, and its oracle (a"
            " trial with the mean of the other trials of its image). Orange: an isolation forest sets its responses"
            " apart. Open: neither rule chooses it.",
            as_png(selectivity_figure(units)),
        )
    )
    figures.append(
        ReportFigure(
            f"Oracle correlation, {one.session_id}",
            "Left: units in order of their oracle, with its 95 % interval over images; blue: chosen by reliability."
            " Right: the source's way of reckoning it (one random trial an image, trials without spikes dropped, with"
            " the blank) against the exact one; line: the same.",
            as_png(oracle_figure(units)),
        )
    )
    if one.session.trains is not None:
        psths = rows.psths.filter(session_id=one.session_id)
        figures.append(
            ReportFigure(
                f"Firing around onset, {one.session_id}",
                "The units of the highest oracle. Above: spikes around each presentation of the unit's best image."
                " Below: mean rate for that image, for all images and for the blank. Band: the window that spikes are"
                " counted in.",
                as_png(firing_figure(one, units, psths)),
            )
        )
    return tuple(figures)


def raster_figure(one: ShownCoding, orders: pl.DataFrame) -> Figure:
    """The raster of all blocks on top, those of single blocks below, each in its own order."""
    scopes = orders["scope"].unique().to_list()
    single = sorted((scope for scope in scopes if scope != "all blocks"), key=lambda scope: int(scope.split()[-1]))
    figure = Figure(figsize=(9.6, 3.4 + (2.8 if single else 0)), layout="constrained")
    grid = figure.add_gridspec(2 if single else 1, max(len(single), 1), height_ratios=[1.2, 1] if single else None)
    top = figure.add_subplot(grid[0, :])
    in_blocks = one.activity.block > 0
    _draw_raster(top, one, orders.filter(scope="all blocks"), in_blocks)
    block = one.activity.block[in_blocks]
    for edge in np.flatnonzero(np.diff(block)) + 1:
        top.axvline(edge * 0.1, color=_ORANGE, linestyle="--", linewidth=1)
    plain(top, "all blocks", "time within blocks (s)", "unit")
    for place, scope in enumerate(single):
        axes = figure.add_subplot(grid[1, place])
        _draw_raster(axes, one, orders.filter(scope=scope), one.activity.block == int(scope.split()[-1]))
        plain(axes, scope, "time within the block (s)", "unit" if place == 0 else "")
    return figure


def correlation_figure(one: ShownCoding, units: pl.DataFrame, orders: pl.DataFrame) -> Figure:
    """A heatmap of every two units, and each unit's partners."""
    r = unit_correlations(one.means).r
    order = np.argsort(-one.means.mean(axis=1), kind="stable")
    whole = orders.filter(scope="all blocks")
    if len(whole) == len(r):
        order = np.searchsorted(one.session.unit_id, whole.sort("place")["unit_id"].to_numpy())
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1])
    shown = left.imshow(r[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    figure.colorbar(shown, ax=left, shrink=0.8, label="correlation over images")
    plain(left, f"{len(r)} units", "unit", "unit")
    found = units.drop_nulls(["highest_r", "lowest_r"]).sort("highest_r", descending=True)
    x = np.arange(len(found))
    right.vlines(x, found["lowest_r"].to_numpy(), found["highest_r"].to_numpy(), color="#e3e6ea", linewidth=1)
    right.plot(x, found["highest_r"].to_numpy(), "o", color=_BLUE, markersize=3, label="most alike partner")
    right.plot(x, found["lowest_r"].to_numpy(), "o", color=_ORANGE, markersize=3, label="least alike partner")
    for limit in (0.7, -0.55):
        right.axhline(limit, color=TEXT, linestyle=":", linewidth=0.9)
    right.axhline(0, color=FAINT, linewidth=0.8)
    right.legend(fontsize=8, frameon=False, loc="best")
    plain(right, "", "units, by their most alike partner", "correlation")
    return figure


def selectivity_figure(units: pl.DataFrame) -> Figure:
    """Entropy against variance, entropy against the oracle, variance against the oracle."""
    figure = Figure(figsize=(9.6, 3.3), layout="constrained")
    pairs = (("entropy_nats", "variance"), ("entropy_nats", "oracle"), ("variance", "oracle"))
    names = {"entropy_nats": "entropy (nats)", "variance": "variance of mean counts", "oracle": "oracle correlation"}
    chosen = (units["chosen_by_percentile"] | units["chosen_by_reliability"]).to_numpy()
    outlying = units["outlying"].to_numpy()
    for axes, (x, y) in zip(figure.subplots(1, 3), pairs, strict=True):
        for is_outlying, color in ((False, _BLUE), (True, _ORANGE)):
            for is_chosen, face in ((False, "none"), (True, color)):
                some = units.filter(pl.Series((outlying == is_outlying) & (chosen == is_chosen)))
                values = (some[name].cast(pl.Float64).to_numpy() for name in (x, y))
                axes.plot(*values, "o", markersize=4, markerfacecolor=face, markeredgecolor=color, markeredgewidth=0.8)
        if "variance" in (x, y) and (units["variance"].drop_nulls() > 0).any():
            (axes.set_xscale if x == "variance" else axes.set_yscale)("symlog", linthresh=1e-3)
        plain(axes, "", names[x], names[y])
    dots = {"outlier": (_ORANGE, _ORANGE), "other": (_BLUE, _BLUE), "not chosen": ("none", TEXT)}
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=5, markerfacecolor=face, markeredgecolor=edge, label=name)
        for name, (face, edge) in dots.items()
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=8, frameon=False)
    return figure


def oracle_figure(units: pl.DataFrame) -> Figure:
    """Units by their oracle with intervals, and the source's form against the exact one."""
    found = units.drop_nulls("oracle").sort("oracle")
    if found.is_empty():
        return saying("No unit has an oracle: no image was shown twice, or no unit changes.")
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    x, chosen = np.arange(len(found)), found["chosen_by_reliability"].to_numpy()
    for some, color, name in ((chosen, _BLUE, "chosen by reliability"), (~chosen, "#999999", "not chosen")):
        low, high, value = (
            found[one].cast(pl.Float64).to_numpy()[some] for one in ("oracle_low", "oracle_high", "oracle")
        )
        left.vlines(x[some], low, high, color=color, alpha=0.4, linewidth=1)
        left.plot(x[some], value, "o", color=color, markersize=3, label=name)
    left.axhline(0, color=FAINT, linewidth=0.8)
    left.legend(fontsize=8, frameon=False, loc="upper left")
    plain(left, f"{len(found)} units", "units, by their oracle", "oracle correlation")
    exact, source = (found[one].cast(pl.Float64).to_numpy() for one in ("oracle", "oracle_published"))
    low, high = float(np.nanmin([exact, source])), float(np.nanmax([exact, source]))
    right.plot([low, high], [low, high], color=FAINT, linewidth=1)
    right.plot(exact, source, "o", color=_BLUE, markersize=3, alpha=0.7)
    plain(right, "", "exact, zeros kept, without the blank", "as the source reckoned it")
    return figure


def firing_figure(one: ShownCoding, units: pl.DataFrame, psths: pl.DataFrame) -> Figure:
    """A column for each of the most reliable units: spikes around its best image, and mean rates."""
    chosen = units.drop_nulls("oracle").sort("oracle", descending=True).head(_MOST_RASTER_UNITS)
    if chosen.is_empty():
        return saying("No unit has an oracle.")
    session = one.session
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    panels = figure.subplots(2, len(chosen), squeeze=False, sharex=True, height_ratios=[1.2, 1])
    for column, unit_id in enumerate(chosen["unit_id"]):
        place = int(np.searchsorted(session.unit_id, unit_id))
        best = int(np.nanargmax(one.means[place]))
        onsets = session.onset_s[session.image == best]
        raster = spike_raster(session.trains, place, onsets, -0.1, session.stop_s + 0.1)
        above, below = panels[:, column]
        for axes in (above, below):
            axes.axvspan(session.start_s, session.stop_s, color="#eef1f4", zorder=0)
        above.plot(raster.time_s, raster.presentation, "|", color=TEXT, markersize=3, markeredgewidth=0.8)
        above.set_ylim(len(onsets), -1)
        plain(above, f"unit {unit_id}: {session.image_name[best]}", "", "presentation" if column == 0 else "")
        for shown, color in (("all images", _BLUE), ("best image", _ORANGE), ("blank", "#777777")):
            rates = psths.filter(unit_id=unit_id, shown=shown).sort("bin")
            if len(rates):
                below.plot(rates["centre_s"], rates["rate_hz"], color=color, linewidth=1.3, label=shown)
        plain(below, "", "time from onset (s)", "spikes/s" if column == 0 else "")
    handles = [Line2D([], [], color=color, linewidth=1.6, label=name)
               for name, color in (("best image", _ORANGE), ("all images", _BLUE), ("blank", "#777777"))]  # fmt: skip
    handles = handles if (session.image == BLANK).any() else handles[:2]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=8, frameon=False)
    return figure


def _draw_raster(axes: Axes, one: ShownCoding, order: pl.DataFrame, bins: np.ndarray) -> None:
    units = np.searchsorted(one.session.unit_id, order.sort("place")["unit_id"].to_numpy())
    counts = one.activity.counts[units][:, bins].astype(np.float64)  # (n_units, n_bins)
    sd = counts.std(axis=1, keepdims=True)
    scored = np.divide(counts - counts.mean(axis=1, keepdims=True), sd, out=np.zeros_like(counts), where=sd > 0)
    n_bins = scored.shape[1]
    at_once = max(1, -(-n_bins // _MOST_COLUMNS))
    # Means of neighbouring bins: a page has fewer pixels than a session has bins.
    edges = np.arange(0, n_bins, at_once)
    drawn = np.add.reduceat(scored, edges, axis=1) / np.diff(np.append(edges, n_bins))
    axes.imshow(
        drawn,
        cmap="Greys",
        vmin=0,
        vmax=2 / np.sqrt(at_once),
        aspect="auto",
        interpolation="nearest",
        extent=(0, n_bins * 0.1, len(drawn), 0),
    )
