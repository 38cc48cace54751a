import numpy as np
import pytest

from models.event_windows import Window, sample_grid

WINDOW = Window()


def test_the_published_window_is_90_samples_from_one_second_before_to_two_after():
    assert WINDOW.times_s[[0, -1]].tolist() == [-1.0, 2.0]
    assert WINDOW.baseline.sum() == (WINDOW.times_s < 0).sum() == 30


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"start_s": 2.0, "stop_s": -1.0}, "run forward"),
        ({"stop_s": np.inf}, "finite"),
        ({"stop_s": np.nan}, "run forward"),
        ({"n_samples": 1}, "at least 2"),
        ({"n_samples": 9.5}, "whole number"),
    ],
)
def test_a_window_that_cannot_be_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        Window(**arguments)


def test_places_and_weights_are_those_between_frames():
    grid = sample_grid(np.array([0.0, 1.0, 3.0, 4.0]), np.array([1.5, 2.0]), Window(-0.5, 2.0, 2), "drop")
    assert grid.kept.tolist() == [True, True]
    assert grid.before.tolist() == [[1, 2], [1, 2]]  # the very last frame is the whole of the step before it
    np.testing.assert_allclose(grid.weight, [[0.0, 0.5], [0.25, 1.0]])


def test_a_window_may_reach_beyond_by_what_is_tolerated():
    frame_s, window = np.array([0.0, 1.0, 2.0]), Window(-1.0, 1.0, 3)
    for onset_s in (1.0 - 1e-6, 1.0 + 1e-6):
        onsets = np.array([onset_s])
        assert sample_grid(frame_s, onsets, window, "drop").n_dropped == 1
        grid = sample_grid(frame_s, onsets, window, "drop", tolerance_s=2e-6)
        assert grid.n_dropped == 0
        assert grid.weight.min() >= 0
        assert grid.weight.max() <= 1


def test_only_steps_well_above_the_median_are_gaps():
    frame_s = np.array([0.0, 1.0, 2.0, 3.0, 6.0, 7.0, 8.0])
    weight = sample_grid(frame_s, np.array([4.0]), Window(-3.0, 3.0, 7), "drop", gap_ratio=2.5).weight[0]
    # On the frame before the gap a sample lies in it too: what follows it is missing.
    assert np.isnan(weight).tolist() == [False, False, True, True, True, False, False]
    weight = sample_grid(frame_s, np.array([4.0]), Window(-3.0, 3.0, 7), "drop", gap_ratio=3.0).weight[0]
    assert np.isfinite(weight).all()
