import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from models.response_maps import (
    first_component_over_time,
    in_own_spread,
    principal_components,
    tsne_places,
    umap_places,
)

pytestmark = pytest.mark.xdist_group("umap")  # which each process compiles for ten seconds


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def two_clouds(rng):
    """30 rows about each of two far places, and which."""
    cloud = np.repeat([0, 1], 30)
    return rng.normal(size=(60, 12)) + 20 * cloud[:, None], cloud


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_components_are_those_of_scikit_learn(rng, shape):
    rows = rng.normal(size=shape) @ np.diag(np.linspace(3, 0.5, shape[1]))
    found, theirs = principal_components(rows, 4), PCA(4, svd_solver="full").fit(rows)
    np.testing.assert_allclose(found.places, theirs.transform(rows), atol=1e-10)
    np.testing.assert_allclose(found.directions, theirs.components_, atol=1e-10)
    np.testing.assert_allclose(found.explained, theirs.explained_variance_ratio_, atol=1e-12)


def test_there_are_no_more_components_than_the_rows_allow(rng):
    assert principal_components(rng.normal(size=(3, 10)), 8).places.shape == (3, 2)
    assert principal_components(rng.normal(size=(10, 3)), 8).places.shape == (10, 3)
    assert (principal_components(np.ones((4, 3)), 2).explained == 0).all()


def test_rows_compare_by_shape_and_not_by_size(rng):
    row = rng.normal(size=50)
    scaled = in_own_spread(np.stack([row, 7 * row + 3, np.full(50, 0.1)]))
    np.testing.assert_allclose(scaled[0], scaled[1], atol=1e-12)
    assert scaled[0].mean() == pytest.approx(0, abs=1e-12)
    assert scaled[0].std() == pytest.approx(1)
    assert (scaled[2] == 0).all()


def test_a_drive_common_to_all_cells_is_the_first_component(rng):
    drive = np.convolve(rng.normal(size=3000), np.ones(20) / 20, mode="same") * 4
    gain = rng.uniform(0.5, 3, 30)
    signals = gain[:, None] * (drive + rng.normal(size=(30, 3000)))
    signals[:, :100] = np.nan  # as inference leaves a recording's start
    signals[3] = np.nan
    signals[4] = 0.0
    component, weight, explained = first_component_over_time(signals)
    assert np.isnan(component[:100]).all()
    assert np.corrcoef(component[100:], drive[100:])[0, 1] > 0.97
    assert np.isnan(weight[[3, 4]]).all()
    assert (np.delete(weight, [3, 4]) > 0).all()
    share = drive.var() / (drive.var() + 1)
    assert explained == pytest.approx(share, abs=0.05)


def test_maps_keep_far_clouds_apart_and_come_out_the_same_again(two_clouds):
    rows, cloud = two_clouds
    for places_of in (umap_places, tsne_places):
        places = places_of(rows)
        assert places.shape == (60, 2)
        assert silhouette_score(places, cloud) > 0.5
        np.testing.assert_array_equal(places, places_of(rows))


def test_ten_rows_are_enough_for_a_map_and_nine_are_not(rng):
    rows = rng.normal(size=(10, 5))
    assert umap_places(rows).shape == tsne_places(rows).shape == (10, 2)
    for places_of in (umap_places, tsne_places):
        with pytest.raises(ValueError, match="needs 10 rows, got 9"):
            places_of(rows[:9])


def test_what_cannot_be_is_refused(rng):
    with pytest.raises(ValueError, match="1 values that are not"):
        principal_components(np.array([[1.0, np.nan], [1.0, 2.0]]), 1)
    with pytest.raises(ValueError, match="two rows"):
        principal_components(np.ones((1, 3)), 1)
    with pytest.raises(ValueError, match=r"\(n_rows, n_columns\), got \(3,\)"):
        in_own_spread(np.ones(3))
    with pytest.raises(ValueError, match="two units that vary, got 1 of 2"):
        first_component_over_time(np.stack([rng.normal(size=9), np.zeros(9)]))
