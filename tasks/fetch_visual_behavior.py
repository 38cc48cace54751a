"""Visual Behavior 2P: experiments found and downloaded through the AllenSDK's cache of the S3 bucket.

The AllenSDK is imported where it is used: it lives in an environment of its own, and this module in both.
"""

import contextlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from storage.resumable_download import DownloadFailed, Interrupted, Opened, bring
from storage.verified_files import VerifiedFiles
from tasks.allen_choice import Advance, AllenChoice, AllenSession, Criterion, Fetched, FoundSessions, fitting
from tasks.attempts import HOUR_S

if TYPE_CHECKING:
    from allensdk.api.cloud_cache.cloud_cache import S3CloudCache

_BUCKET, _PROJECT = "visual-behavior-ophys-data", "visual-behavior-ophys"
_CHUNK_BYTES = 1 << 17  # what of a chunk has come when the connection breaks is lost


@task(timeout_seconds=HOUR_S, cache_policy=NO_CACHE, task_run_name="find experiments")
def find_experiments(choice: AllenChoice, folder: Path) -> FoundSessions:
    """Experiments that fit the choice, by id. Raises ValueError naming the values that exist when none does."""
    from allensdk.brain_observatory.behavior.behavior_project_cache import VisualBehaviorOphysProjectCache
    from allensdk.brain_observatory.behavior.behavior_project_cache.project_apis.data_io import BehaviorProjectCloudApi

    _drop_torn(folder)
    with _in_words(), _without_sdk_warnings():
        cloud = _cloud_cache(folder, choice.verify_all)
        project = VisualBehaviorOphysProjectCache(fetch_api=BehaviorProjectCloudApi(cloud))
        if choice.release:
            project.load_manifest(_manifest_of(choice.release, project.list_manifest_file_names()))
        table = project.get_ophys_experiment_table().reset_index()
        used, newest = project.current_manifest(), project.latest_manifest_file()
    known = VerifiedFiles(folder)
    rows = fitting(table.to_dict("records"), _criteria(choice), what="experiment")
    rows = sorted(rows, key=lambda row: row["ophys_experiment_id"])[: choice.max_sessions]
    sessions = []
    for row in rows:
        file_id = str(int(row["file_id"]))
        file = cloud.get_file_attributes(file_id)
        sessions.append(
            AllenSession(
                session_id=str(row["ophys_experiment_id"]),
                file_id=file_id,
                about=f"{row['cre_line']} {row['targeted_structure']} {row['session_type']}, {row['experience_level']}",
                folder=folder,
                path=file.local_path,
                is_here=known.holds(file.local_path, file.file_hash),
            )
        )
    note = f"release {_release(used)} is used, release {_release(newest)} is out" if used != newest else None
    return FoundSessions(tuple(sessions), note)


@task(timeout_seconds=24 * HOUR_S, cache_policy=NO_CACHE, task_run_name="fetch {session.session_id}")
def fetch_experiment(
    session: AllenSession, choice: AllenChoice, advance: Advance = lambda done, total: None
) -> Fetched:
    """Download an experiment's file, or what is missing of it, unless it is here whole."""
    bytes_came = False

    def note(done: int, total: int | None) -> None:
        nonlocal bytes_came
        bytes_came = True
        advance(done, total)

    with _in_words(), _without_sdk_warnings():
        cloud = _cloud_cache(session.folder, choice.verify_all, note)
        cloud.load_last_manifest()
        cloud.download_data(session.file_id)
    return Fetched(session.session_id, session.path, session.path.stat().st_size, was_here=not bytes_came)


def _criteria(choice: AllenChoice) -> list[Criterion]:
    return [
        Criterion("session_ids", choice.session_ids, lambda row: (row["ophys_experiment_id"], row["ophys_session_id"])),
        Criterion("projects", choice.projects, lambda row: (row["project_code"],)),
        Criterion("cre_lines", choice.cre_lines, lambda row: (row["cre_line"],)),
        Criterion("structures", choice.structures, lambda row: (row["targeted_structure"],)),
        Criterion("experience_levels", choice.experience_levels, lambda row: (row["experience_level"],)),
        Criterion(
            "behavior",
            () if choice.behavior == "any" else (choice.behavior,),
            lambda row: ("passive" if row["passive"] else "active",),
        ),
    ]


def _manifest_of(release: str, names: list[str]) -> str:
    for name in names:
        if name.endswith(f"_v{release}.json"):
            return name
    raise ValueError(f"release: got {release!r}, expected one of {', '.join(_release(name) for name in names)}")


def _release(manifest: str) -> str:
    return manifest.split("_v")[-1].removesuffix(".json")


def _cloud_cache(folder: Path, verify_all: bool, advance: Advance = lambda done, total: None) -> "S3CloudCache":
    """The AllenSDK's cache, with downloads that can be interrupted.

    Its own takes any file that is there for whole, however little of it arrived, and starts each one from nothing.
    """
    from allensdk.api.cloud_cache.cloud_cache import S3CloudCache
    from allensdk.api.cloud_cache.file_attributes import CacheFileAttributes
    from allensdk.api.cloud_cache.utils import bucket_name_from_url, file_hash_from_path, relative_path_from_url

    known = VerifiedFiles(folder)

    class ResumableCache(S3CloudCache):
        def _download_file(self, file_attributes: CacheFileAttributes) -> bool:
            path, expected = file_attributes.local_path, file_attributes.file_hash

            def fault(file: Path) -> str | None:
                found = file_hash_from_path(file)
                return None if found == expected else f"BLAKE2b {found[:12]}..., expected {expected[:12]}..."

            if known.holds(path, expected) and not verify_all:
                return False
            if path.is_symlink() and not path.exists():
                path.unlink()
            # Also true of another release's file with the same hash, to which the SDK then makes a link.
            while self._file_exists(file_attributes):
                if fault(path) is None:
                    known.remember(path, expected)
                    return False
                path.resolve().unlink()
                path.unlink(missing_ok=True)
            bucket = bucket_name_from_url(file_attributes.url)
            key = relative_path_from_url(file_attributes.url)
            source = S3Object(self.s3_client, {"Bucket": bucket, "Key": key, "VersionId": file_attributes.version_id})
            bring(source, path, fault, advance=advance)
            known.remember(path, expected)
            return True

        def _download_manifest(self, manifest_name: str) -> None:
            where = {"Bucket": self.bucket_name, "Key": self.manifest_prefix + manifest_name}
            bring(S3Object(self.s3_client, where), Path(self.cache_dir) / manifest_name, _json_fault)

    return ResumableCache(folder, _BUCKET, _PROJECT)


class S3Object:
    """One version of an object in S3, as a source of bytes."""

    def __init__(self, client: Any, where: dict[str, str]) -> None:
        self._client, self._where = client, where

    def open(self, start: int) -> Opened:
        with _in_words(interrupted=True):
            total = self._client.head_object(**self._where)["ContentLength"]
            if start == total:
                return Opened(start, total, iter(()))
            start = start if start < total else 0
            body = self._client.get_object(**self._where, Range=f"bytes={start}-")["Body"]
        return Opened(start, total, self._chunks(body))

    @staticmethod
    def _chunks(body: Any) -> Iterator[bytes]:
        with _in_words(interrupted=True), contextlib.closing(body):
            yield from body.iter_chunks(_CHUNK_BYTES)


@contextlib.contextmanager
def _in_words(interrupted: bool = False) -> Iterator[None]:
    """Turn what botocore raises into Interrupted where trying again may help, and into DownloadFailed elsewhere."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        kind = Interrupted if interrupted and (status >= 500 or status in (408, 429)) else DownloadFailed
        raise kind(f"S3: {error}") from error
    except (BotoCoreError, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
            raise
        raise (Interrupted if interrupted else DownloadFailed)(f"S3: {error}") from error


@contextlib.contextmanager
def _without_sdk_warnings() -> Iterator[None]:
    """Newer releases are said in a note of our own, and how tables have changed is the reader's affair."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="allensdk")
        yield


def _drop_torn(folder: Path) -> None:
    """Remove JSON files of the SDK that were cut short: it would stumble over them at every start."""
    for file in (*folder.glob("*_manifest_v*.json"), *folder.glob("_downloaded_data.json")):
        if _json_fault(file):
            file.unlink()


def _json_fault(file: Path) -> str | None:
    try:
        json.loads(file.read_bytes())
    except ValueError as error:
        return f"no JSON ({error})"
    return None
