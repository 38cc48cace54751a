"""Folds: scikit-learn's own, and blocks of time that are disjoint, balanced and apart."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from models.time_folds import folds_of, stratified_folds, time_block_folds


def test_stratified_folds_are_scikit_learns():
    y = (np.random.default_rng(12).random(300) < 0.2).astype(np.int64)
    theirs = StratifiedKFold(10, shuffle=True, random_state=42).split(y, y)
    for ours, (train, test) in zip(folds_of(stratified_folds(y)), theirs, strict=True):
        np.testing.assert_array_equal(ours.train, train)
        np.testing.assert_array_equal(ours.test, test)


@pytest.mark.parametrize("seed", range(5))
def test_blocks_of_time_are_apart_balanced_and_disjoint(seed):
    rng = np.random.default_rng(seed)
    onset_s = np.cumsum(rng.uniform(0.7, 0.8, 800))
    omitted = rng.random(800) < 0.05
    shuffled = rng.permutation(800)  # the order of events doesn't matter
    onset_s, omitted = onset_s[shuffled], omitted[shuffled]
    folds = time_block_folds(onset_s, omitted, rng, n_folds=5, gap_s=5.0)
    tested = np.concatenate([fold.test for fold in folds])
    assert len(tested) == len(np.unique(tested))
    assert omitted[tested].sum() == omitted.sum()  # every omission is tested once
    for fold in folds:
        distance_s = np.abs(onset_s[fold.train][:, None] - onset_s[fold.test])
        assert distance_s.min() > 5.0
        assert omitted[fold.test].mean() == 0.5
        first_s, last_s = onset_s[fold.test].min(), onset_s[fold.test].max()
        elsewhere = onset_s[np.setdiff1d(tested, fold.test)]
        assert not ((elsewhere >= first_s) & (elsewhere <= last_s)).any()


def test_what_has_no_blocks_is_refused():
    rng = np.random.default_rng(13)
    omitted = np.arange(100) % 20 == 0
    with pytest.raises(ValueError, match=r"5 blocks need at least 10 omissions, got 5"):
        time_block_folds(np.arange(100.0), omitted, rng)
    with pytest.raises(ValueError, match=r"blocks of time need onsets, got 100"):
        time_block_folds(np.full(100, np.nan), omitted, rng)
    with pytest.raises(ValueError, match=r"10 folds need at least 10 rows of each label, got 5"):
        stratified_folds(omitted.astype(int))
