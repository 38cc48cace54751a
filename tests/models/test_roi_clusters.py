import numpy as np
import pytest
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist, squareform
from scipy.stats import zscore
from sklearn.metrics import adjusted_rand_score, silhouette_score

from models.roi_clusters import ClusterChoice, cluster_rois, distances, mean_silhouette, z_scored


def planted(sizes=(12, 30, 20), noise=0.7, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    gain = rng.uniform(0.2, 5, (len(truth), 1))
    shapes = rng.normal(size=(len(sizes), 200))
    return gain * (shapes[truth] + rng.normal(0, noise, (len(truth), 200))) + rng.normal(size=(len(truth), 1)), truth


@pytest.mark.parametrize("method", ["average", "complete", "single", "weighted"])
def test_merges_are_those_of_scipy_on_the_traces(method):
    traces, _ = planted(noise=2.0)
    theirs = linkage(traces, method, metric="correlation")
    ours = linkage(squareform(distances(traces), checks=False), method)
    np.testing.assert_array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    np.testing.assert_allclose(ours[:, 2], theirs[:, 2], atol=1e-12)


def test_distances_are_those_of_scipy():
    traces, _ = planted()
    np.testing.assert_allclose(distances(traces), squareform(pdist(traces, "correlation")), atol=1e-12)
    euclidean = squareform(pdist(zscore(traces, axis=1), "euclidean"))
    np.testing.assert_allclose(distances(traces, "euclidean"), euclidean, atol=1e-6)


def test_silhouettes_are_those_of_scikit_learn():
    traces, truth = planted()
    truth[0] = 7  # alone in its cluster
    square = distances(traces)
    expected = silhouette_score(square, truth, metric="precomputed")
    assert mean_silhouette(square, truth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("method", "distance"),
    [("average", "correlation"), ("complete", "correlation"), ("ward", "euclidean"), ("average", "euclidean")],
)
def test_planted_clusters_come_back_with_their_number_largest_first(method, distance):
    traces, truth = planted()
    found = cluster_rois(traces, ClusterChoice(method, distance))
    assert found.count == 3
    assert found.is_stable
    assert adjusted_rand_score(truth, found.cluster) >= 0.95
    assert np.bincount(found.cluster).tolist() == [30, 20, 12]
    assert max(found.silhouette, key=found.silhouette.get) == 3


def test_leaves_are_in_scipys_optimal_order():
    traces, _ = planted(noise=1.5)
    found = cluster_rois(traces)
    pairs = pdist(traces, "correlation")
    best = leaves_list(optimal_leaf_ordering(linkage(pairs, "average"), pairs))
    length = [squareform(pairs)[order[:-1], order[1:]].sum() for order in (found.leaf_order, best)]
    assert length[0] == pytest.approx(length[1], abs=1e-9)
    assert sorted(found.leaf_order) == list(range(len(traces)))
    merged = cluster_rois(traces, ClusterChoice(most_ordered=10)).leaf_order
    np.testing.assert_array_equal(merged, leaves_list(linkage(pairs, "average")))


def test_rois_of_zeros_and_with_missing_frames_are_set_apart():
    traces, truth = planted()
    traces[3], traces[8], traces[11, 5] = 0.0, 0.1, np.nan
    found = cluster_rois(traces)
    apart = [3, 8, 11]
    assert np.flatnonzero(found.cluster == -1).tolist() == apart
    assert not np.isin(apart, found.leaf_order).any()
    np.testing.assert_array_equal(found.clustered, np.delete(np.arange(len(traces)), apart))
    assert len(found.merges) == len(traces) - 4
    assert adjusted_rand_score(truth[found.clustered], found.cluster[found.clustered]) >= 0.95
    with pytest.raises(ValueError, match=r"3 ROIs never change or miss a frame, and have no z-score: \[3, 8, 11\]"):
        z_scored(traces)


def test_noise_has_no_stable_number_of_clusters():
    noise = np.random.default_rng(1).normal(size=(60, 200))
    found = cluster_rois(noise)
    assert not found.is_stable
    assert max(found.silhouette.values()) < 0.05


def test_the_same_traces_give_the_same_clusters():
    traces, _ = planted(noise=2.0)
    np.testing.assert_array_equal(cluster_rois(traces).cluster, cluster_rois(traces).cluster)


def test_z_scores_are_scipys():
    traces, _ = planted()
    np.testing.assert_allclose(z_scored(traces), zscore(traces, axis=1), atol=1e-12)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="ward linkage takes Euclidean distances, got correlation"):
        ClusterChoice("ward")
    with pytest.raises(ValueError, match="clusters to try must be 2 or more"):
        ClusterChoice(most=1)
    with pytest.raises(ValueError, match="drawn_share must be between 0 and 1"):
        ClusterChoice(drawn_share=1.0)
    with pytest.raises(ValueError, match="4 ROIs that change and have all their frames, got 3"):
        cluster_rois(np.vstack([np.eye(3), np.zeros((5, 3))]))
    with pytest.raises(ValueError, match=r"\(n_rois, n_frames\)"):
        cluster_rois(np.ones(4))
    with pytest.raises(ValueError, match="two clusters or more"):
        mean_silhouette(np.zeros((3, 3)), np.zeros(3, int))
