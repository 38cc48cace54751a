"""A platform that is up and has had a night, and a browser to look at it with."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from samples.write_sessions import write_sessions
from tests.flows.running_platform import completed_run, everything, run_deployment
from tests.platform.browsing import Browsing, browsing
from tests.platform.lab import ENDED_WITHIN_S, PLAN, Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`make up` over eight sessions of a lab; its first night has been run on the worker."""
    folder = tmp_path_factory.mktemp("lab")
    recordings, home = folder / "lab", folder / "home"
    write_sessions(PLAN, recordings)
    with everything(home, recordings) as environment:
        run = run_deployment(environment, "nightly/nightly")
        completed_run(environment, run["id"], within_s=ENDED_WITHIN_S)
        yield Lab(recordings, home, environment)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsing]:
    """Chromium without a window. Its screenshots go to the folder named by SCREENSHOTS, or to pytest's own."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("there is no Chromium on this machine")
    named = os.environ.get("SCREENSHOTS")
    with browsing(executable, Path(named) if named else tmp_path_factory.mktemp("screenshots")) as opened:
        yield opened
