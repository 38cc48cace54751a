"""ROIs that follow a signal of the animal, as running speed, and no event: their class is the signal."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from models.response_classes import AMBIGUOUS, ResponseClasses, clear_largest_coefficient


def with_signal_classes(
    found: ResponseClasses,
    coefficient: NDArray[np.float64],  # (n_rois, n_regressors)
    covariance: NDArray[np.float64],  # (n_rois, n_regressors, n_regressors)
    is_stimulus: NDArray[np.bool_],  # (n_regressors,)
    level: float = 0.05,
) -> NDArray[np.int64]:  # (n_rois,)
    """The classes found among events, and those of signals for ROIs that no event clearly drives.

    Coefficients of events and of signals have no common unit, so that the two are not compared: a signal is the class
    of an ambiguous ROI whose largest coefficient of an event isn't clearly above 0, if the signal's coefficient is, and
    clearly above those of other signals. All at the two-sided ``level``, with ``covariance`` as of
    ``models.regressor_fits.coefficient_covariance``. Raises ValueError as ``clear_largest_coefficient``.
    """
    response_class = found.response_class.copy()
    if is_stimulus.all():
        return response_class
    ambiguous = np.flatnonzero(response_class == AMBIGUOUS)
    largest = found.largest[ambiguous]
    z = coefficient[ambiguous, largest] / np.sqrt(covariance[ambiguous, largest, largest])
    undriven = np.zeros(len(response_class), dtype=bool)
    undriven[ambiguous] = z <= norm.isf(level / 2)
    if undriven.any():
        of_signals = clear_largest_coefficient(coefficient, covariance, undriven, ~is_stimulus, level)
        response_class[undriven] = of_signals.response_class[undriven]
    return response_class
