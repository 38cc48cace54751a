"""A day's folder: small sessions, ten of them broken, go through one night and are mended in the next.

Forty of them in `make test`, two hundred in `make platformtest`.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storage.lake import Lake, open_lake
from storage.settings import Settings

pytestmark = pytest.mark.xdist_group("nights")

UNITS, FRAMES = 4, 60
DESCRIPTION = (
    "format: matrix\nmatrix: {name}.csv\norientation: cells_by_frames\nrate_hz: 20\nsignal: fluorescence\n"
    "subject: m{mouse}\nevents:\n  file: {name}.log.csv\n  time_column: time\n  event_column: event\n"
    "  time_unit: s\n  clock: frames\n"
)


def write_session(folder: Path, number: int) -> Path:
    """A matrix, an event log and the YAML that describes them; returns the YAML."""
    name = f"session{number:03d}"
    values = np.random.default_rng(number).normal(size=(UNITS, FRAMES)).round(4)
    np.savetxt(folder / f"{name}.csv", values, fmt="%.4f", delimiter=",")
    (folder / f"{name}.log.csv").write_text("time,event\n0.5,LICK\n1.25,REWARD\n2.0,LICK\n")
    described = folder / f"{name}.yaml"
    described.write_text(DESCRIPTION.format(name=name, mouse=number % 10))
    return described


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


# Each broken session: what is done to the file with that ending, and a word of the reason.
BREAKS: list[tuple[str, Callable[[Path], object], str]] = [
    (".yaml", lambda file: change(file, "rate_hz: 20", "rate_hz: -20"), "rate_hz"),
    (".yaml", lambda file: change(file, "orientation", "orientaton"), "orientaton"),
    (".yaml", lambda file: change(file, "subject: m", "subject: [m"), "line 7"),
    (".yaml", lambda file: change(file, "matrix: session", "matrix: ../session"), "matrix"),
    (".csv", lambda file: file.write_text(file.read_text().rsplit(",", 5)[0] + "\n"), "line 4"),
    (".csv", lambda file: change(file, "\n", ",one\n"), "61, as in the first row"),
    (".csv", lambda file: file.write_bytes(b""), "no row"),
    (".csv", lambda file: file.unlink(), "csv"),
    (".log.csv", lambda file: change(file, "2.0,", "1.0,"), "line 4"),
    (".log.csv", lambda file: change(file, "time,", "when,"), "time"),
]


def night(folder: Path, home: Path) -> tuple[str, str]:
    command = [sys.executable, "-m", "flows.watch", "--sources", str(folder)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NEUROLAKE_", "PREFECT_"))}
    environment |= {"NEUROLAKE_HOME": str(home), "NEUROLAKE_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def read_since(lake: Lake, snapshot: int) -> int:
    """How many recordings were read, for good or ill, after that snapshot."""
    messages = lake.snapshots().filter(lake.snapshots()["snapshot_id"] > snapshot)["commit_message"]
    return messages.str.contains("^(ingest|refuse) ").sum()


@pytest.mark.parametrize("sessions", [40, pytest.param(200, marks=pytest.mark.platform)])
def test_a_folder_of_sessions_ten_of_them_broken(sessions: int, tmp_path: Path):
    good = sessions - len(BREAKS)
    folder, home = tmp_path / "2026-11-21", tmp_path / "home"
    folder.mkdir()
    described = [write_session(folder, number) for number in range(sessions)]
    broken = dict(zip(described[:: sessions // len(BREAKS)], BREAKS, strict=True))
    whole = {file: file.read_bytes() for file in folder.iterdir()}
    for path, (ending, damage, _) in broken.items():
        damage(path.with_suffix(ending))

    out, err = night(folder, home)
    assert f"{good} sessions in, 10 rejected" in out
    assert f"{sessions}/{sessions}" in err  # the progress bar's last word
    settings = Settings(home=home, threads=1)
    with open_lake(settings, read_only=True) as lake:
        first = lake.snapshot_id
        assert read_since(lake, 0) == sessions
        rows = lake.query("SELECT count(*), sum(unit_count), sum(frame_count) FROM recorded.sessions").row(0)
        assert rows == (good, good * UNITS, good * FRAMES)
        assert lake.query("SELECT count(*) FROM recorded.traces").item() == good * UNITS * FRAMES
        assert lake.query("SELECT count(*) FROM recorded.events").item() == good * 3
        reasons = lake.query(
            "SELECT source_uri, field || ' ' || found || ' ' || expected AS reason FROM recorded.rejected"
        )
        by_file = {Path(row["source_uri"]): row["reason"] for row in reasons.iter_rows(named=True)}
        assert set(by_file) == set(broken)
        for path, (_, _, word) in broken.items():
            assert word in by_file[path], f"{path.name}: {by_file[path]}"

    for file, content in whole.items():
        if not file.exists() or file.read_bytes() != content:
            file.write_bytes(content)
    out, err = night(folder, home)
    assert "10 sessions in, none rejected" in out
    with open_lake(settings, read_only=True) as lake:
        assert read_since(lake, first) == len(broken)
        assert lake.query("SELECT count(*) FROM recorded.sessions").item() == sessions
        assert lake.query("FROM recorded.rejected").is_empty()
        second = lake.snapshot_id

    out, _ = night(folder, home)
    assert f"nothing new: {sessions} files, all known" in out
    with open_lake(settings, read_only=True) as lake:
        assert lake.snapshot_id == second
