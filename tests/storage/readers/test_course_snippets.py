"""The course parquet of Visual Behavior: snippets streamed, facts agreed upon, or refused with the row."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.lake import Lake
from storage.readers.choose import read_recording
from storage.readers.recording import Recording, Refused
from storage.readers.studies import course_snippets
from storage.tables import EVENT_RESPONSES, EVENTS, SESSIONS, SNIPPETS, UNITS

N_SAMPLES = 4
TIME_S = [-0.1, 0.0, 0.1, 0.2]
# Experiment, cell, presentation: two cells at three presentations, then one cell of another plane at two.
KEYS = [(900, 11, 7), (900, 11, 8), (900, 11, 9), (900, 12, 9), (900, 12, 7), (900, 12, 8), (901, 13, 7), (901, 13, 8)]
OMITTED = {8}


def course(**parts: Any) -> dict[str, list]:
    """The columns of the published table for KEYS, as pandas wrote them; ``trace=...`` replaces one, None drops it."""
    n = len(KEYS)
    presentation = [key[2] for key in KEYS]
    columns: dict[str, Any] = {
        "stimulus_presentations_id": presentation,
        "cell_specimen_id": [key[1] for key in KEYS],
        "trace": [np.arange(N_SAMPLES) + 10.0 * row for row in range(n)],
        "trace_timestamps": [np.array(TIME_S)] * n,
        "mean_response": [0.1 * row for row in range(n)],
        "baseline_response": [0.01 * row for row in range(n)],
        "image_name": ["omitted" if one in OMITTED else f"im06{one}" for one in presentation],
        "image_index": [8 if one in OMITTED else one - 7 for one in presentation],
        "is_change": [one == 9 for one in presentation],
        "omitted": [one in OMITTED for one in presentation],
        "mean_running_speed": [1.5 * one for one in presentation],
        "mean_pupil_area": [np.nan if one == 7 else 300.0 for one in presentation],
        "response_latency": [0.4 if one == 9 else np.nan for one in presentation],
        "rewarded": [one == 9 for one in presentation],
        "ophys_experiment_id": [key[0] for key in KEYS],
        "imaging_depth": [175] * n,
        "targeted_structure": ["VISp"] * n,
        "cre_line": ["Vip-IRES-Cre"] * n,
        "session_type": ["OPHYS_6_images_B"] * n,
        "session_number": [6.0] * n,
        "mouse_id": [448900] * n,
        "ophys_session_id": [951410079] * n,
        "ophys_container_id": [1000] * n,
        "behavior_session_id": [951520319] * n,
        "full_genotype": ["Vip-IRES-Cre/wt;Ai148(TIT2L-GC6f-ICL-tTA2)/wt"] * n,
        "reporter_line": ["Ai148(TIT2L-GC6f-ICL-tTA2)"] * n,
        "driver_line": [["Vip-IRES-Cre"]] * n,
        "indicator": ["GCaMP6f"] * n,
        "sex": ["F"] * n,
        "age_in_days": [154.0] * n,
        "exposure_level": ["novel"] * n,
    }
    return {name: value for name, value in (columns | parts).items() if value is not None}


def written(folder: Path, **parts: Any) -> Path:
    path = folder / "allen_visual_behavior_2p_change_detection_familiar_novel_image_sets.parquet"
    pd.DataFrame(course(**parts)).to_parquet(path)
    return path


def changed(name: str, row: int, value: Any) -> dict[str, list]:
    column = list(course()[name])
    column[row] = value
    return {name: column}


def snippets(recording: Recording) -> pl.DataFrame:
    (blocks,) = recording.blocks
    assert blocks.table is SNIPPETS
    return pl.concat(pl.DataFrame(pl.from_arrow(block)) for block in blocks.blocks())


def refusal(path: Path) -> Refused:
    with pytest.raises(Refused) as caught:
        snippets(read_recording(path, "allen"))
    assert caught.value.reader == "course_snippets"
    return caught.value


def test_each_plane_of_a_session_is_a_session(tmp_path):
    recording = read_recording(written(tmp_path), "allen")
    assert recording.session_ids == ("allen-900", "allen-901")
    session = recording.rows[SESSIONS].to_pylist()[0]
    told = {"subject_id": "448900", "cre_line": "Vip-IRES-Cre", "sex": "F", "age_days": 154.0, "indicator": "GCaMP6f"}
    told |= {"exposure_level": "novel", "location": "VISp", "imaging_depth_um": 175.0, "unit_count": 2}
    told |= {"genotype": "Vip-IRES-Cre/wt;Ai148(TIT2L-GC6f-ICL-tTA2)/wt", "frame_count": None, "simulated": False}
    assert {name: session[name] for name in told} == told
    assert json.loads(session["metadata"]) == {
        "ophys_session_id": 951410079,
        "ophys_container_id": 1000,
        "behavior_session_id": 951520319,
        "session_type": "OPHYS_6_images_B",
        "session_number": 6.0,
        "reporter_line": "Ai148(TIT2L-GC6f-ICL-tTA2)",
        "driver_line": ["Vip-IRES-Cre"],
    }
    units = pl.from_arrow(recording.rows[UNITS])
    assert units.select("session_id", "unit_id").rows() == [("allen-900", 11), ("allen-900", 12), ("allen-901", 13)]


def test_a_presentation_is_one_event_whatever_cells_saw_it(tmp_path):
    events = pl.from_arrow(read_recording(written(tmp_path), "allen").rows[EVENTS])
    columns = ("session_id", "event_id", "kind", "source_id", "onset_s", "image_name", "is_change")
    assert events.select(columns).rows() == [
        ("allen-900", 0, "image", 7, None, "im067", False),
        ("allen-900", 1, "omission", 8, None, None, False),
        ("allen-900", 2, "image", 9, None, "im069", True),
        ("allen-901", 0, "image", 7, None, "im067", False),
        ("allen-901", 1, "omission", 8, None, None, False),
    ]
    assert json.loads(events["attributes"][0]) == {
        "image_index": 0,
        "rewarded": False,
        "mean_running_speed": 10.5,
        "mean_pupil_area": None,
        "response_latency": None,
    }
    assert json.loads(events["attributes"][2])["response_latency"] == 0.4


def test_traces_and_responses_come_back_as_written(tmp_path):
    path = written(tmp_path)
    recording = read_recording(path, "allen")
    cut = snippets(recording)
    number = {7: 0, 8: 1, 9: 2}
    for row, (experiment, cell, presentation) in enumerate(KEYS):
        mine = cut.filter(session_id=f"allen-{experiment}", unit_id=cell, event_id=number[presentation])
        assert mine["sample"].to_list() == [0, 1, 2, 3]
        assert mine["value"].to_list() == [10.0 * row + one for one in range(N_SAMPLES)]
        np.testing.assert_array_equal(mine["time_s"].to_numpy(), np.float32(TIME_S))
    assert len(cut) == len(KEYS) * N_SAMPLES
    responses = pl.from_arrow(recording.rows[EVENT_RESPONSES])
    assert responses["study_id"].unique().to_list() == [f"source:{recording.content_sha256}"]
    one = responses.filter(session_id="allen-900", unit_id=12, event_id=2).row(0, named=True)
    assert (one["mean_dff"], one["baseline_dff"]) == (0.1 * 3, 0.01 * 3)
    assert len(responses) == len(KEYS)


def test_rows_of_all_kinds_go_into_a_lake(tmp_path, lake: Lake):
    recording = read_recording(written(tmp_path), "allen")
    lake.replace(recording.rows, traces=recording.traces, blocks=recording.blocks, message="ingest")
    means = lake.query(
        "SELECT source_id, avg(value) AS mean FROM recorded.snippets JOIN recorded.events USING (session_id, event_id) "
        "WHERE session_id = 'allen-900' AND unit_id = 12 GROUP BY ALL ORDER BY source_id"
    )
    assert means.rows() == [(7, 41.5), (8, 51.5), (9, 31.5)]


def test_a_missing_sample_is_null(tmp_path):
    traces = course()["trace"]
    traces[3] = np.array([1.0, np.nan, 2.0, 3.0])
    cut = snippets(read_recording(written(tmp_path, trace=traces), "allen"))
    assert cut.filter(session_id="allen-900", unit_id=12, event_id=2)["value"].to_list() == [1.0, None, 2.0, 3.0]
    assert cut["value"].null_count() == 1


def test_snippets_may_differ_in_length(tmp_path):
    traces = [np.arange(2.0 + row) for row in range(len(KEYS))]
    times = [np.arange(2 + row) / 10 for row in range(len(KEYS))]
    cut = snippets(read_recording(written(tmp_path, trace=traces, trace_timestamps=times), "allen"))
    lengths = cut.group_by("session_id", "unit_id", "event_id").len()
    assert sorted(lengths["len"].to_list()) == list(range(2, 10))


def test_flags_may_be_numbers_and_ids_whole_reals(tmp_path):
    flags = {"is_change": [1.0 if key[2] == 9 else np.nan if key[2] == 8 else 0.0 for key in KEYS]}
    flags |= {"omitted": [int(key[2] in OMITTED) for key in KEYS]}
    path = written(tmp_path, **flags, cell_specimen_id=[float(key[1]) for key in KEYS])
    events = pl.from_arrow(read_recording(path, "allen").rows[EVENTS])
    assert events["is_change"].to_list() == [False, None, True, False, None]
    assert events["kind"].to_list()[:2] == ["image", "omission"]


def test_a_start_time_is_the_onset(tmp_path):
    # In the order of time, which here is not that of the numbers.
    starts = [{7: 3.0, 8: 2.0, 9: 1.0}[key[2]] for key in KEYS]
    events = pl.from_arrow(read_recording(written(tmp_path, start_time=starts), "allen").rows[EVENTS])
    assert events.filter(session_id="allen-900").select("source_id", "onset_s").rows() == [(9, 1.0), (8, 2.0), (7, 3.0)]


def test_an_unknown_column_goes_where_its_values_allow(tmp_path):
    more = {
        "equipment_name": ["MESO.1"] * len(KEYS),
        "cell_roi_id": [key[1] * 2 for key in KEYS],
        "lick_rate": [key[2] / 2 for key in KEYS],
        "p_value": [row / 8 for row in range(len(KEYS))],
    }
    recording = read_recording(written(tmp_path, **more), "allen")
    metadata = json.loads(recording.rows[SESSIONS]["metadata"][0].as_py())
    assert (metadata["equipment_name"], metadata["columns_not_read"]) == ("MESO.1", ["p_value"])
    assert json.loads(recording.rows[UNITS]["attributes"][1].as_py()) == {"cell_roi_id": 24}
    assert json.loads(recording.rows[EVENTS]["attributes"][2].as_py())["lick_rate"] == 4.5


@pytest.mark.parametrize(
    ("parts", "field", "found"),
    [
        (changed("mouse_id", 4, 5), "mouse_id", "448900 in row 0 and 5 in row 4 of session_id allen-900"),
        (changed("cre_line", 7, "Sst"), "cre_line", "'Vip-IRES-Cre' in row 6 and 'Sst' in row 7"),
        (changed("driver_line", 1, ["Sst"]), "driver_line", "['Vip-IRES-Cre'] in row 0 and ['Sst'] in row 1"),
        (changed("image_name", 4, "im077"), "image_name", "'im067' in row 0 and 'im077' in row 4 of session_id"),
        (changed("mean_running_speed", 3, 0.5), "mean_running_speed", "13.5 in row 2 and 0.5 in row 3"),
        (changed("mean_pupil_area", 4, 1.0), "mean_pupil_area", "None in row 0 and 1.0 in row 4"),
        (changed("cell_specimen_id", 3, 11), "cell_specimen_id", "cell 11 at presentation 9 in rows 2 and 3"),
        (changed("cell_specimen_id", 3, 11.5), "cell_specimen_id", "11.5 in row 3"),
        (changed("ophys_experiment_id", 6, None), "ophys_experiment_id", "None in row 6"),
        ({"stimulus_presentations_id": ["a"] * 8}, "stimulus_presentations_id", "'a' in row 0"),
        (changed("omitted", 6, None), "omitted", "nothing in row 6"),
        ({"omitted": [2] * 8}, "omitted", "2 in row 0"),
        ({"omitted": ["no"] * 8}, "omitted", "'no' in row 0"),
        ({"omitted": [False] * 8}, "image_name", "'omitted' in row 1, where omitted is False"),
        ({"exposure_level": ["Novel 1"] * 8}, "exposure_level", "'Novel 1'"),
        (changed("mean_response", 2, np.inf), "mean_dff", "inf"),
        (changed("trace", 5, np.arange(3.0)), "trace", "3 values and 4 times in row 5"),
        (changed("trace", 5, None), "trace", "0 values and 4 times in row 5"),
        ({"trace": [[]] * 8, "trace_timestamps": [[]] * 8}, "trace", "list<"),
        (changed("trace", 5, np.array([0, 1, -np.inf, 2])), "value", "-inf"),
        (
            changed("trace_timestamps", 6, np.array([0.0, 0.1, 0.1, 0.2])),
            "trace_timestamps",
            "0.1 at sample 2 in row 6",
        ),
        (changed("trace_timestamps", 6, np.array([0, np.nan, 1, 2])), "trace_timestamps", "nan at sample 1 in row 6"),
        ({"trace": ["0 1 2 3"] * 8}, "trace", "string"),
        ({"trace": None}, "columns", "no trace"),
    ],
)
def test_what_does_not_hold_is_named_with_its_row(tmp_path, parts, field, found):
    refused = refusal(written(tmp_path, **parts))
    assert field in refused.field
    assert found in refused.found
    assert refused.expected


def test_a_column_that_stands_twice_is_refused(tmp_path):
    table = pa.Table.from_pandas(pd.DataFrame(course()))
    twice = table.append_column("omitted", table["omitted"])
    path = tmp_path / "course.parquet"
    pq.write_table(twice, path)
    assert refusal(path).found == "omitted more than once"


def test_a_table_without_rows_is_refused(tmp_path):
    path = tmp_path / "course.parquet"
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(course())).slice(0, 0), path)
    assert refusal(path).field == "rows"


def test_a_download_that_broke_off_is_refused(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    assert refusal(path).expected == "a whole Parquet file"


def test_damaged_pages_are_refused(tmp_path):
    path = written(tmp_path)
    content = path.read_bytes()
    column = pq.read_metadata(path).row_group(0).column(2)
    assert column.path_in_schema.startswith("trace.")
    begin = column.dictionary_page_offset or column.data_page_offset
    torn = b"\xff" * column.total_compressed_size
    path.write_bytes(content[:begin] + torn + content[begin + len(torn) :])
    assert "Parquet" in refusal(path).expected


def test_text_that_is_no_unicode_is_refused(tmp_path):
    table = pa.Table.from_pandas(pd.DataFrame(course()))
    broken = pa.array([b"\xff\xfe"] * len(KEYS)).view(pa.string())
    path = tmp_path / "course.parquet"
    pq.write_table(table.set_column(table.schema.names.index("sex"), "sex", broken), path)
    assert "UTF8" in refusal(path).found


def test_other_parquet_is_not_claimed(tmp_path):
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"trace": [[1.0]], "omitted": [True], "mouse": ["a"]}), path)
    assert not course_snippets.recognises(path)
    with pytest.raises(Refused, match="no reader knows this file"):
        read_recording(path, "lab")
    text = tmp_path / "text.parquet"
    text.write_text("stimulus_presentations_id,cell_specimen_id,trace\n")
    assert not course_snippets.recognises(text)


def plant_large(path: Path, row_count: int, sample_count: int) -> None:
    """All rows in one row group, as pandas writes them, the values such that they don't compress."""
    cell, presentation = np.divmod(np.arange(row_count), row_count // 50)
    offsets = pa.array(np.arange(row_count + 1, dtype=np.int32) * sample_count)
    value = np.resize(np.random.default_rng(1).normal(size=1_000_003), row_count * sample_count)
    table = pa.table(
        {
            "trace": pa.ListArray.from_arrays(offsets, value),
            "trace_timestamps": pa.ListArray.from_arrays(offsets, np.tile(np.arange(sample_count) / 31, row_count)),
            "cell_specimen_id": cell,
            "stimulus_presentations_id": presentation,
            "ophys_experiment_id": np.full(row_count, 900),
            "image_name": np.char.add("im", (presentation % 8).astype(str)),
            "omitted": np.zeros(row_count, bool),
            "mean_response": value[:row_count],
            "baseline_response": value[:row_count],
        }
    )
    pq.write_table(table, path, row_group_size=row_count, compression="none")


MEASURED = """
import sys
from storage.readers.choose import read_recording

def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

before = peak_mb()
recording = read_recording(sys.argv[1], "allen")
print(sum(len(block) for block in recording.blocks[0].blocks()), peak_mb() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux' /proc")
def test_memory_is_bounded_whatever_the_traces_take(tmp_path):
    path = tmp_path / "large.parquet"
    plant_large(path, 150_000, 80)
    assert pq.read_metadata(path).num_row_groups == 1
    root = Path(course_snippets.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    rows, above_mb = done.stdout.split()
    assert int(rows) == 12_000_000
    # As rows of the lake they take 500 MB, as lists of doubles 190.
    assert float(above_mb) < 350
