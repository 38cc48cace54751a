"""New files of the lake's data, in a folder or on S3: there as a whole when the block ends, and otherwise not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from storage.object_store import StoreFailed, StorePath, open_store
from storage.settings import Settings


def data_path(settings: Settings) -> Path | StorePath:
    """Where the lake's files lie; `/` goes deeper."""
    return open_store(settings).root if settings.data_on_s3 else settings.data_folder


@contextmanager
def new_file(path: Path | StorePath) -> Iterator[BinaryIO]:
    """A file to write, durable under its name when the block ends; when it raises, there is none.

    A file for S3 lies in a nameless one of this machine until it is whole, which a killed process takes with it.
    Raises StoreFailed when it can't be sent.
    """
    if isinstance(path, StorePath):
        path.store.scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.store.scratch) as file:
            yield file
            file.seek(0)
            path.store.send(file, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _fsync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def discard(*paths: Path | StorePath) -> None:
    """Delete files that no snapshot names; what S3 can't delete now, maintenance finds later."""
    with suppress(StoreFailed):
        for path in paths:
            if isinstance(path, StorePath):
                path.store.delete(str(path))
            else:
                path.unlink(missing_ok=True)


def _fsync_folder(folder: Path) -> None:
    """Put the names of the folder's files on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
