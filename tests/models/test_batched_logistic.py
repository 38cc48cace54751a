"""Logistic regressions of many features: scikit-learn's log odds, with more features than rows too."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.batched_logistic import fit_logistic_folds
from models.time_folds import Fold, folds_of


def design(seed: int, n_rows: int, n_features: int, share: float = 0.5, gain: float = 0.1, n_times: int = 4):
    rng = np.random.default_rng(seed)
    y = np.zeros(n_rows, dtype=np.int64)
    y[rng.permutation(n_rows)[: round(share * n_rows)]] = 1
    scale = rng.uniform(0.02, 2, n_features)  # units of quite different size
    X = scale * (rng.standard_normal((n_times, n_rows, n_features)) + gain * y[:, None]) + rng.normal(size=n_features)
    return X, y, rng


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize(
    "shape",
    [(120, 6, 0.5, 0.5), (200, 8, 0.08, 0.5), (30, 50, 0.5, 0.0), (60, 5, 0.5, 20.0)],
    ids=["usual", "lopsided", "more features than rows", "separable"],
)
def test_log_odds_are_those_of_scikit_learn(shape, standardise):
    n_rows, n_features, share, gain = shape
    X, y, rng = design(5, n_rows, n_features, share, gain)
    everyone = folds_of(rng.permutation(np.arange(n_rows) % 4))
    folds = [Fold(fold.train[3:], fold.test) for fold in everyone]  # some rows on neither side, as with a gap
    ours = fit_logistic_folds(X, y, folds, standardise=standardise)
    for f, fold in enumerate(folds):
        for t in range(len(X)):
            decoder = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000)
            decoder = make_pipeline(StandardScaler(), decoder) if standardise else decoder
            decoder.fit(X[t, fold.train], y[fold.train])
            log_odds = X[t, fold.test] @ ours.coef[f, t] + ours.intercept[f, t]
            probability = 1 / (1 + np.exp(-log_odds))
            np.testing.assert_allclose(probability, decoder.predict_proba(X[t, fold.test])[:, 1], atol=1e-6)


def test_a_unit_that_never_varies_gets_no_weight():
    X, y, _ = design(6, 60, 3)
    X[:, :, 1] = 7.0
    decoders = fit_logistic_folds(X, y, folds_of(np.arange(60) % 3), standardise=True)
    np.testing.assert_allclose(decoders.coef[:, :, 1], 0, atol=1e-12)


def test_what_cannot_be_learned_is_refused():
    X, y, _ = design(7, 20, 2)
    with pytest.raises(ValueError, match=r"must hold both labels"):
        fit_logistic_folds(X, y, [Fold(np.flatnonzero(y == 1), np.flatnonzero(y == 0))])
    with pytest.raises(ValueError, match=r"must be finite"):
        fit_logistic_folds(np.where(X > 1, np.inf, X), y, folds_of(np.arange(20) % 2))
