import numpy as np
import pytest

from models.event_responses import event_responses
from models.event_windows import Window
from models.snippet_responses import snippet_responses

WINDOW = Window(-0.5, 1.0, 31)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def cut(dff, frame_s, onset_s, from_s, to_s, dtype=np.float64):
    """Snippets of each unit around each onset: values and times in a line, and the samples of each."""
    values, times, counts = [], [], []
    for trace in dff:
        for onset in onset_s:
            within = (frame_s >= onset + from_s) & (frame_s <= onset + to_s)
            values.append(trace[within])
            times.append((frame_s[within] - onset).astype(dtype))
            counts.append(within.sum())
    return np.concatenate(values), np.concatenate(times), np.array(counts)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("z_score", [None, "baseline"])
def test_snippets_give_the_responses_of_the_recording_they_were_cut_from(rng, dtype, atol, z_score):
    dff, frame_s = rng.normal(size=(3, 900)), np.cumsum(rng.uniform(0.02, 0.045, 900))
    onset_s = rng.uniform(2, 20, 25)
    whole = event_responses(dff, frame_s, onset_s, WINDOW, z_score=z_score).values
    found = snippet_responses(*cut(dff, frame_s, onset_s, -0.7, 1.2, dtype), WINDOW, z_score=z_score)
    assert found.reached.all()
    np.testing.assert_allclose(found.values.reshape(whole.shape), whole, atol=atol * (10 if z_score else 1))


def test_snippets_on_the_same_times_and_on_their_own_are_read_alike(rng):
    time_s = np.arange(-20, 40) / 30
    values = rng.normal(size=(4, 60))
    together = snippet_responses(values.ravel(), np.tile(time_s, 4), np.full(4, 60), WINDOW).values
    # The same with one sample more in one, and other times in another, of which no use is made.
    longer, other = np.append(time_s, 2.0), np.append(time_s[:-1], 1.5)
    times = [time_s, longer, other, time_s]
    lengths = [len(one) for one in times]
    ragged = [np.append(row, 0.0)[:length] for row, length in zip(values, lengths, strict=True)]
    apart = snippet_responses(np.concatenate(ragged), np.concatenate(times), np.array(lengths), WINDOW).values
    np.testing.assert_allclose(apart, together, atol=1e-12)


def test_a_window_beyond_the_snippet_is_left_out_or_its_end_is_held(rng):
    time_s = np.arange(-20, 25) / 30  # ends at 0.8 s
    values = rng.normal(size=45)
    dropped = snippet_responses(values, time_s, np.array([45]), WINDOW, "drop")
    assert not dropped.reached.any()
    assert np.isnan(dropped.values).all()
    held = snippet_responses(values, time_s, np.array([45]), WINDOW, "hold", subtract_baseline=False)
    assert held.reached.all()
    np.testing.assert_allclose(held.values[0], np.interp(WINDOW.times_s, time_s, values), atol=1e-12)


def test_times_of_32_bits_reach_as_far_as_they_were_rounded_from():
    end_s = 0.7
    time_s = np.array([-1.0, 0.0, end_s])
    window = Window(-1.0, end_s, 5)
    assert float(np.float32(end_s)) < end_s
    assert snippet_responses(np.zeros(3), time_s.astype(np.float32), np.array([3]), window).reached.all()
    assert not snippet_responses(np.zeros(3), time_s - 1e-6, np.array([3]), window).reached.any()


def test_a_missing_sample_makes_its_snippet_nan_though_the_window_is_reached(rng):
    time_s = np.tile(np.arange(-20, 40) / 30, 2)
    values = rng.normal(size=120)
    values[70] = np.nan
    found = snippet_responses(values, time_s, np.array([60, 60]), WINDOW)
    assert found.reached.tolist() == [True, True]
    assert np.isnan(found.values).all(axis=1).tolist() == [False, True]


def test_a_snippet_of_one_sample_reaches_nowhere(rng):
    time_s = np.append(np.arange(-20, 40) / 30, 0.0)
    found = snippet_responses(rng.normal(size=61), time_s, np.array([60, 1]), WINDOW, "hold")
    assert found.reached.tolist() == [True, False]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="5 samples are counted, got 4 values"):
        snippet_responses(np.zeros(4), np.arange(4.0), np.array([5]), WINDOW)
    with pytest.raises(ValueError, match="needs whole traces"):
        snippet_responses(np.zeros(4), np.arange(4.0), np.array([4]), WINDOW, z_score="trace")
    with pytest.raises(ValueError, match="strictly increase"):
        snippet_responses(np.zeros(4), np.array([-1.0, 0.0, 0.0, 2.0]), np.array([4]), WINDOW)
