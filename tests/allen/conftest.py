"""Fixtures of the allen environment: an S3 server laid out as the real bucket, and a warehouse, both on 127.0.0.1.

    .venv-allen/bin/python -m pytest tests/allen

Elsewhere nothing here is collected.
"""

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("allensdk") is None:
    collect_ignore_glob = ["*.py"]
else:
    # A package of this environment occupies the name `tests`.
    sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the home of whoever runs it, nor asks the real S3 for anything."""
    for variable in [v for v in os.environ if v.startswith(("NEUROLAKE_", "AWS_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("NEUROLAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between tries of a download, and no tries of botocore's own beside them."""
    from storage.resumable_download import bring

    monkeypatch.setitem(bring.__kwdefaults__, "first_pause_s", 0)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator["object"]:
    """The planted bucket, behind a proxy that counts requests and can break them."""
    from planted_bucket import serve_bucket

    with serve_bucket(tmp_path_factory.mktemp("bucket")) as served:
        yield served


@pytest.fixture
def s3(bucket, monkeypatch: pytest.MonkeyPatch):
    """The planted bucket, with which the AllenSDK's own client is pointed at it: by AWS_ENDPOINT_URL alone."""
    bucket.proxy.forget()
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.proxy.address)
    return bucket


@pytest.fixture(scope="session")
def planted_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator["object"]:
    from planted_warehouse import serve_warehouse

    with serve_warehouse(tmp_path_factory.mktemp("warehouse")) as served:
        yield served


@pytest.fixture
def warehouse(planted_warehouse):
    planted_warehouse.proxy.forget()
    return planted_warehouse
