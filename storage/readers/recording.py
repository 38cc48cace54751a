"""What every reader gives back, and what must hold of it before any of it may enter the lake."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from storage.declaration import SESSION_ID_PATTERN, Column, Table
from storage.row_files import RowBlocks, is_constant
from storage.tables import EVENTS, FRAMES, SESSIONS, TABLE_BY_NAME, TRACES, TRIALS, UNITS
from storage.traces import TraceMatrix, Traces


class Refused(Exception):
    """A file that may not go in: where in the file, what stands there, what should.

    ``content_sha256``, ``reader`` and ``reader_version`` are filled in as far as the reading got.
    """

    def __init__(self, *, source_uri: str, field: str, found: str, expected: str) -> None:
        super().__init__(source_uri, field, found, expected)
        self.source_uri = source_uri
        self.field = field
        self.found = found
        self.expected = expected
        self.content_sha256: str | None = None
        self.reader: str | None = None
        self.reader_version: int | None = None

    def __reduce__(self) -> tuple:
        return _refused_again, (self.source_uri, self.field, self.found, self.expected), self.__dict__

    def __str__(self) -> str:
        return f"{Path(self.source_uri).name}: {self.field}: found {self.found}; expected {self.expected}"


def _refused_again(source_uri: str, field: str, found: str, expected: str) -> Refused:
    return Refused(source_uri=source_uri, field=field, found=found, expected=expected)


Refusal = Callable[..., Refused]
"""``refused(field=..., found=..., expected=...)``: the exception to raise, which knows its file already."""


@dataclass(frozen=True)
class Recording:
    """All that one file or folder holds, as rows of declared tables, as traces, and as blocks of rows.

    ``rows`` always has SESSIONS and UNITS; each value was built by ``Table.rows``. What may be larger than memory
    comes as ``TraceStream`` or ``RowBlocks``, and is read when it is written: it may raise Refused then.
    """

    source_uri: str
    content_sha256: str
    reader: str
    reader_version: int
    rows: Mapping[Table, pa.Table]
    traces: tuple[Traces, ...] = ()
    blocks: tuple[RowBlocks, ...] = ()

    @property
    def session_ids(self) -> tuple[str, ...]:
        return tuple(self.rows[SESSIONS]["session_id"].to_pylist())


def checked(recording: Recording) -> Recording:
    """The same recording, once everything that the lake relies on has been seen to hold.

    Raises Refused when it does not: session ids, keys, unknown sessions and cells, the range of values, frame times
    that do not increase, events out of order, traces whose cells or frames are not those of their session. Streams
    and blocks are checked as they are read.
    """
    uri = recording.source_uri
    frames = {table: pl.DataFrame(pl.from_arrow(rows)) for table, rows in recording.rows.items()}
    if missing := [table.name for table in (SESSIONS, UNITS) if table not in frames]:
        raise Refused(source_uri=uri, field="recording", found=f"no rows for {missing}", expected="sessions and units")
    for session_id in recording.session_ids:
        require_session_id(session_id, "session_id", uri)
    for table, frame in frames.items():
        _require_declared(table, frame, frames, uri)
        if table is not FRAMES:  # numbered one by one, none of which stands twice
            _require_unique(frame, table.key, table.name, uri)
    if FRAMES in frames:
        for session_id, group in _by_session(frames[FRAMES]):
            _require_numbered(group["frame"], FRAMES.name, session_id, uri)
            require_increasing(group["time_s"].to_numpy(), f"{FRAMES.name} time_s of {session_id}", uri)
    for table, first, last in ((EVENTS, "onset_s", "offset_s"), (TRIALS, "start_s", "stop_s")):
        if table in frames:
            _require_forward(table, first, last, frames[table], uri)
    if EVENTS in frames:
        timed = frames[FRAMES]["session_id"].unique() if FRAMES in frames else pl.Series([], dtype=pl.String)
        _require_ordered_events(frames[EVENTS].sort("session_id", "event_id"), timed, uri)
    _require_traces_fit(recording.traces, frames, uri)
    traces = tuple(_checked_traces(one, uri) for one in recording.traces)
    return replace(recording, traces=traces, blocks=tuple(_checked_blocks(b, frames, uri) for b in recording.blocks))


def _by_session(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each session and its rows in order of frame; not copied where there is one session, whose frames may be many."""
    sessions = rows["session_id"].unique(maintain_order=True).to_list()
    for session_id in sessions:
        group = rows if len(sessions) == 1 else rows.filter(pl.col("session_id") == session_id)
        yield session_id, group if group["frame"].is_sorted() else group.sort("frame")


def require_session_id(session_id: str, field: str, source_uri: str) -> str:
    """The id, unless a character in it or its length would break a partition of the lake: then raises Refused."""
    if not SESSION_ID_PATTERN.fullmatch(session_id):
        expected = "1 to 200 characters out of A-Z a-z 0-9 . _ -"
        raise Refused(source_uri=source_uri, field=field, found=repr(session_id), expected=expected)
    return session_id


def require_increasing(time_s: np.ndarray, field: str, source_uri: str) -> np.ndarray:
    """The times, (n_frames,) seconds. Raises Refused when one isn't finite, or isn't later than the one before."""
    expected = "strictly increasing seconds"
    if (bad := np.flatnonzero(~np.isfinite(time_s))).size:
        found = f"{time_s[bad[0]]} at frame {bad[0]} ({bad.size} of {time_s.size} times are not finite)"
        raise Refused(source_uri=source_uri, field=field, found=found, expected=expected)
    if (steps := np.flatnonzero(np.diff(time_s) <= 0)).size:
        frame = int(steps[0]) + 1
        after, before = float(time_s[frame]), float(time_s[frame - 1])
        how = "time standing still" if after == before else "time running backwards"
        found = f"{how} at frame {frame} ({after!r} s after {before!r} s)"
        raise Refused(source_uri=source_uri, field=field, found=found, expected=expected)
    return time_s


def _require_declared(
    table: Table,
    frame: pl.DataFrame,
    frames: Mapping[Table, pl.DataFrame],
    uri: str,
    groups: pl.DataFrame | None = None,
) -> None:
    """``groups`` has every combination of its columns that the rows have, far fewer to look at."""
    _require_ranges(frame, table, uri)
    _require_known(frame, frames[SESSIONS], ("session_id",), table.name, "session", uri, groups)
    _require_known(frame, frames[UNITS], ("session_id", "unit_id"), table.name, "cell", uri, groups)
    for name, columns in table.parents.items():
        parent = TABLE_BY_NAME[name]
        if parent in (EVENTS, FRAMES):
            known = frames.get(parent, pl.DataFrame(parent.arrow_schema.empty_table()))
            _require_known(frame, known, columns, table.name, parent.short_name.removesuffix("s"), uri, groups)


def _require_ranges(frame: pl.DataFrame, table: Table, uri: str) -> None:
    rules = [(column, holds, expected) for column in table.columns for holds, expected in _rules(column)]
    kept = frame.select(holds.all().alias(str(place)) for place, (_, holds, _) in enumerate(rules))
    for (column, holds, expected), always in zip(rules, kept.row(0) if rules else (), strict=True):
        if not always:
            bad = frame.filter(holds.not_())
            found = f"{bad[column.name][0]!r} in row {_key(bad, table.key)} ({len(bad)} of {len(frame)} rows)"
            raise Refused(source_uri=uri, field=f"{table.name} {column.name}", found=found, expected=expected)


def _rules(column: Column) -> Iterator[tuple[pl.Expr, str]]:
    """What its values are declared to be, and the words for it."""
    value = pl.col(column.name)
    if column.one_of is not None:
        yield value.is_in(list(column.one_of)), f"one of {', '.join(column.one_of)}"
    if column.at_least is not None:
        yield value >= column.at_least, f"at least {column.at_least}"
    if column.at_most is not None:
        yield value <= column.at_most, f"at most {column.at_most}"
    if column.above is not None:
        yield value > column.above, f"above {column.above}"
    if column.type in ("real", "double"):
        yield value.is_finite(), "finite numbers"


def _require_unique(frame: pl.DataFrame, key: tuple[str, ...], name: str, uri: str) -> None:
    twice = frame.filter(frame.select(key).is_duplicated())
    if len(twice):
        expected = f"one row for each {', '.join(key)}"
        raise Refused(source_uri=uri, field=name, found=f"more than one row {_key(twice, key)}", expected=expected)


def _require_known(
    frame: pl.DataFrame,
    known: pl.DataFrame,
    on: tuple[str, ...],
    name: str,
    what: str,
    uri: str,
    groups: pl.DataFrame | None = None,
) -> None:
    if not set(on) <= set(frame.columns):
        return
    every = groups if groups is not None and set(on) <= set(groups.columns) else frame
    unknown = every.select(on).unique().join(known, on=on, how="anti")
    if len(unknown):
        rows = frame.join(unknown, on=on, how="semi")
        found = f"unknown {what} {_key(rows, on)} ({len(rows)} of {len(frame)} rows)"
        raise Refused(source_uri=uri, field=name, found=found, expected=f"a {what} that the recording declares")


def _require_numbered(frame: pl.Series, name: str, session_id: str, uri: str) -> None:
    if not (frame == pl.int_range(len(frame), eager=True)).all():
        found = f"{len(frame)} frames numbered {frame[0]} to {frame[-1]} in {session_id}"
        raise Refused(source_uri=uri, field=f"{name} frame", found=found, expected="every number from 0, once")


def _require_forward(table: Table, first: str, last: str, frame: pl.DataFrame, uri: str) -> None:
    backwards = frame.filter(pl.col(last) < pl.col(first))
    if len(backwards):
        number, what = table.key[-1], table.short_name.removesuffix("s")
        session_id, row, begun, ended = backwards.select("session_id", number, first, last).row(0)
        found = f"{what} {row} of {session_id} ending at {ended!r} s, begun at {begun!r} s"
        raise Refused(source_uri=uri, field=f"{table.name} {last}", found=found, expected=f"{last} >= {first}")


def _require_ordered_events(events: pl.DataFrame, timed: pl.Series, uri: str) -> None:
    lost = events.filter(pl.col("onset_s").is_null(), pl.col("session_id").is_in(timed.to_list()))
    if len(lost):
        found = f"nothing for {_key(lost, EVENTS.key)} ({len(lost)} of {len(events)} rows)"
        raise Refused(source_uri=uri, field=f"{EVENTS.name} onset_s", found=found, expected="a time in seconds")
    earlier = events.with_columns(before=pl.col("onset_s").shift(1).over("session_id"))
    earlier = earlier.filter(pl.col("onset_s") < pl.col("before"))
    if len(earlier):
        session_id, event_id, onset, before = earlier.select("session_id", "event_id", "onset_s", "before").row(0)
        found = f"event {event_id} of {session_id} at {onset!r} s, after one at {before!r} s"
        raise Refused(source_uri=uri, field=f"{EVENTS.name} onset_s", found=found, expected="events in order of onset")


def _require_traces_fit(traces: tuple[Traces, ...], frames: Mapping[Table, pl.DataFrame], uri: str) -> None:
    signals = next(column.one_of for column in TRACES.columns if column.name == "signal") or ()
    seen: set[tuple[str, str]] = set()
    for trace in traces:
        field = f"{trace.signal} of {trace.session_id}"
        if trace.signal not in signals or (trace.session_id, trace.signal) in seen:
            expected = f"each of {', '.join(signals)} at most once"
            raise Refused(source_uri=uri, field=field, found=f"signal {trace.signal!r}", expected=expected)
        seen.add((trace.session_id, trace.signal))
        cells = pl.DataFrame({"session_id": [trace.session_id] * len(trace.unit_id), "unit_id": trace.unit_id})
        _require_unique(cells, ("session_id", "unit_id"), field, uri)
        _require_known(cells, frames[SESSIONS], ("session_id",), field, "session", uri)
        _require_known(cells, frames[UNITS], ("session_id", "unit_id"), field, "cell", uri)
        timed = frames[FRAMES].filter(pl.col("session_id") == trace.session_id).height if FRAMES in frames else 0
        if trace.frame_count != timed:
            found = f"{trace.frame_count} frames of values, {timed} frame times"
            raise Refused(source_uri=uri, field=field, found=found, expected="as many times as values")


def _checked_traces(trace: Traces, uri: str) -> Traces:
    """The same, once its values are seen to be finite or missing; of a stream, as they are read."""

    def finite(start: int, values: np.ndarray) -> np.ndarray:
        for unit, signal in enumerate(values):
            if not (infinite := np.isinf(signal)).any():
                continue
            frame = int(np.argmax(infinite))
            raise Refused(
                source_uri=uri,
                field=f"{trace.signal} of {trace.session_id}",
                found=f"{values[unit, frame]} in cell {trace.unit_id[unit]} at frame {start + frame}",
                expected="finite values, NaN where missing",
            )
        return values

    if isinstance(trace, TraceMatrix):
        finite(0, trace.values)
        return trace
    return replace(trace, read=lambda start, stop: finite(start, trace.read(start, stop)))


def _checked_blocks(rows: RowBlocks, frames: Mapping[Table, pl.DataFrame], uri: str) -> RowBlocks:
    """The same, each block checked as it is read: values, parents, and rows numbered without a gap."""
    table = rows.table
    *group, number = table.key

    def blocks() -> Iterator[pa.Table]:
        begun: set[tuple] = set()
        last: tuple | None = None
        for block in rows.blocks():
            if not block.num_rows:
                yield block
                continue
            # Mostly a block is of one session and signal, whose names would be compared row by row.
            same = [name for name in group if is_constant(block[name])]
            frame = pl.DataFrame(pl.from_arrow(block.drop_columns(same)))
            frame = frame.with_columns(pl.lit(pl.from_arrow(block[name][:1])).first().alias(name) for name in same)
            another = np.zeros(len(frame), bool)
            for name in set(group).difference(same):
                another |= frame[name].ne_missing(frame[name].shift(1)).to_numpy()
            another[0] = True
            _require_declared(table, frame, frames, uri, frame.select(group).filter(another))
            first = frame.select(table.key).row(0)
            another[0] = last is None or first[:-1] != last[:-1]
            starts = np.flatnonzero(another)
            of_starts = frame[starts].select(group)
            zero = np.append(0 if another[0] else -(last[-1] + 1), starts)  # the row that is numbered 0, in each group
            row_of_zero = np.repeat(zero, np.diff(starts, prepend=0, append=len(frame)))
            wrong = frame[number].to_numpy() != np.arange(len(frame)) - row_of_zero
            again = list(of_starts.filter(of_starts.is_duplicated()).iter_rows())
            again += [key for key in of_starts.iter_rows() if key in begun]
            if wrong.any() or again:
                row = _key(frame.filter(wrong), table.key) if wrong.any() else f"{', '.join(map(str, again[0]))} again"
                raise Refused(
                    source_uri=uri, field=table.name, found=f"row {row}", expected=f"{number} 0, 1, 2 ... in each group"
                )
            begun.update(of_starts.iter_rows())
            last = frame.select(table.key).row(-1)
            yield block

    return RowBlocks(table, blocks)


def _key(frame: pl.DataFrame, key: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(key, frame.select(key).row(0), strict=True))
