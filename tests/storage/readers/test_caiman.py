"""CaImAn's results, in the layout of CNMF.save() and in the .npz of its tests."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import pytest
from scipy.sparse import csc_matrix

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.pipelines import caiman
from storage.readers.recording import Recording, Refused
from storage.tables import FRAMES, IMAGES, SESSIONS, UNITS

N_COMPONENTS, N_FRAMES = 4, 15
HEIGHT, WIDTH = 6, 5
ACCEPTED = [0, 2, 3]
RATE = {"rate_hz": 10}


def footprints() -> np.ndarray:
    """(height, width, n_components), weights."""
    planes = np.zeros((HEIGHT, WIDTH, N_COMPONENTS))
    planes[1, 2, 0] = 2.0
    planes[2:4, 1, 2] = [1.0, 3.0]  # centre of mass at y = 2.75
    planes[5, 0:3, 3] = 1.0
    return planes


def results() -> dict[str, Any]:
    """What CNMF holds when it is saved, as CNMF.__dict__ has it."""
    rng = np.random.default_rng(5)
    traces = {name: rng.normal(10, 3, (N_COMPONENTS, N_FRAMES)) for name in ("C", "S", "YrA", "F_dff")}
    estimates = traces | {
        # CaImAn runs through the pixels of a plane column by column.
        "A": csc_matrix(footprints().reshape(-1, N_COMPONENTS, order="F")),
        "Cn": rng.normal(size=(HEIGHT, WIDTH)).astype(np.float32),
        "dims": (HEIGHT, WIDTH),
        "idx_components": np.array(ACCEPTED),
        "SNR_comp": np.array([5.5, 1.0, np.nan, 4.0]),
        "cnn_preds": [],
        "coordinates": None,
        "f": rng.normal(size=(1, N_FRAMES)),
    }
    params = {
        "data": {"fr": 15, "decay_time": 0.4, "fnames": ["/data/demo.tif"], "dims": (HEIGHT, WIDTH)},
        "init": {"K": 4, "method_init": "greedy_roi", "gSig": [4, 4], "nb": None},
    }
    return {"estimates": estimates, "params": params, "dview": None, "skip_refinement": False}


def save(group: h5py.Group, held: dict[str, Any]) -> None:
    """As caiman.utils.utils.recursively_save_dict_contents_to_group does it."""
    for key, item in held.items():
        if key in ("coordinates", "groups"):
            continue
        if isinstance(item, (list, tuple)):
            item = np.bytes_(item) if item and all(isinstance(one, str) for one in item) else np.array(item)
        if isinstance(item, dict):
            save(group.create_group(key), item)
        elif isinstance(item, csc_matrix):
            for part in ("data", "indptr", "indices", "shape"):
                group[f"{key}/{part}"] = getattr(item, part)
        else:
            group[key] = "NoneType" if item is None else item


def written(path: Path, **parts: Any) -> Path:
    """``written(path, estimates__C=value)`` replaces that part; None is saved as CaImAn does, ``...`` leaves it out."""
    held = results()
    for place, value in parts.items():
        *groups, last = place.split("__")
        inner = held
        for one in groups:
            inner = inner[one]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value
    with h5py.File(path, "w") as file:
        save(file, held)
    return path


def signals(recording: Recording) -> dict[str, np.ndarray]:
    """Each signal whole, (n_units, n_frames)."""
    return {one.signal: np.concatenate([span for _, span in one.spans()], axis=1) for one in recording.traces}


def test_accepted_components_alone_go_in(tmp_path):
    recording = read_recording(written(tmp_path / "mouse 7.hdf5"), "lab")
    assert recording.session_ids == ("lab-mouse_7",)
    (session,) = recording.rows[SESSIONS].to_pylist()
    assert (session["unit_count"], session["unit_filter"]) == (3, "3 of 4 components: idx_components")
    assert (session["frame_count"], session["rate_hz"], session["subject_id"]) == (N_FRAMES, 15.0, None)
    assert '"data/decay_time": 0.4' in session["metadata"]
    assert '"init/method_init": "greedy_roi"' in session["metadata"]
    assert '"data/fnames": "/data/demo.tif"' in session["metadata"]
    assert "NoneType" not in session["metadata"]
    assert recording.rows[FRAMES]["time_s"].to_pylist() == [frame / 15 for frame in range(N_FRAMES)]
    assert recording.rows[UNITS]["unit_id"].to_pylist() == ACCEPTED


def test_each_signal_is_what_caiman_means_by_it(tmp_path):
    estimates = results()["estimates"]
    found = signals(read_recording(written(tmp_path / "m.hdf5"), "lab"))
    expected = {
        "denoised": estimates["C"],
        "deconvolved": estimates["S"],
        "dff": estimates["F_dff"],
        "demixed": estimates["C"] + estimates["YrA"],
    }
    assert set(found) == set(expected)
    for signal, values in expected.items():
        np.testing.assert_array_equal(found[signal], values[ACCEPTED].astype(np.float32))


def test_large_files_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("storage.readers.pipelines.caiman_hdf5._VALUES_PER_BLOCK", 2 * N_FRAMES)
    monkeypatch.setattr("storage.traces.VALUES_PER_SPAN", 4 * len(ACCEPTED))
    recording = read_recording(written(tmp_path / "m.hdf5"), "lab")
    assert [start for start, _ in recording.traces[0].spans()] == [0, 4, 8, 12]
    np.testing.assert_array_equal(
        signals(recording)["denoised"], results()["estimates"]["C"][ACCEPTED].astype(np.float32)
    )


def test_footprints_give_centre_and_area(tmp_path):
    units = pl.from_arrow(read_recording(written(tmp_path / "m.hdf5"), "lab").rows[UNITS])
    assert units["x_px"].to_list() == [2.0, 1.0, 1.0]
    assert units["y_px"].to_list() == [1.0, 2.75, 5.0]
    assert units["area_px"].to_list() == [1, 2, 3]
    assert units["attributes"].to_list() == ['{"SNR_comp": 5.5}', '{"SNR_comp": null}', '{"SNR_comp": 4.0}']


def test_a_volume_has_no_place_in_a_plane(tmp_path):
    path = written(tmp_path / "m.hdf5", estimates__dims=(2, 3, 5), params__data__dims=(2, 3, 5))
    assert read_recording(path, "lab").rows[UNITS]["x_px"].null_count == len(ACCEPTED)


def test_the_correlation_image_is_kept(tmp_path):
    (image,) = read_recording(written(tmp_path / "m.hdf5"), "lab").rows[IMAGES].to_pylist()
    assert (image["kind"], image["image_name"], image["pixel_type"]) == ("projection", "Cn", "float32")
    expected = results()["estimates"]["Cn"]
    np.testing.assert_array_equal(np.frombuffer(image["pixels"], "<f4").reshape(HEIGHT, WIDTH), expected)


def test_without_a_choice_all_components_go_in(tmp_path):
    nothing = {f"estimates__{name}": None for name in ("idx_components", "S", "YrA", "F_dff", "SNR_comp", "Cn", "A")}
    recording = read_recording(written(tmp_path / "m.hdf5", **nothing), "lab")
    assert recording.rows[SESSIONS]["unit_filter"].to_pylist() == [None]
    assert recording.rows[UNITS]["unit_id"].to_pylist() == list(range(N_COMPONENTS))
    assert set(signals(recording)) == {"denoised"}
    assert IMAGES not in recording.rows


def test_the_owner_says_the_rate_where_the_file_does_not(tmp_path):
    path = written(tmp_path / "m.hdf5", params__data__fr=None)
    with pytest.raises(Refused, match=r"rate_hz unknown: params/data/fr absent; expected `about: \{rate_hz"):
        read_recording(path, "lab")
    recording = read_recording(path, "lab", about={"rate_hz": 7.5, "subject": "m7"})
    assert recording.rows[SESSIONS]["rate_hz"].to_pylist() == [7.5]
    assert recording.rows[SESSIONS]["subject_id"].to_pylist() == ["m7"]
    with pytest.raises(Refused, match=r"15 in params/data/fr, 7.5 in sources.yaml; expected one rate"):
        read_recording(written(tmp_path / "m.hdf5"), "lab", about={"rate_hz": 7.5})


@pytest.mark.parametrize(
    ("parts", "field", "found"),
    [
        ({"estimates__C": ...}, "estimates/C", "nothing"),
        ({"estimates__C": None}, "estimates/C", "object"),
        ({"estimates__C": np.ones(5)}, "estimates/C", "shape (5,)"),
        ({"estimates__C": np.ones((4, 15), int)}, "estimates/C", "int64"),
        ({"estimates__C": np.ones((0, 15)), "estimates__S": None, "estimates__YrA": None, "estimates__F_dff": None},
         "estimates/C", "shape (0, 15)"),
        ({"estimates__S": np.ones((4, 14))}, "estimates/S", "shape (4, 14)"),
        ({"estimates__F_dff": np.ones((3, 15))}, "estimates/F_dff", "shape (3, 15)"),
        ({"estimates__YrA": np.ones((4, 14))}, "estimates/YrA", "shape (4, 14)"),
        ({"estimates__idx_components": np.array([0, 4])}, "estimates/idx_components", "component 4"),
        ({"estimates__idx_components": np.array([-1])}, "estimates/idx_components", "component -1"),
        ({"estimates__idx_components": np.array([0.5])}, "estimates/idx_components", "component 0.5"),
        ({"estimates__idx_components": np.array([1, 1])}, "estimates/idx_components", "1 twice"),
        ({"estimates__idx_components": np.array([])}, "estimates/idx_components", "0 of 4 components"),
        ({"estimates__SNR_comp": np.ones(3)}, "estimates/SNR_comp", "shape (3,)"),
        ({"estimates__A": csc_matrix(np.ones((29, 4)))}, "estimates/A", "shape [29, 4]"),
        ({"estimates__A": csc_matrix(np.full((30, 4), np.nan))}, "estimates/A/data", "aren't finite"),
        ({"estimates__dims": (HEIGHT, 4)}, "estimates/A", "shape [30, 4]"),
        ({"estimates__Cn": np.ones(3)}, "Cn", "shape (3,)"),
        ({"params__data__fr": 0}, "params/data/fr", "0"),
        ({"params__data__fr": float("nan")}, "params/data/fr", "nan"),
        ({"params__data__fr": "fast"}, "params/data/fr", "'fast'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_place(tmp_path, parts, field, found):
    with pytest.raises(Refused) as caught:
        read_recording(written(tmp_path / "m.hdf5", **parts), "lab")
    assert caught.value.field == field
    assert found in caught.value.found
    assert caught.value.reader == "caiman"


def test_a_sparse_matrix_that_points_beyond_itself_is_refused(tmp_path):
    for name, broken in (("indptr", [0, 1, 9, 3, 6]), ("indices", [0, 1, 2, 3, 4, 99]), ("indptr", [0, 1, 1, 3, 7])):
        path = written(tmp_path / "m.hdf5")
        with h5py.File(path, "r+") as file:
            file[f"estimates/A/{name}"][...] = broken
        with pytest.raises(Refused, match="columns or pixels out of range"):
            read_recording(path, "lab")


def test_missing_values_stay_missing_and_infinite_ones_are_refused(tmp_path):
    values = np.ones((N_COMPONENTS, N_FRAMES))
    values[2, 5] = np.nan
    values[1, 0] = np.inf  # of a component that was not accepted
    found = signals(read_recording(written(tmp_path / "m.hdf5", estimates__S=values), "lab"))["deconvolved"]
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 5]]
    values[3, 7] = -np.inf
    recording = read_recording(written(tmp_path / "m.hdf5", estimates__S=values), "lab")
    with pytest.raises(Refused, match="deconvolved of lab-m: found -inf in cell 3 at frame 7"):
        signals(recording)


def test_links_out_of_the_file_are_refused(tmp_path):
    written(tmp_path / "other.hdf5")
    path = written(tmp_path / "m.hdf5", estimates__S=...)
    with h5py.File(path, "r+") as file:
        file["estimates/S"] = h5py.ExternalLink("other.hdf5", "estimates/S")
    with pytest.raises(Refused, match="estimates/S: found a link into another file"):
        read_recording(path, "lab")
    with h5py.File(tmp_path / "n.hdf5", "w") as file:
        file["estimates"] = h5py.ExternalLink("other.hdf5", "estimates")
    assert not caiman.recognises(tmp_path / "n.hdf5")


def test_other_files_are_not_caimans(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["estimates"] = np.ones(3)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["estimates/mean"] = np.ones(3)
    np.savez(tmp_path / "c.npz", C=np.ones((2, 3)), labels=np.ones(3))
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 torn")
    (tmp_path / "e.h5").write_bytes(b"\x89HDF\r\n\x1a\n torn")
    assert not any(caiman.recognises(path) for path in tmp_path.iterdir() if path.is_file())
    with pytest.raises(FileNotFoundError):
        caiman.recognises(tmp_path / "absent.npz")


def saved_npz(path: Path, **parts: Any) -> Path:
    rng = np.random.default_rng(6)
    held: dict[str, Any] = {name: rng.normal(size=(N_COMPONENTS, N_FRAMES)) for name in ("C", "YrA")}
    held |= {"A": np.array(csc_matrix(footprints().reshape(-1, N_COMPONENTS))), "f": np.ones((1, N_FRAMES))}
    held |= {"Cn": np.ones((HEIGHT, WIDTH)), "idx_components": np.array(ACCEPTED)}
    np.savez(path, **{name: value for name, value in (held | parts).items() if value is not None})
    return path


def test_the_npz_of_its_scripts_is_read(tmp_path):
    path = saved_npz(tmp_path / "results_analysis.npz")
    recording = read_recording(path, "lab", about={"rate_hz": 10, "session": "day1"})
    assert recording.session_ids == ("lab-day1",)
    (session,) = recording.rows[SESSIONS].to_pylist()
    assert session["unit_filter"] == "3 of 4 components: idx_components"
    assert '"not_read": ["A", "f"]' in session["metadata"]
    with np.load(path) as held:
        c, residual = held["C"][ACCEPTED], held["YrA"][ACCEPTED]
    found = signals(recording)
    assert set(found) == {"denoised", "demixed"}
    np.testing.assert_array_equal(found["denoised"], c.astype(np.float32))
    np.testing.assert_array_equal(found["demixed"], (c + residual).astype(np.float32))
    with pytest.raises(Refused, match="rate_hz unknown: information absent"):
        read_recording(path, "lab")


def test_signals_of_a_npz_are_let_go_when_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr("storage.traces.VALUES_PER_SPAN", 4 * len(ACCEPTED))
    recording = read_recording(saved_npz(tmp_path / "m.npz"), "lab", about=RATE)
    trace = recording.traces[0]
    twice = [np.concatenate([span for _, span in trace.spans()], axis=1) for _ in range(2)]
    with np.load(tmp_path / "m.npz") as held:
        for found in twice:
            np.testing.assert_array_equal(found, held["C"][ACCEPTED].astype(np.float32))


class _Marks:
    """Pickled, it asks whoever unpickles it to make a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


def test_an_object_that_would_run_code_is_refused_unrun(tmp_path):
    marker = tmp_path / "ran"
    for held in ({"params": _Marks(marker)}, _Marks(marker)):
        path = saved_npz(tmp_path / "m.npz", information=np.array(held, dtype=object))
        with pytest.raises(Refused, match="information pickle: found pathlib"):
            read_recording(path, "lab", about=RATE)
    # Footprints are objects too, and aren't asked for.
    saved_npz(tmp_path / "m.npz", A=np.array(_Marks(marker), dtype=object))
    assert len(read_recording(tmp_path / "m.npz", "lab", about=RATE).rows[UNITS]) == len(ACCEPTED)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("parts", "field", "found"),
    [
        ({"C": np.ones(3)}, "C", "shape (3,)"),
        ({"C": np.array([None])}, "C", "object"),
        ({"YrA": np.ones((4, 14))}, "YrA", "shape (4, 14)"),
        ({"idx_components": np.array(["a"])}, "idx_components", "component 'a'"),
        ({"information": np.array([1, "x"], dtype=object)}, "information", "object of shape (2,)"),
        ({"information": np.array({"params": 3})}, "information params", "3"),
        ({"information": np.array({"params": {"final_frate": "30"}})}, "information params final_frate", "'30'"),
        ({"information": np.array({"params": {"final_frate": -1}})}, "information params final_frate", "-1"),
    ],
)
def test_what_does_not_fit_in_a_npz_is_refused(tmp_path, parts, field, found):
    with pytest.raises(Refused) as caught:
        read_recording(saved_npz(tmp_path / "m.npz", **parts), "lab", about=None if "information" in parts else RATE)
    assert field in caught.value.field
    assert found in caught.value.found


def test_it_goes_into_a_lake(tmp_path, lake: Lake):
    recording = read_recording(written(tmp_path / "m.hdf5"), "lab")
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="m")
    dff = lake.traces("lab-m", "dff")
    assert dff.unit_id.tolist() == ACCEPTED
    np.testing.assert_array_equal(dff.values, results()["estimates"]["F_dff"][ACCEPTED].astype(np.float32))


def test_the_real_npz_has_its_58_components(recordings):
    recording = read_recording(recordings / "caiman" / "example.npz", "lab")
    assert recording.session_ids == ("lab-example",)
    (session,) = recording.rows[SESSIONS].to_pylist()
    assert (session["unit_count"], session["frame_count"], session["rate_hz"]) == (58, 3000, 30.0)
    assert session["unit_filter"] is None
    with np.load(recordings / "caiman" / "example.npz") as held:
        np.testing.assert_array_equal(signals(recording)["denoised"], held["C_full"].astype(np.float32))
