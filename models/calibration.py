"""Whether a decoder's probabilities can be taken at their word."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class Calibration:
    """Of log odds, unitless: slope 1 and intercept 0 are calibrated; a slope below 1 is too sure of itself."""

    slope: float
    intercept: float


def calibration(
    probability: NDArray[np.floating],  # (n,), of label 1, on rows not seen
    y: NDArray[np.integer],  # (n,), 0 or 1
) -> Calibration:
    """Logistic regression of the truth on the log odds that a decoder gave, without penalty.

    Probabilities nearer to 0 or 1 than half a row, 1 / (2 n), count as that, since those of 0 and 1 have no log odds.
    Raises ValueError for probabilities outside 0 .. 1, one label, log odds that are all the same, or that part the
    labels without error, where no slope fits best. Method: Cox (1958); equals ``statsmodels.api.Logit``.
    """
    probability, y = np.asarray(probability, dtype=np.float64), np.asarray(y)
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError(f"probabilities must be 0 to 1, got {probability.min()} to {probability.max()}")
    if len(np.unique(y)) < 2:
        raise ValueError("calibration needs rows of both labels")
    nearest = 0.5 / len(y)
    log_odds = logit(np.clip(probability, nearest, 1 - nearest))
    if np.ptp(log_odds) < 1e-9:
        raise ValueError("every row was given the same probability")
    ones, zeros = log_odds[y == 1], log_odds[y == 0]
    if ones.min() >= zeros.max() or ones.max() <= zeros.min():
        raise ValueError("the probabilities part the labels without error")
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(log_odds[:, None], y)
    return Calibration(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]))
