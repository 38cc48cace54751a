"""Area under the ROC, by hand and beside scikit-learn, with ties."""

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from models.linear_decoders import area_under_roc, midranks


def test_by_hand():
    y = np.array([0, 1, 0, 1])
    score = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0], [4.0, 1.0, 3.0, 2.0]])
    np.testing.assert_allclose(area_under_roc(score, y), [0.75, 0.5, 0.0])


def test_agrees_with_scikit_learn_and_scipy():
    rng = np.random.default_rng(11)
    score, y = rng.integers(0, 9, (3, 5, 60)).astype(np.float32), rng.integers(0, 2, 60)
    score[0] = rng.standard_normal((5, 60))  # vectors without ties among those with
    expected = [[roc_auc_score(y, vector) for vector in vectors] for vectors in score]
    np.testing.assert_allclose(area_under_roc(score, y), expected)
    np.testing.assert_array_equal(midranks(score), rankdata(score, axis=-1))


def test_one_label_has_no_area():
    with pytest.raises(ValueError, match=r"must hold both labels 0 and 1, got \[1\]"):
        area_under_roc(np.zeros(3), np.ones(3, dtype=int))
