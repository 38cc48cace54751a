"""NWB files as a whole: which they are, what they say of session and animal, and what hostile ones may not do."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from pynwb import TimeSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.file import Subject
from pynwb.image import ImageSeries

from storage.lake import Lake
from storage.readers.choose import read_recording, reader_for
from storage.readers.nwb import nwb
from storage.tables import BEHAVIOR_SIGNALS, EVENTS, SESSIONS, SPIKES, UNITS
from tests.storage.readers.planted_nwb import by_pynwb, refusal, rows, written


def running(nwbfile) -> None:
    """A signal, so that there is something to read."""
    nwbfile.add_acquisition(TimeSeries(name="running_speed", data=np.arange(4.0), unit="cm/s", rate=2.0))


def session(path: Path) -> dict:
    said = rows(read_recording(path, "lab"), SESSIONS).row(0, named=True)
    return said | {"metadata": json.loads(said["metadata"])}


def test_hdf5_is_nwb_when_it_says_so_or_is_named_so(tmp_path):
    path = written(tmp_path / "mouse.nwb", running)
    renamed = Path(os.rename(path, tmp_path / "mouse.h5") or tmp_path / "mouse.h5")
    assert reader_for(renamed) is nwb
    other = tmp_path / "matrix.h5"
    with h5py.File(other, "w") as file:
        file["values"] = np.zeros(3)
    assert not nwb.recognises(other)
    torn = tmp_path / "torn.h5"
    torn.write_bytes(renamed.read_bytes()[:2000])
    assert not nwb.recognises(torn)
    assert not nwb.recognises(Path(torn.rename(tmp_path / "torn.mat")))
    named = Path(other.rename(tmp_path / "matrix.NWB"))
    assert nwb.recognises(named)
    assert refusal(named).expected == "a whole HDF5 file that pynwb reads"


def test_attributes_that_cannot_be_read_are_no_ground_to_fail(tmp_path):
    path = written(tmp_path / "mouse.nwb", running)
    content = bytearray(path.read_bytes())
    for at in range(8, len(content), 97):
        path.with_suffix(".h5").write_bytes(content[:at] + b"\xff" * 40 + content[at + 40 :])
        assert nwb.recognises(path.with_suffix(".h5")) in (True, False)
        if at > 3000:
            break


@pytest.mark.parametrize(
    ("age", "born", "days"),
    [
        ("P90D", None, 90.0),
        ("P12W", None, 84.0),
        ("P1W2DT12H", None, 9.5),
        ("P3M", None, None),
        ("P90D/P120D", None, None),
        ("P3M", datetime(2026, 1, 1, 9, 30, tzinfo=UTC), 4.0),
        (None, datetime(2026, 1, 4, 21, 30, tzinfo=UTC), 0.5),
        (None, None, None),
    ],
)
def test_an_age_is_in_days_where_it_has_a_length_in_days(tmp_path, age, born, days):
    subject = Subject(subject_id="m1", age=age, date_of_birth=born)
    assert session(written(tmp_path / "m.nwb", running, subject=subject)).get("age_days") == days


def test_a_gestational_age_is_none_since_birth(tmp_path):
    subject = Subject(subject_id="m1", age="P15D", age__reference="gestational")
    said = session(written(tmp_path / "m.nwb", running, subject=subject))
    assert "age_days" not in said
    assert said["metadata"]["subject"]["age"] == "P15D"


def test_what_the_file_says_of_itself_is_kept(tmp_path):
    subject = Subject(subject_id="m1", sex="F", species="Mus musculus", strain="C57BL/6J", genotype="wt/wt")

    def rig(nwbfile):
        probe = nwbfile.create_device("probe", description="64 sites", manufacturer="IMEC")
        group = nwbfile.create_electrode_group("shank", description="d", location="CA1", device=probe)
        for _ in range(3):
            nwbfile.add_electrode(group=group, location="CA1")

    facts = {"lab": "Smith", "institution": "UCL", "experimenter": ["A", "B"], "keywords": ["simulated", "maze"]}
    said = session(written(tmp_path / "m.nwb", running, rig, subject=subject, **facts))
    assert (said["subject_id"], said["sex"], said["genotype"], said["simulated"]) == ("m1", "F", "wt/wt", True)
    assert said["started_at"] == datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
    assert "frame_count" not in said
    told = said["metadata"]
    assert (told["lab"], told["institution"], told["experimenter"]) == ("Smith", "UCL", ["A", "B"])
    assert told["keywords"] == ["simulated", "maze"]
    assert told["subject"]["species"] == "Mus musculus"
    assert told["subject"]["strain"] == "C57BL/6J"
    assert told["devices"]["probe"] == {"description": "64 sites", "manufacturer": "IMEC"}
    assert told["electrode_groups"]["shank"]["location"] == "CA1"
    assert told["electrodes"] == {"count": 3, "locations": ["CA1"]}


@pytest.mark.parametrize(
    ("facts", "session_id"),
    [
        ({}, "lab-7"),
        ({"session_id": None, "identifier": "A8604-211122"}, "lab-A8604-211122"),
        ({"session_id": None, "subject": Subject(subject_id="m1")}, "lab-m1-20260105T093000Z"),
    ],
)
def test_a_session_is_named_by_what_the_file_has(tmp_path, facts, session_id):
    assert read_recording(written(tmp_path / "m.nwb", running, **facts), "lab").session_ids == (session_id,)


def test_without_any_name_a_session_is_refused(tmp_path):
    refused = refusal(written(tmp_path / "m.nwb", running, session_id=None, subject=Subject(sex="F")))
    assert refused.field == "session_id"
    assert refused.found == "none, no subject_id, and the identifier 'an id, with spaces'"


def test_what_is_not_read_is_named(tmp_path):
    def large(nwbfile):
        probe = nwbfile.create_device("probe")
        group = nwbfile.create_electrode_group("shank", description="d", location="CA1", device=probe)
        nwbfile.add_electrode(group=group, location="CA1")
        table = nwbfile.create_electrode_table_region([0], "all")
        nwbfile.add_acquisition(ElectricalSeries(name="lfp", data=np.zeros((5, 1)), electrodes=table, rate=1.0))
        movie = ImageSeries(name="eye", data=np.zeros((2, 4, 4)), unit="n.a.", rate=1.0)
        nwbfile.add_acquisition(movie)
        nwbfile.add_stimulus(TimeSeries(name="contrast", data=[1.0, 2.0], unit="n.a.", rate=1.0))

    path = written(tmp_path / "m.nwb", running, large)
    assert session(path)["metadata"]["left_out"] == {
        "acquisition/lfp": "ElectricalSeries (5, 1)",
        "acquisition/eye": "ImageSeries (2, 4, 4)",
        "stimulus/contrast": "TimeSeries (2,)",
    }
    refused = refusal(written(tmp_path / "n.nwb", large))
    assert refused.found.startswith("none, but acquisition/eye (ImageSeries (2, 4, 4)), acquisition/lfp")
    assert refusal(written(tmp_path / "o.nwb")).found == "none"


def test_the_real_spike_file_reads_as_h5py_reads_it(recordings, lake: Lake):
    path = recordings / "nwb" / "A8604-211122.nwb"
    recording = read_recording(path, "lab")
    assert recording.session_ids == ("lab-A8604-211122",)
    said = rows(recording, SESSIONS).row(0, named=True)
    assert said["unit_count"] == 3
    assert "subject_id" not in said
    assert "frame_count" not in said
    with h5py.File(path) as file:
        ids, ends = file["units/id"][:], file["units/spike_times_index"][:].tolist()
        times = np.split(file["units/spike_times"][:], ends[:-1])
        tags = [tag.decode() for tag in file["intervals/epochs/tags"][:]]
        epochs = [file[f"intervals/epochs/{name}"][:].tolist() for name in ("start_time", "stop_time")]
    spikes = rows(recording, SPIKES)
    assert len(spikes) == sum(map(len, times)) == 21_354
    with by_pynwb(path) as nwbfile:
        for number, unit in enumerate(ids.tolist()):
            read = spikes.filter(unit_id=unit)
            assert read["spike"].to_list() == list(range(len(times[number])))
            np.testing.assert_array_equal(read["time_s"].to_numpy(), times[number])
            np.testing.assert_array_equal(read["time_s"].to_numpy(), nwbfile.units["spike_times"][number])
    assert rows(recording, UNITS)["unit_id"].to_list() == ids.tolist()
    assert rows(recording, EVENTS).select("kind", "name", "onset_s", "offset_s").rows() == [
        ("mark", tags[0], epochs[0][0], epochs[1][0])
    ]
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="real")
    counted = lake.query("SELECT unit_id, count(*) FROM recorded.spikes GROUP BY ALL ORDER BY ALL").rows()
    assert counted == [(unit, len(one)) for unit, one in zip(ids.tolist(), times, strict=True)]


@pytest.fixture
def planted(tmp_path) -> Path:
    return written(tmp_path / "m.nwb", running)


def test_a_link_out_of_the_file_is_refused(planted, tmp_path):
    (tmp_path / "secret.h5").write_bytes(planted.read_bytes())
    with h5py.File(planted, "r+") as file:
        file["acquisition/elsewhere"] = h5py.ExternalLink("secret.h5", "/acquisition/running_speed")
    refused = refusal(planted)
    assert (refused.field, refused.found) == ("acquisition/elsewhere", "a link into another file")


def test_values_in_another_file_are_refused(planted, tmp_path):
    (tmp_path / "secret.bin").write_bytes(b"s" * 64)
    with h5py.File(planted, "r+") as file:
        held = file["acquisition/running_speed"]
        said = dict(held["data"].attrs)
        del held["data"]
        held.create_dataset("data", (4,), float, external=[(str(tmp_path / "secret.bin"), 0, 64)])
        held["data"].attrs.update(said)
    assert "values in another file" in refusal(planted).found


@pytest.mark.parametrize("shape", [(10**15,), (10**9, 8)])
def test_a_shape_that_nothing_stands_behind_is_refused(planted, shape):
    with h5py.File(planted, "r+") as file:
        held = file["acquisition/running_speed"]
        said = dict(held["data"].attrs)
        del held["data"]
        held.create_dataset("data", shape, float, chunks=(1000, *shape[1:]))
        held["data"].attrs.update(said)
    assert "bytes declared" in refusal(planted).found


def test_a_link_to_nowhere_inside_the_file_is_no_crash(planted):
    with h5py.File(planted, "r+") as file:
        file["acquisition/gone"] = h5py.SoftLink("/acquisition/nothing")
        del file["acquisition/running_speed/data"]
        file["acquisition/running_speed/data"] = h5py.SoftLink("/nothing")
    assert "acquisition/gone (nothing)" in refusal(planted).found


def test_groups_that_hold_each_other_are_no_endless_reading(planted):
    with h5py.File(planted, "r+") as file:
        file["acquisition/running_speed/again"] = file["acquisition"]
    assert "RecursionError" in refusal(planted).found


def test_a_reference_to_what_is_gone_is_refused(tmp_path):
    def sorted_unit(nwbfile):
        probe = nwbfile.create_device("probe")
        group = nwbfile.create_electrode_group("shank", description="d", location="CA1", device=probe)
        nwbfile.add_unit(spike_times=[0.1, 0.2], electrode_group=group)

    path = written(tmp_path / "m.nwb", sorted_unit)
    with h5py.File(path, "r+") as file:
        del file["general/extracellular_ephys/shank"]
    assert refusal(path).expected == "a whole HDF5 file that pynwb reads"


def test_types_of_a_files_own_are_read_and_forgotten(planted):
    """An extension that nobody installed: descriptions in the file, of which pynwb makes a class of that name."""
    namespace = {
        "name": "ndx-odd",
        "version": "0.1.0",
        "doc": "__import__('os').system('false')",
        "author": "a",
        "contact": "c",
        "schema": [{"namespace": "core"}, {"source": "ndx-odd.extensions"}],
    }
    kind = {
        "neurodata_type_def": "OddSeries",
        "neurodata_type_inc": "TimeSeries",
        "doc": "odd",
        "attributes": [{"name": "oddness", "dtype": "float", "doc": "how odd"}],
    }
    with h5py.File(planted, "r+") as file:
        held = file["specifications"].create_group("ndx-odd/0.1.0")
        held["namespace"] = json.dumps({"namespaces": [namespace]})
        held["ndx-odd.extensions"] = json.dumps({"groups": [kind]})
        file.copy("acquisition/running_speed", "acquisition/odd")
        odd = file["acquisition/odd"]
        odd.attrs.update({"neurodata_type": "OddSeries", "namespace": "ndx-odd", "oddness": 2.0})
        odd.attrs["object_id"] = "0b3bba4f-39c2-4e91-9b64-77f769f61be8"
    recording = read_recording(planted, "lab")
    metadata = json.loads(rows(recording, SESSIONS)["metadata"].item())
    assert metadata["left_out"] == {"acquisition/odd": "OddSeries (4,)"}
    assert rows(recording, BEHAVIOR_SIGNALS)["signal"].unique().to_list() == ["running_speed_cm_per_s"]
    assert "ndx-odd" not in pynwb.available_namespaces()


def test_types_that_no_one_defines_are_named(planted):
    with h5py.File(planted, "r+") as file:
        file["acquisition/running_speed"].attrs["neurodata_type"] = "OddSeries"
    assert refusal(planted).found == "none, but acquisition/running_speed (OddSeries, which pynwb doesn't know)"


@pytest.mark.parametrize("place", ["id", "spike_times", "spike_times_index"])
def test_torn_bytes_inside_are_refused(tmp_path, place):
    def units(nwbfile):
        for _ in range(50):
            nwbfile.add_unit(spike_times=np.arange(300.0))

    path = written(tmp_path / "m.nwb", units)
    with h5py.File(path, "r+") as file:
        held = file[f"units/{place}"]
        values, said = held[:], dict(held.attrs)
        del file[f"units/{place}"]
        again = file.create_dataset(f"units/{place}", data=values, chunks=values.shape, compression="gzip")
        target = file["units/spike_times"]
        again.attrs.update({key: value for key, value in said.items() if key != "target"})
        if "target" in said:
            again.attrs["target"] = target.ref
        elif place == "spike_times":
            file["units/spike_times_index"].attrs["target"] = again.ref
        file.flush()
        at = again.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[at + 4 : at + 12] = b"\xff" * 8
    path.write_bytes(content)
    assert refusal(path).field
