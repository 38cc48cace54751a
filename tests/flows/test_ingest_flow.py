"""One folder in now: the reading step alone, as a real Prefect run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness
from pydantic import ValidationError

from flows.ingest import IngestChoice, ingest
from storage.check import run_checks
from storage.lake import open_lake
from tests.flows.test_day_folder import write_session

pytestmark = pytest.mark.xdist_group("nights")


@pytest.fixture(scope="module")
def _prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=240):
        yield


def test_a_relative_path_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValidationError, match=r"absolute path .* got 'day'"):
        IngestChoice(sources="day")


@pytest.mark.usefixtures("_prefect_server")
def test_a_folder_goes_in_and_nothing_is_computed(tmp_path: Path) -> None:
    folder = tmp_path / "2026-11-21"
    folder.mkdir()
    described = [write_session(folder, number) for number in range(3)]
    described[1].with_suffix(".csv").write_bytes(b"")

    summary = ingest(IngestChoice(sources=str(folder)))
    assert (summary.session_count, summary.rejected_count, summary.failures) == (2, 1, ())
    with open_lake(read_only=True) as lake:
        uris = lake.query("SELECT source_uri FROM recorded.sessions ORDER BY 1")["source_uri"].to_list()
        assert uris == [str(described[0]), str(described[2])]
        assert lake.query("FROM findings.studies").is_empty()
        assert [result.name for result in run_checks(lake) if len(result.offending)] == []
        before = lake.snapshot_id
    with get_client(sync_client=True) as client:
        left = {artifact.key: artifact.data for artifact in client.read_artifacts()}
    assert "2 sessions in, 1 rejected (session001.yaml" in left["ingest"]
    assert [row["outcome"] for row in json.loads(left["recordings"])] == ["refused", "in", "in"]

    again = ingest(IngestChoice(sources=str(folder)))
    assert (again.session_count, again.rejected_count) == (0, 0)
    with open_lake(read_only=True) as lake:
        assert lake.snapshot_id == before


@pytest.mark.usefixtures("_prefect_server")
def test_a_path_that_leads_to_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing at .*2026-11-31"):
        ingest(IngestChoice(sources=str(tmp_path / "2026-11-31")))
