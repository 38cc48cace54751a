"""Event logs and trials beside a recording: on the frames' clock, with their outcome, or refused with the line."""

import json
from pathlib import Path

import polars as pl
import pytest

from storage.readers.choose import read_recording
from storage.readers.foreign import text_rows
from storage.readers.recording import Recording, Refused
from storage.tables import EVENTS, SESSIONS, TRIALS

YAML = "format: matrix\nsignal: dff\norientation: cells_by_frames\nrate_hz: 10\n"
LOG = "events: {file: log.csv, time_unit: s, clock: frames}\n"


def recording(folder: Path, yaml: str, **files: str | bytes) -> Recording:
    for name, content in {"day3_csv": "1,2\n", **files}.items():
        path = folder / ".".join(name.rsplit("_", 1))
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "day3.yaml").write_text(YAML + yaml)
    return read_recording(folder / "day3.yaml", "lab")


def rows(found: Recording, table) -> list[dict]:
    kept = pl.DataFrame(pl.from_arrow(found.rows[table])).drop("session_id").rows(named=True)
    return [{name: value for name, value in row.items() if value is not None} for row in kept]


def test_events_are_marks_but_for_those_said_to_be_more(tmp_path):
    yaml = LOG.replace("}", ", kinds: {LICK: lick, CS: stimulus}}")
    found = rows(recording(tmp_path, yaml, log_csv="time,event,port\n0.1,CS,\n0.1,LICK,left\n"), EVENTS)
    assert found == [
        {"event_id": 0, "kind": "stimulus", "name": "CS", "onset_s": 0.1, "offset_s": 0.1},
        {
            "event_id": 1,
            "kind": "lick",
            "name": "LICK",
            "onset_s": 0.1,
            "offset_s": 0.1,
            "attributes": '{"port": "left"}',
        },
    ]


@pytest.mark.parametrize(
    ("said", "log"),
    [
        ("file: log.csv", "time,event\n1500,a\n2000,b\n"),
        ("file: log.csv, time_column: t, event_column: what", "what,t\na,1500\nb,2000\n"),
        ("file: log.csv, columns: [time, event], comment: '#'", "#x\n 1500,a\r\n#y\r\n2000,b\r\n"),
        ("file: log.csv, separator: semicolon", "time;event\n1500;a\n2000;b\n"),
        ("file: log.csv, separator: space, columns: [time, event]", "  1500 a\n2000\tb\n\n"),
        ("file: log.csv", 'Rig,4\n\n"time","event"\n"1500","a"\n2000, b\n'),
    ],
)
@pytest.mark.parametrize(
    ("clock", "onset_s"),
    [("frames", [1.5, 2.0]), ("{zero_s: 1.5}", [0.0, 0.5]), ("{zero_event: b}", [-0.5, 0.0])],
)
def test_a_log_is_read_however_it_is_written(tmp_path, said, log, clock, onset_s):
    found = recording(tmp_path, f"events: {{{said}, time_unit: ms, clock: {clock}}}\n", log_csv=log)
    assert [row["onset_s"] for row in rows(found, EVENTS)] == onset_s
    assert [row["name"] for row in rows(found, EVENTS)] == ["a", "b"]


def test_what_stands_in_no_row_is_kept_with_the_session(tmp_path):
    yaml = LOG.replace("}", ", comment: '#'}")
    log = "#rig 4\nAnimal ID,m12\ntime,event\n1,a\n#late\n"
    metadata = json.loads(rows(recording(tmp_path, yaml, log_csv=log), SESSIONS)[0]["metadata"])
    assert metadata["log_notes"] == ["#rig 4", "Animal ID m12", "#late"]


def test_an_event_without_a_name_is_one(tmp_path):
    assert "name" not in rows(recording(tmp_path, LOG, log_csv="time,event\n1,\n"), EVENTS)[0]


def test_a_log_may_be_empty(tmp_path):
    assert rows(recording(tmp_path, LOG, log_csv="time,event\n"), EVENTS) == []


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("time,event\n1,a\n2\n", "log.csv line 3: found 1 values; expected 2, one for each column"),
        ("time,event\n1,a\n2,b,c\n", "log.csv line 3: found 3 values; expected 2"),
        ("time,event\n1,a\n,b\n", "log.csv line 3: found time ''; expected a number for time"),
        ("time,event\n1,a\n2s,b\n", "log.csv line 3: found time '2s'; expected a number"),
        ("time,event\nnan,a\n", "log.csv line 2: found time 'nan'"),
        ("time,event\n1_0,a\n", "log.csv line 2: found time '1_0'"),
        ("time,event\n2,a\n1,b\n", "log.csv line 3: found time running backwards: 1 after 2; expected rows in order"),
        ('time,event\n1,"a\n', "log.csv line 2: found unexpected end of data"),
        ('time,event\n1,"a\nb"\n2\n', "log.csv line 4: found 1 values"),
        (
            "t,event\n1,a\n",
            r"log.csv header: found no line with them \(line 1: t, event\); expected a line with the col",
        ),
        ("time,event,time\n1,a,2\n", "log.csv header: found time more than once"),
        ("", "log.csv header: found no line with them; expected"),
        (b"time,event\n1,\xe9\n", "log.csv line 2: found byte 0xe9; expected UTF-8"),
        (b"\x00" * 10, "log.csv header: found no line with them"),
        ("a\n" * 2000 + "time,event\n", "log.csv header: found no line with them"),
        ("x" * (text_rows.MOST_LINE_CHARACTERS + 1), "log.csv line 1: found 1048576 characters or more"),
        ("time,event\n1,LICK\n", "log.csv clock: found events LICK; expected an event TTL"),
    ],
)
def test_what_is_wrong_in_a_log_is_named_with_its_line(tmp_path, log, said):
    yaml = LOG.replace("frames", "{zero_event: TTL}") if "clock" in said else LOG
    with pytest.raises(Refused, match=said):
        recording(tmp_path, yaml, log_csv=log)


@pytest.mark.parametrize("key", ["columns: [time, event]", "columns: [t, event]"])
def test_a_log_without_header_has_the_columns_that_are_said(tmp_path, key):
    yaml = LOG.replace("}", f", {key}}}")
    said = "no column time among t, event" if "[t," in key else "log.csv line 1: found time 'time'"
    with pytest.raises(Refused, match=said):
        recording(tmp_path, yaml, log_csv="time,event\n1,a\n")


CHAMBER = """time,event
0.5,TTL
1.0,start
1.2,Correct
1.5,end
2.0,start
2.5,Incorrect
2.6,end
2.7,Correct
3.0,start
"""


def test_trials_as_the_log_tells_of_them(tmp_path):
    yaml = LOG.replace("frames", "{zero_event: TTL}") + (
        "trials:\n  start_event: start\n  stop_event: end\n  outcome_events: {Correct: correct, Incorrect: incorrect}\n"
    )
    found = rows(recording(tmp_path, yaml, log_csv=CHAMBER), TRIALS)
    assert found == [
        {"trial_id": 0, "start_s": 0.5, "stop_s": 1.0, "outcome": "correct"},
        {"trial_id": 1, "start_s": 1.5, "stop_s": pytest.approx(2.1), "outcome": "incorrect"},
        {"trial_id": 2, "start_s": 2.5},
    ]


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        (
            "{start_event: begin}",
            "log.csv trials: found events TTL, start, Correct, end, Incorrect; expected events begin",
        ),
        (
            "{start_event: TTL, outcome_events: {Correct: correct, Incorrect: incorrect}}",
            "log.csv trial on line 2: found Correct on line .*, Incorrect on line 7; expected one outcome",
        ),
    ],
)
def test_trials_that_the_log_does_not_tell_are_refused(tmp_path, trials, said):
    with pytest.raises(Refused, match=said):
        recording(tmp_path, LOG + f"trials: {trials}\n", log_csv=CHAMBER)


TABLE = "trials: {file: t.csv, stop_column: stop, outcome_column: result, time_unit: ms, clock: log}\n"


def test_trials_of_a_table(tmp_path):
    yaml = LOG.replace("frames", "{zero_s: 1}") + TABLE.replace(
        "}", ", outcomes: {ok: correct, no: incorrect}, trial_column: n, reward_column: r, response_column: a}"
    )
    table = "n,start,stop,result,a,r,image\n5,1500,2000,ok,1700,1800,tree\n6,2500,,no,,,\n"
    assert rows(recording(tmp_path, yaml, log_csv="time,event\n", t_csv=table), TRIALS) == [
        {
            "trial_id": 5,
            "start_s": 0.5,
            "stop_s": 1.0,
            "outcome": "correct",
            "response_s": pytest.approx(0.7),
            "reward_s": pytest.approx(0.8),
            "attributes": '{"image": "tree"}',
        },
        {"trial_id": 6, "start_s": 1.5, "outcome": "incorrect"},
    ]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("start,stop,result\n1,2,won\n", "t.csv line 2: found outcome 'won'; expected one of hit, .*or `outcomes:`"),
        ("start,stop,result\n,2,hit\n", "t.csv line 2: found start ''; expected a number for start"),
        ("start,stop,result\n1,x,hit\n", "t.csv line 2: found stop 'x'"),
        ("start,stop,result\n2,3,hit\n1,2,hit\n", "t.csv line 3: found time running backwards"),
        ("start,stop\n1,2\n", "t.csv header: found no line with them"),
        ("start,stop,result\n1,2\n", "t.csv line 2: found 2 values"),
        ("start,stop,result\n2000,1000,hit\n", "trial 0 of lab-day3 ending at 1.0 s, begun at 2.0 s"),
    ],
)
def test_what_is_wrong_in_a_table_of_trials_is_named_with_its_line(tmp_path, table, said):
    with pytest.raises(Refused, match=said):
        recording(tmp_path, LOG + TABLE, log_csv="time,event\n", t_csv=table)


def test_numbers_of_trials_are_whole_and_each_once(tmp_path):
    yaml = "trials: {file: t.csv, trial_column: n, time_unit: s, clock: frames}\n"
    with pytest.raises(Refused, match=r"t\.csv line 2: found trial '-1'; expected a whole number"):
        recording(tmp_path, yaml, t_csv="n,start\n-1,0\n")
    with pytest.raises(Refused, match=r"recorded\.trials: found more than one row"):
        recording(tmp_path, yaml, t_csv="n,start\n1,0\n1,5\n")
