"""Figures of responses: group means, signals of the animal's behaviour, and features of each cell."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from models.response_features import FEATURES
from tasks.figure_groups import FAINT, TEXT, plain, saying
from tasks.figures import CONDITION_COLORS, ReportFigure, as_png, condition_legend
from tasks.sentences import counted, cre_name, cre_order, measure_with_unit

FLASH_PERIOD_S = 0.75  # image onsets of the visual-behaviour task
_MOST_POINTS = 150
_SIGNAL_UNITS = {"_cm_per_s": "cm/s", "_mm2": "mm²", "_px2": "px²", "_mm": "mm", "_px": "px", "_cm": "cm", "_s": "s"}


def mean_figures(responses: pl.DataFrame, behavior: pl.DataFrame) -> tuple[ReportFigure, ...]:
    """Mean responses of cells, and of the animal, around events; those that there are rows for."""
    figures = []
    if len(responses):
        figures.append(
            ReportFigure(
                "Mean responses",
                "dF/F around image onset, or around when the omitted image was due (0 s): mean over mice of each"
                " mouse's mean over cells; band: s.e.m. over mice, none where there is one mouse. Dotted: the rhythm of"
                f" image onsets, {FLASH_PERIOD_S} s.",
                as_png(group_mean_figure(responses)),
            )
        )
    if len(behavior):
        figures.append(
            ReportFigure(
                "Behaviour around events",
                "Mean over mice of each mouse's mean over events, baseline not subtracted; band: s.e.m. over mice. What"
                " the animal does around an omission can drive cells without any prediction being wrong.",
                as_png(behavior_figure(behavior)),
            )
        )
    return tuple(figures)


def feature_figures(features: pl.DataFrame) -> tuple[ReportFigure, ...]:
    """The sixteen features of each cell, if there are any."""
    if features.is_empty():
        return ()
    cells = counted(features.select("mouse_id", "unit_id").n_unique(), "cell")
    return (
        ReportFigure(
            "Response features",
            f"Sixteen features of the mean response of {cells} of"
            f" {counted(features['mouse_id'].n_unique(), 'mouse')}. Box: quartiles and median, whiskers: 5 to 95 % of"
            f" cells. Points: up to {_MOST_POINTS} cells, drawn at random. Axes span 1 to 99 %; points beyond are not"
            " shown. Cells of one mouse are not independent.",
            as_png(feature_figure(features)),
        ),
    )


def group_mean_figure(responses: pl.DataFrame) -> Figure:
    """Presented against omitted, mean with s.e.m. over mice: a panel per cre line and exposure level."""
    if responses.is_empty() or (responses := responses.drop_nulls("mean_dff")).is_empty():
        return saying("No traces: this project brought its features ready-made.")
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
            axes.axhline(0, color=FAINT, linewidth=0.8)
            _draw_means(axes, of_panel, "mean_dff", "sem_dff")
            level = exposure or "exposure not given"
            title = f"{cre_name(cre_line)}, {level}: {_panel_counts(of_panel, 'cell')}"
            x = "time from onset (s)" if row == len(cre_lines) - 1 else ""
            plain(axes, title, x, "dF/F" if column == 0 else "")
    condition_legend(figure)
    return figure


def behavior_figure(behavior: pl.DataFrame) -> Figure:
    """Signals of the animal around events, mean with s.e.m. over mice: a row per signal, a column per exposure."""
    if behavior.is_empty() or (behavior := behavior.drop_nulls("mean")).is_empty():
        return saying("No signals of the animal's behaviour.")
    signals = sorted(behavior["signal"].unique())
    exposures = sorted(behavior["exposure_level"].unique(), key=lambda level: level or "~")
    figure = Figure(figsize=(9.6, 0.6 + 2.2 * len(signals)), layout="constrained")
    panels = figure.subplots(len(signals), len(exposures), sharex=True, sharey="row", squeeze=False)
    for row, signal in enumerate(signals):
        for column, exposure in enumerate(exposures):
            of_panel = behavior.filter(pl.col("exposure_level").eq_missing(exposure), signal=signal)
            _draw_means(panels[row, column], of_panel, "mean", "sem")
            title = f"{exposure or 'exposure not given'}: {_panel_counts(of_panel, 'event')}"
            x = "time from onset (s)" if row == len(signals) - 1 else ""
            plain(panels[row, column], title, x, signal_name(signal) if column == 0 else "")
    condition_legend(figure)
    return figure


def signal_name(signal: str) -> str:
    """A signal's plain name with its unit: ``running speed (cm/s)``; the name as it is where no unit is known."""
    for suffix, unit in _SIGNAL_UNITS.items():
        if signal.endswith(suffix):
            return f"{signal.removesuffix(suffix).replace('_', ' ')} ({unit})"
    return signal.replace("_", " ")


def feature_figure(features: pl.DataFrame) -> Figure:
    """The sixteen features as small multiples, boxes and points by cre line and condition."""
    if features.is_empty():
        return saying("No response features.")
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
            axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", fontsize=8, color=TEXT)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=name == "zero_crossings"))
        axes.set_xlim(-0.6, len(cre_lines) - 0.4)
        plain(axes, measure_with_unit(name))
        axes.set_xticks(range(len(cre_lines)), [cre_name(line) for line in cre_lines], fontsize=8)
    condition_legend(figure)
    return figure


def _draw_means(axes: Axes, responses: pl.DataFrame, mean_of: str, sem_of: str) -> None:
    axes.axvline(0, color=TEXT, linewidth=1)
    times_s = responses["time_s"]
    if len(times_s):
        beats = np.arange(np.ceil(times_s.min() / FLASH_PERIOD_S), np.floor(times_s.max() / FLASH_PERIOD_S) + 1)
        for onset_s in FLASH_PERIOD_S * beats[beats != 0]:
            axes.axvline(onset_s, color=FAINT, linewidth=0.8, linestyle=":")
    for condition, color in CONDITION_COLORS.items():
        rows = responses.filter(condition=condition).sort("time_s")
        if rows.is_empty():
            continue
        mean, sem = rows[mean_of].to_numpy(), rows[sem_of].cast(pl.Float64).fill_null(np.nan).to_numpy()
        axes.plot(rows["time_s"], mean, color=color, linewidth=1.6, label=condition)
        axes.fill_between(rows["time_s"], mean - sem, mean + sem, color=color, alpha=0.22, linewidth=0)


def _panel_counts(responses: pl.DataFrame, *nouns: str) -> str:
    counts = {
        condition: ", ".join(counted(rows[f"{noun}_count"].max(), noun) for noun in ("mouse", *nouns))
        for condition in CONDITION_COLORS
        if len(rows := responses.filter(condition=condition))
    }
    if len(set(counts.values())) > 1:
        return "\n" + "; ".join(f"{condition} {count}" for condition, count in counts.items())
    return next(iter(counts.values()), f"no {nouns[0]}s")


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
