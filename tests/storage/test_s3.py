"""The lake with its data on S3: all that it does in a folder, for whom, and what is said of wrong settings."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import polars as pl
import pytest

import storage.write
from storage.ask import NotAQuestion, ask
from storage.attach import connect
from storage.check import all_checks, run_check
from storage.lake import Lake, open_lake
from storage.object_store import StoreFailed, open_store
from storage.row_files import RowBlocks
from storage.settings import Settings
from storage.shell import start_script
from storage.tables import EVENTS, SPIKES
from storage.traces import TraceMatrix, read_trace_files
from tests.storage.postgres_server import postgres_address, postgres_settings  # noqa: F401 (fixtures)
from tests.storage.s3_server import (  # noqa: F401 (some are fixtures)
    SECRET,
    S3Server,
    Wire,
    _s3_port,
    s3_fixture,
    s3_settings_fixture,
    wire_fixture,
)
from tests.storage.writer_process import whole_sessions, write_session

HERE = Path(__file__).parent
pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
def s3_lake(s3_settings: Settings) -> Iterator[Lake]:
    with open_lake(s3_settings) as opened:
        yield opened


def _by_both_roads(lake: Lake, session_id: str, **chosen: object) -> np.ndarray:
    direct = read_trace_files(lake._trace_files(session_id, "dff"), store=open_store(lake.settings), **chosen)
    by_sql = lake._traces_by_sql(session_id, "dff", chosen.get("frames", slice(None)), chosen.get("units"))
    for one, other in zip(direct, by_sql, strict=True):
        np.testing.assert_array_equal(one, other)
    return direct[1]


@pytest.mark.parametrize("catalog", ["sqlite", "postgres"])
def test_a_lake_on_s3_does_what_a_folder_does(
    catalog: str,
    s3_settings: Settings,
    s3: S3Server,
    request: pytest.FixtureRequest,
) -> None:
    if catalog == "postgres":
        address = request.getfixturevalue("postgres_settings").catalog
        s3_settings = s3_settings.model_copy(update={"catalog": address})
    with open_lake(s3_settings) as lake:
        snapshots = {write_session(lake, "lab-1", version): version for version in (1, 2, 3)}
        write_session(lake, "lab-2", 5)
        assert whole_sessions(lake) == {"lab-1": 3, "lab-2": 5}
        assert set(_by_both_roads(lake, "lab-1").ravel()) == {3.0}
        for snapshot, version in snapshots.items():
            assert whole_sessions(lake, snapshot) == {"lab-1": version}
            with open_lake(s3_settings, snapshot=snapshot) as then:
                assert set(_by_both_roads(then, "lab-1").ravel()) == {float(version)}
        lake.query("DELETE FROM recorded.traces WHERE session_id = 'lab-2' AND unit_id = 0")
        assert lake.traces("lab-2").unit_id.tolist() == [1, 2, 3]
        lake.query("INSERT INTO recorded.units BY NAME SELECT 'nowhere' AS session_id, 1 AS unit_id")
    checks = [
        check for check in all_checks() if check.name in ("recorded.units: key", "recorded.units: recorded.sessions")
    ]
    with open_lake(s3_settings, read_only=True) as lake:
        key, parent = (run_check(lake, check).offending for check in checks)
    assert (len(key), parent["session_id"].to_list()) == (0, ["nowhere"])
    assert all(name.startswith("the/lake/") for name in s3.objects())
    assert {file.path for file in open_store(s3_settings).files()} == {
        f"s3://{s3.bucket}/{name}" for name in s3.objects()
    }
    assert not (s3_settings.home / "lake" / "data").exists()


def test_a_part_of_a_large_signal_moves_few_bytes(
    s3_settings: Settings,
    wire: Wire,
    rng: np.random.Generator,
) -> None:
    values = rng.standard_normal((100, 50_000), dtype=np.float32)  # 20 MB: sent in parts
    values[7, 100] = np.nan
    units = rng.permutation(1000)[:100].astype(np.int64)
    in_order = np.argsort(units)
    with open_lake(s3_settings) as lake:
        lake.replace({}, traces=[TraceMatrix("a", "dff", units, values)], message="large")
        assert any("partNumber=2" in request for request in wire.requests)
        np.testing.assert_array_equal(lake.traces("a").values, values[in_order])
        np.testing.assert_array_equal(
            _by_both_roads(lake, "a", frames=slice(90, 110), units=units[[9, 7, 3]].tolist()), values[[9, 7, 3], 90:110]
        )
        wire.answered_bytes = 0
        part = lake.traces("a", frames=slice(40_000, 40_010), units=units[[50, 9]].tolist()).values
        np.testing.assert_array_equal(part, values[[50, 9], 40_000:40_010])
        assert wire.answered_bytes < 300_000  # most of it the footer


def test_rows_that_come_in_blocks_and_in_parts_arrive_whole(
    s3_lake: Lake,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spikes = SPIKES.rows({"session_id": ["a"] * 4 + ["b"] * 4, "unit_id": [1] * 8, "spike": [0, 1, 2, 3] * 2,
                          "time_s": np.arange(8.0)})  # fmt: skip
    monkeypatch.setattr(storage.write, "_BYTES_PER_INSERT", 2_000)
    events = EVENTS.rows([{"session_id": "a", "event_id": n, "kind": "image", "onset_s": float(n), "is_change": False}
                          for n in range(100)])  # fmt: skip
    blocks = [RowBlocks(SPIKES, lambda: iter([spikes.slice(0, 3), spikes.slice(3)]))]
    s3_lake.replace({EVENTS: events}, blocks=blocks, message="blocks")
    found = s3_lake.query("SELECT * FROM recorded.spikes ORDER BY session_id, spike")
    assert found.equals(pl.from_arrow(spikes))
    assert s3_lake.query("SELECT event_id FROM recorded.events ORDER BY 1")["event_id"].to_list() == list(range(100))
    assert len([name for name in s3.objects() if "/events/" in name]) > 2


# Who may ask what.


def test_people_see_the_lake_and_nothing_else_of_s3_or_of_the_machine(
    s3_lake: Lake,
    s3: S3Server,
    tmp_path: Path,
) -> None:
    write_session(s3_lake, "lab-1", 1)
    (tmp_path / "other.csv").write_text("a\n1\n")
    s3.client.put_object(Bucket=s3.bucket, Key="the/lake-of-others/x.csv", Body=b"a\n1\n")
    outside = [f"s3://{s3.bucket}/the/lake-of-others/x.csv", f"{s3.address}/{s3.bucket}/the/lake-of-others/x.csv",
               str(tmp_path / "other.csv")]  # fmt: skip
    with connect(s3_lake.settings, read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM recorded.sessions").fetchall() == [(1,)]
        for place in outside:
            with pytest.raises(Exception, match="file system operations are disabled"):
                connection.execute(f"FROM read_csv('{place}')")
        with pytest.raises(Exception, match="disabled"):
            connection.execute(f"COPY (SELECT 1) TO '{outside[0]}'")
        with pytest.raises(Exception, match="read-only"):
            connection.execute("DELETE FROM recorded.sessions")
        assert SECRET not in str(connection.execute("FROM duckdb_secrets()").fetchall())
    assert ask("SELECT count(*) AS n FROM recorded.traces", s3_lake.settings)["n"].item() == 63
    with pytest.raises(NotAQuestion):
        ask("FROM duckdb_secrets()", s3_lake.settings)


def test_the_shell_answers_and_nothing_that_it_is_started_with_shows_the_secret(
    s3_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_session(s3_lake, "lab-1", 1)
    script, variables = start_script(s3_lake.settings)
    assert SECRET not in script
    assert variables["AWS_SECRET_ACCESS_KEY"] == SECRET
    environment = os.environ | {
        "NEUROLAKE_DATA": s3_lake.settings.data_address,
        "NEUROLAKE_S3_TIMEOUT_S": "5",
        "PYTHONPATH": str(HERE.parents[1]),
    }
    typed = "SELECT 'answer ' || count(*) FROM recorded.traces;\nFROM read_text('/etc/hostname');\n"
    shell = [sys.executable, "-m", "storage.shell"]
    done = subprocess.run(shell, input=typed, env=environment, capture_output=True, text=True, timeout=100)
    assert "answer 63" in done.stdout
    assert "disabled" in done.stderr
    assert SECRET not in done.stdout + done.stderr


# What is wrong with the settings is said, with the address and the variable.


@pytest.mark.parametrize(
    "data", ["s3://", "s3://Lab/x", "s3://lab/../x", "s3://lab/a*", "s3://lab/a'b", "gs://lab", "lab"]
)
def test_an_address_that_is_none_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match="absolute path or s3://bucket/prefix"):
        Settings(data=data)


def test_data_on_s3_have_no_folder() -> None:
    with pytest.raises(ValueError, match="NEUROLAKE_DATA is s3://lab/lake"):
        _ = Settings(data="s3://lab/lake/").data_folder


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"NEUROLAKE_DATA": "s3://no-such-bucket/x"}, "s3://no-such-bucket/x .NEUROLAKE_DATA.* bucket isn't there"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "http://127.0.0.1:9 .AWS_ENDPOINT_URL.*[Cc]ould not connect"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "no credentials; set AWS_ACCESS_KEY_ID"),
    ],
    ids=["bucket", "endpoint", "no credentials"],
)
def test_a_wrong_setting_is_named(
    s3_lake: Lake, wrong: dict[str, str | None], says: str, read_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NEUROLAKE_DATA", s3_lake.settings.data_address)
    monkeypatch.setenv("NEUROLAKE_S3_TIMEOUT_S", "1")
    for name, value in wrong.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    with pytest.raises(StoreFailed, match=says) as raised:
        open_lake(Settings(), read_only=read_only)
    assert SECRET not in str(raised.value)


def test_signatures_are_those_of_the_credentials(
    s3_settings: Settings,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server checks them, as it otherwise doesn't: ours, DuckDB's, and those of a wrong secret."""
    given = {
        "endpoint_url": s3.address,
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
        "region_name": "us-east-1",
    }
    iam = boto3.client("iam", **given)
    iam.create_user(UserName=s3.bucket)
    key = iam.create_access_key(UserName=s3.bucket)["AccessKey"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=s3.bucket, PolicyName="all", PolicyDocument=json.dumps(allowed))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    _check_signatures(s3, "0")
    try:
        with open_lake(s3_settings) as lake:
            write_session(lake, "lab-1", 1)
            assert whole_sessions(lake) == {"lab-1": 1}
            assert set(_by_both_roads(lake, "lab-1").ravel()) == {1.0}
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(StoreFailed, match="403, we may not: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"):
            open_lake(s3_settings, read_only=True)
    finally:
        _check_signatures(s3, "inf")


def _check_signatures(s3: S3Server, after_requests: str) -> None:
    told, plain = after_requests.encode(), {"Content-Type": "text/plain"}
    request = urllib.request.Request(f"{s3.address}/moto-api/reset-auth", told, plain, method="POST")
    urllib.request.urlopen(request).close()
