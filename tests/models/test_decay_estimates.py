import numpy as np
import pytest
from scipy.signal import lfilter

from models.decay_estimates import best_decay, decay_from_autocorrelation
from models.indicator_kernels import Kernel
from models.regressors import event_regressors

RATE_HZ = 5.0


def spontaneous(decay_s, rng, n_rois=40, n_frames=3000, noise=0.3):
    """Transients at random times that fall with the decay, and white noise."""
    spikes = (rng.random((n_rois, n_frames)) < 0.02) * rng.exponential(1, (n_rois, n_frames))
    return lfilter([1], [1, -np.exp(-1 / (RATE_HZ * decay_s))], spikes, axis=1) + noise * rng.normal(size=spikes.shape)


@pytest.mark.parametrize("decay_s", [0.6, 1.5, 3.0])
def test_a_planted_decay_comes_back_from_what_happens_by_itself(decay_s):
    rng = np.random.default_rng(0)
    events = np.arange(50, 2900, 150)
    dff = spontaneous(decay_s, rng)
    # Responses far slower than the indicator, which have to be left out.
    dff += 40 * event_regressors({"a": events}, Kernel(4.0), RATE_HZ, 3000).values
    found = decay_from_autocorrelation(dff, RATE_HZ, events, avoid_s=20.0, longest_s=4 * decay_s)
    assert found.decay_s == pytest.approx(decay_s, rel=0.15)
    assert found.low_s < found.decay_s < found.high_s
    np.testing.assert_allclose(found.lag_s, np.arange(1, len(found.lag_s) + 1) / RATE_HZ)
    with_responses = decay_from_autocorrelation(dff, RATE_HZ, events, 0.0, 4 * decay_s).decay_s
    assert abs(with_responses / decay_s - 1) > 0.2


def test_white_noise_and_flat_traces_have_no_decay():
    rng = np.random.default_rng(1)
    alternating = np.tile([1.0, -1.0], 500)[None] + 0.1 * rng.normal(size=(3, 1000))
    with pytest.raises(ValueError, match="don't resemble themselves one frame later"):
        decay_from_autocorrelation(alternating, RATE_HZ, np.array([5]), 1.0, 2.0)
    with pytest.raises(ValueError, match="no ROI changes between the stimuli"):
        decay_from_autocorrelation(np.zeros((3, 1000)), RATE_HZ, np.array([5]), 1.0, 2.0)


def test_the_decay_with_which_stimuli_explain_most_is_the_planted_one():
    rng = np.random.default_rng(2)
    frames = {name: np.sort(rng.choice(1900, 15, replace=False)) for name in "ab"}
    regressors = event_regressors(frames, Kernel(1.5), RATE_HZ, 2000)
    dff = rng.normal(size=(30, 2)) @ regressors.values + 0.01 * rng.normal(size=(30, 2000))
    dff[4] = 0.0
    tried = [0.5, 1.0, 1.5, 2.0, 3.0]
    found = best_decay(dff, frames, RATE_HZ, tried)
    assert found.decay_s == 1.5
    assert not found.at_edge
    assert best_decay(dff, frames, RATE_HZ, [0.5, 1.0]).at_edge
    assert (np.diff(found.mean_r2)[:2] > 0).all()
    assert (np.diff(found.mean_r2)[2:] < 0).all()


def test_what_cannot_be_is_refused():
    dff = np.random.default_rng(3).normal(size=(2, 100))
    with pytest.raises(ValueError, match="three lags, got 1"):
        decay_from_autocorrelation(dff, 1.0, np.array([5]), 1.0, 1.0)
    with pytest.raises(ValueError, match="frames without stimuli are too few"):
        decay_from_autocorrelation(dff, 1.0, np.arange(0, 100, 5), 10.0, 5.0)
    with pytest.raises(ValueError, match=r"\(n_rois, n_frames\), got \(100,\)"):
        decay_from_autocorrelation(dff[0], 1.0, np.array([5]), 1.0, 5.0)
    with pytest.raises(ValueError, match="no decay to try"):
        best_decay(dff, {"a": np.array([5, 20])}, 1.0, [])
    with pytest.raises(ValueError, match="no ROI changes"):
        best_decay(np.ones((2, 100)), {"a": np.array([5, 20])}, 1.0, [1.0])
