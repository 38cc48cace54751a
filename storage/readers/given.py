"""What a reader is given to read, and the words in which it answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from storage.declaration import Table
from storage.readers.recording import Recording, Refused, require_session_id
from storage.row_files import RowBlocks
from storage.tables import FRAMES, SESSIONS, UNITS
from storage.traces import Traces


@dataclass(frozen=True)
class Given:
    """One recording to read: a file or a folder, the project it is for, and what its owner says about it.

    ``about`` is what sources.yaml says of a recording that doesn't describe itself; None when it says nothing.
    """

    path: Path
    project: str
    source_uri: str
    content_sha256: str
    reader: str
    reader_version: int
    about: Mapping[str, Any] | None = None

    def refused(self, *, field: str, found: str, expected: str) -> Refused:
        """The refusal of this recording, to be raised."""
        return Refused(source_uri=self.source_uri, field=field, found=found, expected=expected)

    def session_id(self, native: str | int, field: str) -> str:
        """``<project>-<native>``. Raises Refused, naming ``field``, when that would break a partition of the lake."""
        return require_session_id(f"{self.project}-{native}", field, self.source_uri)

    @property
    def study_id(self) -> str:
        """Under which derived values stand that the source brings ready-made."""
        return f"source:{self.content_sha256}"

    def session(self, session_id: str, *, unit_count: int, simulated: bool = False, **facts: Any) -> dict[str, Any]:
        """A row of recorded.sessions. ``facts`` are its other columns, NULL when left out; metadata is a mapping."""
        metadata = facts.pop("metadata", None)
        return facts | {
            "session_id": session_id,
            "project": self.project,
            "unit_count": unit_count,
            "simulated": simulated,
            "metadata": as_json(metadata) if metadata else None,
            "source_uri": self.source_uri,
            "content_sha256": self.content_sha256,
            "reader": self.reader,
            "reader_version": self.reader_version,
        }

    def recording(
        self,
        sessions: Sequence[Mapping[str, Any]],
        units: Any,
        rows: Mapping[Table, Any] | None = None,
        traces: Sequence[Traces] = (),
        blocks: Sequence[RowBlocks] = (),
    ) -> Recording:
        """The recording, its rows conformed to their declarations (`Table.rows`), the sessions' signals told."""
        signals: dict[str, set[str]] = {}
        for one in traces:
            signals.setdefault(one.session_id, set()).add(one.signal)
        named = [row | {"signals": ",".join(sorted(signals.get(row["session_id"], ()))) or None} for row in sessions]
        given = {SESSIONS: named, UNITS: units} | dict(rows or {})
        conformed: dict[Table, pa.Table] = {table: table.rows(of_table) for table, of_table in given.items()}
        return Recording(
            self.source_uri,
            self.content_sha256,
            self.reader,
            self.reader_version,
            conformed,
            tuple(traces),
            tuple(blocks),
        )


def frame_rows(session_id: str, time_s: np.ndarray) -> pa.Table:
    """Rows of recorded.frames for times (n_frames,) in seconds."""
    frames = pl.DataFrame({"frame": np.arange(len(time_s), dtype=np.int32), "time_s": time_s})
    return FRAMES.rows(frames.with_columns(session_id=pl.lit(session_id)))


def median_rate_hz(time_s: np.ndarray) -> float | None:
    """Median frame rate of times (n_frames,) in seconds, None with fewer than two."""
    return float(1 / np.median(np.diff(time_s))) if len(time_s) > 1 else None


def as_json(values: Mapping[str, Any]) -> str:
    """The values as JSON with sorted keys; NumPy numbers and arrays as plain ones, NaN and infinities as null."""
    return json.dumps(_plain(values), sort_keys=True, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, str | int | bool) or value is None else str(value)
