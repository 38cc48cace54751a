"""Sorted spikes of Kilosort and phy: which clusters are units, on which clock, on which channel."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.pipelines import kilosort, kilosort_spikes
from storage.readers.recording import Recording, Refused
from storage.tables import SESSIONS, SPIKES, UNITS

# Clusters 2, 5, 7 and 9, of which 7 is noise; 11 is listed and has no spikes.
TIMES = np.array([0, 300, 300, 600, 900, 1500, 30_000, 90_000], np.uint64)
CLUSTERS = np.array([5, 2, 7, 5, 9, 5, 2, 7], np.uint32)
GROUPS = "cluster_id\tgroup\r\n2\tgood\r\n5\tmua\r\n7\tnoise\r\n9\tunsorted\r\n11\tgood\r\n"
METRICS = (
    ",cluster_ids,peak_chan,snr,firing_rate,isi_viol,presence_ratio,amplitude_cutoff,unit_quality\n"
    "0,2,12,4.5,0.25,0.01,0.9,0.05,good\n"
    "1,5,10.0,,7.5,nan,,,good\n"
    "2,7,12,1.5,1,2,0.1,0.5,noise\n"
)
REGIONS = ",region,structure_id\n10,none,0\n11,VISp,385\n12,VISp,385\n"


def written(folder: Path, **parts: Any) -> Path:
    """A probe of three channels, ``amplitudes=...`` replacing what amplitudes.npy holds, None leaving it out."""
    folder.mkdir(parents=True, exist_ok=True)
    held: dict[str, Any] = {
        "spike_times": TIMES[:, None],
        "spike_clusters": CLUSTERS[:, None],
        "spike_templates": CLUSTERS[:, None],
        "amplitudes": np.arange(8, dtype=np.float64)[:, None],
        "channel_map": np.array([[10], [11], [12]], np.int32),
        "channel_positions": np.array([[0.0, 20], [16, 40], [32, 60]]),
        "params.py": "dat_path = ['continuous.dat']\nn_channels_dat = 384\nsample_rate = 30000.\nhp_filtered = False\n",
        "cluster_group.tsv": GROUPS,
        "metrics.csv": METRICS,
        "ccf_regions.csv": REGIONS,
    }
    for name, value in (held | parts).items():
        if isinstance(value, str):
            (folder / name).write_text(value, newline="")
        elif value is not None:
            np.save(folder / f"{name}.npy", value)
    return folder


def spikes_of(recording: Recording) -> pl.DataFrame:
    (blocks,) = recording.blocks
    assert blocks.table is SPIKES
    return pl.concat([pl.DataFrame(pl.from_arrow(block)) for block in blocks.blocks()])


def test_units_are_the_clusters_that_are_not_noise(tmp_path):
    recording = read_recording(written(tmp_path / "probe_a"), "lab")
    assert recording.session_ids == (f"lab-{tmp_path.name}-probe_a",)
    (session,) = recording.rows[SESSIONS].to_pylist()
    assert (session["unit_count"], session["unit_filter"]) == (4, "4 of 5 clusters: not noise")
    assert session["subject_id"] is None
    assert '"spikes_of_noise": 2' in session["metadata"]
    assert '"n_channels_dat": 384' in session["metadata"]
    units = pl.from_arrow(recording.rows[UNITS])
    assert dict(units.select("unit_id", "quality").iter_rows()) == {2: "good", 5: "mua", 9: "unsorted", 11: "good"}
    two, five = units.row(0, named=True), units.row(1, named=True)
    assert [two[name] for name in ("rate_hz", "snr", "isi_violations", "presence_ratio", "amplitude_cutoff")] == [
        0.25, 4.5, 0.01, 0.9, 0.05,
    ]  # fmt: skip
    assert (five["rate_hz"], five["snr"], five["isi_violations"]) == (7.5, None, None)
    assert (two["structure"], five["structure"]) == ("VISp", None)  # channel 10 lies in no region
    assert '"channel_y_um": 60.0' in two["attributes"]
    assert '"peak_channel": 10' in five["attributes"]


def test_spikes_are_in_seconds_in_order_within_their_unit(tmp_path):
    spikes = spikes_of(read_recording(written(tmp_path / "probe_a"), "lab"))
    assert spikes.select("unit_id", "spike", "time_s", "amplitude").rows() == [
        (2, 0, 0.01, 1.0),
        (2, 1, 1.0, 6.0),
        (5, 0, 0.0, 0.0),
        (5, 1, 0.02, 3.0),
        (5, 2, 0.05, 5.0),
        (9, 0, 0.03, 4.0),
    ]


def test_many_spikes_come_in_bounded_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(kilosort_spikes, "_SPIKES_PER_PASS", 7)
    monkeypatch.setattr(kilosort_spikes, "_ROWS_PER_BLOCK", 5)
    rng = np.random.default_rng(1)
    times = np.sort(rng.integers(0, 10_000, 200)).astype(np.int64)
    clusters = rng.integers(0, 9, 200)
    amplitudes = rng.normal(size=200)
    arrays = {"spike_times": times, "spike_clusters": clusters, "spike_templates": None, "amplitudes": amplitudes}
    recording = read_recording(written(tmp_path / "probe_a", **arrays, **{"cluster_group.tsv": None}), "lab")
    blocks = list(recording.blocks[0].blocks())
    assert all(0 < block.num_rows <= 5 for block in blocks)
    spikes = pl.from_arrow(pa.concat_tables(blocks))
    for unit in range(9):
        of_unit = spikes.filter(pl.col("unit_id") == unit)
        np.testing.assert_array_equal(of_unit["time_s"], times[clusters == unit] / 30_000)
        np.testing.assert_array_equal(of_unit["amplitude"], amplitudes[clusters == unit].astype(np.float32))
        assert of_unit["spike"].to_list() == list(range(len(of_unit)))
    assert len(spikes) == 200


def test_times_in_seconds_need_no_rate(tmp_path):
    seconds = TIMES / 29_999.97 + 0.6
    folder = written(tmp_path / "probe_a", spike_times_master_clock=seconds, **{"params.py": None})
    recording = read_recording(folder, "lab")
    assert spikes_of(recording)["time_s"].to_list()[:2] == [seconds[1], seconds[6]]
    assert "spike_times_master_clock.npy" in recording.rows[SESSIONS]["metadata"][0].as_py()
    folder = written(tmp_path / "probe_b", spike_times=seconds, **{"params.py": None})
    assert spikes_of(read_recording(folder, "lab"))["time_s"].to_list()[:2] == [seconds[1], seconds[6]]


def test_samples_kept_as_floats_are_samples(tmp_path):
    folder = written(tmp_path / "probe_a", spike_times=TIMES.astype(np.float64))
    assert spikes_of(read_recording(folder, "lab"))["time_s"].to_list()[:2] == [0.01, 1.0]


def test_the_owner_may_say_the_rate(tmp_path):
    folder = written(tmp_path / "probe_a", **{"params.py": None})
    with pytest.raises(Refused, match=r"sample_rate_hz unknown: params.py absent; expected `about: \{sample_rate_hz"):
        read_recording(folder, "lab")
    recording = read_recording(folder, "lab", about={"sample_rate_hz": 15_000, "session": "day3", "subject": "m1"})
    assert recording.session_ids == ("lab-day3",)
    assert recording.rows[SESSIONS]["subject_id"].to_pylist() == ["m1"]
    assert spikes_of(recording)["time_s"].to_list()[:2] == [0.02, 2.0]


def test_the_sorters_label_counts_where_no_curator_labelled(tmp_path):
    tables = {
        "cluster_group.tsv": "cluster_id\tgroup\n2\tgood\n5\t\n9\tunsorted\n",
        "cluster_KSLabel.tsv": "cluster_id\tKSLabel\n2\tmua\n5\tmua\n9\tgood\n",
        "cluster_info.tsv": "cluster_id\tfr\tdepth\tgroup\n2\t8.5\t60.0\tgood\n5\t1\t40\t\n7\t1\t20\tnoise\n",
        "metrics.csv": None,
    }
    units = pl.from_arrow(read_recording(written(tmp_path / "probe_a", **tables), "lab").rows[UNITS])
    assert units.select("unit_id", "quality", "rate_hz").rows() == [
        (2, "good", 8.5),
        (5, "mua", 1.0),
        (9, "good", None),
    ]
    assert '"KSLabel": "mua"' in units["attributes"][0]
    assert '"depth": 60.0' in units["attributes"][0]


def test_the_template_tells_the_channel_where_no_metric_does(tmp_path):
    # Four templates of two samples on three channels; clusters 2 and 5 were both made of template 1 in most spikes.
    templates = np.zeros((4, 2, 3), np.float32)
    templates[1, 0] = [1, 2, 9]
    templates[3, 0] = [8, 2, 1]
    of_spikes = np.array([1, 1, 3, 1, 3, 3, 1, 3])
    parts = {"metrics.csv": None, "spike_templates": of_spikes, "templates": templates}
    units = pl.from_arrow(read_recording(written(tmp_path / "probe_a", **parts), "lab").rows[UNITS])
    peaks = dict(units.select("unit_id", pl.col("attributes").str.json_path_match("$.peak_channel")).iter_rows())
    assert peaks == {2: "12", 5: "12", 9: "10", 11: None}
    assert dict(units.select("unit_id", "structure").iter_rows()) == {2: "VISp", 5: "VISp", 9: None, 11: None}
    unwhitening = np.diag([1.0, 100.0, 1.0])  # once undone, channel 11 is largest everywhere
    folder = written(tmp_path / "probe_b", **parts, whitening_mat_inv=unwhitening)
    units = pl.from_arrow(read_recording(folder, "lab").rows[UNITS])
    assert units["structure"].to_list() == ["VISp", "VISp", "VISp", None]


def test_params_are_parsed_and_never_run(tmp_path):
    marker = tmp_path / "ran"
    hostile = f"import pathlib; pathlib.Path({str(marker)!r}).touch()\nsample_rate = 25000\n"
    recording = read_recording(written(tmp_path / "probe_a", **{"params.py": hostile}), "lab")
    assert spikes_of(recording)["time_s"].to_list()[1] == 30_000 / 25_000
    assert not marker.exists()
    for rate in (
        f"pathlib.Path({str(marker)!r}).touch()",
        "3e4 if 1 else 2",
        "'30000'",
        "True",
        "(" * 500,
        "-" * 900 + "1",
    ):
        folder = written(tmp_path / "probe_b", **{"params.py": f"sample_rate = {rate}\n"})
        with pytest.raises(Refused, match=r"params.py sample_rate|sample_rate_hz unknown"):
            read_recording(folder, "lab")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("parts", "field", "found"),
    [
        ({"spike_times": None}, "spike_times.npy", "nothing"),
        ({"spike_times": TIMES[::-1]}, "spike_times.npy", "1.0 s for spike 1 after 3.0 s"),
        ({"spike_times": np.array([0, 5, 4, 6, 7, 8, 9, 9])}, "spike_times.npy", "s for spike 2 after"),
        ({"spike_times": TIMES.astype(np.int64) - 1}, "spike_times.npy", "for spike 0"),
        (
            {"spike_times_master_clock": np.r_[0.5, np.nan, np.arange(1, 7)]},
            "spike_times_master_clock.npy",
            "nan s for",
        ),
        (
            {"spike_times_master_clock": np.r_[np.arange(7), np.inf]},
            "spike_times_master_clock.npy",
            "inf s for spike 7",
        ),
        ({"spike_times_master_clock": np.r_[-0.5, np.arange(7)]}, "spike_times_master_clock.npy", "-0.5 s for spike 0"),
        ({"spike_times": TIMES[:-1]}, "spike_clusters.npy", "8 spikes"),
        ({"spike_clusters": CLUSTERS[:-1]}, "spike_clusters.npy", "7 spikes"),
        ({"spike_templates": CLUSTERS[:-1]}, "spike_templates.npy", "7 spikes"),
        ({"amplitudes": np.ones(9)}, "amplitudes.npy", "9 spikes"),
        ({"amplitudes": np.ones((4, 2))}, "amplitudes.npy", "float64 of shape (4, 2)"),
        ({"spike_clusters": CLUSTERS.astype(np.float64)}, "spike_clusters.npy", "float64 of shape"),
        ({"spike_clusters": CLUSTERS.astype(np.int64) - 3}, "spike_clusters.npy", "-1 for spike 1"),
        (
            {"spike_times": TIMES[:0], "spike_clusters": CLUSTERS[:0], "spike_templates": None, "amplitudes": None},
            "spike_times.npy",
            "no spikes",
        ),
        ({"params.py": "sample_rate = 0.\n"}, "params.py sample_rate", "0.0"),
        ({"cluster_group.tsv": ""}, "cluster_group.tsv header", "an empty file"),
        ({"cluster_group.tsv": "cluster_id\tgroup\n2\n"}, "cluster_group.tsv line 2", "1 values"),
        ({"cluster_group.tsv": "cluster_id\tgroup\n2\tgood\n2\tmua\n"}, "cluster_group.tsv line 3", "cluster 2 again"),
        ({"cluster_group.tsv": "cluster_id\tgroup\n-2\tgood\n"}, "cluster_group.tsv line 2", "cluster '-2'"),
        ({"cluster_group.tsv": "id,group\n2,good\n"}, "cluster_group.tsv line 2", "cluster ''"),
        ({"cluster_info.tsv": "cluster_id\tgroup\n2\tmua\n"}, "cluster_group.tsv line 2", "elsewhere 'mua'"),
        (
            {"cluster_group.tsv": "cluster_id\tgroup\n2\tnoise\n5\tnoise\n7\tnoise\n9\tnoise\n"},
            "clusters",
            "4 clusters, all noise",
        ),
        ({"metrics.csv": METRICS.replace("4.5", "high")}, "metrics.csv snr of cluster 2", "'high'"),
        ({"metrics.csv": METRICS.replace("4.5", "inf")}, "recorded.units snr", "inf"),
        ({"metrics.csv": METRICS.replace("0.25", "-1")}, "recorded.units rate_hz", "-1.0"),
        ({"ccf_regions.csv": ",structure\n1,VISp\n"}, "ccf_regions.csv header", "no column region"),
        ({"ccf_regions.csv": ",region\nx,VISp\n"}, "ccf_regions.csv line 2", "channel 'x'"),
        ({"channel_positions": np.ones((2, 2))}, "channel_positions.npy", "2 channels"),
        ({"channel_positions": np.ones((3, 3))}, "channel_positions.npy", "shape (3, 3)"),
        ({"templates": np.ones((3, 2, 3)), "metrics.csv": None}, "templates.npy", "template"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_file(tmp_path, parts, field, found):
    with pytest.raises(Refused) as caught:
        spikes_of(read_recording(written(tmp_path / "probe_a", **parts), "lab"))
    assert field in caught.value.field
    assert found in caught.value.found
    assert caught.value.reader == "kilosort"


def test_objects_are_never_unpickled(tmp_path):
    with pytest.raises(Refused, match=r"amplitudes.npy: found Python objects"):
        read_recording(written(tmp_path / "probe_a", amplitudes=np.array([{}] * 8)), "lab")


def test_a_part_that_leads_out_is_refused(tmp_path):
    folder = written(tmp_path / "sorted" / "probe_a", amplitudes=None)
    np.save(tmp_path / "elsewhere.npy", np.ones(8))
    (folder / "amplitudes.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(Refused, match="a link that leads out"):
        read_recording(folder, "lab")


def test_other_folders_are_not_kilosorts(tmp_path):
    np.save(tmp_path / "spike_times.npy", TIMES)
    np.save(tmp_path / "stim_label.npy", TIMES)
    assert not kilosort.recognises(tmp_path)
    assert not kilosort.recognises(tmp_path / "absent")


def test_it_goes_into_a_lake(tmp_path, lake: Lake):
    recording = read_recording(written(tmp_path / "day3"), "lab")
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="day3")
    found = lake.query("SELECT unit_id, count(*) AS spikes FROM recorded.spikes GROUP BY unit_id ORDER BY unit_id")
    assert found.rows() == [(2, 2), (5, 3), (9, 1)]


def test_the_real_probe_has_its_10_000_spikes(recordings):
    folder = recordings / "neuropixels_phy"
    recording = read_recording(folder, "lab")
    (session,) = recording.rows[SESSIONS].to_pylist()
    assert (session["unit_count"], session["unit_filter"]) == (189, "189 of 205 clusters: not noise")
    assert '"spikes_of_noise": 517' in session["metadata"]
    spikes = spikes_of(recording)
    assert len(spikes) + 517 == 10_000
    seconds = np.load(folder / "spike_times_master_clock.npy").ravel()
    clusters = np.load(folder / "spike_clusters.npy").ravel()
    of_unit = spikes.filter(pl.col("unit_id") == 10)
    np.testing.assert_array_equal(of_unit["time_s"], seconds[clusters == 10])
    units = pl.from_arrow(recording.rows[UNITS])
    metrics = pl.read_csv(folder / "metrics.csv").sort("cluster_ids")
    kept = metrics.filter(pl.col("cluster_ids").is_in(units["unit_id"].to_list()))
    assert units["rate_hz"].to_list() == kept["firing_rate"].to_list()
    regions = dict(pl.read_csv(folder / "ccf_regions.csv").select("", "region").iter_rows())
    expected = [regions[channel].replace("none", "") or None for channel in kept["peak_chan"]]
    assert units["structure"].to_list() == expected
    assert set(expected) == {"VISp", None}
