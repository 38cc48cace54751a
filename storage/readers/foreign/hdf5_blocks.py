"""Values of a large HDF5 table, a block at a time: each of its chunks is unpacked once, as it is read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from storage.readers.foreign.hdf5_chunks import OwnChunks, is_unpacked_here
from storage.readers.foreign.hdf5_files import require_sound
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

_BLOCK_BYTES = 2**20  # fits a processor's cache, so that what is done with a block finds it there


def table_blocks(
    dataset: "h5py.Dataset", start: int, stop: int, refused: Refusal
) -> Iterator[tuple[int, int, np.ndarray]]:
    """First row, first column and values (n_rows, n_columns), as stored, of blocks that make up rows start to stop.

    A block's array may be used again for the next. Raises what ``refused`` makes for chunks that are not sound, as
    `require_sound` does, whether the dataset was looked at before or not.
    """
    if not dataset.size:
        return
    if is_unpacked_here(dataset):
        yield from _unpacked(dataset, start, stop, refused)
        return
    require_sound(dataset, refused)
    rows = dataset.chunks[0] if dataset.chunks else 1
    step = max(_BLOCK_BYTES // (dataset.shape[1] * dataset.dtype.itemsize * rows), 1) * rows
    block = np.empty((min(step, stop - start), dataset.shape[1]), dataset.dtype)
    for border in range(start - start % step, stop, step):
        first, last = max(border, start), min(border + step, stop)
        dataset.read_direct(block[: last - first], np.s_[first:last])
        yield first, 0, block[: last - first]


def _unpacked(
    dataset: "h5py.Dataset", start: int, stop: int, refused: Refusal
) -> Iterator[tuple[int, int, np.ndarray]]:
    chunks = OwnChunks(dataset, (dataset.name or "").strip("/"), refused)
    n_columns, (rows, columns) = dataset.shape[1], dataset.chunks
    absent = np.broadcast_to(np.asarray(dataset.fillvalue, dataset.dtype), dataset.chunks)
    for border in range(start - start % rows, stop, rows):
        first, last = max(border, start), min(border + rows, stop)
        for column in range(0, n_columns, columns):
            chunk = chunks.at((border, column))
            whole = absent if chunk is None else chunk
            yield first, column, whole[first - border : last - border, : n_columns - column]
