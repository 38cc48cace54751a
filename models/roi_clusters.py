"""Hierarchical clusters of ROIs by the shape of their traces, their leaves in order, and how many there are."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

Method = Literal["average", "complete", "single", "weighted", "ward", "centroid", "median"]
_OF_SPACE = ("ward", "centroid", "median")  # methods that are defined by coordinates, not by distances alone
_FEWEST = 4
_MOST_DRAWN = 2000


@dataclass(frozen=True)
class ClusterChoice:
    """How ROIs are clustered.

    ``distance`` 'correlation': 1 - r of two traces; 'euclidean': of the traces z-scored, which is sqrt(2 n (1 - r))
    and so orders pairs alike, and is what ward, centroid and median take. ``most`` clusters are tried from two on;
    of those which come back with an adjusted Rand index of ``least_stability`` or more, on average over ``n_draws``
    draws of ``drawn_share`` of the ROIs (2,000 at most), the number with the highest silhouette is taken. Leaves are
    put in optimal order up to ``most_ordered`` ROIs (a thousand take 3 s, three thousand 80), and stay in that of
    merging beyond. Raises ValueError for what cannot be.
    """

    method: Method = "average"
    distance: Literal["correlation", "euclidean"] = "correlation"
    most: int = 12
    least_stability: float = 0.7
    n_draws: int = 20
    drawn_share: float = 0.8
    most_ordered: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method in _OF_SPACE and self.distance != "euclidean":
            raise ValueError(f"{self.method} linkage takes Euclidean distances, got {self.distance}")
        if self.most < 2 or self.n_draws < 1:
            raise ValueError(f"clusters to try must be 2 or more and draws 1, got {self.most} and {self.n_draws}")
        if not 0 < self.drawn_share < 1:
            raise ValueError(f"drawn_share must be between 0 and 1, got {self.drawn_share}")


@dataclass(frozen=True, eq=False)
class RoiClusters:
    """Clusters of ROIs, the largest first.

    ``cluster`` (n_rois,) from 0, -1 for ROIs set apart: those that never change or miss a frame, which correlate with
    nothing. ``clustered`` (n_clustered,) their numbers otherwise; ``merges`` (n_clustered - 1, 4) as SciPy's linkage,
    over the clustered; ``leaf_order`` (n_clustered,) numbers of ROIs from one end of the tree to the other. By number
    of clusters tried: ``silhouette``, mean, -1 to 1, and ``stability``, mean adjusted Rand index; ``is_stable`` when
    the number taken is among the stable ones, of which there may be none.
    """

    cluster: NDArray[np.int64]
    clustered: NDArray[np.int64]
    merges: NDArray[np.float64]
    leaf_order: NDArray[np.int64]
    silhouette: dict[int, float]
    stability: dict[int, float]
    is_stable: bool

    @property
    def count(self) -> int:
        return int(self.cluster.max()) + 1


def cluster_rois(traces: NDArray[np.floating], choice: ClusterChoice = ClusterChoice()) -> RoiClusters:
    """Clusters of traces (n_rois, n_frames) by hierarchical linkage, their number by silhouette and stability.

    Raises ValueError for shapes other than that, fewer than four ROIs that change and have all their frames, or a tree
    that can't be cut. Silhouettes: Rousseeuw (1987). Stability: Ben-Hur, Elisseeff and Guyon (2002). Leaf order:
    Bar-Joseph et al. (2001).
    """
    traces = np.asarray(traces)
    if traces.ndim != 2:
        raise ValueError(f"traces must be (n_rois, n_frames), got {traces.shape}")
    clustered = np.flatnonzero(_changes(traces))
    if len(clustered) < _FEWEST:
        raise ValueError(f"clusters need {_FEWEST} ROIs that change and have all their frames, got {len(clustered)}")
    square = distances(traces[clustered], choice.distance)
    merges = linkage(squareform(square, checks=False), choice.method)
    counts = range(2, min(choice.most, len(clustered) - 1) + 1)
    # Merges of centroids can lie below those before them, so that a number of clusters can't be had.
    cuts = {count: cut for count in counts if (cut := fcluster(merges, count, "maxclust")).max() == count}
    if not cuts:
        raise ValueError(f"{choice.method} linkage gives no cut into 2 to {choice.most} clusters: take another method")
    silhouette = {count: mean_silhouette(square, cut) for count, cut in cuts.items()}
    stability = _stability(square, cuts, choice)
    stable = [count for count in cuts if stability[count] >= choice.least_stability]
    count = max(stable or cuts, key=lambda one: silhouette[one])
    if len(clustered) <= choice.most_ordered:
        merges = optimal_leaf_ordering(merges, squareform(square, checks=False))
    cluster = np.full(len(traces), -1, dtype=np.int64)
    cluster[clustered] = _by_size(cuts[count])
    leaf_order = clustered[leaves_list(merges)]
    return RoiClusters(cluster, clustered, merges, leaf_order, silhouette, stability, bool(stable))


def z_scored(traces: NDArray[np.floating]) -> NDArray[np.float64]:  # (n_rois, n_frames)
    """Each row less its mean, over its standard deviation (of n). Raises ValueError for rows that never change or miss
    a frame, with their numbers."""
    traces = np.asarray(traces, dtype=np.float64)
    if traces.ndim != 2:
        raise ValueError(f"traces must be (n_rois, n_frames), got {traces.shape}")
    if (odd := np.flatnonzero(~_changes(traces))).size:
        raise ValueError(f"{odd.size} ROIs never change or miss a frame, and have no z-score: {odd[:10].tolist()}")
    return (traces - traces.mean(axis=1, keepdims=True)) / traces.std(axis=1, keepdims=True)


def distances(
    traces: NDArray[np.floating],  # (n_rois, n_frames)
    distance: Literal["correlation", "euclidean"] = "correlation",
) -> NDArray[np.float64]:  # (n_rois, n_rois)
    """Distances of all pairs of traces by one matrix product: 1 - r, or Euclidean of the traces z-scored.

    As ``scipy.spatial.distance.pdist``, to rounding; 0 on the diagonal, symmetric. Raises ValueError as ``z_scored``.
    """
    z = z_scored(traces)
    n_frames = z.shape[1]
    square = z @ z.T
    square /= -n_frames
    square += 1.0
    np.clip(square, 0.0, 2.0, out=square)
    np.fill_diagonal(square, 0.0)
    if distance == "euclidean":
        square *= 2 * n_frames
        np.sqrt(square, out=square)
    return square


def mean_silhouette(square: NDArray[np.float64], label: NDArray[np.integer]) -> float:
    """Mean over rows of how much nearer a row is to its own cluster than to the next, from -1 to 1.

    ``square`` (n_rows, n_rows), distances; ``label`` (n_rows,). A row alone in its cluster counts 0. As
    ``sklearn.metrics.silhouette_score(metric="precomputed")``, by one matrix product. Raises ValueError for one.
    """
    names, number = np.unique(label, return_inverse=True)
    if len(names) < 2:
        raise ValueError("a silhouette compares two clusters or more, got one")
    size = np.bincount(number)
    total = square @ np.eye(len(names))[number]  # (n_rows, n_clusters), sum of distances to each
    row = np.arange(len(number))
    own = total[row, number] / np.maximum(size[number] - 1, 1)
    mean = total / size
    mean[row, number] = np.inf
    nearest = mean.min(axis=1)
    larger = np.maximum(own, nearest)
    width = np.divide(nearest - own, larger, out=np.zeros(len(row)), where=(size[number] > 1) & (larger > 0))
    return float(width.mean())


def _changes(traces: NDArray[np.floating]) -> NDArray[np.bool_]:  # (n_rois,)
    """Which rows have all their frames and aren't all one value."""
    return np.isfinite(traces).all(axis=1) & (np.ptp(traces, axis=1) > 0)


def _stability(
    square: NDArray[np.float64], cuts: dict[int, NDArray[np.integer]], choice: ClusterChoice
) -> dict[int, float]:
    """How alike the clusters are when only some of the ROIs are there, by number of clusters."""
    n_rois = len(square)
    n_drawn = min(_MOST_DRAWN, max(_FEWEST - 1, int(choice.drawn_share * n_rois)))
    rng = np.random.default_rng(choice.seed)
    agreement: dict[int, list[float]] = {count: [] for count in cuts}
    for _ in range(choice.n_draws):
        drawn = np.sort(rng.choice(n_rois, n_drawn, replace=False))
        merges = linkage(squareform(square[np.ix_(drawn, drawn)], checks=False), choice.method)
        for count, cut in cuts.items():
            if count < n_drawn:
                agreement[count].append(adjusted_rand_score(cut[drawn], fcluster(merges, count, "maxclust")))
    return {count: float(np.mean(found)) if found else 0.0 for count, found in agreement.items()}


def _by_size(label: NDArray[np.integer]) -> NDArray[np.int64]:
    names, first, size = np.unique(label, return_index=True, return_counts=True)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.lexsort((first, -size))] = np.arange(len(names))
    return rank[np.searchsorted(names, label)]
