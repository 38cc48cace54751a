"""The AllenSDK's trials as CSV: outcomes, licks and rewards of one session, or the line that is wrong."""

import csv
import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from storage.lake import Lake
from storage.readers.choose import read_recording, reader_for
from storage.readers.recording import Refused
from storage.tables import EVENTS, SESSIONS, TRIALS

COLUMNS = (
    "trials_id,initial_image_name,change_image_name,stimulus_change,change_time,go,catch,lick_times,response_time,"
    "response_latency,reward_time,reward_volume,hit,false_alarm,miss,correct_reject,aborted,auto_rewarded,"
    "change_frame,start_time,stop_time,trial_length"
)
BASE = {
    "initial_image_name": "im065",
    "change_image_name": "im069",
    "lick_times": "[]",
    "reward_volume": "0.0",
    **dict.fromkeys(("hit", "false_alarm", "miss", "correct_reject", "aborted", "auto_rewarded"), "False"),
}


def trial(number: int, outcome: str = "miss", **cells: str) -> dict[str, str]:
    times = {"start_time": f"{10.0 * number}", "stop_time": f"{10.0 * number + 8}"}
    return BASE | times | {"trials_id": str(number), outcome: "True"} | cells


def written(folder: Path, *trials: dict[str, str], columns: str = COLUMNS, name: str = "session_trials.csv") -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns.split(","), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(trials)
    return path


def refusal(path: Path) -> Refused:
    with pytest.raises(Refused) as caught:
        read_recording(path, "lab")
    assert caught.value.reader == "visual_behavior_trials"
    return caught.value


def test_a_trial_comes_back_with_its_outcome_and_times(tmp_path):
    hit = trial(1, "hit", change_time="12.5", response_time="12.9", response_latency="0.4", reward_time="13.0")
    path = written(tmp_path, trial(0, "aborted"), hit | {"reward_volume": "0.007", "go": "True", "change_frame": "750"})
    recording = read_recording(path, "lab")
    assert recording.session_ids == ("lab-session_trials",)
    session = recording.rows[SESSIONS].to_pylist()[0]
    assert (session["unit_count"], session["subject_id"], session["frame_count"]) == (0, None, None)
    aborted, row = recording.rows[TRIALS].to_pylist()
    assert (aborted["outcome"], aborted["change_s"], aborted["reward_s"]) == ("aborted", None, None)
    attributes = json.loads(row.pop("attributes"))
    assert row == {
        "session_id": "lab-session_trials",
        "trial_id": 1,
        "start_s": 10.0,
        "stop_s": 18.0,
        "outcome": "hit",
        "change_s": 12.5,
        "response_s": 12.9,
        "reward_s": 13.0,
        "initial_image_name": "im065",
        "change_image_name": "im069",
    }
    assert attributes == {
        "stimulus_change": None,
        "go": True,
        "catch": None,
        "response_latency": 0.4,
        "reward_volume": 0.007,
        "change_frame": 750,
        "trial_length": None,
    }


def test_licks_and_rewards_are_events_in_order_of_time(tmp_path):
    trials = (
        trial(0, lick_times="[3.5, 1.25]"),
        trial(1, "auto_rewarded", lick_times="[12.0]", reward_time="11.0", reward_volume="0.005"),
    )
    events = pl.from_arrow(read_recording(written(tmp_path, *trials), "lab").rows[EVENTS])
    assert events.select("event_id", "kind", "onset_s", "offset_s").rows() == [
        (0, "lick", 1.25, 1.25),
        (1, "lick", 3.5, 3.5),
        (2, "reward", 11.0, 11.0),
        (3, "lick", 12.0, 12.0),
    ]
    assert json.loads(events["attributes"][2]) == {"trials_id": 1, "auto_rewarded": True, "volume_ml": 0.005}
    assert json.loads(events["attributes"][1]) == {"trials_id": 0}


@pytest.mark.parametrize("text", ["[1.5, 2.5e0]", "[1.5 2.5]", "[ 1.5\n  2.5]", "[1.5,2.5]"])
def test_licks_are_read_as_python_or_numpy_writes_them(tmp_path, text):
    events = read_recording(written(tmp_path, trial(0, lick_times=text)), "lab").rows[EVENTS]
    assert events["onset_s"].to_pylist() == [1.5, 2.5]


def test_a_lick_that_two_trials_share_is_one(tmp_path):
    path = written(tmp_path, trial(0, lick_times="[10.0]"), trial(1, lick_times="[10.0, 11.0]"))
    assert read_recording(path, "lab").rows[EVENTS]["onset_s"].to_pylist() == [10.0, 11.0]


def test_a_session_in_which_nothing_was_licked_has_no_events(tmp_path):
    assert EVENTS not in read_recording(written(tmp_path, trial(0)), "lab").rows


def test_the_session_is_called_as_its_column_says(tmp_path):
    columns = f"{COLUMNS},behavior_session_id"
    path = written(tmp_path, trial(0, behavior_session_id="951520319"), columns=columns)
    assert read_recording(path, "lab").session_ids == ("lab-951520319",)
    two = written(tmp_path, trial(0, behavior_session_id="1"), trial(1, behavior_session_id="2"), columns=columns)
    assert refusal(two).found == "1 and, on line 3, 2"


def test_an_infinite_latency_stays_text_and_breaks_nothing(tmp_path):
    trials = read_recording(written(tmp_path, trial(0, response_latency="inf")), "lab").rows[TRIALS]
    assert json.loads(trials["attributes"][0].as_py())["response_latency"] == "inf"


@pytest.mark.parametrize(
    ("trials", "field", "found"),
    [
        ([trial(0), trial(1, miss="False")], "outcome", "none on line 3"),
        ([trial(0, hit="True")], "outcome", "hit and miss on line 2"),
        ([trial(0, hit="yes")], "hit", "'yes' on line 2"),
        ([trial(0), trial(0)], "trials_id", "0 on lines 2 and 3"),
        ([trial(0, trials_id="-1")], "trials_id", "'-1' on line 2"),
        ([trial(0, trials_id="1.0")], "trials_id", "'1.0' on line 2"),
        ([trial(0, start_time="")], "start_time", "'' on line 2"),
        ([trial(0, stop_time="later")], "stop_time", "'later' on line 2"),
        ([trial(0, change_time="1e999")], "change_time", "'1e999' on line 2"),
        ([trial(0, reward_time="nan")], "reward_time", "'nan' on line 2"),
        ([trial(1, stop_time="9.0")], "stop_s", "trial 1 of lab-session_trials ending at 9.0 s"),
        ([trial(0, lick_times="")], "lick_times", "'' on line 2"),
        ([trial(0, lick_times="[1.0, ... 2.0]")], "lick_times", "'[1.0, ... 2.0]' on line 2"),
        ([trial(0, lick_times="[1.0, 1.0]")], "lick_times", "the same time twice on line 2"),
        ([trial(0, lick_times="[1e999]")], "lick_times", "an endless time on line 2"),
        ([trial(0, lick_times="__import__('os').getcwd()")], "lick_times", "__import__"),
        ([trial(0, lick_times="[nan]")], "lick_times", "'[nan]' on line 2"),
        ([trial(0, lick_times="[" + " " * 50_000)], "lick_times", "on line 2"),
        ([trial(0, lick_times="[" + "1" * 50_000 + "x]")], "lick_times", "on line 2"),
        ([trial(0, lick_times="[" + "1 " * 70_000 + "]")], "line", "field larger than field limit"),
        ([], "rows", "a header and no rows"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, trials, field, found):
    refused = refusal(written(tmp_path, *trials))
    assert field in refused.field
    assert found in refused.found
    assert refused.expected


def test_columns_that_are_missing_or_doubled_are_named(tmp_path):
    missing = written(tmp_path, trial(0), columns=COLUMNS.replace("lick_times,", ""))
    assert refusal(missing).found == "no column lick_times"
    path = written(tmp_path, trial(0))
    path.write_text(path.read_text().replace("catch", "go", 1))
    assert refusal(path).found == "go more than once"


def test_a_short_row_and_another_encoding_are_refused(tmp_path):
    path = written(tmp_path, trial(0), trial(1))
    path.write_text(path.read_text().rstrip()[:-1].rsplit(",", 3)[0])
    assert "line 3" in refusal(path).field
    path.write_bytes(b"\n".join([COLUMNS.encode(), b"\xe9,"]))
    assert refusal(path).found == "byte 0xe9 on line 2"


def test_other_tables_are_not_claimed(tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text("trials_id,start_time,stop_time,choice,reward_time\n0,1,2,left,\n")
    assert reader_for(path) is None


def test_a_session_goes_into_a_lake(tmp_path, lake: Lake):
    recording = read_recording(written(tmp_path, trial(0, "hit", lick_times="[1.0]")), "lab")
    lake.replace(recording.rows, message="ingest")
    counts = lake.query("SELECT outcome, count(*) AS trials FROM recorded.trials GROUP BY ALL").rows()
    assert counts == [("hit", 1)]


def test_the_published_session_is_read_whole(recordings):
    path = recordings / "visual_behavior" / "session_trials.csv"
    recording = read_recording(path, "allen_vb")
    assert recording.session_ids == ("allen_vb-session_trials",)
    trials = pl.from_arrow(recording.rows[TRIALS])
    assert Counter(trials["outcome"]) == {
        "hit": 80,
        "miss": 250,
        "false_alarm": 1,
        "correct_reject": 47,
        "aborted": 85,
        "auto_rewarded": 5,
    }
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert trials["trial_id"].to_list() == [int(row["trials_id"]) for row in rows]
    assert trials["start_s"].to_list() == [float(row["start_time"]) for row in rows]
    assert trials["change_s"].to_list() == [float(row["change_time"]) if row["change_time"] else None for row in rows]
    events = pl.from_arrow(recording.rows[EVENTS])
    licks = sorted(time for row in rows for time in json.loads(row["lick_times"]))
    assert events.filter(kind="lick")["onset_s"].to_list() == licks
    assert len(licks) == 2119
    rewards = [float(row["reward_time"]) for row in rows if row["reward_time"]]
    assert events.filter(kind="reward")["onset_s"].to_list() == rewards
    assert len(rewards) == 80 + 5
