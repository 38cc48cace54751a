"""Figures of decoders beside those that the registry keeps: probabilities, calibration, importance of features."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from tasks.figure_groups import FAINT, TEXT, plain, saying
from tasks.figures import (
    CONDITION_COLORS,
    ReportFigure,
    answer_name,
    as_png,
    confusion_figure,
    decoder_names,
    decoder_style,
    held_out_rows,
    is_label_one,
    roc_figure,
)
from tasks.sentences import PROTOCOLS, cre_name, measure_name
from tasks.sentences_decoding import DUMMY, labels_of, task_name

_BINS = 10
_FEWEST_IN_BIN = 5
_MOST_FEATURES = 10
_LINE_COLORS = ("#CC79A7", "#009E73")  # of cre lines by alphabet, as elsewhere: SST, VIP


def decoder_figures(predictions: pl.DataFrame, protocol: str, target: str) -> tuple[ReportFigure, ...]:
    """What decoders of one protocol said of left-out mice, in four figures; none where none ran."""
    rows = held_out_rows(predictions, protocol, target)
    if rows.is_empty():
        return ()
    what = f"{task_name(target, predictions)}, {protocol} protocol"
    decoder_count = rows["decoder"].n_unique()
    n = f"{len(rows) // decoder_count:,} rows of {rows['fold'].n_unique()} mice left out one by one"
    zero, one = (answer_name(label) for label in labels_of(rows, target))
    return (
        ReportFigure(
            f"Confusion: {what}",
            f"Rows are the truth, columns the decoder's answer; {n}: number of rows, and share of the truth's row.",
            as_png(confusion_figure(predictions, protocol, target)),
        ),
        ReportFigure(
            f"ROC: {what}",
            f"{n}. Scores of all folds are pooled, though each fold has a decoder of its own and scales may differ.",
            as_png(roc_figure(predictions, protocol, target)),
        ),
        ReportFigure(
            f"Probabilities: {what}",
            f"What each decoder gave {zero} and {one}; {n}. A decoder that knows parts the two, and one that knows its"
            " limits has few near 0 and 1 that are wrong.",
            as_png(probability_figure(rows, target)),
        ),
        ReportFigure(
            f"Calibration: {what}",
            f"Share of {one} among rows of like probability, in {_BINS} bins of equal width; bins of fewer than"
            f" {_FEWEST_IN_BIN} rows are left out. On the diagonal, a probability can be taken at its word. {n}.",
            as_png(calibration_figure(rows, target)),
        ),
    )


def importance_figures(importance: pl.DataFrame, target: str) -> tuple[ReportFigure, ...]:
    """Which features the decoders of both protocols rest on; none where it wasn't measured."""
    rows = importance.filter(target=target)
    if rows.is_empty():
        return ()
    mice = ", ".join(
        f"{protocol}: {of['mouse_count'].max()} mice"
        for protocol in PROTOCOLS
        if len(of := rows.filter(protocol=protocol))
    )
    return (
        ReportFigure(
            "Importance of features" + ("" if target == "condition" else " for the cell type"),
            "What accuracy on left-out mice loses when a feature is shuffled among the rows of the mouse left out:"
            f" mean over mice and their s.d. ({mice}). Features that tell the same share it, and each may look"
            " unimportant.",
            as_png(importance_figure(rows)),
        ),
    )


def probability_figure(rows: pl.DataFrame, target: str) -> Figure:
    """A histogram per decoder: scores of either label."""
    decoders = [name for name in decoder_names(rows) if name != DUMMY]
    if not decoders:
        return saying("Only the decoder that knows nothing ran.")
    columns = min(4, len(decoders))
    lines = -(-len(decoders) // columns)
    figure = Figure(figsize=(9.6, 0.6 + 1.9 * lines), layout="constrained")
    colors = tuple(CONDITION_COLORS.values()) if target == "condition" else _LINE_COLORS
    panels = figure.subplots(lines, columns, squeeze=False).flat
    for number, axes in enumerate(panels):
        if number >= len(decoders):
            axes.set_axis_off()
            continue
        of_decoder = rows.filter(decoder=decoders[number])
        score, truth = of_decoder["score"].to_numpy(), is_label_one(of_decoder, target)
        is_share = _is_probability(score)
        bins = np.linspace(0, 1, 21) if is_share else np.linspace(score.min(), score.max() + 1e-9, 21)
        for label, color in zip((False, True), colors, strict=True):
            axes.hist(score[truth == label], bins, color=color, alpha=0.55)
        plain(axes, decoders[number], "probability" if is_share else "score", "rows" if number % columns == 0 else "")
    names = [label if label in CONDITION_COLORS else cre_name(label) for label in labels_of(rows, target)]
    figure.legend(
        handles=[figure.axes[0].patches[0], figure.axes[0].patches[20]],
        labels=names, loc="outside upper right", ncols=2, fontsize=9, frameon=False,
    )  # fmt: skip
    return figure


def calibration_figure(rows: pl.DataFrame, target: str) -> Figure:
    """A reliability curve per decoder that gives probabilities."""
    figure = Figure(figsize=(7.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, label="calibrated")
    for decoder in decoder_names(rows):
        of_decoder = rows.filter(decoder=decoder)
        score = of_decoder["score"].to_numpy()
        if decoder != DUMMY and _is_probability(score):
            given, came = reliability(score, is_label_one(of_decoder, target))
            axes.plot(given, came, **decoder_style(decoder), marker="o", markersize=3, linewidth=1.4, label=decoder)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    one = answer_name(labels_of(rows, target)[1])
    plain(axes, "", f"probability of {one} that was given", f"share of {one} that there were")
    figure.legend(loc="outside right center", fontsize=9, frameon=False, handlelength=2.6)
    return figure


def reliability(probability: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean probability and share of true rows in each bin of probability (n_bins,), from rows (n,) and (n,).

    Ten bins of equal width; those of fewer than five rows are left out.
    """
    at = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    count = np.bincount(at, minlength=_BINS)
    kept = count >= _FEWEST_IN_BIN
    given = np.bincount(at, probability, _BINS)[kept] / count[kept]
    return given, np.bincount(at, truth, _BINS)[kept] / count[kept]


def importance_figure(rows: pl.DataFrame) -> Figure:
    """Bars of the most important features, a panel per protocol and decoder, at most four."""
    panels = []
    for protocol in PROTOCOLS:
        of_protocol = rows.filter(protocol=protocol)
        if len(of_protocol):
            by_decoder = of_protocol.group_by("decoder").agg(pl.col("importance").max()).sort("importance", "decoder")
            panels += [(protocol, decoder) for decoder in by_decoder["decoder"].reverse()[:2]]
    figure = Figure(figsize=(9.6, 2.8), layout="constrained")
    for axes, (protocol, decoder) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        shown = rows.filter(protocol=protocol, decoder=decoder).sort("importance", descending=True).head(_MOST_FEATURES)
        spread = shown["sd_between_mice"].fill_null(0).to_numpy()
        axes.axvline(0, color=FAINT, linewidth=1)
        axes.barh(range(len(shown)), shown["importance"], 0.7, xerr=spread, color="#9db8d2", ecolor=TEXT,
                  error_kw={"linewidth": 0.8})  # fmt: skip
        axes.set_yticks(range(len(shown)), [_feature_name(name) for name in shown["feature"]])
        axes.invert_yaxis()
        plain(axes, f"{decoder}, {protocol}", "loss of accuracy")
        axes.tick_params(axis="y", labelsize=7)
    return figure


def _feature_name(feature: str) -> str:
    return {"cre_line": "cre line", "exposure_level": "exposure"}.get(feature) or measure_name(feature)


def _is_probability(score: np.ndarray) -> bool:
    return len(score) > 0 and score.min() >= 0 and score.max() <= 1
