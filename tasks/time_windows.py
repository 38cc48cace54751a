"""Windows of a time course in which a decoder scores well, as the source study names them."""

import numpy as np
from numpy.typing import NDArray

AUC_THRESHOLD = 0.6
ACCURACY_THRESHOLD = 0.65
FEWEST_POINTS = 2


def windows_above(
    times_s: NDArray[np.floating],  # (n_times,), increasing
    score: NDArray[np.floating],  # (n_times,)
    threshold: float,
) -> list[tuple[float, float]]:
    """First and last time (s) of each run of at least two points in a row whose score exceeds the threshold."""
    above = np.concatenate(([False], np.asarray(score) > threshold, [False]))
    edges = np.flatnonzero(above[1:] != above[:-1]).reshape(-1, 2)
    return [(float(times_s[start]), float(times_s[stop - 1])) for start, stop in edges if stop - start >= FEWEST_POINTS]
