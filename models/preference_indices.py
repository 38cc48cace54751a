"""How much more a cell responds to one thing than to another, as one number between -1 and 1."""

import numpy as np
from numpy.typing import NDArray


def preference_index(
    favoured: NDArray[np.floating],  # (...), responses of any unit
    other: NDArray[np.floating],  # (...), in the same unit
) -> NDArray[np.float64]:  # (...)
    """(favoured - other) / (favoured + other) of responses made non-negative, unitless, -1 to 1.

    Both any one shape. A response below zero counts as none (0), since a sum near zero of numbers of both signs would
    make the index as large as one likes. NaN where neither responds (both are 0 or below), or either is NaN.
    """
    favoured, other = np.asarray(favoured, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if favoured.shape != other.shape:
        raise ValueError(f"responses must have one shape, got {favoured.shape} and {other.shape}")
    favoured, other = np.maximum(favoured, 0.0), np.maximum(other, 0.0)  # NaN stays NaN
    total = favoured + other
    return np.divide(favoured - other, total, out=np.full(total.shape, np.nan), where=total > 0)
