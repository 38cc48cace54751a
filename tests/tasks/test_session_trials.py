"""Single responses out of the lake: from whole traces, from snippets, and the same from both."""

from collections.abc import Iterator

import numpy as np
import pytest

from models.event_responses import Window, event_responses
from storage.lake import Lake, open_lake
from storage.settings import Settings
from tasks.session_trials import session_trials
from tests.tasks.planted_sessions import Planted, planted, put, put_snippets

WINDOW = Window()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """One lake for all: a session that is put again replaces the one before it."""
    with open_lake(Settings(home=tmp_path_factory.mktemp("trials"), threads=2)) as opened:
        yield opened


def test_trials_are_the_responses_of_the_traces(lake: Lake, rng):
    session = planted(rng)
    session.signals["dff"][1, 600] = np.nan
    put(lake, "lab-a", session)
    found = session_trials(lake, "lab-a", "rigorous")
    expected = event_responses(session.signals["dff"], session.frame_s, session.onset_s, WINDOW)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.values.dtype == np.float32
    assert found.unit_id.tolist() == session.unit_id.tolist()
    assert found.event_id.tolist() == np.flatnonzero(expected.kept).tolist()
    np.testing.assert_array_equal(found.onset_s, session.onset_s[expected.kept])
    np.testing.assert_array_equal(found.omitted, session.omitted[expected.kept])
    np.testing.assert_array_equal(found.times_s, WINDOW.times_s)
    assert (found.n_dropped, found.n_missing) == (1, expected.n_missing.sum())
    assert found.n_missing > 0


def test_published_holds_the_edges_and_reads_across_gaps(lake: Lake, rng):
    whole = planted(rng)
    frames = np.delete(np.arange(len(whole.frame_s)), np.arange(700, 710))
    dff = whole.signals["dff"][:, frames]
    session = Planted(whole.frame_s[frames], {"dff": dff}, whole.onset_s, whole.omitted, {})
    put(lake, "lab-a", session)
    rigorous, published = (session_trials(lake, "lab-a", protocol) for protocol in ("rigorous", "published"))
    assert (rigorous.n_dropped, published.n_dropped) == (1, 0)
    assert published.values.shape[1] == len(whole.onset_s) == rigorous.values.shape[1] + 1
    gap_s = whole.frame_s[[699, 710]]
    touched = (rigorous.onset_s - 1 < gap_s[1]) & (rigorous.onset_s + 2 > gap_s[0])
    assert rigorous.n_missing == 3 * touched.sum() > 0
    assert np.isnan(rigorous.values).all(axis=2).tolist() == [touched.tolist()] * 3
    assert published.n_missing == 0


@pytest.mark.parametrize("protocol", ["rigorous", "published"])
def test_snippets_give_the_same_trials_as_the_session_they_were_cut_from(lake: Lake, rng, protocol):
    session = planted(rng)
    put(lake, "lab-whole", session)
    put_snippets(lake, "lab-cut", session, -1.2, 2.2)
    whole, cut = (session_trials(lake, session_id, protocol) for session_id in ("lab-whole", "lab-cut"))
    np.testing.assert_allclose(cut.values, whole.values, atol=2e-6)
    for name in ("unit_id", "event_id", "omitted", "times_s"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name))
    assert np.isnan(cut.onset_s).all()
    assert (cut.n_dropped, cut.n_missing) == (whole.n_dropped, whole.n_missing)


def test_snippets_that_are_not_there_are_missing_and_those_too_short_dropped(lake: Lake, rng):
    session = planted(rng, n_events=8)
    put_snippets(lake, "lab-cut", session, -1.2, 2.2, left_out=((1, 5), (0, 6), (1, 6), (2, 6)), onsets_known=True)
    found = session_trials(lake, "lab-cut", "rigorous")
    # The first event has half a second before it; nobody has a snippet of event 6.
    assert found.event_id.tolist() == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(found.onset_s, session.onset_s[1:])
    missing = np.isnan(found.values).all(axis=2)
    assert np.argwhere(missing).tolist() == [[0, 5], [1, 4], [1, 5], [2, 5]]
    assert (found.n_dropped, found.n_missing) == (1, 4)


def test_other_events_other_windows_and_z_scores(lake: Lake, rng):
    session = planted(rng)
    put(lake, "lab-a", session)
    window = Window(0.1, 0.6, 6)
    only = session_trials(lake, "lab-a", "rigorous", window, kinds=("omission",), subtract_baseline=False)
    assert only.omitted.all()
    assert only.event_id.tolist() == np.flatnonzero(session.omitted).tolist()
    onset_s = session.onset_s[session.omitted]
    expected = event_responses(session.signals["dff"], session.frame_s, onset_s, window, subtract_baseline=False)
    np.testing.assert_array_equal(only.values, expected.values)
    scored = session_trials(lake, "lab-a", "rigorous", z_score="baseline").values
    np.testing.assert_allclose(scored[:, :, WINDOW.baseline].std(axis=2), 1.0, atol=1e-5)


def test_a_signal_that_is_not_there_is_named(lake: Lake, rng):
    session = planted(rng, n_units=1, n_frames=100, n_events=2)
    put(lake, "lab-a", session)
    with pytest.raises(KeyError, match="'lab-a' has no 'spike_prob'"):
        session_trials(lake, "lab-a", "rigorous", signal="spike_prob")
    with pytest.raises(KeyError, match="neither dF/F traces nor snippets"):
        session_trials(lake, "lab-b", "rigorous")
