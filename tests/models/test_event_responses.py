import numpy as np
import pynapple as nap
import pytest
from scipy import stats

from models.event_responses import Window, event_responses, mean_of_responses, mean_response
from models.simulate import ChangeDetectionPlan, simulate_change_detection
from models.simulate_kernels import omission_response

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
    assert found.n_missing.tolist() == [0, 0]
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
    found = event_responses(dff, frame_s, onset_s, WINDOW)
    values = found.values
    assert found.n_missing.tolist() == [1, 0]
    assert np.isnan(values[0, 2]).all()
    assert np.isfinite(np.delete(values[0], 2, axis=0)).all()
    assert np.isfinite(values[1]).all()
    mean = mean_response(dff, frame_s, onset_s, WINDOW)
    assert mean.n_events.tolist() == [3, 4]
    assert mean.n_missing.tolist() == [1, 0]
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


def test_responses_on_frames_agree_with_pynapple(rng):
    # Onsets and samples on the frames: pynapple reads frames and does not interpolate.
    dff, frame_s = rng.normal(size=(3, 900)), np.arange(900) / 30
    onset_s = frame_s[[15, 40, 55, 300, 640]]
    tensor = nap.compute_perievent(nap.TsdFrame(t=frame_s, d=dff.T), nap.Ts(t=onset_s), (1.0, 2.0))
    window = Window(-1.0, 2.0, 91)
    np.testing.assert_allclose(tensor.t, window.times_s, atol=1e-9)
    found = event_responses(dff, frame_s, onset_s, window, subtract_baseline=False)
    assert found.kept.tolist() == [False, True, True, True, True]
    expected = np.moveaxis(tensor.values, (0, 1, 2), (2, 1, 0))  # (n_units, n_events, n_samples)
    assert np.isnan(expected[:, 0]).any()  # what pynapple leaves open, we leave out
    np.testing.assert_allclose(found.values, expected[:, 1:], atol=1e-9)


def test_windows_that_overlap_are_each_read_whole(rng):
    dff, frame_s = recording(rng)
    onset_s = np.array([8.0, 8.05, 8.4, 8.4, 9.1])
    together = event_responses(dff, frame_s, onset_s, WINDOW).values
    alone = [event_responses(dff, frame_s, onset_s[[event]], WINDOW).values[:, 0] for event in range(5)]
    np.testing.assert_array_equal(together, np.stack(alone, axis=1))
    np.testing.assert_allclose(together, by_numpy_interp(dff, frame_s, onset_s, WINDOW), atol=1e-12)


def test_any_window_may_be_read_without_a_baseline(rng):
    dff, frame_s = recording(rng)
    for window in (Window(0.2, 0.7, 11), Window(-3.0, -1.0, 7)):
        found = event_responses(dff, frame_s, np.array([9.0, 14.3]), window, subtract_baseline=False).values
        expected = [[np.interp(on + window.times_s, frame_s, trace) for on in (9.0, 14.3)] for trace in dff]
        np.testing.assert_allclose(found, expected, atol=1e-12)
        mean = mean_response(dff, frame_s, np.array([9.0, 14.3]), window, subtract_baseline=False).mean
        np.testing.assert_allclose(mean, np.mean(expected, axis=1), atol=1e-12)


def test_a_gap_between_frames_counts_as_missing_frames(rng):
    kept = np.r_[0:200, 206:600]  # six frames were lost
    frame_s = np.arange(600)[kept] / 31
    dff = rng.normal(size=(2, len(frame_s)))
    onset_s = np.array([3.0, 5.0, 6.8, 9.0])  # the windows of the second and third hold the gap at 6.4 to 6.6 s
    found = event_responses(dff, frame_s, onset_s, WINDOW, gap_ratio=3.0)
    assert np.isnan(found.values[:, :, 0]).tolist() == [[False, True, True, False]] * 2
    assert found.n_missing.tolist() == [2, 2]
    assert found.n_dropped == 0
    mean = mean_response(dff, frame_s, onset_s, WINDOW, gap_ratio=3.0)
    assert (mean.n_events.tolist(), mean.n_missing.tolist()) == ([2, 2], [2, 2])
    assert event_responses(dff, frame_s, onset_s, WINDOW).n_missing.tolist() == [0, 0]
    assert event_responses(dff, frame_s, onset_s, WINDOW, gap_ratio=7.5).n_missing.tolist() == [0, 0]


@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_z_scores_are_those_of_scipy(rng, dtype, atol):
    dff, frame_s = recording(rng, dtype=dtype)
    dff = dff * dtype(0.2) + dtype(3.0)
    onset_s = np.array([5.0, 9.0, 14.0])
    by_trace = event_responses(dff, frame_s, onset_s, WINDOW, z_score="trace").values
    scored = stats.zscore(dff.astype(np.float64), axis=1)
    np.testing.assert_allclose(by_trace, by_numpy_interp(scored, frame_s, onset_s, WINDOW), atol=atol)
    by_baseline = event_responses(dff, frame_s, onset_s, WINDOW, z_score="baseline").values
    raw = np.array([[np.interp(on + WINDOW.times_s, frame_s, trace) for on in onset_s] for trace in dff])
    expected = [[stats.zmap(one, one[WINDOW.baseline]) for one in of_unit] for of_unit in raw]
    np.testing.assert_allclose(by_baseline, expected, atol=20 * atol)
    for z_score, values in (("trace", by_trace), ("baseline", by_baseline)):
        mean = mean_response(dff, frame_s, onset_s, WINDOW, z_score=z_score).mean
        np.testing.assert_allclose(mean, values.mean(axis=1), atol=20 * atol)


def test_a_planted_step_has_its_height_in_standard_deviations():
    frame_s = np.arange(0, 30, 0.01)
    # Ups and downs of 0.5 about a level, then 2 higher: 4 standard deviations of the baseline.
    wave = np.where(np.arange(len(frame_s)) % 2, 0.5, -0.5)
    dff = np.stack([wave + 2.0 * (frame_s >= 10), 7 * (wave + 2.0 * (frame_s >= 10))])
    window = Window(-1.0, 1.0, 201)  # a sample on every frame
    values = event_responses(dff, frame_s, np.array([10.0]), window, z_score="baseline").values[:, 0]
    np.testing.assert_allclose(values[0], values[1], atol=1e-9)
    np.testing.assert_allclose(values[0, window.times_s >= 0.02].mean(), 4.0, atol=0.05)


def test_without_variation_there_is_no_z_score(rng):
    dff, frame_s = recording(rng, n_units=2)
    dff[0] = 0.3
    dff[1, frame_s < 10] = 0.3
    onset_s = np.array([9.0, 15.0])
    by_trace = event_responses(dff, frame_s, onset_s, WINDOW, z_score="trace")
    assert by_trace.n_missing.tolist() == [2, 0]
    by_baseline = event_responses(dff, frame_s, onset_s, WINDOW, z_score="baseline")
    assert by_baseline.n_missing.tolist() == [2, 1]
    assert np.isnan(by_baseline.values[1, 0]).all()


def test_running_speed_is_aligned_as_fluorescence_is():
    speed_s = np.arange(0, 60, 1 / 60)
    onset_s = np.array([0.4, 10.0, 20.03, 30.0])
    speed = 10.0 + sum(5.0 * (speed_s >= onset) for onset in onset_s)  # 5 cm/s more after each onset
    found = mean_response(speed[None], speed_s, onset_s, WINDOW, subtract_baseline=False)
    assert (found.n_dropped, found.n_events.tolist()) == (1, [3])
    np.testing.assert_allclose(found.mean[0, WINDOW.times_s < -0.02], 20.0, atol=1e-9)
    np.testing.assert_allclose(found.mean[0, WINDOW.times_s > 0.02], 25.0, atol=1e-9)


def test_the_planted_omission_response_comes_back():
    plan = ChangeDetectionPlan(n_vip_mice=1, n_sst_mice=0, cells_per_mouse=12, duration_s=900.0, shared_noise_dff=0.0)
    session = next(simulate_change_detection(plan))
    found = mean_response(session.dff, session.frame_s, session.onset_s[session.omitted], WINDOW)
    shape = omission_response(
        WINDOW.times_s, session.truth.omission_ramp_dff, session.truth.flash_dff, plan.flash_interval_s,
        plan.flash_s, plan.indicator_rise_s, plan.indicator_decay_s,
    )  # fmt: skip
    truth = shape - shape[:, WINDOW.baseline].mean(axis=1, keepdims=True)
    # Noise of 0.05 over n omissions, and a little for samples read between frames.
    assert np.abs(found.mean - truth).max() < 5 * plan.noise_dff / np.sqrt(session.omitted.sum()) + 0.005
    assert np.sqrt(((found.mean - truth) ** 2).mean()) < 1.2 * plan.noise_dff / np.sqrt(session.omitted.sum())


def test_a_mean_of_responses_at_hand_is_that_of_the_traces(rng):
    dff, frame_s = recording(rng)
    dff[1, 400] = np.nan
    onset_s = rng.uniform(frame_s[0], frame_s[-1], 50)
    of_traces = mean_response(dff, frame_s, onset_s, WINDOW)
    at_hand = mean_of_responses(event_responses(dff, frame_s, onset_s, WINDOW).values)
    np.testing.assert_allclose(at_hand.mean, of_traces.mean, atol=1e-12)
    np.testing.assert_allclose(at_hand.sem, of_traces.sem, atol=1e-12)
    assert at_hand.n_events.tolist() == of_traces.n_events.tolist()
    assert at_hand.n_missing.tolist() == of_traces.n_missing.tolist()
    assert np.isnan(mean_of_responses(np.full((1, 1, 3), np.nan)).mean).all()
    assert np.isnan(mean_of_responses(np.zeros((1, 1, 3))).sem).all()
    with pytest.raises(ValueError, match="n_units, n_events, n_samples"):
        mean_of_responses(np.zeros((2, 3)))


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
        ({"window": Window(0.0, 2.0)}, "1 samples before onset"),
        ({"window": Window(-1.0, 2.0, 3), "z_score": "baseline"}, "2 samples before onset"),
        ({"z_score": "baseline", "subtract_baseline": False}, "subtract_baseline is False"),
        ({"z_score": "frame"}, "'trace', 'baseline' or None"),
        ({"gap_ratio": 1.0}, "above 1"),
    ],
)
def test_a_recording_that_cannot_be_is_refused(respond, change, said):
    given = {"dff": np.zeros((2, 4)), "frame_s": np.arange(4.0), "onset_s": np.array([1.0]), "window": WINDOW}
    with pytest.raises(ValueError, match=said):
        respond(**(given | change))
