"""Responses of cells nested in mice, without traces: what group tests are calibrated on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class NestedResponses:
    """One row per cell and condition, all (n,): ``values`` in dF/F, ``unit_key`` unique over mice."""

    values: NDArray[np.float64]
    mouse_id: NDArray[np.int64]
    unit_key: NDArray[np.int64]
    omitted: NDArray[np.bool_]


@dataclass(frozen=True)
class NestedDesign:
    """Mice, cells, and what varies between them; nothing to find over mice, whatever cells say.

    The variance of a response to images, ``response_sd_dff`` squared, is shared by the mouse
    (``intraclass_correlation``), the cell (``cell_correlation`` of what is left: both conditions have it), and the
    cell's draw for each condition. The omission's effect has mean 0 and the s.d. between mice that gives the cells'
    differences the same intraclass correlation. Raises ValueError for counts under 1, a correlation outside 0 .. 1
    (below 1 for cells), or a negative s.d.
    """

    intraclass_correlation: float
    n_mice: int = 6
    cells_per_mouse: int = 60
    cell_correlation: float = 0.3
    response_sd_dff: float = 0.05

    def __post_init__(self) -> None:
        if self.n_mice < 1 or self.cells_per_mouse < 1:
            raise ValueError(
                f"n_mice and cells_per_mouse must be at least 1, got {self.n_mice} and {self.cells_per_mouse}"
            )
        if not 0 <= self.intraclass_correlation <= 1:
            raise ValueError(f"intraclass_correlation must be 0 to 1, got {self.intraclass_correlation}")
        if not 0 <= self.cell_correlation < 1:
            raise ValueError(f"cell_correlation must be 0 to below 1, got {self.cell_correlation}")
        if not self.response_sd_dff >= 0:
            raise ValueError(f"s.d. must not be negative, got {self.response_sd_dff}")

    @property
    def effect_sd_between_mice(self) -> float:
        """dF/F."""
        return self.response_sd_dff * float(np.sqrt(2 * self.intraclass_correlation * (1 - self.cell_correlation)))


def simulate_nested(
    design: NestedDesign,
    n_sets: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:  # (n_sets, 2, n_mice, cells_per_mouse), dF/F; presented, then omitted
    """Many data sets of one design at once."""
    shared, own = design.intraclass_correlation, 1 - design.intraclass_correlation
    sd, mice, cells = design.response_sd_dff, (n_sets, design.n_mice, 1), design.cells_per_mouse
    level = rng.normal(0, sd * np.sqrt(shared), mice)
    effect = rng.normal(0, design.effect_sd_between_mice, mice)
    cell = rng.normal(0, sd * np.sqrt(own * design.cell_correlation), (n_sets, design.n_mice, cells))
    found = rng.normal(0, sd * np.sqrt(own * (1 - design.cell_correlation)), (n_sets, 2, design.n_mice, cells))
    found += (level + cell)[:, None]
    found[:, 1] += effect
    return found


def simulate_mouse_effects(
    n_mice: int,
    cells_per_mouse: int,
    intraclass_correlation: float,
    effect_dff: float,
    effect_sd_between_mice: float,
    rng: np.random.Generator,
    response_sd_dff: float = 0.05,
) -> NestedResponses:
    """Each cell's response to presented images and to omissions; n = 2 * n_mice * cells_per_mouse rows.

    A response is the mouse's level, plus the cell's own draw for each condition, plus in omissions the
    mouse's effect. Level and draw have variances ``intraclass_correlation`` and its complement of
    ``response_sd_dff`` squared, so that is the correlation of two cells of a mouse. The mouse's effect is
    drawn around ``effect_dff`` with s.d. ``effect_sd_between_mice``, dF/F: with ``effect_dff=0`` there is
    nothing to find over mice, whatever cells say. Raises ValueError for counts under 1, a correlation outside
    0 .. 1, or a negative s.d.
    """
    if n_mice < 1 or cells_per_mouse < 1:
        raise ValueError(f"n_mice and cells_per_mouse must be at least 1, got {n_mice} and {cells_per_mouse}")
    if not 0 <= intraclass_correlation <= 1:
        raise ValueError(f"intraclass_correlation must be 0 to 1, got {intraclass_correlation}")
    if not (effect_sd_between_mice >= 0 and response_sd_dff >= 0):
        raise ValueError(f"s.d. must not be negative, got {effect_sd_between_mice} and {response_sd_dff}")
    n_cells = n_mice * cells_per_mouse
    mouse = np.repeat(np.arange(n_mice), cells_per_mouse)
    level = rng.normal(0, response_sd_dff * np.sqrt(intraclass_correlation), n_mice)[mouse]
    effect = rng.normal(effect_dff, effect_sd_between_mice, n_mice)[mouse]
    own = rng.normal(0, response_sd_dff * np.sqrt(1 - intraclass_correlation), (2, n_cells))
    return NestedResponses(
        values=np.concatenate([level + own[0], level + effect + own[1]]),
        mouse_id=np.tile(mouse, 2),
        unit_key=np.tile(np.arange(n_cells), 2),
        omitted=np.repeat([False, True], n_cells),
    )
