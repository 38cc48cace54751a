import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import false_discovery_control, kstest

from models.baselines import regressors_without_drift, without_drift
from models.indicator_kernels import Kernel
from models.regressor_fits import fit_regressors
from models.regressors import Regressors, event_regressors
from models.shift_null import (
    ShiftTest,
    least_alike_shifts,
    likeness_at_shifts,
    r2_at_all_shifts,
    shift_selection,
)

# The tectum's own stimuli: one kind after the other, 34 frames apart, so that shifts by 34 frames realign them.
REGULAR = {"prey": [46, 80, 115, 150, 184, 219], "looming": [252, 286, 319], "dimming": [353, 386, 420]}
RATE_HZ = 1 / 0.9565608


def regular(n_frames=439):
    return event_regressors({k: np.array(v) for k, v in REGULAR.items()}, Kernel(1.5), RATE_HZ, n_frames)


def irregular(seed=0, n_frames=439):
    rng = np.random.default_rng(seed)
    frames = {name: np.sort(rng.choice(n_frames - 5, 6, replace=False)) for name in "abc"}
    return event_regressors(frames, Kernel(1.5), RATE_HZ, n_frames)


def slow_noise(rng, n_rois, keep, n_frames=439):
    return lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.normal(size=(n_rois, n_frames + 300)), axis=1)[:, 300:]


def transients(rng, n_rois, n_frames=439):
    """ROIs that are silent but for a few large transients."""
    spikes = (rng.random((n_rois, n_frames + 50)) < 0.01) * rng.exponential(1, (n_rois, n_frames + 50))
    return lfilter([1], [1, -0.5], spikes, axis=1)[:, 50:] + 0.1 * rng.normal(size=(n_rois, n_frames))


KINDS = {
    "white": lambda rng, n: slow_noise(rng, n, 0.0),
    "slow": lambda rng, n: slow_noise(rng, n, 0.8),
    "very slow": lambda rng, n: slow_noise(rng, n, 0.95),
    "transients": transients,
    "of all kinds": lambda rng, n: np.vstack(
        [slow_noise(rng, n // 3, 0.0), slow_noise(rng, n // 3, 0.9), transients(rng, n - 2 * (n // 3))]
    ),
}


@pytest.mark.parametrize("n_frames", [438, 439])
def test_r2_at_every_shift_is_that_of_the_regression_on_shifted_regressors(n_frames):
    regressors = regular(n_frames)
    dff = np.random.default_rng(0).normal(3, 1, (4, n_frames))
    found = r2_at_all_shifts(dff, regressors)
    for shift in range(0, n_frames, 7):
        rolled = Regressors(regressors.names, np.roll(regressors.values, shift, axis=1), {})
        np.testing.assert_allclose(found[:, shift], fit_regressors(dff, rolled).r2, atol=1e-12)


def test_regular_stimuli_are_alike_at_their_interval_and_such_shifts_are_left_out():
    likeness = likeness_at_shifts(regular())
    assert likeness[0] == pytest.approx(1)
    assert likeness[30:40].argmax() + 30 in (34, 35)
    assert likeness[34] > 0.3
    shifts = least_alike_shifts(regular())
    assert len(shifts) == 219
    assert not np.isin([0, 1, 2, 33, 34, 35, 439 - 34, 438], shifts).any()
    assert likeness[shifts].max() <= np.delete(likeness, shifts).min()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("null", ["own", "pooled"])
@pytest.mark.parametrize("regressors", [regular(), irregular()], ids=["regular", "irregular"])
def test_p_of_noise_is_uniform(kind, null, regressors):
    noise = without_drift(KINDS[kind](np.random.default_rng(7), 1200), RATE_HZ, 200.0)
    p = shift_selection(noise, regressors_without_drift(regressors, RATE_HZ, 200.0), ShiftTest(null)).p
    # Three standard errors of a share of 1,200.
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.02)
    assert (p <= 0.01).mean() < 0.02
    assert kstest(p, "uniform").statistic < 0.06


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_rejected_at_the_stated_rate_beside_rois_that_respond(kind):
    rng, regressors = np.random.default_rng(8), regular()
    false, found = [], []
    for _ in range(12):
        dff = KINDS[kind](rng, 300)
        dff /= dff.std(axis=1, keepdims=True)
        responding = regressors.values[rng.integers(3, size=60)]
        dff[:60] += rng.uniform(0.7, 1.5, (60, 1)) * responding / responding.std(axis=1, keepdims=True)
        selected = shift_selection(dff, regressors).selected
        false.append(selected[60:].sum() / max(selected.sum(), 1))
        found.append(selected[:60].mean())
    assert 0.02 < np.mean(false) < 0.08
    assert np.mean(found) > 0.8


def test_noise_alone_is_seldom_selected_at_all():
    rng, regressors = np.random.default_rng(9), irregular()
    any_selected = [shift_selection(slow_noise(rng, 200, 0.8), regressors).selected.any() for _ in range(80)]
    assert np.mean(any_selected) < 0.12


def test_bleaching_passes_for_a_response_until_drift_is_removed():
    rng = np.random.default_rng(10)
    frames = {"early": np.array([3, 12, 30]), "late": np.array([150, 200, 300])}
    regressors = event_regressors(frames, Kernel(1.5), RATE_HZ, 439)
    bleaching = 3 * np.exp(-np.arange(439) / 439 * rng.uniform(1, 5, (800, 1))) + 0.3 * slow_noise(rng, 800, 0.6)
    assert (shift_selection(bleaching, regressors).p <= 0.05).mean() > 0.15
    flat, filtered = without_drift(bleaching, RATE_HZ, 200.0), regressors_without_drift(regressors, RATE_HZ, 200.0)
    assert (shift_selection(flat, filtered).p <= 0.05).mean() == pytest.approx(0.05, abs=0.025)


def test_the_pooled_null_reaches_p_that_a_rois_own_shifts_cannot():
    regressors = regular()
    dff = slow_noise(np.random.default_rng(11), 2000, 0.5)
    dff[:3] += 3 * regressors.values / regressors.values.std(axis=1, keepdims=True)
    own, pooled = (shift_selection(dff, regressors, ShiftTest(null)) for null in ("own", "pooled"))
    assert own.p.min() >= 1 / 439
    assert not own.selected.any()
    assert pooled.p[:3].max() < 1e-4
    assert pooled.selected[:3].all()


def test_what_is_said_of_the_null_is_so():
    regressors = regular()
    dff = np.random.default_rng(12).normal(size=(50, 439))
    dff[3], dff[4, 9] = 0.0, np.nan
    found = shift_selection(dff, regressors)
    shifts = least_alike_shifts(regressors)
    assert found.n_shifts == len(shifts)
    assert found.smallest_shift_frames == min(min(s, 439 - s) for s in shifts.tolist())
    r2 = r2_at_all_shifts(dff, regressors)
    np.testing.assert_allclose(found.r2, r2[:, 0])
    np.testing.assert_allclose(found.null_r2, r2[:, shifts].mean(axis=1))
    there = np.isfinite(found.r2)
    assert np.flatnonzero(~there).tolist() == [3, 4]
    assert not found.selected[~there].any()
    assert np.isnan(found.p[~there]).all()
    np.testing.assert_array_equal(found.null_counts, np.histogram(r2[there][:, shifts], np.arange(101) / 100)[0])
    np.testing.assert_allclose(found.q[there], false_discovery_control(found.p[there]))
    np.testing.assert_array_equal(found.selected[there], found.q[there] <= 0.05)
    own = shift_selection(dff, regressors, ShiftTest("own"))
    np.testing.assert_allclose(own.p[there], (r2 >= r2[:, :1] - 1e-10).mean(axis=1)[there])


def test_pooled_p_is_the_rank_among_all_rois_at_all_shifts():
    regressors = irregular(3)
    dff = np.random.default_rng(13).normal(size=(30, 439))
    r2, shifts = r2_at_all_shifts(dff, regressors), least_alike_shifts(regressors)
    relative = np.stack([r2[:, s] / r2[:, (s + shifts) % 439].mean(axis=1) for s in range(439)], axis=1)
    expected = (1 + (relative[:, shifts][None] >= relative[:, 0][:, None, None]).sum(axis=(1, 2))) / (
        1 + 30 * len(shifts)
    )
    np.testing.assert_allclose(shift_selection(dff, regressors).p, expected, atol=2e-3)


def test_a_recording_of_which_no_roi_can_be_fitted_selects_none():
    found = shift_selection(np.zeros((3, 439)), regular())
    assert not found.selected.any()
    assert np.isnan(found.q).all()
    assert found.null_counts.sum() == 0


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="'pooled' or 'own', got 'normal'"):
        ShiftTest("normal")
    with pytest.raises(ValueError, match="fdr must be between 0 and 1, got 0"):
        ShiftTest(fdr=0)
    with pytest.raises(ValueError, match="at least 40 frames, got 30"):
        shift_selection(np.ones((2, 30)), event_regressors({"a": np.array([3, 9])}, Kernel(1.5), 1.0, 30))
    with pytest.raises(ValueError, match=r"must be \(n_rois, 439\)"):
        shift_selection(np.ones((2, 30)), regular())
