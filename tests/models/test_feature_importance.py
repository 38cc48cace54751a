import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.tree import DecisionTreeClassifier

from models.decoders import build_decoder, decoder_of
from models.feature_importance import feature_importance


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def test_the_column_that_tells_loses_half_and_the_others_nothing(rng):
    mouse_id = np.repeat(np.arange(5), 200)
    y = np.tile([0, 1], 500)
    X = pd.DataFrame({"noise": rng.normal(size=1000), "tells": y * 1.0, "line": np.where(mouse_id % 2, "Vip", "Sst")})
    stump = decoder_of(DecisionTreeClassifier(max_depth=1), tuple(X.columns), ("line",))
    noise, tells, line = feature_importance([stump] * 5, X, y, mouse_id)
    assert [found.feature for found in (noise, tells, line)] == ["noise", "tells", "line"]
    assert tells.mean == pytest.approx(0.5, abs=0.02)
    assert 0 < tells.sd_between_mice < 0.05
    assert (noise.mean, line.mean, noise.n_mice) == (0, 0, 5)


def test_it_agrees_with_scikit_learn_within_the_noise_of_shuffling(rng):
    mouse_id = np.repeat(np.arange(3), 60)
    y = np.tile([0, 1], 90)
    X = pd.DataFrame({"a": 1.5 * y + rng.normal(size=180), "b": 0.7 * y + rng.normal(size=180)})
    decoder = build_decoder("LR", ("a", "b"), ())
    found = feature_importance([decoder] * 3, X, y, mouse_id, n_shuffles=100)
    expected = np.zeros(2)
    for mouse in range(3):
        fitted = decoder.fit(X[mouse_id != mouse], y[mouse_id != mouse])
        held_out = mouse_id == mouse
        expected += permutation_importance(fitted, X[held_out], y[held_out], n_repeats=100).importances_mean / 3
    assert [feature.mean for feature in found] == pytest.approx(expected.tolist(), abs=0.02)


def test_a_feature_that_is_constant_within_each_mouse_can_not_help(rng):
    mouse_id = np.repeat(np.arange(4), 30)
    X = pd.DataFrame({"mouse": mouse_id * 1.0, "a": rng.normal(size=120)})
    y = rng.integers(0, 2, 120)
    mouse, _ = feature_importance([build_decoder("DT", ("mouse", "a"), ())] * 4, X, y, mouse_id)
    assert (mouse.mean, mouse.sd_between_mice) == (0, 0)


def test_what_tells_lines_of_mice_apart_is_found_by_values_of_all_mice(rng):
    mouse_id = np.repeat(np.arange(8), 40)
    y = mouse_id % 2
    X = pd.DataFrame({"noise": rng.normal(size=320), "latency": 3.0 * y + rng.normal(0, 0.1, 320)})
    stump = decoder_of(DecisionTreeClassifier(max_depth=1), ("noise", "latency"), ())
    _, within = feature_importance([stump] * 8, X, y, mouse_id)
    noise, latency = feature_importance([stump] * 8, X, y, mouse_id, within_mouse=False)
    assert within.mean == 0
    assert noise.mean == 0
    assert latency.mean == pytest.approx(0.5, abs=0.03)


def test_a_decoder_too_few_is_refused():
    X = pd.DataFrame({"a": np.arange(4.0)})
    with pytest.raises(ValueError, match="each of 2 mice, got 1"):
        feature_importance([build_decoder("LR", ("a",), ())], X, np.array([0, 1, 0, 1]), np.array([1, 1, 2, 2]))
