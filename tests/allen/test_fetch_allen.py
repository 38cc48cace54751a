"""The command as a person runs it: a real Prefect run, files in the folder, sources.yaml for the main environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from planted_bucket import PLANTED_IDS
from planted_warehouse import PLANTED

from flows.fetch import main

SST, VIP, SLC = PLANTED_IDS
ABSENT = 788490510  # in the table and the manifest, but not in the bucket


@pytest.fixture
def home() -> Path:
    return Path(os.environ["NEUROLAKE_HOME"])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """The command line in this process, for what ends before Prefect is started."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["fetch_allen", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        status = main()
        return status, capsys.readouterr().out

    return run


def sources_of(home: Path) -> list[dict]:
    return yaml.safe_load((home / "allen" / "sources.yaml").read_text())["sources"]


def test_two_sessions_come_one_fails_and_the_rest_is_said(s3, home, run):
    command = [sys.executable, "-m", "flows.fetch_allen", "--session", str(SST), "--session", str(VIP)]
    done = subprocess.run([*command, "--session", str(ABSENT)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 sessions fetched (")
    assert lines[1].startswith(f"failed   {ABSENT}: ")
    assert "404" in lines[1]
    assert lines[-1] == f"read     make nightly SOURCES={home / 'allen' / 'sources.yaml'}"
    assert f"{SST}  Sst-IRES-Cre VISp OPHYS_1_images_A, Familiar: fetched" in done.stderr
    (source,) = sources_of(home)
    assert source == {
        "name": "allen_vb",
        "paths": ["visual_behavior/visual-behavior-ophys-1.1.0/behavior_ophys_experiments/*.nwb"],
        "reader": "allen_visual_behavior",
    }
    named = {path.name for path in (home / "allen").glob(source["paths"][0])}
    assert named == {s3.file_name(SST), s3.file_name(VIP)}
    s3.proxy.forget()
    status, said = run("--session", str(SST), "--session", str(VIP))
    assert (status, s3.proxy.downloads(".nwb")) == (0, [])
    assert said.startswith("nothing to fetch: all 2 sessions are here\nread     make nightly SOURCES=")


def test_both_collections_stand_in_one_list_of_sources(s3, warehouse, home, run):
    from storage.settings import Settings
    from tasks.allen_choice import AllenChoice
    from tasks.allen_collections import COLLECTIONS, folder_of, hand_over

    settings = Settings()
    for choice in (
        AllenChoice(session_ids=(SLC,)),
        AllenChoice(cache="neuropixels", warehouse=warehouse.address),
    ):
        collection, folder = COLLECTIONS[choice.cache], folder_of(choice, settings)
        folder.mkdir(parents=True)
        found = collection.find.fn(choice, folder)
        files = [collection.fetch.fn(session, choice).path for session in found.sessions]
        hand_over(choice, files, settings)
    neuropixels = sources_of(home)[1]
    assert neuropixels == {
        "name": "allen_vc_neuropixels",
        "paths": ["neuropixels/session_*/session_*.nwb"],
        "reader": "allen_neuropixels",
    }
    assert len(list((home / "allen").glob(neuropixels["paths"][0]))) == len(PLANTED)
