"""What the lake holds of the AllenSDK's files, value by value against what the AllenSDK's objects show of them.

Runs in the allen environment: the files are planted there by the AllenSDK's own code (planted_sessions.py).
"""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

pytest.importorskip("allensdk", reason="the AllenSDK has an environment of its own")

from allensdk.brain_observatory.behavior.behavior_ophys_experiment import BehaviorOphysExperiment
from allensdk.brain_observatory.ecephys.ecephys_session import EcephysSession

import storage.traces
from storage.readers.choose import read_recording
from storage.readers.recording import Recording
from storage.tables import EVENTS, FRAMES, IMAGES, SESSIONS, TRIALS, UNITS

HERE = Path(__file__).parent
FIELDS = HERE.parent.parent / "docs" / "allen-fields.md"
NO_NUMBER = -99
TRACES = {
    "dff": ("dff_traces", "dff"),
    "corrected": ("corrected_fluorescence_traces", "corrected_fluorescence"),
    "demixed": ("demixed_traces", "demixed_trace"),
    "events": ("events", "events"),
}
FLAGS = ("is_image_novel", "active", "is_sham_change")
NUMBERED = ("image_index", "movie_frame_index", "movie_repeat", "trials_id")
EYE = {
    "area_px2": "area",
    "area_raw_px2": "area_raw",
    "center_x_px": "center_x",
    "center_y_px": "center_y",
    "half_width_px": "width",
    "half_height_px": "height",
    "phi_rad": "phi",
}


def planted(folder: Path, *arguments: str) -> Path:
    path = folder / "planted.nwb"
    command = [sys.executable, str(HERE / "planted_sessions.py"), "--out", str(path), *arguments]
    subprocess.run(command, check=True, capture_output=True)
    return path


def table(recording: Recording, of) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(recording.rows[of]))


def said(rows: pl.DataFrame) -> list[dict]:
    return [json.loads(text) for text in rows["attributes"]]


def blocks(recording: Recording, name: str) -> pl.DataFrame:
    of = next(one for one in recording.blocks if one.table.name == name)
    return pl.DataFrame(pl.from_arrow(pa.concat_tables(of.blocks())))


def signals(recording: Recording) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Times (s) and values, NaN where missing, of each signal of the animal."""
    rows = blocks(recording, "recorded.behavior_signals")
    return {
        name: (one["time_s"].to_numpy(), one["value"].fill_null(np.nan).to_numpy())
        for (name,), one in rows.group_by(["signal"], maintain_order=True)
    }


def same(ours, theirs) -> None:
    """The same numbers, missing ones alike."""
    np.testing.assert_array_equal(np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float))


# ---- Visual Behavior ----


class Experiment:
    def __init__(self, path: Path) -> None:
        self.sdk = BehaviorOphysExperiment.from_nwb_path(str(path))
        self.recording = read_recording(path, "allen")
        self.session = table(self.recording, SESSIONS).row(0, named=True)
        self.metadata = json.loads(self.session["metadata"])
        self.events = table(self.recording, EVENTS)
        self.signals = signals(self.recording)


@pytest.fixture(scope="module", params=["active", "passive"])
def experiment(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    passive = ["--passive", "--scientifica"] if request.param == "passive" else []
    kind = ["--kind", "visual_behavior", "--cells", "12", "--minutes", "2", "--seed", "3"]
    return Experiment(planted(folder, *kind, *passive))


@pytest.mark.parametrize("signal", [*TRACES, "neuropil"])
def test_traces_are_the_same(experiment, signal, monkeypatch):
    # In spans of 97 frames, so that their seams are seen.
    monkeypatch.setattr(storage.traces, "VALUES_PER_SPAN", 970)
    trace = next(one for one in experiment.recording.traces if one.signal == signal)
    ours = np.concatenate([values.copy() for _, values in trace.spans()], axis=1)
    # The AllenSDK's neuropil_traces shows the demixed traces; the cells beneath it have the neuropil.
    name, column = TRACES.get(signal, (None, "neuropil_trace"))
    shown = getattr(experiment.sdk, name) if name else experiment.sdk._cell_specimens.neuropil_traces
    assert trace.unit_id.tolist() == shown.index.tolist()
    theirs = np.stack(shown[column].to_list()).astype(np.float32)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs)


def test_filtered_events_follow_from_events_as_the_page_says(experiment):
    trace = next(one for one in experiment.recording.traces if one.signal == "events")
    scale_frames = 2 / 31 * experiment.metadata["ophys_frame_rate"]
    weights = np.exp(-0.5 * (np.arange(20) / scale_frames) ** 2)
    weights /= weights.sum()
    ((_, events),) = trace.spans()
    ours = np.stack([np.convolve(row.astype(np.float64), weights)[: len(row)] for row in events])
    theirs = np.stack(experiment.sdk.events["filtered_events"].to_list())
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_frames_are_the_same(experiment):
    frames = table(experiment.recording, FRAMES)
    same(frames["time_s"], experiment.sdk.ophys_timestamps)
    assert frames["frame"].to_list() == list(range(len(frames)))


def test_the_cell_specimen_table_is_the_same(experiment):
    units, shown = table(experiment.recording, UNITS), experiment.sdk.cell_specimen_table
    attributes = said(units)
    assert units["unit_id"].to_list() == shown.index.to_list()
    assert shown["valid_roi"].all()
    for name in shown.columns.difference(["roi_mask", "valid_roi"]):
        same([one[name] for one in attributes], shown[name])
    for unit, one, mask in zip(units.iter_rows(named=True), attributes, shown["roi_mask"], strict=True):
        ours = np.zeros(mask.shape, dtype=bool)
        for y, x, length in one["roi_mask_runs"]:
            ours[y, x : x + length] = True
        assert np.array_equal(ours, mask)
        y, x = np.nonzero(mask)
        assert unit["area_px"] == len(x)
        assert (unit["x_px"], unit["y_px"]) == pytest.approx((x.mean(), y.mean()), abs=1e-9)


def test_numbers_of_each_roi_are_the_same(experiment):
    attributes = said(table(experiment.recording, UNITS))
    corrected, events = experiment.sdk.corrected_fluorescence_traces, experiment.sdk.events
    same([one["corrected_r"] for one in attributes], corrected["r"])
    same([one["corrected_rmse"] for one in attributes], corrected["RMSE"])
    same([one["event_lambda"] for one in attributes], events["lambda"])
    same([one["event_noise_std"] for one in attributes], events["noise_std"])


def test_presentations_are_the_same(experiment):
    shown = experiment.sdk.stimulus_presentations
    ours = experiment.events.filter(pl.col("kind").is_in(["image", "omission", "stimulus"])).sort("source_id")
    attributes = said(ours)
    assert ours["source_id"].to_list() == shown.index.to_list()
    same(ours["onset_s"], shown["start_time"])
    same(ours["offset_s"], shown["end_time"])
    assert ours["name"].to_list() == shown["stimulus_name"].to_list()
    omitted = shown["omitted"].fillna(False).to_numpy(dtype=bool)
    assert (ours["kind"] == "omission").to_list() == omitted.tolist()
    images = [None if gap or name != name else name for name, gap in zip(shown["image_name"], omitted, strict=True)]
    assert ours["image_name"].to_list() == images
    # The AllenSDK says false of gray screens and movies, the lake nothing.
    assert ours["is_change"].fill_null(False).to_list() == shown["is_change"].tolist()
    assert (ours["is_change"].is_null() == (ours["kind"] == "stimulus")).all()
    for name in ("stimulus_block", "duration", "start_frame", "end_frame"):
        same([one[name] for one in attributes], shown[name])
    for name in NUMBERED:
        same([one.get(name) if one.get(name) is not None else NO_NUMBER for one in attributes], shown[name])
    for name in FLAGS:
        theirs = [
            None if one is None or one != one else bool(one)
            for one in shown[name].astype(object).where(shown[name].notna(), None)
        ]
        assert [one.get(name) for one in attributes] == theirs
    assert [one["stimulus_block_name"] for one in attributes] == shown["stimulus_block_name"].tolist()
    assert set(shown.columns) == {*FLAGS, *NUMBERED, "stimulus_block", "duration", "start_frame", "end_frame",
        "stimulus_block_name", "start_time", "end_time", "stimulus_name", "omitted", "image_name", "is_change",
        "flashes_since_change"}  # fmt: skip


def test_flashes_since_change_are_those_of_the_file(experiment):
    """The AllenSDK counts them anew over the whole table, and so counts the gray screen before the first image too."""
    shown = experiment.sdk.stimulus_presentations
    ours = experiment.events.filter(pl.col("kind").is_in(["image", "omission"])).sort("source_id")
    count = [one["flashes_since_change"] for one in said(ours)]
    theirs = shown.loc[ours["source_id"].to_list(), "flashes_since_change"].to_numpy()
    first_change = ours["is_change"].to_list().index(True)
    assert (theirs[:first_change] - count[:first_change]).tolist() == [1] * first_change
    same(count[first_change:], theirs[first_change:])


def test_trials_are_the_same(experiment):
    ours, shown = table(experiment.recording, TRIALS), experiment.sdk.trials
    attributes = said(ours)
    assert ours["trial_id"].to_list() == shown.index.to_list()
    times = {"start_s": "start_time", "stop_s": "stop_time", "change_s": "change_time"}
    times |= {"response_s": "response_time", "reward_s": "reward_time"}
    for name, column in times.items():
        same(ours[name].fill_null(np.nan), shown[column])
    outcomes = ("hit", "miss", "false_alarm", "correct_reject", "aborted", "auto_rewarded")
    for name in outcomes:
        assert (ours["outcome"] == name).to_list() == shown[name].tolist()
    for name in ("initial_image_name", "change_image_name"):
        assert ours[name].to_list() == shown[name].tolist()
    for name in ("go", "catch", "is_change"):
        assert [one[name] for one in attributes] == shown[name].tolist()
    for name in ("reward_volume", "trial_length"):
        same([one[name] for one in attributes], shown[name])
    same(
        [NO_NUMBER if one["change_frame"] is None else one["change_frame"] for one in attributes], shown["change_frame"]
    )
    # JSON has no infinity, which the AllenSDK gives where the mouse didn't answer.
    latency = shown["response_latency"].astype(float).to_numpy()
    same([one["response_latency"] for one in attributes], np.where(np.isinf(latency), np.nan, latency))
    assert [one["lick_times"] for one in attributes] == [list(map(float, one)) for one in shown["lick_times"]]
    told = {"go", "catch", "is_change", "reward_volume", "trial_length", "change_frame", "response_latency"}
    told |= {"lick_times", "initial_image_name", "change_image_name", *outcomes, *times.values()}
    assert set(shown.columns) == told


def test_licks_and_rewards_are_the_same(experiment):
    licks = experiment.events.filter(kind="lick").sort("source_id")
    same(licks["onset_s"], experiment.sdk.licks["timestamps"])
    same([one["frame"] for one in said(licks)], experiment.sdk.licks["frame"])
    rewards = experiment.events.filter(kind="reward").sort("source_id")
    same(rewards["onset_s"], experiment.sdk.rewards["timestamps"])
    same([one["volume_ml"] for one in said(rewards)], experiment.sdk.rewards["volume"])
    assert [one["auto_rewarded"] for one in said(rewards)] == experiment.sdk.rewards["auto_rewarded"].tolist()


def test_running_and_stimulus_times_are_the_same(experiment):
    for name, column in (
        ("running_speed_cm_per_s", "running_speed"),
        ("running_speed_unfiltered_cm_per_s", "raw_running_speed"),
    ):
        time_s, speed = experiment.signals[name]
        same(time_s, getattr(experiment.sdk, column)["timestamps"])
        same(speed, getattr(experiment.sdk, column)["speed"])
    wheel = experiment.sdk._running_acquisition.value
    for name, column in (
        ("running_wheel_dx_cm", "dx"),
        ("running_wheel_signal_v", "v_sig"),
        ("running_wheel_supply_v", "v_in"),
    ):
        time_s, values = experiment.signals[name]
        same(time_s, wheel.index)
        same(values, wheel[column])
    time_s, frame = experiment.signals["stimulus_frame"]
    same(time_s, experiment.sdk.stimulus_timestamps)
    assert frame.tolist() == list(range(len(time_s)))


def test_eye_tracking_is_the_same(experiment):
    shown = experiment.sdk.eye_tracking
    for ours, theirs in (("eye", "eye"), ("pupil", "pupil"), ("corneal_reflection", "cr")):
        for suffix, column in EYE.items():
            time_s, values = experiment.signals[f"{ours}_{suffix}"]
            same(time_s, shown["timestamps"])
            same(values, shown[f"{theirs}_{column}"])
    same(experiment.signals["likely_blink"][1], shown["likely_blink"])
    assert len(shown.columns) == 2 + 3 * len(EYE)


def test_motion_correction_is_the_same(experiment):
    for axis in "xy":
        time_s, shift = experiment.signals[f"motion_correction_{axis}_px"]
        same(time_s, experiment.sdk.ophys_timestamps)
        same(shift, experiment.sdk.motion_correction[axis])


def test_images_are_the_same(experiment):
    images = {(one["kind"], one["image_name"]): one for one in table(experiment.recording, IMAGES).to_dicts()}

    def pixels(kind: str, name: str) -> np.ndarray:
        one = images.pop((kind, name))
        return np.frombuffer(one["pixels"], f"<{np.dtype(one['pixel_type']).str[1:]}").reshape(
            one["height_px"], one["width_px"]
        )

    for name, row in experiment.sdk.stimulus_templates.iterrows():
        same(pixels("stimulus", name), row["warped"])
        same(pixels("stimulus", f"{name}_unwarped"), row["unwarped"])
    same(pixels("projection", "max_projection"), experiment.sdk.max_projection.data)
    same(pixels("projection", "average_image"), experiment.sdk.average_projection.data)
    same(pixels("projection", "segmentation_mask_image"), experiment.sdk.segmentation_mask_image.data)
    assert not images
    assert experiment.metadata["projection_spacing_mm"] == pytest.approx(experiment.sdk.max_projection.spacing[0])


def test_metadata_are_the_same(experiment):
    session, metadata, shown = experiment.session, experiment.metadata, dict(experiment.sdk.metadata)
    columns = {
        "mouse_id": "subject_id", "cre_line": "cre_line", "full_genotype": "genotype", "sex": "sex",
        "age_in_days": "age_days", "indicator": "indicator", "targeted_structure": "location",
        "imaging_depth": "imaging_depth_um", "date_of_acquisition": "started_at",
    }  # fmt: skip
    for theirs, ours in columns.items():
        assert session[ours] == shown.pop(theirs), ours
    assert metadata["behavior_session_uuid"] == str(shown.pop("behavior_session_uuid"))
    if experiment.sdk._metadata.ophys_metadata.__class__.__name__ != "MultiplaneMetadata":
        # -1 and 0 are how the file says that only one plane was imaged.
        assert (shown.pop("imaging_plane_group"), shown.pop("imaging_plane_group_count")) == (None, 0)
    assert {name: metadata.get(name) for name in shown} == shown
    assert session["session_id"] == f"allen-{experiment.sdk.ophys_experiment_id}"
    assert metadata["behavior_session_id"] == experiment.sdk.behavior_session_id
    assert metadata["ophys_session_id"] == experiment.sdk.ophys_session_id


def test_task_parameters_and_rig_geometry_are_the_same(experiment):
    parameters = dict(experiment.sdk.task_parameters)
    image_set = parameters.pop("image_set")
    assert image_set in parameters["session_type"]
    assert experiment.metadata["task_parameters"] == parameters
    geometry = {
        name: one if isinstance(one, str) else list(one)
        for name, one in experiment.sdk.eye_tracking_rig_geometry.items()
    }
    geometry["led_position_mm"] = geometry.pop("led_position")
    assert experiment.metadata["eye_tracking_rig_geometry"] == geometry


# ---- Visual Coding Neuropixels ----


class Session:
    def __init__(self, path: Path) -> None:
        self.sdk = EcephysSession.from_nwb_path(str(path))
        self.recording = read_recording(path, "allen")
        self.session = table(self.recording, SESSIONS).row(0, named=True)
        self.metadata = json.loads(self.session["metadata"])
        self.events = table(self.recording, EVENTS)
        self.signals = signals(self.recording)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    kind = ["--kind", "neuropixels", "--cells", "24", "--minutes", "2", "--seed", "3"]
    return Session(planted(tmp_path_factory.mktemp("neuropixels"), *kind))


def test_the_units_shown_by_default_are_the_same(session):
    units, shown = table(session.recording, UNITS).sort("unit_id"), session.sdk.units.sort_index()
    assert units["unit_id"].to_list() == shown.index.tolist()
    columns = {"firing_rate": "rate_hz", "structure_acronym": "structure"}
    columns |= {name: name for name in ("snr", "isi_violations", "presence_ratio", "amplitude_cutoff")}
    for theirs, ours in columns.items():
        assert units[ours].to_list() == shown[theirs].tolist(), ours
    assert set(units["quality"]) == {"good"}
    attributes = said(units)
    for name in shown.columns.difference(list(columns)):
        ours = [one.get({"location": "probe_location"}.get(name, name)) for one in attributes]
        theirs = [None if one != one else one for one in shown[name].tolist()]
        assert ours == theirs, name


def test_every_unit_left_out_is_left_out_by_the_sdk(session):
    limits = {"filter_by_validity": False, "filter_out_of_brain_units": False, "amplitude_cutoff_maximum": np.inf,
              "presence_ratio_minimum": -np.inf, "isi_violations_maximum": np.inf}  # fmt: skip
    everyone = EcephysSession.from_nwb_path(session.session["source_uri"], api_kwargs=limits).units
    kept = len(session.sdk.units)
    assert 0 < kept < len(everyone)
    assert session.session["unit_filter"].startswith(f"{kept} of {len(everyone)} units: ")


def test_spikes_are_the_same(session):
    spikes = blocks(session.recording, "recorded.spikes")
    ours = {unit: one for (unit,), one in spikes.group_by(["unit_id"], maintain_order=True)}
    assert set(ours) == set(session.sdk.spike_times)
    for unit, time_s in session.sdk.spike_times.items():
        same(ours[unit]["time_s"], time_s)
        assert ours[unit]["spike"].to_list() == list(range(len(time_s)))
        amplitude = session.sdk.spike_amplitudes[unit].astype(np.float32)
        np.testing.assert_array_equal(ours[unit]["amplitude"].to_numpy(), amplitude)


def test_stimuli_are_the_same(session):
    shown = session.sdk._stimulus_presentations
    ours = session.events.filter(pl.col("kind").is_in(["image", "stimulus"])).sort("source_id")
    assert ours["source_id"].to_list() == shown.index.tolist()
    assert ours["name"].to_list() == shown["stimulus_name"].tolist()
    assert "invalid_presentation" in set(ours["name"])
    same(ours["onset_s"], shown["start_time"])
    same(ours["offset_s"], shown["stop_time"])
    derived = ("start_time", "stop_time", "duration", "stimulus_name", "stimulus_condition_id", "color_triplet")
    for row, one, name in zip(
        shown.drop(columns=list(derived)).to_dict("records"), said(ours), ours["name"], strict=True
    ):
        if name == "invalid_presentation":  # the AllenSDK forgets what was shown
            assert one.pop("stimulus_name") == "flashes"
            continue
        assert one.pop("stimulus_index") is not None
        theirs = {key: value for key, value in row.items() if value != "null"}
        if "color" in theirs:  # which is text in the file
            assert float(one.pop("color")) == float(theirs.pop("color"))
        assert one == {key: value for key, value in theirs.items()}


def test_natural_scenes_are_images_but_for_the_gray_screen(session):
    shown = session.sdk.stimulus_presentations
    scenes = shown[shown["stimulus_name"] == "natural_scenes"]
    ours = session.events.filter(name="natural_scenes").sort("source_id")
    expected = [None if frame == -1 else f"natural_scenes_{int(frame)}" for frame in scenes["frame"]]
    assert ours["image_name"].to_list() == expected
    assert (ours["kind"] == "image").to_list() == [one is not None for one in expected]


def test_optotagging_and_invalid_times_are_the_same(session):
    ours, shown = session.events.filter(kind="optotagging"), session.sdk.optogenetic_stimulation_epochs
    assert ours["source_id"].to_list() == shown.index.tolist()
    assert ours["name"].to_list() == shown["stimulus_name"].tolist()
    same(ours["onset_s"], shown["start_time"])
    same(ours["offset_s"], shown["stop_time"])
    assert said(ours) == shown[["condition", "duration", "level"]].to_dict("records")
    ours, shown = session.events.filter(kind="mark").sort("source_id"), session.sdk.invalid_times
    same(ours["onset_s"], shown["start_time"])
    same(ours["offset_s"], shown["stop_time"])
    assert [one["tags"] for one in said(ours)] == [list(one) for one in shown["tags"]]


def test_wheel_and_eye_are_the_same(session):
    running = session.sdk.api.get_running_speed(include_rotation=True)
    raw = session.sdk.api.get_raw_running_data()
    gaze = session.sdk.get_screen_gaze_data(include_filtered_data=True)
    pupil = session.sdk.get_pupil_data()
    pairs = {
        "running_speed_cm_per_s": (running["start_time"], running["velocity"]),
        "running_speed_end_s": (running["start_time"], running["end_time"]),
        "running_wheel_rotation_rad": (running["start_time"], running["net_rotation"]),
        "raw_running_wheel_rotation_rad": (raw["frame_time"], raw["net_rotation"]),
        "running_wheel_signal_v": (raw["frame_time"], raw["signal_voltage"]),
        "running_wheel_supply_v": (raw["frame_time"], raw["supply_voltage"]),
    }
    for column in gaze.columns:
        pairs[f"{column}_cm2" if column.endswith("area") else column] = (gaze.index, gaze[column])
    for column in pupil.columns:
        if column.endswith(("height", "width")):  # the AllenSDK shows whole axes, the file has half of each
            part, axis = column.rsplit("_", 1)
            pairs[f"{part}_half_{axis}_px"] = (pupil.index, pupil[column] / 2)
        else:
            pairs[f"{column}_{'rad' if column.endswith('phi') else 'px'}"] = (pupil.index, pupil[column])
    assert set(pairs) == set(session.signals)
    for name, (time_s, values) in pairs.items():
        same(session.signals[name][0], time_s)
        same(session.signals[name][1], values)


def test_facts_of_a_session_are_the_same(session):
    shown, sdk = session.session, session.sdk
    assert shown["session_id"] == f"allen-{sdk.ecephys_session_id}"
    assert (shown["sex"], shown["age_days"], shown["genotype"]) == (sdk.sex, sdk.age_in_days, sdk.full_genotype)
    assert shown["started_at"] == sdk.session_start_time
    assert session.metadata["specimen_name"] == sdk.specimen_name
    assert session.metadata["session_type"] == sdk.session_type
    rig = dict(session.metadata["eye_tracking_rig_geometry"])
    assert rig.pop("equipment") == sdk.rig_equipment_name
    assert rig == {name: column.tolist() for name, column in sdk.rig_geometry_data.items()}
    api = sdk.api.get_metadata()
    assert {name: session.metadata[name] for name in ("strain", "age", "species")} == {
        name: api[name] for name in ("strain", "age", "species")
    }
    assert shown["subject_id"] == api["subject_id"]


def test_channels_and_probes_are_the_same(session):
    channels = dict(session.metadata["channels"])
    valid = np.array(channels["valid_data"])
    shown = session.sdk.channels
    assert np.array(channels["id"])[valid].tolist() == shown.index.tolist()
    for name in shown.columns:
        every = channels[name] if isinstance(channels[name], list) else [channels[name]] * len(valid)
        ours = [one for one, kept in zip(every, valid, strict=True) if kept]
        assert ours == [None if one != one else one for one in shown[name].tolist()], name
    probes = {one.pop("id"): one for one in session.metadata["probes"]}
    theirs = session.sdk.probes.to_dict("index")
    assert probes == {key: {k: None if v != v else v for k, v in row.items()} for key, row in theirs.items()}


# ---- the table of fields ----


def rows_of(heading: str) -> list[list[str]]:
    """Cells of that part of docs/allen-fields.md: the AllenSDK's name, where it lies in the lake, a note."""
    part = FIELDS.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]


def listed(heading: str) -> set[str]:
    return {row[0].strip("`") for row in rows_of(heading)}


def said_to_lie(heading: str, where: str) -> set[str]:
    """Names that the part gives after ``where``, 'signal' or 'metadata' or 'attributes', in its column of the lake."""
    found = re.findall(rf"{where}s?(?: of `\w+`)?: ((?:`\w+`(?:, )?)+)", "\n".join(row[1] for row in rows_of(heading)))
    return {name for names in found for name in re.findall(r"`(\w+)`", names)}


def keys_of(recording: Recording, *tables) -> set[str]:
    return {key for one in tables for row in said(table(recording, one)) for key in row or ()}


def attributes_shown(shown: object) -> set[str]:
    of_class = {name for name, _ in inspect.getmembers(type(shown)) if not name.startswith("_")}
    return of_class | {name for name in vars(shown) if not name.startswith("_")}


def columns_shown(shown: object, *tables: str) -> set[str]:
    return {f"{name}.{column}" for name in tables for column in getattr(shown, name).columns}


def test_the_page_lists_all_that_an_experiment_shows(experiment):
    columns = columns_shown(
        experiment.sdk, "cell_specimen_table", "dff_traces", "events", "corrected_fluorescence_traces",
        "demixed_traces", "stimulus_presentations", "trials", "licks", "rewards", "running_speed",
        "raw_running_speed", "eye_tracking", "motion_correction", "stimulus_templates",
    )  # fmt: skip
    metadata = {f"metadata.{name}" for name in experiment.sdk.metadata}
    assert listed("Visual Behavior") == attributes_shown(experiment.sdk) | columns | metadata


def test_what_the_page_says_of_an_experiment_is_in_the_lake(experiment):
    page, recording = "Visual Behavior", experiment.recording
    # The AllenSDK keeps its wheel to itself, in _running_acquisition.
    wheel = {"running_wheel_dx_cm", "running_wheel_signal_v", "running_wheel_supply_v"}
    assert said_to_lie(page, "signal") | wheel == set(experiment.signals)
    assert said_to_lie(page, "metadata") - set(experiment.metadata) <= {"imaging_plane_group"}
    # A passive session has no licks and no rewards.
    without = {"frame", "volume_ml", "auto_rewarded"} if not len(experiment.sdk.licks) else set()
    assert said_to_lie(page, "attributes") - without <= keys_of(recording, UNITS, EVENTS, TRIALS)


def test_the_page_lists_all_that_a_session_shows(session):
    columns = columns_shown(
        session.sdk, "units", "channels", "probes", "stimulus_presentations", "running_speed",
        "optogenetic_stimulation_epochs", "invalid_times",
    )  # fmt: skip
    assert listed("Visual Coding Neuropixels") == attributes_shown(session.sdk) | columns


def test_what_the_page_says_of_a_session_is_in_the_lake(session):
    page = "Visual Coding Neuropixels"
    assert {"pupil_half_width_px", "running_speed_end_s"} < said_to_lie(page, "signal") <= set(session.signals)
    held = set(session.metadata) | set(session.metadata["channels"]) | set(session.metadata["probes"][0])
    held |= set(session.metadata["eye_tracking_rig_geometry"])
    assert said_to_lie(page, "metadata") <= held
    # No probe of this session has a rate of LFP.
    missing = {"probe_lfp_sampling_rate"}
    assert said_to_lie(page, "attributes") - missing <= keys_of(session.recording, UNITS, EVENTS)
