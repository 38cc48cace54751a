"""HDF5 files from strangers: what they hold lies inside them, is as large as it claims, and is of the kind asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.foreign.declared_sizes import require_likely_size, shown
from storage.readers.foreign.hdf5_chunks import file_state, require_sound_chunks
from storage.readers.recording import Refusal, Refused

if TYPE_CHECKING:
    import h5py

MOST_OBJECTS = 100_000
MOST_BYTES = 8 * 2**30
MOST_TEXTS = 1_000_000
MOST_TEXT_BYTES = 256 * 2**20
# States of files that were seen to be closed: a stream opens its file anew for each span.
_closed: set[tuple[int, ...]] = set()


@contextmanager
def opened_hdf5(path: Path, refused: Refusal) -> Iterator["h5py.File"]:
    """The file, open to read, once none of its links or datasets has been seen to lead out of it.

    Raises what ``refused`` makes for an empty or torn file, external links, links of a user's own kind, datasets
    stored in other files, virtual datasets, and more than 100,000 objects. Soft links are passed over here.
    """
    import h5py

    if path.stat().st_size == 0:
        raise refused(field="file", found="an empty file", expected="HDF5")
    with _whole("file", refused, "a whole HDF5 file"):
        file = h5py.File(path, "r")
    with file:
        with _whole("file", refused, "a whole HDF5 file"):
            if (state := file_state(path)) not in _closed:
                _require_closed(file, refused)
                _closed.add(state)
        yield file


def dataset_at(
    file: "h5py.Group",
    name: str,
    refused: Refusal,
    *,
    kinds: str = "fiu",
    ndim: int | None = None,
    unpacked: bool = True,
) -> "h5py.Dataset":
    """The dataset of that name, its values unread: of these NumPy kinds, this many axes, and a believable size.

    Raises what ``refused`` makes otherwise, and as ``require_sound_chunks`` does. With ``unpacked`` false the chunks
    are not looked at, and only ``table_blocks`` may read the values.
    """
    import h5py

    field = _field(file, name)
    with _whole(field, refused, "a dataset"):
        found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        seen = "nothing" if found is None else f"a {type(found).__name__.lower()}"
        raise refused(field=field, found=seen, expected="a dataset")
    with _whole(field, refused, "a dataset that h5py reads"):
        require_sound(found, refused, unpacked=unpacked)
        kind = found.dtype.kind
    if kind not in kinds or (ndim is not None and found.ndim != ndim):
        expected = f"kind {' or '.join(kinds)}" + (f", {ndim} axes" if ndim is not None else "")
        raise refused(field=field, found=f"{found.dtype} of shape {found.shape}", expected=expected)
    return found


def numbers_at(
    file: "h5py.Group",
    name: str,
    refused: Refusal,
    *,
    kinds: str = "fiu",
    ndim: int | None = None,
    limit_bytes: int = MOST_BYTES,
) -> np.ndarray:
    """The dataset's values in memory, as stored. Raises as ``dataset_at``, over the limit, and for torn chunks."""
    found = dataset_at(file, name, refused, kinds=kinds, ndim=ndim)
    field = _field(file, name)
    if (size := found.size * found.dtype.itemsize) > limit_bytes:
        raise refused(field=field, found=f"{size} bytes", expected=f"at most {limit_bytes} bytes")
    with _whole(field, refused, "values that can be read"):
        return np.asarray(found[()])


def texts_at(file: "h5py.Group", name: str, refused: Refusal) -> list[str]:
    """The dataset's texts, row after row, from fixed or variable length. Raises as ``dataset_at``, and for no UTF-8."""
    import h5py

    found = dataset_at(file, name, refused, kinds="OS")
    field = _field(file, name)
    if h5py.check_string_dtype(found.dtype) is None:
        raise refused(field=field, found=f"{found.dtype} of shape {found.shape}", expected="text")
    if found.size > MOST_TEXTS:
        raise refused(field=field, found=f"{found.size} texts", expected=f"at most {MOST_TEXTS}")
    with _whole(field, refused, "text"):
        return [_text(one, field, refused) for one in _strings(found, field, refused)]


def text_attribute(obj: "h5py.HLObject", name: str, refused: Refusal) -> str:
    """The attribute's one text. Raises what ``refused`` makes when it isn't there, or is no single text in UTF-8."""
    import h5py

    field = f"{(obj.name or '/').strip('/') or 'file'} attribute {name}"
    with _whole(field, refused, "text"):
        if name not in obj.attrs:
            raise refused(field=field, found="nothing", expected="text")
        held = obj.attrs.get_id(name)
        if h5py.check_string_dtype(held.dtype) is None or prod(held.shape or ()) != 1 or held.shape is None:
            raise refused(field=field, found=f"{held.dtype} of shape {held.shape}", expected="one text")
        return _text(np.asarray(obj.attrs[name]).item(), field, refused)


def require_sound(dataset: "h5py.Dataset", refused: Refusal, *, unpacked: bool = True) -> None:
    """Raises what ``refused`` makes unless the dataset's values lie in this file, and may be as many as it says.

    With ``unpacked`` false its chunks are not looked at.
    """
    from h5py import h5d

    field = (dataset.name or "an unnamed dataset").strip("/")
    made = dataset.id.get_create_plist()
    _require_own_bytes(made, field, refused)
    if dataset.shape is None:
        raise refused(field=field, found="no values", expected="values")
    if unpacked and made.get_layout() == h5d.CHUNKED:
        require_sound_chunks(dataset, field, refused)
    itemsize = dataset.dtype.itemsize
    require_likely_size(prod(dataset.shape) * itemsize, dataset.id.get_storage_size(), field, refused)


def _require_closed(file: "h5py.File", refused: Refusal) -> None:
    from h5py import h5d, h5g, h5l, h5o

    seen: set[tuple[int, int]] = set()
    left: list[tuple[str, Any]] = [("", file["/"].id)]
    while left:
        where, group = left.pop()
        links: list[tuple[bytes, int]] = []
        # A true answer ends the iteration: one group must not hold more links than there may be objects.
        group.links.iterate(lambda name, info, links=links: _collect(links, name, info), info=True)
        for name, kind in links:
            place = f"{where}/{name.decode()}".strip("/")
            if kind == h5l.TYPE_SOFT:
                continue
            if kind != h5l.TYPE_HARD:
                found = "a link into another file" if kind == h5l.TYPE_EXTERNAL else f"a link of kind {kind}"
                raise refused(field=place, found=found, expected="what the file itself holds")
            held = h5o.open(group, name)
            about = h5o.get_info(held)
            if (key := (about.fileno, about.addr)) in seen:
                continue
            seen.add(key)
            if len(seen) > MOST_OBJECTS:
                raise refused(field="file", found=f"over {MOST_OBJECTS} objects", expected="fewer")
            if isinstance(held, h5g.GroupID):
                left.append((place, held))
            elif isinstance(held, h5d.DatasetID):
                _require_own_bytes(held.get_create_plist(), place, refused)


def _collect(links: list[tuple[bytes, int]], name: bytes, info: Any) -> bool | None:
    links.append((name, info.type))
    return True if len(links) > MOST_OBJECTS else None


def _require_own_bytes(made: Any, field: str, refused: Refusal) -> None:
    from h5py import h5d

    layout = made.get_layout()
    if layout == h5d.VIRTUAL:
        raise refused(field=field, found="a virtual dataset", expected="values in the file itself")
    if layout == h5d.CONTIGUOUS and made.get_external_count():
        name = made.get_external(0)[0].decode("utf-8", "replace")
        raise refused(field=field, found=f"values in another file, {name}", expected="values in the file itself")


def _strings(dataset: "h5py.Dataset", field: str, refused: Refusal) -> Iterator[Any]:
    if dataset.ndim == 0:
        yield dataset[()]
        return
    # Each text of variable length may point at the same large one, none longer than the file: read so many at a time
    # as could not exceed the limit if they all did.
    longest = max(dataset.dtype.itemsize if dataset.dtype.kind == "S" else dataset.file.id.get_filesize(), 1)
    step = max(1, MOST_TEXT_BYTES // (longest * prod(dataset.shape[1:]))) if dataset.size else 1
    read = 0
    for start in range(0, len(dataset), step):
        block = dataset[start : start + step].ravel().tolist()
        read += sum(map(len, block))
        if read > MOST_TEXT_BYTES:
            raise refused(field=field, found=f"over {read} bytes", expected=f"at most {MOST_TEXT_BYTES} bytes of text")
        yield from block


def _text(held: Any, field: str, refused: Refusal) -> str:
    try:
        return held.decode("utf-8") if isinstance(held, bytes) else held.encode("utf-8").decode("utf-8")
    except UnicodeError as error:
        raise refused(field=field, found=shown(error), expected="text in UTF-8") from error


def _field(file: "h5py.Group", name: str) -> str:
    return f"{(file.name or '').strip('/')}/{name}".strip("/")


@contextmanager
def _whole(field: str, refused: Refusal, expected: str) -> Iterator[None]:
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        raise refused(field=field, found=shown(error), expected=expected) from error
