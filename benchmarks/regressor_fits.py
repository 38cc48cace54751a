"""Every ROI on all regressors with its permutation null, beside the same by scikit-learn's LinearRegression.

    make bench-regressors

Traces are autocorrelated noise, of which one in five answers to a stimulus. scikit-learn is timed in two ways, each on
a part, evenly spread, and its time multiplied, as every ROI and every shift costs it the same: a loop of one regression
for each ROI and shift, and one regression of all ROIs at once for each shift. r2 of the true stimuli and of the shifted
ones are compared on that part.
"""

import argparse
import re
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as Page
from scipy.signal import lfilter
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from models.indicator_kernels import Kernel
from models.regressor_fits import fit_regressors
from models.regressors import Regressors, event_regressors
from models.shift_null import r2_at_all_shifts, shift_selection

RATE_HZ = 3.0
EVENTS = 40  # of each stimulus


def main() -> None:
    """Measure all roads, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rois", type=int, default=50_000)
    parser.add_argument("--frames", type=int, default=4_000)
    parser.add_argument("--regressors", type=int, default=6)
    parser.add_argument("--shifts", type=int, default=200, help="shifts that scikit-learn's time is reckoned for")
    parser.add_argument("--part", type=int, default=60, help="ROIs in the loop timed, each at ten shifts (default 60)")
    chosen = parser.parse_args()
    regressors = _regressors(chosen.regressors, chosen.frames)
    dff = _traces(chosen.rois, regressors)
    # The peak from here on, as making the traces took memory of its own.
    Path("/proc/self/clear_refs").write_text("5")
    before_mb = _peak_mb()

    began = time.perf_counter()
    fits = fit_regressors(dff, regressors)
    fit_s = time.perf_counter() - began
    began = time.perf_counter()
    found = shift_selection(dff, regressors)
    null_s = time.perf_counter() - began
    added_mb = _peak_mb() - before_mb

    rois = np.linspace(0, chosen.rois - 1, chosen.part).astype(int)
    shifts = np.linspace(0, chosen.frames - 1, 10).astype(int)
    loop_s, theirs = _loop(dff[rois], regressors, shifts)
    differ = np.abs(theirs - r2_at_all_shifts(dff[rois], regressors)[:, shifts]).max()
    differ = max(differ, np.abs(theirs[:, 0] - fits.r2[rois]).max(), np.abs(theirs[:, 0] - found.r2[rois]).max())
    one_s = _all_at_once(dff, regressors) * (1 + chosen.shifts)
    loop_s *= chosen.rois * (1 + chosen.shifts) / (len(rois) * len(shifts))

    ours_s = fit_s + null_s
    title = f"{chosen.rois:,} ROIs x {chosen.frames:,} frames x {chosen.regressors} regressors"
    page = Page("road", "time", "neurolake is", title=title)
    page.add_row(
        f"neurolake: fits {fit_s:.2f} s, null of all {chosen.frames - 1:,} shifts {null_s:.1f} s", f"{ours_s:.1f} s"
    )
    for road, seconds in (("a loop over ROIs", loop_s), ("all ROIs at once", one_s)):
        times = f"{seconds / ours_s:,.0f} times as fast; wanted: 20"
        page.add_row(f"scikit-learn, {road}, {chosen.shifts} shifts", f"{seconds:,.0f} s", times)
    Console().print(page)
    Console().print(
        f"r2 differ by at most {differ:.0e}; wanted: 1e-6. Traces {dff.nbytes / 1e6:,.0f} MB, over which the largest "
        f"resident size grew by {added_mb:,.0f} MB. {found.selected.sum():,} ROIs selected, of {chosen.rois // 5:,} "
        f"that respond; smallest shift {found.smallest_shift_frames} frames",
        highlight=False,
    )


def _regressors(n_regressors: int, n_frames: int) -> Regressors:
    rng = np.random.default_rng(0)
    frames = {f"stimulus {one}": np.sort(rng.choice(n_frames, EVENTS, replace=False)) for one in range(n_regressors)}
    return event_regressors(frames, Kernel(1.5), RATE_HZ, n_frames)


def _traces(n_rois: int, regressors: Regressors) -> np.ndarray:  # (n_rois, n_frames) float32
    rng = np.random.default_rng(1)
    dff = np.empty((n_rois, regressors.n_frames), dtype=np.float32)
    for start in range(0, n_rois, 1000):
        some = dff[start : start + 1000]
        some[:] = lfilter([0.6], [1, -0.8], rng.standard_normal(some.shape), axis=1)
        responding = np.arange(start, start + len(some))[::5]
        some[::5] += 10 * regressors.values[responding // 5 % len(regressors.names)]
    return dff


def _loop(dff: np.ndarray, regressors: Regressors, shifts: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds of a regression for each ROI and shift, and their r2, (n_rois, n_shifts)."""
    traces = dff.astype(np.float64)
    r2 = np.empty((len(traces), len(shifts)))
    began = time.perf_counter()
    for column, shift in enumerate(shifts):
        design = np.roll(regressors.values, shift, axis=1).T
        for roi, trace in enumerate(traces):
            r2[roi, column] = LinearRegression().fit(design, trace).score(design, trace)
    return time.perf_counter() - began, r2


def _all_at_once(dff: np.ndarray, regressors: Regressors) -> float:
    """Seconds of a regression of all ROIs at once for one shift, by a tenth of them: more would not fit beside it."""
    traces = dff[::10].astype(np.float64).T
    design = np.roll(regressors.values, 100, axis=1).T
    began = time.perf_counter()
    predicted = LinearRegression().fit(design, traces).predict(design)
    r2_score(traces, predicted, multioutput="raw_values")
    return (time.perf_counter() - began) * len(dff) / traces.shape[1]


def _peak_mb() -> float:
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e3


if __name__ == "__main__":
    main()
