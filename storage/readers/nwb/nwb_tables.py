"""Columns of NWB tables, read within bounds, and what no column of the lake is for as JSON, row by row."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.foreign.hdf5_files import numbers_at, texts_at
from storage.readers.given import as_json
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

MOST_ROWS = 500_000
MOST_VALUES = 64  # of one row in one column, to be kept with the row
_MOST_BYTES = 256 * 2**20


def stored_in(data: Any) -> "h5py.Dataset | None":
    """The dataset behind data as hdmf hands them over, None when they lie in none."""
    import h5py

    for wrapper in ("dset", "dataset"):
        data = getattr(data, wrapper, data)
    return data if isinstance(data, h5py.Dataset) and data.shape is not None and data.name else None


def row_ids(table: Any, where: str, refused: Refusal) -> np.ndarray:
    """The table's own numbers of its rows, (n_rows,) int64.

    Raises what ``refused`` makes for too many rows, or no numbers.
    """
    if (count := len(table.id)) > MOST_ROWS:
        raise refused(field=where, found=f"{count} rows", expected=f"at most {MOST_ROWS} rows")
    ids = _flat(table.id, refused) if count else np.empty(0, np.int64)
    if not isinstance(ids, np.ndarray) or ids.dtype.kind not in "iu" or (ids > np.iinfo(np.int64).max).any():
        kind = ids.dtype if isinstance(ids, np.ndarray) else "no numbers"
        raise refused(field=f"{where} id", found=str(kind), expected="64-bit integers")
    return ids.astype(np.int64)


def column(table: Any, name: str, where: str, refused: Refusal) -> np.ndarray | list:
    """Values of a plain column: numbers as an array (n_rows, ...), texts and names of objects as a list.

    Raises what ``refused`` makes when it is of another form.
    """
    values = _plain(table, name, refused)
    if values is None:
        raise refused(field=f"{where} {name}", found=type(table[name]).__name__, expected="one value for each row")
    return values


def texts(table: Any, name: str, where: str, refused: Refusal) -> list[str | None] | None:
    """The column's texts, None for empty ones, several of one row joined by commas.

    None in all when there is no such column, or it holds no text.
    """
    if name not in table.colnames:
        return None
    values: Any
    if _is_index(table[name]):
        lists, _ = _ragged(table[name], where, refused)
        values = [", ".join(map(str, one)) for one in lists] if lists and all(map(_all_text, lists)) else None
    else:
        values = _plain(table, name, refused)
    if not isinstance(values, list) or not _all_text(values):
        return None
    return [value.strip() or None for value in values]


def numbers(table: Any, name: str, refused: Refusal) -> np.ndarray | None:
    """The column's numbers (n_rows,); None when there is no such column, or it holds something else."""
    values = _plain(table, name, refused) if name in table.colnames else None
    return values if isinstance(values, np.ndarray) and values.ndim == 1 else None


def ends_of(index: Any, where: str, refused: Refusal) -> np.ndarray:
    """Where each row's values end in the flat column behind an index, (n_rows,) int64.

    Raises what ``refused`` makes when they run backwards or don't end where the column does.
    """
    ends = _flat(index, refused)
    if not isinstance(ends, np.ndarray) or ends.dtype.kind not in "iu" or ends.ndim != 1:
        raise refused(field=f"{where} {index.name}", found="no row numbers", expected="integers")
    flat, ends = len(index.target.data), ends.astype(np.int64)
    if (back := np.flatnonzero(np.diff(ends, prepend=0) < 0)).size:
        found = f"an end of {ends[back[0]]} in row {back[0]}"
        raise refused(field=f"{where} {index.name}", found=found, expected="ends that don't run backwards")
    if (last := int(ends[-1]) if len(ends) else 0) != flat:
        found = f"{flat} values, rows that end at {last}"
        raise refused(field=f"{where} {index.name}", found=found, expected="a row for each value")
    return ends


def attributes(
    table: Any, besides: Collection[str], where: str, refused: Refusal
) -> tuple[list[str | None], dict[str, str]]:
    """JSON of each row's other columns, None without any; and, with the reason, the columns too wide for that."""
    kept: dict[str, list] = {}
    left_out: dict[str, str] = {}
    for name in table.colnames:
        if name in besides:
            continue
        held, reason = table[name], None
        if _is_index(held):
            values, reason = _ragged(held, where, refused)
        else:
            values = _plain(table, name, refused)
        if values is None:
            left_out[f"{where}/{name}"] = reason or f"{type(held).__name__} of more than {MOST_VALUES} values a row"
        else:
            kept[name] = values.tolist() if isinstance(values, np.ndarray) else values
    if not kept:
        return [None] * len(table.id), left_out
    rows = zip(*kept.values(), strict=True)
    return [as_json(dict(zip(kept, row, strict=True))) for row in rows], left_out


def _all_text(values: list) -> bool:
    return all(isinstance(value, str) for value in values)


def _plain(table: Any, name: str, refused: Refusal) -> np.ndarray | list | None:
    # That all columns of a table are of one length, pynwb has seen to.
    return None if _is_index(table[name]) else _flat(table[name], refused)


def _ragged(index: Any, where: str, refused: Refusal) -> tuple[list[list] | None, str | None]:
    if _is_index(index.target):
        return None, "lists of lists"
    ends = ends_of(index, where, refused)
    longest = int(np.diff(ends, prepend=0).max()) if len(ends) else 0
    if longest > MOST_VALUES:
        return None, f"up to {longest} values a row"
    flat = _flat(index.target, refused)
    if flat is None:
        return None, f"lists of {type(index.target).__name__}"
    listed = flat.tolist() if isinstance(flat, np.ndarray) else flat
    return [listed[start:stop] for start, stop in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=False)], None


def _is_index(held: Any) -> bool:
    from hdmf.common import VectorIndex

    return isinstance(held, VectorIndex)


def _flat(held: Any, refused: Refusal) -> np.ndarray | list | None:
    """Values of a column that no index parts; None for more axes or values than are kept, and for compounds."""
    import h5py
    from hdmf.common import DynamicTableRegion
    from hdmf.common.table import EnumData

    data = stored_in(held.data)
    if data is None:
        values = np.asarray(held.data)
        return values.tolist() if values.dtype.kind in "OUS" else values
    if data.ndim not in (1, 2) or (data.ndim == 2 and data.shape[1] > MOST_VALUES) or data.dtype.kind == "V":
        return None
    if h5py.check_ref_dtype(data.dtype) is not None:
        if len(data) > MOST_ROWS or data.ndim != 1:
            return None
        return [getattr(one, "name", None) for one in held.data[:]]
    if h5py.check_string_dtype(data.dtype) is not None:
        return texts_at(data.file, data.name, refused) if data.ndim == 1 else None
    if data.dtype.kind not in "fiub":
        return None
    values = numbers_at(data.file, data.name, refused, kinds="fiub", limit_bytes=_MOST_BYTES)
    if isinstance(held, DynamicTableRegion) and len(held.table.id) <= MOST_ROWS:
        rows = np.asarray(_flat(held.table.id, refused))
        return rows[require_rows(values, len(rows), held.name, held.table.name, refused)]
    if isinstance(held, EnumData):
        elements = _flat(held.elements, refused)
        listed = elements.tolist() if isinstance(elements, np.ndarray) else elements or []
        require_rows(values, len(listed), held.name, f"the elements of {held.name}", refused)
        return [listed[code] for code in values]
    return values


def require_rows(rows: np.ndarray, count: int, name: str, table: str, refused: Refusal) -> np.ndarray:
    """The row numbers, as int64. Raises what ``refused`` makes when one is none of the table's ``count`` rows."""
    rows = rows.astype(np.int64)
    if (outside := rows[(rows < 0) | (rows >= count)]).size:
        found = f"row {outside[0]} of {table}, which has {count} rows"
        raise refused(field=name, found=found, expected=f"rows of {table}")
    return rows
