import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from models.response_maps import in_own_spread
from models.response_motifs import NO_STRUCTURE, response_motifs

TIMES_S = np.linspace(-1, 2, 90)


def planted(rng: np.random.Generator, sizes: tuple[int, ...], noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Responses of three shapes (a ramp, a bump after each image, a dip), and which is whose."""
    shapes = np.stack(
        [
            np.clip(TIMES_S, 0, 0.75) * (TIMES_S < 0.9),
            0.5 * np.exp(-(((TIMES_S % 0.75) - 0.15) ** 2) / 0.01),
            -np.exp(-((TIMES_S - 0.4) ** 2) / 0.05),
        ]
    )
    truth = np.repeat(np.arange(3), sizes)
    gain = rng.uniform(0.3, 3.0, (len(truth), 1))
    return in_own_spread(gain * (shapes[truth] + rng.normal(0, noise, (len(truth), 90)))), truth


def test_planted_motifs_come_back_largest_first():
    rows, truth = planted(np.random.default_rng(0), (30, 70, 50), noise=0.15)
    shuffled = np.random.default_rng(1).permutation(len(rows))
    found = response_motifs(rows[shuffled])
    assert found.count == 3
    assert adjusted_rand_score(truth[shuffled], found.motif) >= 0.9
    assert (np.diff(np.bincount(found.motif)) <= 0).all()
    assert (found.motif[truth[shuffled] == 1] == 0).mean() > 0.9
    assert found.silhouette.mean() == pytest.approx(found.mean_silhouette[3])
    assert max(found.mean_silhouette, key=found.mean_silhouette.get) == 3


def test_noise_alone_has_no_motifs_to_speak_of():
    rows = np.random.default_rng(2).normal(size=(120, 40))
    found = response_motifs(rows)
    assert set(found.mean_silhouette) == set(range(2, 9))
    assert max(found.mean_silhouette.values()) < NO_STRUCTURE


def test_the_same_rows_give_the_same_motifs():
    rows, _ = planted(np.random.default_rng(3), (20, 20, 20), noise=0.8)
    np.testing.assert_array_equal(response_motifs(rows).motif, response_motifs(rows).motif)


def test_few_rows_try_few_motifs():
    rows = np.array([[0.0, 0], [0, 1], [9, 9], [9, 8]])
    found = response_motifs(rows)
    assert set(found.mean_silhouette) == {2, 3}
    assert found.motif.tolist() == [0, 0, 1, 1]


def test_what_has_no_motifs_is_refused():
    with pytest.raises(ValueError, match="three rows that differ, got 1"):
        response_motifs(np.ones((20, 4)))
    with pytest.raises(ValueError, match="finite"):
        response_motifs(np.array([[np.nan, 1], [1, 1], [2, 1]]))
