"""Clusters of 5,000 ROIs, beside SciPy alone: distances of all pairs, average linkage, silhouettes.

    make bench-clusters

Traces are noise about eight shapes. SciPy alone is ``pdist`` of correlation distances and ``linkage``; silhouettes
beside it are scikit-learn's. Merges of both roads are compared one by one.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as Page
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import adjusted_rand_score, silhouette_score

from models.roi_clusters import ClusterChoice, cluster_rois, distances, mean_silhouette

SHAPES = 8
COUNTS = range(2, 13)


def main() -> None:
    """Measure both roads step by step, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rois", type=int, default=5_000)
    parser.add_argument("--frames", type=int, default=1_000)
    parser.add_argument("--ordered", type=int, default=1_000, help="ROIs whose leaves are put in order (default 1000)")
    chosen = parser.parse_args()
    traces, truth = _traces(chosen.rois, chosen.frames)

    distance_s, square = _timed(lambda: distances(traces))
    merge_s, merges = _timed(lambda: linkage(squareform(square, checks=False), "average"))
    pdist_s, pairs = _timed(lambda: pdist(traces, "correlation"))
    linkage_s, theirs = _timed(lambda: linkage(pairs, "average"))
    same = bool((merges[:, [0, 1, 3]] == theirs[:, [0, 1, 3]]).all())
    cuts = [fcluster(merges, count, "maxclust") for count in COUNTS]
    silhouette_s, ours = _timed(lambda: [mean_silhouette(square, cut) for cut in cuts])
    sklearn_s, sklearns = _timed(lambda: [silhouette_score(square, cut, metric="precomputed") for cut in cuts])
    few = squareform(square[: chosen.ordered, : chosen.ordered], checks=False)
    order_s, _ = _timed(lambda: leaves_list(optimal_leaf_ordering(linkage(few, "average"), few)))
    whole_s, found = _timed(lambda: cluster_rois(traces, ClusterChoice()))

    page = Page("step", "neurolake", "SciPy, scikit-learn", "times as fast")
    page.title = f"{chosen.rois:,} ROIs x {chosen.frames:,} frames"
    page.add_row("correlation distances", f"{distance_s:.2f} s", f"{pdist_s:.2f} s", f"{pdist_s / distance_s:,.1f}")
    page.add_row("average linkage", f"{merge_s:.2f} s", f"{linkage_s:.2f} s", "the same function")
    both, scipys = distance_s + merge_s, pdist_s + linkage_s
    page.add_row("both", f"{both:.2f} s", f"{scipys:.2f} s", f"{scipys / both:,.1f}")
    steps = f"silhouettes of {COUNTS.start} to {COUNTS.stop - 1} clusters"
    page.add_row(steps, f"{silhouette_s:.2f} s", f"{sklearn_s:.2f} s", f"{sklearn_s / silhouette_s:,.1f}")
    page.add_row(f"leaf order of {chosen.ordered:,}", f"{order_s:.2f} s", "", "the same function")
    page.add_row("cluster_rois, with 20 draws for stability", f"{whole_s:.1f} s", "", "")
    Console().print(page)
    Console().print(
        f"merges {'all the same' if same else 'DIFFER'}, heights by at most {np.abs(merges - theirs)[:, 2].max():.0e}; "
        f"silhouettes differ by at most {np.abs(np.subtract(ours, sklearns)).max():.0e}; {found.count} clusters, "
        f"adjusted Rand index {adjusted_rand_score(truth, found.cluster):.3f} against the {SHAPES} shapes planted",
        highlight=False,
    )


def _traces(n_rois: int, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Traces (n_rois, n_frames) about shapes, and whose is which."""
    rng = np.random.default_rng(0)
    truth = rng.integers(SHAPES, size=n_rois)
    return rng.standard_normal((SHAPES, n_frames))[truth] + rng.standard_normal((n_rois, n_frames)), truth


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


if __name__ == "__main__":
    main()
