"""The S3 server that holds the lake's data: where it is, who we are there, and what to do when it fails.

Address and credentials come from the variables that all S3 programs read (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID ...).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from pyarrow.fs import FileInfo, FileType

from storage.settings import Settings

ATTEMPTS = 4
# A part is sent again when it fails, and so many are in memory at once.
_PART_BYTES, _PARTS_AT_ONCE = 16_000_000, 4
_CONNECTIONS = 32
_FAULTS = {
    "NoSuchBucket": "the bucket isn't there: make it, or correct NEUROLAKE_DATA",
    "404": "the bucket isn't there: make it, or correct NEUROLAKE_DATA",
    "NoSuchKey": "the object isn't there",
    "301": "the bucket lies in another region: set AWS_REGION",
    "PermanentRedirect": "the bucket lies in another region: set AWS_REGION",
    **dict.fromkeys(
        ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
        "we may not: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
    ),
}


class StoreFailed(OSError):
    """The S3 server of the lake's data refused, failed, or didn't answer in time."""


@dataclass(frozen=True)
class StorePath:
    """A folder or an object of the store; `/` goes deeper."""

    store: "ObjectStore"
    key: str

    def __truediv__(self, name: str) -> "StorePath":
        return StorePath(self.store, f"{self.key}/{name}".lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.store.bucket}/{self.key}"


def open_store(settings: Settings) -> "ObjectStore":
    """The store of settings whose data lies on S3; one for as long as they and the AWS_ variables stay the same."""
    variables = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    return _open_store(settings.data_address, settings.s3_timeout_s, settings.cache_folder / "sending", variables)


@lru_cache(maxsize=4)
def _open_store(address: str, timeout_s: int, scratch: Path, variables: tuple) -> "ObjectStore":
    return ObjectStore(address, timeout_s, scratch)


class ObjectStore:
    """A bucket and prefix. Every request is bounded: four attempts, each given up after ``timeout_s`` of silence."""

    def __init__(self, address: str, timeout_s: int, scratch: Path) -> None:
        import boto3
        from botocore.config import Config

        self.address = address
        self.scratch = scratch
        self.bucket, _, key = address.removeprefix("s3://").partition("/")
        self.root = StorePath(self, key)
        # A server of one's own has no name for each bucket.
        self._style = "path" if os.environ.keys() & {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} else "auto"
        config = Config(
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=_CONNECTIONS,
            s3={"addressing_style": self._style},
        )
        session = boto3.Session()
        region = os.environ.get("AWS_REGION") or session.region_name or "us-east-1"
        self._credentials = session.get_credentials()
        # Whole from here on: clients may be shared between threads, but not made by two at once.
        self._client = session.client("s3", config=config, region_name=region)

    def check(self) -> None:
        """Raise StoreFailed unless the bucket is there and lets us in."""
        if self._credentials is None:
            raise StoreFailed(
                f"{self._where}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        with self._told():
            self._client.head_bucket(Bucket=self.bucket)

    def send(self, file: BinaryIO, path: StorePath) -> None:
        """Put a whole file under a name that nobody else uses; it is to be seen when all of it is there."""
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(
            multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
        )
        with self._told():
            self._client.upload_fileobj(file, self.bucket, path.key, Config=parts)

    def delete(self, address: str) -> None:
        """Delete an object, by its s3://bucket/... name; one that isn't there is no error."""
        with self._told():
            self._client.delete_object(Bucket=self.bucket, Key=self._key(address))

    def read(self, address: str, first: int, count: int) -> bytes:
        """So many bytes of an object from ``first`` on."""
        return self._read(address, f"bytes={first}-{first + count - 1}")[0]

    def read_end(self, address: str, count: int) -> tuple[bytes, int]:
        """The last bytes of an object, so many if it has them, and the number that it has."""
        return self._read(address, f"bytes=-{count}")

    def files(self) -> Iterator[FileInfo]:
        """Every object of the lake: its s3://bucket/... name, its size, and when it was written."""
        with self._told():
            prefix = f"{self.root.key}/" if self.root.key else ""
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            for found in (found for page in pages for found in page.get("Contents", [])):
                name = f"s3://{self.bucket}/{found['Key']}"
                yield FileInfo(name, FileType.File, size=found["Size"], mtime=found["LastModified"])

    @property
    def secret(self) -> dict[str, str]:
        """What DuckDB calls a secret: key and session token, beside where they are good for."""
        assert self._credentials is not None, "check() comes first"
        frozen = self._credentials.get_frozen_credentials()
        endpoint = urlsplit(self._client.meta.endpoint_url)
        return {
            "key_id": frozen.access_key,
            "secret": frozen.secret_key,
            "session_token": frozen.token or "",
            "region": self._client.meta.region_name,
            "endpoint": f"{endpoint.netloc}{endpoint.path}".rstrip("/"),
            "url_style": "path" if self._style == "path" else "vhost",
            "use_ssl": str(endpoint.scheme == "https").lower(),
            "scope": f"{self.address}/",
        }

    def _read(self, address: str, wanted: str) -> tuple[bytes, int]:
        from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

        with self._told():
            for attempt in range(1, ATTEMPTS + 1):
                answer = self._client.get_object(Bucket=self.bucket, Key=self._key(address), Range=wanted)
                try:
                    # The client's own attempts end where the answer begins.
                    return answer["Body"].read(), int(answer["ContentRange"].rpartition("/")[2])
                except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                    if attempt == ATTEMPTS:
                        raise
        raise AssertionError("the last attempt returns or raises")

    def _key(self, address: str) -> str:
        return address.removeprefix(f"s3://{self.bucket}/")

    @property
    def _where(self) -> str:
        return f"{self.address} (NEUROLAKE_DATA) at {self._client.meta.endpoint_url} (AWS_ENDPOINT_URL)"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise what goes wrong as StoreFailed, with the address and what to look at."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            found = error.response.get("Error", {})
            code = found.get("Code", "")
            advice = _FAULTS.get(code, f"{found.get('Message') or 'no reason given'}")
            raise StoreFailed(f"{self._where}: {code}, {advice}") from error
        except BotoCoreError as error:
            # Not the error's own words alone: of a server that isn't there they don't say who named it.
            raise StoreFailed(f"{self._where}: {error}") from error
