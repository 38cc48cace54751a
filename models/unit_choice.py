"""Which units a study goes on with: the source's percentiles, or those that are reliable beyond chance."""

import numpy as np
from numpy.typing import NDArray


def chosen_by_percentile(
    oracle: NDArray[np.float64],  # (n_units,)
    variance: NDArray[np.float64],  # (n_units,)
    *,
    oracle_percentile: float = 60.0,
    variance_percentile: float = 50.0,
) -> NDArray[np.bool_]:  # (n_units,)
    """Units whose oracle lies above its percentile and whose variance above its own, (n_units,); the source's choice.

    Units without an oracle or a variance (NaN) are not chosen, and the percentiles are of the others. Raises ValueError
    for shapes that differ, percentiles outside 0 to 100, or no unit that has both.
    """
    oracle, variance = np.asarray(oracle, np.float64), np.asarray(variance, np.float64)
    if oracle.shape != variance.shape or oracle.ndim != 1:
        raise ValueError(f"oracle and variance must have a value per unit, got {oracle.shape} and {variance.shape}")
    if not (0 <= oracle_percentile <= 100 and 0 <= variance_percentile <= 100):
        raise ValueError(f"percentiles must be 0 to 100, got {oracle_percentile} and {variance_percentile}")
    known = ~(np.isnan(oracle) | np.isnan(variance))
    if not known.any():
        raise ValueError(f"none of {len(oracle)} units has an oracle and a variance: is there one that fires?")
    least_oracle = np.percentile(oracle[known], oracle_percentile)
    least_variance = np.percentile(variance[known], variance_percentile)
    return known & (oracle > least_oracle) & (variance > least_variance)


def chosen_by_reliability(
    low: NDArray[np.float64],  # (n_units,)
    *,
    least: float = 0.0,
) -> NDArray[np.bool_]:  # (n_units,)
    """Units whose reliability is above ``least`` with the interval's certainty, (n_units,).

    ``low`` (n_units,) is the lower end of `models.image_reliability.bootstrap_interval`; NaN is not chosen. The
    intervals are of single units: of many that answer nothing, the interval's level lets one in forty through.
    """
    return np.asarray(low, np.float64) > least
