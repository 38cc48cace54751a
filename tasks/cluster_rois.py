"""Hierarchical clustering of a session's ROIs by their traces: all of them, and those that were selected."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster

from models.roi_clusters import ClusterChoice, RoiClusters, cluster_rois
from storage.declaration import Table
from storage.tables import CLUSTER_COUNTS, ROI_CLUSTERS, ROI_MERGES
from tasks.response_type_recipe import TypesRecipe
from tasks.session_regressors import SessionRegressors

_FEWEST = 4


def cluster_rows(
    session: SessionRegressors, is_fitted: NDArray[np.bool_], selected: NDArray[np.bool_], recipe: TypesRecipe
) -> tuple[dict[Table, pl.DataFrame], list[str]]:
    """Rows by table of both scopes, and notes of what wasn't clustered.

    ``is_fitted`` and ``selected`` (n_rois,): constant traces and those with missing frames have no distance.
    """
    parts: dict[Table, list[pl.DataFrame]] = {ROI_CLUSTERS: [], ROI_MERGES: [], CLUSTER_COUNTS: []}
    notes = []
    choice = ClusterChoice(method=recipe.method, distance=recipe.distance)
    for scope, chosen in (("all", is_fitted), ("selected", is_fitted & selected)):
        n_rois = int(chosen.sum())
        if not _FEWEST <= n_rois <= recipe.most_clustered:
            limits = f"fewer than {_FEWEST}" if n_rois < _FEWEST else f"more than {recipe.most_clustered}"
            notes.append(f"no clusters of {scope} ROIs: there are {n_rois}, {limits}")
            continue
        found = cluster_rois(session.dff[chosen], choice)
        cluster, count = found.cluster, found.count
        if recipe.cluster_count is not None:
            count = min(recipe.cluster_count, n_rois)
            cluster = _largest_first(fcluster(found.merges, count, "maxclust") - 1)
        elif not found.is_stable:
            notes.append(f"no number of clusters of {scope} ROIs is stable: {count} have the best silhouette")
        for table, of_scope in _scope_rows(session.unit_id[chosen], found, cluster, count).items():
            parts[table].append(of_scope.with_columns(scope=pl.lit(scope)))
    return {table: pl.concat(frames) for table, frames in parts.items() if frames}, notes


def _largest_first(cluster: NDArray[np.integer]) -> NDArray[np.int64]:
    """The same clusters (n_clustered,), numbered by their size."""
    return np.argsort(np.argsort(-np.bincount(cluster), kind="stable"))[cluster]


def _scope_rows(
    unit_id: NDArray[np.int64], found: RoiClusters, cluster: NDArray[np.int64], count: int
) -> dict[Table, pl.DataFrame]:
    """Rows of one clustering of ROIs ``unit_id`` (n_clustered,), in ``count`` clusters numbered from 0."""
    leaf = np.empty(len(unit_id), np.int64)
    leaf[found.leaf_order] = np.arange(len(leaf))
    merges, counts = found.merges, sorted({*found.silhouette, count})
    return {
        ROI_CLUSTERS: pl.DataFrame({"unit_id": unit_id, "cluster": cluster + 1, "leaf": leaf}),
        ROI_MERGES: pl.DataFrame(
            {
                "merge": np.arange(len(merges)),
                "first": merges[:, 0].astype(np.int64),
                "second": merges[:, 1].astype(np.int64),
                "distance": merges[:, 2],
                "roi_count": merges[:, 3].astype(np.int64),
            }
        ),
        CLUSTER_COUNTS: pl.DataFrame(
            {
                "cluster_count": counts,
                "silhouette": [found.silhouette.get(one) for one in counts],
                "stability": [found.stability.get(one) for one in counts],
                "chosen": [one == count for one in counts],
            },
            schema_overrides={"silhouette": pl.Float64, "stability": pl.Float64},
        ),
    }
