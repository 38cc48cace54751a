"""Columns of text in large HDF5 files, read at once where the lengths that the file gives them are few bytes in all.

`hdf5_files.texts_at` doesn't look at lengths: each text could be as long as the file, so out of a file of 300 MB or
more it reads them one by one, some minutes for the presentations of a Neuropixels session.
"""

import os
from typing import TYPE_CHECKING

import numpy as np

from storage.readers.foreign.hdf5_files import MOST_TEXT_BYTES, MOST_TEXTS, dataset_at, texts_at
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

# How a text of variable length stands in a dataset: its length, and where in the file's heaps it lies.
_STANDS = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])


def column_texts(group: "h5py.Group", name: str, refused: Refusal) -> list[str]:
    """The texts of a column, one for each row. Raises as ``texts_at``."""
    dataset = dataset_at(group, name, refused, kinds="OS", ndim=1)
    if dataset.dtype.kind == "O" and dataset.size <= MOST_TEXTS and _bytes_given(dataset) <= MOST_TEXT_BYTES:
        try:
            return [text.decode("utf-8") for text in dataset[()].tolist()]
        except Exception:
            pass  # texts_at says what is wrong with them
    return texts_at(group, name, refused)


def _bytes_given(dataset: "h5py.Dataset") -> float:
    """The lengths that the file gives the texts, in all; infinite where they can't be read without unpacking."""
    from h5py import h5d

    made = dataset.id.get_create_plist()
    spans: list[tuple[int, int]] = []
    if made.get_layout() == h5d.CONTIGUOUS and dataset.id.get_offset() is not None:
        spans.append((dataset.id.get_offset(), dataset.id.get_storage_size()))
    elif made.get_layout() == h5d.CHUNKED and not made.get_nfilters():
        dataset.id.chunk_iter(lambda chunk: spans.append((chunk.byte_offset, chunk.size)))
    if sum(size for _, size in spans) < dataset.size * _STANDS.itemsize:
        return np.inf
    given = 0
    with open(dataset.file.filename, "rb") as file:
        for start, size in spans:
            held = os.pread(file.fileno(), size, start)
            if len(held) % _STANDS.itemsize:
                return np.inf
            given += int(np.frombuffer(held, _STANDS)["length"].sum(dtype=np.int64))
    return given
