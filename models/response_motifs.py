"""Response motifs: groups of cells whose responses have one shape, found by k-means."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples

MOTIF_COUNTS = range(2, 9)  # numbers of motifs that are tried
NO_STRUCTURE = 0.25  # mean silhouette below which Kaufman and Rousseeuw (1990) find no substantial structure
_MOST_COMPARED = 5000  # silhouettes compare all rows with all
_SEED = 0


@dataclass(frozen=True, eq=False)
class Motifs:
    """Rows in motifs, the largest motif first.

    ``motif`` (n_rows,) from 0; ``silhouette`` (n_rows,), -1 to 1, how much nearer a row is to its own motif than to
    the next (NaN for rows beyond the 5,000 compared); ``mean_silhouette`` by number of motifs tried.
    """

    motif: NDArray[np.int64]
    silhouette: NDArray[np.float64]
    mean_silhouette: dict[int, float]

    @property
    def count(self) -> int:
        return int(self.motif.max()) + 1


def response_motifs(rows: NDArray[np.floating]) -> Motifs:
    """k-means motifs of rows (n_rows, n_columns), as many of 2 to 8 as give the highest mean silhouette.

    Best of ten starts, fixed seed. The order is by size, and by the first row that belongs where sizes are equal.
    Silhouettes (Rousseeuw 1987) are of Euclidean distance; with more than 5,000 rows, over as many drawn at random.
    A highest one below ``NO_STRUCTURE`` says that the rows have no motifs to speak of. Raises ValueError for values
    that aren't finite, or fewer than three rows that differ.
    """
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(f"rows must be (n_rows, n_columns) and finite, got {rows.shape}")
    n_distinct = len(np.unique(rows, axis=0))
    if n_distinct < 3:
        raise ValueError(f"motifs need three rows that differ, got {n_distinct}")
    compared = np.arange(len(rows))
    if len(rows) > _MOST_COMPARED:
        compared = np.random.default_rng(_SEED).choice(len(rows), _MOST_COMPARED, replace=False)
    best: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None
    means: dict[int, float] = {}
    for count in MOTIF_COUNTS:
        if count >= n_distinct:
            break
        label = KMeans(count, n_init=10, random_state=_SEED).fit_predict(rows)
        # Of many rows, those drawn may all lie in one motif.
        both = len(np.unique(label[compared])) > 1
        silhouette = silhouette_samples(rows[compared], label[compared]) if both else np.zeros(len(compared))
        means[count] = float(silhouette.mean())
        if best is None or means[count] > best[1].mean():
            best = label, silhouette
    label, compared_silhouette = best
    silhouette = np.full(len(rows), np.nan)
    silhouette[compared] = compared_silhouette
    return Motifs(_by_size(label), silhouette, means)


def _by_size(label: NDArray[np.integer]) -> NDArray[np.int64]:
    names, first, size = np.unique(label, return_index=True, return_counts=True)
    order = np.lexsort((first, -size))
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return rank[np.searchsorted(names, label)]
