"""Spikes per presentation: counted by hand, as the AllenSDK counts them, and as a real recording's index arrays say."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from models.presentation_counts import SpikeTrains, presentation_counts, spike_trains

REPOSITORY = Path(__file__).resolve().parents[2]
ALLEN_PYTHON = REPOSITORY / ".venv-allen" / "bin" / "python"


def counted_by_search(trains, onset_s, edges_s):
    """What `build_spike_histogram` of AllenSDK 2.16 does, (n_units, n_presentations, n_bins)."""
    edge = onset_s[:, None] + edges_s
    return np.stack([np.searchsorted(t, edge[:, 1:], "right") - np.searchsorted(t, edge[:, :-1]) for t in trains])


@pytest.fixture(scope="module")
def gratings():
    """Spike times, spans of them (n_trials, n_units, 2), and the orientation of each trial, of a real recording."""
    folder = REPOSITORY.parent / "shared" / "recordings" / "neuropixels_gratings"
    if not folder.is_dir():
        pytest.skip(f"the gratings recording is not on this machine: {folder}")
    return tuple(np.load(folder / f"{name}.npy") for name in ("spike_times", "ii_spike_times", "stim_label"))


def counts_of_gratings(spike_s, spans):
    """Counts (n_units, n_trials) of 0 to 100 ms, with trial k laid at k seconds: the file's times are from onset."""
    count = spans[..., 1] - spans[..., 0]
    trial = np.repeat(np.repeat(np.arange(len(spans)), spans.shape[1]), count.ravel())
    at = np.concatenate([np.arange(*span) for span in spans.reshape(-1, 2)])
    unit = np.repeat(np.tile(np.arange(spans.shape[1]), len(spans)), count.ravel())
    time_s = trial + spike_s[at]
    order = np.lexsort((time_s, unit))
    trains = spike_trains(unit[order], time_s[order], np.arange(spans.shape[1]))
    return presentation_counts(trains, np.arange(len(spans), dtype=float), np.array([0, 0.1]))[:, :, 0]


def test_a_spike_on_an_inner_edge_counts_on_both_sides_or_once():
    trains = SpikeTrains.of([np.array([0.0, 0.5, 0.5, 1.0, 1.2])])
    edges_s, onset_s = np.array([0, 0.5, 1.0]), np.array([0.0])
    assert presentation_counts(trains, onset_s, edges_s)[0, 0].tolist() == [3, 3]
    assert presentation_counts(trains, onset_s, edges_s, closed="left")[0, 0].tolist() == [1, 2]
    assert presentation_counts(trains, onset_s, edges_s, binarize=True)[0, 0].tolist() == [1, 1]


def test_windows_may_overlap_come_in_any_order_and_units_may_be_empty():
    trains = SpikeTrains.of([np.array([]), np.array([1.0, 2.0, 3.0]), np.array([])])
    counts = presentation_counts(trains, np.array([2.0, 0.5, 0.5]), np.array([0, 2.0]))
    assert counts[:, :, 0].tolist() == [[0, 0, 0], [2, 2, 2], [0, 0, 0]]
    assert counts.dtype == np.uint16


@pytest.mark.parametrize("n_bins", [1, 32])
def test_counts_equal_a_search_for_every_edge(n_bins):
    rng = np.random.default_rng(n_bins)
    # Binary fractions are exact: many spikes lie on edges. Windows of half a second every sixteenth overlap.
    trains = [np.sort(rng.integers(0, 20_480, n) / 1024) for n in (0, 1, 300, 5000, 0)]
    onset_s = rng.permutation(np.arange(-2, 22, 1 / 16))
    edges_s = np.linspace(-0.125, 0.375, n_bins + 1)
    assert np.isin(trains[2], onset_s[:, None] + edges_s).any()
    expected = counted_by_search(trains, onset_s, edges_s)
    np.testing.assert_array_equal(presentation_counts(SpikeTrains.of(trains), onset_s, edges_s), expected)


def test_bins_that_are_closed_to_the_left_add_up_to_the_window():
    rng = np.random.default_rng(3)
    trains = SpikeTrains.of([np.sort(rng.integers(0, 9000, 4000) / 1000)])
    onset_s, edges_s = np.arange(0, 9, 0.3), np.linspace(0, 0.25, 26)
    bins = presentation_counts(trains, onset_s, edges_s, closed="left")
    whole = presentation_counts(trains, onset_s, edges_s[[0, -1]], closed="left")
    np.testing.assert_array_equal(bins.sum(axis=2), whole[:, :, 0])
    by_numpy = [np.histogram(trains.time_s, onset + edges_s)[0][:-1] for onset in onset_s]  # the last bin is closed
    np.testing.assert_array_equal(bins[0, :, :-1], by_numpy)


@pytest.mark.skipif(not ALLEN_PYTHON.exists(), reason="the AllenSDK's environment is not here: make allen")
def test_counts_equal_the_allensdks(tmp_path):
    rng = np.random.default_rng(0)
    trains = SpikeTrains.of([np.sort(rng.integers(0, 60_000, n) / 1000) for n in (0, 2000, 1, 4000)])
    onset_s, edges_s = np.sort(rng.integers(0, 60_000, 400) / 1000), np.arange(-50, 301, 10) / 1000
    np.savez(tmp_path / "in.npz", time_s=trains.time_s, ends=trains.ends, onset_s=onset_s, edges_s=edges_s)
    script = REPOSITORY / "benchmarks" / "presentation_counts_allen.py"
    command = [str(ALLEN_PYTHON), str(script), str(tmp_path / "in.npz"), str(tmp_path / "out.npy")]
    subprocess.run(command, check=True, capture_output=True)
    theirs = np.load(tmp_path / "out.npy")
    ours = presentation_counts(trains, onset_s, edges_s)
    assert theirs.dtype == ours.dtype
    np.testing.assert_array_equal(ours, theirs.transpose(2, 0, 1))


def test_real_counts_are_what_the_index_arrays_say(gratings):
    spike_s, spans, _ = gratings
    expected = (spans[..., 1] - spans[..., 0]).T
    assert expected.sum() == 153_635
    np.testing.assert_array_equal(counts_of_gratings(spike_s, spans), expected)


def test_real_orientations_are_decoded_without_error(gratings):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    spike_s, spans, orientation_deg = gratings
    counts = counts_of_gratings(spike_s, spans).T  # (n_trials, n_units)
    decoder = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(decoder, counts, orientation_deg, cv=folds).tolist() == [1.0] * 5
    shuffled = np.random.default_rng(0).permutation(orientation_deg)
    assert cross_val_score(decoder, counts, shuffled, cv=folds).mean() < 0.4


def test_a_long_table_is_cut_into_the_units_that_are_asked_for():
    trains = spike_trains(np.array([3, 3, 7]), np.array([1.0, 2.0, 0.5]), np.array([7, 5, 3]))
    assert [trains.train(unit).tolist() for unit in range(len(trains))] == [[0.5], [], [1.0, 2.0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SpikeTrains.of([np.array([1.0]), np.array([2.0, 1.0])]), "1.0 s at spike 1 of unit 1"),
        (lambda: SpikeTrains.of([np.array([1.0, np.nan])]), "nan s at spike 1 of unit 0"),
        (lambda: SpikeTrains(np.array([1.0]), np.array([2])), "must end at the 1 spikes"),
        (lambda: spike_trains(np.array([2, 1]), np.array([0.0, 0.0]), np.array([1, 2])), "in order of unit_id"),
        (lambda: spike_trains(np.array([1, 9]), np.array([0.0, 0.0]), np.array([1])), "spikes of 1 others: [9]"),
        (lambda: spike_trains(np.array([1]), np.array([0.0]), np.array([1, 1])), "named once"),
    ],
)
def test_spikes_out_of_order_or_of_nobody_are_refused(call, message):
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        call()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"edges_s": np.array([0.0])}, "two or more"),
        ({"edges_s": np.array([0.2, 0.1])}, "ascending"),
        ({"edges_s": np.array([0.0, np.nan])}, "finite"),
        ({"onset_s": np.array([np.inf])}, "onset_s must be finite"),
        ({"closed": "right"}, "'both' or 'left'"),
        ({"dtype": np.float32}, "whole numbers"),
        ({"dtype": np.uint8}, "got 300 spikes in one bin"),
    ],
)
def test_what_cannot_be_counted_is_refused(changed, message):
    trains = SpikeTrains.of([np.linspace(0, 1, 300)])
    call = {"onset_s": np.array([0.0]), "edges_s": np.array([0.0, 2.0])} | changed
    with pytest.raises(ValueError, match=message):
        presentation_counts(trains, **call)
