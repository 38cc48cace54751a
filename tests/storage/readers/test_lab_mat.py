"""Variables of MATLAB files of both kinds, mapped by a description; and the real recordings that come so."""

import json
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
import scipy.io
import scipy.signal
import yaml

from storage.readers.choose import read_recording
from storage.readers.lab import lab_cells, lab_mat
from storage.readers.recording import Recording, Refused
from storage.tables import EVENTS, FRAME_LABELS, FRAMES, SESSIONS, TRIALS, UNITS

YAML = "format: mat\norientation: cells_by_frames\nrate_hz: 10\nvariables: {dff: dff}\n"


def rows(recording: Recording, table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(recording.rows[table]))


def behavior(recording: Recording) -> dict[str, list[float]]:
    found = pl.concat([pl.DataFrame(pl.from_arrow(block)) for rows in recording.blocks for block in rows.blocks()])
    return {str(name): group["value"].to_list() for (name,), group in found.group_by(["signal"], maintain_order=True)}


def save(path: Path, version: str, **variables: np.ndarray) -> None:
    """As MATLAB saves with -v7 or -v7.3: there an HDF5 file with rows and columns turned round."""
    if version == "-v7":
        scipy.io.savemat(path, variables, do_compression=True)
        return
    classes = {"f8": "double", "f4": "single", "i4": "int32", "u1": "uint8"}
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            turned = np.atleast_2d(values).T
            chunks = (1, turned.shape[1]) if turned.shape[0] > 1 else None
            file.create_dataset(name, data=turned, chunks=chunks).attrs["MATLAB_class"] = np.bytes_(
                classes[values.dtype.str[1:]]
            )
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with open(path, "r+b") as raw:
        raw.write(head)


def recording(folder: Path, text: str, version: str = "-v7", **variables: np.ndarray) -> Recording:
    save(folder / "day3.mat", version, **variables)
    (folder / "day3.yaml").write_text(text)
    return read_recording(folder / "day3.yaml", "lab")


@pytest.mark.parametrize("version", ["-v7", "-v7.3"])
@pytest.mark.parametrize("orientation", ["cells_by_frames", "frames_by_cells"])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_variables_are_what_the_description_says(tmp_path, rng, version, orientation, dtype):
    values = rng.normal(0, 1, (3, 5)).astype(dtype)
    values[1, 2] = np.nan
    text = (
        f"format: mat\norientation: {orientation}\n"
        "variables: {dff: F, time_ms: t, unit_id: id, position_cm: pos, label: lab}\nlabel_names: {1: run}\n"
    )
    shown = values if orientation == "cells_by_frames" else values.T
    times, position = np.array([0.0, 100, 200, 310, 400]), np.array([[1.0], [2], [np.nan], [4], [5]])
    ids, labels = np.array([412.0, 7, 9]), np.array([0, 1, 1, 0, 2], "u1")
    found = recording(tmp_path, text, version, F=shown, t=times, pos=position, id=ids, lab=labels)
    (trace,) = found.traces
    np.testing.assert_array_equal(trace.values, values.astype(np.float32))
    assert trace.unit_id.tolist() == [412, 7, 9]
    assert rows(found, FRAMES)["time_s"].to_list() == [0.0, 0.1, 0.2, 0.31, 0.4]
    assert rows(found, FRAME_LABELS)["label"].to_list() == [0, 1, 1, 0, 2]
    assert rows(found, FRAME_LABELS)["label_name"].to_list() == [None, "run", "run", None, None]
    assert behavior(found) == {"position_cm": [1.0, 2.0, None, 4.0, 5.0]}


@pytest.mark.parametrize("orientation", ["cells_by_frames", "frames_by_cells"])
def test_a_large_variable_of_version_73_is_streamed(tmp_path, rng, monkeypatch, orientation):
    monkeypatch.setattr(lab_mat, "_MOST_BYTES_IN_MEMORY", 100)
    monkeypatch.setattr(lab_cells, "VALUES_PER_SPAN", 0)
    monkeypatch.setattr("storage.traces.VALUES_PER_SPAN", 30)
    monkeypatch.setattr(lab_mat, "read_mat", None)
    values = rng.normal(0, 1, (3, 50))
    shown = values if orientation == "cells_by_frames" else values.T
    found = recording(tmp_path, YAML.replace("cells_by_frames", orientation), "-v7.3", dff=shown)
    spans = list(found.traces[0].spans())
    assert len(spans) == 5
    np.testing.assert_array_equal(np.concatenate([span for _, span in spans], axis=1), values.astype(np.float32))


def test_a_variable_too_large_for_version_5_asks_for_73(tmp_path, monkeypatch):
    monkeypatch.setattr(lab_mat, "_MOST_BYTES_UNSTREAMED", 100)
    monkeypatch.setattr(lab_mat, "_MOST_BYTES_IN_MEMORY", 10)
    with pytest.raises(Refused, match=r"day3.mat dff: found 160 bytes as double; expected .*saved as -v7\.3"):
        recording(tmp_path, YAML, dff=np.zeros((4, 5)))


def test_events_and_trials_that_are_variables(tmp_path):
    text = YAML + (
        "events: {variables: {LICK: lick, REWARD: rew}, time_unit: ms, clock: {zero_s: 1}, kinds: {LICK: lick}}\n"
        "trials: {start_variable: on, stop_variable: off, outcome_variable: hit, outcomes: {1: hit, 0: miss},"
        " time_unit: ms, clock: log}\n"
    )
    on, off = np.array([1000.0, 3000]), np.array([2000.0, 4000])
    times = {"lick": np.array([1500.0, 3500]), "rew": np.array([[1500.0]]), "hit": np.array([1.0, 0])}
    found = recording(tmp_path, text, dff=np.zeros((1, 50)), on=on, off=off, **times)
    assert rows(found, EVENTS).select("kind", "name", "onset_s").rows() == [
        ("lick", "LICK", 0.5),
        ("mark", "REWARD", 0.5),
        ("lick", "LICK", 2.5),
    ]
    trials = rows(found, TRIALS).select("trial_id", "start_s", "stop_s", "outcome").rows()
    assert trials == [(0, 0.0, 1.0, "hit"), (1, 2.0, 3.0, "miss")]


def test_outcomes_may_be_words_in_a_cell(tmp_path):
    text = YAML + "trials: {start_variable: on, outcome_variable: what, time_unit: s, clock: frames}\n"
    words = np.empty((1, 2), object)
    words[:] = [["correct", "incorrect"]]
    found = recording(tmp_path, text, dff=np.zeros((1, 5)), on=np.array([0.0, 0.2]), what=words)
    assert rows(found, TRIALS)["outcome"].to_list() == ["correct", "incorrect"]


D = np.zeros((2, 4))
TRIALS_SAID = "trials: {start_variable: on, outcome_variable: o, time_unit: s, clock: frames}\n"


@pytest.mark.parametrize(
    ("text", "variables", "said"),
    [
        (YAML, {"F": D}, "day3.mat variables: found no dff; there are F"),
        (
            YAML,
            {"dff": np.zeros((2, 3, 4))},
            r"day3.mat dff: found double of shape \(2, 3, 4\); expected cells x frames",
        ),
        (YAML, {"dff": np.array(["text"])}, "day3.mat dff: found char of shape"),
        (YAML, {"dff": D + 1j}, "day3.mat dff: found complex128 values; expected real numbers"),
        (YAML, {"dff": np.zeros((0, 4))}, "day3.mat shape: found 0 cells x 4 frames"),
        (YAML, {"dff": D + np.inf}, "dff of lab-day3: found inf in cell 0 at frame 0"),
        (
            YAML.replace("}", ", deconvolved: S}"),
            {"dff": D, "S": D.T},
            "day3.mat shape: found 4 cells x 2 frames; expected 2 x 4, as of the signal dff",
        ),
        (YAML.replace("}", ", unit_id: i}"), {"dff": D, "i": np.arange(3)}, "cells: found 3 names for 2 cells"),
        (YAML.replace("}", ", unit_id: i}"), {"dff": D, "i": np.ones(2)}, "cells: found 1 more than once"),
        (
            YAML.replace("}", ", x_cm: x}"),
            {"dff": D, "x": np.arange(3)},
            "x_cm: found 3 values; expected 4, one for each",
        ),
        (
            YAML.replace("}", ", x_cm: x}"),
            {"dff": D, "x": D},
            r"day3.mat x: found ndarray of shape \(2, 4\); expected one",
        ),
        (YAML.replace("}", ", x_cm: x}"), {"dff": D, "x": "abcd"}, "variables.x_cm: found texts; expected numbers"),
        (YAML.replace("}", ", label: l}"), {"dff": D, "l": np.array([0, 1, 2, 0.5])}, "label: found 0.5 at frame 3"),
        (
            YAML.replace("rate_hz: 10\n", "").replace("}", ", time_s: t}"),
            {"dff": D, "t": np.array([0.0, 1, 1, 2])},
            "variables.time_s: found time standing still at frame 2",
        ),
        (YAML.replace("dff: dff", "x_cm: x"), {"x": np.zeros(3)}, "variables: found x_cm; expected one of dff"),
        (
            YAML + "events: {variables: {L: l}, time_unit: s, clock: frames}\n",
            {"dff": D, "l": np.array([1, np.nan])},
            "day3.mat l: found values that are no times",
        ),
        (
            YAML + TRIALS_SAID,
            {"dff": D, "on": np.zeros(2), "o": np.zeros(3)},
            "trials: found 2 starts, 2 stops, 3 outcomes",
        ),
        (YAML + TRIALS_SAID, {"dff": D, "on": np.zeros(1), "o": np.array([5])}, "trial 1: found outcome '5'"),
    ],
)
def test_what_is_wrong_in_a_variable_is_named(tmp_path, text, variables, said):
    with pytest.raises(Refused, match=said):
        recording(tmp_path, text, **variables)


@pytest.mark.parametrize("version", ["-v7", "-v7.3"])
def test_a_file_cut_short_is_refused(tmp_path, rng, version):
    save(tmp_path / "day3.mat", version, dff=rng.normal(0, 1, (20, 200)))
    content = (tmp_path / "day3.mat").read_bytes()
    (tmp_path / "day3.mat").write_bytes(content[: len(content) // 2])
    (tmp_path / "day3.yaml").write_text(YAML)
    with pytest.raises(Refused) as caught:
        read_recording(tmp_path / "day3.yaml", "lab")
    assert caught.value.reader == "lab_files"
    assert caught.value.field.startswith("day3.mat")


ABOUT_ODOR = """
format: matrix
orientation: cells_by_frames
matrices: {demixed: C_raw.txt, denoised: C.txt, deconvolved: S.txt}
rate_hz: 3.74
started_by: {event: BEGIN, frames: 71}
events:
  file: behavior_codes.txt
  columns: [time, event]
  separator: tab
  comment: "#"
  time_unit: ms
  kinds: {TONE_RW: stimulus, TONE_CSM: stimulus, REWARD: reward, LICK: lick}
trials: {start_event: BEGIN, stop_event: END}
session: LOGGE024
"""
ABOUT_TREADMILL = """
format: mat
orientation: cells_by_frames
rate_hz: unknown
variables:
  dff: {file: Raw_DF_F_Two_Photon.mat, variable: RawDF_F}
  filtered_events:
    file: FilteredMPP4Decoding4OLE.mat
    variable: FilteredMPP4Decoding4OLE
    orientation: frames_by_cells
  position_cm: {file: Position4DecodingOLE.mat, variable: position}
"""
ABOUT_EXCERPT = """
format: mat
orientation: cells_by_frames
rate_hz: 30
variables: {dff: dF_traces}
session: "552195520"
"""


def test_the_odor_recording_is_read_whole_and_laid_on_its_log(recordings):
    folder = recordings / "odor_2p"
    found = read_recording(folder, "odor", "lab_files", about=yaml.safe_load(ABOUT_ODOR))
    assert found.session_ids == ("odor-LOGGE024",)
    traces = {trace.signal: trace.values for trace in found.traces}
    for signal, name in (("demixed", "C_raw"), ("denoised", "C"), ("deconvolved", "S")):
        assert traces[signal].shape == (49, 8520)
        np.testing.assert_array_equal(traces[signal], np.loadtxt(folder / f"{name}.txt", dtype=np.float32))
    log = [line.split() for line in (folder / "behavior_codes.txt").read_text().splitlines() if "#" not in line]
    log = [(int(entry[0]), entry[1]) for entry in log if entry]
    events = rows(found, EVENTS)
    assert [(round(1000 * onset), name) for onset, name in events.select("onset_s", "name").rows()] == log
    assert events["kind"].value_counts().sort("kind").rows() == [
        ("lick", 1434), ("mark", 239), ("reward", 60), ("stimulus", 120)
    ]  # fmt: skip
    time_s = rows(found, FRAMES)["time_s"].to_numpy().reshape(120, 71)
    odor_s = np.array([time / 1000 for time, name in log if name.startswith("TONE")])
    # The odour comes 8 s after a trial began: between the 30th frame of its run and the 31st.
    assert ((time_s[:, 29] < odor_s) & (odor_s <= time_s[:, 30])).all()
    trials = rows(found, TRIALS)
    assert len(trials) == 120
    assert trials["stop_s"].null_count() == 1  # one END is not in the log
    licks = events.filter(pl.col("kind") == "lick")["onset_s"].to_numpy()
    unrewarded = events.filter(pl.col("name") == "TONE_CSM")["onset_s"].to_numpy() - 8
    within = [((licks > start) & (licks < start + 19)).any() for start in unrewarded]
    assert within.count(False) == 58
    assert json.loads(rows(found, SESSIONS)["metadata"].item())["log_notes"][1] == "#Filename: LOGGE024.CSV"


def test_the_treadmill_recording_has_no_rate_and_says_so(recordings):
    folder = recordings / "treadmill_2p"
    found = read_recording(folder, "treadmill", "lab_files", about=yaml.safe_load(ABOUT_TREADMILL))
    session = rows(found, SESSIONS)
    assert session.select("unit_count", "frame_count", "rate_hz").row(0) == (79, 420, None)
    traces = {trace.signal: trace.values for trace in found.traces}
    raw = scipy.io.loadmat(folder / "Raw_DF_F_Two_Photon.mat")["RawDF_F"]
    np.testing.assert_array_equal(traces["dff"], raw.astype(np.float32))
    filtered = scipy.io.loadmat(folder / "FilteredMPP4Decoding4OLE.mat")["FilteredMPP4Decoding4OLE"]
    np.testing.assert_array_equal(traces["filtered_events"], filtered.T.astype(np.float32))
    # The same cells in the same order: each one's peaks, smoothed as the authors did, are most like its own events.
    smoothed = np.array([np.convolve(_peaks(trace), [0.2, 0.4, 0.4, 0, 0], "same") for trace in raw])
    alike = np.corrcoef(smoothed, traces["filtered_events"])[:79, 79:]
    assert (alike.argmax(axis=1) == np.arange(79)).all()
    laps = np.reshape(behavior(found)["position_cm"], (10, 42))
    np.testing.assert_allclose(laps, np.tile(np.linspace(0, 108, 42), (10, 1)))
    assert len(rows(found, UNITS)) == 79


def _peaks(trace: np.ndarray) -> np.ndarray:
    at, _ = scipy.signal.find_peaks(trace, height=0, prominence=0)
    peaks = np.zeros_like(trace)
    peaks[at] = trace[at]
    return peaks


def test_the_excerpt_of_a_visual_coding_session_is_read(recordings):
    path = recordings / "spike_inference" / "example" / "Allen-Brain-Observatory-Visual-Coding-30Hz"
    path /= "Experiment_552195520_excerpt.mat"
    found = read_recording(path, "allen", "lab_files", about=yaml.safe_load(ABOUT_EXCERPT))
    assert found.session_ids == ("allen-552195520",)
    assert rows(found, SESSIONS).select("unit_count", "frame_count", "rate_hz").row(0) == (74, 6001, 30.0)
    np.testing.assert_array_equal(found.traces[0].values, scipy.io.loadmat(path)["dF_traces"])
    assert rows(found, FRAMES)["time_s"][-1] == 200.0
