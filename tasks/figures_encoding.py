"""Figures of encoding models: how networks learned, what models predict, and how near they come to the ceiling."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.figure_groups import FAINT, TEXT, plain, saying

_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F")
_MOST_LINES = 12
NETWORK, LINEAR = "#0072B2", "#999999"


def learning_figure(curves: pl.DataFrame) -> Figure:
    """Losses and validation correlation by epoch, a row for each protocol and a color for each network."""
    protocols = curves["protocol"].unique().sort(descending=True).to_list()
    if not protocols:
        return saying("No network was trained.")
    figure = Figure(figsize=(9.6, 2.7 * len(protocols) + 0.3), layout="constrained")
    panels = figure.subplots(len(protocols), 2, squeeze=False)
    for (loss, correlation), protocol in zip(panels, protocols, strict=True):
        of_protocol = curves.filter(protocol=protocol)
        networks = of_protocol["network"].unique(maintain_order=True).to_list()
        for number, network in enumerate(networks[:_MOST_LINES]):
            rows = of_protocol.filter(network=network).sort("epoch")
            color, epoch = _COLORS[number % len(_COLORS)], rows["epoch"].to_numpy()
            loss.plot(epoch, rows["train_loss"].to_numpy(), color=color, linewidth=1, linestyle=":")
            loss.plot(epoch, rows["validation_loss"].to_numpy(), color=color, linewidth=1.5)
            values = rows["validation_correlation"].cast(pl.Float64).to_numpy()
            correlation.plot(epoch, values, color=color, linewidth=1.5, label=network)
            best = rows.filter("is_best")
            for axes, name in ((loss, "validation_loss"), (correlation, "validation_correlation")):
                axes.plot(best["epoch"], best[name].cast(pl.Float64), "o", color=color, markersize=5)
        plain(loss, f"{protocol}: loss", "epoch", "per presentation and unit")
        plain(correlation, f"{protocol}: validation images", "epoch", "correlation to the mean")
        correlation.legend(fontsize=7, frameon=False, loc="lower right")
    handles = [Line2D([], [], color=TEXT, linestyle=":", linewidth=1, label="training images")]
    handles += [Line2D([], [], color=TEXT, linewidth=1.5, label="validation images")]
    handles += [Line2D([], [], color=TEXT, marker="o", linestyle="", markersize=5, label="weights kept")]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=8, frameon=False)
    return figure


def models_figure(scores: pl.DataFrame, order: list[tuple[str, str]]) -> Figure:
    """Each model's correlation to the mean on images held out: a point a unit, its noise ceiling, and medians.

    ``order`` names protocol and model of each row, from the top.
    """
    if not order:
        return saying("No model was scored.")
    figure = Figure(figsize=(9.6, 1.1 + 0.42 * len(order)), layout="constrained")
    raw, corrected = figure.subplots(1, 2, sharey=True)
    rng = np.random.default_rng(0)
    for place, (protocol, model) in enumerate(order):
        rows = scores.filter(protocol=protocol, model=model, side="test")
        color = LINEAR if rows["kind"][0] == "linear" else NETWORK
        for axes, name in ((raw, "correlation_to_mean"), (corrected, "noise_corrected_correlation")):
            values = rows[name].drop_nulls().to_numpy()
            y = place + rng.uniform(-0.22, 0.22, len(values))
            axes.plot(values, y, "o", color=color, alpha=0.35, markersize=2.6, markeredgewidth=0)
            if len(values):
                middle = float(np.median(values))
                axes.plot([middle, middle], [place - 0.34, place + 0.34], color=color, linewidth=2.6)
                axes.annotate(f"{middle:.2f}", (middle, place - 0.36), ha="center", va="bottom", fontsize=8, color=TEXT)
        ceiling = rows["noise_ceiling"].drop_nulls()
        if len(ceiling):
            raw.plot([ceiling.median()] * 2, [place - 0.34, place + 0.34], color="#D55E00", linewidth=1.4)
    raw.set_yticks(range(len(order)), [f"{model}, {protocol}" for protocol, model in order], fontsize=8)
    raw.set_ylim(len(order) - 0.4, -0.8)
    for axes, title in ((raw, "correlation to the mean"), (corrected, "noise-corrected correlation")):
        axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
        plain(axes, title, "one point for each unit; bar: median")
    corrected.axvline(1, color="#D55E00", linewidth=1.4, linestyle="--")
    values = scores.filter(side="test")["noise_corrected_correlation"].drop_nulls()
    if len(values):
        corrected.set_xlim(
            max(float(values.quantile(0.005)) - 0.05, -1.0), min(float(values.quantile(0.995)) + 0.1, 2.0)
        )
    return figure


def predictions_figure(predictions: pl.DataFrame, scores: pl.DataFrame, most: int = 6) -> Figure:
    """Predicted against measured mean counts of images held out, for the units that are predicted best and median."""
    known = scores.drop_nulls("correlation_to_mean").sort("correlation_to_mean", descending=True)
    if known.is_empty():
        return saying("No unit has a score.")
    places = np.unique(np.linspace(0, len(known) - 1, min(most, len(known))).round().astype(int))
    chosen = known[places.tolist()]
    columns = min(3, len(chosen))
    figure = Figure(figsize=(9.6, 2.6 * -(-len(chosen) // columns)), layout="constrained")
    panels = list(figure.subplots(-(-len(chosen) // columns), columns, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, row in zip(panels, chosen.to_dicts(), strict=False):
        axes.set_axis_on()
        rows = predictions.filter(session_id=row["session_id"], unit_id=row["unit_id"])
        _scatter(axes, rows["predicted"].to_numpy(), rows["measured"].to_numpy())
        plain(axes, f"unit {row['unit_id']}: r {row['correlation_to_mean']:.2f}", "predicted count", "measured count")
    return figure


def patterns_figure(patterns: pl.DataFrame, comparisons: pl.DataFrame, most: int = 6) -> Figure:
    """Predicted against measured mean counts to the session's own Gabors or gratings, a panel for each unit."""
    units = comparisons.drop_nulls("pattern_r").sort("pattern_r", descending=True).head(most)
    if units.is_empty():
        return saying("The sessions showed no Gabors or gratings that models could be asked about.")
    columns = min(3, len(units))
    figure = Figure(figsize=(9.6, 2.6 * -(-len(units) // columns)), layout="constrained")
    panels = list(figure.subplots(-(-len(units) // columns), columns, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, row in zip(panels, units.to_dicts(), strict=False):
        axes.set_axis_on()
        rows = patterns.filter(session_id=row["session_id"], unit_id=row["unit_id"], protocol=row["protocol"])
        _scatter(axes, rows["predicted"].to_numpy(), rows["measured"].to_numpy())
        plain(axes, f"unit {row['unit_id']}: r {row['pattern_r']:.2f}", "predicted count", "measured count")
    return figure


def _scatter(axes: Axes, predicted: np.ndarray, measured: np.ndarray) -> None:
    most = max(float(predicted.max(initial=0)), float(measured.max(initial=0)))
    axes.plot([0, most], [0, most], color=FAINT, linewidth=1, zorder=0)
    axes.plot(predicted, measured, "o", color=NETWORK, alpha=0.6, markersize=3.5, markeredgewidth=0)
