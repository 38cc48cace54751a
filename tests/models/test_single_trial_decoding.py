"""Single trials through time: scores by fitting every decoder, planted effects, and false positives."""

import mne.decoding
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold

from models.linear_decoders import area_under_roc
from models.single_trial_decoding import decode_left_out_mice, decode_stratified
from models.time_folds import stratified_folds

LOGISTIC = ("logistic",)


def trials(seed: int, n_mice: int = 5, n_each: int = 20, n_times: int = 12, gain: float = 0.0, between: float = 0.0):
    """As many omitted as presented rows of each mouse; an effect from time 6 on, whose size varies between mice."""
    rng = np.random.default_rng(seed)
    mouse, y = np.repeat(np.arange(n_mice), 2 * n_each), np.tile(np.arange(2), n_mice * n_each)
    values = rng.standard_normal((len(y), n_times))
    effect = (gain + between * rng.standard_normal(n_mice))[mouse] * y
    values[:, n_times // 2 :] += effect[:, None]
    return values.astype(np.float32), y, mouse


def newton() -> LogisticRegression:
    return LogisticRegression(solver="newton-cholesky", tol=1e-10)


def test_stratified_scores_are_those_of_mnes_sliding_and_generalising_estimators():
    values, y, _ = trials(1, gain=0.5)
    course = decode_stratified(values, y, stratified_folds(y), LOGISTIC, n_permutations=5, every=2)["logistic"]
    cv = StratifiedKFold(10, shuffle=True, random_state=42)
    X = values[:, None, :].astype(np.float64)  # (n_rows, 1 channel, n_times)
    for scoring, ours in (("roc_auc", course.auc), ("accuracy", course.accuracy)):
        sliding = mne.decoding.SlidingEstimator(newton(), scoring=scoring, verbose=False)
        scores = mne.decoding.cross_val_multiscore(sliding, X, y, cv=cv, verbose=False)
        np.testing.assert_allclose(ours, scores.mean(axis=0), atol=1e-12)
    generalising = mne.decoding.GeneralizingEstimator(newton(), scoring="roc_auc", verbose=False)
    scores = mne.decoding.cross_val_multiscore(generalising, X[:, :, ::2], y, cv=cv, verbose=False)
    np.testing.assert_allclose(course.generalisation, scores.mean(axis=0), atol=1e-12)


def test_left_out_mice_are_scored_as_by_a_loop_over_scikit_learn():
    values, y, mouse = trials(2, gain=0.3, between=0.5)
    course = decode_left_out_mice(values, y, mouse, LOGISTIC)["logistic"]
    auc, accuracy = np.empty((5, 12)), np.empty((5, 12))
    for m, (train, test) in enumerate(LeaveOneGroupOut().split(values, y, mouse)):
        assert not set(mouse[train]) & set(mouse[test])
        for t in range(12):
            x = values[:, [t]].astype(np.float64)
            fitted = newton().fit(x[train], y[train])
            auc[m, t] = roc_auc_score(y[test], fitted.predict_proba(x[test])[:, 1])
            accuracy[m, t] = accuracy_score(y[test], fitted.predict(x[test]))
    np.testing.assert_allclose(course.auc, auc.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(course.auc_sem, auc.std(axis=0, ddof=1) / np.sqrt(5), atol=1e-12)
    np.testing.assert_allclose(course.accuracy, accuracy.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(np.diag(course.generalisation), course.auc[::3], atol=1e-12)


def test_relabelling_a_mouse_equals_decoding_its_swapped_labels_anew():
    values, y, mouse = trials(3, n_mice=4, between=0.6)
    rows = np.flatnonzero(mouse != 1)[:-7]  # unequal numbers too
    values, y, mouse = values[rows], y[rows], np.unique(mouse[rows], return_inverse=True)[1]
    reached = []
    for swap in range(8):
        swapped = np.where((swap >> mouse) & 1, 1 - y, y)
        reached.append(decode_left_out_mice(values, swapped, mouse, LOGISTIC)["logistic"].auc.max())
    observed = decode_left_out_mice(values, y, mouse, LOGISTIC)["logistic"]
    assert observed.n_permutations == 8
    assert observed.p_max.min() == pytest.approx(np.mean(np.array(reached) >= reached[0] - 1e-12))


def test_a_planted_effect_is_found_at_its_time_and_nothing_before():
    values, y, mouse = trials(4, n_mice=6, n_each=60, gain=1.0)
    for course in (
        decode_left_out_mice(values, y, mouse)["lda"],
        decode_stratified(values, y, stratified_folds(y), n_permutations=100)["logistic"],
    ):
        assert (course.p_max[6:] < 0.05).all()
        assert (course.p_max[:6] > 0.05).all()
        assert (course.cluster[6:] >= 0).all()
        assert (course.p_cluster[6:] < 0.05).all()
        assert (course.auc[6:] > 0.7).all()


def test_five_percent_of_shuffled_labels_are_called_an_effect():
    called, rng = [], np.random.default_rng(5)
    for seed in range(400):
        values, y, _ = trials(seed, n_mice=2, n_each=30, n_times=6)
        shuffled = rng.permutation(y)
        fold = stratified_folds(shuffled, 5)
        course = decode_stratified(values, shuffled, fold, LOGISTIC, n_permutations=59, seed=seed)["logistic"]
        called.append((course.p_max.min() <= 0.05, np.nanmin(np.append(course.p_cluster, 1)) <= 0.05))
    rate = np.mean(called, axis=0)
    assert ((rate > 0.025) & (rate < 0.075)).all(), rate


def test_mice_that_differ_without_an_average_effect_are_called_no_oftener_than_promised():
    """With 6 mice the attainable 5 % level is 1 / 32; flipping the signs of (AUC - .5) would call 8 to 10 %."""
    n, p = 400, []
    for seed in range(n):
        values, y, mouse = trials(seed, n_mice=6, n_each=15, n_times=4, between=1.0)
        p.append(decode_left_out_mice(values, y, mouse, LOGISTIC)["logistic"].p_max.min())
    assert (np.array(p) <= 0.05).mean() < 0.055
    assert 0.07 < (np.array(p) <= 0.1).mean() < 0.12  # 3 of 32 labellings


def test_mouse_identity_helps_nobody():
    """Rows that only tell the mouse apart: labels are as many in each, and the score is chance."""
    rng = np.random.default_rng(6)
    mouse, y = np.repeat(np.arange(6), 40), np.tile(np.arange(2), 120)
    values = (mouse[:, None] + 0.01 * rng.standard_normal((240, 30))).astype(np.float32)
    course = decode_left_out_mice(values, y, mouse, LOGISTIC)["logistic"]
    assert abs(course.auc.mean() - 0.5) < 0.02
    assert course.p_max.min() > 0.05


def test_a_mouse_with_one_condition_is_refused():
    values, y, mouse = trials(7)
    kept = (mouse != 0) | (y == 1)
    with pytest.raises(ValueError, match=r"must hold both labels"):
        decode_left_out_mice(values[kept], y[kept], mouse[kept])


def test_the_slope_never_turns_the_area_of_a_larger_class_mean():
    values, y, _ = trials(8, gain=2.0)
    fold = stratified_folds(y)
    course = decode_stratified(values, y, fold, LOGISTIC, n_permutations=5)["logistic"]
    areas = [area_under_roc(values[fold == f, -1], y[fold == f]) for f in range(10)]
    assert course.auc[-1] == pytest.approx(np.mean(areas))
