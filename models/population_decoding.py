"""Decoding through time from populations: a row is one event, a decoder sees all cells of the session at one time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.batched_lda import fit_lda_folds
from models.batched_logistic import fit_logistic_folds
from models.linear_decoders import DecoderName, area_under_roc
from models.time_folds import Fold


@dataclass(frozen=True, eq=False)
class SessionScores:
    """Means over a session's folds: ``auc`` and ``accuracy`` (n_times,), and ``generalisation``, the AUC of
    decoders learned at some times and tested at the same ones, (n_train_times, n_test_times)."""

    auc: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    generalisation: NDArray[np.float64]


def decode_population(
    X: NDArray[np.floating],  # (n_times, n_events, n_units)
    y: NDArray[np.integer],  # (n_events,), 1 = omitted
    folds: Sequence[Fold],
    decoder: DecoderName,
    standardise: bool = True,
    every: int = 3,
) -> SessionScores:
    """Scores of one session's decoders on the events that each fold holds out.

    ``X`` (n_times, n_events, n_units), float, any unit; ``y`` (n_events,) labels 0 and 1. "logistic" is
    L2-regularised with C = 1, with ``standardise`` on units scaled within the training events; "lda" has
    covariances shrunk after Ledoit and Wolf, which scaling doesn't change. Decoders of every ``every``-th time
    are tested at each of these times. Raises ValueError as the fits do, and for a fold that tests one label.
    """
    if decoder == "logistic":
        decoders = fit_logistic_folds(X, y, folds, standardise=standardise)
    elif decoder == "lda":
        decoders = fit_lda_folds(X, y, folds)
    else:
        raise ValueError(f"decoder must be 'logistic' or 'lda', got {decoder!r}")
    auc, accuracy, generalisation = [], [], []
    for fold, intercept, coef in zip(folds, decoders.intercept, decoders.coef, strict=True):
        test, label = X[:, fold.test].astype(np.float64), y[fold.test]
        log_odds = (test @ coef[..., None])[..., 0] + intercept[:, None]  # (n_times, n_test)
        auc.append(area_under_roc(log_odds, label))
        accuracy.append(((log_odds > 0) == (label == 1)).mean(axis=1))
        across = test[::every] @ coef[::every].T  # (n_test_times, n_test, n_train_times)
        generalisation.append(area_under_roc(across.transpose(2, 0, 1), label))
    return SessionScores(*(np.mean(scores, axis=0) for scores in (auc, accuracy, generalisation)))
