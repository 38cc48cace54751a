"""The oracle correlation of all units at once, beside loops over pandas like those of the study's source.

    python benchmarks/oracle.py [--units 135] [--images 118] [--repeats 50] [--draws 50]

Ours: median of five calls after a first one. The loops are timed on a part of the units and draws, and what the whole
would take is reckoned from it.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Page
from scipy.stats import spearmanr

from models.image_reliability import ReliabilityChoice, oracle_correlation, unit_reliability
from models.image_responses import trials_by_image
from models.published_oracle import published_oracle
from models.simulate_image_coding import ImageCodingPlan, simulate_image_session

CALLS = 5
LOOP_UNITS, LOOP_DRAWS = 3, 2


def main() -> None:
    """Measure every road, refuse to print where loops and arrays disagree, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=135)
    parser.add_argument("--images", type=int, default=118, help="images, beside the blank")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--draws", type=int, default=50)
    chosen = parser.parse_args()
    plan = ImageCodingPlan(n_units=chosen.units, n_images=chosen.images, n_repeats=chosen.repeats)
    session = simulate_image_session(plan, with_spikes=False)
    with Progress(transient=True) as bars:
        step = bars.add_task("measuring", total=4)
        looped, loop_s = _by_loops(session.counts, session.image, chosen.draws)
        bars.advance(step)
        ours, ours_s = _median(lambda: published_oracle(session.counts, session.image, n_draws=chosen.draws))
        bars.advance(step)
        trials = trials_by_image(session.counts, session.image, chosen.images)
        _, exact_s = _median(lambda: oracle_correlation(trials))
        bars.advance(step)
        _, all_s = _median(lambda: unit_reliability(trials, ReliabilityChoice()))
        bars.advance(step)
    # One loop draws few trials, so that it is near the mean over many draws and not at it.
    if not np.allclose(looped, ours[:LOOP_UNITS], atol=0.25):
        raise SystemExit(f"the loops give {looped}, arrays {ours[:LOOP_UNITS]}")
    title = f"{chosen.units} units x {session.counts.shape[1]:,} presentations x {chosen.draws} draws"
    page = Page("road", "time", "as fast as the loops", title=title)
    part = f"reckoned from {LOOP_UNITS} units x {LOOP_DRAWS} draws"
    page.add_row(f"pandas, the source's loops ({part})", f"{loop_s:,.0f} s", "")
    page.add_row("neurolake, published_oracle, the same", f"{ours_s:.3f} s", f"{loop_s / ours_s:,.0f} times")
    page.add_row("neurolake, oracle_correlation, every trial", f"{exact_s:.3f} s", f"{loop_s / exact_s:,.0f} times")
    all_else = "neurolake, unit_reliability: with 100 split halves, 1,000 bootstrap draws and the rest"
    page.add_row(all_else, f"{all_s:.3f} s", f"{loop_s / all_s:,.0f} times")
    Console().print(page)


def _by_loops(counts: np.ndarray, image: np.ndarray, n_draws: int) -> tuple[np.ndarray, float]:
    """The oracle of the first units by rows of a table, and the seconds that all units and draws would take."""
    began, found = time.perf_counter(), []
    for of_unit in counts[:LOOP_UNITS]:
        table = pd.DataFrame({"image": image, "count": of_unit})
        table = table[table["count"] > 0]
        images = table["image"].unique()
        rank = []
        for draw in range(LOOP_DRAWS):
            one, others = [], []
            for name in images:
                of_image = table[table["image"] == name]
                if len(of_image) > 1:
                    drawn = of_image.sample(1, random_state=draw)
                    one.append(drawn["count"].iloc[0])
                    others.append(of_image.drop(drawn.index)["count"].mean())
            rank.append(spearmanr(one, others).statistic * len(one) / len(np.unique(image)))
        found.append(np.mean(rank))
    seconds = (time.perf_counter() - began) / (LOOP_UNITS * LOOP_DRAWS) * len(counts) * n_draws
    return np.array(found), seconds


def _median(call: Callable[[], object]) -> tuple[object, float]:
    found, seconds = call(), []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return found, statistics.median(seconds)


if __name__ == "__main__":
    main()
