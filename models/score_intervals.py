"""An interval of a decoder's accuracy over mice."""

import numpy as np
from numpy.typing import NDArray

_N_RESAMPLES = 4000
_LEAST_MICE = 4


def accuracy_interval(
    accuracies: NDArray[np.floating],  # (n_mice,), 0 to 1, one per mouse left out
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of the mean accuracy over mice, by a studentised bootstrap that draws whole mice.

    The plain percentile interval is too short for a handful of mice. Ends beyond 0 or 1 are put there. Mice that all
    score the same give that score twice. Raises ValueError for fewer than four mice, or where more than 2.5 % of the
    resamples are of mice that all score the same, and so have no t: the tails are unknown then. Method: bootstrap-t,
    Efron and Tibshirani (1993), section 12.5.
    """
    accuracies = np.asarray(accuracies, dtype=np.float64)
    n = len(accuracies)
    if n < _LEAST_MICE:
        raise ValueError(f"an interval over mice needs at least {_LEAST_MICE} mice, got {n}")
    mean, sem = accuracies.mean(), accuracies.std(ddof=1) / np.sqrt(n)
    if sem < 1e-12:
        return float(mean), float(mean)
    drawn = accuracies[np.random.default_rng(seed).integers(0, n, (_N_RESAMPLES, n))]
    sem_drawn = drawn.std(axis=1, ddof=1) / np.sqrt(n)
    varies = sem_drawn > 1e-12
    if np.mean(~varies) > 0.025:
        raise ValueError("too many mice score the same for resamples to vary")
    t = (drawn.mean(axis=1)[varies] - mean) / sem_drawn[varies]
    low, high = np.quantile(t, (0.975, 0.025))
    return float(max(mean - low * sem, 0.0)), float(min(mean - high * sem, 1.0))
