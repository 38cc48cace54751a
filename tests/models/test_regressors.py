import numpy as np
import pytest

from models.indicator_kernels import Kernel, sampled_kernel
from models.regressors import (
    Regressors,
    event_regressors,
    frames_at_rate,
    frames_at_times,
    inside_recording,
    refuse_collinear,
    resampled_to_frames,
    with_continuous,
)

HALVING = Kernel(1 / np.log(2))  # from frame to frame at 1 Hz


def test_a_regressor_by_hand_is_cut_at_the_recordings_end():
    found = event_regressors({"prey": np.array([1, 3])}, HALVING, 1.0, 5)
    # The kernel over five frames: 16, 8, 4, 2, 1 of 31; the second event adds 16 and 8 to what is left of the first.
    np.testing.assert_allclose(found.values[0] * 31, [0, 16, 8, 4 + 16, 2 + 8], atol=1e-12)


def test_regressors_are_trains_of_ones_convolved():
    rng = np.random.default_rng(0)
    frames = {"a": np.sort(rng.choice(300, 20, replace=False)), "b": np.array([7, 7, 290])}
    found = event_regressors(frames, Kernel(1.5), 2.0, 300)
    for name, row in zip(found.names, found.values, strict=True):
        train = np.zeros(300)
        train[frames[name]] = 1  # two events in a frame count as one
        np.testing.assert_allclose(row, np.convolve(train, sampled_kernel(Kernel(1.5), 2.0, 300))[:300], atol=1e-14)
    assert found.is_stimulus.tolist() == [True, True]


def test_frames_are_the_floor_of_time_times_rate():
    assert frames_at_rate(np.array([0.0, 0.99, 1.0, 9.99]), 1.0, 10, "prey").tolist() == [0, 0, 1, 9]


def test_an_onset_at_a_frames_own_time_is_in_that_frame():
    # 0.9565608 s a frame, as in the tectum: many products with the rate fall short of the whole number.
    step_s = 0.9565608
    onset_s = np.arange(439) * step_s
    assert (np.floor(onset_s * (1 / step_s)) != np.arange(439)).any()
    np.testing.assert_array_equal(frames_at_rate(onset_s, 1 / step_s, 439, "prey"), np.arange(439))
    np.testing.assert_array_equal(frames_at_times(onset_s, onset_s, "prey"), np.arange(439))


def test_with_a_time_for_each_frame_it_is_the_last_one_begun():
    frame_s = np.array([10.0, 11.0, 13.0, 14.0])
    assert frames_at_times(np.array([10.0, 10.9, 12.9, 13.0, 14.9]), frame_s, "prey").tolist() == [0, 0, 1, 2, 3]
    assert inside_recording(np.array([9.9, 10.0, 14.99, 15.0]), frame_s).tolist() == [False, True, True, False]


def test_both_rules_agree_on_a_constant_clock():
    onset_s = np.random.default_rng(1).uniform(0, 100, 500)
    frame_s = np.arange(300) / 3.0
    np.testing.assert_array_equal(frames_at_rate(onset_s, 3.0, 300, "a"), frames_at_times(onset_s, frame_s, "a"))


def test_onsets_outside_the_recording_are_refused_by_name():
    with pytest.raises(
        ValueError, match=r"stimulus looming has 2 of 3 onsets outside .* 0 to 10 s: the first at -0.5 s"
    ):
        frames_at_rate(np.array([-0.5, 3.0, 10.0]), 1.0, 10, "looming")
    with pytest.raises(ValueError, match=r"stimulus looming has 1 of 2 onsets outside .* 0 to 10 s: the first at 10 s"):
        frames_at_times(np.array([1.0, 10.0]), np.arange(10.0), "looming")
    with pytest.raises(
        ValueError, match=r"prey has 1 of 2 frames outside the recording, which has frames 0 to 9; found 3"
    ):
        event_regressors({"prey": np.array([3, 10])}, HALVING, 1.0, 10)


def test_no_stimulus_at_all_is_refused():
    with pytest.raises(ValueError, match="no stimulus: a recording without stimuli"):
        event_regressors({}, HALVING, 1.0, 10)
    with pytest.raises(ValueError, match="stimulus prey has no event"):
        event_regressors({"prey": np.array([], dtype=int)}, HALVING, 1.0, 10)
    with pytest.raises(ValueError, match="nothing to regress on"):
        Regressors((), np.empty((0, 10)), {})


def test_a_signal_faster_than_the_frames_is_averaged_and_a_slower_one_interpolated():
    fast_s = np.arange(0, 4, 0.25)
    np.testing.assert_allclose(resampled_to_frames(fast_s, fast_s, np.arange(4.0)), np.arange(4) + 0.375)
    slow = resampled_to_frames(np.array([0.0, 10.0]), np.array([0.0, 5.0]), np.arange(0.0, 12.0))
    np.testing.assert_allclose(slow, [*np.arange(0, 10) / 2, 5, 5])
    gaps = resampled_to_frames(np.array([0.0, 1, 2]), np.array([1.0, np.nan, 3.0]), np.arange(3.0))
    np.testing.assert_allclose(gaps, [1, 2, 3])
    with pytest.raises(ValueError, match="no value within the recording, 0 to 3 s"):
        resampled_to_frames(np.array([5.0, 6.0]), np.ones(2), np.arange(3.0))


def test_a_continuous_regressor_stands_in_its_own_spread():
    found = with_continuous(
        event_regressors({"a": np.array([1])}, HALVING, 1.0, 4), "running", np.array([0.0, 2, 0, 2])
    )
    np.testing.assert_allclose(found.values[1], [-1, 1, -1, 1])
    assert found.names == ("a", "running")
    assert found.is_stimulus.tolist() == [True, False]
    with pytest.raises(ValueError, match=r"running must be finite and change, got 3\.0 to 3\.0"):
        with_continuous(found, "running", np.full(4, 3.0))
    with pytest.raises(ValueError, match="names of their own, got a, running, running"):
        with_continuous(found, "running", np.array([0.0, 1, 0, 2]))


def test_collinear_regressors_are_refused_by_name():
    rng = np.random.default_rng(2)
    a, b, c = rng.normal(size=(3, 50))
    refuse_collinear(("a", "b", "c"), np.stack([a, b, c]))
    with pytest.raises(ValueError, match=r"collinear regressors can't be told apart: a, c\. Leave"):
        refuse_collinear(("a", "b", "c"), np.stack([a, b, 3 * a + 1]))
    with pytest.raises(ValueError, match="told apart: a, b, d"):
        refuse_collinear(("a", "b", "c", "d"), np.stack([a, b, c, a - 2 * b]))
    with pytest.raises(ValueError, match="never change can't be fitted beside the intercept: b"):
        refuse_collinear(("a", "b"), np.stack([a, np.full(50, 0.3)]))
    with pytest.raises(ValueError, match="3 regressors need more frames than that, got 3"):
        refuse_collinear(("a", "b", "c"), np.eye(3))
