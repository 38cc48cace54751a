"""Figures of an omission study, and the captions that belong to them.

Drawn with ``Figure()`` alone: pyplot keeps a global list, which threads of a night would share.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_auc_score, roc_curve

from models.response_features import FEATURES
from tasks.sentences import counted, cre_name, cre_order, measure_name, measure_unit

CSS_PX_PER_INCH = 100  # a page shows a figure of 9.6 inches 960 px wide
DPI = 2 * CSS_PX_PER_INCH  # two pixels for each of the page's, for sharp screens
FLASH_PERIOD_S = 0.75  # image onsets of the visual-behaviour task

# Okabe and Ito's blue and vermillion; decoders after Tol's muted set. Each is told apart by color-blind readers.
CONDITION_COLORS = {"presented": "#0072B2", "omitted": "#D55E00"}
DECODER_COLORS = {
    "LR": "#332288",
    "DT": "#DDCC77",
    "RF": "#117733",
    "SVM": "#CC6677",
    "KNN": "#88CCEE",
    "GB": "#AA4499",
    "XGB": "#222222",
}
_DECODER_LINES = ("-", "--", "-.", (0, (1, 1)), "-", "--", "-.")
_SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#9db8d2"])
_TEXT, _FAINT = "#333333", "#bbbbbb"
_MOST_POINTS = 150


@dataclass(frozen=True)
class ReportFigure:
    """A figure as a report shows it."""

    title: str
    caption: str
    png: bytes


def study_figures(
    responses: pl.DataFrame, features: pl.DataFrame, predictions: pl.DataFrame, protocol: str
) -> tuple[ReportFigure, ...]:
    """Every figure of a study, in the order in which a report shows them, with captions."""
    return (
        ReportFigure(
            "Mean responses",
            "dF/F around image onset, or around when the omitted image was due (0 s): mean over mice of each mouse's"
            " mean over cells; band: s.e.m. over mice, none where there is one mouse. Dotted: the rhythm of image"
            f" onsets, {FLASH_PERIOD_S} s.",
            as_png(group_mean_figure(responses)),
        ),
        ReportFigure(
            "Response features",
            "Sixteen features of each cell's mean response. Box: quartiles and median, whiskers: 5 to 95 % of cells."
            f" Points: up to {_MOST_POINTS} cells, drawn at random. Axes span 1 to 99 %; points beyond are not shown."
            " Cells of one mouse are not independent.",
            as_png(feature_figure(features)),
        ),
        ReportFigure(
            f"ROC of the decoders, {protocol} protocol",
            "Omitted against presented, leaving one mouse out. Scores of all folds are pooled, though each fold has a"
            " decoder of its own and their scales may differ; SVM gives distances, the others probabilities.",
            as_png(roc_figure(predictions, protocol)),
        ),
        ReportFigure(
            f"Confusion of the decoders, {protocol} protocol",
            "Rows are the truth, columns the decoder's answer, leaving one mouse out: number of rows, and share of the"
            " truth's row.",
            as_png(confusion_figure(predictions, protocol)),
        ),
    )


def as_png(figure: Figure) -> bytes:
    """The figure as PNG bytes."""
    # Not savefig: it changes matplotlib's global settings while it draws.
    figure.set_dpi(DPI)
    into = io.BytesIO()
    FigureCanvasAgg(figure).print_png(into)
    return into.getvalue()


def group_mean_figure(responses: pl.DataFrame) -> Figure:
    """Presented against omitted, mean with s.e.m. over mice: a panel per cre line and exposure level."""
    if responses.is_empty() or (responses := responses.drop_nulls("mean_dff")).is_empty():
        return _saying("No traces: this project brought its features ready-made.")
    cre_lines = sorted(responses["cre_line"].unique(), key=cre_order)
    exposures = sorted(responses["exposure_level"].unique(), key=lambda level: level or "~")
    figure = Figure(figsize=(9.6, 0.6 + 2.6 * len(cre_lines)), layout="constrained")
    figure.get_layout_engine().set(hspace=0.07)
    panels = figure.subplots(len(cre_lines), len(exposures), sharex=True, sharey=True, squeeze=False)
    for row, cre_line in enumerate(cre_lines):
        for column, exposure in enumerate(exposures):
            axes = panels[row, column]
            of_panel = responses.filter(
                pl.col("cre_line").eq_missing(cre_line), pl.col("exposure_level").eq_missing(exposure)
            )
            _draw_means(axes, of_panel)
            level = exposure or "exposure not given"
            axes.set_title(f"{cre_name(cre_line)}, {level}: {_panel_counts(of_panel)}", fontsize=10, color=_TEXT)
            axes.set_ylabel("dF/F" if column == 0 else "", fontsize=9)
            axes.set_xlabel("time from onset (s)" if row == len(cre_lines) - 1 else "", fontsize=9)
            _plain(axes)
    _condition_legend(figure)
    return figure


def feature_figure(features: pl.DataFrame) -> Figure:
    """The sixteen features as small multiples, boxes and points by cre line and condition."""
    if features.is_empty():
        return _saying("No response features.")
    cre_lines = sorted(features["cre_line"].unique(), key=cre_order)
    figure = Figure(figsize=(9.6, 9.2), layout="constrained")
    for axes, name in zip(figure.subplots(4, 4).flat, FEATURES, strict=True):
        finite = features.drop_nulls(name).filter(pl.col(name).cast(pl.Float64).is_finite())
        for at, cre_line in enumerate(cre_lines):
            for condition, offset in (("presented", -0.21), ("omitted", 0.21)):
                values = finite.filter(pl.col("cre_line").eq_missing(cre_line), condition=condition)[name]
                _draw_box(axes, at + offset, values.to_numpy().astype(float), CONDITION_COLORS[condition])
        if len(finite):
            low, high = np.percentile(finite[name].to_numpy(), [1, 99])
            margin = 0.08 * (high - low) or 0.5
            axes.set_ylim(low - margin, high + margin)
        else:
            axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", fontsize=8, color=_TEXT)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=name == "zero_crossings"))
        unit = measure_unit(name).replace("^2", "²")
        axes.set_title(f"{measure_name(name)}{f' ({unit})' if unit else ''}", fontsize=9, color=_TEXT)
        axes.set_xlim(-0.6, len(cre_lines) - 0.4)
        _plain(axes)
        axes.set_xticks(range(len(cre_lines)), [cre_name(line) for line in cre_lines], fontsize=8)
    _condition_legend(figure)
    return figure


def roc_figure(predictions: pl.DataFrame, protocol: str) -> Figure:
    """One curve per decoder, from the pooled scores of mice left out, with its area in the legend."""
    if predictions.is_empty() or (held_out := _held_out(predictions, protocol)).is_empty():
        return _saying(f"No decoder ran under the {protocol} protocol.")
    if held_out["condition"].n_unique() < 2:
        return _saying(f"Every row is '{held_out['condition'][0]}': with one class there is no ROC curve.")
    figure = Figure(figsize=(6.6, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1, label="chance")
    for number, decoder in enumerate(_decoders(held_out)):
        rows = held_out.filter(decoder=decoder)
        truth, score = (rows["condition"] == "omitted").to_numpy(), rows["score"].to_numpy()
        label = f"{decoder}  no curve: one class"
        false_alarms, hits = [], []
        if len(np.unique(truth)) == 2:
            false_alarms, hits, _ = roc_curve(truth, score)
            label = f"{decoder}  AUC {roc_auc_score(truth, score):.2f}"
        color, line = DECODER_COLORS.get(decoder, _TEXT), _DECODER_LINES[number % len(_DECODER_LINES)]
        axes.plot(false_alarms, hits, color=color, linestyle=line, linewidth=1.6, label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("presentations taken for omissions (share)", fontsize=9)
    axes.set_ylabel("omissions found (share)", fontsize=9)
    _plain(axes)
    figure.legend(loc="outside right center", fontsize=9, frameon=False, handlelength=2.6)
    return figure


def confusion_figure(predictions: pl.DataFrame, protocol: str) -> Figure:
    """A 2 x 2 matrix per decoder, of mice left out: counts, and percent of each true condition."""
    if predictions.is_empty() or (held_out := _held_out(predictions, protocol)).is_empty():
        return _saying(f"No decoder ran under the {protocol} protocol.")
    decoders = _decoders(held_out)
    columns = min(4, len(decoders))
    rows = -(-len(decoders) // columns)
    figure = Figure(figsize=(2.4 * columns if columns > 1 else 3.4, 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for number, axes in enumerate(panels.flat):
        if number < len(decoders):
            _draw_confusion(axes, held_out.filter(decoder=decoders[number]), is_first=number % columns == 0)
            axes.set_title(decoders[number], fontsize=10, color=_TEXT)
        else:
            axes.set_axis_off()
    return figure


def _draw_means(axes: Axes, responses: pl.DataFrame) -> None:
    axes.axhline(0, color=_FAINT, linewidth=0.8)
    axes.axvline(0, color=_TEXT, linewidth=1)
    times_s = responses["time_s"]
    if len(times_s):
        beats = np.arange(np.ceil(times_s.min() / FLASH_PERIOD_S), np.floor(times_s.max() / FLASH_PERIOD_S) + 1)
        for onset_s in FLASH_PERIOD_S * beats[beats != 0]:
            axes.axvline(onset_s, color=_FAINT, linewidth=0.8, linestyle=":")
    for condition, color in CONDITION_COLORS.items():
        rows = responses.filter(condition=condition).sort("time_s")
        if rows.is_empty():
            continue
        mean, sem = rows["mean_dff"].to_numpy(), rows["sem_dff"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        axes.plot(rows["time_s"], mean, color=color, linewidth=1.6, label=condition)
        axes.fill_between(rows["time_s"], mean - sem, mean + sem, color=color, alpha=0.22, linewidth=0)


def _panel_counts(responses: pl.DataFrame) -> str:
    counts = {
        condition: ", ".join(counted(rows[f"{noun}_count"].max(), noun) for noun in ("mouse", "cell"))
        for condition in CONDITION_COLORS
        if len(rows := responses.filter(condition=condition))
    }
    if len(set(counts.values())) > 1:
        return "\n" + "; ".join(f"{condition} {count}" for condition, count in counts.items())
    return next(iter(counts.values()), "no cells")


def _draw_box(axes: Axes, at: float, values: np.ndarray, color: str) -> None:
    if len(values) == 0:
        return
    rng = np.random.default_rng(0)
    shown = values if len(values) <= _MOST_POINTS else rng.choice(values, _MOST_POINTS, replace=False)
    axes.scatter(at + rng.uniform(-0.13, 0.13, len(shown)), shown, s=4, color=color, alpha=0.3, linewidths=0)
    line = {"color": color, "linewidth": 1.2}
    axes.boxplot(
        [values], positions=[at], widths=0.34, whis=(5, 95), showfliers=False, manage_ticks=False,
        boxprops=line, whiskerprops=line, capprops=line, medianprops=line | {"linewidth": 2.4},
    )  # fmt: skip


def _draw_confusion(axes: Axes, rows: pl.DataFrame, is_first: bool) -> None:
    names = list(CONDITION_COLORS)
    counts = np.array([[rows.filter(condition=true, predicted=said).height for said in names] for true in names])
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros((2, 2)), where=totals > 0)
    axes.imshow(shares, vmin=0, vmax=1, cmap=_SHARES)
    for (true, said), count in np.ndenumerate(counts):
        share = f"{100 * shares[true, said]:.0f} %" if totals[true, 0] else "no rows"
        axes.text(said, true, f"{count:,}\n{share}", ha="center", va="center", fontsize=9, color="#111111")
    axes.set_xticks([0, 1], names, fontsize=8)
    axes.set_yticks([0, 1], names if is_first else ["", ""], fontsize=8, rotation=90, va="center")
    axes.set_xlabel("answer", fontsize=8)
    axes.set_ylabel("truth" if is_first else "", fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_color(_FAINT)


def _held_out(predictions: pl.DataFrame, protocol: str) -> pl.DataFrame:
    return predictions.filter(protocol=protocol, scheme="leave_one_mouse_out").drop_nulls("score")


def _decoders(predictions: pl.DataFrame) -> list[str]:
    known = list(DECODER_COLORS)
    found: Iterable[str] = predictions["decoder"].unique()
    return sorted(found, key=lambda name: (known.index(name) if name in known else len(known), name))


def _condition_legend(figure: Figure) -> None:
    handles = [Line2D([], [], color=color, linewidth=2.4, label=name) for name, color in CONDITION_COLORS.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=9, frameon=False)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=_TEXT)


def _saying(text: str) -> Figure:
    figure = Figure(figsize=(9.6, 1.2))
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=11, color=_TEXT)
    return figure
