"""Facts that a long table repeats on many rows: of one session, one cell or one event they must agree."""

from collections.abc import Sequence

import polars as pl

from storage.readers.recording import Refusal


def agreed(rows: pl.DataFrame, keys: Sequence[str], names: Sequence[str], refused: Refusal) -> pl.DataFrame:
    """One row for each of ``keys`` with its facts ``names`` and its first row, in order.

    Raises what ``refused`` makes naming both rows where two disagree.
    """
    first = rows.group_by(keys, maintain_order=True).agg(pl.col("row", *names).first())
    for name in names:
        other = _differing(rows, first, keys, name)
        if len(other):
            one = other.row(0, named=True)
            of = ", ".join(f"{key} {one[key]}" for key in keys)
            found = f"{one[f'{name}_right']!r} in row {one['row_right']} and {one[name]!r} in row {one['row']} of {of}"
            raise refused(field=name, found=found, expected=f"one value for each {', '.join(keys)}")
    return first


def level_of(rows: pl.DataFrame, name: str, levels: Sequence[list[str]]) -> list[str] | None:
    """The first of ``levels``, each a list of keys, within which the column has one value; None where none has."""
    for keys in levels:
        first = rows.group_by(keys, maintain_order=True).agg(pl.col("row", name).first())
        if not len(_differing(rows, first, keys, name)):
            return keys
    return None


def whole(rows: pl.DataFrame, name: str, refused: Refusal) -> pl.Series:
    """The column as int64. Raises what ``refused`` makes where it isn't a whole number."""
    column = rows[name]
    numbers = column.cast(pl.Int64, strict=False) if column.dtype.is_numeric() else pl.Series([None] * len(column))
    same = (numbers == column) if column.dtype.is_numeric() else pl.Series([False] * len(column))
    if (wrong := ~same.fill_null(False)).any():
        row = wrong.arg_max()
        raise refused(field=name, found=f"{column[row]!r} in row {row}", expected="a whole number")
    return numbers


def flag(rows: pl.DataFrame, name: str, refused: Refusal) -> pl.Series:
    """The column as truths, from such or from 0 and 1, null where missing. Raises what ``refused`` makes."""
    column = rows[name]
    if column.dtype in (pl.Boolean, pl.Null):
        return column.cast(pl.Boolean)
    known = (column == 0) | (column == 1) if column.dtype.is_numeric() else pl.Series([False] * len(column))
    if (wrong := ~known & column.is_not_null()).any():
        row = wrong.arg_max()
        raise refused(field=name, found=f"{column[row]!r} in row {row}", expected="true or false")
    return column.cast(pl.Boolean).alias(name)


def text(value: object) -> str | None:
    """A name as text, also where the table has a number for it; None where it has none."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else str(value)


def _differing(rows: pl.DataFrame, first: pl.DataFrame, keys: Sequence[str], name: str) -> pl.DataFrame:
    both = rows.select("row", *keys, name).join(first.select(*keys, "row", name), on=keys, maintain_order="left")
    return both.filter(pl.col(name).ne_missing(pl.col(f"{name}_right")))
