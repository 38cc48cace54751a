"""Allen Visual Behavior in NWB, on a small file that the AllenSDK wrote (tests/allen/make_reader_files.py)."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from storage.lake import open_lake
from storage.readers.allen import allen_visual_behavior
from storage.readers.choose import read_recording
from storage.readers.recording import Recording, Refused
from storage.settings import Settings
from storage.tables import EVENTS, FRAMES, IMAGES, SESSIONS, TRIALS, UNITS

FILE = Path(__file__).parent / "files" / "allen_visual_behavior.nwb"
OPHYS = "processing/ophys"
CELLS = f"{OPHYS}/image_segmentation/cell_specimen_table"
FLASHES = "intervals/Natural_Images_Lum_Matched_set_training_2017_presentations"
EYE = "acquisition/EyeTracking"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return shutil.copy(FILE, tmp_path / "session.nwb")


@pytest.fixture(scope="module")
def recording() -> Recording:
    return read_recording(FILE, "vb")


def table(recording: Recording, of) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(recording.rows[of]))


def row(recording: Recording, of, **where) -> dict:
    return table(recording, of).filter(**where).row(0, named=True)


def matrix(recording: Recording, signal: str) -> np.ndarray:
    return np.concatenate([values.copy() for _, values in trace(recording, signal).spans()], axis=1)


def trace(recording: Recording, signal: str):
    return next(one for one in recording.traces if one.signal == signal)


def replace(file: h5py.File, name: str, values) -> None:
    """Other values under the same name, with the attributes of those before."""
    attributes = dict(file[name].attrs)
    del file[name]
    file[name] = values
    file[name].attrs.update(attributes)


# ---- what the file says ----


def test_the_session_says_where_when_and_of_whom(recording):
    session = row(recording, SESSIONS)
    assert session["session_id"] == "vb-951980471"
    assert (session["subject_id"], session["sex"], session["age_days"]) == ("457841", "F", 206.0)
    assert (session["cre_line"], session["indicator"]) == ("Sst-IRES-Cre", "GCaMP6f")
    assert session["genotype"] == "Sst-IRES-Cre/wt;Ai148(TIT2L-GC6f-ICL-tTA2)/wt"
    assert (session["location"], session["imaging_depth_um"]) == ("VISp", 150.0)
    assert session["started_at"].isoformat() == "2019-09-20T09:59:38.837000+00:00"
    assert session["simulated"]
    metadata = json.loads(session["metadata"])
    assert metadata["ophys_container_id"] == 1018028342
    assert metadata["project_code"] == "VisualBehaviorMultiscope"
    assert metadata["task_parameters"]["response_window_sec"] == [0.15, 0.75]
    assert metadata["eye_tracking_rig_geometry"]["camera_position_mm"] == [102.8, 74.7, 31.6]


def test_an_invalid_roi_is_left_out_and_said(recording):
    assert table(recording, UNITS)["unit_id"].to_list() == [1086000000 + 3 * cell for cell in range(5)]
    session = row(recording, SESSIONS)
    assert (session["unit_count"], session["unit_filter"]) == (5, "5 of 6 ROIs: valid_roi")
    assert all(len(one.unit_id) == 5 for one in recording.traces)


def test_a_mask_becomes_centre_size_and_runs(path):
    with h5py.File(path, "r+") as file:
        masks = file[f"{CELLS}/image_mask"]
        masks[0] = False
        masks[0, 10, 3:6] = True  # three pixels in a row, one below them, and one apart in that row
        masks[0, 11, [4, 7]] = True
        masks[1] = False
    units = table(read_recording(path, "vb"), UNITS)
    assert units.row(0, named=True)["x_px"] == pytest.approx((3 + 4 + 5 + 4 + 7) / 5)
    assert units.row(0, named=True)["y_px"] == pytest.approx((10 * 3 + 11 * 2) / 5)
    assert units["area_px"].to_list()[:2] == [5.0, None]
    attributes = [json.loads(text) for text in units["attributes"]]
    assert attributes[0]["roi_mask_runs"] == [[10, 3, 3], [11, 4, 1], [11, 7, 1]]
    assert attributes[1]["roi_mask_runs"] is None
    assert attributes[0]["cell_roi_id"] == 1080000000


def test_signals_share_memory_one_after_another_and_never_at_once():
    first, second, third = (one.spans() for one in read_recording(FILE, "vb").traces[:3])
    values = next(first)[1]
    beside = next(second)[1]
    assert not np.shares_memory(values, beside)
    assert list(first) == []
    assert np.shares_memory(next(third)[1], values)


def test_traces_are_those_of_the_file_in_whatever_spans(recording, monkeypatch):
    monkeypatch.setattr("storage.traces.VALUES_PER_SPAN", 5 * 101)
    names = {"dff": "dff", "corrected": "corrected_fluorescence", "demixed": "demixed_trace"}
    with h5py.File(FILE) as file:
        for signal, name in (names | {"neuropil": "neuropil_trace"}).items():
            stored = file[f"{OPHYS}/{name}/traces/data"][:, :5].T
            np.testing.assert_array_equal(matrix(recording, signal), stored.astype(np.float32))
        stored = file[f"{OPHYS}/event_detection/data"][:, :5].T
        np.testing.assert_array_equal(matrix(recording, "events"), stored.astype(np.float32))
        frames = table(recording, FRAMES)
        np.testing.assert_array_equal(frames["time_s"].to_numpy(), file[f"{OPHYS}/dff/traces/timestamps"][:])


def test_columns_belong_to_the_rois_that_they_say(path):
    """The third signal's columns are turned round, and so are its ROIs: every cell keeps its trace."""
    with h5py.File(path, "r+") as file:
        stored = file[f"{OPHYS}/event_detection/data"][:]
        replace(file, f"{OPHYS}/event_detection/data", stored[:, [5, 3, 0]])
        replace(file, f"{OPHYS}/event_detection/rois", np.array([5, 3, 0]))
        for name in ("lambdas", "noise_stds"):
            replace(file, f"{OPHYS}/event_detection/{name}", np.array([0.5, 0.3, 0.1]))
    recording = read_recording(path, "vb")
    events = trace(recording, "events")
    assert events.unit_id.tolist() == [1086000009, 1086000000]
    np.testing.assert_array_equal(matrix(recording, "events"), stored[:, [3, 0]].T.astype(np.float32))
    attributes = [json.loads(text) for text in table(recording, UNITS)["attributes"]]
    assert [one["event_lambda"] for one in attributes] == [0.1, None, None, 0.3, None]


def test_images_omissions_and_movies_are_events(recording):
    events = table(recording, EVENTS)
    assert events["onset_s"].is_sorted()
    counts = dict(events.group_by("kind").len().iter_rows())
    assert counts == {"image": 56, "omission": 5, "stimulus": 121, "lick": 13, "reward": 4}
    change = row(recording, EVENTS, is_change=True)
    assert (change["image_name"], change["onset_s"], change["offset_s"]) == ("im085", 20.279, 20.529)
    assert change["name"] == "Natural_Images_Lum_Matched_set_training_2017"
    said = json.loads(change["attributes"])
    assert (said["stimulus_block_name"], said["trials_id"], said["flashes_since_change"]) == (
        "change_detection_behavior",
        0,
        0,
    )
    omission = row(recording, EVENTS, kind="omission")
    assert (omission["image_name"], omission["onset_s"], omission["offset_s"]) == (None, 27.787, 28.037)
    movie = row(recording, EVENTS, name="natural_movie_one")
    assert (movie["kind"], movie["is_change"]) == ("stimulus", None)
    assert json.loads(movie["attributes"])["movie_frame_index"] == 0
    assert "image_index" not in json.loads(movie["attributes"])  # -99 there, which says none


def test_licks_and_rewards_are_instants(recording):
    lick = row(recording, EVENTS, kind="lick")
    assert (lick["onset_s"], lick["offset_s"], json.loads(lick["attributes"])) == (20.658, 20.658, {"frame": 488})
    reward = row(recording, EVENTS, kind="reward")
    assert json.loads(reward["attributes"]) == {"auto_rewarded": True, "volume_ml": 0.005}


def test_trials_have_one_outcome_each(recording):
    trials = table(recording, TRIALS)
    assert trials["outcome"].to_list() == [
        "auto_rewarded",
        "auto_rewarded",
        "correct_reject",
        "hit",
        "aborted",
        "correct_reject",
        "hit",
    ]
    hit = trials.row(3, named=True)
    assert (hit["start_s"], hit["stop_s"], hit["change_s"]) == (38.927, 45.683, 42.802)
    assert (hit["response_s"], hit["reward_s"]) == (43.181, 43.198)
    assert (hit["initial_image_name"], hit["change_image_name"]) == ("im069", "im077")
    said = [json.loads(text) for text in trials["attributes"]]
    assert said[3]["lick_times"] == [43.181, 43.314]
    assert said[2]["lick_times"] == []
    assert said[2]["response_latency"] is None  # infinite in the file: the mouse didn't answer
    assert said[4]["change_frame"] is None  # -99 in the file: nothing changed


def test_signals_of_the_animal_carry_their_units(recording):
    rows = pl.DataFrame(pl.from_arrow(pa.concat_tables(recording.blocks[0].blocks())))
    named = {name: one for (name,), one in rows.group_by(["signal"], maintain_order=True)}
    assert len(named) == 5 + 3 * 7 + 1 + 2 + 1
    with h5py.File(FILE) as file:
        for name, place in {
            "running_speed_cm_per_s": "processing/running/speed/data",
            "running_wheel_signal_v": "acquisition/v_sig/data",
            "pupil_half_width_px": f"{EYE}/pupil_tracking/width",
            "corneal_reflection_area_raw_px2": f"{EYE}/corneal_reflection_tracking/area_raw",
            "likely_blink": f"{EYE}/likely_blink/data",
        }.items():
            stored = file[place][:].astype(float)
            np.testing.assert_array_equal(named[name]["value"].fill_null(np.nan).to_numpy(), stored)
        np.testing.assert_array_equal(
            named["eye_center_y_px"]["value"].to_numpy(), file[f"{EYE}/eye_tracking/data"][:, 1]
        )
        np.testing.assert_array_equal(
            named["eye_center_y_px"]["time_s"].to_numpy(), file[f"{EYE}/eye_tracking/timestamps"][:]
        )
    assert named["pupil_area_px2"]["value"].null_count() > 0  # blinks
    assert len(named["motion_correction_x_px"]) == 717
    assert named["stimulus_frame"]["value"].to_list()[:3] == [0.0, 1.0, 2.0]


def test_images_keep_their_type_and_values(recording):
    images = {(one["kind"], one["image_name"]): one for one in table(recording, IMAGES).to_dicts()}
    with h5py.File(FILE) as file:
        template = file["stimulus/templates/Natural_Images_Lum_Matched_set_training_2017.07.14"]
        warped, unwarped = template["data"][2], template["unwarped"][2]
        largest = file[f"{OPHYS}/images/max_projection"][:]
        masks = file[f"{CELLS}/image_mask"][:]
    shown = images["stimulus", "im063"]
    assert (shown["image_index"], shown["pixel_type"], shown["height_px"], shown["width_px"]) == (2, "uint8", 15, 24)
    assert shown["pixels"] == warped.tobytes()
    before = images["stimulus", "im063_unwarped"]
    assert before["pixel_type"] == "float32"
    np.testing.assert_array_equal(np.frombuffer(before["pixels"], "<f4").reshape(15, 24), unwarped)
    assert np.isnan(unwarped).any()
    assert images["projection", "max_projection"]["pixels"] == largest.tobytes()
    covered = np.frombuffer(images["projection", "segmentation_mask_image"]["pixels"], np.uint8).reshape(64, 64)
    np.testing.assert_array_equal(covered, masks[:5].any(axis=0))
    assert len(images) == 2 * 8 + 3


def test_a_recording_goes_into_a_lake_and_comes_out_again(recording, tmp_path):
    with open_lake(Settings(home=tmp_path / "lake", threads=1)) as lake:
        lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="ingest")
        count = lake.query("SELECT count(*) n FROM recorded.traces WHERE signal = 'dff'")
        assert count["n"].item() == 5 * 717
        running = lake.query("SELECT max(value) v FROM recorded.behavior_signals WHERE signal LIKE 'running_speed_cm%'")
        with h5py.File(FILE) as file:
            assert running["v"].item() == file["processing/running/speed/data"][:].max()


# ---- which experience ----


@pytest.mark.parametrize(
    ("session_type", "novel", "experience", "exposure"),
    [
        ("OPHYS_1_images_A", 0.0, "Familiar", "familiar"),
        ("OPHYS_3_images_A", np.nan, "Familiar", "familiar"),
        ("OPHYS_4_images_B", 1.0, "Novel 1", "novel"),
        ("OPHYS_6_images_B", 0.0, "Novel >1", None),
        ("OPHYS_5_images_B_passive", np.nan, None, None),  # the file doesn't say whether an image was new
        ("OPHYS_7_receptive_field_mapping", 1.0, None, None),
        ("TRAINING_5_images_A_epilogue", 1.0, None, None),
    ],
)
def test_experience_follows_the_sdks_rule(path, session_type, novel, experience, exposure):
    with h5py.File(path, "r+") as file:
        file["general/metadata"].attrs["session_type"] = session_type
        file[f"{FLASHES}/is_image_novel"][:] = novel
    session = row(read_recording(path, "vb"), SESSIONS)
    assert (session["experience_level"], session["exposure_level"]) == (experience, exposure)


# ---- files of other versions ----


def test_older_files_have_less_and_are_read(path):
    """No novelty, no trials' numbers, no change flags, omissions without an end, no unfiltered speed or raw areas."""
    with h5py.File(path, "r+") as file:
        flashes = file[FLASHES]
        gone = ("is_image_novel", "trials_id", "active", "is_sham_change", "is_change")
        for name in gone:
            del flashes[name]
        flashes.attrs["colnames"] = [name for name in flashes.attrs["colnames"] if name not in gone]
        stop_s = flashes["stop_time"][:]
        stop_s[flashes["omitted"][:] == 1] = np.nan
        flashes["stop_time"][:] = stop_s
        for name in ("corrected_fluorescence/r", "corrected_fluorescence/RMSE", "demixed_trace", "neuropil_trace"):
            del file[f"{OPHYS}/{name}"]
    recording = read_recording(path, "vb")
    assert {one.signal for one in recording.traces} == {"dff", "corrected", "events"}
    events = table(recording, EVENTS)
    assert events.filter(kind="omission")["offset_s"].null_count() == 5
    # The changes are found again: where an image isn't that of the flash before it.
    assert events.filter("is_change")["onset_s"].to_list() == changes_in(FILE)
    assert row(recording, EVENTS, kind="omission")["is_change"] is False
    assert row(recording, SESSIONS)["experience_level"] == "Familiar"


def changes_in(path: Path) -> list[float]:
    with h5py.File(path) as file:
        return file[f"{FLASHES}/start_time"][:][file[f"{FLASHES}/is_change"][:] == 1].tolist()


def test_a_passive_session_has_no_licks_and_no_rewards(path):
    with h5py.File(path, "r+") as file:
        del file["processing/licking"], file["processing/rewards"]
        trials = file["intervals/trials"]
        # As the AllenSDK writes a column of lists that are all empty.
        replace(file, "intervals/trials/lick_times_index", np.zeros(7, np.uint8))
        replace(file, "intervals/trials/lick_times", [""])
        assert len(trials["lick_times"]) == 1
    recording = read_recording(path, "vb")
    assert set(table(recording, EVENTS)["kind"]) == {"image", "omission", "stimulus"}
    assert [json.loads(text)["lick_times"] for text in table(recording, TRIALS)["attributes"]] == [[]] * 7


def test_rois_that_no_cell_was_matched_to_go_by_their_own_ids(path):
    with h5py.File(path, "r+") as file:
        file[f"{CELLS}/cell_specimen_id"][:] = -1
    recording = read_recording(path, "vb")
    assert table(recording, UNITS)["unit_id"].to_list() == [1080000000 + 7 * roi for roi in range(5)]
    assert json.loads(row(recording, SESSIONS)["metadata"])["unit_id_is"] == "cell_roi_id"


def test_movies_are_left_out_of_the_templates_and_said(path):
    with h5py.File(path, "r+") as file:
        file.copy(
            "stimulus/templates/Natural_Images_Lum_Matched_set_training_2017.07.14",
            "stimulus/templates/natural_movie_one",
        )
    recording = read_recording(path, "vb")
    assert len(table(recording, IMAGES).filter(kind="stimulus")) == 16
    assert json.loads(row(recording, SESSIONS)["metadata"])["templates_left_out"] == ["natural_movie_one"]


# ---- detection ----


def test_the_files_metadata_and_not_its_name_are_recognised(path, tmp_path):
    assert allen_visual_behavior.recognises(path.rename(tmp_path / "session.h5"))
    assert not allen_visual_behavior.recognises(FILE.parent / "allen_neuropixels.nwb")
    other = tmp_path / "other.nwb"
    with h5py.File(other, "w") as file:
        file.create_group("general/metadata").attrs["neurodata_type"] = "LabMetaData"
    assert not allen_visual_behavior.recognises(other)
    other.write_bytes(FILE.read_bytes()[:3000])  # torn: it doesn't open
    assert not allen_visual_behavior.recognises(other)
    other.write_text("no HDF5")
    assert not allen_visual_behavior.recognises(other)


def test_nothing_is_followed_out_of_the_file_to_recognise_it(tmp_path):
    path = tmp_path / "other.nwb"
    with h5py.File(path, "w") as file:
        file["general"] = h5py.ExternalLink(str(FILE), "/general")
    assert not allen_visual_behavior.recognises(path)


# ---- refusals ----


def less(name: str):
    def edit(file: h5py.File) -> None:
        del file[name]

    return edit


def put(name: str, at, value):
    def edit(file: h5py.File) -> None:
        file[name][at] = value

    return edit


def other(name: str, values):
    def edit(file: h5py.File) -> None:
        replace(file, name, values)

    return edit


def attribute(name: str, key: str, value):
    def edit(file: h5py.File) -> None:
        file[name].attrs[key] = value

    return edit


def outward(name: str):
    def edit(file: h5py.File) -> None:
        del file[name]
        file[name] = h5py.ExternalLink("another.nwb", "/dff")

    return edit


def no_id(file: h5py.File) -> None:
    del file["general/metadata"].attrs["ophys_experiment_id"], file["identifier"]


def an_id_of_no_use(file: h5py.File) -> None:
    no_id(file)
    file["identifier"] = "a/b"


DFF = f"{OPHYS}/dff/traces"


@pytest.mark.parametrize(
    ("edit", "field", "found"),
    [
        (less(f"{DFF}/data"), f"{DFF}/data", "nothing"),
        (less(f"{OPHYS}/dff"), f"{OPHYS}/dff", "nothing"),
        (less(CELLS), CELLS, "nothing"),
        (less(f"{CELLS}/valid_roi"), f"{CELLS}/valid_roi", "nothing"),
        (less(f"{FLASHES}/start_time"), "start_time", "nothing"),
        (less("general/subject"), "general/subject", "nothing"),
        (less("general/subject/subject_id"), "subject_id", "no id"),
        (no_id, "ophys_experiment_id", "no id"),
        (other("identifier", "17"), "ophys_experiment_id", "951980471 in general/metadata"),
        (an_id_of_no_use, "identifier", "'vb-a/b'"),
        (put(f"{DFF}/timestamps", 9, 0.5), f"{DFF}/timestamps", "time running backwards at frame 9"),
        (put(f"{DFF}/timestamps", 9, np.nan), f"{DFF}/timestamps", "nan at frame 9"),
        (other(f"{DFF}/timestamps", np.arange(700.0)), f"{DFF}/data", "(717, 6) for 700 frame times"),
        (other(f"{DFF}/data", np.zeros((717, 5))), f"{DFF}/data", "(717, 5)"),
        (other(f"{DFF}/data", np.zeros(717)), f"{DFF}/data", "shape (717,)"),
        (other(f"{OPHYS}/neuropil_trace/traces/timestamps", np.arange(717.0)), "neuropil", "717 times other than"),
        (attribute(f"{DFF}/data", "conversion", 0.01), f"{DFF}/data", "conversion 0.01"),
        (put(f"{DFF}/rois", 0, 6), f"{DFF}/rois", "unknown cell: row 6"),
        (put(f"{DFF}/rois", 0, 1), f"{DFF}/rois", "more than once"),
        (put(f"{CELLS}/cell_specimen_id", 1, 1086000000), "cell_specimen_id", "cell 1086000000 more than once"),
        (put(f"{CELLS}/cell_specimen_id", 1, -1), "cell_specimen_id", "no id for 1 of 5"),
        (other(f"{CELLS}/valid_roi", np.array([1, 1, 0.5, 1, 1, 0])), "valid_roi", "0.5 in row 2"),
        (other(f"{CELLS}/x", np.arange(5)), f"{CELLS}/x", "5 values for 6 rows"),
        (other(f"{CELLS}/image_mask", np.zeros((5, 64, 64), bool)), "image_mask", "5 masks for 6 ROIs"),
        (other(f"{OPHYS}/event_detection/lambdas", np.zeros(5)), "lambdas", "5 values for 6 ROIs"),
        (put(f"{FLASHES}/start_time", 3, np.nan), f"{FLASHES}/start_time", "None in row 3 (1 of 61 rows)"),
        (put(f"{FLASHES}/stop_time", 3, np.nan), f"{FLASHES}/stop_time", "none in row 3"),
        (put(f"{FLASHES}/stop_time", 3, 1.0), "recorded.events offset_s", "ending at 1.0 s"),
        (other(f"{FLASHES}/stop_time", ["x"] * 61), f"{FLASHES}/stop_time", "String values"),
        (other(f"{FLASHES}/image_name", np.arange(61)), f"{FLASHES}/image_name", "Int64 values"),
        (other("intervals/trials/change_time", ["x"] * 7), "intervals/trials/change_time", "String values"),
        (put(f"{FLASHES}/omitted", 3, 0.5), f"{FLASHES}/omitted", "0.5 in row 3"),
        (put(f"{FLASHES}/omitted", 3, 1), f"{FLASHES}/omitted", "'im061'"),
        (put("intervals/trials/hit", 0, True), "outcome", "hit and auto_rewarded in trial 0"),
        (put("intervals/trials/hit", 3, False), "outcome", "none of them in trial 3 (1 of 7 trials)"),
        (less("intervals/trials/miss"), "intervals/trials/miss", "nothing"),
        (put("intervals/trials/start_time", 2, np.nan), "start_time", "None in row 2"),
        (put("intervals/trials/lick_times_index", 6, 200), "lick_times_index", "up to value 200"),
        (put("intervals/trials/lick_times_index", 1, 1), "lick_times_index", "row 1 ending before"),
        (put("processing/licking/licks/timestamps", 2, 1.0), "licks/timestamps", "backwards at sample 2"),
        (other("processing/licking/licks/data", np.arange(3)), "licks/data", "13 of times, 3 of frame"),
        (other("processing/rewards/autorewarded/data", np.full(4, 3)), "autorewarded", "3 in row 0"),
        (put("processing/running/speed/timestamps", 4, 0.0), "speed/timestamps", "backwards at sample 4"),
        (other("processing/running/speed/data", np.zeros(7)), "running/speed/data", "shape (7,) for 360"),
        (other(f"{EYE}/pupil_tracking/width", np.zeros(7)), "pupil_tracking/width", "shape (7,)"),
        (less(f"{EYE}/pupil_tracking/angle"), "pupil_tracking/angle", "nothing"),
        (put(f"{EYE}/eye_tracking/timestamps", 4, np.inf), "timestamps", "inf at sample 4"),
        (other("session_start_time", "2019-09-20 09:59"), "session_start_time", "2019-09-20 09:59"),
        (other("general/subject/age", "adult"), "general/subject/age", "'adult'"),
        (outward(DFF), DFF, "a link into another file"),
    ],
)  # fmt: skip
def test_a_part_that_is_wrong_is_named(path, edit, field, found):
    with h5py.File(path, "r+") as file:
        edit(file)
    with pytest.raises(Refused) as caught:
        read_recording(path, "vb")
    assert field in caught.value.field
    assert found in caught.value.found
    assert caught.value.expected
    assert caught.value.reader == "allen_visual_behavior"


def test_infinite_values_are_refused_when_they_are_read(path):
    with h5py.File(path, "r+") as file:
        file[f"{DFF}/data"][3, 1] = np.inf
        file["processing/running/speed/data"][3] = np.inf
    recording = read_recording(path, "vb")
    with pytest.raises(Refused, match="inf in cell 1086000003 at frame 3"):
        list(trace(recording, "dff").spans())
    with pytest.raises(Refused, match=r"recorded\.behavior_signals value"):
        list(recording.blocks[0].blocks())


def test_missing_values_are_null(path):
    with h5py.File(path, "r+") as file:
        file[f"{DFF}/data"][3, 1] = np.nan
    assert np.isnan(matrix(read_recording(path, "vb"), "dff")[1, 3])


def test_an_image_whose_pixels_no_type_holds_is_refused(path):
    with h5py.File(path, "r+") as file:
        replace(file, f"{OPHYS}/images/max_projection", np.full((4, 4), 2**60 + 1))
    with pytest.raises(Refused, match="max_projection: found pixels of type int64"):
        read_recording(path, "vb")
