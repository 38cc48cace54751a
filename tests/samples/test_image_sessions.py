"""Sample image sessions are NWB that PyNWB opens and the Allen reader reads, and hold what was simulated."""

import json

import numpy as np
import polars as pl
import pytest

from models.simulate_image_coding import ImageCodingPlan, simulate_image_session
from samples import write_image_sessions as script
from storage.content_hash import content_sha256
from storage.readers.choose import read_recording
from storage.tables import EVENTS, IMAGES, SESSIONS, SPIKES, UNITS

ARGUMENTS = ["--units", "6", "--images", "5", "--repeats", "3", "--gabors", "--seed", "3"]
PLAN = ImageCodingPlan(n_units=6, n_images=5, n_repeats=3, with_gabors=True, seed=3)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image_sessions")
    assert script.main(["--into", str(folder), *ARGUMENTS]) == 0
    return folder / "images5x3-units6-seed3.nwb"


@pytest.fixture(scope="module")
def recording(path):
    return read_recording(path, "simulated")


def rows(recording, table):
    return pl.DataFrame(pl.from_arrow(recording.rows[table]))


def test_the_session_is_read_as_it_was_simulated(recording):
    session = simulate_image_session(PLAN)
    row = rows(recording, SESSIONS).row(0, named=True)
    assert row["session_id"] == "simulated-images5x3-units6-seed3"
    assert row["simulated"]
    assert row["reader"] == "allen_neuropixels"
    assert rows(recording, UNITS)["unit_id"].to_list() == session.unit_id.tolist()
    assert set(rows(recording, UNITS)["structure"]) == {"VISp"}
    [blocks] = [one for one in recording.blocks if one.table is SPIKES]
    spikes = pl.concat([pl.DataFrame(pl.from_arrow(block)) for block in blocks.blocks()])
    for unit_id, spike_s in zip(session.unit_id, session.spike_s, strict=True):
        np.testing.assert_array_equal(spikes.filter(unit_id=unit_id)["time_s"], spike_s)


def test_presentations_tell_image_blank_and_gabor(recording):
    session = simulate_image_session(PLAN)
    events = rows(recording, EVENTS)
    scenes = events.filter(name="natural_scenes")
    np.testing.assert_array_equal(scenes["onset_s"], session.onset_s)
    np.testing.assert_array_equal(scenes["offset_s"], session.offset_s)
    shown = [f"natural_scenes_{one}" if one >= 0 else None for one in session.image]
    assert scenes["image_name"].to_list() == shown
    assert set(scenes.filter(pl.col("image_name").is_null())["kind"]) == {"stimulus"}
    assert [json.loads(said)["stimulus_block"] for said in scenes["attributes"]] == session.block.tolist()
    gabors = events.filter(name="gabors")
    said = pl.DataFrame([json.loads(one) for one in gabors["attributes"]])
    np.testing.assert_array_equal(said["x_position"], session.gabors.x_position)
    np.testing.assert_array_equal(said["y_position"], session.gabors.y_position)
    np.testing.assert_array_equal(said["orientation"], session.gabors.orientation_deg)


def test_images_keep_every_pixel(recording):
    session = simulate_image_session(PLAN, with_spikes=False)
    images = rows(recording, IMAGES).sort("image_index")
    assert images["image_name"].to_list() == [f"natural_scenes_{one}" for one in range(5)]
    pixels = [np.frombuffer(one, np.uint8).reshape(60, 96) for one in images["pixels"]]
    np.testing.assert_array_equal(pixels, session.images)


def test_pynwb_opens_it(path):
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(path, "r") as io:
        nwbfile = io.read()
        assert nwbfile.subject.specimen_name == "simulated"
        for unit, spike_s in enumerate(simulate_image_session(PLAN).spike_s):
            np.testing.assert_array_equal(nwbfile.units["spike_times"][unit], spike_s)


def test_the_same_seed_gives_the_same_bytes_and_what_exists_is_left_alone(path, tmp_path, capsys):
    script.write_image_sessions(PLAN, 1, tmp_path)
    assert content_sha256(tmp_path / path.name) == content_sha256(path)
    before = path.stat().st_mtime_ns
    script.main(["--into", str(path.parent), *ARGUMENTS])
    assert path.stat().st_mtime_ns == before
    assert "0 simulated sessions written" in capsys.readouterr().out


def test_units_that_never_fire_are_units(tmp_path):
    silent = ImageCodingPlan(n_units=3, n_images=2, n_repeats=3, n_silent=3)
    script.write_image_session(simulate_image_session(silent), silent, tmp_path / "silent.nwb")
    recording = read_recording(tmp_path / "silent.nwb", "simulated")
    assert len(rows(recording, UNITS)) == 3
    assert rows(recording, EVENTS).shape[0] == 9


def test_a_session_without_spikes_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="spike times"):
        script.write_image_session(simulate_image_session(PLAN, with_spikes=False), PLAN, tmp_path / "x.nwb")
