"""Rows of big tables to Parquet, block by block: one file per session, never whole in memory."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.declaration import Table
from storage.new_file import discard, new_file
from storage.object_store import StorePath

_ROWS_PER_GROUP = 1_048_576
_CODED_TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class RowBlocks:
    """Rows of one big table in blocks of its declared Arrow schema, read once, when they are written.

    The rows of one session may come in any number of blocks. Within a session the last column of the key numbers
    the rows of each group of the others from 0, one block going on where the one before it ended.
    """

    table: Table
    blocks: Callable[[], Iterator[pa.Table]]


def write_row_files(rows: RowBlocks, data: Path | StorePath) -> dict[str, Path | StorePath]:
    """Write the blocks as new files in their partitions' folders; the file of each session, durable.

    Nothing reads them until the write path registers them. Raises ValueError for a block of another schema;
    whatever is raised, no file stays behind.
    """
    table = rows.table
    kept = (field for field in table.arrow_schema if field.name not in table.partition)
    schema = pa.schema(f.with_type(_CODED_TEXT) if pa.types.is_string(f.type) else f for f in kept)
    base = data / table.schema_name / table.short_name
    paths: dict[str, Path | StorePath] = {}
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        with ExitStack() as files:
            for block in rows.blocks():
                if not block.schema.equals(table.arrow_schema):
                    raise ValueError(f"rows for {table.name} don't have the declared schema; found {block.schema}")
                for session_id, part in _by_session(block):
                    if session_id not in writers:
                        paths[session_id] = base / f"session_id={session_id}" / f"{uuid.uuid4().hex}.parquet"
                        file = files.enter_context(new_file(paths[session_id]))
                        writers[session_id] = files.enter_context(_writer(file, schema))
                    writers[session_id].write_table(_coded(part, schema), row_group_size=_ROWS_PER_GROUP)
    except BaseException:
        discard(*paths.values())
        raise
    return paths


def _writer(file: BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    numbers = [field.name for field in schema if pa.types.is_integer(field.type)]
    texts = [field.name for field in schema if field.type == _CODED_TEXT]
    return pq.ParquetWriter(
        file,
        schema,
        compression="lz4",
        use_dictionary=texts,
        column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
        store_schema=False,  # which would make them categories to whoever reads them with Arrow
    )


def _coded(block: pa.Table, schema: pa.Schema) -> pa.Table:
    """The block with the schema's columns, texts as numbers of a dictionary, as they are written."""

    def coded(field: pa.Field) -> pa.Array | pa.ChunkedArray:
        column = block[field.name]
        if field.type != _CODED_TEXT:
            return column
        if is_constant(column) and column[0].is_valid:
            return pa.DictionaryArray.from_arrays(
                pa.repeat(pa.scalar(0, pa.int32()), len(column)), column[:1].combine_chunks()
            )
        return column.dictionary_encode()

    return pa.Table.from_arrays([coded(field) for field in schema], schema=schema)


def is_constant(column: pa.ChunkedArray) -> bool:
    """Whether each value is the one before it: of text, seen in a fifth of the time that its distinct values take."""
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    return all(chunk[0] == chunks[0][0] and chunk[1:].equals(chunk[:-1]) for chunk in chunks)


def _by_session(block: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    if block.num_rows and is_constant(block["session_id"]):
        yield block["session_id"][0].as_py(), block
        return
    for session_id in block["session_id"].unique().to_pylist():
        yield session_id, block.filter(pc.equal(block["session_id"], session_id))
