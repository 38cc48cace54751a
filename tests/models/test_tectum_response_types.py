"""The real tectum recording, of which the study's own list of ROIs is at hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from models.baselines import regressors_without_drift, without_drift
from models.indicator_kernels import TECTUM_DECAY_S, TECTUM_LIST_DECAY_S, Kernel
from models.regressor_fits import coefficient_covariance, fit_regressors, held_out_r2
from models.regressor_folds import event_folds, most_folds
from models.regressors import event_regressors, frames_at_rate, frames_at_times
from models.response_classes import class_counts, clear_largest_coefficient, largest_coefficient
from models.roi_clusters import cluster_rois, distances
from models.shift_null import shift_selection

STEP_S = 0.9565608
SHOWN = {
    "prey": [46, 80, 115, 150, 184, 219],
    "looming": [252, 286, 319],
    "dimming": [353, 386, 420],
}


@pytest.fixture(scope="module")
def tectum(request):
    """Traces, the authors' own selection of them, and the times of the stimuli."""
    folder = request.config.rootpath.parent / "shared" / "recordings" / "zebrafish_tectum"
    if not folder.is_dir():
        pytest.skip(f"the tectum recording is not on this machine: {folder}")
    all_rois, passed = (
        pd.read_csv(folder / name, index_col=0).to_numpy() for name in ("all_rois_df.csv", "rois_r2_pass.csv")
    )
    protocol = pd.read_csv(folder / "stimulus_protocol.csv")
    onset_s = {
        name: protocol.loc[protocol[f"stim{number}_presence"] > 0, "t"].to_numpy()
        for number, name in enumerate(SHOWN, start=1)
    }
    return all_rois, passed, onset_s


def regressors_with(onset_s, decay_s, n_frames=439):
    frames = {name: frames_at_rate(times, 1 / STEP_S, n_frames, name) for name, times in onset_s.items()}
    assert {name: found.tolist() for name, found in frames.items()} == SHOWN
    return event_regressors(frames, Kernel(decay_s), 1 / STEP_S, n_frames)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_published_rule_selects_exactly_the_authors_rois(tectum, dtype):
    all_rois, passed, onset_s = tectum
    regressors = regressors_with(onset_s, TECTUM_LIST_DECAY_S)
    fits = fit_regressors(all_rois.astype(dtype), regressors)
    selected = fits.r2 > 0.05
    np.testing.assert_array_equal(all_rois[selected], passed)
    counts = class_counts(largest_coefficient(fits.coefficient, selected), regressors.names)
    assert counts == {"prey": 55, "looming": 92, "dimming": 16, "ambiguous": 0, "not selected": 189}


def test_the_decay_that_stands_in_the_code_selects_others(tectum):
    all_rois, _, onset_s = tectum
    regressors = regressors_with(onset_s, TECTUM_DECAY_S["GCaMP6s"])
    fits = fit_regressors(all_rois, regressors)
    counts = class_counts(largest_coefficient(fits.coefficient, fits.r2 > 0.05), regressors.names)
    assert [counts[name] for name in SHOWN] == [61, 98, 17]


def test_frames_come_out_the_same_from_times_of_frames(tectum):
    _, _, onset_s = tectum
    frame_s = np.arange(439) * STEP_S
    for name, times in onset_s.items():
        frames = frames_at_times(times, frame_s, name)
        assert frames.tolist() == SHOWN[name]
        # In the lake an onset is its frame's own time.
        assert frames_at_times(frame_s[frames], frame_s, name).tolist() == SHOWN[name]
        assert frames_at_rate(frame_s[frames], 1 / STEP_S, 439, name).tolist() == SHOWN[name]


def test_the_rigorous_rule_selects_fewer_of_the_same(tectum):
    all_rois, _, onset_s = tectum
    raw = regressors_with(onset_s, TECTUM_LIST_DECAY_S)
    published = fit_regressors(all_rois, raw).r2 > 0.05
    dff = without_drift(all_rois, 1 / STEP_S, 200.0)
    regressors = regressors_without_drift(raw, 1 / STEP_S, 200.0)
    found = shift_selection(dff, regressors)
    assert 40 < found.selected.sum() < published.sum()
    assert published[found.selected].all()
    held_out = held_out_r2(dff, regressors, event_folds(regressors, most_folds(regressors), 5))
    assert (held_out[found.selected] > 0).mean() > 0.9
    assert np.median(held_out[~published]) < 0
    covariance = coefficient_covariance(dff, regressors)
    fits = fit_regressors(dff, regressors)
    counts = class_counts(
        clear_largest_coefficient(fits.coefficient, covariance, found.selected).response_class, regressors.names
    )
    # Six prey, three looming and three dimming stimuli: what is clear is mostly looming, as in the authors' list.
    assert counts["looming"] > counts["prey"] > counts["dimming"]
    assert counts["ambiguous"] > 0


def test_average_linkage_merges_as_scipy_does(tectum):
    all_rois, passed, _ = tectum
    for traces in (all_rois, passed):
        ours = linkage(squareform(distances(traces), checks=False), "average")
        theirs = linkage(traces, "average", metric="correlation")
        np.testing.assert_array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    found = cluster_rois(passed)
    heights = linkage(passed, "average", metric="correlation")[:, 2]
    np.testing.assert_allclose(found.merges[:, 2], heights, atol=1e-12)
