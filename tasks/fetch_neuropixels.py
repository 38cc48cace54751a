"""Visual Coding Neuropixels: sessions found and downloaded through the AllenSDK's cache of the warehouse.

The AllenSDK is imported where it is used: it lives in an environment of its own, and this module in both.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.resumable_download import DownloadFailed, Interrupted, Opened, bring
from storage.verified_files import VerifiedFiles
from tasks.allen_choice import Advance, AllenChoice, AllenSession, Criterion, Fetched, FoundSessions, fitting
from tasks.attempts import HOUR_S
from tasks.isolation import ProcessDied, run_isolated

if TYPE_CHECKING:
    from allensdk.brain_observatory.ecephys.ecephys_project_cache import EcephysProjectCache

_CHUNK_BYTES = 1 << 17  # what of a chunk has come when the connection breaks is lost
_TIMEOUT_S = (10, 120)  # to connect, between two bytes
_WHOLE_TABLE = "as the warehouse gave it"
_WHOLE_NWB = "opens to its end"


@task(timeout_seconds=HOUR_S, cache_policy=NO_CACHE, task_run_name="find sessions")
def find_sessions(choice: AllenChoice, folder: Path) -> FoundSessions:
    """Sessions that fit the choice, by id. Raises ValueError naming the values that exist when none does."""
    known = VerifiedFiles(folder)
    cache = _warehouse_cache(folder, choice.warehouse, tries=3)
    tables = [Path(cache.get_cache_path(None, key)) for key in (cache.SESSIONS_KEY, *_TABLES_OF_SESSIONS)]
    for table in tables:
        # The SDK writes a table in place, and one that was cut short reads as a shorter one.
        if not known.holds(table, _WHOLE_TABLE):
            table.unlink(missing_ok=True)
    with _in_words():
        sessions_table = cache.get_session_table().reset_index()
    for table in tables:
        known.remember(table, _WHOLE_TABLE)
    rows = fitting(sessions_table.to_dict("records"), _criteria(choice), what="session")
    rows = sorted(rows, key=lambda row: row["id"])[: choice.max_sessions]
    sessions = []
    for row in rows:
        path = Path(cache.get_cache_path(None, cache.SESSION_NWB_KEY, row["id"], row["id"]))
        sessions.append(
            AllenSession(
                session_id=str(row["id"]),
                file_id=str(row["id"]),
                about=f"{_cre_line(row)} {row['session_type']}, {row['unit_count']} units",
                folder=folder,
                path=path,
                is_here=known.holds(path, _WHOLE_NWB),
            )
        )
    return FoundSessions(tuple(sessions))


@task(timeout_seconds=24 * HOUR_S, cache_policy=NO_CACHE, task_run_name="fetch {session.session_id}")
def fetch_session(session: AllenSession, choice: AllenChoice, advance: Advance = lambda done, total: None) -> Fetched:
    """Download a session's file, or what is missing of it, unless it is here whole."""
    known, path = VerifiedFiles(session.folder), session.path
    was_here = known.holds(path, _WHOLE_NWB) and not choice.verify_all
    if not was_here and path.exists():
        was_here = hdf5_fault(path) is None
        if not was_here:
            path.unlink()
    if not was_here:
        with _in_words():
            _warehouse_cache(session.folder, choice.warehouse, advance).get_session_data(int(session.session_id))
    known.remember(path, _WHOLE_NWB)
    return Fetched(session.session_id, path, path.stat().st_size, was_here)


def hdf5_fault(path: Path) -> str | None:
    """What is wrong with an HDF5 file: shorter than it says, or objects that can't be read. None if nothing."""
    try:
        return run_isolated(_walk_hdf5, path)
    except ProcessDied:
        return "HDF5 crashed on it"


def _walk_hdf5(path: Path) -> str | None:
    import h5py

    try:
        with h5py.File(path) as file:
            file.visititems(lambda name, item: None)
    except (OSError, RuntimeError, KeyError) as error:
        return f"HDF5 can't read it ({error})"
    return None


_TABLES_OF_SESSIONS = ("probes", "channels", "units")


def _criteria(choice: AllenChoice) -> list[Criterion]:
    return [
        Criterion("session_ids", choice.session_ids, lambda row: (row["id"],)),
        Criterion("projects", choice.projects, lambda row: (row["session_type"],)),
        Criterion("cre_lines", choice.cre_lines, lambda row: (_cre_line(row),)),
        Criterion("structures", choice.structures, _structures),
    ]


def _cre_line(row: dict[str, Any]) -> str:
    return row["full_genotype"].split(";")[0].replace("/wt", "")


def _structures(row: dict[str, Any]) -> list[str]:
    # Channels out of the brain have NaN for a structure.
    return [acronym for acronym in row["ecephys_structure_acronyms"] if isinstance(acronym, str)]


def _warehouse_cache(
    folder: Path, address: str, advance: Advance = lambda done, total: None, tries: int = 1
) -> "EcephysProjectCache":
    """The AllenSDK's cache, with downloads that can be interrupted.

    Its own writes whatever the server answers, an error page too, and starts each file from nothing.
    """
    from allensdk.brain_observatory.ecephys.ecephys_project_api import EcephysProjectWarehouseApi
    from allensdk.brain_observatory.ecephys.ecephys_project_api.rma_engine import RmaEngine
    from allensdk.brain_observatory.ecephys.ecephys_project_cache import EcephysProjectCache

    class ResumableEngine(RmaEngine):
        def stream(self, route: str) -> str:
            return self._build_url(route.lstrip("/"))

    def write(path: str, file_address: str) -> None:
        version = Path(path + ".part.version")
        bring(HttpFile(file_address, version), Path(path), hdf5_fault, advance=advance)
        version.unlink(missing_ok=True)

    where = urlsplit(address)
    return EcephysProjectCache(
        fetch_api=EcephysProjectWarehouseApi(ResumableEngine(scheme=where.scheme, host=where.netloc)),
        fetch_tries=tries,
        stream_writer=write,
        manifest=str(folder / "ecephys_project_manifest.json"),
    )


class HttpFile:
    """A file at an address, as a source of bytes.

    What the server calls the file's version is kept in ``version``, beside the part, and a part is only gone on with
    while that is the same. A server that names no version is trusted to serve the same bytes as before.
    """

    def __init__(self, address: str, version: Path) -> None:
        self._address, self._version = address, version

    def open(self, start: int) -> Opened:
        import requests

        # Not compressed on the way: the length and the place of a byte are those of the file.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if self._version.exists():
                headers["If-Range"] = self._version.read_text(encoding="utf-8")
        with _in_words(interrupted=True):
            answer = requests.get(self._address, headers=headers, stream=True, timeout=_TIMEOUT_S)
            if answer.status_code == 416:
                total = _after_slash(answer)
                return Opened(start, total, iter(())) if total == start else self.open(0)
            answer.raise_for_status()
        if answer.status_code == 206:
            return Opened(start, _after_slash(answer), self._chunks(answer))
        self._keep_version(answer)
        length = answer.headers.get("Content-Length")
        return Opened(0, int(length) if length else None, self._chunks(answer))

    def _keep_version(self, answer: Any) -> None:
        tag = answer.headers.get("ETag", "W/")
        # A weak tag (W/) may stand for other bytes that mean the same.
        version = answer.headers.get("Last-Modified") if tag.startswith("W/") else tag
        if version:
            self._version.write_text(version, encoding="utf-8")
        else:
            self._version.unlink(missing_ok=True)

    @staticmethod
    def _chunks(answer: Any) -> Iterator[bytes]:
        with _in_words(interrupted=True), contextlib.closing(answer):
            yield from answer.iter_content(_CHUNK_BYTES)


def _after_slash(answer: Any) -> int | None:
    """Size of the whole file, of the header ``Content-Range: bytes 5-9/10``."""
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


@contextlib.contextmanager
def _in_words(interrupted: bool = False) -> Iterator[None]:
    """Turn what requests raises into Interrupted where trying again may help, and into DownloadFailed elsewhere."""
    from allensdk.brain_observatory.ecephys.ecephys_project_api.rma_engine import RmaRequestError
    from requests import RequestException

    try:
        yield
    except RmaRequestError as error:
        raise DownloadFailed(f"the warehouse refused a query: {error}") from error
    except RequestException as error:
        status = getattr(error.response, "status_code", None)
        passes = status is None or status >= 500 or status in (408, 429)
        raise (Interrupted if interrupted and passes else DownloadFailed)(f"the warehouse: {error}") from error
