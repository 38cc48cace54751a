"""What a decoder owes to each column: accuracy lost on a mouse left out when the column's values are exchanged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

N_SHUFFLES = 10


@dataclass(frozen=True)
class FeatureImportance:
    """Loss of held-out accuracy, a share: mean and s.d. over mice (NaN with one)."""

    feature: str
    mean: float
    sd_between_mice: float
    n_mice: int


def feature_importance(
    decoders: Sequence[Pipeline],
    X: pd.DataFrame,
    y: NDArray[np.integer],  # (n,), 0 or 1
    mouse_id: NDArray[np.generic],  # (n,)
    within_mouse: bool = True,
    n_shuffles: int = N_SHUFFLES,
    seed: int = 0,
) -> list[FeatureImportance]:
    """One entry per column of ``X``, in its order.

    ``decoders`` are unfitted, one per mouse in the order of ids: each is fitted on the other mice. A column is shuffled
    among the rows of the mouse left out; without ``within_mouse`` its values are drawn from all mice, as is needed for
    labels that are of the mouse, since shuffled within one mouse all its values still speak for its label. The loss is
    the mean over ``n_shuffles``. Columns that say the same stand in for each other. Raises ValueError when decoders
    and mice differ in number. Method: Breiman (2001); ``sklearn.inspection.permutation_importance``, with all copies
    predicted at once.
    """
    mice = np.unique(mouse_id)
    if len(decoders) != len(mice):
        raise ValueError(f"there must be a decoder for each of {len(mice)} mice, got {len(decoders)}")
    rng = np.random.default_rng(seed)
    losses = np.empty((len(mice), X.shape[1]))
    for number, (decoder, mouse) in enumerate(zip(decoders, mice, strict=True)):
        test = mouse_id == mouse
        fitted = clone(decoder).fit(X[~test], y[~test])
        losses[number] = _losses(fitted, X[test], y[test], X[test] if within_mouse else X, n_shuffles, rng)
    sd = losses.std(axis=0, ddof=1) if len(mice) > 1 else np.full(X.shape[1], np.nan)
    return [
        FeatureImportance(str(name), float(losses[:, at].mean()), float(sd[at]), len(mice))
        for at, name in enumerate(X.columns)
    ]


def _losses(
    fitted: Pipeline,
    X: pd.DataFrame,
    y: NDArray[np.integer],
    others: pd.DataFrame,
    n_shuffles: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:  # (n_columns,)
    n, n_columns = X.shape
    accuracy = np.mean(fitted.predict(X) == y)
    # Copies, (n_columns, n_shuffles, n): in copy (c, s), column c has values of other rows, drawn without replacement.
    stacked = {name: np.tile(X[name].to_numpy(), n_columns * n_shuffles) for name in X.columns}
    for at, name in enumerate(X.columns):
        drawn = np.argsort(rng.random((n_shuffles, len(others))), axis=1)[:, :n]
        stacked[name][at * n_shuffles * n : (at + 1) * n_shuffles * n] = others[name].to_numpy()[drawn.ravel()]
    is_right = fitted.predict(pd.DataFrame(stacked)).reshape(n_columns, n_shuffles, n) == y
    return accuracy - is_right.mean(axis=(1, 2))
