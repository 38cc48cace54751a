from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from models.baselines import regressors_without_drift, without_drift
from models.indicator_kernels import Kernel
from models.regressor_fits import coefficient_covariance, fit_regressors, held_out_r2
from models.regressor_folds import event_folds
from models.regressors import event_regressors, frames_at_times, with_continuous
from models.response_classes import AMBIGUOUS, clear_largest_coefficient, largest_coefficient
from models.shift_null import shift_selection
from models.simulate_response_types import NO_RESPONSE, RUNNING, ResponseTypesPlan, simulate_response_types

PLAN = ResponseTypesPlan(running_rois=10, snr=1.0, drift_dff=0.3)


def regressors_of(recording, decay_s=1.5):
    kind = np.array(recording.stimulus)
    frames = {
        name: frames_at_times(recording.onset_s[kind == name], recording.frame_s, name) for name in recording.stimuli
    }
    found = event_regressors(frames, Kernel(decay_s), 2.0, len(recording.frame_s))
    return with_continuous(found, "running", recording.running_cm_s)


@pytest.mark.parametrize("in_blocks", [False, True])
@pytest.mark.parametrize("drift_dff", [0.0, 0.3])
def test_planted_classes_come_back_and_noise_is_rejected(in_blocks, drift_dff):
    plan = replace(PLAN, in_blocks=in_blocks, drift_dff=drift_dff, regions=("a", "b", "c"))
    false, n_selected, agreement, explained = 0, 0, [], []
    for recording in simulate_response_types(plan):
        raw = regressors_of(recording)
        dff, regressors = without_drift(recording.dff, 2.0, 200.0), regressors_without_drift(raw, 2.0, 200.0)
        selection, fits = shift_selection(dff, regressors), fit_regressors(dff, regressors)
        held_out = held_out_r2(dff, regressors, event_folds(regressors, 4, 9))
        found = clear_largest_coefficient(
            fits.coefficient, coefficient_covariance(dff, regressors), selection.selected, regressors.is_stimulus
        ).response_class
        truth = recording.response_class
        responding = truth >= 0
        agreement.append(adjusted_rand_score(np.where(responding, truth, -1), np.where(found < 0, -1, found)))
        assert selection.selected[responding].mean() > 0.95
        assert selection.selected[truth == RUNNING].all()
        # ROIs that follow running alone are locked to a regressor, and to no stimulus.
        assert (found[truth == RUNNING] == AMBIGUOUS).mean() > 0.8
        false += (selection.selected & (truth == NO_RESPONSE)).sum()
        n_selected += selection.selected.sum()
        explained += [held_out[responding].mean(), held_out[truth == NO_RESPONSE].mean()]
    assert np.mean(agreement) >= 0.95
    assert false / n_selected < 0.08
    assert min(explained[::2]) > 0.35
    assert max(explained[1::2]) < 0.0


def test_the_published_rule_finds_the_planted_classes_at_high_signal_to_noise():
    recording = next(simulate_response_types(replace(PLAN, snr=3.0, running_rois=0, drift_dff=0.0)))
    fits = fit_regressors(recording.dff, regressors_of(recording))
    found = largest_coefficient(fits.coefficient, fits.r2 > 0.5, np.array([True, True, True, False]))
    assert adjusted_rand_score(recording.response_class, found) >= 0.95


def test_signal_to_noise_is_as_planted():
    recording = next(simulate_response_types(replace(PLAN, snr=2.0, snr_spread=0.0, drift_dff=0.0, rois_per_class=60)))
    r2 = fit_regressors(recording.dff, regressors_of(recording)).r2
    # The signal has four times the variance of the noise.
    assert r2[recording.response_class >= 0].mean() == pytest.approx(0.8, abs=0.02)
    noise = recording.dff[recording.response_class == NO_RESPONSE]
    assert noise.std(axis=1).mean() == pytest.approx(0.1, rel=0.05)
    lag = np.mean([np.corrcoef(row[:-1], row[1:])[0, 1] for row in noise])
    assert lag == pytest.approx(0.5 * np.exp(-1 / 6), abs=0.05)


def test_classes_have_places_of_their_own():
    recording = next(simulate_response_types(replace(PLAN, rois_per_class=50)))
    for stimulus in range(3):
        here = recording.response_class == stimulus
        assert recording.x_um[here].std() < 60
        assert recording.y_um[here].std() < 60
    assert recording.x_um[recording.response_class == NO_RESPONSE].std() > 90
    assert np.concatenate([recording.x_um, recording.y_um]).min() >= 0
    assert np.concatenate([recording.x_um, recording.y_um]).max() <= 400


def test_arrays_belong_together_and_stimuli_are_as_many_as_asked():
    for recording, blocks in [
        (r, b) for b in (False, True) for r in simulate_response_types(replace(PLAN, in_blocks=b))
    ]:
        assert recording.dff.shape == (PLAN.n_rois, PLAN.n_frames) == (len(recording.unit_id), len(recording.frame_s))
        assert recording.dff.dtype == np.float32
        assert {name: recording.stimulus.count(name) for name in PLAN.stimuli} == dict.fromkeys(PLAN.stimuli, 8)
        assert (recording.stimulus == list(np.repeat(PLAN.stimuli, 8))) == blocks
        assert (np.diff(recording.onset_s) > 10).all()
        assert recording.onset_s.max() < recording.frame_s[-1]
        assert (np.bincount(recording.response_class + 2) == [10, 60, 20, 20, 20]).all()


def test_the_same_plan_gives_the_same_recordings_and_regions_stay_when_others_join():
    first, second = simulate_response_types(PLAN)
    again = list(simulate_response_types(replace(PLAN, regions=("left_tectum", "right_tectum", "cerebellum"))))
    np.testing.assert_array_equal(first.dff, again[0].dff)
    np.testing.assert_array_equal(second.dff, again[1].dff)
    assert (next(simulate_response_types(replace(PLAN, seed=1))).dff != first.dff).any()
    assert len(np.unique(np.concatenate([one.unit_id for one in again]))) == 3 * PLAN.n_rois


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"regions": ()}, "regions must be one or more different names"),
        ({"stimuli": ("a", "a")}, "stimuli must be one or more different names"),
        ({"snr": -1.0}, "snr must not be negative"),
        ({"rate_hz": 0.0}, "rate_hz must be positive, got 0"),
        ({"jitter_s": 10.0}, "under half of interval_s 20.0, got 10.0"),
        ({"slow_share": 1.5}, "0 to 1, got 1.5"),
        ({"decay_s": np.nan}, "decay_s must be finite"),
        ({"rois_per_class": 0, "running_rois": 0, "noise_rois": 0}, "at least one ROI"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        replace(PLAN, **change)
