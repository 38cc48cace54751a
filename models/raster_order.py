"""The order in which a raster shows its units: those that fire alike beside each other, by Rastermap."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Rule = Literal["rastermap", "similarity", "as they came"]
_FEWEST_FOR_RASTERMAP = 10  # with one or two it fails
_FEWEST_FOR_LINKAGE = 3  # two have one order


@dataclass(frozen=True)
class RasterChoice:
    """Rastermap's settings; the defaults are those of the source of the image-coding study, for bins of 0.1 s.

    ``n_pcs`` principal components; ``locality`` 0 (global order) to 1; ``time_lag_bins`` ahead are correlated. Raises
    ValueError for what cannot be.
    """

    n_pcs: int = 64
    locality: float = 0.15
    time_lag_bins: int = 15
    n_clusters: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_pcs < 1 or not 1 <= self.n_clusters < 200 or self.time_lag_bins < 0:
            found = f"{self.n_pcs}, {self.n_clusters} and {self.time_lag_bins}"
            raise ValueError(f"n_pcs must be 1 or more, n_clusters 1 to 199, time_lag_bins 0 or more, got {found}")
        if not 0 <= self.locality <= 1:
            raise ValueError(f"locality must be 0 to 1, got {self.locality}")


@dataclass(frozen=True, eq=False)
class RasterOrder:
    """``order`` (n_units,): places of the units from top to bottom; ``n_sorted`` of them by ``rule``.

    Units whose activity never changes, as those without spikes, come last, in the order they had.
    """

    order: NDArray[np.int64]
    n_sorted: int
    rule: Rule


def raster_order(
    activity: NDArray[np.floating],  # (n_units, n_bins)
    choice: RasterChoice | None = None,
) -> RasterOrder:
    """Units in an order that puts those of like activity beside each other.

    ``activity`` (n_units, n_bins), as spikes per bin; each unit is z-scored. Of ten units or more that change, the
    order is that of Rastermap (Stringer et al. 2025), the same for the same seed; of three to nine, which it can't
    cluster, that of the leaves of average linkage on 1 - r, ordered so that neighbours are alike (Bar-Joseph et al.
    2001); of fewer, as they came. Raises ValueError for values that are not finite, or no more bins than Rastermap
    looks ahead.
    """
    choice = choice or RasterChoice()
    activity = np.asarray(activity)
    if activity.ndim != 2 or not np.isfinite(activity).all():
        raise ValueError(f"activity must be (n_units, n_bins) of finite values, got {activity.shape}")
    if activity.shape[1] <= choice.time_lag_bins + 1:
        needed = f"more than {choice.time_lag_bins + 1} bins, to look {choice.time_lag_bins} ahead"
        raise ValueError(f"activity needs {needed}, got {activity.shape[1]}")
    changes = activity.min(axis=1) < activity.max(axis=1)
    units, still = np.flatnonzero(changes), np.flatnonzero(~changes)
    scored = activity[units].astype(np.float32)
    scored -= scored.mean(axis=1, keepdims=True)
    scored /= scored.std(axis=1, keepdims=True)
    rule: Rule = "as they came"
    if len(units) >= _FEWEST_FOR_RASTERMAP:
        rule, units = "rastermap", units[_rastermap(scored, choice)]
    elif len(units) >= _FEWEST_FOR_LINKAGE:
        rule, units = "similarity", units[_leaves(scored)]
    return RasterOrder(np.concatenate([units, still]), len(units), rule)


def block_orders(
    activity: NDArray[np.floating],  # (n_units, n_bins)
    block: NDArray[np.integer],  # (n_bins,)
    choice: RasterChoice | None = None,
) -> dict[int, RasterOrder]:
    """The order within each block of time, by the block's number; bins of number 0 belong to none.

    ``block`` (n_bins,). Raises ValueError where shapes differ, and as `raster_order` does, naming the block.
    """
    activity, block = np.asarray(activity), np.asarray(block)
    if block.shape != activity.shape[1:]:
        raise ValueError(f"block must have one number per bin of activity {activity.shape}, got {block.shape}")
    orders: dict[int, RasterOrder] = {}
    for number in np.unique(block[block != 0]).tolist():
        try:
            orders[number] = raster_order(activity[:, block == number], choice)
        except ValueError as error:
            raise ValueError(f"block {number}: {error}") from error
    return orders


def _rastermap(scored: NDArray[np.float32], choice: RasterChoice) -> NDArray[np.int64]:
    from rastermap import Rastermap

    model = Rastermap(
        n_clusters=choice.n_clusters,
        n_PCs=choice.n_pcs,
        locality=choice.locality,
        time_lag_window=choice.time_lag_bins,
        random_state=choice.seed,
        verbose=False,
    )
    with _left_as_found(choice.seed):
        return np.asarray(model.fit(scored, compute_X_embedding=False).isort, np.int64)


@contextmanager
def _left_as_found(seed: int) -> Iterator[None]:
    """Rastermap draws from NumPy's global generator, and hangs a handler on the root logger: both are put back."""
    state, handlers = np.random.get_state(), list(logging.root.handlers)
    np.random.seed(seed)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="data has <= 50 samples")  # as many as they are, they are sorted
            yield
    finally:
        np.random.set_state(state)
        logging.root.handlers[:] = handlers


def _leaves(scored: NDArray[np.float32]) -> NDArray[np.int64]:
    from scipy.cluster.hierarchy import leaves_list, linkage

    away = 1 - np.corrcoef(scored)
    pairs = away[np.triu_indices_from(away, 1)].clip(0)
    return leaves_list(linkage(pairs, "average", optimal_ordering=True)).astype(np.int64)
