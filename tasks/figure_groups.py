"""What figures of cells have in common: the groups of cells, their order, names and colors, and plain axes."""

from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.sentences import counted, cre_name, cre_order

TEXT, FAINT = "#333333", "#bbbbbb"
# Okabe and Ito's green and purple, away from the colors of the conditions; other lines take what is left of them.
_CRE_COLORS = {"Vip-IRES-Cre": "#009E73", "Sst-IRES-Cre": "#CC79A7"}
_OTHER_COLORS = ("#E69F00", "#56B4E9", "#F0E442", "#000000")


@dataclass(frozen=True)
class CellGroup:
    """Cells of one cre line at one exposure level, of which either may be unknown."""

    cre_line: str | None
    exposure_level: str | None
    color: str

    @property
    def name(self) -> str:
        return f"{cre_name(self.cre_line)}, {self.exposure_level or 'exposure not given'}"

    @property
    def is_novel(self) -> bool:
        """Drawn open or hatched, where the familiar one is filled."""
        return self.exposure_level == "novel"

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those rows that belong to it."""
        return rows.filter(self.belongs)

    @property
    def belongs(self) -> pl.Expr:
        line, level = pl.col("cre_line").eq_missing(self.cre_line), pl.col("exposure_level")
        return line & level.eq_missing(self.exposure_level)


def cell_groups(rows: pl.DataFrame) -> list[CellGroup]:
    """The groups that there are: VIP, SST, then others; familiar before novel."""
    pairs = rows.select("cre_line", "exposure_level").unique().rows()
    lines = sorted({line for line, _ in pairs}, key=cre_order)
    others = [line for line in lines if line not in _CRE_COLORS]
    colors = _CRE_COLORS | {line: _OTHER_COLORS[n % len(_OTHER_COLORS)] for n, line in enumerate(others)}
    ordered = sorted(pairs, key=lambda pair: (cre_order(pair[0]), pair[1] or "~"))
    return [CellGroup(line, level, colors[line]) for line, level in ordered]


def group_counts(rows: pl.DataFrame) -> str:
    """``4 mice, 48 cells``: animals, and cells (each counted once, whatever number of its sessions)."""
    mice = rows["mouse_id"].drop_nulls().n_unique()
    return f"{counted(mice, 'mouse')}, {counted(rows.select('mouse_id', 'unit_id').n_unique(), 'cell')}"


def plain(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Two spines, small ticks, and what the axes are."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=TEXT)
    axes.set_title(title, fontsize=9, color=TEXT)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)


def saying(text: str) -> Figure:
    """A figure that says why there is none."""
    figure = Figure(figsize=(9.6, 1.2))
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=11, color=TEXT)
    return figure
