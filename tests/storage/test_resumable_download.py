"""A download that breaks is kept and goes on; a file counts only when it is whole."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from storage import resumable_download
from storage.resumable_download import DownloadFailed, Interrupted, Opened, bring

CONTENT = bytes(range(256)) * 40


@dataclass
class Server:
    """Serves CONTENT, and breaks after so many bytes as long as there are breaks left."""

    breaks_after: list[int] = field(default_factory=list)
    skips: bool = True
    says_total: bool = True
    starts: list[int] = field(default_factory=list)
    content: bytes = CONTENT

    def open(self, start: int) -> Opened:
        self.starts.append(start)
        start = start if self.skips and start <= len(self.content) else 0
        return Opened(start, len(self.content) if self.says_total else None, self._chunks(start))

    def _chunks(self, start: int) -> Iterator[bytes]:
        stop = start + self.breaks_after.pop(0) if self.breaks_after else len(self.content)
        for at in range(start, min(stop, len(self.content)), 100):
            yield self.content[at : min(at + 100, stop)]
        if stop < len(self.content):
            raise Interrupted("the cable fell out")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(resumable_download, "time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "session.nwb"


def sound(file: Path) -> str | None:
    return None if file.read_bytes() == CONTENT else "other bytes"


def test_a_file_comes_whole(path):
    told = []
    bring(Server(), path, sound, advance=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_it_goes_on_where_it_broke_with_pauses_that_double(path, pauses):
    server = Server(breaks_after=[1000, 2500])
    bring(server, path, sound)
    assert server.starts == [0, 1000, 3500]
    assert pauses == [1.0, 2.0]
    assert path.read_bytes() == CONTENT


def test_a_later_call_goes_on_with_what_an_earlier_one_left(path):
    with pytest.raises(DownloadFailed, match="the cable fell out; given up after 2 tries"):
        bring(Server(breaks_after=[700, 100]), path, sound, tries=2)
    assert not path.exists()
    server = Server()
    bring(server, path, sound)
    assert server.starts == [800]
    assert path.read_bytes() == CONTENT


def test_a_server_that_cannot_skip_gives_all_of_it_again(path):
    bring(Server(breaks_after=[1000], skips=False), path, sound)
    assert path.read_bytes() == CONTENT


def test_fewer_bytes_than_promised_are_an_interruption(path):
    class Short(Server):
        def _chunks(self, start: int) -> Iterator[bytes]:
            yield self.content[start : start + 3000]

    server = Short()
    bring(server, path, sound)
    assert server.starts == [0, 3000, 6000, 9000]


def test_a_faulty_file_is_fetched_anew_from_its_first_byte(path):
    path.parent.mkdir()
    path.with_name("session.nwb.part").write_bytes(b"x" * 500)
    server = Server()
    bring(server, path, sound)
    assert server.starts == [500, 0]
    assert path.read_bytes() == CONTENT


def test_faults_are_bounded_too_and_leave_the_old_file_alone(path):
    path.parent.mkdir()
    path.write_bytes(b"as it was")
    with pytest.raises(DownloadFailed, match="never right; given up after 3 tries"):
        bring(Server(), path, lambda file: "never right", tries=3)
    assert path.read_bytes() == b"as it was"


def test_a_part_longer_than_the_file_is_begun_again(path):
    path.parent.mkdir()
    path.with_name("session.nwb.part").write_bytes(b"x" * (len(CONTENT) + 5))
    bring(Server(), path, sound)
    assert path.read_bytes() == CONTENT


def test_what_no_trying_helps_against_is_raised_at_once(path, pauses):
    class Full(Server):
        def _chunks(self, start: int) -> Iterator[bytes]:
            raise OSError(errno.ENOSPC, "no space left")

    with pytest.raises(OSError, match="no space left"):
        bring(Full(), path, sound)
    assert pauses == []
