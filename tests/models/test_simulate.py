from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from models.event_responses import Window, mean_response
from models.mouse_statistics import paired_mouse_contrast
from models.response_features import response_features
from models.simulate import IMAGES, ChangeDetectionPlan, simulate_change_detection
from models.simulate_kernels import (
    flash_drive,
    flash_response,
    indicator_kernel,
    omission_response,
    ramp_drive,
    ramp_peak_latency_s,
    ramp_response,
)
from models.simulate_mouse_effects import simulate_mouse_effects

SMALL = ChangeDetectionPlan(n_vip_mice=2, n_sst_mice=1, cells_per_mouse=5, duration_s=300)
CLEAR = replace(
    SMALL,
    n_vip_mice=1,
    duration_s=1200,
    omitted_fraction=0.2,
    noise_dff=0.002,
    shared_noise_dff=0,
    mouse_sd_dff=0,
    cell_sd_dff=0.01,
)
RISE_S, DECAY_S = SMALL.indicator_rise_s, SMALL.indicator_decay_s


@pytest.fixture(scope="module")
def sessions():
    return list(simulate_change_detection(SMALL))


@pytest.mark.parametrize(("shape", "drive_s"), [(flash_response, 0.25), (ramp_response, 0.75)])
def test_the_closed_forms_are_the_drive_convolved_with_the_kernel(shape, drive_s):
    step = 1e-4
    t = np.arange(0, 4, step)
    drive = (t <= drive_s) * (1.0 if shape is flash_response else t / drive_s)
    convolved = np.convolve(drive, indicator_kernel(t, RISE_S, DECAY_S))[: len(t)]
    np.testing.assert_allclose(shape(t, drive_s, RISE_S, DECAY_S), convolved / convolved.max(), atol=1e-3)
    assert (shape(np.array([-1.0, 0.0]), drive_s, RISE_S, DECAY_S) == 0).all()


@pytest.mark.parametrize(
    ("drive", "response", "drive_s"), [(flash_drive, flash_response, 0.25), (ramp_drive, ramp_response, 0.75)]
)
def test_spikes_at_the_drive_through_one_spikes_transient_are_the_response(drive, response, drive_s):
    step = 1e-4
    t = np.arange(0, 4, step)
    transient = indicator_kernel(t, RISE_S, DECAY_S)
    seen = np.convolve(drive(t, drive_s, RISE_S, DECAY_S), transient / transient.max())[: len(t)] * step
    np.testing.assert_allclose(seen, response(t, drive_s, RISE_S, DECAY_S), atol=2e-3)
    assert (drive(np.array([-0.1, drive_s, 1.0]), drive_s, RISE_S, DECAY_S) == 0).all()


def test_the_kernel_peaks_and_decays_as_gcamp6f_was_measured():
    t = np.arange(0, 2, 1e-4)
    k = indicator_kernel(t, RISE_S, DECAY_S)
    assert t[k.argmax()] == pytest.approx(0.048, abs=0.002)
    fallen = t[(t > t[k.argmax()]) & (k <= k.max() / 2)][0] - t[k.argmax()]
    # The rise is not over at the peak, so the fall to half takes longer than the decay constant's own 142 ms.
    assert fallen == pytest.approx(0.161, abs=0.002)


def test_the_ramp_peaks_where_it_is_said_to():
    t = np.arange(0, 2, 1e-5)
    assert ramp_peak_latency_s(0.75, RISE_S, DECAY_S) == pytest.approx(
        t[ramp_response(t, 0.75, RISE_S, DECAY_S).argmax()], abs=2e-5
    )
    assert ramp_response(np.array([ramp_peak_latency_s(0.75, 0.1, 0.6)]), 0.75, 0.1, 0.6)[0] == 1.0


def test_a_planted_ramp_comes_back_with_its_sign_size_and_time():
    window = Window()
    session = next(simulate_change_detection(CLEAR))
    assert session.omitted.sum() > 150
    found = mean_response(session.dff, session.frame_s, session.onset_s[session.omitted], window)
    features = response_features(found.mean.mean(axis=0), window.times_s)
    fine_s = np.linspace(window.start_s, window.stop_s, 30_001)
    truth = session.truth
    planted = omission_response(
        fine_s,
        truth.omission_ramp_dff,
        truth.flash_dff,
        CLEAR.flash_interval_s,
        CLEAR.flash_s,
        RISE_S,
        DECAY_S,
    ).mean(axis=0)
    assert features["peak_latency_s"] == pytest.approx(fine_s[planted.argmax()], abs=1 / CLEAR.frame_rate_hz)
    # Interpolation between frames rounds a sharp peak off, hence the tenth.
    planted -= planted[fine_s < 0].mean()
    assert features["peak_dff"] == pytest.approx(planted.max(), rel=0.1)
    assert features["mean_500_1000ms_dff"] > features["mean_0_500ms_dff"] > 0


def test_the_ramp_alone_peaks_within_a_frame_of_the_truth():
    window = Window()
    session = next(simulate_change_detection(replace(CLEAR, vip_flash_familiar_dff=0.0, cell_sd_dff=0.0)))
    found = mean_response(session.dff, session.frame_s, session.onset_s[session.omitted], window)
    latency_s = response_features(found.mean, window.times_s)["peak_latency_s"]
    assert np.abs(latency_s - session.truth.ramp_peak_latency_s).max() < 1 / CLEAR.frame_rate_hz


def test_a_negative_ramp_comes_back_negative():
    session = next(simulate_change_detection(replace(CLEAR, vip_omission_ramp_dff=-0.1)))
    found = mean_response(session.dff, session.frame_s, session.onset_s[session.omitted], Window())
    features = response_features(found.mean.mean(axis=0), Window().times_s)
    assert features["mean_500_1000ms_dff"] < 0
    assert features["trough_latency_s"] == pytest.approx(session.truth.ramp_peak_latency_s, abs=0.05)


def test_spike_probability_is_the_planted_drive_where_inference_is_perfect():
    session = next(simulate_change_detection(replace(CLEAR, inference_noise=0.0)))
    ramps = session.truth.omission_ramp_dff > 0.03
    found = mean_response(session.spike_prob[ramps], session.frame_s, session.onset_s[session.omitted], Window())
    latency_s = response_features(found.mean, Window().times_s)["peak_latency_s"]
    # Spikes stop with the ramp, before fluorescence peaks.
    assert ramps.sum() > 2
    assert np.abs(latency_s - CLEAR.flash_interval_s).max() < 2 / CLEAR.frame_rate_hz
    assert (session.spike_prob >= 0).all()
    late = (session.frame_s[:, None] - session.onset_s[session.omitted] > 0.5) & (
        session.frame_s[:, None] - session.onset_s[session.omitted] < 0.7
    )
    mean_drive = ramp_drive(np.arange(0.5, 0.7, 1e-3), 0.75, RISE_S, DECAY_S).mean()
    planted = session.truth.omission_ramp_dff[ramps] * mean_drive / CLEAR.spike_dff / CLEAR.frame_rate_hz
    np.testing.assert_allclose(session.spike_prob[ramps][:, late.any(axis=1)].mean(axis=1), planted, rtol=0.05)


def test_noise_of_the_inference_leaves_fluorescence_as_it_was(sessions):
    other = next(simulate_change_detection(replace(SMALL, inference_noise=0.2)))
    np.testing.assert_array_equal(other.dff, sessions[0].dff)
    assert (other.spike_prob != sessions[0].spike_prob).any()
    assert other.spike_prob.dtype == np.float32
    # Half of what is noise alone lies below 0, where it is cut.
    silent = next(simulate_change_detection(replace(SMALL.without_effect(), mouse_sd_dff=0.0, cell_sd_dff=0.0)))
    assert (silent.spike_prob == 0).mean() == pytest.approx(0.5, abs=0.01)


def test_sst_cells_follow_flashes_and_not_omissions():
    session = list(simulate_change_detection(CLEAR))[2]
    assert session.cre_line == "Sst-IRES-Cre"
    assert (session.truth.omission_ramp_dff == 0).all()
    flat = mean_response(session.dff, session.frame_s, session.onset_s[session.omitted], Window()).mean.mean(axis=0)
    times_s = Window().times_s
    # Between the last flash's decay and the next flash nothing rises above what it was before.
    assert flat[(times_s > 0.3) & (times_s < 0.7)].max() < flat[times_s < 0].min() + 0.01
    assert flat[(times_s > 0.8) & (times_s < 1.2)].max() > 0.03


def test_an_omitted_flash_evokes_no_flash_response():
    t = np.array([-0.55, 0.2, 0.95])
    around = omission_response(t, np.zeros(1), np.ones(1), 0.75, 0.25, RISE_S, DECAY_S)[0]
    assert around[[0, 2]].min() > 0.8
    assert around[1] < 0.05


def test_omissions_are_rare_single_never_first_never_a_change_and_always_followed_by_a_flash(sessions):
    assert all(0.01 < s.omitted.mean() < 0.09 for s in sessions)
    # With every flash a candidate, the rules alone decide.
    for s in [*sessions, *simulate_change_detection(replace(SMALL, omitted_fraction=1.0))]:
        omitted = np.flatnonzero(s.omitted)
        assert omitted.min() >= 10
        assert (np.diff(omitted) > 1).all()
        assert not s.omitted[-1]
        assert not (s.omitted & s.is_change).any()


def test_a_change_is_the_first_flash_of_another_image_of_the_set(sessions):
    for s in sessions:
        assert [name == "omitted" for name in s.image_name] == s.omitted.tolist()
        assert set(s.image_name) - {"omitted"} <= set(IMAGES[s.exposure_level])
        shown = [(name, change) for name, change in zip(s.image_name, s.is_change, strict=True) if name != "omitted"]
        for (before, _), (after, change) in pairwise(shown):
            assert change == (before != after)


def test_flashes_come_every_interval_and_arrays_belong_together(sessions):
    for s in sessions:
        np.testing.assert_allclose(np.diff(s.onset_s), 0.75)
        np.testing.assert_allclose(s.offset_s - s.onset_s, 0.25)
        assert s.dff.shape == (len(s.unit_id), len(s.frame_s)) == (5, 9300)
        assert s.spike_prob.shape == s.dff.shape
        assert s.dff.dtype == np.float32
        assert len(s.onset_s) == len(s.image_name) == len(s.omitted) == len(s.is_change)
        assert s.unit_id.dtype == np.int64


def test_a_cell_keeps_its_id_and_place_over_its_mouses_two_sessions(sessions):
    assert [(s.subject_id, s.exposure_level) for s in sessions[:2]] == [
        ("900001", "familiar"),
        ("900001", "novel"),
    ]
    for familiar, novel in zip(sessions[::2], sessions[1::2], strict=True):
        np.testing.assert_array_equal(familiar.unit_id, novel.unit_id)
        np.testing.assert_array_equal(familiar.x_px, novel.x_px)
        np.testing.assert_allclose(novel.truth.omission_ramp_dff, 0.3 * familiar.truth.omission_ramp_dff)
    ids = np.concatenate([s.unit_id for s in sessions[::2]])
    assert len(np.unique(ids)) == len(ids)
    assert len({s.session_name for s in sessions}) == 6


def test_the_same_plan_gives_the_same_sessions_and_another_seed_others(sessions):
    again = next(simulate_change_detection(SMALL))
    np.testing.assert_array_equal(again.dff, sessions[0].dff)
    # A mouse stays as it was when others join.
    joined = next(simulate_change_detection(replace(SMALL, n_sst_mice=3)))
    np.testing.assert_array_equal(joined.dff, sessions[0].dff)
    assert (next(simulate_change_detection(replace(SMALL, seed=1))).dff != again.dff).any()


def test_without_effect_omissions_and_images_evoke_the_same():
    plan = replace(SMALL.without_effect(), n_vip_mice=6, n_sst_mice=0, duration_s=600, omitted_fraction=0.15)
    late = (Window().times_s > 0.3) & (Window().times_s < 0.9)
    values, mouse, unit, omitted = [], [], [], []
    for s in simulate_change_detection(plan):
        for is_omitted in (False, True):
            found = mean_response(s.dff, s.frame_s, s.onset_s[s.omitted == is_omitted], Window())
            values.append(found.mean[:, late].mean(axis=1))
            mouse += [s.subject_id] * len(s.unit_id)
            unit.append(s.unit_id)
            omitted += [is_omitted] * len(s.unit_id)
    found = paired_mouse_contrast(np.concatenate(values), np.array(mouse), np.concatenate(unit), np.array(omitted))
    assert found.n_mice == 6
    assert found.p > 0.05
    assert abs(found.estimate) < 0.01


def test_without_effect_and_without_spread_nothing_is_planted_at_all():
    plan = replace(SMALL.without_effect(), mouse_sd_dff=0.0, cell_sd_dff=0.0, noise_dff=0.0, shared_noise_dff=0.0)
    assert all((s.dff == 0).all() for s in simulate_change_detection(plan))


def test_cells_of_a_mouse_correlate_as_asked():
    rng = np.random.default_rng(3)
    s = simulate_mouse_effects(4000, 2, 0.4, 0.02, 0.01, rng)
    assert len(s.values) == 16_000
    presented = s.values[~s.omitted].reshape(-1, 2)
    assert np.corrcoef(presented.T)[0, 1] == pytest.approx(0.4, abs=0.04)
    assert s.values.std() == pytest.approx(0.05, abs=0.003)
    assert s.values[s.omitted].mean() - s.values[~s.omitted].mean() == pytest.approx(0.02, abs=0.002)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_vip_mice": 0, "n_sst_mice": 0}, "at least one mouse"),
        ({"n_sst_mice": -1}, "n_sst_mice must not be negative"),
        ({"cells_per_mouse": 0}, "1 to 10000, got 0"),
        ({"noise_dff": -0.1}, "noise_dff must not be negative"),
        ({"inference_noise": -0.1}, "inference_noise must not be negative"),
        ({"spike_dff": 0.0}, "spike_dff must be positive"),
        ({"frame_rate_hz": 0.0}, "frame_rate_hz must be positive"),
        ({"flash_s": 0.8}, "flash_s 0.8 must be under flash_interval_s 0.75"),
        ({"omitted_fraction": 1.5}, "0 to 1, got 1.5"),
        ({"duration_s": 10.0}, "at least 14.0, got 10.0"),
        ({"vip_omission_ramp_dff": np.nan}, "vip_omission_ramp_dff must be finite"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0, 5, 0.1, 0, 0), "at least 1"),
        ((5, 5, 1.1, 0, 0), "0 to 1, got 1.1"),
        ((5, 5, 0.1, 0, -1), "negative"),
    ],
)
def test_mouse_effects_that_cannot_be_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        simulate_mouse_effects(*arguments, np.random.default_rng(0))
