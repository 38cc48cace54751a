"""Trials: from a table, from a .mat file, or as the event log tells of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.readers.foreign.text_rows import number_in, opened_rows
from storage.readers.given import as_json
from storage.readers.lab.lab_cells import separator_of
from storage.readers.lab.lab_entries import OUTCOMES, PER_SECOND, TrialEvents, TrialTable, TrialVariables
from storage.readers.lab.lab_events import Event, VectorOf, names_of, times_of
from storage.readers.recording import Refusal


@dataclass(frozen=True)
class Trial:
    """One trial: seconds on its own clock, and the columns of recorded.trials that are known."""

    start_s: float
    facts: Mapping[str, Any]


def trial_rows(trials: Sequence[Trial], session_id: str, zero: float) -> list[dict[str, Any]]:
    """Rows of recorded.trials on the clock of the frames."""
    times = ("stop_s", "response_s", "reward_s")
    return [
        {"trial_id": number}
        | dict(trial.facts)
        | {name: trial.facts[name] - zero for name in times if trial.facts.get(name) is not None}
        | {"session_id": session_id, "start_s": trial.start_s - zero}
        for number, trial in enumerate(trials)
    ]


def table_trials(said: TrialTable, path: Path, refused: Refusal) -> list[Trial]:
    """The trials of a table, further columns as attributes. Raises what ``refused`` makes, with the line."""
    columns = {
        "start_s": said.start_column,
        "stop_s": said.stop_column,
        "response_s": said.response_column,
        "reward_s": said.reward_column,
    }
    timed = {fact: column for fact, column in columns.items() if column is not None}
    named = {*timed.values(), *(one for one in (said.outcome_column, said.trial_column) if one is not None)}
    trials: list[Trial] = []
    with opened_rows(
        path,
        refused,
        sorted(named),
        separator=separator_of(path, said.separator, refused),
        comment=said.comment,
        columns=said.columns,
    ) as table:
        for line, cells in table.rows:
            row = dict(zip(table.names, cells, strict=True))
            facts: dict[str, Any] = {
                fact: number_in(row[column], line, column, refused) / PER_SECOND[said.time_unit]
                for fact, column in timed.items()
                if row[column] or fact == "start_s"
            }
            if said.outcome_column is not None:
                facts["outcome"] = _outcome(row[said.outcome_column], said.outcomes, f"line {line}", refused)
            if said.trial_column is not None:
                facts["trial_id"] = _trial_id(row[said.trial_column], line, refused)
            if others := {name: cell for name, cell in row.items() if cell and name not in named}:
                facts["attributes"] = as_json(others)
            trials.append(_in_order(Trial(facts.pop("start_s"), facts), trials, f"line {line}", refused))
    return trials


def variable_trials(said: TrialVariables, vector_of: VectorOf, refused: Refusal) -> list[Trial]:
    """The trials that the variables hold. Raises what ``refused`` makes for a missing time, or other lengths."""
    starts = times_of(said.start_variable, said.time_unit, vector_of, refused)
    stops = outcomes = [None] * len(starts)
    if said.stop_variable is not None:
        stops = [float(stop) for stop in times_of(said.stop_variable, said.time_unit, vector_of, refused)]
    if said.outcome_variable is not None:
        outcomes = [_word(one) for one in vector_of(said.outcome_variable)]
    if not len(starts) == len(stops) == len(outcomes):
        found = f"{len(starts)} starts, {len(stops)} stops, {len(outcomes)} outcomes"
        raise refused(field="trials", found=found, expected="one of each for every trial")
    trials: list[Trial] = []
    for place, (start, stop, word) in enumerate(zip(starts, stops, outcomes, strict=True)):
        where = f"trial {place + 1}"
        outcome = None if word is None else _outcome(word, said.outcomes, where, refused)
        trials.append(_in_order(Trial(float(start), {"stop_s": stop, "outcome": outcome}), trials, where, refused))
    return trials


def event_trials(said: TrialEvents, events: Sequence[Event], refused: Refusal) -> list[Trial]:
    """The trials that the log tells: from each start to the first stop after it, NULL where none is logged.

    Raises what ``refused`` makes when no trial starts, and when two events give one trial different outcomes.
    """
    starts = [place for place, event in enumerate(events) if event.name == said.start_event]
    if not starts:
        raise refused(field="trials", found=names_of(events), expected=f"events {said.start_event}, which start trials")
    trials: list[Trial] = []
    for place, following in zip(starts, [*starts[1:], len(events)], strict=True):
        within = events[place + 1 : following]
        stop = next((n for n, event in enumerate(within) if event.name == said.stop_event), None)
        told = within if stop is None else within[: stop + 1]
        outcomes = {said.outcome_events[e.name]: e for e in told if e.name in said.outcome_events}
        if len(outcomes) > 1:
            found = ", ".join(f"{event.name} on {event.where}" for event in outcomes.values())
            where = f"trial on {events[place].where}"
            raise refused(field=where, found=found, expected="one outcome for each trial")
        facts = {"stop_s": None if stop is None else within[stop].time_s, "outcome": next(iter(outcomes), None)}
        trials.append(Trial(events[place].time_s, facts))
    return trials


def _in_order(trial: Trial, before: Sequence[Trial], where: str, refused: Refusal) -> Trial:
    if before and trial.start_s < before[-1].start_s:
        found = f"time running backwards: {trial.start_s:g} s after {before[-1].start_s:g} s"
        raise refused(field=where, found=found, expected="trials in order of time")
    return trial


def _outcome(word: str, said: Mapping[str, str] | None, where: str, refused: Refusal) -> str | None:
    if not word:
        return None
    known = said if said is not None else {one: one for one in OUTCOMES}
    if word not in known:
        expected = f"one of {', '.join(known)}" + ("" if said else ", or `outcomes:` that say which it is")
        raise refused(field=where, found=f"outcome {word!r}"[:200], expected=expected)
    return known[word]


def _trial_id(cell: str, line: int, refused: Refusal) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) < 19):
        raise refused(field=f"line {line}", found=f"trial {cell!r}"[:200], expected="a whole number, 0 or more")
    return int(cell)


def _word(value: Any) -> str:
    """An outcome as text: 1 and 1.0 are both '1'."""
    return value if isinstance(value, str) else f"{float(value):g}"
