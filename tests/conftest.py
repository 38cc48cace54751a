"""Fixtures every test may use: a lake of its own, on SQLite or on a real Postgres."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.lake import Lake, open_lake
from storage.settings import Settings

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each file's tests go to one process, so that what its tests share is made once; groups, the longest, go first."""
    groups = {item: [mark.args[0] for mark in item.iter_markers("xdist_group")] for item in items}
    items.sort(key=lambda item: not groups[item])
    for item in items:
        if not groups[item]:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the home of whoever runs it."""
    for variable in [v for v in os.environ if v.startswith("NEUROLAKE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("NEUROLAKE_HOME", str(tmp_path / "home"))


@pytest.fixture
def settings() -> Settings:
    return Settings(threads=2)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with open_lake(settings) as opened:
        yield opened


@pytest.fixture
def recordings() -> Path:
    """The real recordings, which a user of the project does not have."""
    if not RECORDINGS.is_dir():
        pytest.skip("the shared recordings are not on this machine")
    return RECORDINGS
