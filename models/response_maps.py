"""Maps of responses in two dimensions: principal components, UMAP, t-SNE. Rows near each other respond alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_ROWS = 10  # fewer rows have no neighbourhoods to keep
_NEIGHBOURS = 15
_PERPLEXITY = 30.0
_SEED = 0


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of rows: places on them, directions, and the share of the variance that each explains.

    ``places`` (n_rows, n_components), in the unit of the rows; ``directions`` (n_components, n_columns), of length 1;
    ``explained`` (n_components,), 0 to 1.
    """

    places: NDArray[np.float64]
    directions: NDArray[np.float64]
    explained: NDArray[np.float64]


def in_own_spread(rows: NDArray[np.floating]) -> NDArray[np.float64]:  # (n_rows, n_columns), both
    """Each row less its mean and over its s.d. (of n), so that rows compare by shape and not by size.

    A row that doesn't vary is 0 throughout.
    """
    rows = _rows(rows)
    centred = rows - rows.mean(axis=1, keepdims=True)
    # A constant row's mean rounds, and what is left of the row is that rounding alone.
    spread, rounding = centred.std(axis=1, keepdims=True), 1e-12 * np.abs(rows).max(axis=1, keepdims=True)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > rounding)


def principal_components(rows: NDArray[np.floating], n_components: int) -> Components:
    """The first components of ``rows`` (n_rows, n_columns), columns centred and not scaled.

    As many as there are rows less one, or columns, at most. Each direction's largest entry is positive, as in
    scikit-learn's PCA, which gives the same numbers; made from the covariance of the columns, so that many rows (the
    frames of a recording) cost little. Raises ValueError for values that aren't finite, or fewer than two rows.
    """
    rows = _rows(rows)
    if len(rows) < 2 or n_components < 1:
        raise ValueError(f"components need two rows and a number of at least 1, got {rows.shape} and {n_components}")
    n_kept = min(n_components, len(rows) - 1, rows.shape[1])
    centred = rows - rows.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred / (len(rows) - 1))
    variances, directions = np.maximum(variances[::-1], 0.0), vectors[:, ::-1].T
    directions = directions[:n_kept]
    directions = directions * np.sign(directions[np.arange(n_kept), np.abs(directions).argmax(axis=1)])[:, None]
    total = variances.sum()
    explained = variances[:n_kept] / total if total > 0 else np.zeros(n_kept)
    return Components(centred @ directions.T, directions, explained)


def first_component_over_time(
    signals: NDArray[np.floating],  # (n_units, n_frames)
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """What a session's cells do together: the first principal component over time.

    Each unit's signal is scaled to s.d. 1 first, so that no bright one rules. Returns the component (n_frames,), NaN
    at frames that lack a value; each unit's weight (n_units,), NaN for units without values or without variance; and
    the share of the variance explained. Its sign is such that most weights are positive. Raises ValueError with fewer
    than two units, or two frames, that can be used.
    """
    signals = np.asarray(signals, dtype=np.float64)
    present = np.isfinite(signals)
    useful = present.any(axis=1)
    whole = present[useful].all(axis=0)
    useful[useful] = signals[np.ix_(useful, whole)].std(axis=1) > 0 if whole.sum() > 1 else False
    if useful.sum() < 2:
        raise ValueError(f"a common component needs two units that vary, got {useful.sum()} of {len(signals)}")
    found = principal_components(in_own_spread(signals[np.ix_(useful, whole)]).T, 1)
    sign = 1.0 if np.median(found.directions[0]) >= 0 else -1.0
    component, weight = np.full(signals.shape[1], np.nan), np.full(len(signals), np.nan)
    component[whole], weight[useful] = sign * found.places[:, 0], sign * found.directions[0]
    return component, weight, float(found.explained[0])


def umap_places(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Places (n_rows, 2) of rows (n_rows, n_columns) by UMAP (McInnes et al. 2018), umap-learn, one thread, fixed seed.

    15 neighbours, or all others where there are fewer. Raises ValueError with fewer than ten rows. The first call of a
    process compiles for some ten seconds.
    """
    rows = _enough(rows)
    from umap import UMAP  # some seconds

    # One thread, since a seed gives the same places only then.
    return UMAP(n_neighbors=min(_NEIGHBOURS, len(rows) - 1), random_state=_SEED, n_jobs=1).fit_transform(rows)


def tsne_places(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Places (n_rows, 2) of rows (n_rows, n_columns) by t-SNE (van der Maaten, Hinton 2008), scikit-learn, fixed seed.

    Perplexity 30, or a third of the other rows where that is less. Raises ValueError with fewer than ten rows.
    """
    rows = _enough(rows)
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=_SEED, n_jobs=1).fit_transform(rows)


def _enough(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    rows = _rows(rows)
    if len(rows) < FEWEST_ROWS:
        raise ValueError(f"a map needs {FEWEST_ROWS} rows, got {len(rows)}")
    return rows


def _rows(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"rows must be (n_rows, n_columns), got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"rows must be finite, got {int((~np.isfinite(rows)).sum())} values that are not")
    return rows
