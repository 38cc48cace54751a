"""The lake stays whole when S3 fails, falls silent or crawls, writers are killed, machines share nothing else.

Fixture ``wire`` is named by every test that interferes: from then on the lake goes through it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storage.lake import open_lake
from storage.object_store import ATTEMPTS, StoreFailed
from storage.settings import Settings
from storage.traces import TraceMatrix
from tests.storage.postgres_server import postgres_address, postgres_settings  # noqa: F401 (fixtures)
from tests.storage.s3_server import (  # noqa: F401 (some are fixtures)
    SECRET,
    Fault,
    S3Server,
    Wire,
    _s3_port,
    first,
    s3_fixture,
    s3_settings_fixture,
    wire_fixture,
)
from tests.storage.writer_process import session_rows, session_traces, whole_sessions, write_session

HERE = Path(__file__).parent
pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.platform]


def _is(method: str, part: str) -> Callable[[str, str], bool]:
    return lambda found, target: found == method and part in target


@pytest.mark.parametrize(
    ("of", "fault"),
    [
        (lambda method, target: True, Fault(status=500)),
        (lambda method, target: True, Fault(silent=True)),
        (_is("PUT", "/ducklake-"), Fault(status=503)),
        (_is("PUT", "/ducklake-"), Fault(silent=True)),
        (_is("PUT", "-delete.parquet"), Fault(status=500)),
        (_is("GET", "/ducklake-"), Fault(silent_after_bytes=250)),
    ],
    ids=["all fail", "all silent", "rows fail", "rows silent", "deletes fail", "reads stall"],
)
def test_a_write_that_meets_a_fault_changes_nothing_and_the_next_one_repairs(
    wire: Wire, s3_settings: Settings, of: Callable[[str, str], bool], fault: Fault
) -> None:
    one, two = session_rows("lab-1", 1), session_rows("lab-2", 2)
    with open_lake(s3_settings) as lake:
        # In one commit, so that one is deleted from files that hold the other one too.
        lake.replace(
            {table: pa.concat_tables([one[table], two[table]]) for table in one},
            traces=[session_traces("lab-1", 1), session_traces("lab-2", 2)],
            message="two sessions",
        )
        before = lake.snapshot_id
        wire.fault = lambda method, target: fault if of(method, target) else None
        began = time.monotonic()
        with pytest.raises(StoreFailed, match=f"{s3_settings.data_address} .NEUROLAKE_DATA") as raised:
            write_session(lake, "lab-1", 7)
        seconds = time.monotonic() - began
        wire.fault = lambda method, target: None
        # All attempts and the waits between them, for a file and for what is deleted after it failed.
        assert seconds < 2 * ATTEMPTS * (s3_settings.s3_timeout_s + 10)
        assert SECRET not in str(raised.value)
        assert lake.snapshot_id == before
        assert whole_sessions(lake) == {"lab-1": 1, "lab-2": 2}
        write_session(lake, "lab-1", 7)
        assert whole_sessions(lake) == {"lab-1": 7, "lab-2": 2}


def test_a_file_of_which_a_part_can_not_be_sent_is_not_there(wire: Wire, s3_settings: Settings, s3: S3Server) -> None:
    large = TraceMatrix("a", "dff", np.arange(2), np.zeros((2, 2_500_000), np.float32))
    with open_lake(s3_settings) as lake:
        wire.fault = lambda method, target: Fault(status=500) if "partNumber=2" in target else None
        with pytest.raises(StoreFailed, match="NEUROLAKE_DATA"):
            lake.replace({}, traces=[large], message="large")
    assert s3.objects() == {}
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=s3.bucket)


def test_passing_faults_and_a_slow_server_are_sat_out(wire: Wire, s3_settings: Settings) -> None:
    with open_lake(s3_settings) as lake:
        for version, (part, fault) in enumerate(
            [("/traces/", Fault(status=500)), ("/ducklake-", Fault(status=500)), ("/ducklake-", Fault(silent=True))], 1
        ):
            wire.fault = first(ATTEMPTS - 1, _is("PUT", part), fault)
            write_session(lake, "lab-1", version)
            assert whole_sessions(lake) == {"lab-1": version}
        wire.fault = lambda method, target: Fault(delay_s=0.2)
        write_session(lake, "lab-1", 7)
        assert set(lake.traces("lab-1").values.ravel()) == {7.0}


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(silent=True), Fault(silent_after_bytes=1000)])
def test_a_reader_that_meets_a_fault_says_so_and_reads_on_afterwards(
    wire: Wire,
    s3_settings: Settings,
    fault: Fault,
    rng: np.random.Generator,
) -> None:
    values = rng.standard_normal((4, 1000), dtype=np.float32)
    with open_lake(s3_settings) as lake:
        lake.replace({}, traces=[TraceMatrix("a", "dff", np.arange(4), values)], message="a")
        wire.fault = lambda method, target: fault
        with pytest.raises(StoreFailed, match="NEUROLAKE_DATA"):
            lake.traces("a")
        wire.fault = first(ATTEMPTS - 1, lambda method, target: True, fault)
        np.testing.assert_array_equal(lake.traces("a").values, values)


def test_a_writer_killed_while_it_sends_leaves_the_lake_whole(
    wire: Wire,
    s3_settings: Settings,
    s3: S3Server,
) -> None:
    with open_lake(s3_settings) as lake:
        write_session(lake, "lab-1", 1)
    there = s3.objects()
    wire.fault = lambda method, target: Fault(silent=True) if "partNumber=2" in target else None
    process = _start(s3_settings, "large_session_writer.py")
    while not any("partNumber=1" in request for request in wire.requests):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wire.fault = lambda method, target: None
    assert s3.objects() == there
    assert list((s3_settings.cache_folder / "sending").iterdir()) == []
    with open_lake(s3_settings) as lake:
        assert whole_sessions(lake) == {"lab-1": 1}
        write_session(lake, "lab-1", 2)
        assert whole_sessions(lake) == {"lab-1": 2}


def test_processes_that_share_only_postgres_and_s3_write_the_same_lake(
    s3_settings: Settings,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    catalog = request.getfixturevalue("postgres_settings").catalog
    writers = []
    for number in (1, 2):
        home = tmp_path / f"machine {number}"
        home.mkdir()
        settings = s3_settings.model_copy(update={"home": home, "catalog": catalog, "s3_timeout_s": 30})
        writers.append(_start(settings, "writer_process.py", "commits", number, 4, cwd=home))
    assert [json.loads(writer.stdout.readline()) for writer in writers] == ["ready", "ready"]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    told = [json.loads(line) for writer in writers for line in writer.communicate(timeout=200)[0].splitlines()]
    last = {session: version for snapshot, session, version in sorted((n, s, v) for s, v, n in told)}
    assert len(told) == 8
    third = s3_settings.model_copy(update={"home": tmp_path / "machine 3", "catalog": catalog})
    with open_lake(third, read_only=True) as lake:
        assert whole_sessions(lake) == last
    with open_lake(third) as lake:
        write_session(lake, "shared-1", 5)
        assert whole_sessions(lake) == last | {"shared-1": 5}


def _start(settings: Settings, program: str, *arguments: object, cwd: Path | None = None) -> subprocess.Popen:
    environment = os.environ | {
        "PYTHONPATH": str(HERE.parents[1]),
        "NEUROLAKE_HOME": str(settings.home),
        "NEUROLAKE_DATA": settings.data_address,
        "NEUROLAKE_CATALOG": settings.catalog,
        "NEUROLAKE_THREADS": "1",
        "NEUROLAKE_S3_TIMEOUT_S": str(settings.s3_timeout_s),
    }
    command = [sys.executable, str(HERE / program), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
