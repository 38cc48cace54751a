"""How long the mixed models take as rows grow, so that a person knows what to expect of a larger project.

    make bench-mixed

Both are fits of statsmodels' MixedLM to the same simulated rows: the published one with an intercept for each cell, and
the rigorous one with intercept and slope for each mouse beside one for each cell. Times are medians of three, of the
processor: one thread computes, so that a free core takes as long.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Page

from models.factorial_design import FactorialDesign
from models.mixed_models import random_intercept_per_cell
from models.mouse_mixed_model import random_slope_per_mouse
from models.simulate_mouse_effects import NestedResponses, simulate_mouse_effects

MICE = 12
CELLS_PER_MOUSE = (15, 30, 60, 120, 240, 480, 960)
_REPEATS = 3


def main() -> None:
    """Measure both models at each size, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--most-rows-with-slopes", type=int, default=5_760, help="rows up to which slopes are fitted (default 5760)"
    )
    chosen = parser.parse_args()
    with Progress(transient=True) as bars:
        step = bars.add_task("measuring", total=len(CELLS_PER_MOUSE))
        rows = list(_measure(chosen.most_rows_with_slopes, lambda: bars.advance(step)))
    page = Page("rows", "cells a mouse", "intercept per cell", "slope per mouse", title=f"mixed models, {MICE} mice")
    for row in rows:
        page.add_row(*row)
    Console().print(page)


def _measure(most_rows_with_slopes: int, advance: Callable[[], None]) -> Iterator[tuple[str, ...]]:
    for cells in CELLS_PER_MOUSE:
        s = simulate_mouse_effects(MICE, cells, 0.1, 0.02, 0.02, np.random.default_rng(4))
        n = len(s.values)
        per_cell = _seconds(lambda s=s: random_intercept_per_cell(s.values, _design(s), s.unit_key))
        slopes = "-"
        if n <= most_rows_with_slopes:
            slopes = _seconds(lambda s=s: random_slope_per_mouse(s.values, s.mouse_id, s.unit_key, s.omitted))
        yield f"{n:,}", f"{cells}", per_cell, slopes
        advance()


def _design(s: NestedResponses) -> FactorialDesign:
    line = np.where(s.mouse_id < MICE // 2, "Sst-IRES-Cre", "Vip-IRES-Cre")
    return FactorialDesign(line, s.omitted, np.where(s.unit_key % 2 == 0, "familiar", "novel"))


def _seconds(fit: Callable[[], object]) -> str:
    taken = []
    for _ in range(_REPEATS):
        start = time.process_time()
        fit()
        taken.append(time.process_time() - start)
    return f"{statistics.median(taken):.2f} s"


if __name__ == "__main__":
    main()
