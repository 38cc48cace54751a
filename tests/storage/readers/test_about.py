"""What an owner says of a recording, and the names of sessions that have none of their own."""

from pathlib import Path

import pytest

from storage.readers.about import About, about_of, agreed_hz, native_id
from storage.readers.given import Given
from storage.readers.recording import Refused


class OfAProbe(About):
    probe: str | None = None


def given(about: dict | None = None) -> Given:
    return Given(Path("day3"), "lab", "/data/day3", "0" * 64, "suite2p", 1, about)


def test_nothing_said_is_nothing_known():
    assert about_of(given()) == About()
    assert about_of(given()).session_facts == {"simulated": False}


def test_what_is_said_fills_the_session():
    said = {"subject": 412, "sex": "F", "age_days": 90.5, "simulated": True, "rate_hz": 30, "probe": "A"}
    about = about_of(given(said), OfAProbe)
    assert about.probe == "A"
    assert about.session_facts == {"subject_id": "412", "sex": "F", "age_days": 90.5, "simulated": True}


@pytest.mark.parametrize(
    ("said", "field", "found"),
    [
        ({"probe": "A"}, "about.probe", "the unknown key probe"),
        ({"subject": ""}, "about.subject", "''"),
        ({"subject": True}, "about.subject", "True"),
        ({"age_days": -1}, "about.age_days", "-1"),
        ({"rate_hz": float("inf")}, "about.rate_hz", "inf"),
        ({"simulated": "perhaps"}, "about.simulated", "'perhaps'"),
        ({"started_at": "yesterday"}, "about.started_at", "'yesterday'"),
    ],
)
def test_what_is_said_wrongly_is_refused(said, field, found):
    with pytest.raises(Refused) as caught:
        about_of(given(said))
    assert caught.value.field == field
    assert caught.value.found == found


def test_a_rate_is_that_of_whoever_says_it():
    assert agreed_hz(given(), "rate_hz", 30.0, None, "ops.npy") == 30.0
    assert agreed_hz(given(), "rate_hz", None, 15, "ops.npy") == 15.0
    assert agreed_hz(given(), "rate_hz", 15, 15.0, "ops.npy") == 15.0
    for of_file, of_owner in ((None, None), (30.0, 15.0), (0.0, None), (float("nan"), 15.0), (float("inf"), None)):
        with pytest.raises(Refused):
            agreed_hz(given(), "rate_hz", of_file, of_owner, "ops.npy")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/mouse 412/suite2p/plane0", "mouse_412-suite2p-plane0"),
        ("mouse_412/suite2p", "mouse_412-suite2p"),
        ("rec/day3/continuous/Neuropix-3a-100.0", "day3-continuous-Neuropix-3a-100.0"),
        ("day3/kilosort2.5", "day3-kilosort2.5"),
        ("day3/minian/C.zarr", "C.zarr"),
        ("neuropixels_phy", "neuropixels_phy"),
        ("día 3", "d_a_3"),
    ],
)
def test_folders_that_pipelines_name_are_told_apart_by_their_parents(tmp_path, path, name):
    (tmp_path / path).mkdir(parents=True)
    assert native_id(tmp_path / path) == name


def test_a_file_goes_by_its_name_without_the_suffix(tmp_path):
    assert native_id(tmp_path / "mouse 7.hdf5") == "mouse_7"
    assert native_id(Path("/day3/analysis_results.hdf5")) == "day3-analysis_results"
