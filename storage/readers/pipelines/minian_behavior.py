"""What the animal did in the maze beside a Minian recording: tracked position, and the zones it was in."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from storage.readers.foreign.csv_rows import MOST_BYTES, csv_rows
from storage.readers.foreign.named_file import refused_in
from storage.readers.given import Given, as_json
from storage.readers.pipelines.minian_layout import Layout, zones_in
from storage.readers.pipelines.minian_timestamps import Clock
from storage.readers.recording import Refusal, require_increasing
from storage.row_files import RowBlocks
from storage.tables import BEHAVIOR_SIGNALS

_HEADER_ROWS = 3  # DeepLabCut's: who tracked, which part of the body, which coordinate
_POSITION = {"x": "position_x_px", "y": "position_y_px", "likelihood": "position_likelihood"}
# Of the zone tracking: freed of jumps and put onto the frames, then pinned to the arms of the maze.
_ZONE_SIGNALS = {
    "x": "position_cleaned_x_px",
    "y": "position_cleaned_y_px",
    "x_pinned": "position_pinned_x_px",
    "y_pinned": "position_pinned_y_px",
    "arm_position": "arm_position_fraction",
}
_ZONE, _NO_ZONE = "zone", ("", "Unknown")
_OWN_TIME = "neural_time"


@dataclass(frozen=True)
class Signal:
    """One signal of the animal: ``time_s`` and ``value`` (n_samples,), NaN where missing."""

    name: str
    time_s: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Behavior:
    """What the tables beside the arrays hold: signals, and each visit of a zone as an event."""

    signals: tuple[Signal, ...] = ()
    events: tuple[dict[str, Any], ...] = ()

    def blocks(self, session_id: str) -> list[RowBlocks]:
        def rows(signal: Signal) -> pa.Table:
            count = len(signal.time_s)
            columns = {
                "session_id": pa.repeat(session_id, count),
                "signal": pa.repeat(signal.name, count),
                "sample": np.arange(count, dtype=np.int32),
                "time_s": signal.time_s,
                "value": pa.array(signal.value, from_pandas=True),
            }
            return pa.table(columns, schema=BEHAVIOR_SIGNALS.arrow_schema)

        return [RowBlocks(BEHAVIOR_SIGNALS, lambda: map(rows, self.signals))] if self.signals else []


def behavior_of(given: Given, layout: Layout, frame: np.ndarray, clock: Clock) -> Behavior:
    """Position by the behaviour camera's times, and zones by the frames (n_frames,) that they were found for.

    Raises Refused for a table that is named and isn't there, for positions without times, and for zones of frames
    that the recording doesn't have or has at another time.
    """
    for name in layout.behavior.values():
        if not (given.path / name).is_file():
            raise given.refused(field=name, found="nothing", expected="the table")
    signals: list[Signal] = []
    events: list[dict[str, Any]] = []
    body_part = _told(layout.said, "bodypart")
    if position := layout.behavior.get("position"):
        if not (times := layout.behavior.get("timestamp")):
            raise given.refused(field=position, found="no table of its times", expected="behavior_timestamp.csv")
        signals += _position(given, position, times, body_part, clock)
    if zones := layout.behavior.get("zone_tracking"):
        of_frames, events = _zones(given, layout, zones, body_part, frame, clock)
        signals += of_frames
    return Behavior(tuple(signals), tuple(events))


def _position(given: Given, name: str, times: str, body_part: str | None, clock: Clock) -> list[Signal]:
    refused = refused_in(given, times)
    rows = csv_rows(given.path / times, refused, ("frame_index", "unix_time"))
    number = _numbers([row["frame_index"] for _, row in rows], "frame_index", refused).astype(np.int64)
    unix_s = _numbers([row["unix_time"] for _, row in rows], "unix_time", refused)
    require_increasing(number.astype(np.float64), f"{times} frame_index", given.source_uri)
    require_increasing(unix_s, f"{times} unix_time", given.source_uri)
    tracked = _tracked(given.path / name, body_part, refused_in(given, name))
    place = np.searchsorted(number, tracked.number)
    known = place < len(number)
    known[known] = number[place[known]] == tracked.number[known]
    if not known.all():
        found = f"no time for frame {tracked.number[~known][0]} ({(~known).sum()} of {len(known)} frames)"
        raise refused(field="frame_index", found=found, expected=f"a row for each frame of {name}")
    time_s = unix_s[place] - clock.zero_s
    return [
        Signal(signal, time_s, _numbers(tracked.columns[column], column, refused_in(given, name), missing=True))
        for column, signal in _POSITION.items()
        if column in tracked.columns
    ]


def _zones(
    given: Given, layout: Layout, name: str, body_part: str | None, frame: np.ndarray, clock: Clock
) -> tuple[list[Signal], list[dict[str, Any]]]:
    refused = refused_in(given, name)
    tracked = _tracked(given.path / name, body_part, refused)
    place = np.searchsorted(frame, tracked.number)
    known = place < len(frame)
    known[known] = frame[place[known]] == tracked.number[known]
    if not known.all():
        found = f"frame {tracked.number[~known][0]}, which C doesn't have"
        raise refused(field="frame", found=found, expected="frames of C")
    time_s = clock.time_s[place]
    if _OWN_TIME in tracked.columns:
        # The position is that at this time, also where it was a frame's wrong one. It may be the frame's middle.
        own_s = _numbers(tracked.columns[_OWN_TIME], _OWN_TIME, refused) - clock.zero_s
        right = ~np.isin(tracked.number, clock.interpolated)
        step_s = np.median(np.diff(clock.time_s)) if len(clock.time_s) > 1 else np.inf
        if (odd := np.flatnonzero(right & (np.abs(own_s - time_s) > step_s))).size:
            found = f"frame {tracked.number[odd[0]]} at {own_s[odd[0]]:.3f} s, by its timestamp {time_s[odd[0]]:.3f} s"
            raise refused(field=_OWN_TIME, found=found, expected="the times of the frames")
        time_s = require_increasing(own_s, f"{name} {_OWN_TIME}", given.source_uri)
    signals = [
        Signal(signal, time_s, _numbers(tracked.columns[column], column, refused, missing=True))
        for column, signal in _ZONE_SIGNALS.items()
        if column in tracked.columns
    ]
    known_zones = zones_in(given.path, layout)
    return signals, _visits(tracked.columns.get(_ZONE, []), tracked.number, time_s, known_zones)


def _visits(
    zone: list[str], number: np.ndarray, time_s: np.ndarray, known_zones: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A mark for each stay in a zone, from its first sample to that of the next zone, or to the last of all."""
    begins = [place for place in range(len(zone)) if place == 0 or zone[place] != zone[place - 1]]
    visits = []
    for begin, end in zip(begins, [*begins[1:], len(zone) - 1], strict=True):
        if zone[begin] in _NO_ZONE:
            continue
        about = known_zones.get(zone[begin])
        kind = about.get("type") if isinstance(about, dict) else None
        visit = {
            "event_id": len(visits),
            "kind": "mark",
            "name": zone[begin],
            "source_id": int(number[begin]),
            "onset_s": float(time_s[begin]),
            "offset_s": float(time_s[end]),
            "attributes": as_json({"zone_type": kind}) if isinstance(kind, str) else None,
        }
        visits.append(visit)
    return visits


@dataclass(frozen=True)
class _Tracked:
    """A table of DeepLabCut's form: ``number`` (n_rows,) of each frame, ascending, and the columns' texts."""

    number: np.ndarray
    columns: dict[str, list[str]]


def _tracked(path: Path, body_part: str | None, refused: Refusal) -> _Tracked:
    rows = _rows(path, refused)
    (_, parts), (_, coordinates) = rows[1], rows[2]
    tracked = list(dict.fromkeys(parts[1:]))
    part = body_part if body_part is not None else tracked[0] if len(tracked) == 1 else None
    if part not in tracked:
        found = f"body parts {', '.join(tracked)}"[:200]
        raise refused(field="bodyparts", found=found, expected=part or "one, or the one that data_paths.yaml names")
    places = {name: place for place, name in enumerate(coordinates) if place and parts[place] == part}
    if len(places) < sum(one == part for one in parts[1:]) or not {"x", "y"} <= set(places):
        raise refused(field="coords", found=f"{', '.join(coordinates[1:])}"[:200], expected="x, y, each once")
    values = rows[_HEADER_ROWS:]
    number = _numbers([row[0] for _, row in values], "frame", refused)
    if (back := np.flatnonzero(~(np.diff(number) > 0) | (number[1:] % 1 > 0))).size:
        line = values[back[0] + 1][0]
        found = f"frame {number[back[0] + 1]:g} after frame {number[back[0]]:g}"
        raise refused(field=f"line {line}", found=found, expected="whole frame numbers in ascending order")
    return _Tracked(number.astype(np.int64), {name: [row[at] for _, row in values] for name, at in places.items()})


def _rows(path: Path, refused: Refusal) -> list[tuple[int, list[str]]]:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise refused(field="file", found=f"{size} bytes", expected=f"at most {MOST_BYTES} bytes")
    try:
        reader = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise refused(field="file", found=str(error)[:200], expected="CSV in UTF-8") from error
    if len(rows) <= _HEADER_ROWS:
        raise refused(field="rows", found=f"{len(rows)} rows", expected="three rows of header and rows of numbers")
    for line, row in rows:
        if len(row) != len(rows[0][1]):
            expected = f"{len(rows[0][1])}, as in the header"
            raise refused(field=f"line {line}", found=f"{len(row)} values", expected=expected)
    return rows


def _numbers(texts: list[str], column: str, refused: Refusal, *, missing: bool = False) -> np.ndarray:
    """The texts as finite numbers, (n_texts,), NaN for an empty one where values may be missing."""
    numbers = np.empty(len(texts))
    for place, text in enumerate(texts):
        try:
            numbers[place] = float(text) if text.strip() else np.nan
        except ValueError:
            numbers[place] = np.inf
    bad = np.isinf(numbers) | (np.isnan(numbers) & ~missing)
    if bad.any():
        at = int(np.argmax(bad))
        raise refused(field=column, found=f"{texts[at]!r} in row {at} of values"[:200], expected="finite numbers")
    return numbers


def _told(said: Mapping[str, Any], key: str) -> str | None:
    behavior = said.get("behavior")
    told = behavior.get(key) if isinstance(behavior, dict) else None
    return told if isinstance(told, str) else None
