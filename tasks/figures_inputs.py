"""Figures of what excites units: galleries, ascents, Gabors beside most exciting inputs, spectra, pixel profiles."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import NDArray

from models.image_spectra import BIN_RAD, angular_power, frequency_content, log_power_spectrum
from models.input_comparison import SOURCE_ROW, pixel_profile
from tasks.figure_groups import FAINT, TEXT, plain, saying
from tasks.image_coding_rows import CodingRows

_BLUE, _ORANGE = "#0072B2", "#D55E00"
_STARTS = {"noise": _BLUE, "black": "#222222", "grey": "#999999", "white": "#E69F00"}
MOST_UNITS = 8  # of a protocol, in a figure
_LEAST_RANGE = 0.02  # of grey, so that an image of one grey is drawn as one


def shown_units(rows: CodingRows, protocol: str) -> list[tuple[str, int]]:
    """Session and unit of those that figures show: the most reliable of each session first."""
    found = rows.comparisons.filter(protocol=protocol).select("session_id", "unit_id")
    ranked = found.join(
        rows.units.select("session_id", "unit_id", "oracle"), on=["session_id", "unit_id"], how="left"
    ).sort("oracle", descending=True, nulls_last=True)
    return ranked.select("session_id", "unit_id").head(MOST_UNITS).rows()


def gallery_figure(rows: CodingRows, protocol: str) -> Figure:
    """The best image of each kind for each unit, with what the network predicts for it."""
    units = shown_units(rows, protocol)
    if not units:
        return saying(f"No unit has exciting inputs under the {protocol} protocol.")
    kinds = [
        kind
        for kind in ("exciting", "second network", "inhibiting", "best gabor", "top gabors")
        if len(rows.inputs.filter(protocol=protocol, kind=kind))
    ]
    figure = Figure(figsize=(9.6, 1.45 * len(units) + 0.3), layout="constrained")
    panels = figure.subplots(len(units), len(kinds), squeeze=False)
    for place, (line, (session_id, unit_id)) in enumerate(zip(panels, units, strict=True)):
        for axes, kind in zip(line, kinds, strict=True):
            wanted = {"protocol": protocol, "session_id": session_id, "unit_id": unit_id, "kind": kind}
            _show(axes, rows, wanted | {"is_best": True}, kind if place == 0 else "")
        line[0].set_ylabel(f"{unit_id}", fontsize=8, color=TEXT)
    return figure


def starts_figure(rows: CodingRows, protocol: str) -> Figure:
    """Most exciting inputs of each unit from each start."""
    units = shown_units(rows, protocol)
    found = rows.inputs.filter(protocol=protocol, kind="exciting")
    starts = [
        key for name in _STARTS for key in sorted(found.filter(start=name).select("start", "seed").unique().rows())
    ]
    if not units or len(starts) < 2:
        return saying(f"Exciting inputs of the {protocol} protocol have one start.")
    figure = Figure(figsize=(9.6, 1.15 * len(units) + 0.3), layout="constrained")
    panels = figure.subplots(len(units), len(starts), squeeze=False)
    for place, (line, (session_id, unit_id)) in enumerate(zip(panels, units, strict=True)):
        for axes, (start, seed) in zip(line, starts, strict=True):
            wanted = {"protocol": protocol, "session_id": session_id, "unit_id": unit_id, "kind": "exciting"}
            title = (f"noise {seed}" if start == "noise" else start) if place == 0 else ""
            _show(axes, rows, wanted | {"start": start, "seed": seed}, title)
        line[0].set_ylabel(f"{unit_id}", fontsize=8, color=TEXT)
    return figure


def diverse_figure(rows: CodingRows, protocol: str) -> Figure:
    """Diverse exciting inputs of each unit."""
    units = shown_units(rows, protocol)
    found = rows.inputs.filter(protocol=protocol, kind="diverse")
    count = found["seed"].n_unique()
    if not units or not count:
        return saying(f"No diverse inputs were made under the {protocol} protocol.")
    figure = Figure(figsize=(9.6, 1.2 * len(units) + 0.3), layout="constrained")
    panels = figure.subplots(len(units), count, squeeze=False)
    for line, (session_id, unit_id) in zip(panels, units, strict=True):
        for number, axes in enumerate(line):
            wanted = {"protocol": protocol, "session_id": session_id, "unit_id": unit_id, "kind": "diverse"}
            _show(axes, rows, wanted | {"seed": number}, "")
        line[0].set_ylabel(f"{unit_id}", fontsize=8, color=TEXT)
    return figure


def ascent_figure(rows: CodingRows, protocol: str) -> Figure:
    """Predicted response and contrast at each step, a column for each unit and a line for each start."""
    units = shown_units(rows, protocol)[:4]
    steps = rows.steps.filter(protocol=protocol)
    if not units or steps.is_empty():
        return saying(f"There was no ascent under the {protocol} protocol.")
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    panels = figure.subplots(2, len(units), squeeze=False, sharex=True)
    for column, (session_id, unit_id) in enumerate(units):
        of_unit = steps.filter(session_id=session_id, unit_id=unit_id)
        for (start, seed), rows_of in of_unit.group_by("start", "seed", maintain_order=True):
            line = rows_of.sort("step")
            width = 1.4 if seed == 0 else 0.8
            for axes, name in zip(panels[:, column], ("response", "contrast"), strict=True):
                axes.plot(line["step"], line[name], color=_STARTS.get(start, _ORANGE), linewidth=width)
        plain(panels[0, column], f"unit {unit_id}", "", "predicted count" if column == 0 else "")
        plain(panels[1, column], "", "step", "contrast (s.d.)" if column == 0 else "")
    there = [name for name in _STARTS if len(steps.filter(start=name))]
    handles = [Line2D([], [], color=_STARTS[name], linewidth=1.6, label=f"from {name}") for name in there]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=8, frameon=False)
    return figure


def beside_gabor_figure(rows: CodingRows, protocol: str) -> Figure:
    """Each unit's most exciting input and its Gabor with their discs, log spectra, and power by direction."""
    units = [one for one in shown_units(rows, protocol) if _gabor_of(rows, protocol, *one) is not None][:5]
    if not units:
        return saying(f"There are no Gabors to hold beside under the {protocol} protocol.")
    figure = Figure(figsize=(9.6, 1.75 * len(units) + 0.4), layout="constrained")
    panels = figure.subplots(len(units), 6, squeeze=False, width_ratios=[1.2, 1.2, 1.2, 1.2, 1.1, 1.1])
    heads = ("most exciting", "Gabor", "its log power", "the Gabor's", "power by direction", "power by frequency")
    for place, (line, (session_id, unit_id)) in enumerate(zip(panels, units, strict=True)):
        of_unit = {"protocol": protocol, "session_id": session_id, "unit_id": unit_id}
        mei = rows.image_of(**of_unit, kind="exciting", is_best=True)
        gabor = _gabor_of(rows, protocol, session_id, unit_id)
        compared = rows.comparisons.row(by_predicate=_is(of_unit), named=True)
        both = np.stack([mei, gabor])
        for axes, image in zip(line[:2], both, strict=True):
            _draw(axes, image)
        disc = tuple(compared[name] for name in ("mask_column_px", "mask_row_px", "mask_radius_px"))
        line[0].add_patch(Circle(disc[:2], disc[2], fill=False, color=_ORANGE, linewidth=1.2))
        varied = np.ptp(both, axis=(1, 2)) > 0
        for axes, image, has_any in zip(line[2:4], both, varied, strict=True):
            if has_any:
                spectrum = log_power_spectrum(image[None], protocol)[0]
                axes.imshow(spectrum, cmap="magma", vmin=spectrum.max() - 5, vmax=spectrum.max())
            axes.set_xticks([])
            axes.set_yticks([])
        for image, color, has_any in zip(both, (_BLUE, _ORANGE), varied, strict=True):
            if has_any:
                power = angular_power(image[None], protocol)[0]
                angle = np.rad2deg(BIN_RAD * np.arange(len(power)))
                line[4].plot(angle, power / power.sum(), color=color, linewidth=1.2)
                content = frequency_content(image[None])
                line[5].plot(content.cycles_per_px, content.power[0], color=color, linewidth=1.2)
        last = place == len(units) - 1
        plain(line[4], "", "degrees" if last else "")
        plain(line[5], "", "cycles per pixel" if last else "")
        line[0].set_ylabel(f"{unit_id}", fontsize=8, color=TEXT)
    for axes, head in zip(panels[0], heads, strict=True):
        axes.set_title(head, fontsize=9, color=TEXT)
    handles = [Line2D([], [], color=color, linewidth=1.6, label=name)
               for name, color in (("most exciting input", _BLUE), ("Gabor", _ORANGE))]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=8, frameon=False)
    return figure


def profile_figure(rows: CodingRows, protocol: str) -> Figure:
    """Pixels of row 29 of 60 of each unit's most exciting input and Gabor, with the disc that they are compared in."""
    units = shown_units(rows, protocol)[:4]
    if not units:
        return saying(f"No unit has exciting inputs under the {protocol} protocol.")
    figure = Figure(figsize=(9.6, 1.5 * len(units) + 0.4), layout="constrained")
    panels = figure.subplots(len(units), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (session_id, unit_id) in zip(panels, units, strict=True):
        of_unit = {"protocol": protocol, "session_id": session_id, "unit_id": unit_id}
        mei = rows.image_of(**of_unit, kind="exciting", is_best=True)
        compared = rows.comparisons.row(by_predicate=_is(of_unit), named=True)
        at = source_row(mei.shape[0])
        column, row, radius = (compared[name] for name in ("mask_column_px", "mask_row_px", "mask_radius_px"))
        if abs(at - row) < radius:
            half = float(np.sqrt(radius**2 - (at - row) ** 2))
            axes.axvspan(column - half, column + half, color="#fdebdc", zorder=0)
        axes.plot(pixel_profile(mei[None], at)[0], color=_BLUE, linewidth=1.2)
        gabor = _gabor_of(rows, protocol, session_id, unit_id)
        if gabor is not None:
            axes.plot(pixel_profile(gabor[None], at)[0], color=_ORANGE, linewidth=1, alpha=0.9)
        axes.axhline(0.5, color=FAINT, linewidth=0.8, zorder=0)
        axes.set_xlim(0, mei.shape[1] - 1)
        plain(axes, f"unit {unit_id}, row {at}", "column (px)" if axes is panels[-1] else "", "grey")
    handles = [Line2D([], [], color=color, linewidth=1.6, label=name)
               for name, color in (("most exciting input", _BLUE), ("Gabor", _ORANGE))]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=8, frameon=False)
    return figure


def source_row(height_px: int) -> int:
    """Row 29 of 60, or the one that lies as high in images of another height."""
    return round(SOURCE_ROW / 60 * height_px)


def responses_figure(rows: CodingRows, protocol: str) -> Figure:
    """What each unit's network predicts for plain grey, its best image of the session, Gabors, and its own inputs."""
    found = rows.comparisons.filter(protocol=protocol)
    if found.is_empty():
        return saying(f"No unit has exciting inputs under the {protocol} protocol.")
    names = {
        "mii_response": "most inhibiting",
        "blank_response": "plain grey",
        "top_gabors_response": "top three Gabors",
        "natural_response": "best natural image",
        "best_gabor_response": "best Gabor",
        "mei_response": "most exciting",
    }
    names = {column: name for column, name in names.items() if found[column].count()}
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    axes = figure.subplots()
    values = found.select(*names).cast(pl.Float64).to_numpy()  # (n_units, n_kinds)
    for one in values:
        axes.plot(range(len(names)), one, color="#c9ccd1", linewidth=0.8, zorder=1)
    axes.plot(range(len(names)), values.T, "o", color=_BLUE, markersize=4, zorder=2)
    axes.plot(range(len(names)), np.nanmedian(values, axis=0), "_", color=_ORANGE, markersize=26, markeredgewidth=2.4)
    low, high = (found[name].cast(pl.Float64).to_numpy() for name in ("mei_low", "mei_high"))
    if np.isfinite(low).any():
        axes.vlines(np.full(len(low), len(names) - 1), low, high, color=_BLUE, alpha=0.35, linewidth=3)
    axes.set_xticks(range(len(names)), names.values(), fontsize=8)
    plain(axes, "", "", "predicted count")
    return figure


def _gabor_of(rows: CodingRows, protocol: str, session_id: str, unit_id: int) -> NDArray[np.float32] | None:
    """The Gabor that is compared: the mean of the top three, or else the best one."""
    of_unit = {"protocol": protocol, "session_id": session_id, "unit_id": unit_id}
    top = rows.image_of(**of_unit, kind="top gabors")
    return rows.image_of(**of_unit, kind="best gabor") if top is None else top


def _is(wanted: dict) -> pl.Expr:
    return pl.all_horizontal(pl.col(name) == value for name, value in wanted.items())


def _show(axes: Axes, rows: CodingRows, wanted: dict, title: str) -> None:
    """One image with its predicted response and contrast below; nothing where there is none."""
    found = rows.inputs.with_row_index("place").filter(**wanted)
    if found.is_empty():
        axes.set_axis_off()
        return
    row = found.row(0, named=True)
    _draw(axes, rows.images[row["place"]])
    axes.set_title(title, fontsize=8, color=TEXT)
    still = "" if row["moved"] else " (no gradient)"
    axes.set_xlabel(f"{row['response']:.2f}, contrast {row['contrast']:.2f}{still}", fontsize=7, color=TEXT)


def _draw(axes: Axes, image: NDArray[np.float32]) -> None:
    """Stretched evenly about its median grey: most inputs differ from it too little to be seen as they are."""
    middle = float(np.median(image))
    most = max(float(np.abs(image - middle).max()), _LEAST_RANGE)
    axes.imshow(image, cmap="gray", vmin=middle - most, vmax=middle + most, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(FAINT)
