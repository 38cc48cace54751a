"""Experiments from an S3 server laid out as the real bucket, through the AllenSDK's own client."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from allensdk.brain_observatory.behavior.behavior_ophys_experiment import BehaviorOphysExperiment
from allensdk.brain_observatory.behavior.behavior_project_cache import VisualBehaviorOphysProjectCache
from breaking_proxy import Fault
from planted_bucket import PLANTED_IDS

from storage.resumable_download import DownloadFailed
from tasks.allen_choice import AllenChoice, AllenSession, Fetched
from tasks.fetch_visual_behavior import fetch_experiment, find_experiments

SST, VIP, SLC = PLANTED_IDS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "visual_behavior"


def find(folder: Path, **criteria) -> list[AllenSession]:
    return list(find_experiments.fn(AllenChoice(**criteria), folder).sessions)


def fetch(folder: Path, number: int, **criteria) -> Fetched:
    choice = AllenChoice(session_ids=(number,), **criteria)
    (session,) = find_experiments.fn(choice, folder).sessions
    return fetch_experiment.fn(session, choice)


def same_bytes(one: Path, other: Path) -> bool:
    return hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()


def test_the_sdk_reads_the_fetched_file_as_its_own(s3, folder):
    fetched = fetch(folder, SST)
    assert same_bytes(fetched.path, s3.files[SST])
    assert fetched.path.relative_to(folder).parts[:2] == ("visual-behavior-ophys-1.1.0", "behavior_ophys_experiments")
    shown = BehaviorOphysExperiment.from_nwb_path(str(fetched.path))
    assert shown.metadata["ophys_experiment_id"] == SST
    assert shown.metadata["cre_line"] == "Sst-IRES-Cre"
    # And a person who opens the folder with the plain SDK is served from it.
    project = VisualBehaviorOphysProjectCache.from_local_cache(folder)
    again = project.get_behavior_ophys_experiment(SST)
    np.testing.assert_array_equal(np.stack(again.dff_traces["dff"]), np.stack(shown.dff_traces["dff"]))


def test_what_is_here_is_not_downloaded_again(s3, folder):
    fetch(folder, VIP)
    s3.proxy.forget()
    again = fetch(folder, VIP)
    assert again.was_here
    assert s3.proxy.downloads(".nwb") == s3.proxy.downloads(".csv") == s3.proxy.downloads("manifest_v") == []


def test_criteria_are_those_of_the_real_table(s3, folder):
    found = find(folder, cre_lines=("Vip-IRES-Cre",), behavior="passive", projects=("VisualBehavior",))
    assert VIP in [int(session.session_id) for session in found]
    assert all("Vip-IRES-Cre" in session.about and "passive" in session.about for session in found)
    planes = find(folder, session_ids=(951410079,))
    assert str(SST) in [session.session_id for session in planes]
    assert len(planes) == 7
    assert [session.session_id for session in find(folder, max_sessions=1)] == [str(SLC)]


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ({"cre_lines": ("Vip",)}, "Slc17a7-IRES2-Cre, Sst-IRES-Cre, Vip-IRES-Cre"),
        ({"structures": ("V1", "VISp")}, "no experiment has V1; there are VISal, VISam, VISl, VISp"),
        ({"session_ids": (5,)}, "no experiment has 5"),
        ({"release": "9.9.9"}, "expected one of 1.0.1, 1.1.0"),
    ],
)
def test_a_value_that_does_not_exist_is_refused_with_those_that_do(s3, folder, criteria, said):
    with pytest.raises(ValueError, match=said):
        find(folder, **criteria)


def test_criteria_that_exclude_each_other_say_what_is_left(s3, folder):
    with pytest.raises(ValueError, match="with the rest there are VISp") as refused:
        find(folder, structures=("VISam",), projects=("VisualBehavior",))
    assert "structures VISam: 140 by itself" in str(refused.value)


def test_a_broken_connection_goes_on_where_it_broke(s3, folder):
    cut = 2_000_000
    s3.proxy.faults.append(Fault(s3.file_name(SST), cut_after=cut))
    fetched = fetch(folder, SST)
    _, second = s3.proxy.downloads(s3.file_name(SST))
    kept = int(second.range.removeprefix("bytes=").removesuffix("-"))
    assert 0 < kept <= cut
    assert second.bytes == fetched.bytes - kept
    assert same_bytes(fetched.path, s3.files[SST])


def test_a_half_file_that_the_plain_sdk_took_for_whole_is_fetched_anew(s3, folder):
    path = fetch(folder, SST).path
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(OSError, match="truncated"):
        VisualBehaviorOphysProjectCache.from_s3_cache(folder).get_behavior_ophys_experiment(SST)
    assert not fetch(folder, SST).was_here
    assert same_bytes(path, s3.files[SST])


def test_a_bent_byte_is_noticed_and_fetched_anew(s3, folder):
    s3.proxy.faults.append(Fault(s3.file_name(SST), bend=True))
    path = fetch(folder, SST).path
    assert same_bytes(path, s3.files[SST])
    assert len(s3.proxy.downloads(s3.file_name(SST))) == 2


def test_bytes_that_rotted_without_a_trace_are_noticed_on_demand(s3, folder):
    path = fetch(folder, SST).path
    before = path.stat()
    with open(path, "r+b") as file:
        file.seek(5000)
        file.write(b"rotten")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert fetch(folder, SST).was_here
    assert not fetch(folder, SST, verify_all=True).was_here
    assert same_bytes(path, s3.files[SST])


def test_retries_are_bounded(s3, folder):
    s3.proxy.faults.append(Fault(s3.file_name(SST), status=503, times=99))
    with pytest.raises(DownloadFailed, match=r"503.*given up after 6 tries"):
        fetch(folder, SST)
    assert len(s3.proxy.downloads(s3.file_name(SST))) == 6


def test_torn_tables_and_manifests_are_fetched_anew(s3, folder):
    sessions = find(folder)
    for torn in (*folder.glob("*/project_metadata/*.csv"), *folder.glob("*.json"), *folder.glob("*.txt")):
        os.truncate(torn, torn.stat().st_size // 2)
    assert find(folder) == sessions


def test_another_release_shares_files_that_did_not_change(s3, folder):
    old = fetch(folder, SST, release="1.0.1")
    found = find_experiments.fn(AllenChoice(session_ids=(SST,)), folder)
    assert found.note == "release 1.0.1 is used, release 1.1.0 is out"
    s3.proxy.forget()
    new = fetch(folder, SST, release="1.1.0")
    assert s3.proxy.downloads(".nwb") == []
    assert new.path.resolve() == old.path.resolve()


def test_a_killed_download_is_completed_by_the_next_run(s3, folder):
    stalled = 3_000_000
    s3.proxy.faults.append(Fault(s3.file_name(SST), stall_after=stalled))
    command = (
        "import sys, pathlib; from tasks.allen_choice import AllenChoice;"
        "from tasks.fetch_visual_behavior import *; folder = pathlib.Path(sys.argv[1]);"
        f"choice = AllenChoice(session_ids=({SST},));"
        "fetch_experiment.fn(find_experiments.fn(choice, folder).sessions[0], choice)"
    )
    with subprocess.Popen([sys.executable, "-c", command, str(folder)], start_new_session=True) as running:
        part = folder / "visual-behavior-ophys-1.1.0/behavior_ophys_experiments" / (s3.file_name(SST) + ".part")
        while not (part.exists() and part.stat().st_size > 1_000_000):
            assert running.poll() is None
            threading.Event().wait(0.1)
        os.killpg(running.pid, signal.SIGKILL)
    s3.proxy.released.set()
    kept = part.stat().st_size
    fetched = fetch(folder, SST)
    assert s3.proxy.downloads(s3.file_name(SST))[-1].range == f"bytes={kept}-"
    assert same_bytes(fetched.path, s3.files[SST])
    assert not part.exists()
