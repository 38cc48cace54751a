"""A session's responses, measured and committed: means, features, spikes, running, single events."""

import json

import numpy as np
import polars as pl
import pytest
from scipy import stats

from models.event_responses import Window, event_responses, mean_response
from models.response_features import FEATURES, response_features
from storage.check import all_checks, run_check
from storage.lake import Lake, open_lake
from storage.settings import Settings
from tasks.recipes import Recipe
from tasks.respond import measure_responses
from tests.tasks.planted_sessions import Planted, due, planted, put, put_snippets

WINDOW = Window()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(9)


def measured(session_id: str, protocol: str, recipe: Recipe | None = None) -> str:
    recipe = recipe or Recipe()
    with open_lake() as lake:
        one = due(lake, session_id, protocol, recipe.responses)
    return measure_responses.fn(one, protocol, None, recipe)


def rows(lake: Lake, table: str, session_id: str = "lab-a") -> pl.DataFrame:
    return lake.query(f"FROM derived.{table} ORDER BY ALL").filter(session_id=session_id)


def notes_of(lake: Lake, study_id: str) -> str | None:
    return lake.query("FROM findings.studies").filter(study_id=study_id)["notes"].item()


def broken_checks(lake: Lake, *tables: str) -> list[str]:
    """Names of the checks that the declarations of these tables imply, and that something breaks."""
    asked = [check for check in all_checks() if check.name.startswith(tuple(f"derived.{table}" for table in tables))]
    assert len(asked) > 10
    return [check.name for check in asked if len(run_check(lake, check).offending)]


def means(found: pl.DataFrame, condition: str, column: str = "mean_dff") -> np.ndarray:
    """(n_units, n_samples)."""
    of_condition = found.filter(condition=condition).sort("unit_id", "sample")
    return of_condition[column].to_numpy().reshape(-1, of_condition["sample"].n_unique())


@pytest.fixture
def session(rng) -> Planted:
    return planted(rng)


@pytest.fixture
def lake():
    with open_lake(Settings(threads=2)) as opened:
        yield opened


def test_published_means_are_those_of_every_event(lake: Lake, session: Planted):
    put(lake, "lab-a", session)
    measured("lab-a", "published")
    found = rows(lake, "mean_responses")
    for condition, taken in (("presented", ~session.omitted), ("omitted", session.omitted)):
        expected = mean_response(session.signals["dff"], session.frame_s, session.onset_s[taken], WINDOW, "hold")
        np.testing.assert_allclose(means(found, condition), expected.mean, atol=1e-7)
        np.testing.assert_allclose(means(found, condition, "sem_dff"), expected.sem, atol=1e-7)
        counts = found.filter(condition=condition).select("event_count", "dropped_count", "missing_count").unique()
        assert counts.rows() == [(taken.sum(), 0, 0)]
    features = rows(lake, "response_features").sort("unit_id", "condition")
    expected = response_features(means(found, "omitted"), WINDOW.times_s)
    for name in FEATURES:
        np.testing.assert_allclose(features.filter(condition="omitted")[name], expected[name], rtol=1e-4, atol=1e-6)
    assert broken_checks(lake, "mean_responses", "response_features", "behavior_responses") == []


def test_rigorous_means_take_as_many_of_each_and_count_what_is_left_out(lake: Lake, session: Planted):
    session.signals["dff"][2, 100] = np.nan
    put(lake, "lab-a", session)
    study_id = measured("lab-a", "rigorous")
    found = rows(lake, "mean_responses").filter(sample=0)
    total = found.select(pl.col("event_count") + pl.col("missing_count")).to_series()
    assert total.unique().to_list() == [session.omitted.sum()]
    assert found.filter(pl.col("unit_id") != session.unit_id[2])["missing_count"].sum() == 0
    assert dict(found.select("condition", "dropped_count").iter_rows()) == {"presented": 1, "omitted": 0}
    (parameters,) = lake.query("FROM findings.studies")["parameters"]
    assert json.loads(parameters)["gap_ratio"] == 3.0
    assert notes_of(lake, study_id) is None
    # All omissions are taken: their mean is known, but for the unit that misses a frame.
    expected = mean_response(session.signals["dff"], session.frame_s, session.onset_s[session.omitted], WINDOW)
    np.testing.assert_allclose(means(rows(lake, "mean_responses"), "omitted"), expected.mean, atol=1e-7)


def test_frames_that_were_lost_are_not_read_across(lake: Lake, session: Planted):
    frames = np.delete(np.arange(len(session.frame_s)), np.arange(700, 710))
    torn = Planted(
        session.frame_s[frames], {"dff": session.signals["dff"][:, frames]}, session.onset_s, session.omitted, {}
    )
    put(lake, "lab-a", torn)
    measured("lab-a", "rigorous")
    omissions_s = session.onset_s[session.omitted]
    touched = (omissions_s - 1 < session.frame_s[710]) & (omissions_s + 2 > session.frame_s[699])
    found = rows(lake, "mean_responses").filter(sample=0, condition="omitted")
    assert found["missing_count"].to_list() == [touched.sum()] * 3
    assert found["event_count"].to_list() == [(~touched).sum()] * 3


@pytest.mark.parametrize("protocol", ["rigorous", "published"])
def test_snippets_give_the_same_as_the_session_they_were_cut_from(lake: Lake, session: Planted, protocol: str):
    put(lake, "lab-whole", session)
    put_snippets(lake, "lab-cut", session, -1.2, 2.2)
    for session_id in ("lab-whole", "lab-cut"):
        measured(session_id, protocol)
    whole, cut = (rows(lake, "mean_responses", session_id) for session_id in ("lab-whole", "lab-cut"))
    counts = ["unit_id", "condition", "sample", "event_count", "dropped_count", "missing_count"]
    assert cut.select(counts).sort(counts).equals(whole.select(counts).sort(counts))
    # All omissions are averaged under either protocol; which images are is drawn by session.
    for condition in ("omitted",) if protocol == "rigorous" else ("omitted", "presented"):
        np.testing.assert_allclose(means(cut, condition), means(whole, condition), atol=1e-6)
        np.testing.assert_allclose(means(cut, condition, "sem_dff"), means(whole, condition, "sem_dff"), atol=1e-6)
    assert rows(lake, "response_features", "lab-cut").height == 6
    assert rows(lake, "behavior_responses", "lab-cut").is_empty()


def test_snippets_that_miss_a_unit_or_are_too_short_are_counted(lake: Lake, session: Planted):
    put_snippets(lake, "lab-cut", session, -1.2, 2.2, left_out=((1, 3), (1, 7)))
    measured("lab-cut", "rigorous")
    found = rows(lake, "mean_responses", "lab-cut").filter(sample=0, condition="omitted").sort("unit_id")
    assert found["missing_count"].to_list() == [0, 2, 0]
    assert found["event_count"].to_list() == [10, 8, 10]


def test_snippets_shorter_than_the_window_are_refused_or_held(lake: Lake, session: Planted):
    put_snippets(lake, "lab-cut", session, -1.25, 1.5)
    study_id = measured("lab-cut", "rigorous")
    assert rows(lake, "mean_responses", "lab-cut").is_empty()
    note = notes_of(lake, study_id)
    assert "no snippet holds -1 to 2 s from onset, they reach from -1.25 to 1.50 s" in note
    measured("lab-cut", "rigorous", Recipe(Window(-1.0, 1.4, 73)))
    assert rows(lake, "mean_responses", "lab-cut")["event_count"].unique().to_list() == [10]
    measured("lab-cut", "published")
    held = means(rows(lake, "mean_responses", "lab-cut").filter(pl.col("time_s") > 1.52), "presented")
    assert held.shape[1] > 10
    assert np.ptp(held, axis=1).max() < 1e-6


def test_running_is_averaged_over_the_same_events(lake: Lake, session: Planted):
    run_s = np.arange(0, session.frame_s[-1], 1 / 60)
    speed = 20.0 + sum(5.0 * (run_s >= onset_s) for onset_s in session.onset_s[session.omitted])
    pupil = np.where((run_s > 20) & (run_s < 20.1), np.nan, 300.0)
    behavior = {
        "running_speed_cm_per_s": (run_s, speed),
        "pupil_area_px2": (run_s, pupil),
        "lick_force_n": (np.zeros(3), np.zeros(3)),
    }
    put(lake, "lab-a", Planted(session.frame_s, session.signals, session.onset_s, session.omitted, behavior))
    study_id = measured("lab-a", "rigorous")
    found = rows(lake, "behavior_responses").filter(condition="omitted")
    running = found.filter(signal="running_speed_cm_per_s").sort("sample")
    times_s, mean = running["time_s"].to_numpy(), running["mean"].to_numpy()
    before, after = mean[(times_s > -0.5) & (times_s < -0.02)], mean[(times_s > 0.02) & (times_s < 0.5)]
    np.testing.assert_allclose(after.mean() - before.mean(), 5.0, atol=1e-6)
    assert before.mean() > 20  # the baseline stays
    touched = np.abs(session.onset_s[session.omitted] + 0.5 - 20.05) < 1.55
    pupil = found.filter(signal="pupil_area_px2")
    assert pupil["mean"].unique().to_list() == [300.0]
    assert pupil["missing_count"].unique().to_list() == [touched.sum()]
    assert pupil["event_count"].unique().to_list() == [10 - touched.sum()]
    note = notes_of(lake, study_id)
    assert note == "lick_force_n is left out: frame_s must strictly increase, but does not after frame 0"
    assert "lick_force_n" not in found["signal"]


def test_spike_probability_is_measured_as_fluorescence_is(lake: Lake, session: Planted, rng):
    spikes = rng.uniform(0, 0.2, session.signals["dff"].shape).astype(np.float32)
    for onset_s in session.onset_s[session.omitted]:
        spikes[:, (session.frame_s >= onset_s) & (session.frame_s < onset_s + 0.5)] += 1.0
    spikes[:, :32] = np.nan  # an inference has no frames around the first ones
    signals = dict(session.signals) | {"spike_prob": spikes}
    put(lake, "lab-a", Planted(session.frame_s, signals, session.onset_s, session.omitted, {}))
    measured("lab-a", "published")
    found = rows(lake, "mean_spike_prob")
    expected = mean_response(spikes, session.frame_s, session.onset_s[session.omitted], WINDOW, "hold")
    np.testing.assert_allclose(means(found, "omitted", "mean_spike_prob"), expected.mean, atol=1e-6)
    assert set(found.filter(condition="presented")["event_count"]) == {28}  # two of thirty touch those frames
    features = rows(lake, "spike_features").filter(condition="omitted").sort("unit_id")
    after, before = ((WINDOW.times_s >= 0) & (WINDOW.times_s < 1)), ((WINDOW.times_s >= -1) & (WINDOW.times_s < 0))
    magnitude = expected.mean[:, after].mean(axis=1) - expected.mean[:, before].mean(axis=1)
    np.testing.assert_allclose(features["response_magnitude_spike_prob"], magnitude, atol=1e-6)
    np.testing.assert_allclose(magnitude, 0.5, atol=0.1)
    np.testing.assert_allclose(features["peak_spike_prob"], expected.mean.max(axis=1), atol=1e-6)
    assert rows(lake, "mean_responses").height == 2 * 3 * 90


def test_single_events_are_measured_where_they_are_asked_for(lake: Lake, session: Planted):
    session.signals["dff"][0, 500] = np.nan
    put(lake, "lab-a", session)
    measured("lab-a", "rigorous")
    assert rows(lake, "event_features").is_empty()
    assert rows(lake, "event_responses").is_empty()
    study_id = measured("lab-a", "rigorous", Recipe(per_event=True))
    raw = event_responses(session.signals["dff"], session.frame_s, session.onset_s, WINDOW, subtract_baseline=False)
    whole = ~np.isnan(raw.values).any(axis=2)  # (n_units, n_kept)
    features = rows(lake, "event_features").sort("unit_id", "event_id")
    assert features["study_id"].unique().to_list() == [study_id]
    assert features.height == whole.sum() < whole.size
    events = np.flatnonzero(raw.kept)
    assert features.filter(unit_id=10)["event_id"].to_list() == events[whole[0]].tolist()
    responses = raw.values - raw.values[..., WINDOW.baseline].mean(axis=2, keepdims=True)
    expected = response_features(responses[1], WINDOW.times_s)
    of_unit = features.filter(unit_id=11)
    for name in ("peak_dff", "auc_dff_s", "energy_dff2", "peak_latency_s"):
        np.testing.assert_allclose(of_unit[name], expected[name], atol=1e-5)
    np.testing.assert_allclose(of_unit["skewness"], stats.skew(responses[1], axis=1), atol=1e-4)
    single = rows(lake, "event_responses").filter(unit_id=11).sort("event_id")
    until = (WINDOW.times_s >= 0) & (WINDOW.times_s < 0.75)
    np.testing.assert_allclose(single["mean_dff"], raw.values[1][:, until].mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(single["baseline_dff"], raw.values[1][:, WINDOW.baseline].mean(axis=1), atol=1e-6)
    assert broken_checks(lake, "event_features", "event_responses") == []


def test_a_session_without_a_whole_window_says_so(lake: Lake, session: Planted):
    short = Planted(session.frame_s[:60], {"dff": session.signals["dff"][:, :60]}, np.array([0.5, 1.0]),
                    np.array([False, True]), {})  # fmt: skip
    put(lake, "lab-a", short)
    study_id = measured("lab-a", "rigorous")
    note = notes_of(lake, study_id)
    assert note == "no event's window lies wholly within the recording"
    assert rows(lake, "response_features").is_empty()


def test_a_session_without_dff_or_snippets_is_not_due(lake: Lake, session: Planted):
    only_raw = Planted(session.frame_s, {"fluorescence": session.signals["dff"]}, session.onset_s, session.omitted, {})
    put(lake, "lab-a", only_raw)
    with pytest.raises(StopIteration):
        due(lake, "lab-a", "rigorous", Recipe().responses)
