import numpy as np
import pytest

from models.preference_indices import preference_index


@pytest.mark.parametrize(
    ("favoured", "other", "index"),
    [
        (3.0, 1.0, 0.5),
        (1.0, 3.0, -0.5),
        (2.0, 2.0, 0.0),
        (0.1, 0.0, 1.0),
        (0.1, -5.0, 1.0),  # below zero counts as none
        (-0.1, 0.2, -1.0),
        (0.0, 0.0, np.nan),
        (-1.0, -2.0, np.nan),
        (np.nan, 1.0, np.nan),
        (1.0, np.nan, np.nan),
    ],
)
def test_the_index_by_hand(favoured, other, index):
    np.testing.assert_equal(preference_index(np.array([favoured]), np.array([other])), [index])


def test_any_shape_and_never_beyond_one():
    rng = np.random.default_rng(0)
    index = preference_index(rng.normal(size=(4, 50)), rng.normal(size=(4, 50)))
    assert index.shape == (4, 50)
    assert np.nanmax(np.abs(index)) <= 1
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        preference_index(np.zeros(2), np.zeros(3))
