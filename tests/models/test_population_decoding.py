"""Populations through time: mne's scores, a planted time, and mice tested as often as promised."""

import mne.decoding
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.population_decoding import decode_population
from models.time_decoding import course_over_mice
from models.time_folds import folds_of, time_block_folds

ONSET_S = 0.75 * np.arange(400)


def session(seed: int, n_units: int = 6, n_times: int = 9, gain: float = 0.0, n_events: int = 400):
    """X (n_times, n_events, n_units) and which events were omissions; units tell them apart from time 5 on."""
    rng = np.random.default_rng(seed)
    omitted = np.zeros(n_events, dtype=bool)
    omitted[rng.permutation(n_events)[: n_events // 10]] = True
    X = rng.standard_normal((n_times, n_events, n_units))
    X[5:] += gain * omitted[:, None] * rng.choice((-1, 1), n_units)
    return X, omitted, rng


def theirs(decoder: str, standardise: bool):
    if decoder == "lda":
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    logistic = LogisticRegression(solver="newton-cholesky", tol=1e-10)
    return make_pipeline(StandardScaler(), logistic) if standardise else logistic


@pytest.mark.parametrize(("decoder", "standardise"), [("logistic", True), ("logistic", False), ("lda", True)])
def test_scores_are_those_of_mnes_estimators(decoder, standardise):
    X, omitted, rng = session(1, gain=0.5)
    y = omitted.astype(np.int64)
    folds = time_block_folds(ONSET_S, omitted, rng)
    ours = decode_population(X, y, folds, decoder, standardise, every=1)
    channels = X.transpose(1, 2, 0)
    cv = [(fold.train, fold.test) for fold in folds]
    estimator = theirs(decoder, standardise)
    sliding = mne.decoding.SlidingEstimator(estimator, scoring="accuracy", verbose=False)
    accuracy = mne.decoding.cross_val_multiscore(sliding, channels, y, cv=cv, verbose=False).mean(axis=0)
    generalising = mne.decoding.GeneralizingEstimator(estimator, scoring="roc_auc", verbose=False)
    auc = mne.decoding.cross_val_multiscore(generalising, channels, y, cv=cv, verbose=False).mean(axis=0)
    np.testing.assert_allclose(ours.accuracy, accuracy)
    np.testing.assert_allclose(ours.generalisation, auc)
    np.testing.assert_allclose(ours.auc, np.diag(auc))


def mice(seeds, **planted):
    found = []
    for seed in seeds:
        X, omitted, rng = session(seed, **planted)
        folds = time_block_folds(ONSET_S[: len(omitted)], omitted, rng, n_folds=3)
        found.append(decode_population(X, omitted.astype(np.int64), folds, "lda"))
    return course_over_mice(*(np.stack([getattr(s, n) for s in found]) for n in ("auc", "accuracy", "generalisation")))


def test_a_planted_effect_is_found_at_its_time_and_generalises_to_its_times_only():
    course = mice(range(6), gain=0.7)
    assert (course.p_max[5:] <= 1 / 32).all()
    assert (course.p_max[:5] > 0.05).all()
    assert (course.p_cluster[5:] < 0.05).all()
    early_late = course.generalisation  # times 0, 3, 6
    assert early_late[2, 2] > 0.75
    assert (np.abs(early_late[:2] - 0.5) < 0.15).all()


def test_about_five_percent_of_nulls_are_called_an_effect():
    called = [mice(range(6 * n, 6 * n + 6), n_units=3, n_times=4, n_events=300).p_max.min() <= 0.05 for n in range(150)]
    assert 0.005 < np.mean(called) < 0.095, np.mean(called)


def test_a_single_mouse_has_no_p():
    course = mice([0])
    assert course.n_permutations == 0
    assert np.isnan(course.p_max).all()
    assert np.isnan(course.auc_sem).all()


def test_another_decoder_is_refused():
    X, omitted, _ = session(2)
    with pytest.raises(ValueError, match=r"decoder must be 'logistic' or 'lda', got 'svm'"):
        decode_population(X, omitted.astype(int), folds_of(np.arange(400) % 2), "svm")
