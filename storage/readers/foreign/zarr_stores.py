"""Zarr stores in a folder, formats 2 and 3: plain arrays, whole, and nothing from outside the folder."""

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.foreign.declared_sizes import MOST_UNQUESTIONED_BYTES, require_likely_size, shown
from storage.readers.foreign.zarr_codecs import Packing, Unsupported, packing, require_texts, unpacked_bytes
from storage.readers.recording import Refusal, Refused

if TYPE_CHECKING:
    import zarr

MOST_FILES = 1_000_000
MOST_CHUNK_BYTES = 2**30
_MOST_METADATA_BYTES = 4 * 2**20
_MOST_AXES = 32
_METADATA = {"zarr.json": 3, ".zarray": 2}
_KINDS = "biufcSUMm"
# A filter may widen each number, of one byte to eight at most, on its way into the compressor.
_WIDEST = 8
_CHUNK_HEADER_BYTES = 2**16


@dataclass(frozen=True)
class ZarrArray:
    """An array, and the names of its axes as xarray or format 3 stores them; None where there are none."""

    values: np.ndarray
    dimensions: tuple[str, ...] | None


def read_zarr(folder: Path, refused: Refusal, name: str | None = None) -> dict[str, ZarrArray]:
    """Every array below the folder, or only that of ``name``, by its path in the store ("" where the store is one).

    Raises what ``refused`` makes for links and special files anywhere in it; for an array whose codecs or values
    aren't plain, that is larger than its chunks can hold, or of which a chunk is missing or torn; for a name that isn't
    there. A missing chunk is refused though Zarr reads it as the fill value: so would be half a copy.
    """
    files = _files(folder, refused)
    arrays = dict(_arrays(folder, files, refused))
    if name is not None and name not in arrays:
        found = f"no {name}; there are {', '.join(arrays)[:200] or 'none'}"
        raise refused(field="arrays", found=found, expected=f"array {name}")
    wanted = arrays if name is None else {name: arrays[name]}
    return {one: _array(folder, one, *found, files, refused) for one, found in wanted.items()}


def _files(folder: Path, refused: Refusal) -> dict[str, int]:
    """The size in bytes of each file by its path in the folder."""
    found: dict[str, int] = {}
    left = [""]
    while left:
        where = left.pop()
        with os.scandir(folder / where) as entries:
            for entry in entries:
                place = f"{where}/{entry.name}".lstrip("/")
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(about.st_mode):
                    left.append(place)
                elif not stat.S_ISREG(about.st_mode):
                    kind = "a link" if entry.is_symlink() else "a special file"
                    raise refused(field=place, found=kind, expected="files and folders")
                else:
                    found[place] = about.st_size
                if len(found) + len(left) > MOST_FILES:
                    raise refused(field="store", found=f"over {MOST_FILES} files", expected="fewer")
    return found


def _arrays(folder: Path, files: dict[str, int], refused: Refusal) -> Iterator[tuple[str, tuple[int, dict[str, Any]]]]:
    # Found where they lie. The consolidated metadata may tell of others.
    for place in sorted(files):
        where, _, last = place.rpartition("/")
        if last not in _METADATA or (last == ".zarray" and f"{where}/zarr.json".lstrip("/") in files):
            continue
        if files[place] > _MOST_METADATA_BYTES:
            raise refused(field=place, found=f"{files[place]} bytes", expected=f"at most {_MOST_METADATA_BYTES}")
        try:
            metadata = json.loads((folder / place).read_bytes())
        except (ValueError, RecursionError) as error:
            raise refused(field=place, found=shown(error), expected="an array's metadata as JSON") from error
        if not isinstance(metadata, dict):
            raise refused(field=place, found=f"a {type(metadata).__name__}", expected="an array's metadata")
        if last == ".zarray" or metadata.get("node_type") == "array":
            yield where, (_METADATA[last], metadata)


def _array(
    folder: Path, name: str, version: int, metadata: dict[str, Any], files: dict[str, int], refused: Refusal
) -> ZarrArray:
    import zarr

    field = f"array {name or '/'}"
    try:
        how = packing(_codecs(version, metadata))
        _require_shape(version, metadata)
        store = zarr.storage.LocalStore(folder, read_only=True)
        array = zarr.open_array(store=store, path=name, mode="r", zarr_format=version)
        _require_plain_values(array, how)
        chunks = _chunks(array, name, files)
        _require_likely_chunks(folder, array, chunks, files, how, field, refused)
        values = np.asarray(array[...])
        return ZarrArray(_plain(values), _dimensions(array))
    except Refused:
        raise
    except Unsupported as error:
        raise refused(field=field, found=str(error), expected="a whole array of numbers or text") from error
    except Exception as error:
        raise refused(field=field, found=shown(error), expected="a whole Zarr array") from error


def _codecs(version: int, metadata: dict[str, Any]) -> list[Any]:
    if version == 3:
        return list(metadata.get("codecs") or [])
    compressor = metadata.get("compressor")
    return [*(metadata.get("filters") or []), *([compressor] if compressor is not None else [])]


def _require_shape(version: int, metadata: dict[str, Any]) -> None:
    if version == 3:
        grid = metadata.get("chunk_grid", {})
        if grid.get("name") != "regular" or metadata.get("storage_transformers"):
            raise Unsupported(f"chunks {grid.get('name')!r}"[:100])
        chunks = grid["configuration"]["chunk_shape"]
    else:
        chunks = metadata["chunks"]
    shape = metadata["shape"]
    sizes_are_whole = all(
        type(one) is int and one >= least for sizes, least in ((shape, 0), (chunks, 1)) for one in sizes
    )
    if not sizes_are_whole or len(shape) != len(chunks) or len(shape) > _MOST_AXES:
        raise Unsupported(f"shape {shape} in chunks of {chunks}"[:200])


def _require_plain_values(array: "zarr.Array", how: Packing) -> None:
    kind = array.dtype.kind
    if how.is_text != (kind in "OT") or (kind not in _KINDS and not how.is_text):
        raise Unsupported(f"values of {array.dtype}"[:100])


def _chunks(array: "zarr.Array", name: str, files: dict[str, int]) -> list[str]:
    counts = [-(-size // step) for size, step in zip(array.shape, array.chunks, strict=True)]
    if prod(counts) > MOST_FILES:
        raise Unsupported(f"{prod(counts)} chunks")
    keys = (array.metadata.encode_chunk_key(place) for place in product(*map(range, counts)))
    places = [f"{name}/{key}".lstrip("/") for key in keys]
    if missing := [place for place in places if place not in files]:
        raise Unsupported(f"no chunk {missing[0]} ({len(missing)} of {len(places)} missing)")
    return places


def _require_likely_chunks(
    folder: Path,
    array: "zarr.Array",
    chunks: list[str],
    files: dict[str, int],
    how: Packing,
    field: str,
    refused: Refusal,
) -> None:
    itemsize = 1 if how.is_text else array.dtype.itemsize
    chunk_bytes = prod(array.chunks) * itemsize
    if chunk_bytes > MOST_CHUNK_BYTES:
        raise Unsupported(f"chunks of {chunk_bytes} bytes")
    require_likely_size(prod(array.shape) * itemsize, sum(files[chunk] for chunk in chunks), field, refused)
    most = MOST_UNQUESTIONED_BYTES if how.is_text else chunk_bytes * _WIDEST + _CHUNK_HEADER_BYTES
    for chunk in chunks:
        content = (folder / chunk).read_bytes()
        if unpacked_bytes(content, how, most) > most:
            raise Unsupported(f"chunk {chunk} that unpacks to over {most} bytes")
        if how.is_text:
            require_texts(content, how, prod(array.chunks))


def _plain(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "OT":
        return values
    return np.array([str(one) for one in values.ravel()], dtype=object).reshape(values.shape)


def _dimensions(array: "zarr.Array") -> tuple[str, ...] | None:
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    names_fit = isinstance(names, (list, tuple)) and len(names) == array.ndim
    return tuple(names) if names_fit and all(isinstance(one, str) for one in names) else None
