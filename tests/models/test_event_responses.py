import numpy as np
import pytest

from models.event_responses import Window, event_responses, mean_response

WINDOW = Window()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def recording(rng, n_units=4, n_frames=900, dtype=np.float64):
    frame_s = np.cumsum(rng.uniform(0.02, 0.045, n_frames))
    return rng.normal(size=(n_units, n_frames)).astype(dtype), frame_s


def by_numpy_interp(dff, frame_s, onset_s, window):
    values = np.array([[np.interp(on + window.times_s, frame_s, trace) for on in onset_s] for trace in dff])
    return values - values[..., window.baseline].mean(axis=-1, keepdims=True)


def test_a_line_through_time_comes_back_as_a_line(rng):
    frame_s = np.arange(300) / 31
    dff = (0.5 * frame_s)[None]
    values = event_responses(dff, frame_s, np.array([3.0, 4.123]), WINDOW).values
    before = WINDOW.times_s[WINDOW.baseline].mean()
    np.testing.assert_allclose(values[0], np.tile(0.5 * (WINDOW.times_s - before), (2, 1)), atol=1e-12)


def test_a_unit_step_has_its_rise_at_the_step():
    frame_s = np.arange(0, 20, 0.01)
    dff = (frame_s >= 10).astype(np.float64)[None]
    values = event_responses(dff, frame_s, np.array([10.0]), WINDOW).values[0, 0]
    assert (values[WINDOW.times_s < -0.01] == 0).all()
    assert (values[WINDOW.times_s >= 0] == 1).all()


@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 3e-6)])
@pytest.mark.parametrize("edge", ["drop", "hold"])
def test_responses_agree_with_numpy_interp_event_by_event(rng, dtype, atol, edge):
    dff, frame_s = recording(rng, dtype=dtype)
    onset_s = rng.uniform(frame_s[0] - 4, frame_s[-1] + 4, 60)
    found = event_responses(dff, frame_s, onset_s, WINDOW, edge)
    assert found.values.dtype == dtype
    expected = by_numpy_interp(dff, frame_s, onset_s[found.kept], WINDOW)
    np.testing.assert_allclose(found.values, expected, atol=atol)


def test_an_event_whose_window_leaves_the_recording_is_dropped_and_counted(rng):
    frame_s = np.arange(0, 10.01, 0.25)
    dff = rng.normal(size=(2, len(frame_s)))
    onset_s = np.array([0.99, 1.0, 5.0, 8.0, 8.01, 50.0])
    found = event_responses(dff, frame_s, onset_s, WINDOW, "drop")
    assert found.kept.tolist() == [False, True, True, True, False, False]
    assert found.n_dropped == 3
    assert found.values.shape == (2, 3, 90)
    assert mean_response(dff, frame_s, onset_s, WINDOW, "drop").n_dropped == 3


def test_holding_the_edge_keeps_every_event(rng):
    frame_s = np.arange(0, 10.01, 0.25)
    dff = rng.normal(size=(1, len(frame_s)))
    found = event_responses(dff, frame_s, np.array([9.5, 50.0]), WINDOW, "hold")
    assert found.kept.all()
    assert found.n_dropped == 0
    np.testing.assert_allclose(np.diff(found.values[0, 0, WINDOW.times_s > 0.5]), 0, atol=1e-15)
    np.testing.assert_allclose(found.values[0, 1], 0, atol=1e-15)


def test_a_sample_on_the_very_last_frame_is_that_frame(rng):
    frame_s = np.arange(0, 10.01, 0.25)
    dff = np.zeros((1, len(frame_s)))
    dff[0, -1] = 3.0
    assert event_responses(dff, frame_s, np.array([8.0]), WINDOW).values[0, 0, -1] == 3.0


def test_an_event_that_touches_a_missing_frame_is_nan_in_that_unit_only(rng):
    dff, frame_s = recording(rng, n_units=2)
    onset_s = np.array([5.0, 9.0, 14.0, 18.0])
    missing = np.searchsorted(frame_s, 14.5)
    dff[0, missing] = np.nan
    values = event_responses(dff, frame_s, onset_s, WINDOW).values
    assert np.isnan(values[0, 2]).all()
    assert np.isfinite(np.delete(values[0], 2, axis=0)).all()
    assert np.isfinite(values[1]).all()
    mean = mean_response(dff, frame_s, onset_s, WINDOW)
    assert mean.n_events.tolist() == [3, 4]
    np.testing.assert_allclose(mean.mean, np.nanmean(values, axis=1), atol=1e-12)


@pytest.mark.parametrize("edge", ["drop", "hold"])
def test_the_mean_response_is_the_mean_over_responses(rng, edge):
    dff, frame_s = recording(rng)
    onset_s = rng.uniform(frame_s[0], frame_s[-1], 50)
    responses = event_responses(dff, frame_s, onset_s, WINDOW, edge)
    n = responses.kept.sum()
    mean = mean_response(dff, frame_s, onset_s, WINDOW, edge)
    assert mean.n_events.tolist() == [n] * len(dff)
    np.testing.assert_allclose(mean.mean, responses.values.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(mean.sem, responses.values.std(axis=1, ddof=1) / np.sqrt(n), atol=1e-12)


def test_without_events_the_mean_is_nan_and_with_one_the_sem_is(rng):
    dff, frame_s = recording(rng)
    none = mean_response(dff, frame_s, np.array([]), WINDOW)
    assert none.n_events.tolist() == [0] * 4
    assert np.isnan(none.mean).all()
    one = mean_response(dff, frame_s, np.array([10.0]), WINDOW)
    assert np.isfinite(one.mean).all()
    assert np.isnan(one.sem).all()
    assert event_responses(dff, frame_s, np.array([]), WINDOW).values.shape == (4, 0, 90)


def test_the_given_fluorescence_is_left_as_it_was(rng):
    dff, frame_s = recording(rng)
    before = dff.copy()
    event_responses(dff, frame_s, np.array([10.0]), WINDOW)
    mean_response(dff, frame_s, np.array([10.0]), WINDOW)
    np.testing.assert_array_equal(dff, before)


def test_the_published_window_is_90_samples_from_one_second_before_to_two_after():
    assert WINDOW.times_s[[0, -1]].tolist() == [-1.0, 2.0]
    assert WINDOW.baseline.sum() == (WINDOW.times_s < 0).sum() == 30


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"start_s": 2.0, "stop_s": -1.0}, "run forward"),
        ({"start_s": 0.0}, "before and end after onset"),
        ({"stop_s": np.inf}, "finite"),
        ({"stop_s": np.nan}, "run forward"),
        ({"n_samples": 1}, "at least 2"),
        ({"n_samples": 9.5}, "whole number"),
    ],
)
def test_a_window_that_cannot_be_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        Window(**arguments)


@pytest.mark.parametrize("respond", [event_responses, mean_response])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frame_s": np.array([0.0, 1.0, 1.0, 2.0])}, "strictly increase, but does not after frame 1"),
        ({"frame_s": np.array([0.0, 1.0, np.nan, 2.0])}, "finite, got 1"),
        ({"frame_s": np.arange(5.0)}, "one time per frame"),
        ({"dff": np.zeros((2, 4), dtype=int)}, "float32 or float64"),
        ({"dff": np.zeros(4)}, "n_units, n_frames"),
        ({"dff": np.array([[0.0, np.inf, 0, 0]])}, "got 1 infinite"),
        ({"dff": np.zeros((2, 1)), "frame_s": np.zeros(1)}, "at least 2 frames"),
        ({"onset_s": np.array([1.0, np.nan])}, "onset_s must be finite"),
        ({"onset_s": np.zeros((2, 2))}, "n_events"),
        ({"edge": "wrap"}, "'drop' or 'hold'"),
    ],
)
def test_a_recording_that_cannot_be_is_refused(respond, change, said):
    given = {"dff": np.zeros((2, 4)), "frame_s": np.arange(4.0), "onset_s": np.array([1.0]), "window": WINDOW}
    with pytest.raises(ValueError, match=said):
        respond(**(given | change))
