"""A decoder at each of 90 time points over ten folds, beside the same decoders of scikit-learn in a loop.

    make bench-time

Values are normal with a planted effect. scikit-learn's loop is timed on a part of the times, spread evenly, and its
time multiplied: every time point costs it the same.
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Page
from sklearn.base import ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from models.pointwise_decoders import fit_each_time, held_out_probability
from models.single_trial_decoding import decode_stratified
from models.time_folds import stratified_folds

# Newton's method is the fastest solver that scikit-learn has for one feature; converged, so that answers compare.
SKLEARN: dict[str, Callable[[], ClassifierMixin]] = {
    "logistic": lambda: LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000),
    "lda": LinearDiscriminantAnalysis,
}
WANTED = {"logistic": 10, "lda": 30}
SOURCE_EVENTS = 147_695


def main() -> None:
    """Measure both decoders on both roads, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=50_000, help="events, one value per time (default 50000)")
    parser.add_argument("--times", type=int, default=90, help="time points (default 90)")
    parser.add_argument("--part", type=int, default=9, help="time points that scikit-learn is timed on (default 9)")
    chosen = parser.parse_args()
    page = Page("decoder", "neurolake", "scikit-learn", "times as fast", "probabilities differ by")
    page.title = f"{chosen.events:,} events x {chosen.times} times x 10 folds"
    page.caption = f"scikit-learn's loop was timed on {chosen.part} of {chosen.times} times"
    values, y = _trials(chosen.events, chosen.times)
    fold = stratified_folds(y)
    with Progress(transient=True) as bars:
        step = bars.add_task("measuring", total=2 * chosen.part + 1)
        for decoder in SKLEARN:
            ours_s, probability = _ours(values, y, fold, decoder)
            times = np.linspace(0, chosen.times - 1, chosen.part).astype(int)
            theirs_s, farthest = 0.0, 0.0
            for t in times:
                seconds, theirs = _sklearn(values[:, [t]], y, decoder)
                theirs_s += seconds
                farthest = max(farthest, float(np.abs(theirs - probability[:, t]).max()))
                bars.advance(step)
            theirs_s *= chosen.times / chosen.part
            beside = f"{theirs_s / ours_s:,.0f}; wanted: {WANTED[decoder]}"
            agrees = f"{farthest:.0e}; wanted: 1e-6"
            page.add_row(decoder, f"{ours_s * 1e3:,.0f} ms", f"{theirs_s:,.1f} s", beside, agrees)
        del values, probability
        seconds, peak_mb = _whole_study(chosen.times)
        bars.advance(step)
    Console().print(page)
    Console().print(
        f"{SOURCE_EVENTS:,} events x {chosen.times} times, both decoders, AUC, generalisation, 500 shuffles: "
        f"{seconds:,.1f} s, largest resident size of this run {peak_mb:,.0f} MB",
        highlight=False,
    )


def _trials(n_events: int, n_times: int) -> tuple[np.ndarray, np.ndarray]:
    """Values (n_events, n_times) float32, dF/F, and labels of which three in ten are 1."""
    rng = np.random.default_rng(0)
    y = (rng.random(n_events) < 0.3).astype(np.int64)
    values = 0.15 * rng.standard_normal((n_events, n_times), dtype=np.float32)
    values[:, n_times // 3 :] += (0.05 * y[:, None]).astype(np.float32)
    return values, y


def _ours(values: np.ndarray, y: np.ndarray, fold: np.ndarray, decoder: str) -> tuple[float, np.ndarray]:
    """Median of five runs after a first one, which compiles what isn't compiled yet; and the probabilities."""
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        probability = held_out_probability(values, fold, fit_each_time(values, y, fold, decoder))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:]), probability


def _sklearn(x: np.ndarray, y: np.ndarray, decoder: str) -> tuple[float, np.ndarray]:
    """Seconds and held-out probabilities of one time point, (n_events, 1) in."""
    x, probability = x.astype(np.float64), np.empty(len(x))
    splits = list(StratifiedKFold(10, shuffle=True, random_state=42).split(x, y))
    began = time.perf_counter()
    for train, test in splits:
        probability[test] = SKLEARN[decoder]().fit(x[train], y[train]).predict_proba(x[test])[:, 1]
    return time.perf_counter() - began, probability


def _whole_study(n_times: int) -> tuple[float, float]:
    """Seconds for as many events as the source study had, and the peak of this process in MB."""
    values, y = _trials(SOURCE_EVENTS, n_times)
    began = time.perf_counter()
    decode_stratified(values, y, stratified_folds(y))
    seconds = time.perf_counter() - began
    return seconds, int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e3


if __name__ == "__main__":
    main()
