"""What a lab logged beside its recording: events, and the clock that they are on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from storage.readers.foreign.text_rows import number_in, opened_rows
from storage.readers.given import as_json
from storage.readers.lab.lab_cells import separator_of
from storage.readers.lab.lab_entries import PER_SECOND, EventVariables, Log, ZeroAt
from storage.readers.recording import Refusal

VectorOf = Callable[[str], Any]
"""The values of a .mat file's variable."""


@dataclass(frozen=True)
class Event:
    """One entry of a log: when, in seconds on the log's own clock, what, and where it stands."""

    time_s: float
    name: str | None
    attributes: Mapping[str, str]
    where: str


def log_events(log: Log, path: Path, refused: Refusal) -> tuple[list[Event], list[str]]:
    """The log's entries in the order of its lines, and the lines that are none.

    Raises what ``refused`` makes, with the line, for a time that is missing, no number, or before the one above it.
    """
    events: list[Event] = []
    with opened_rows(
        path,
        refused,
        (log.time_column, log.event_column),
        separator=separator_of(path, log.separator, refused),
        comment=log.comment,
        columns=log.columns,
    ) as table:
        time_at, name_at = table.names.index(log.time_column), table.names.index(log.event_column)
        others = [(place, name) for place, name in enumerate(table.names) if place not in (time_at, name_at)]
        before = -np.inf
        for line, cells in table.rows:
            time = number_in(cells[time_at], line, log.time_column, refused)
            if time < before:
                found = f"time running backwards: {time:g} after {before:g}"
                raise refused(field=f"line {line}", found=found, expected="rows in order of time")
            before = time
            attributes = {name or f"column {place + 1}": cells[place] for place, name in others if cells[place]}
            events.append(Event(time / PER_SECOND[log.time_unit], cells[name_at] or None, attributes, f"line {line}"))
    return events, table.notes


def variable_events(said: EventVariables, vector_of: VectorOf, refused: Refusal) -> list[Event]:
    """The events whose times the variables hold, in order of time. Raises what ``refused`` makes for a missing one."""
    events: list[Event] = []
    for name, variable in said.variables.items():
        times = times_of(variable, said.time_unit, vector_of, refused)
        events += [Event(float(time), name, {}, f"{variable} {place}") for place, time in enumerate(times)]
    return sorted(events, key=lambda event: event.time_s)


def zero_s(clock: str | ZeroAt | None, events: Sequence[Event], log_zero_s: float, refused: Refusal) -> float:
    """What a clock reads, in seconds, when that of the frames reads 0."""
    if clock is None or clock == "frames":
        return 0.0
    if isinstance(clock, str):
        return log_zero_s
    if clock.zero_s is not None:
        return clock.zero_s
    first = next((event for event in events if event.name == clock.zero_event), None)
    if first is None:
        expected = f"an event {clock.zero_event}, when the frames' clock reads 0"
        raise refused(field="clock", found=names_of(events), expected=expected)
    return first.time_s


def event_rows(events: Sequence[Event], kinds: Mapping[str, str], session_id: str, zero: float) -> list[dict[str, Any]]:
    """Rows of recorded.events, of the kind that is said of their name, else a mark."""
    return [
        {
            "session_id": session_id,
            "event_id": number,
            "kind": kinds.get(event.name or "", "mark"),
            "name": event.name,
            "onset_s": event.time_s - zero,
            "offset_s": event.time_s - zero,
            "attributes": as_json(event.attributes) if event.attributes else None,
        }
        for number, event in enumerate(events)
    ]


def times_of(variable: str, unit: str, vector_of: VectorOf, refused: Refusal) -> np.ndarray:
    """The variable's times, (n,) float64 seconds. Raises what ``refused`` makes when one is missing or no number."""
    times = vector_of(variable)
    if not isinstance(times, np.ndarray) or times.dtype.kind not in "fiu" or not np.isfinite(times).all():
        raise refused(field=variable, found="values that are no times", expected="numbers, none missing")
    return times.astype(np.float64) / PER_SECOND[unit]


def names_of(events: Sequence[Event]) -> str:
    """The names that there are, as words for a refusal."""
    names = list(dict.fromkeys(event.name or "''" for event in events))
    return f"events {', '.join(names)[:200]}" if names else "no events"
