"""Shrunk discriminants of many features: scikit-learn's log odds, with more features than rows too."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from models.batched_lda import fit_lda_folds
from models.time_folds import Fold, folds_of
from tests.models.test_batched_logistic import design


@pytest.mark.parametrize(
    "shape",
    [(120, 6, 0.5), (200, 8, 0.08), (30, 50, 0.5), (50, 1, 0.4)],
    ids=["usual", "lopsided", "more features than rows", "one feature"],
)
def test_log_odds_are_those_of_scikit_learn(shape):
    n_rows, n_features, share = shape
    X, y, rng = design(8, n_rows, n_features, share, gain=0.5)
    folds = folds_of(rng.permutation(np.arange(n_rows) % 4))
    ours = fit_lda_folds(X, y, folds)
    for f, fold in enumerate(folds):
        for t in range(len(X)):
            theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(X[t, fold.train], y[fold.train])
            log_odds = X[t, fold.test] @ ours.coef[f, t] + ours.intercept[f, t]
            np.testing.assert_allclose(log_odds, theirs.decision_function(X[t, fold.test]), rtol=1e-6, atol=1e-8)


def test_scaling_a_unit_changes_no_answer():
    X, y, _ = design(9, 80, 5)
    folds = folds_of(np.arange(80) % 4)
    by_scale = [fit_lda_folds(X * scale, y, folds) for scale in (1.0, np.array([1, 10, 100, 0.1, 3.0]))]
    np.testing.assert_allclose(by_scale[0].intercept, by_scale[1].intercept)


def test_a_class_of_one_row_is_refused():
    X, y, _ = design(10, 20, 2)
    train = np.append(np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:1])
    with pytest.raises(ValueError, match=r"learns from 10 and 1 rows"):
        fit_lda_folds(X, y, [Fold(train, np.flatnonzero(y == 1)[1:])])
