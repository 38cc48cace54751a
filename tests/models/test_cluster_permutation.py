"""Largest statistic and cluster mass: mne's answers, and false positives as often as promised."""

import mne
import numpy as np
import pytest

from models.cluster_permutation import cluster_p, max_statistic_p, sign_flips, t_against_zero, t_threshold


def courses(seed: int, n_mice: int = 7, n_times: int = 40, gain: float = 0.0):
    """Smooth courses of mice (n_mice, n_times), with an effect from time 20 to 27."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n_mice, n_times + 4))
    smooth = np.stack([np.convolve(row, np.ones(5) / 5, mode="valid") for row in noise])
    smooth[:, 20:28] += gain
    return smooth


def relabelled(values):
    return sign_flips(len(values))[:, :, None] * values


@pytest.mark.filterwarnings("ignore:No clusters found")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gain", [0.0, 0.6])
def test_clusters_and_their_p_are_those_of_mne(seed, gain):
    values = courses(seed, gain=gain)
    threshold = t_threshold(len(values))
    t, clusters, _, largest = mne.stats.permutation_cluster_1samp_test(
        values, threshold=threshold, n_permutations=2**7, tail=1, out_type="mask", verbose=False
    )
    # mne 1.13 counts the observed signs twice when one-sided, and leaves out the flip of all mice.
    assert len(largest) in (0, 2**7)
    largest[:1] = max((-t[where].sum() for where in _runs(-t > threshold)), default=0)
    null = t_against_zero(relabelled(values))
    np.testing.assert_allclose(null[0], t)
    cluster, ours = cluster_p(null, threshold)
    assert cluster.max() + 1 == len(clusters)
    for number, theirs in enumerate(clusters):
        np.testing.assert_array_equal(np.flatnonzero(cluster == number), np.arange(40)[theirs])
        np.testing.assert_allclose(ours[cluster == number], (largest >= t[theirs].sum() - 1e-9).mean())
    assert np.isnan(ours[cluster < 0]).all()


def _runs(above) -> list[np.ndarray]:
    places = np.flatnonzero(above)
    return np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(places) else []


@pytest.mark.parametrize("seed", range(3))
def test_the_largest_t_is_tested_as_mne_does(seed):
    values = courses(seed, gain=0.5)
    _, p, _ = mne.stats.permutation_t_test(values, n_permutations=2**7, tail=0, verbose=False)
    np.testing.assert_allclose(max_statistic_p(np.abs(t_against_zero(relabelled(values)))), p)


def test_by_hand():
    null = np.array([[0.0, 3.0, 4.0, 0.0, 2.5], [5.0, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 3.0, 3.0, 3.0]])
    np.testing.assert_allclose(max_statistic_p(null), [1, 1, 2 / 3, 1, 1])
    cluster, p = cluster_p(null, 2.0)
    assert cluster.tolist() == [-1, 0, 0, -1, 1]
    np.testing.assert_allclose(p, [np.nan, 2 / 3, 2 / 3, np.nan, 1.0])


def test_five_percent_of_nulls_are_called_an_effect():
    n, alpha = 600, 0.05
    called = np.zeros((n, 2))
    for seed in range(n):
        null = relabelled(courses(seed, n_times=30))
        called[seed, 0] = max_statistic_p(null.mean(axis=1)).min() <= alpha
        called[seed, 1] = np.nanmin(np.append(cluster_p(t_against_zero(null), t_threshold(7))[1], 1.0)) <= alpha
    assert ((called.mean(axis=0) > 0.03) & (called.mean(axis=0) < 0.07)).all(), called.mean(axis=0)


def test_many_mice_are_drawn_from_and_two_are_the_fewest():
    flips = sign_flips(20)
    assert flips.shape == (4096, 20)
    assert (flips[0] == 1).all()
    assert len(np.unique(sign_flips(5), axis=0)) == 32
    with pytest.raises(ValueError, match=r"at least 2 values, got 1"):
        sign_flips(1)
    with pytest.raises(ValueError, match=r"observed one first"):
        max_statistic_p(np.zeros((1, 5)))
