"""Matched event numbers: counts by hand, and the false effect that they take away."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from models.event_responses import Window, mean_response
from models.matched_events import equal_numbers
from models.mouse_statistics import paired_mouse_contrast
from models.simulate import ChangeDetectionPlan, simulate_change_detection

WINDOW = Window()
# Nothing is evoked and cells don't differ: whatever tells the conditions apart is the number of events.
NULL = replace(
    ChangeDetectionPlan(n_vip_mice=6, n_sst_mice=0, cells_per_mouse=4, duration_s=180).without_effect(),
    mouse_sd_dff=0.0,
    cell_sd_dff=0.0,
)


def test_each_condition_keeps_as_many_events_as_the_rarest():
    condition = np.array(["presented"] * 19 + ["omitted"] * 3)
    kept = equal_numbers(condition, np.random.default_rng(0))
    assert kept[19:].all()
    assert kept[:19].sum() == 3


def test_the_draw_is_that_of_its_generator():
    condition = np.array(["presented"] * 50 + ["omitted"] * 5)
    first, again, other = (equal_numbers(condition, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_one_condition_alone_keeps_all_its_events():
    assert equal_numbers(np.array(["omitted"] * 4), np.random.default_rng(0)).all()
    assert equal_numbers(np.array([], dtype=str), np.random.default_rng(0)).shape == (0,)


def test_labels_must_be_one_per_event():
    with pytest.raises(ValueError, match=r"one label per event"):
        equal_numbers(np.zeros((2, 2)), np.random.default_rng(0))


def peak_contrast_p(seed: int, matched: bool) -> float:
    """p over mice of the omission's effect on peak amplitude, from raw traces of a simulation without one."""
    values, mouse_id, unit_key, omitted = [], [], [], []
    rng = np.random.default_rng(seed)
    for session in simulate_change_detection(replace(NULL, seed=seed)):
        if session.exposure_level == "novel":
            continue
        kept = equal_numbers(session.omitted, rng) if matched else np.ones(len(session.omitted), bool)
        for condition in (True, False):
            onset_s = session.onset_s[kept & (session.omitted == condition)]
            peaks = mean_response(session.dff, session.frame_s, onset_s, WINDOW).mean.max(axis=1)
            values.append(peaks)
            mouse_id.append(np.full(len(peaks), session.subject_id))
            unit_key.append(session.unit_id)
            omitted.append(np.full(len(peaks), condition))
    columns = (np.concatenate(column) for column in (values, mouse_id, unit_key, omitted))
    return paired_mouse_contrast(*columns).p


def test_without_an_effect_p_values_over_mice_are_uniform_once_events_are_matched():
    p = [peak_contrast_p(seed, matched=True) for seed in range(150)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_unmatched_events_make_an_effect_of_nothing():
    p = np.array([peak_contrast_p(seed, matched=False) for seed in range(15)])
    assert (p < 0.05).mean() > 0.8
