"""Stimulus presentations of an NWB file of the Allen Institute, one TimeIntervals table for each stimulus."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import polars as pl

from storage.readers.allen.allen_facts import group_at, has
from storage.readers.allen.allen_tables import flags, json_rows, read_table, seconds
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

_SUFFIX = "_presentations"
_NOT_APPLICABLE = ("N/A", "")
# In whole numbers the AllenSDK writes -99 for none: NWB has no other way.
_NO_NUMBER = -99
_WITH_NO_NUMBER = (
    "flashes_since_change",
    "image_index",
    "movie_repeat",
    "movie_frame_index",
    "repeat",
    "stimulus_index",
    "trials_id",
    "change_frame",
)
_FLAGS = ("omitted", "is_change", "is_image_novel", "active", "is_sham_change")
_OMITTED = "omitted"
_EVENT = ("kind", "name", "source_id", "onset_s", "offset_s", "image_name", "is_change", "attributes")
_EVENT_TYPES = {
    "kind": pl.String,
    "name": pl.String,
    "source_id": pl.Int64,
    "onset_s": pl.Float64,
    "offset_s": pl.Float64,
    "image_name": pl.String,
    "is_change": pl.Boolean,
    "attributes": pl.String,
}


def presentation_tables(file: "h5py.File", refused: Refusal) -> dict[str, pl.DataFrame]:
    """The tables of presentations by where they stand in the file, each in the file's words.

    ``start_time`` is finite, ``stimulus_name`` is there; texts that say that they don't apply are null. Raises what
    ``refused`` makes when a table has no times.
    """
    if not has(file, "intervals"):
        return {}
    tables: dict[str, pl.DataFrame] = {}
    for name in sorted(group_at(file, "intervals", refused)):
        if not name.endswith(_SUFFIX):
            continue
        where = f"intervals/{name}"
        table = read_table(
            file,
            where,
            refused,
            needed=("start_time", "stop_time"),
            without=("tags", "timeseries"),
            numbers=("start_time", "stop_time", "frame"),
            texts=("stimulus_name", "image_name"),
        )
        table = table.with_columns(
            seconds(table["start_time"], where, refused),
            pl.col(pl.String).replace(dict.fromkeys(_NOT_APPLICABLE)),
            pl.col("stop_time").cast(pl.Float64),
        )
        if "stimulus_name" not in table.columns:
            table = table.with_columns(stimulus_name=pl.lit(name.removesuffix(_SUFFIX)))
        tables[where] = without_numbers(table)
    return tables


def without_numbers(table: pl.DataFrame) -> pl.DataFrame:
    """The table with null in place of the number that the AllenSDK writes for none."""
    columns = [name for name in _WITH_NO_NUMBER if name in table.columns and table[name].dtype.is_numeric()]
    return table.with_columns(pl.when(pl.col(name) != _NO_NUMBER).then(pl.col(name)).alias(name) for name in columns)


def attributes_of(table: pl.DataFrame, without: Collection[str] = ()) -> pl.Series:
    """JSON of the columns that no column of recorded.events holds, and that say anything in this table."""
    told = ("id", "start_time", "stop_time", "stimulus_name", "image_name", "is_change", *without)
    said = [name for name in table.columns if name not in told and table[name].null_count() < len(table)]
    return json_rows(table.select(said))


def numbered(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Events of all tables in order of onset; ``source_id`` is their place in it, as the AllenSDK numbers them."""
    if not tables:
        return pl.DataFrame(schema=_EVENT_TYPES)
    events = pl.concat([as_events(table) for table in tables]).sort("onset_s", maintain_order=True)
    return events.with_columns(source_id=pl.int_range(pl.len(), dtype=pl.Int64))


def as_events(table: pl.DataFrame) -> pl.DataFrame:
    """The columns of recorded.events, null where the table has none of that name."""
    absent = [pl.lit(None, dtype=_EVENT_TYPES[name]).alias(name) for name in _EVENT if name not in table.columns]
    return table.with_columns(absent).select(pl.col(name).cast(_EVENT_TYPES[name]) for name in _EVENT)


def event_rows(session_id: str, tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows of recorded.events: all of them in order of onset, those of one onset in the order given."""
    events = pl.concat([as_events(table) for table in tables]) if tables else pl.DataFrame(schema=_EVENT_TYPES)
    events = events.sort("onset_s", maintain_order=True)
    return events.with_columns(session_id=pl.lit(session_id), event_id=pl.int_range(pl.len(), dtype=pl.Int64))


def image_presentations(file: "h5py.File", refused: Refusal) -> tuple[pl.DataFrame, bool | None]:
    """Events of a change-detection session, and whether any image was new to the mouse; None where the file is silent.

    An image flashed is 'image', one left out 'omission', gray screens and movies are 'stimulus'. Raises what
    ``refused`` makes when an image has no end, or a row says both that it was shown and that it wasn't.
    """
    events, novel = [], []
    for where, table in presentation_tables(file, refused).items():
        table = table.with_columns(flags(table[name], where, refused) for name in _FLAGS if name in table.columns)
        if "is_image_novel" in table.columns and table["is_image_novel"].is_not_null().any():
            novel.append(table["is_image_novel"].any())
        events.append(_image_events(table, where, refused))
    shown = numbered(events)
    if shown["is_change"].is_null().all():
        shown = shown.with_columns(is_change=_changes())
    return shown, any(novel) if novel else None


def _image_events(table: pl.DataFrame, where: str, refused: Refusal) -> pl.DataFrame:
    absent = {"image_name": pl.String, "omitted": pl.Boolean, "is_change": pl.Boolean}
    table = table.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in absent.items() if name not in table.columns
    )
    is_gap = (table["image_name"] == _OMITTED).fill_null(False)
    contrary = (table["omitted"].is_not_null() & (table["omitted"] != is_gap)).arg_true()
    if len(contrary):
        row = int(contrary[0])
        found = f"{table['omitted'][row]} in row {row}, whose image_name is {table['image_name'][row]!r}"
        raise refused(
            field=f"{where}/omitted", found=found, expected=f"true where image_name is {_OMITTED!r}, else false"
        )
    kind = pl.when(is_gap).then(pl.lit("omission")).when(pl.col("image_name").is_not_null()).then(pl.lit("image"))
    events = table.select(
        kind=kind.otherwise(pl.lit("stimulus")),
        name=pl.col("stimulus_name"),
        onset_s=pl.col("start_time"),
        offset_s=pl.col("stop_time"),
        image_name=pl.when(~is_gap).then("image_name"),
        is_change=pl.col("is_change"),
        attributes=attributes_of(table, without=(_OMITTED,)),
    )
    endless = (events["offset_s"].is_null() & (events["kind"] != "omission")).arg_true()
    if len(endless):
        raise refused(field=f"{where}/stop_time", found=f"none in row {endless[0]}", expected="finite seconds")
    return events


def _changes() -> pl.Expr:
    """Where an image differs from the one flashed before it, omissions passed over; the first is no change."""
    flashed = pl.col("kind") == "image"
    before = pl.when(flashed).then("image_name").forward_fill().shift(1)
    changed = (pl.col("image_name") != before) & before.is_not_null()
    return pl.when(flashed).then(changed).when(pl.col("kind") == "omission").then(False)
