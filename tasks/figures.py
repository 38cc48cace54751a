"""How figures of a report look, and those of decoders that the registry keeps too.

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
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve

from tasks.figure_groups import FAINT, TEXT, plain, saying
from tasks.sentences import cre_name
from tasks.sentences_decoding import labels_of

CSS_PX_PER_INCH = 100  # a page shows a figure of 9.6 inches 960 px wide
DPI = 2 * CSS_PX_PER_INCH  # two pixels for each of the page's, for sharp screens

# Okabe and Ito's blue and vermillion; decoders after Tol's muted set. Each is told apart by color-blind readers.
CONDITION_COLORS = {"presented": "#0072B2", "omitted": "#D55E00"}
DECODER_COLORS = {
    "dummy": "#999999",
    "LR": "#332288",
    "DT": "#DDCC77",
    "RF": "#117733",
    "SVM": "#CC6677",
    "KNN": "#88CCEE",
    "GB": "#AA4499",
    "XGB": "#222222",
}
_DECODER_LINES = (":", "-", "--", "-.", (0, (1, 1)), "-", "--", "-.")
_SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#9db8d2"])


@dataclass(frozen=True)
class ReportFigure:
    """A figure as a report shows it."""

    title: str
    caption: str
    png: bytes


def as_png(figure: Figure) -> bytes:
    """The figure as PNG bytes, in 256 colors of its own: a third of the size of full color."""
    # Not savefig: it changes matplotlib's global settings while it draws.
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    drawn = Image.frombuffer("RGBA", (width, height), bytes(canvas.buffer_rgba()), "raw", "RGBA", 0, 1).convert("RGB")
    reduced = drawn.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = reduced.getpalette()
    background = reduced.getpixel((0, 0))
    palette[3 * background : 3 * background + 3] = [255, 255, 255]
    reduced.putpalette(palette)
    into = io.BytesIO()
    reduced.save(into, "PNG")
    return into.getvalue()


def roc_figure(predictions: pl.DataFrame, protocol: str, target: str = "condition") -> Figure:
    """One curve per decoder, from the pooled scores of mice left out, with its area in the legend."""
    if (held_out := held_out_rows(predictions, protocol, target)).is_empty():
        return saying(f"No decoder ran under the {protocol} protocol.")
    if held_out["truth"].n_unique() < 2:
        return saying(f"Every row is '{held_out['truth'][0]}': with one class there is no ROC curve.")
    figure = Figure(figsize=(7.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, label="chance")
    others, ones = (answer_name(label) for label in labels_of(held_out, target))
    for decoder in decoder_names(held_out):
        rows = held_out.filter(decoder=decoder)
        truth, score = is_label_one(rows, target), rows["score"].to_numpy()
        label, false_alarms, hits = f"{decoder}  no curve: one class", [], []
        if len(np.unique(truth)) == 2:
            false_alarms, hits, _ = roc_curve(truth, score)
            label = f"{decoder}  AUC {roc_auc_score(truth, score):.2f}"
        axes.plot(false_alarms, hits, **decoder_style(decoder), linewidth=1.6, label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    plain(axes, "", f"{others} taken for {ones} (share)", f"{ones} found (share)")
    figure.legend(loc="outside right center", fontsize=9, frameon=False, handlelength=2.6)
    return figure


def confusion_figure(predictions: pl.DataFrame, protocol: str, target: str = "condition") -> Figure:
    """A 2 x 2 matrix per decoder, of mice left out: counts, and percent of each truth."""
    if (held_out := held_out_rows(predictions, protocol, target)).is_empty():
        return saying(f"No decoder ran under the {protocol} protocol.")
    decoders = decoder_names(held_out)
    columns = min(4, len(decoders))
    rows = -(-len(decoders) // columns)
    figure = Figure(figsize=(2.4 * columns if columns > 1 else 3.4, 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    labels = labels_of(held_out, target)
    for number, axes in enumerate(panels.flat):
        if number < len(decoders):
            _draw_confusion(axes, held_out.filter(decoder=decoders[number]), labels, is_first=number % columns == 0)
            axes.set_title(decoders[number], fontsize=10, color=TEXT)
        else:
            axes.set_axis_off()
    return figure


def held_out_rows(predictions: pl.DataFrame, protocol: str, target: str) -> pl.DataFrame:
    """What decoders of a protocol said of mice left out."""
    return predictions.filter(protocol=protocol, target=target, scheme="leave_one_mouse_out").drop_nulls("score")


def is_label_one(rows: pl.DataFrame, target: str) -> np.ndarray:
    """Whether each row's truth is the label of large scores, (n_rows,)."""
    return (rows["truth"] == labels_of(rows, target)[1]).to_numpy()


def decoder_names(predictions: pl.DataFrame) -> list[str]:
    """Decoders in the order in which they are always shown."""
    known = list(DECODER_COLORS)
    found: Iterable[str] = predictions["decoder"].unique()
    return sorted(found, key=lambda name: (known.index(name) if name in known else len(known), name))


def decoder_style(decoder: str) -> dict:
    """Color and line of a decoder's curve."""
    number = list(DECODER_COLORS).index(decoder) if decoder in DECODER_COLORS else 0
    return {"color": DECODER_COLORS.get(decoder, TEXT), "linestyle": _DECODER_LINES[number % len(_DECODER_LINES)]}


def answer_name(label: str) -> str:
    """A label as a figure names its rows: presentations, omissions, VIP cells."""
    return {"presented": "presentations", "omitted": "omissions"}.get(label) or f"{cre_name(label)} cells"


def condition_legend(figure: Figure) -> None:
    """Presented and omitted, above the panels."""
    handles = [Line2D([], [], color=color, linewidth=2.4, label=name) for name, color in CONDITION_COLORS.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=9, frameon=False)


def _draw_confusion(axes: Axes, rows: pl.DataFrame, labels: tuple[str, str], is_first: bool) -> None:
    counts = np.array([[rows.filter(truth=true, predicted=said).height for said in labels] for true in labels])
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros((2, 2)), where=totals > 0)
    axes.imshow(shares, vmin=0, vmax=1, cmap=_SHARES)
    for (true, said), count in np.ndenumerate(counts):
        share = f"{100 * shares[true, said]:.0f} %" if totals[true, 0] else "no rows"
        axes.text(said, true, f"{count:,}\n{share}", ha="center", va="center", fontsize=9, color="#111111")
    names = [label if label in CONDITION_COLORS else cre_name(label) for label in labels]
    axes.set_xticks([0, 1], names, fontsize=8)
    axes.set_yticks([0, 1], names if is_first else ["", ""], fontsize=8, rotation=90, va="center")
    axes.set_xlabel("answer", fontsize=8)
    axes.set_ylabel("truth" if is_first else "", fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_color(FAINT)
