"""Trials by image, their means, time courses and rasters, on spikes that are laid by hand."""

import numpy as np
import pytest

from models.image_responses import binned_activity, image_psth, mean_responses, spike_raster, trials_by_image
from models.presentation_counts import SpikeTrains

# Image 1 is shown at 0 and 3 s, image 0 at 1 s, the blank at 2 s; image 2 never.
ONSET_S = np.array([0.0, 1.0, 2.0, 3.0])
IMAGE = np.array([1, 0, -1, 1])
TRAINS = SpikeTrains.of([np.array([0.05, 0.15, 1.05, 2.01, 3.05, 3.06, 3.92]), np.array([])])


def test_trials_are_sorted_by_image_in_the_order_they_were_shown():
    counts = np.array([[4, 5, 6, 7], [0, 1, 2, 3]])
    trials = trials_by_image(counts, IMAGE, 3)
    nan = np.nan
    np.testing.assert_array_equal(trials[0], [[5, nan], [4, 7], [nan, nan]])
    np.testing.assert_array_equal(trials[1], [[1, nan], [0, 3], [nan, nan]])
    np.testing.assert_array_equal(mean_responses(trials), [[5, 5.5, nan], [1, 1.5, nan]])


def test_a_psth_is_the_mean_rate_of_each_image():
    psth = image_psth(TRAINS, ONSET_S, IMAGE, 3, np.array([0, 0.1, 0.2]))
    assert psth.n_presentations.tolist() == [1, 2, 0]
    np.testing.assert_allclose(psth.centre_s, [0.05, 0.15])
    # Image 1: 1 and 2 spikes in the first bin, 1 and 0 in the second, of 0.1 s each.
    np.testing.assert_allclose(psth.rate_hz[0], [[10, 0], [15, 5], [np.nan, np.nan]])
    np.testing.assert_allclose(psth.sem_hz[0, 1], [5, 5])
    assert np.isnan(psth.sem_hz[0, [0, 2]]).all()
    np.testing.assert_array_equal(psth.rate_hz[1, :2], 0)


def test_a_raster_has_every_spike_around_every_onset():
    raster = spike_raster(TRAINS, 0, ONSET_S[::-1], -0.1, 0.2)
    assert raster.presentation.tolist() == [0, 0, 1, 2, 3, 3]
    np.testing.assert_allclose(raster.time_s, [0.05, 0.06, 0.01, 0.05, 0.05, 0.15])
    assert spike_raster(TRAINS, 1, ONSET_S, 0, 1).time_s.size == 0


def test_activity_has_every_spike_of_whole_bins():
    activity = binned_activity(TRAINS, 0.0, 3.95, 0.1)
    assert activity.shape == (2, 39)
    assert activity.sum(axis=1).tolist() == [6, 0]  # the spike at 3.92 s lies in the bin that isn't whole
    assert np.flatnonzero(activity[0]).tolist() == [0, 1, 10, 20, 30]
    assert activity[0, 30] == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trials_by_image(np.ones((2, 3)), IMAGE, 3), r"per presentation of counts \(2, 3\), got \(4,\)"),
        (lambda: trials_by_image(np.ones((2, 4)), IMAGE, 1), "must be -1 to 0, got -1 to 1"),
        (lambda: trials_by_image(np.ones((2, 2)), np.array([-1, -1]), 3), "must have been shown"),
        (lambda: spike_raster(TRAINS, 0, ONSET_S, 0.1, 0.1), "run forward"),
        (lambda: binned_activity(TRAINS, 0.0, 0.05, 0.1), "must fit between"),
        (lambda: image_psth(TRAINS, ONSET_S, IMAGE, 3, np.array([0, 0, 0.1])), "must increase"),
    ],
)
def test_sizes_that_do_not_match_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
