"""How often each test calls an effect of omission that isn't there, and finds one that is, on simulated mice.

    make calibrate

Writes models/calibrated.csv, which the report's page on methods prints, and docs/calibration.md.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.error_rates import CalledTest, calls, fit_each, fitted_calls, simulate_groups
from models.simulate_mouse_effects import NestedDesign

ROOT = Path(__file__).resolve().parents[1]
TABLE, PAGE = ROOT / "models" / "calibrated.csv", ROOT / "docs" / "calibration.md"
CORRELATIONS = (0.05, 0.1, 0.3)
EFFECTS_DFF = (0.01, 0.02, 0.04)
_SETS_AT_ONCE, _FITS_AT_ONCE = 500, 25
_PAGE = """# Calibration of the tests

Written by `make calibrate` (seed {seed}). A test at 5 % should call an effect in 5 % of data sets in which there is
none. Simulated are groups of {n_mice} mice with {cells} cells each, whose responses to images and to omissions have an
s.d. of {sd} dF/F. Cells of a mouse correlate by the intraclass correlation (ICC) shown; of the variance that is left,
{cell} % is the cell's own in both conditions. The effect of omission is 0 on average and varies between mice, so that
the cells' differences correlate within mice as much as their responses do (s.d. {spread} dF/F).

`rigorous` draws conclusions from the tests that bear its name. `published` are those of the source study, which take
cells of one mouse as independent. `neither` are tests over mice that promise more than few mice can hold: they are
here to say why they are not used.

## Without an effect: data sets in which the test calls one

{sets} data sets for each ICC, {fits} for mixed models with slopes per mouse ({converged} fits converged; the others are
counted with them); ± one Monte Carlo standard error.

{false}

Sign flips of 6 mice give p values that are multiples of 2 / 64. The only one below 5 % is 3.1 %, and so often is it to
be expected; of fewer than 6 mice none is. `novel - familiar` is the same test on another number per mouse.

## With a planted effect: data sets in which it is found

Omission adds the effect shown to the responses of one group; {planted} data sets for each, and for mixed models the
fits above, whose estimates move with the effect. Tests outside `rigorous` are left out: they find effects where none
are.

{power}
"""


@dataclass(frozen=True)
class Share:
    """Data sets of one design and effect, and what became of them, in one process."""

    correlation: float
    effect_dff: float
    fitted: bool
    n_sets: int
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Counted:
    """How many of ``n_sets`` data sets each test called; ``effect_dff`` for each, ``converged`` of fits."""

    correlation: float
    n_sets: int
    called: Mapping[tuple[CalledTest, float], int]
    converged: int = 0


def main() -> None:
    """Simulate, test, count; print one table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=20_000, help="data sets without effect (default 20000)")
    parser.add_argument("--planted", type=int, default=2_000, help="data sets of each planted effect (default 2000)")
    parser.add_argument("--fits", type=int, default=1_000, help="data sets for the mixed model (default 1000)")
    parser.add_argument("--seed", type=int, default=4, help="of all that is drawn (default 4)")
    parser.add_argument("--processes", type=int, default=2, help="at once (default 2)")
    parser.add_argument("--folder", type=Path, help="write here, and leave what the project holds as it is")
    chosen = parser.parse_args()
    shares = list(_shares(chosen))
    began = perf_counter()
    with (
        ProcessPoolExecutor(chosen.processes) as pool,
        Progress(TextColumn("data sets"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar,
    ):
        step = bar.add_task("", total=sum(share.n_sets for share in shares))
        counted = []
        for found in pool.map(_count, shares):
            counted.append(found)
            bar.advance(step, found.n_sets)
    table = _table(counted)
    fits = [found for found in counted if found.converged]
    converged = sum(f.converged for f in fits), sum(f.n_sets for f in fits)
    page = _page(table, converged, chosen)
    csv, markdown = (chosen.folder / TABLE.name, chosen.folder / PAGE.name) if chosen.folder else (TABLE, PAGE)
    table.write_csv(csv, float_precision=6)
    markdown.write_text(page)
    print(page)
    Console().print(f"{perf_counter() - began:,.0f} s; written to {csv} and {markdown}", highlight=False)


def _shares(chosen: argparse.Namespace) -> Iterator[Share]:
    # The fits first: they are slow, and would else be left to one process at the end.
    wanted = [(True, 0.0, chosen.fits, _FITS_AT_ONCE)]
    wanted += [(False, effect, chosen.planted, _SETS_AT_ONCE) for effect in EFFECTS_DFF]
    wanted += [(False, 0.0, chosen.sets, _SETS_AT_ONCE)]
    for kind, (fitted, effect, n_sets, at_once) in enumerate(wanted):
        for which, correlation in enumerate(CORRELATIONS):
            for start in range(0, n_sets, at_once):
                seed = (chosen.seed, kind, which, start)
                yield Share(correlation, effect, fitted, min(at_once, n_sets - start), seed)


def _count(share: Share) -> Counted:
    rng = np.random.default_rng(share.seed)
    design = NestedDesign(share.correlation)
    sets = simulate_groups(design, share.n_sets, share.effect_dff, rng)
    if not share.fitted:
        called = {(about, share.effect_dff): int(found.sum()) for about, found in calls(sets, rng).items()}
        return Counted(share.correlation, share.n_sets, called)
    fits = list(fit_each(sets))
    estimate = np.array([fit.omitted.estimate for fit in fits])
    standard_error = np.array([fit.omitted.standard_error for fit in fits])
    called = {
        (about, shift): int(found.sum())
        for shift in (0.0, *EFFECTS_DFF)
        for about, found in fitted_calls(estimate, standard_error, design.n_mice, shift).items()
    }
    return Counted(share.correlation, share.n_sets, called, sum(fit.converged for fit in fits))


def _table(counted: Sequence[Counted]) -> pl.DataFrame:
    rows = [
        {
            "contrast": about.contrast,
            "test": about.test,
            "protocol": about.protocol,
            "intraclass_correlation": found.correlation,
            "effect_dff": effect,
            "data_sets": found.n_sets,
            "called": n,
        }
        for found in counted
        for (about, effect), n in found.called.items()
        # Power of a test that calls too much is no merit.
        if effect == 0 or about.protocol == "rigorous"
    ]
    key = ("contrast", "test", "protocol", "intraclass_correlation", "effect_dff")
    share = pl.col("called_share")
    rank = {"rigorous": 0, "neither": 1, "published": 2}
    contrasts = ("omitted - presented", "novel - familiar", "between cre lines")
    return (
        pl.DataFrame(rows)
        .group_by(key, maintain_order=True)
        .agg(pl.col("data_sets").sum(), pl.col("called").sum())
        .with_columns((pl.col("called") / pl.col("data_sets")).alias("called_share"))
        .with_columns((share * (1 - share) / pl.col("data_sets")).sqrt().alias("standard_error"))
        .sort(
            pl.col("contrast").replace_strict({name: i for i, name in enumerate(contrasts)}),
            pl.col("protocol").replace_strict(rank),
            "test",
            "intraclass_correlation",
            "effect_dff",
        )
        .select(*key, "data_sets", "called_share", "standard_error")
    )


def _page(table: pl.DataFrame, converged: tuple[int, int], chosen: argparse.Namespace) -> str:
    design = NestedDesign(CORRELATIONS[0])
    spread = ", ".join(f"{NestedDesign(c).effect_sd_between_mice:.4f}" for c in CORRELATIONS)
    without, planted = table.filter(pl.col("effect_dff") == 0), table.filter(pl.col("effect_dff") > 0)
    false = _pipes(
        ("contrast", "test", "protocol", *(f"ICC {c:g}, %" for c in CORRELATIONS)),
        [
            (*about, *(f"{100 * row['called_share']:.1f} ± {100 * row['standard_error']:.1f}" for row in group))
            for about, group in _by_test(without)
        ],
    )
    power = _pipes(
        ("contrast", "test", "ICC", *(f"{effect:g} dF/F, %" for effect in EFFECTS_DFF)),
        [
            (contrast, test, f"{correlation:g}", *(f"{100 * row['called_share']:.0f}" for row in rows))
            for (contrast, test, _), group in _by_test(planted)
            for correlation, rows in groupby(group, key=lambda row: row["intraclass_correlation"])
        ],
    )
    about = {
        "seed": chosen.seed,
        "n_mice": design.n_mice,
        "cells": design.cells_per_mouse,
        "sd": f"{design.response_sd_dff:g}",
        "cell": f"{100 * design.cell_correlation:.0f}",
        "spread": spread,
        "sets": f"{chosen.sets:,}",
        "fits": f"{chosen.fits:,}",
        "planted": f"{chosen.planted:,}",
        "converged": f"{converged[0]:,} of {converged[1]:,}",
    }
    return _PAGE.format(**about, false=false, power=power)


def _by_test(table: pl.DataFrame) -> Iterator[tuple[tuple[str, str, str], list[dict]]]:
    for about, group in groupby(table.to_dicts(), key=lambda row: (row["contrast"], row["test"], row["protocol"])):
        yield about, list(group)


def _pipes(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
