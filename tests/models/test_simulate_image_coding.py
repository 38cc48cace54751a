"""Simulated image sessions: the shape that is asked for, and neurons that answer as they were planted to."""

from dataclasses import replace

import numpy as np
import pytest

from models.image_reliability import oracle_correlation
from models.image_responses import mean_responses, trials_by_image
from models.image_stimuli import GREY, gabor_conditions, natural_images
from models.planted_filters import planted_responses
from models.presentation_counts import SpikeTrains, presentation_counts
from models.simulate_image_coding import ImageCodingPlan, gabor_responses, simulate_image_session

PLAN = ImageCodingPlan(n_units=30, n_images=40, n_repeats=12, height_px=30, width_px=48, n_silent=2, with_gabors=True)


@pytest.fixture(scope="module")
def session():
    return simulate_image_session(PLAN)


def test_the_default_has_the_shape_of_the_sources_session():
    session = simulate_image_session(replace(ImageCodingPlan(), with_gabors=True), with_spikes=False)
    assert session.counts.shape == (135, 5950)
    assert session.images.shape == (118, 60, 96)
    assert np.bincount(session.image + 1).tolist() == [50] * 119  # the blank first
    assert session.gabors.counts.shape == (135, 3645)
    assert np.bincount(session.gabors.condition).tolist() == [15] * 243


def test_spikes_are_counted_as_they_were_drawn(session):
    trains = SpikeTrains.of(session.spike_s)
    window = np.array([0, PLAN.presentation_s])
    np.testing.assert_array_equal(presentation_counts(trains, session.onset_s, window)[:, :, 0], session.counts)
    gabors = presentation_counts(trains, session.gabors.onset_s, window)[:, :, 0]
    np.testing.assert_array_equal(gabors, session.gabors.counts)
    assert len(trains.time_s) == session.counts.sum() + session.gabors.counts.sum()
    assert (np.diff(session.onset_s) >= PLAN.presentation_s - 1e-9).all()
    assert session.block[[0, -1]].tolist() == [1, 3]


def test_the_same_plan_gives_the_same_session(session):
    again = simulate_image_session(PLAN, with_spikes=False)
    np.testing.assert_array_equal(again.counts, session.counts)
    np.testing.assert_array_equal(again.images, session.images)
    assert (simulate_image_session(replace(PLAN, seed=1), with_spikes=False).counts != session.counts).any()
    without = simulate_image_session(replace(PLAN, with_gabors=False), with_spikes=False)
    np.testing.assert_array_equal(without.counts, session.counts)


def test_mean_responses_are_those_that_were_planted(session):
    means = mean_responses(trials_by_image(session.counts, session.image, PLAN.n_images))
    expected = planted_responses(session.truth, session.images)
    # Poisson: the mean of 12 counts has the variance of the expectation over 12.
    score = (means - expected) / np.sqrt(np.maximum(expected, 1e-12) / PLAN.n_repeats)
    firing = session.truth.kind != "silent"
    assert score[firing].std() == pytest.approx(1, abs=0.05)
    assert abs(score[firing].mean()) < 0.1
    assert not session.counts[~firing].any()
    blank = session.counts[:, session.image == -1].mean(axis=1)
    np.testing.assert_allclose(blank, session.truth.baseline, atol=5 * np.sqrt(session.truth.baseline.max() / 12))


def test_units_that_answer_images_are_reliable_and_others_are_not(session):
    oracle = oracle_correlation(trials_by_image(session.counts, session.image, PLAN.n_images))
    kind = session.truth.kind
    assert oracle[np.isin(kind, ["simple", "complex"])].min() > 0.1
    assert abs(np.median(oracle[kind == "unresponsive"])) < 0.06
    assert np.isnan(oracle[kind == "silent"]).all()


def test_simple_cells_are_rectified_and_complex_cells_ignore_phase(session):
    truth = session.truth
    pattern = truth.even / np.abs(truth.even).max(axis=(1, 2), keepdims=True)
    answers = [np.diag(planted_responses(truth, GREY + 100 * sign * pattern)) - truth.baseline for sign in (1, -1)]
    simple, complex_ = truth.kind == "simple", truth.kind == "complex"
    assert (answers[0][simple] > 0).all()
    np.testing.assert_allclose(answers[1][simple], 0, atol=1e-9)
    np.testing.assert_allclose(answers[0][complex_], answers[1][complex_])
    shifted = GREY + 100 * truth.odd / np.abs(truth.odd).max(axis=(1, 2), keepdims=True)
    to_shifted = np.diag(planted_responses(truth, shifted)) - truth.baseline
    assert (to_shifted[complex_] > 0.8 * answers[0][complex_]).all()
    np.testing.assert_allclose(planted_responses(truth, np.full((1, 30, 48), GREY))[:, 0], truth.baseline)


def test_filters_have_no_mean_and_norm_one_and_gabors_drive_units_where_they_look(session):
    truth = session.truth
    np.testing.assert_allclose(np.linalg.norm(truth.even, axis=(1, 2)), 1)
    np.testing.assert_allclose(truth.even.sum(axis=(1, 2)), 0, atol=1e-9)
    x_deg = (truth.x_px - (PLAN.width_px - 1) / 2) * 120 / PLAN.width_px
    y_deg = ((PLAN.height_px - 1) / 2 - truth.y_px) * 95 / PLAN.height_px
    best = gabor_responses(truth).argmax(axis=1)
    patches = gabor_conditions()
    driven = truth.gain > 0
    away = np.hypot(patches["x_position"][best] - x_deg, patches["y_position"][best] - y_deg)
    assert np.median(away[driven]) < 10


def test_images_have_the_amplitude_spectrum_of_natural_scenes():
    images = natural_images(30, 64, 64, np.random.default_rng(0)).astype(float)
    power = (np.abs(np.fft.fft2(images - images.mean(axis=(1, 2), keepdims=True))) ** 2).mean(axis=0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
    inside = (frequency > 0) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[inside]), np.log(power[inside]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.1)  # amplitude falls as 1/f
    assert images.mean() == pytest.approx(GREY, abs=1)
    assert images.std() == pytest.approx(45, abs=1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_images": 0}, "n_images"),
        ({"height_px": 4}, "8 x 8"),
        ({"complex_fraction": 1.2}, "complex_fraction"),
        ({"n_silent": 200}, "n_silent"),
        ({"mean_count": -1.0}, "mean_count"),
        ({"n_repeats": 2}, "n_blocks"),
    ],
)
def test_plans_that_cannot_be_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        ImageCodingPlan(**changed)
