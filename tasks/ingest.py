"""One file into the lake: read it, refuse what is wrong with it, replace what it was before."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.content_hash import HashCache, content_sha256
from storage.due import NewFile
from storage.lake import Lake, open_lake
from storage.readers.choose import KNOWN_FORMATS, parts_of, read_recording, reader_named
from storage.readers.parts import recording_sha256, uri_of
from storage.readers.recording import Recording, Refused
from storage.settings import Settings
from storage.tables import REJECTED
from tasks.attempts import PATIENT
from tasks.isolation import ProcessDied, ProcessHung, run_isolated
from tasks.per_session import PER_SESSION


@dataclass(frozen=True)
class Ingested:
    """What became of one file: the sessions it gave, or the reason why it was refused."""

    path: str
    session_ids: tuple[str, ...] = ()
    refusal: str | None = None


@task(**PATIENT, cache_policy=NO_CACHE, tags=["lake", PER_SESSION], task_run_name="ingest {file.path}")
def ingest_file(file: NewFile) -> Ingested:
    """Read a file and write its sessions in one transaction, or write down why it was refused."""
    settings = Settings()
    try:
        return run_isolated(read_into_lake, file, settings, limit_s=_longest_s(file) + 2 * settings.lock_timeout_s)
    except ProcessDied as died:
        refused = Refused(
            source_uri=uri_of(Path(file.path)),
            field="file",
            found=f"bytes on which the reading library {'hung' if isinstance(died, ProcessHung) else 'crashed'}",
            expected="an undamaged file; copy it again from where it was recorded",
        )
        # Nothing opens it again to learn its reader: it would crash this process too.
        reader = reader_named(file.reader) if file.reader else None
        parts = parts_of(Path(file.path), reader, _about(file))
        refused.content_sha256 = recording_sha256(Path(file.path), parts, _about(file), content_sha256)
        refused.reader = reader.NAME if reader else None
        refused.reader_version = reader.VERSION if reader else KNOWN_FORMATS
        with open_lake(settings) as lake:
            return _reject(lake, file, refused)


def _longest_s(file: NewFile) -> float:
    """How long reading a file may take: ten minutes, and a second a megabyte, some fiftieth of the usual speed."""
    reader = reader_named(file.reader) if file.reader else None
    parts = parts_of(Path(file.path), reader, _about(file))
    return 600 + sum(os.path.getsize(part) for part in parts if os.path.exists(part)) / 1e6


def read_into_lake(file: NewFile, settings: Settings) -> Ingested:
    """What `ingest_file` does, in the process that may crash, which keeps the lake open for the next file."""
    with ThreadPoolExecutor(1) as aside:
        # While the recording is read: DuckDB is a fifth of a second about it, and needs no interpreter.
        opening = aside.submit(_kept_open, settings)
        try:
            recording = read_recording(
                file.path,
                file.project,
                file.reader,
                root=file.root,
                about=_about(file),
                hashed=HashCache(settings.cache_folder).content_sha256,
            )
            lake = opening.result()
            _refuse_taken_ids(lake, recording)
            before = lake.query(
                "SELECT session_id FROM recorded.sessions WHERE source_uri = $uri", uri=recording.source_uri
            )
            # What is streamed is read, and may yet be refused, before anything is replaced.
            lake.replace(
                recording.rows,
                traces=recording.traces,
                blocks=recording.blocks,
                forget_sessions={*before["session_id"], *recording.session_ids},
                forget_rejected=[recording.source_uri],
                message=f"ingest {recording.source_uri}",
                info={"project": file.project, "sessions": recording.session_ids, "sha256": recording.content_sha256},
                # Again, in turn: another file may have claimed the session since.
                admit=lambda: _refuse_taken_ids(lake, recording),
            )
        except Refused as refused:
            return _reject(opening.result(), file, refused)
        except BaseException:
            if settings in _kept:
                _kept.pop(settings).close()
            raise
    return Ingested(file.path, session_ids=recording.session_ids)


# Opening the lake takes longer than writing a small session.
_kept: dict[Settings, Lake] = {}


def _kept_open(settings: Settings) -> Lake:
    if settings not in _kept:
        while _kept:
            _kept.popitem()[1].close()
        _kept[settings] = open_lake(settings)
    return _kept[settings]


def _about(file: NewFile) -> dict | None:
    return json.loads(file.about) if file.about else None


def _reject(lake: Lake, file: NewFile, refused: Refused) -> Ingested:
    lake.replace(
        {REJECTED: _rejected_row(refused)},
        message=f"refuse {refused.source_uri}",
        info={"project": file.project, "reason": str(refused)},
    )
    return Ingested(file.path, refusal=f"{refused.field}: found {refused.found}; expected {refused.expected}")


def _refuse_taken_ids(lake: Lake, recording: Recording) -> None:
    """Two files may not claim one session: neither is known to be the right one."""
    if not recording.session_ids:
        return
    ids = {f"id_{number}": session_id for number, session_id in enumerate(recording.session_ids)}
    # Each by its name: DuckLake holds those against what it knows of its files, and opens few of many.
    named = ", ".join(f"${name}" for name in ids)
    taken = lake.query(
        f"""SELECT session_id, source_uri FROM recorded.sessions
        WHERE session_id IN ({named}) AND source_uri <> $uri ORDER BY session_id""",
        uri=recording.source_uri,
        **ids,
    ).rows()
    if taken:
        session_id, other = taken[0]
        refused = Refused(
            source_uri=recording.source_uri,
            field="session_id",
            found=f"{session_id}, which {other} recorded with other content",
            expected="an id of its own, or only one of the two files among the sources",
        )
        refused.content_sha256 = recording.content_sha256
        refused.reader, refused.reader_version = recording.reader, recording.reader_version
        raise refused


def _rejected_row(refused: Refused) -> pa.Table:
    return REJECTED.rows(
        [
            {
                "source_uri": refused.source_uri,
                "content_sha256": refused.content_sha256,
                "reader": refused.reader,
                "reader_version": refused.reader_version,
                "field": refused.field,
                "found": refused.found,
                "expected": refused.expected,
                "rejected_at": datetime.now(UTC),
            }
        ]
    )
