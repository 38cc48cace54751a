"""Sessions from a local warehouse, through the AllenSDK's own queries."""

import os
from pathlib import Path

import pytest
from allensdk.brain_observatory.ecephys.ecephys_session import EcephysSession
from breaking_proxy import Fault
from planted_warehouse import PLANTED

from storage.resumable_download import DownloadFailed
from tasks.allen_choice import AllenChoice, Fetched, FoundSessions
from tasks.fetch_neuropixels import fetch_session, find_sessions

SST, WILD = (planted.ecephys_session_id for planted in PLANTED)
DOWNLOAD = "well_known_file_download"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "neuropixels"
    folder.mkdir()
    return folder


@pytest.fixture
def find(warehouse, folder):
    def find(**criteria) -> FoundSessions:
        choice = AllenChoice(cache="neuropixels", warehouse=warehouse.address, **criteria)
        return find_sessions.fn(choice, folder)

    return find


@pytest.fixture
def fetch(warehouse, find):
    def fetch(number: int, **criteria) -> Fetched:
        (session,) = find(session_ids=(number,)).sessions
        choice = AllenChoice(cache="neuropixels", warehouse=warehouse.address, **criteria)
        return fetch_session.fn(session, choice)

    return fetch


def test_the_sdk_reads_the_fetched_file_as_its_own(warehouse, fetch):
    fetched = fetch(SST)
    assert fetched.path.read_bytes() == warehouse.files[SST].read_bytes()
    assert EcephysSession.from_nwb_path(str(fetched.path)).ecephys_session_id == SST


def test_what_is_here_is_not_downloaded_again(warehouse, find, fetch):
    fetch(SST)
    warehouse.proxy.forget()
    assert find(session_ids=(SST,)).sessions[0].is_here
    assert fetch(SST).was_here
    assert warehouse.proxy.passed == []


def test_criteria_are_those_of_the_session_table(find):
    assert [one.session_id for one in find().sessions] == [str(SST), str(WILD)]
    assert [one.session_id for one in find(cre_lines=("Sst-IRES-Cre",)).sessions] == [str(SST)]
    assert [one.session_id for one in find(cre_lines=("wt",)).sessions] == [str(WILD)]
    assert [one.session_id for one in find(projects=("functional_connectivity",)).sessions] == [str(WILD)]
    assert [one.session_id for one in find(structures=("LGd", "VISl")).sessions] == [str(WILD)]


def test_a_value_that_does_not_exist_is_refused_with_those_that_do(find):
    with pytest.raises(ValueError, match="structures: no session has V1; there are CA1, LGd, VISl, VISp"):
        find(structures=("V1",))


def test_a_broken_connection_goes_on_where_it_broke(warehouse, fetch):
    warehouse.proxy.faults.append(Fault(DOWNLOAD, cut_after=500_000))
    fetched = fetch(SST)
    assert fetched.path.read_bytes() == warehouse.files[SST].read_bytes()
    first, second = warehouse.proxy.downloads(DOWNLOAD)
    assert 0 < int(second.range.removeprefix("bytes=").removesuffix("-")) <= first.bytes
    assert second.status == 206


def test_a_part_of_another_version_is_not_gone_on_with(warehouse, find, fetch):
    (session,) = find(session_ids=(SST,)).sessions
    part = session.path.with_name(session.path.name + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"from a file that was replaced since")
    part.with_name(part.name + ".version").write_text('"another version"')
    assert fetch(SST).path.read_bytes() == warehouse.files[SST].read_bytes()
    assert [one.status for one in warehouse.proxy.downloads(DOWNLOAD)] == [200]
    assert [file.name for file in session.path.parent.iterdir()] == [session.path.name]


def test_a_server_that_names_no_version_is_gone_on_with(warehouse, fetch, monkeypatch):
    monkeypatch.setattr(warehouse, "says_version", False)
    warehouse.proxy.faults.append(Fault(DOWNLOAD, cut_after=500_000))
    assert fetch(SST).path.read_bytes() == warehouse.files[SST].read_bytes()
    assert [one.status for one in warehouse.proxy.downloads(DOWNLOAD)] == [200, 206]


def test_a_server_that_cannot_skip_is_asked_for_all_of_it(warehouse, fetch, monkeypatch):
    monkeypatch.setattr(warehouse, "skips", False)
    warehouse.proxy.faults.append(Fault(DOWNLOAD, cut_after=500_000))
    assert fetch(SST).path.read_bytes() == warehouse.files[SST].read_bytes()
    assert [one.status for one in warehouse.proxy.downloads(DOWNLOAD)] == [200, 200]


def test_without_a_length_hdf5_itself_says_what_is_missing(warehouse, fetch, monkeypatch):
    monkeypatch.setattr(warehouse, "says_length", False)
    warehouse.proxy.faults.append(Fault(DOWNLOAD, cut_after=500_000))
    assert fetch(SST).path.read_bytes() == warehouse.files[SST].read_bytes()


def test_a_part_that_is_whole_needs_no_byte(warehouse, find, fetch):
    (session,) = find(session_ids=(SST,)).sessions
    part = session.path.with_name(session.path.name + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(warehouse.files[SST].read_bytes())
    assert fetch(SST).path.read_bytes() == warehouse.files[SST].read_bytes()
    assert [one.status for one in warehouse.proxy.downloads(DOWNLOAD)] == [416]


def test_a_half_file_is_fetched_anew(warehouse, fetch):
    path = fetch(SST).path
    os.truncate(path, path.stat().st_size // 2)
    assert not fetch(SST).was_here
    assert path.read_bytes() == warehouse.files[SST].read_bytes()


def test_an_error_page_is_not_taken_for_a_file(warehouse, fetch, folder):
    warehouse.proxy.faults.append(Fault(DOWNLOAD, status=404))
    with pytest.raises(DownloadFailed, match="404"):
        fetch(SST)
    assert list(folder.rglob("*.nwb")) == []


def test_retries_are_bounded(warehouse, fetch):
    warehouse.proxy.faults.append(Fault(DOWNLOAD, status=502, times=99))
    with pytest.raises(DownloadFailed, match=r"502.*given up after 6 tries"):
        fetch(SST)
    assert len(warehouse.proxy.downloads(DOWNLOAD)) == 6


def test_a_table_cut_short_is_asked_for_again(warehouse, find, folder):
    before = find()
    units = folder / "units.csv"
    units.write_text("".join(units.read_text().splitlines(keepends=True)[:10]))
    assert find() == before
    assert any("EcephysUnit" in one.path for one in warehouse.proxy.passed)


def test_a_warehouse_that_is_not_there_is_said_to_be_so(find, monkeypatch, folder):
    choice = AllenChoice(cache="neuropixels", warehouse="http://127.0.0.1:9")
    with pytest.raises(DownloadFailed, match="the warehouse: "):
        find_sessions.fn(choice, folder)
