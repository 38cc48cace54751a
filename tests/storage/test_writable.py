"""A lake where nothing can be written: a writer is told which folder and which setting; a reader reads."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.lake import open_lake
from storage.settings import Settings
from storage.writable import LakeNotWritable
from tests.storage.writer_process import write_session


@pytest.fixture
def settings_for_all() -> Iterator[Settings]:
    """Settings of an empty lake in a folder that another user may look into, as pytest's own may not."""
    folder = Path(tempfile.mkdtemp(prefix="lake-"))
    folder.chmod(0o755)
    yield Settings(home=folder / "home", threads=1)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


_GUEST = """
import os, sys
from storage.lake import open_lake
from storage.settings import Settings
READ = "print(lake.query('FROM recorded.units').height, lake.traces('a').values[0, 0])"
with open_lake(read_only=True) as lake:
    exec(READ)  # what is imported late is there now: a guest may not see the folder of Python itself
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
settings = Settings(home=sys.argv[1], threads=1)
"""


def _as_a_guest(lake: Settings, statements: str, home: Path | None = None) -> subprocess.CompletedProcess:
    """Run statements on `settings` of the lake, or of another home; root, whom no mode stops, becomes a guest first."""
    with tempfile.TemporaryDirectory(prefix="guest-") as own:  # where DuckDB's extensions go
        Path(own).chmod(0o755)
        return subprocess.run(
            [sys.executable, "-c", _GUEST + statements, str(home or lake.home)],
            env=os.environ | {"NEUROLAKE_HOME": str(lake.home), "NEUROLAKE_THREADS": "1", "HOME": own},
            capture_output=True,
            text=True,
            check=False,
        )


def _lock(settings: Settings) -> None:
    for path in (settings.home, *settings.home.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def test_a_read_only_lake_is_read_and_a_writer_is_told_which_setting_to_change(settings_for_all: Settings) -> None:
    with open_lake(settings_for_all) as lake:
        write_session(lake, "a", 1)
    _lock(settings_for_all)
    kept = {path: path.stat().st_mtime_ns for path in settings_for_all.home.rglob("*")}

    written = _as_a_guest(settings_for_all, "open_lake(settings)")
    assert written.returncode == 1
    assert f"LakeNotWritable: {settings_for_all.home / 'lake'} is not writable" in written.stderr
    assert "NEUROLAKE_HOME says where the lake is" in written.stderr

    read = _as_a_guest(settings_for_all, "lake = open_lake(settings, read_only=True)\nexec(READ)")
    assert read.stdout.splitlines()[-1:] == ["3 1.0"], read.stderr
    assert {path: path.stat().st_mtime_ns for path in settings_for_all.home.rglob("*")} == kept


def test_files_of_someone_else_and_a_home_that_can_not_be_made_are_named(settings_for_all: Settings) -> None:
    with open_lake(settings_for_all) as lake:
        write_session(lake, "a", 1)
    for folder in (settings_for_all.home, *settings_for_all.home.rglob("*")):
        folder.chmod(0o777 if folder.is_dir() else 0o444)
    written = _as_a_guest(settings_for_all, "open_lake(settings)")
    assert f"{settings_for_all.catalog_file} is not writable" in written.stderr

    settings_for_all.home.parent.chmod(0o555)
    elsewhere = settings_for_all.home.parent / "new"
    made = _as_a_guest(settings_for_all, "open_lake(settings)", elsewhere)
    assert f"{elsewhere / 'lake'} is not writable (Permission denied); NEUROLAKE_HOME" in made.stderr


def test_a_data_folder_apart_is_named_with_its_own_setting(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(LakeNotWritable, match="NEUROLAKE_DATA says where"):
        open_lake(settings.model_copy(update={"data": str(file / "data")}))
