import numpy as np
import pytest

from models.baselines import (
    dff_over_own_percentile,
    dff_over_percentile_across_rois,
    dff_over_running_percentile,
    regressors_without_drift,
    without_drift,
)
from models.indicator_kernels import Kernel
from models.regressor_fits import fit_regressors
from models.regressors import event_regressors


def test_a_rois_own_percentile_by_hand():
    raw = np.array([[10.0, 10, 10, 10, 30], [1, 2, 3, 4, 5]])
    found = dff_over_own_percentile(raw, 0.0)
    np.testing.assert_allclose(found.values, [[0, 0, 0, 0, 2], [0, 1, 2, 3, 4]])
    np.testing.assert_allclose(dff_over_own_percentile(raw, 50.0).values[1], raw[1] / 3 - 1)


def test_the_published_form_is_the_percentile_across_rois_within_a_frame():
    raw = np.random.default_rng(0).uniform(50, 200, (40, 30))
    baseline = np.percentile(raw, 5, 0)  # as the source has it
    np.testing.assert_allclose(dff_over_percentile_across_rois(raw).values, (raw - baseline) / baseline)
    # It is no ROI's own: a flat ROI gets what others do.
    raw[0] = 100
    assert np.ptp(dff_over_percentile_across_rois(raw).values[0]) > 0.1
    assert np.ptp(dff_over_own_percentile(raw).values[0]) == 0


def test_a_running_percentile_follows_bleaching_and_keeps_transients():
    frames = np.arange(2000)
    baseline = 100 * np.exp(-frames / 1500)
    raw = np.tile(baseline, (2, 1))
    raw[1, 1000:1010] *= 2
    found = dff_over_running_percentile(raw, 10.0, window_s=20, percentile=50)
    away = slice(100, -100)
    assert np.abs(found.values[0, away]).max() < 0.01
    np.testing.assert_allclose(found.values[1, 1000:1010], 1, atol=0.02)
    assert np.abs(dff_over_own_percentile(raw).values[0]).max() > 1


def test_a_running_percentile_is_the_percentile_of_its_window():
    raw = np.random.default_rng(1).uniform(1, 2, (3, 60))
    found = dff_over_running_percentile(raw, 1.0, window_s=11, percentile=50)
    expected = [np.median(raw[1, frame - 5 : frame + 6]) for frame in range(5, 55)]
    np.testing.assert_allclose(found.values[1, 5:55], raw[1, 5:55] / expected - 1)


def test_rois_of_zeros_have_no_baseline_and_no_dff():
    raw = np.array([[0.0, 0, 0], [1, 2, 3], [-1, 2, 3]])
    found = dff_over_own_percentile(raw, 0.0)
    assert found.has_baseline.tolist() == [False, True, False]
    assert np.isnan(found.values[[0, 2]]).all()
    with pytest.raises(ValueError, match="isn't above 0 in 3 frames, the first is 0: leave ROIs of zeros out"):
        dff_over_percentile_across_rois(np.vstack([np.zeros((8, 3)), np.ones((2, 3))]))


def test_drift_is_removed_and_what_is_fast_stays():
    rng = np.random.default_rng(2)
    frames = np.arange(600)
    fast = rng.normal(size=600)
    drift = 3 * np.exp(-frames / 150) + 0.01 * frames
    found = without_drift(np.stack([fast, fast + drift, drift]), 2.0, 60.0)
    np.testing.assert_allclose(found[1], found[0] + found[2], atol=1e-9)
    assert np.corrcoef(found[0], fast)[0, 1] > 0.97
    assert found[2].std() < 0.02 * drift.std()
    assert np.abs(without_drift(frames[None] * 2.0 + 5, 2.0, 60.0)).max() < 1e-9
    np.testing.assert_allclose(without_drift(found, 2.0, 60.0), found, atol=1e-9)


def test_coefficients_stay_what_they_were_without_drift():
    regressors = event_regressors({"a": np.arange(20, 580, 37), "b": np.arange(31, 590, 53)}, Kernel(1.5), 2.0, 600)
    dff = np.array([[2.0, 0.5]]) @ regressors.values + 5 * np.exp(-np.arange(600) / 200)
    clean = without_drift(dff, 2.0, 100.0)
    found = fit_regressors(clean, regressors_without_drift(regressors, 2.0, 100.0))
    np.testing.assert_allclose(found.coefficient, [[2.0, 0.5]], atol=0.06)
    assert np.abs(fit_regressors(dff, regressors).coefficient - [[2.0, 0.5]]).max() > 0.15


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="finite"):
        dff_over_own_percentile(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="percentile must be 0 to 100, got 101"):
        dff_over_own_percentile(np.ones((2, 5)), 101)
    with pytest.raises(ValueError, match="3 to 5 frames, got 60 s, which is 61 frames"):
        dff_over_running_percentile(np.ones((2, 5)), 1.0, 60)
    with pytest.raises(ValueError, match="rate_hz must be positive"):
        dff_over_running_percentile(np.ones((2, 5)), 0.0)
    with pytest.raises(ValueError, match="all there is in 10 frames"):
        without_drift(np.ones((1, 10)), 1.0, 1.0)
