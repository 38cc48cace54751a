"""What a session's ROIs are regressed on: its events by name, its kernel, and its signals at the frames."""

from dataclasses import replace

import numpy as np
import pytest

from storage.lake import Lake
from tasks.response_type_recipe import TypesRecipe
from tasks.session_regressors import SessionRegressors, Unfit, session_regressors
from tests.tasks.planted_types import DECAY_S, KINDS, RATE_HZ, RUNNING, put_types

RECIPE = TypesRecipe(tau_s=DECAY_S, slowest_s=None)


def regressors(lake: Lake, recipe: TypesRecipe, protocol: str = "rigorous") -> SessionRegressors:
    return session_regressors(lake, "a", protocol, recipe)


@pytest.fixture
def planted(lake: Lake) -> Lake:
    put_types(lake, "a", np.random.default_rng(5), per_class=2, noise=2)
    return lake


def test_events_come_in_the_order_of_kinds_and_signals_after_them(planted: Lake):
    assert regressors(planted, RECIPE).regressors.names == (*KINDS, RUNNING)
    chosen = replace(RECIPE, event_kinds=("reward", "image"), behavior=())
    assert regressors(planted, chosen).regressors.names == ("reward", "image")
    each = regressors(planted, replace(RECIPE, each_image=True)).regressors.names
    assert each == ("im061", "omission", "lick", "reward", RUNNING)


def test_an_event_stands_at_the_frame_that_it_falls_into_under_both_protocols(planted: Lake):
    rigorous, published = (regressors(planted, RECIPE, one).regressors for one in ("rigorous", "published"))
    onset_s = planted.query("SELECT onset_s FROM recorded.events WHERE kind = 'lick' ORDER BY onset_s")["onset_s"]
    by_hand = np.floor((onset_s.to_numpy() - 100) * RATE_HZ).astype(int).tolist()
    assert rigorous.event_frames["lick"].tolist() == by_hand
    assert published.event_frames["lick"].tolist() == by_hand
    train = np.zeros(700)
    train[by_hand] = 1
    kernel = np.exp(-np.arange(700) / RATE_HZ / DECAY_S)
    expected = np.convolve(train, kernel / kernel.sum())[:700]
    assert rigorous.values[rigorous.names.index("lick")] == pytest.approx(expected, abs=1e-12)


def test_a_signal_that_the_session_has_not_is_left_out_and_noted(planted: Lake):
    found = regressors(planted, replace(RECIPE, behavior=("pupil_area_px2",)))
    assert found.regressors.names == KINDS
    assert found.notes == ("pupil_area_px2: the session has none, left out",)


def test_the_decay_with_which_events_explain_most_is_the_planted_one(planted: Lake):
    found = regressors(planted, replace(RECIPE, tau_s=None, kernel_from="best fit"))
    assert found.kernel.decay_s == pytest.approx(DECAY_S, rel=0.2)


def test_a_decay_between_events_that_leave_no_room_is_no_kernel(planted: Lake):
    with pytest.raises(Unfit, match=r"no kernel: .* too few"):
        regressors(planted, replace(RECIPE, tau_s=None, kernel_from="between events"))


def test_an_unknown_indicator_is_refused_with_those_that_are_known(planted: Lake):
    with pytest.raises(Unfit, match=r"no kinetics of indicator 'GCaMP99'; known: GCaMP6s"):
        regressors(planted, replace(RECIPE, tau_s=None, indicator="GCaMP99"))


def test_slow_changes_are_taken_out_of_traces_and_regressors_under_rigorous_alone(planted: Lake):
    recipe = replace(RECIPE, slowest_s=60.0)
    clean, as_is = regressors(planted, recipe), regressors(planted, recipe, "published")
    line = np.arange(700) - 349.5
    assert clean.dff[0] @ line == pytest.approx(0, abs=1e-6)
    assert clean.regressors.values @ line == pytest.approx(np.zeros(5), abs=1e-6)
    assert as_is.dff[0] == pytest.approx(planted.traces("a").values[0])
