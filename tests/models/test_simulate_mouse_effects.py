import numpy as np
import pytest

from models.simulate_mouse_effects import NestedDesign, simulate_nested


def test_cells_of_a_mouse_correlate_as_asked_in_responses_and_in_differences():
    design = NestedDesign(0.3, n_mice=20_000, cells_per_mouse=2)
    presented, omitted = simulate_nested(design, 1, np.random.default_rng(71))[0]
    difference = omitted - presented
    assert np.corrcoef(presented.T)[0, 1] == pytest.approx(0.3, abs=0.02)
    assert np.corrcoef(difference.T)[0, 1] == pytest.approx(0.3, abs=0.02)
    assert presented.std() == pytest.approx(0.05, rel=0.02)
    # What a cell has of its own in both conditions: 30 % of what the mouse leaves.
    within = [condition - condition.mean(axis=1, keepdims=True) for condition in (presented, omitted)]
    assert np.corrcoef(within[0].ravel(), within[1].ravel())[0, 1] == pytest.approx(0.3, abs=0.02)


def test_the_effect_is_0_on_average_and_varies_between_mice_as_said():
    design = NestedDesign(0.1, n_mice=20_000, cells_per_mouse=1)
    presented, omitted = simulate_nested(design, 1, np.random.default_rng(72))[0]
    expected = np.hypot(design.effect_sd_between_mice, 0.05 * np.sqrt(2 * 0.9 * 0.7))
    assert (omitted - presented).mean() == pytest.approx(0, abs=0.002)
    assert (omitted - presented).std() == pytest.approx(expected, rel=0.02)


def test_data_sets_are_of_the_shape_asked_for_and_differ():
    sets = simulate_nested(NestedDesign(0.1, n_mice=3, cells_per_mouse=4), 5, np.random.default_rng(73))
    assert sets.shape == (5, 2, 3, 4)
    assert len(np.unique(sets)) == sets.size


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"intraclass_correlation": 1.1}, "intraclass_correlation must be 0 to 1, got 1.1"),
        ({"n_mice": 0}, "at least 1, got 0 and 60"),
        ({"cell_correlation": 1.0}, "cell_correlation must be 0 to below 1, got 1.0"),
        ({"response_sd_dff": -1.0}, "s.d. must not be negative, got -1.0"),
    ],
)
def test_a_design_that_cant_be_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        NestedDesign(**({"intraclass_correlation": 0.1} | change))
