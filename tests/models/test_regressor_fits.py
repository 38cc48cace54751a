import numpy as np
import pytest
import statsmodels.api as sm
from scipy.signal import lfilter
from sklearn.linear_model import LinearRegression

from models import regressor_fits
from models.indicator_kernels import Kernel
from models.regressor_fits import coefficient_covariance, fit_regressors, held_out_r2
from models.regressor_folds import event_folds, most_folds
from models.regressors import Regressors, event_regressors, with_continuous
from models.time_folds import Fold


def design(n_frames=300, seed=0):
    rng = np.random.default_rng(seed)
    frames = {name: np.sort(rng.choice(n_frames - 5, 8, replace=False)) for name in "abc"}
    return with_continuous(event_regressors(frames, Kernel(1.5), 1.0, n_frames), "running", rng.normal(size=n_frames))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fits_agree_with_scikit_learn_and_statsmodels(dtype, monkeypatch):
    regressors = design()
    rng = np.random.default_rng(1)
    dff = (rng.normal(size=(40, 4)) @ regressors.values + rng.normal(7, 1, (40, 300))).astype(dtype)
    # Three ROIs at a time, so that pieces are put together.
    monkeypatch.setattr(regressor_fits, "_BYTES_AT_ONCE", 3 * 8 * 300)
    found = fit_regressors(dff, regressors)
    for roi, trace in enumerate(dff.astype(np.float64)):
        theirs = LinearRegression().fit(regressors.values.T, trace)
        np.testing.assert_allclose(found.coefficient[roi], theirs.coef_, rtol=1e-9, atol=1e-10)
        assert found.intercept[roi] == pytest.approx(theirs.intercept_, rel=1e-9)
        assert found.r2[roi] == pytest.approx(theirs.score(regressors.values.T, trace), abs=1e-10)
    ols = sm.OLS(dff[5].astype(np.float64), sm.add_constant(regressors.values.T)).fit()
    np.testing.assert_allclose([found.intercept[5], *found.coefficient[5]], ols.params, rtol=1e-8)
    assert found.r2[5] == pytest.approx(ols.rsquared, abs=1e-10)


def test_rois_of_zeros_constants_and_missing_frames_are_not_fitted():
    regressors = design()
    dff = np.random.default_rng(2).normal(size=(5, 300))
    dff[0], dff[1], dff[2, 7] = 0.0, 0.1, np.nan
    found = fit_regressors(dff, regressors)
    assert found.is_fitted.tolist() == [False, False, False, True, True]
    for values in (found.r2, found.intercept, found.coefficient[:, 0], held_out_r2(dff, regressors, folds(regressors))):
        np.testing.assert_array_equal(np.isfinite(values), found.is_fitted)
    assert np.isfinite(coefficient_covariance(dff, regressors)).all(axis=(1, 2)).tolist() == found.is_fitted.tolist()
    np.testing.assert_allclose(found.r2[3:], fit_regressors(dff[3:], regressors).r2)


def test_in_white_noise_the_errors_are_those_of_the_textbook():
    regressors = design(2000)
    dff = np.random.default_rng(3).normal(size=(200, 2000))
    found = coefficient_covariance(dff, regressors).mean(axis=0)
    textbook = np.mean(
        [sm.OLS(y, sm.add_constant(regressors.values.T)).fit().cov_params()[1:, 1:] for y in dff], axis=0
    )
    np.testing.assert_allclose(found, textbook, atol=0.03 * textbook.diagonal().max())


def test_in_slow_noise_the_errors_are_the_spread_over_many_rois_where_the_textbooks_are_too_small():
    regressors = design(1000)
    noise = lfilter([1], [1, -0.9], np.random.default_rng(4).normal(size=(2000, 1200)), axis=1)[:, 200:]
    spread = np.cov(fit_regressors(noise, regressors).coefficient.T)
    found = coefficient_covariance(noise, regressors).mean(axis=0)
    np.testing.assert_allclose(np.sqrt(found.diagonal()), np.sqrt(spread.diagonal()), rtol=0.08)
    assert np.sqrt(sm.OLS(noise[0], sm.add_constant(regressors.values.T)).fit().cov_params()[1, 1]) < 0.7 * np.sqrt(
        spread[0, 0]
    )


def folds(regressors):
    return event_folds(regressors, 4, 5)


def test_held_out_r2_is_that_of_scikit_learn_fold_by_fold():
    regressors = design()
    rng = np.random.default_rng(5)
    dff = rng.normal(size=(6, 4)) @ regressors.values + rng.normal(size=(6, 300))
    error, total = np.zeros(6), np.zeros(6)
    for fold in folds(regressors):
        x, y = regressors.values.T, dff.T
        predicted = LinearRegression().fit(x[fold.train], y[fold.train]).predict(x[fold.test])
        error += ((y[fold.test] - predicted) ** 2).sum(axis=0)
        total += ((y[fold.test] - y[fold.train].mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(held_out_r2(dff, regressors, folds(regressors)), 1 - error / total, atol=1e-10)


def test_noise_has_no_held_out_r2_though_it_has_one_in_sample():
    regressors = design()
    noise = np.random.default_rng(6).normal(size=(300, 300))
    assert fit_regressors(noise, regressors).r2.mean() == pytest.approx(4 / 299, rel=0.1)
    assert held_out_r2(noise, regressors, folds(regressors)).mean() < 0


def test_folds_hold_out_every_frame_once_and_every_stimulus_each_time():
    regressors = design()
    found = folds(regressors)
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in found])), np.arange(300))
    for fold in found:
        assert np.abs(fold.train[:, None] - fold.test).min() > 5
        assert all(np.isin(events, fold.test).any() for events in regressors.event_frames.values())
        assert all(np.isin(events, fold.train).any() for events in regressors.event_frames.values())


def test_stimuli_shown_one_kind_after_the_other_are_in_every_fold():
    shown = {"prey": [46, 80, 115, 150, 184, 219], "looming": [252, 286, 319], "dimming": [353, 386, 420]}
    regressors = event_regressors({k: np.array(v) for k, v in shown.items()}, Kernel(1.5), 1 / 0.9565608, 439)
    assert most_folds(regressors) == 3
    held_out = [[int(np.isin(v, fold.test).sum()) for v in shown.values()] for fold in event_folds(regressors, 3, 5)]
    assert held_out == [[2, 1, 1]] * 3


def test_what_cannot_be_is_refused():
    regressors = design()
    with pytest.raises(ValueError, match=r"must be \(n_rois, 300\) as the regressors are, got \(2, 299\)"):
        fit_regressors(np.ones((2, 299)), regressors)
    doubled = Regressors(("a", "b"), np.vstack([regressors.values[0]] * 2), {})
    with pytest.raises(ValueError, match="collinear regressors can't be told apart: a, b"):
        fit_regressors(np.ones((2, 300)), doubled)
    with pytest.raises(ValueError, match="9 folds need as many events of each stimulus, and a has 8"):
        event_folds(regressors, 9, 5)
    with pytest.raises(ValueError, match="two folds or more"):
        event_folds(regressors, 1, 5)
    with pytest.raises(ValueError, match="cut at events, and no regressor has any"):
        event_folds(Regressors(("running",), np.arange(300.0)[None], {}), 2, 5)
    close = event_regressors({"a": np.array([10, 12, 14]), "b": np.array([50, 100, 150])}, Kernel(1.5), 1.0, 300)
    with pytest.raises(ValueError, match="events of a lie in fewer blocks of time than the 3 folds"):
        event_folds(close, 3, 5)
    before = np.arange(regressors.event_frames["a"].min())
    with pytest.raises(ValueError, match="fold 1 of 1 has too little to learn from: regressors that never change"):
        held_out_r2(np.ones((1, 300)), regressors, [Fold(before, np.arange(200, 300))])
