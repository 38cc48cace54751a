"""Decoders of one value per time: scikit-learn's probabilities, on designs that are easy, lopsided, or separable."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from models.pointwise_decoders import fit_each_time, held_out_probability

SKLEARN = {
    "logistic": lambda C=1.0: LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12, max_iter=1000),
    "lda": lambda C=1.0: LinearDiscriminantAnalysis(),
}


def trials(seed: int, n_rows: int = 400, n_times: int = 11, share: float = 0.3, gain: float = 0.05):
    """Values (n_rows, n_times) float32 of s.d. 0.15 and an offset, labels, and five folds."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < share).astype(np.int64)
    values = 0.15 * rng.standard_normal((n_rows, n_times)) + rng.normal(size=n_times) + gain * y[:, None]
    return values.astype(np.float32), y, rng.permutation(np.arange(n_rows) % 5)


def sklearn_probability(values, y, fold, decoder, C=1.0):
    probability = np.empty(values.shape)
    for f in np.unique(fold):
        for t in range(values.shape[1]):
            x = values[:, [t]].astype(np.float64)
            fitted = SKLEARN[decoder](C).fit(x[fold != f], y[fold != f])
            probability[fold == f, t] = fitted.predict_proba(x[fold == f])[:, 1]
    return probability


@pytest.mark.parametrize("decoder", ["logistic", "lda"])
@pytest.mark.parametrize(
    "design",
    [{}, {"share": 0.05}, {"share": 0.9, "gain": 0.0}, {"n_rows": 30, "share": 0.5}, {"gain": 3.0}],
    ids=["usual", "one in twenty", "no effect", "few rows", "separable"],
)
def test_probabilities_are_those_of_scikit_learn(decoder, design):
    values, y, fold = trials(1, **design)
    ours = held_out_probability(values, fold, fit_each_time(values, y, fold, decoder))
    np.testing.assert_allclose(ours, sklearn_probability(values, y, fold, decoder), atol=1e-6)


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e6])
def test_any_penalty_and_far_outliers_converge_to_scikit_learns_solution(C):
    values, y, fold = trials(2, gain=0.2)
    values = values.astype(np.float64)
    values[:3] += 20.0
    ours = held_out_probability(values, fold, fit_each_time(values, y, fold, C=C))
    np.testing.assert_allclose(ours, sklearn_probability(values, y, fold, "logistic", C), atol=1e-6)


def test_separable_rows_with_hardly_a_penalty_stay_finite():
    values = np.repeat(np.linspace(-1, 1, 40), 3).reshape(40, 3)
    y, fold = (values[:, 0] > 0).astype(np.int64), np.arange(40) % 4
    decoders = fit_each_time(values, y, fold, C=1e6)
    assert np.isfinite(decoders.coef).all()
    told = (held_out_probability(values, fold, decoders) > 0.5) == (y[:, None] == 1)
    assert told[np.abs(values[:, 0]) > 0.15].all()


@pytest.mark.parametrize("decoder", ["logistic", "lda"])
def test_a_value_that_never_varies_tells_how_frequent_labels_are(decoder):
    _, y, fold = trials(3)
    values = np.full((len(y), 2), 0.25)
    probability = held_out_probability(values, fold, fit_each_time(values, y, fold, decoder))
    for f in range(5):
        np.testing.assert_allclose(probability[fold == f], y[fold != f].mean(), atol=1e-9)


def test_what_cannot_be_learned_is_refused():
    values, y, fold = trials(4)
    broken = values.copy()
    broken[3, 3] = np.nan
    with pytest.raises(ValueError, match=r"must be finite, got 1"):
        fit_each_time(broken, y, fold)
    with pytest.raises(ValueError, match=r"both labels are needed outside each fold"):
        fit_each_time(values, y, y)
    with pytest.raises(ValueError, match=r"must hold both labels"):
        fit_each_time(values, np.ones_like(y), fold)
    with pytest.raises(ValueError, match=r"folds must be 2 or more"):
        fit_each_time(values, y, np.zeros_like(fold))
    with pytest.raises(ValueError, match=r"decoder must be"):
        fit_each_time(values, y, fold, "svm")
    with pytest.raises(ValueError, match=r"C must be positive"):
        fit_each_time(values, y, fold, C=0)
