"""Spikes cut out by trial: counted where they belong, and never put on a clock that they were not on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.recording import Refused
from storage.readers.studies import spike_trials
from storage.tables import EVENTS, SESSIONS, SPIKE_COUNTS, SPIKES, UNITS

# Three trials of two units: 2 and 1 spikes, none and 3, 1 and none.
TIMES = np.array([0.01, 0.02, 0.05, 0.0, 0.05, 0.1, 0.03])
SPANS = np.array([[[0, 2], [2, 3]], [[3, 3], [3, 6]], [[6, 7], [7, 7]]])
COUNTS = [2, 1, 0, 3, 1, 0]
LABELS = np.array([0, 45, 0])


def written(folder: Path, **parts: Any) -> Path:
    folder.mkdir(exist_ok=True)
    held = {"spike_times": TIMES, "ii_spike_times": SPANS, "stim_label": LABELS} | parts
    for name, array in held.items():
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    return folder


def refusal(folder: Path, **given) -> Refused:
    with pytest.raises(Refused) as caught:
        read_recording(folder, "gratings", **given)
    assert caught.value.reader == "spike_trials"
    return caught.value


def test_spikes_are_counted_by_trial_and_unit(tmp_path):
    recording = read_recording(written(tmp_path / "demo"), "gratings")
    assert recording.session_ids == ("gratings-demo",)
    assert recording.rows[SESSIONS]["unit_count"].to_pylist() == [2]
    assert recording.rows[UNITS]["unit_id"].to_pylist() == [0, 1]
    events = pl.from_arrow(recording.rows[EVENTS])
    assert events.select("event_id", "kind", "name", "onset_s").rows() == [
        (trial, "stimulus", "grating", None) for trial in range(3)
    ]
    assert [json.loads(text)["orientation_deg"] for text in events["attributes"]] == [0, 45, 0]
    counts = pl.from_arrow(recording.rows[SPIKE_COUNTS]).sort("event_id", "unit_id")
    assert counts["spike_count"].to_list() == COUNTS
    assert counts.select("start_s", "stop_s", "width_s").unique().rows() == [(0.0, 0.1, 0.1)]
    assert counts["study_id"].unique().to_list() == [f"source:{recording.content_sha256}"]


def test_times_from_each_onset_are_no_spikes_of_a_session(tmp_path):
    recording = read_recording(written(tmp_path / "demo"), "gratings")
    assert SPIKES not in recording.rows
    assert recording.blocks == ()
    assert "counted, not stored" in json.loads(recording.rows[SESSIONS]["metadata"][0].as_py())["spike_times"]


def test_the_spans_need_not_be_in_order(tmp_path):
    spans = SPANS.copy()
    spans[0], spans[1] = SPANS[1], SPANS[0]
    counts = pl.from_arrow(read_recording(written(tmp_path / "a", ii_spike_times=spans), "g").rows[SPIKE_COUNTS])
    assert counts.sort("event_id", "unit_id")["spike_count"].to_list() == [0, 3, 2, 1, 1, 0]


def test_another_window_is_what_the_owner_says(tmp_path):
    folder = written(tmp_path / "demo", spike_times=TIMES * 2)
    assert "0.2 s at spike 5" in refusal(folder).found
    counts = read_recording(folder, "gratings", about={"window_s": 0.25}).rows[SPIKE_COUNTS]
    assert counts["stop_s"].to_pylist()[0] == counts["width_s"].to_pylist()[0] == 0.25


def changed(trial: int, unit: int, span: tuple[int, int]) -> np.ndarray:
    spans = SPANS.copy()
    spans[trial, unit] = span
    return spans


@pytest.mark.parametrize(
    ("parts", "field", "found"),
    [
        ({"spike_times": TIMES + 1000}, "spike_times", "1000.01 s at spike 0"),
        ({"spike_times": TIMES - 0.001}, "spike_times", "-0.001 s at spike 3"),
        ({"spike_times": TIMES * np.nan}, "spike_times", "nan s at spike 0"),
        ({"spike_times": TIMES[:, None]}, "spike_times", "float64 of shape (7, 1)"),
        ({"spike_times": (TIMES * 1000).astype(int)}, "spike_times", "int64 of shape (7,)"),
        ({"spike_times": TIMES[:-1]}, "ii_spike_times", "6 to 7 for trial 2 and unit 0"),
        ({"spike_times": np.append(TIMES, 0.05)}, "ii_spike_times", "0 for spike 7 (1 of 8 spikes)"),
        ({"ii_spike_times": changed(2, 1, (6, 7))}, "ii_spike_times", "2 for spike 6 (1 of 7 spikes)"),
        ({"ii_spike_times": changed(0, 0, (1, 2))}, "ii_spike_times", "0 for spike 0 (1 of 7 spikes)"),
        ({"ii_spike_times": changed(0, 0, (2, 0))}, "ii_spike_times", "2 to 0 for trial 0 and unit 0"),
        ({"ii_spike_times": changed(0, 0, (-1, 2))}, "ii_spike_times", "-1 to 2 for trial 0 and unit 0"),
        ({"ii_spike_times": SPANS.astype(float)}, "ii_spike_times", "float64 of shape (3, 2, 2)"),
        ({"ii_spike_times": SPANS[..., :1]}, "ii_spike_times", "int64 of shape (3, 2, 1)"),
        ({"ii_spike_times": SPANS[:0]}, "ii_spike_times", "int64 of shape (0, 2, 2)"),
        ({"stim_label": LABELS[:2]}, "stim_label", "int64 of shape (2,)"),
        ({"stim_label": np.array(["0", "45", "0"])}, "stim_label", "<U2 of shape (3,)"),
        ({"stim_label": LABELS * np.nan}, "stim_label", "float64 of shape (3,)"),
        ({"stim_label": LABELS.astype(object)}, "stim_label.npy", "Python objects"),
    ],
)
def test_what_does_not_hold_is_refused(tmp_path, parts, field, found):
    refused = refusal(written(tmp_path / "demo", **parts))
    assert field in refused.field
    assert found in refused.found
    assert refused.expected


def test_spans_that_no_int64_holds_are_refused(tmp_path):
    spans = SPANS.astype(np.uint64)
    spans[0, 0] = (0, 2**64 - 1)
    assert refusal(written(tmp_path / "demo", ii_spike_times=spans)).field == "ii_spike_times"


def test_a_phy_folder_is_not_claimed(tmp_path):
    assert not spike_trials.recognises(written(tmp_path / "phy", ii_spike_times=None, stim_label=None))
    assert not spike_trials.recognises(tmp_path / "nowhere")


def test_orientation_decodes_from_what_landed(recordings, lake: Lake):
    """Linear decoding of four orientations from the counts: 1.00 in 5-fold cross-validation."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.svm import LinearSVC

    folder = recordings / "neuropixels_gratings"
    recording = read_recording(folder, "gratings")
    lake.replace(recording.rows, message="ingest")
    landed = lake.query(
        "SELECT event_id, unit_id, spike_count, (attributes ->> '$.orientation_deg')::INTEGER AS orientation_deg "
        "FROM derived.spike_counts JOIN recorded.events USING (session_id, event_id) ORDER BY event_id, unit_id"
    )
    X = landed["spike_count"].to_numpy().reshape(200, 1000)
    y = landed["orientation_deg"].to_numpy().reshape(200, 1000)[:, 0]
    assert X.sum() == 153_635
    assert np.unique(y, return_counts=True)[1].tolist() == [50, 50, 50, 50]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(LinearSVC(), X, y, cv=folds).mean() == 1.0
