"""Tables inside an NWB file (DynamicTable, TimeIntervals), read with h5py alone into Polars."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from storage.readers.allen.allen_facts import facts_of, group_at
from storage.readers.allen.allen_texts import column_texts
from storage.readers.foreign.hdf5_files import numbers_at
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

_NUMBERS, _FLAGS = "fiu", "b"


def read_table(
    file: "h5py.Group",
    name: str,
    refused: Refusal,
    *,
    needed: Collection[str] = (),
    without: Collection[str] = (),
    numbers: Collection[str] = (),
    texts: Collection[str] = (),
) -> pl.DataFrame:
    """The table's ``id`` and columns: numbers and flags with NaN as null, texts, and lists where a column is ragged.

    Columns of references, of pairs, or of more than one axis are passed over, as are those of ``without``. Raises what
    ``refused`` makes when a needed column isn't there, one is not as long as the table, or one of those that hold
    ``numbers`` or ``texts``, where they are there, holds something else.
    """
    group = group_at(file, name, refused)
    columns = {"id": pl.Series("id", numbers_at(group, "id", refused, kinds="iu", ndim=1).astype(np.int64))}
    height = len(columns["id"])
    for column in _names(group, refused):
        if column in without or column == "id":
            continue
        values = _column(group, column, refused)
        if values is not None and len(values) != height:
            found = f"{len(values)} values for {height} rows"
            raise refused(field=_field(group, column), found=found, expected="one value for each row")
        if values is not None:
            columns[column] = values
    if absent := sorted(set(needed) - set(columns)):
        found = f"no column {', '.join(absent)} among {', '.join(columns)}"
        raise refused(field=_field(group, absent[0]), found=found, expected=f"the columns {', '.join(sorted(needed))}")
    for expected, held in (("numbers", numbers), ("text", texts)):
        for column in (columns[one] for one in held if one in columns):
            if (expected == "numbers") != column.dtype.is_numeric() or (expected == "text") != (
                column.dtype == pl.String
            ):
                raise refused(field=_field(group, column.name), found=f"{column.dtype} values", expected=expected)
    return pl.DataFrame(list(columns.values()))


def json_rows(table: pl.DataFrame) -> pl.Series:
    """Each row as JSON, keys in order; NaN and infinities as null."""
    if not table.width:
        return pl.Series("attributes", [None] * len(table), dtype=pl.String)
    rows = table.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))
    return rows.select(pl.struct(sorted(rows.columns)).struct.json_encode().alias("attributes")).to_series()


def flags(values: pl.Series, where: str, refused: Refusal) -> pl.Series:
    """The column as true, false or null; in NWB a flag that may be missing is 0.0, 1.0 or NaN.

    Raises what ``refused`` makes for any other value.
    """
    if values.dtype == pl.Boolean:
        return values
    numbers = values.cast(pl.Float64, strict=False) if values.dtype.is_numeric() else pl.Series([2.0] * len(values))
    bad = (~numbers.is_in([0.0, 1.0]) & numbers.is_not_null()).arg_true()
    if len(bad):
        row = int(bad[0])
        found = f"{values[row]!r} in row {row} ({len(bad)} of {len(values)} rows)"
        raise refused(field=f"{where}/{values.name}", found=found, expected="true or false")
    return numbers.cast(pl.Boolean).alias(values.name)


def seconds(values: pl.Series, where: str, refused: Refusal) -> pl.Series:
    """The column as seconds. Raises what ``refused`` makes when one is missing or isn't finite."""
    numbers = values.cast(pl.Float64, strict=False)
    bad = (~numbers.is_finite().fill_null(False)).arg_true()
    if len(bad):
        row = int(bad[0])
        found = f"{values[row]!r} in row {row} ({len(bad)} of {len(values)} rows)"
        raise refused(field=f"{where}/{values.name}", found=found, expected="finite seconds")
    return numbers


def _column(group: "h5py.Group", name: str, refused: Refusal) -> pl.Series | None:
    import h5py

    dataset = group.get(name)
    if dataset is None:
        raise refused(field=_field(group, name), found="nothing", expected="a column, as colnames says")
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1:
        return None
    values = _values(group, name, dataset.dtype, refused)
    index = f"{name}_index"
    return values if values is None or index not in group else _ragged(group, values, index, refused)


def _values(group: "h5py.Group", name: str, dtype: np.dtype, refused: Refusal) -> pl.Series | None:
    import h5py

    if h5py.check_string_dtype(dtype) is not None:
        return pl.Series(name, column_texts(group, name, refused), dtype=pl.String)
    if dtype.kind in _FLAGS:
        return pl.Series(name, numbers_at(group, name, refused, kinds=_FLAGS, ndim=1))
    if dtype.kind in _NUMBERS:
        numbers = numbers_at(group, name, refused, kinds=_NUMBERS, ndim=1)
        return pl.Series(name, numbers.astype(numbers.dtype.newbyteorder("="))).fill_nan(None)
    return None


def _ragged(group: "h5py.Group", values: pl.Series, index: str, refused: Refusal) -> pl.Series:
    ends = ends_at(group, index, len(values), refused)
    rows = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    lists = pl.DataFrame({"row": rows, values.name: values[: len(rows)]}).group_by("row").agg(pl.col(values.name))
    every = pl.DataFrame({"row": np.arange(len(ends))}).join(lists, on="row", how="left", maintain_order="left")
    return every[values.name].fill_null(pl.Series([[]], dtype=pl.List(values.dtype)))


def ends_at(group: "h5py.Group", index: str, count: int, refused: Refusal) -> np.ndarray:
    """Where each row of a ragged column ends in its values, (n_rows,) int64.

    Raises what ``refused`` makes when the ends run backwards or don't meet the ``count`` of values.
    """
    ends = numbers_at(group, index, refused, kinds="iu", ndim=1).astype(np.int64)
    field = _field(group, index)
    if (back := np.flatnonzero(np.diff(ends, prepend=0) < 0)).size:
        raise refused(field=field, found=f"row {back[0]} ending before it begins", expected="ends that don't decrease")
    last = int(ends[-1]) if ends.size else 0
    # Where every row is empty, the AllenSDK writes one empty text in place of no values.
    if last != count and not (last == 0 and count == 1):
        raise refused(field=field, found=f"rows up to value {last} of {count}", expected="rows that use every value")
    return ends


def _names(group: "h5py.Group", refused: Refusal) -> list[str]:
    """Names of the columns in their order, as the table says itself, or else by what lies in it."""
    named = facts_of(group, refused).get("colnames")
    if isinstance(named, list):
        return list(dict.fromkeys(map(str, named)))
    return [name for name in group if not (name.endswith("_index") and name.removesuffix("_index") in group)]


def _field(group: "h5py.Group", name: str) -> str:
    return f"{(group.name or '').strip('/')}/{name}".strip("/")
