"""Writers that tests start as processes of their own: one to be killed half-way, several to write at once.

A session of version v has a number of units, frames and events that follow from v, and v in every trace value, so
that a mixture of two versions can't look whole. Each finished commit is told on standard output, one JSON a line.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from storage.declaration import Table
from storage.lake import Lake, open_lake
from storage.tables import EVENTS, SESSIONS, UNITS
from storage.traces import TraceMatrix

TABLES_OF_A_SESSION = ("recorded.sessions", "recorded.units", "recorded.traces", "recorded.events")


def counts(version: int) -> tuple[int, int, int, int]:
    """Rows that a session of that version has in each of TABLES_OF_A_SESSION."""
    units, frames, events = 2 + version % 3, 20 + version % 7, 1 + version % 5
    return 1, units, units * frames, events


def session_rows(session_id: str, version: int = 1) -> dict[Table, pa.Table]:
    """Rows of a whole session but for its traces."""
    _, units, samples, events = counts(version)
    session = {name: None for name in SESSIONS.column_names} | {
        "session_id": session_id,
        "project": "test",
        "subject_id": f"mouse of {session_id}",
        "simulated": True,
        "unit_count": units,
        "frame_count": samples // units,
        "rate_hz": 10.0,
        "source_uri": f"{session_id}.nwb",
        "content_sha256": f"{version:064x}",
        "reader": "writer_process",
        "reader_version": version,
    }
    unit_rows = [
        {"session_id": session_id, "unit_id": unit, "x_px": 1.0, "y_px": 2.0, "area_px": None} for unit in range(units)
    ]
    event_rows = [
        {
            "session_id": session_id,
            "event_id": event,
            "kind": "image",
            "onset_s": float(event),
            "offset_s": event + 0.25,
            "image_name": "im0",
            "is_change": False,
        }
        for event in range(events)
    ]
    return {SESSIONS: SESSIONS.rows([session]), UNITS: UNITS.rows(unit_rows), EVENTS: EVENTS.rows(event_rows)}


def session_traces(session_id: str, version: int = 1) -> TraceMatrix:
    """Traces of a whole session: ``version`` everywhere."""
    _, units, samples, _ = counts(version)
    return TraceMatrix(session_id, "dff", np.arange(units), np.full((units, samples // units), version, np.float32))


def write_session(lake: Lake, session_id: str, version: int) -> int:
    """Replace the session by its given version in one transaction."""
    return lake.replace(
        session_rows(session_id, version),
        traces=[session_traces(session_id, version)],
        message=f"{session_id} version {version}",
        info={"session_id": session_id, "version": version},
    )


def whole_sessions(lake: Lake, snapshot: int | None = None) -> Mapping[str, int]:
    """Version of each session of the lake; AssertionError when one isn't whole."""
    at = "" if snapshot is None else f" AT (VERSION => {snapshot})"
    sessions = lake.query(f"SELECT session_id, reader_version FROM recorded.sessions{at}")
    versions = dict(sessions.iter_rows())
    assert len(versions) == len(sessions), "a session has two rows"
    for place, name in enumerate(TABLES_OF_A_SESSION):
        found = dict(lake.query(f"SELECT session_id, count(*) FROM {name}{at} GROUP BY session_id").iter_rows())
        assert found == {session: counts(version)[place] for session, version in versions.items()}, name
    values = lake.query(f"SELECT session_id, min(value), max(value) FROM recorded.traces{at} GROUP BY session_id")
    assert {session: (low, high) for session, low, high in values.iter_rows()} == {
        session: (version, version) for session, version in versions.items()
    }
    return versions


def write_until_killed(report: int, seed: int) -> None:
    """Write sessions without end, telling of each before and after."""
    with open_lake() as lake:
        draw = random.Random(seed)
        for version in range(seed * 1000, seed * 1000 + 1000):
            session_id = f"lab-{draw.randrange(8)}"
            os.write(report, f"{json.dumps(['begun', session_id, version])}\n".encode())
            write_session(lake, session_id, version)
            os.write(report, f"{json.dumps(['done', session_id, version])}\n".encode())


def kill_writers(rounds: int, seed: int) -> None:
    """Start a writer and kill it while it writes, so many times; DuckDB is opened by the children only."""
    draw = random.Random(seed)
    for turn in range(1, rounds + 1):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            write_until_killed(writing, turn)
            os._exit(1)
        os.close(writing)
        told = os.read(reading, 65_536)
        time.sleep(draw.uniform(0.005, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(reading, 65_536):
            told += more
        os.close(reading)
        sys.stdout.write(told.decode())


def write_commits(writer: int, commits: int) -> None:
    """Half of the commits replace sessions that the other writers replace too, half make new ones."""
    with open_lake() as lake:
        print(json.dumps("ready"), flush=True)
        sys.stdin.readline()
        for number in range(commits):
            version = writer * 1000 + number
            session_id = f"shared-{number % 3}" if number % 2 else f"own-{writer}-{number}"
            snapshot = write_session(lake, session_id, version)
            print(json.dumps([session_id, version, snapshot]), flush=True)


if __name__ == "__main__":
    {"kill": kill_writers, "commits": write_commits}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
