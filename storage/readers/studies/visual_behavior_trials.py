"""Reader of a change-detection session's trials: the AllenSDK's trials table as CSV, with its licks and rewards."""

import math
import re
from pathlib import Path
from typing import Any

from storage.readers.about import about_of, native_id
from storage.readers.foreign.csv_rows import NUMBER, csv_header, csv_rows, plain, real
from storage.readers.given import Given, as_json
from storage.readers.recording import Recording, Refusal
from storage.tables import EVENTS, TRIALS

NAME = "visual_behavior_trials"
VERSION = 1
KNOWS = "the trials of one change-detection session as the AllenSDK's trials table has them: CSV"
FORM = "file"
SUFFIXES = (".csv",)

_OUTCOMES = ("hit", "miss", "false_alarm", "correct_reject", "aborted", "auto_rewarded")
_REQUIRED = ("trials_id", "start_time", "stop_time", "lick_times", *_OUTCOMES)
_COLUMNS = (
    *_REQUIRED,
    *("initial_image_name", "change_image_name", "change_time", "response_time", "reward_time"),  # recorded.trials
    *("stimulus_change", "go", "catch", "response_latency", "reward_volume", "change_frame", "trial_length"),
)
_SECONDS = {  # of the file: of recorded.trials
    "start_time": "start_s",
    "stop_time": "stop_s",
    "change_time": "change_s",
    "response_time": "response_s",
    "reward_time": "reward_s",
}
_IMAGES = ("initial_image_name", "change_image_name")
_ELSEWHERE = {"trials_id", "behavior_session_id", "lick_times", *_OUTCOMES, *_SECONDS, *_IMAGES}
# As Python writes a list, or as NumPy writes an array; NumPy's "..." for a long one is no list of times.
_TIMES = re.compile(rf"\[\s*+(?:{NUMBER}(?:(?:\s*+,\s*+|\s++){NUMBER})*+\s*+)?+\]", re.ASCII)

Row = dict[str, str]


def recognises(path: Path) -> bool:
    """Whether its first line names at least half of the table's columns. Raises OSError when it can't be opened."""
    return len(set(csv_header(path)) & set(_COLUMNS)) * 2 >= len(_COLUMNS)


def read(given: Given) -> Recording:
    """One session without units: its trials with their outcome, its licks and rewards as events in order of time.

    The session is called as its behavior_session_id where there is such a column, else as the file. A lick on the
    border of two trials, which both list, is one event. Raises Refused with the line where a row is not as it should
    be: times that are no numbers, a trial of no outcome or of two, a trial or a lick that is there twice.
    """
    refused = given.refused
    rows = csv_rows(given.path, refused, _REQUIRED)
    about = about_of(given)
    native = about.session or _session_in(rows, refused) or native_id(given.path)
    session_id = given.session_id(native, "session")
    trials: list[dict[str, Any]] = []
    licks: dict[float, dict[str, Any]] = {}
    rewards: list[dict[str, Any]] = []
    first_line: dict[int, int] = {}
    for line, row in rows:
        trial = _trial(row, line, refused)
        trial_id = trial["trial_id"]
        if trial_id in first_line:
            found = f"{trial_id} on lines {first_line[trial_id]} and {line}"
            raise refused(field="trials_id", found=found, expected="each trial once")
        first_line[trial_id] = line
        trials.append(trial | {"session_id": session_id})
        of_trial = as_json({"trials_id": trial_id})
        for time_s in _lick_times(row["lick_times"], line, refused):
            licks.setdefault(time_s, {"kind": "lick", "name": "licks", "onset_s": time_s, "attributes": of_trial})
        if trial["reward_s"] is not None:
            volume = {"volume_ml": plain(row["reward_volume"])} if "reward_volume" in row else {}
            said = as_json({"trials_id": trial_id, "auto_rewarded": trial["outcome"] == "auto_rewarded"} | volume)
            rewards.append({"kind": "reward", "name": "rewards", "onset_s": trial["reward_s"], "attributes": said})
    events = sorted([*rewards, *licks.values()], key=lambda event: event["onset_s"])
    numbered = [
        event | {"session_id": session_id, "event_id": number, "offset_s": event["onset_s"]}
        for number, event in enumerate(events)
    ]
    session = given.session(session_id, unit_count=0, **about.session_facts)
    tables = {TRIALS: trials} | ({EVENTS: numbered} if numbered else {})
    return given.recording([session], {"session_id": [], "unit_id": []}, tables)


def _trial(row: Row, line: int, refused: Refusal) -> dict[str, Any]:
    outcomes = [name for name in _OUTCOMES if _flag(row, name, line, refused)]
    if len(outcomes) != 1:
        found = f"{' and '.join(outcomes) or 'none'} on line {line}"
        raise refused(field="outcome", found=found, expected=f"one of {', '.join(_OUTCOMES)}")
    if not re.fullmatch(r"[0-9]{1,18}", row["trials_id"]):
        raise refused(field="trials_id", found=f"{row['trials_id']!r} on line {line}", expected="a whole number")
    times = {column: _seconds(row, name, line, refused) for name, column in _SECONDS.items()}
    for name in ("start_time", "stop_time"):
        if times[_SECONDS[name]] is None:
            raise refused(field=name, found=f"'' on line {line}", expected="seconds")
    images = {name: row.get(name) or None for name in _IMAGES}
    others = {name: plain(text) for name, text in row.items() if name and name not in _ELSEWHERE}
    return {"trial_id": int(row["trials_id"]), "outcome": outcomes[0], "attributes": as_json(others)} | times | images


def _lick_times(text: str, line: int, refused: Refusal) -> list[float]:
    if not _TIMES.fullmatch(text):
        raise refused(field="lick_times", found=f"{text[:80]!r} on line {line}", expected="a list of seconds")
    times = [float(number) for number in re.findall(NUMBER, text)]
    if not all(map(math.isfinite, times)) or len(set(times)) < len(times):
        found = f"{'the same time twice' if all(map(math.isfinite, times)) else 'an endless time'} on line {line}"
        raise refused(field="lick_times", found=found, expected="each lick once")
    return times


def _seconds(row: Row, name: str, line: int, refused: Refusal) -> float | None:
    text = row.get(name, "")
    if text and real(text) is None:
        raise refused(field=name, found=f"{text[:80]!r} on line {line}", expected="seconds")
    return real(text)


def _flag(row: Row, name: str, line: int, refused: Refusal) -> bool:
    if row[name] not in ("True", "False"):
        raise refused(field=name, found=f"{row[name][:80]!r} on line {line}", expected="True or False")
    return row[name] == "True"


def _session_in(rows: list[tuple[int, Row]], refused: Refusal) -> str | None:
    first = rows[0][1].get("behavior_session_id") or None
    for line, row in rows:
        if (row.get("behavior_session_id") or None) != first:
            found = f"{first} and, on line {line}, {row['behavior_session_id'] or 'none'}"
            raise refused(field="behavior_session_id", found=found, expected="the trials of one session")
    return first
