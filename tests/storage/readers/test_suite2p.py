"""Suite2p's folders: accepted cells only, the rate from whoever says it, and no pickle ever run."""

import pickle
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.pipelines import suite2p
from storage.readers.recording import Recording, Refused
from storage.tables import FRAMES, IMAGES, SESSIONS, UNITS

N_ROIS, N_FRAMES = 5, 12
ACCEPTED = [1, 3, 4]
MEAN_IMAGE = np.arange(6, dtype=np.float32).reshape(2, 3)


def described(roi: int) -> dict[str, Any]:
    return {
        "ypix": np.array([10, 11, 11]),
        "xpix": np.array([20, 20, 21]),
        "lam": np.array([0.2, 0.3, 0.5], np.float32),
        "med": [10 + roi, 20 + roi],
        "npix": 3,
        "radius": np.float64(1.5),
        "skew": np.float32(0.25),
        "std": np.nan,
    }


def written(folder: Path, **parts: Any) -> Path:
    """A plane of five ROIs, ``F=...`` replacing what F.npy holds, None leaving it out."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    held: dict[str, Any] = {
        name: rng.normal(100, 10, (N_ROIS, N_FRAMES)).astype(np.float32) for name in ("F", "Fneu", "spks")
    }
    held["iscell"] = np.column_stack([np.isin(np.arange(N_ROIS), ACCEPTED), np.linspace(0.1, 0.9, N_ROIS)])
    held["stat"] = np.array([described(roi) for roi in range(N_ROIS)], dtype=object)
    ops = {"fs": 4.0, "nplanes": 1, "tau": 0.7, "meanImg": MEAN_IMAGE, "max_proj": MEAN_IMAGE[:1].astype(np.int16)}
    held["ops"] = ops | {"date_proc": datetime(2019, 5, 1), "save_path0": "/data/mouse_412", "regPC": np.ones((2, 3))}
    for name, value in (held | parts).items():
        if value is not None:
            np.save(folder / f"{name}.npy", value)
    return folder


def signals(recording: Recording) -> dict[str, np.ndarray]:
    """Each signal whole, (n_units, n_frames)."""
    return {one.signal: np.concatenate([span for _, span in one.spans()], axis=1) for one in recording.traces}


def test_accepted_cells_alone_go_in(tmp_path):
    folder = written(tmp_path / "mouse_412" / "suite2p" / "plane0")
    recording = read_recording(folder, "lab")
    assert recording.session_ids == ("lab-mouse_412-suite2p-plane0",)
    (session,) = recording.rows[SESSIONS].to_pylist()
    assert (session["unit_count"], session["unit_filter"]) == (3, "3 of 5 ROIs: iscell")
    assert (session["frame_count"], session["rate_hz"], session["subject_id"]) == (N_FRAMES, 4.0, None)
    assert session["started_at"] is None  # date_proc is when Suite2p ran
    units = pl.from_arrow(recording.rows[UNITS])
    assert units["unit_id"].to_list() == ACCEPTED
    assert units["y_px"].to_list() == [11, 13, 14]
    assert units["x_px"].to_list() == [21, 23, 24]
    assert units["area_px"].to_list() == [3, 3, 3]
    assert units["attributes"].str.json_path_match("$.radius").to_list() == ["1.5"] * 3
    assert '"std": null' in units["attributes"][0]
    assert '"iscell_probability": 0.3' in units["attributes"][0]
    for signal, name in (("fluorescence", "F"), ("neuropil", "Fneu"), ("deconvolved", "spks")):
        np.testing.assert_array_equal(signals(recording)[signal], np.load(folder / f"{name}.npy")[ACCEPTED])


def test_frames_are_timed_by_the_rate_in_ops(tmp_path):
    frames = read_recording(written(tmp_path / "plane0"), "lab").rows[FRAMES]
    assert frames["time_s"].to_pylist() == [frame * 0.25 for frame in range(N_FRAMES)]


def test_settings_and_projections_of_ops_are_kept(tmp_path):
    recording = read_recording(written(tmp_path / "plane0"), "lab")
    metadata = recording.rows[SESSIONS]["metadata"][0].as_py()
    assert '"tau": 0.7' in metadata
    assert '"save_path0": "/data/mouse_412"' in metadata
    images = {row["image_name"]: row for row in recording.rows[IMAGES].to_pylist()}
    assert set(images) == {"plane0/meanImg", "plane0/max_proj"}
    mean = images["plane0/meanImg"]
    assert (mean["height_px"], mean["width_px"], mean["pixel_type"]) == (2, 3, "float32")
    np.testing.assert_array_equal(np.frombuffer(mean["pixels"], "<f4").reshape(2, 3), MEAN_IMAGE)
    assert images["plane0/max_proj"]["pixel_type"] == "float32"  # whole numbers below 0 fit no whole type there


def test_planes_of_one_rate_are_one_session(tmp_path):
    folder = tmp_path / "mouse_412" / "suite2p"
    written(folder / "plane0")
    written(folder / "plane2")
    written(folder / "combined")
    (folder / "plane7").mkdir()
    recording = read_recording(folder, "lab")
    assert recording.session_ids == ("lab-mouse_412-suite2p",)
    assert recording.rows[UNITS]["unit_id"].to_pylist() == [1, 3, 4, 2_000_001, 2_000_003, 2_000_004]
    assert '"plane": 2' in recording.rows[UNITS]["attributes"][5].as_py()
    assert recording.rows[SESSIONS]["unit_filter"].to_pylist() == ["6 of 10 ROIs: iscell"]
    expected = np.load(folder / "plane2" / "F.npy")[ACCEPTED]
    np.testing.assert_array_equal(signals(recording)["fluorescence"][3:], expected)
    assert len(recording.rows[IMAGES]) == 4


def test_planes_of_other_lengths_are_sessions_of_their_own(tmp_path):
    folder = tmp_path / "mouse_412" / "suite2p"
    written(folder / "plane0")
    shorter = {name: np.ones((N_ROIS, N_FRAMES - 1), np.float32) for name in ("F", "Fneu", "spks")}
    written(folder / "plane1", **shorter)
    recording = read_recording(folder, "lab")
    assert recording.session_ids == ("lab-mouse_412-suite2p-plane0", "lab-mouse_412-suite2p-plane1")
    assert recording.rows[SESSIONS]["frame_count"].to_pylist() == [N_FRAMES, N_FRAMES - 1]
    assert len(recording.rows[FRAMES]) == 2 * N_FRAMES - 1


def test_the_owner_says_what_suite2p_does_not(tmp_path):
    folder = written(tmp_path / "mouse_412" / "plane0", ops=None, Fneu=None)
    about = {"rate_hz": 2.0, "subject": 412, "indicator": "GCaMP6f", "started_at": "2026-01-05T09:30:00+01:00"}
    recording = read_recording(folder, "lab", about=about)
    (session,) = recording.rows[SESSIONS].to_pylist()
    assert (session["rate_hz"], session["subject_id"], session["indicator"]) == (2.0, "412", "GCaMP6f")
    assert session["started_at"].isoformat() == "2026-01-05T08:30:00+00:00"
    assert recording.rows[FRAMES]["time_s"].to_pylist()[:2] == [0.0, 0.5]
    assert set(signals(recording)) == {"fluorescence", "deconvolved"}


@pytest.mark.parametrize(
    ("about", "field", "found"),
    [
        ({"rate": 2.0}, "about.rate", "unknown key rate"),
        ({"rate_hz": 0}, "about.rate_hz", "0"),
        ({"rate_hz": "fast"}, "about.rate_hz", "'fast'"),
        ({"rate_hz": 5.0}, "rate_hz", "4.0 in ops.npy fs, 5.0 in sources.yaml"),
        ({"started_at": "2026-01-05T09:30:00"}, "about.started_at", "09:30"),
        ({"session": "a/b"}, "session", "lab-a/b"),
    ],
)
def test_what_the_owner_says_wrongly_is_named(tmp_path, about, field, found):
    with pytest.raises(Refused) as caught:
        read_recording(written(tmp_path / "plane0"), "lab", about=about)
    assert caught.value.field == field
    assert found in caught.value.found


def test_an_unknown_rate_says_where_to_say_it(tmp_path):
    with pytest.raises(
        Refused, match=r"rate_hz unknown: ops.npy absent; expected `about: \{rate_hz: ...\}` in sources"
    ):
        read_recording(written(tmp_path / "plane0", ops=None), "lab")
    with pytest.raises(Refused, match=r"rate_hz unknown: ops.npy fs absent"):
        read_recording(written(tmp_path / "plane0", ops={"nplanes": 1}), "lab")


def stat_with(**changed: Any) -> np.ndarray:
    rois = [described(roi) for roi in range(N_ROIS)]
    rois[3] |= changed
    return np.array(rois, dtype=object)


@pytest.mark.parametrize(
    ("parts", "field", "found"),
    [
        ({"F": None}, "F.npy", "nothing"),
        ({"iscell": None}, "iscell.npy", "nothing"),
        ({"stat": None}, "stat.npy", "nothing"),
        ({"Fneu": np.ones((N_ROIS, N_FRAMES - 1), np.float32)}, "Fneu.npy", "shape (5, 11)"),
        ({"spks": np.ones((N_ROIS - 1, N_FRAMES), np.float32)}, "spks.npy", "shape (4, 12)"),
        ({"F": np.ones(N_FRAMES, np.float32)}, "F.npy", "float32 of shape (12,)"),
        ({"F": np.full((N_ROIS, N_FRAMES), "x")}, "F.npy", "<U1 of shape"),
        ({"F": np.array([None])}, "F.npy", "Python objects"),
        ({"iscell": np.ones((N_ROIS + 1, 2))}, "iscell.npy", "6 ROIs"),
        ({"iscell": np.full((N_ROIS, 2), 0.5)}, "iscell.npy", "0.5 for ROI 0"),
        ({"iscell": np.full((N_ROIS, 2), np.nan)}, "iscell.npy", "nan for ROI 0"),
        ({"iscell": np.ones(N_ROIS)}, "iscell.npy", "shape (5,)"),
        ({"iscell": np.zeros((N_ROIS, 2))}, "iscell.npy", "0 of 5 ROIs accepted"),
        ({"stat": np.array([described(0)] * 4, dtype=object)}, "stat.npy", "4 ROIs"),
        ({"stat": np.array([1, 2, 3, 4, "x"], dtype=object)}, "stat.npy", "object of shape"),
        ({"stat": stat_with(med=[np.nan, 2.0])}, "stat.npy med of ROI 3", "nan"),
        ({"stat": stat_with(med=None)}, "stat.npy med of ROI 3", "None"),
        ({"stat": stat_with(npix=0)}, "stat.npy npix of ROI 3", "0"),
        ({"ops": {"fs": 0.0}}, "ops.npy fs", "0.0"),
        ({"ops": {"fs": float("nan")}}, "ops.npy fs", "nan"),
        ({"ops": {"fs": "30"}}, "ops.npy fs", "'30'"),
        ({"ops": np.ones(3)}, "ops.npy", "float64 of shape (3,)"),
        ({"ops": {"fs": 4.0, "meanImg": np.ones((2, 3, 4))}}, "ops.npy meanImg", "shape (2, 3, 4)"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_file(tmp_path, parts, field, found):
    with pytest.raises(Refused) as caught:
        read_recording(written(tmp_path / "plane0", **parts), "lab")
    assert field in caught.value.field
    assert found in caught.value.found
    assert caught.value.reader == "suite2p"


def test_a_torn_plane_among_whole_ones_is_refused(tmp_path):
    written(tmp_path / "suite2p" / "plane0")
    written(tmp_path / "suite2p" / "plane1", F=None)
    with pytest.raises(Refused, match=r"plane1/F.npy: found nothing"):
        read_recording(tmp_path / "suite2p", "lab")
    written(tmp_path / "suite2p" / "plane1")
    (tmp_path / "suite2p" / "plane1" / "spks.npy").unlink()
    with pytest.raises(Refused, match="the same files in every plane"):
        read_recording(tmp_path / "suite2p", "lab")


def test_missing_values_stay_missing_and_infinite_ones_are_refused(tmp_path):
    values = np.ones((N_ROIS, N_FRAMES))
    values[3, 5] = np.nan
    values[0, 0] = np.inf  # of a ROI that is no cell
    found = signals(read_recording(written(tmp_path / "plane0", F=values), "lab"))["fluorescence"]
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 5]]
    for too_large in (np.inf, 1e300):
        values[4, 7] = too_large
        recording = read_recording(written(tmp_path / "plane0", F=values), "lab")
        with pytest.raises(Refused, match=r"fluorescence of lab-.*: found inf in cell 4 at frame 7"):
            signals(recording)


class _Marks:
    """Pickled, it asks whoever unpickles it to make a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("name", ["stat", "ops"])
def test_a_pickle_that_would_run_code_is_refused_unrun(tmp_path, name):
    marker = tmp_path / "ran"
    assert pickle.loads(pickle.dumps(_Marks(marker))) is None
    assert marker.exists()  # it would
    marker.unlink()
    hostile = np.array([_Marks(marker)] * N_ROIS, dtype=object) if name == "stat" else {"fs": _Marks(marker)}
    with pytest.raises(Refused, match=f"{name}.npy pickle: found pathlib"):
        read_recording(written(tmp_path / "plane0", **{name: hostile}), "lab")
    assert not marker.exists()


def test_a_part_that_leads_out_is_refused(tmp_path):
    folder = written(tmp_path / "suite2p" / "plane0")
    (folder / "spks.npy").rename(tmp_path / "elsewhere.npy")
    (folder / "spks.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(Refused, match="a link that leads out"):
        read_recording(tmp_path / "suite2p", "lab")


def test_a_torn_file_is_refused(tmp_path):
    folder = written(tmp_path / "plane0")
    content = (folder / "F.npy").read_bytes()
    (folder / "F.npy").write_bytes(content[:-7])
    with pytest.raises(Refused, match=r"F.npy: found 233 bytes of values"):
        read_recording(folder, "lab")


def test_other_folders_are_not_suite2p(tmp_path):
    np.save(tmp_path / "F.npy", np.ones((2, 3)))
    np.save(tmp_path / "spks.npy", np.ones((2, 3)))
    (tmp_path / "plane0").write_text("a file")
    assert not suite2p.recognises(tmp_path)
    assert not suite2p.recognises(tmp_path / "absent")


def test_it_goes_into_a_lake(tmp_path, lake: Lake):
    folder = written(tmp_path / "plane0")
    recording = read_recording(folder, "lab")
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="plane0")
    neuropil = lake.traces(f"lab-{tmp_path.name}-plane0", "neuropil")
    assert neuropil.unit_id.tolist() == ACCEPTED
    np.testing.assert_array_equal(neuropil.values, np.load(folder / "Fneu.npy")[ACCEPTED])


def test_the_real_recording_has_20_cells_of_219(recordings):
    recording = read_recording(recordings / "suite2p", "lab", about={"rate_hz": 30.0})
    (session,) = recording.rows[SESSIONS].to_pylist()
    assert (session["unit_count"], session["unit_filter"]) == (20, "20 of 219 ROIs: iscell")
    assert session["frame_count"] == 2000
    accepted = np.flatnonzero(np.load(recordings / "suite2p" / "iscell.npy")[:, 0])
    assert recording.rows[UNITS]["unit_id"].to_pylist() == accepted.tolist()
    for signal, name in (("fluorescence", "F"), ("neuropil", "Fneu"), ("deconvolved", "spks")):
        np.testing.assert_array_equal(
            signals(recording)[signal], np.load(recordings / "suite2p" / f"{name}.npy")[accepted]
        )
    with pytest.raises(Refused, match=r"rate_hz unknown: ops.npy absent"):
        read_recording(recordings / "suite2p", "lab")
