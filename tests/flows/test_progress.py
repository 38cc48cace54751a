"""Progress of a step on its run's page in Prefect, and what becomes of items that fail."""

import time
from collections.abc import Callable, Iterator

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness

from flows import progress_page
from flows.progress import StepProgress

pytestmark = pytest.mark.xdist_group("nights")


@pytest.fixture(scope="module", autouse=True)
def _prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=240):
        yield


@task
def halve(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


@task
def in_parts(number: int, advance: Callable[[str], None]) -> int:
    for part in ("first", "second"):
        time.sleep(0.3)
        advance(part)
    return number


@flow
def counted() -> tuple[list[int], list[int], list[str]]:
    with StepProgress() as steps:
        at_once = steps.each("halves", halve, [4, 5, 6], name=str)
        slow = steps.each("slow ones", in_parts, [1, 2], name=str, parts=2)
    return at_once, slow, steps.failures


def test_a_failing_item_is_named_and_a_slow_step_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_page, "_EVERY_S", 0.2)
    at_once, slow, failures = counted()
    assert (at_once, slow) == ([2, 3], [1, 2])
    assert len(failures) == 1
    assert failures[0].startswith("halves, 5: ")
    assert "5 is odd" in failures[0]
    with get_client(sync_client=True) as client:
        left = {artifact.key: artifact for artifact in client.read_artifacts()}
    assert left["progress-slow-ones"].data == 100
    assert left["progress-slow-ones"].description == "slow ones: 2 of 2 done"
    assert left["progress-slow-ones"].flow_run_id is not None


def test_a_step_outside_of_a_flow_run_leaves_no_page() -> None:
    with get_client(sync_client=True) as client:
        before = len(client.read_artifacts())
        page = progress_page.StepPage("alone")
        page._next_s = 0.0
        page.show(0.5, "half")
        page.close("done")
        assert len(client.read_artifacts()) == before
