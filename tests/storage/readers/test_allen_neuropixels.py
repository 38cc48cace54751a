"""Allen Visual Coding Neuropixels, on a small file that the AllenSDK wrote (tests/allen/make_reader_files.py)."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from storage.lake import open_lake
from storage.readers.allen import allen_neuropixels, allen_units
from storage.readers.choose import read_recording
from storage.readers.recording import Recording, Refused
from storage.settings import Settings
from storage.tables import EVENTS, SESSIONS, UNITS

FILE = Path(__file__).parent / "files" / "allen_neuropixels.nwb"
CHANNELS = "general/extracellular_ephys/electrodes"
SCENES = "intervals/natural_scenes_presentations"
# Of its twelve units: too many spikes missed, half the session absent, refractory violations, noise.
KEPT = [950000000 + 5 * unit for unit in range(12) if unit not in (3, 5, 7, 9)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return shutil.copy(FILE, tmp_path / "session.nwb")


@pytest.fixture(scope="module")
def recording() -> Recording:
    return read_recording(FILE, "np")


def table(recording: Recording, of) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(recording.rows[of]))


def row(recording: Recording, of, **where) -> dict:
    return table(recording, of).filter(**where).row(0, named=True)


def blocks(recording: Recording, name: str) -> list[pl.DataFrame]:
    of = next(one for one in recording.blocks if one.table.name == f"recorded.{name}")
    return [pl.DataFrame(pl.from_arrow(one)) for one in of.blocks()]


def replace(file: h5py.File, name: str, values) -> None:
    """Other values under the same name, with the attributes of those before."""
    attributes = dict(file[name].attrs)
    del file[name]
    file[name] = values
    file[name].attrs.update(attributes)


# ---- what the file says ----


def test_the_session_says_when_and_of_whom(recording):
    session = row(recording, SESSIONS)
    assert session["session_id"] == "np-715093703"
    assert (session["subject_id"], session["sex"], session["age_days"]) == ("699733581", "M", 118.0)
    assert session["genotype"] == "Sst-IRES-Cre/wt;Ai32(RCL-ChR2(H134R)_EYFP)/wt"
    assert session["cre_line"] is None  # the recorded units are not those of the driver line
    assert session["started_at"].isoformat() == "2019-01-19T00:54:18+00:00"
    assert session["simulated"]
    metadata = json.loads(session["metadata"])
    assert metadata["session_type"] == "brain_observatory_1.1"
    assert metadata["specimen_name"] == "Sst-IRES-Cre;Ai32-386129"
    assert metadata["probes"][1]["description"] == "probeC"
    assert len(metadata["channels"]["id"]) == 40
    assert metadata["channels"]["filtering"].startswith("AP band")  # one value: the same of all


def test_units_pass_the_sdks_default_filter(recording):
    assert table(recording, UNITS)["unit_id"].to_list() == KEPT
    session = row(recording, SESSIONS)
    assert session["unit_count"] == 8
    assert session["unit_filter"] == (
        "8 of 12 units: quality 'good', amplitude_cutoff <= 0.1, presence_ratio >= 0.95, isi_violations <= 0.5, "
        "peak channel valid and in a named structure"
    )


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("amplitude_cutoff", 0.1, True),
        ("amplitude_cutoff", 0.1001, False),
        ("amplitude_cutoff", np.nan, False),
        ("presence_ratio", 0.95, True),
        ("presence_ratio", 0.9499, False),
        ("isi_violations", 0.5, True),
        ("isi_violations", 0.5001, False),
        ("quality", "noise", False),
        ("quality", "Good", False),
    ],
)
def test_the_limits_of_the_filter_are_the_sdks(path, name, value, passes):
    with h5py.File(path, "r+") as file:
        file[f"units/{name}"][0] = value
    assert table(read_recording(path, "np"), UNITS)["unit_id"].to_list() == (KEPT if passes else KEPT[1:])


def test_units_on_channels_without_valid_data_or_structure_are_left_out(path):
    with h5py.File(path, "r+") as file:
        channels = file[f"{CHANNELS}/id"][:].tolist()
        peak = file["units/peak_channel_id"][:].tolist()
        file[f"{CHANNELS}/valid_data"][channels.index(peak[0])] = False
        file[f"{CHANNELS}/location"][channels.index(peak[1])] = "None"
        file[f"{CHANNELS}/location"][channels.index(peak[2])] = ""
        file[f"{CHANNELS}/location"][channels.index(peak[4])] = "LGd-sh"
    recording = read_recording(path, "np")
    units = table(recording, UNITS)
    assert units["unit_id"].to_list() == KEPT[3:]
    assert units["structure"][0] == "LGd"  # without its substructure, as the AllenSDK shows it
    assert json.loads(units["attributes"][0])["channel_location"] == "LGd-sh"


def test_a_unit_is_joined_with_its_channel_and_probe(recording):
    unit = row(recording, UNITS, unit_id=950000030)
    assert (unit["structure"], unit["quality"], unit["rate_hz"]) == ("LGd", "good", 11.062)
    said = json.loads(unit["attributes"])
    with h5py.File(FILE) as file:
        at = file["units/id"][:].tolist().index(950000030)
        channel = file[f"{CHANNELS}/id"][:].tolist().index(said["peak_channel_id"])
        assert said["waveform_amplitude"] == file["units/amplitude"][at]
        assert said["L_ratio"] == file["units/l_ratio"][at]
        assert said["probe_vertical_position"] == file[f"{CHANNELS}/probe_vertical_position"][channel]
        assert said["anterior_posterior_ccf_coordinate"] == file[f"{CHANNELS}/x"][channel]
        assert said["probe_channel_number"] == file[f"{CHANNELS}/local_index"][channel]
    assert (said["probe_description"], said["probe_sampling_rate"]) == ("probeC", 29999.96)


@pytest.mark.parametrize("spikes_per_block", [1_048_576, 100])
def test_spikes_are_those_of_each_kept_unit(monkeypatch, spikes_per_block):
    monkeypatch.setattr(allen_units, "_SPIKES_PER_BLOCK", spikes_per_block)
    parts = blocks(read_recording(FILE, "np"), "spikes")
    assert all(len(part) <= spikes_per_block for part in parts)
    spikes = pl.concat(parts)
    with h5py.File(FILE) as file:
        units, ends = file["units/id"][:].tolist(), file["units/spike_times_index"][:].astype(int)
        times, amplitudes = file["units/spike_times"][:], file["units/spike_amplitudes"][:]
    for unit in KEPT:
        at = units.index(unit)
        span = slice(ends[at - 1] if at else 0, ends[at])
        own = spikes.filter(unit_id=unit)
        np.testing.assert_array_equal(own["time_s"].to_numpy(), times[span])
        np.testing.assert_array_equal(own["amplitude"].to_numpy(), amplitudes[span].astype(np.float32))
        assert own["spike"].to_list() == list(range(len(own)))
    assert set(spikes["unit_id"]) == set(KEPT)


def test_a_unit_without_spikes_and_a_file_without_amplitudes_are_read(path):
    with h5py.File(path, "r+") as file:
        ends = file["units/spike_times_index"][:]
        replace(file, "units/spike_times", file["units/spike_times"][:][ends[0] :])
        replace(file, "units/spike_times_index", ends - ends[0])
        del file["units/spike_amplitudes"], file["units/spike_amplitudes_index"]
        file["units"].attrs["colnames"] = [n for n in file["units"].attrs["colnames"] if n != "spike_amplitudes"]
    recording = read_recording(path, "np")
    spikes = pl.concat(blocks(recording, "spikes"))
    assert table(recording, UNITS)["unit_id"].to_list() == KEPT
    assert set(spikes["unit_id"]) == set(KEPT[1:])
    assert spikes["amplitude"].null_count() == len(spikes)


def test_stimuli_are_events_with_their_parameters(recording):
    events = table(recording, EVENTS)
    assert events["onset_s"].is_sorted()
    counts = dict(events.group_by("name").len().iter_rows())
    assert counts["spontaneous"] == 3
    assert counts["natural_movie_three"] == events.filter(name="natural_movie_three", kind="stimulus").height
    gabor = row(recording, EVENTS, name="gabors")
    assert (gabor["kind"], gabor["image_name"], gabor["is_change"]) == ("stimulus", None, None)
    said = json.loads(gabor["attributes"])
    assert (said["contrast"], said["temporal_frequency"], said["mask"]) == (0.8, 4.0, "circle")
    assert {"x_position", "y_position", "orientation", "phase"} <= set(said)


def test_natural_scenes_are_images_by_their_number_and_gray_is_none(path):
    with h5py.File(path, "r+") as file:
        file[f"{SCENES}/frame"][:3] = [117.0, 0.0, -1.0]
    scenes = table(read_recording(path, "np"), EVENTS).filter(name="natural_scenes")
    assert scenes["image_name"].to_list()[:3] == ["natural_scenes_117", "natural_scenes_0", None]
    assert scenes["kind"].to_list()[:3] == ["image", "image", "stimulus"]


def test_a_presentation_in_an_invalid_time_is_renamed_and_keeps_its_name(recording):
    masked = row(recording, EVENTS, name="invalid_presentation")
    assert masked["kind"] == "stimulus"
    assert json.loads(masked["attributes"])["stimulus_name"] == "flashes"
    marks = table(recording, EVENTS).filter(kind="mark")
    assert marks["name"].to_list() == ["invalid_time"] * 2
    assert [json.loads(text)["tags"] for text in marks["attributes"]] == [
        ["EcephysProbe", "757984814", "probeC"],  # of a probe: stimuli were shown well
        ["EcephysSession", "1", "stimulus"],
    ]
    assert marks["onset_s"][1] > masked["onset_s"]
    assert marks["offset_s"][1] < masked["offset_s"]


def test_touching_an_invalid_time_is_enough(path):
    with h5py.File(path, "r+") as file:
        scenes = file[SCENES]
        file["intervals/invalid_times/start_time"][0] = scenes["stop_time"][1]
        file["intervals/invalid_times/stop_time"][0] = scenes["start_time"][2]
    masked = table(read_recording(path, "np"), EVENTS).filter(name="invalid_presentation")
    assert [json.loads(text)["stimulus_name"] for text in masked["attributes"]] == ["natural_scenes"] * 2
    assert masked["image_name"].null_count() == 2


def test_a_file_without_invalid_times_pulses_or_eyes_is_read(path):
    with h5py.File(path, "r+") as file:
        del file["intervals/invalid_times"], file["processing/optotagging"], file["processing/eye_tracking"]
        del file["processing/raw_gaze_mapping"], file["processing/filtered_gaze_mapping"]
    recording = read_recording(path, "np")
    assert set(table(recording, EVENTS)["kind"]) == {"image", "stimulus"}
    assert "invalid_presentation" not in set(table(recording, EVENTS)["name"])
    assert len(blocks(recording, "behavior_signals")) == 6


def test_pulses_of_light_are_events(recording):
    pulse = row(recording, EVENTS, kind="optotagging", source_id=2)
    assert pulse["name"] == "fast_pulses"
    assert pulse["offset_s"] - pulse["onset_s"] == pytest.approx(1.0)
    assert json.loads(pulse["attributes"]) == {"condition": "2.5 ms pulses at 10 Hz", "duration": 1.0, "level": 1.7}


def test_signals_of_the_animal_carry_their_units(recording):
    named = {part["signal"][0]: part for part in blocks(recording, "behavior_signals")}
    assert len(named) == 6 + 3 * 5 + 2 * 6
    with h5py.File(FILE) as file:
        for name, place in {
            "running_speed_cm_per_s": "processing/running/running_speed/data",
            "running_speed_end_s": "processing/running/running_speed_end_times/timestamps",
            "running_wheel_supply_v": "acquisition/running_wheel_supply_voltage/data",
            "pupil_half_width_px": "processing/eye_tracking/pupil_ellipse_fits/width",
            "raw_pupil_area_cm2": "processing/raw_gaze_mapping/pupil_area/data",
        }.items():
            stored = file[place][:]
            np.testing.assert_array_equal(named[name]["value"].fill_null(np.nan).to_numpy(), stored)
        gaze = file["processing/raw_gaze_mapping/screen_coordinates/data"][:]
        np.testing.assert_array_equal(named["raw_screen_coordinates_x_cm"]["value"].to_numpy(), gaze[:, 1])
        np.testing.assert_array_equal(named["raw_screen_coordinates_y_cm"]["value"].to_numpy(), gaze[:, 0])


def test_a_recording_goes_into_a_lake_and_comes_out_again(recording, tmp_path):
    with open_lake(Settings(home=tmp_path / "lake", threads=1)) as lake:
        lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="ingest")
        counts = lake.query("SELECT unit_id, count(*) n FROM recorded.spikes GROUP BY unit_id ORDER BY unit_id")
    with h5py.File(FILE) as file:
        units, ends = file["units/id"][:].tolist(), file["units/spike_times_index"][:].astype(int)
    expected = dict(zip(units, np.diff(ends, prepend=0).tolist(), strict=True))
    assert counts["unit_id"].to_list() == KEPT
    assert counts["n"].to_list() == [expected[unit] for unit in KEPT]


# ---- detection ----


def test_a_session_is_recognised_and_the_lfp_of_a_probe_is_not(path, tmp_path):
    assert allen_neuropixels.recognises(path)
    assert not allen_neuropixels.recognises(FILE.parent / "allen_visual_behavior.nwb")
    with h5py.File(path, "r+") as file:
        del file["units"]
    assert allen_neuropixels.recognises(path)  # damaged, and still of this kind
    with h5py.File(path, "r+") as file:
        file.create_group("acquisition/probe_757984808_lfp").attrs["neurodata_type"] = "LFP"
    assert not allen_neuropixels.recognises(path)
    other = tmp_path / "other.nwb"
    other.write_bytes(b"\x89HDF\r\n\x1a\n and nothing more")
    assert not allen_neuropixels.recognises(other)


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


def no_id(file: h5py.File) -> None:
    del file["identifier"], file["general/session_id"]


def outward(file: h5py.File) -> None:
    del file["units/spike_times"]
    file["units/spike_times"] = h5py.ExternalLink("another.nwb", "/spikes")


FLASHES = "intervals/flashes_presentations"
PULSES = "processing/optotagging/optogenetic_stimulation"


@pytest.mark.parametrize(
    ("edit", "field", "found"),
    [
        (less("units"), "units", "nothing"),
        (less("units/spike_times"), "units/spike_times", "nothing"),
        (less("units/spike_times_index"), "units/spike_times_index", "nothing"),
        (less("units/quality"), "units/quality", "nothing"),
        (less("units/presence_ratio"), "units/presence_ratio", "nothing"),
        (less(CHANNELS), CHANNELS, "nothing"),
        (less(f"{CHANNELS}/location"), f"{CHANNELS}/location", "nothing"),
        (less("general/extracellular_ephys/probeC"), f"{CHANNELS}/probe_id", "unknown probe 757984814 (20 of 40 rows)"),
        (no_id, "identifier", "no id"),
        (other("identifier", "17"), "identifier", "17 in identifier, 715093703 in general/session_id"),
        (put("units/id", 1, 950000000), "units/id", "cell 950000000 more than once"),
        (put("units/peak_channel_id", 1, 5), "peak_channel_id", "unknown channel 5 (1 of 12 rows)"),
        (put(f"{CHANNELS}/id", 1, 850808000), f"{CHANNELS}/id", "channel 850808000 more than once"),
        (put("units/spike_times_index", 11, 5), "spike_times_index", "row 11 ending before it begins"),
        (put("units/spike_times_index", 11, 60000), "spike_times_index", "up to value 60000"),
        (put("units/spike_amplitudes_index", 3, 2300), "spike_amplitudes_index", "other numbers of amplitudes"),
        (other("units/spike_times_index", np.zeros(0, int)), "spike_times_index", "rows up to value 0"),
        (other("units/snr", np.zeros(11)), "units/snr", "11 values for 12 rows"),
        (other("units/quality", np.arange(12)), "units/quality", "Int64 values"),
        (other("units/peak_channel_id", np.full(12, np.nan)), "units/peak_channel_id", "Float64"),
        (other(f"{CHANNELS}/location", np.arange(40)), f"{CHANNELS}/location", "Int64 values"),
        (other(f"{SCENES}/frame", ["x"] * 12), f"{SCENES}/frame", "String values"),
        (put(f"{FLASHES}/start_time", 0, np.nan), f"{FLASHES}/start_time", "None in row 0"),
        (put(f"{FLASHES}/stop_time", 0, np.nan), f"{FLASHES}/stop_time", "None in row 0"),
        (put(f"{FLASHES}/stop_time", 0, 1.0), "recorded.events offset_s", "ending at 1.0 s"),
        (put(f"{PULSES}/start_time", 1, np.nan), f"{PULSES}/start_time", "None in row 1"),
        (put("intervals/invalid_times/stop_time", 0, np.inf), "invalid_times/stop_time", "inf in row 0"),
        (other("intervals/invalid_times/tags_index", np.array([3, 5])), "tags_index", "up to value 5 of 6"),
        (put("processing/running/running_speed/timestamps", 3, 0.0), "running_speed/timestamps", "backwards at sample"),
        (other("processing/running/running_speed/data", np.zeros(3)), "running_speed/data", "shape (3,)"),
        (less("processing/eye_tracking/pupil_ellipse_fits/phi"), "pupil_ellipse_fits/phi", "nothing"),
        (other("session_start_time", "yesterday"), "session_start_time", "'yesterday'"),
        (outward, "units/spike_times", "a link into another file"),
    ],
)  # fmt: skip
def test_a_part_that_is_wrong_is_named(path, edit, field, found):
    with h5py.File(path, "r+") as file:
        edit(file)
    with pytest.raises(Refused) as caught:
        read_recording(path, "np")
    assert field in caught.value.field
    assert found in caught.value.found
    assert caught.value.expected
    assert caught.value.reader == "allen_neuropixels"


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_spikes_out_of_order_are_refused_when_they_are_read(path, value):
    with h5py.File(path, "r+") as file:
        file["units/spike_times"][5] = value
    recording = read_recording(path, "np")
    with pytest.raises(Refused, match="s at spike 5 of unit 950000000; expected finite seconds in order"):
        blocks(recording, "spikes")


def test_spikes_of_a_unit_left_out_may_be_as_they_like(path):
    with h5py.File(path, "r+") as file:
        file["units/spike_times"][file["units/spike_times_index"][2] + 5] = np.nan  # of unit 3
    assert pa.concat_tables(list(read_recording(path, "np").blocks[0].blocks())).num_rows > 0
