"""How a table of the lake is declared, and what follows from a declaration: DDL, Arrow schema, conforming rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl
import pyarrow as pa

ColumnType = Literal["text", "bigint", "integer", "real", "double", "boolean", "timestamptz", "blob"]

_SQL = {"text": "VARCHAR", "bigint": "BIGINT", "integer": "INTEGER", "real": "FLOAT", "double": "DOUBLE",
        "boolean": "BOOLEAN", "timestamptz": "TIMESTAMP WITH TIME ZONE", "blob": "BLOB"}  # fmt: skip
_ARROW = {"text": pa.string(), "bigint": pa.int64(), "integer": pa.int32(), "real": pa.float32(),
          "double": pa.float64(), "boolean": pa.bool_(), "timestamptz": pa.timestamp("us", "UTC"),
          "blob": pa.binary()}  # fmt: skip
_POLARS = {"text": pl.String, "bigint": pl.Int64, "integer": pl.Int32, "real": pl.Float32, "double": pl.Float64,
           "boolean": pl.Boolean, "timestamptz": pl.Datetime("us", "UTC"), "blob": pl.Binary}  # fmt: skip

SESSION_ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,200}")


@dataclass(frozen=True)
class Column:
    """One column: its type, unit and meaning, and the values that it may hold."""

    name: str
    type: ColumnType
    meaning: str
    unit: str | None = None
    nullable: bool = False
    one_of: tuple[str, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None

    @property
    def sql_type(self) -> str:
        return _SQL[self.type]

    @property
    def comment(self) -> str:
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


@dataclass(frozen=True)
class Table:
    """One table: its key, what a write replaces, how it is partitioned, and the road by which rows go in.

    ``replaced_by`` names the columns whose values a write replaces as a whole: writing any row of session S to a
    table replaced by session takes away every older row of S. Road ``files`` registers Parquet files written
    beside the catalog (big tables); ``insert`` sends rows through DuckDB.
    """

    name: str
    meaning: str
    key: tuple[str, ...]
    replaced_by: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: tuple[str, ...] = ()
    road: Literal["files", "insert"] = "insert"
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        for group in (self.key, self.replaced_by, self.partition, *self.parents.values()):
            if unknown := [name for name in group if name not in names]:
                raise ValueError(f"{self.name} has no column {unknown}; it has {names}")

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def schema_name(self) -> str:
        return self.name.split(".")[0]

    @property
    def short_name(self) -> str:
        return self.name.split(".")[1]

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def arrow_schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, _ARROW[c.type], nullable=c.nullable) for c in self.columns])

    def ddl(self) -> list[str]:
        """Statements that make the table, its partition and its comments in the lake that is in use."""
        # DuckLake upholds NOT NULL on INSERT and does not know primary keys: keys are proven by sql/checks.
        columns = ", ".join(f"{c.name} {c.sql_type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns)
        statements = [f"CREATE TABLE {self.name} ({columns})"]
        if self.partition:
            statements.append(f"ALTER TABLE {self.name} SET PARTITIONED BY ({', '.join(self.partition)})")
        statements.append(f"COMMENT ON TABLE {self.name} IS {_quoted(self.meaning)}")
        statements += [f"COMMENT ON COLUMN {self.name}.{c.name} IS {_quoted(c.comment)}" for c in self.columns]
        return statements

    def rows(self, frame: pl.DataFrame | pa.Table | Mapping[str, Sequence] | Sequence[Mapping]) -> pa.Table:
        """Rows in the declared order and types, NaN turned to NULL; nullable columns that are left out are NULL.

        Raises ValueError when another column is missing or one is unknown, a value doesn't fit its type, or a NULL
        stands where the declaration admits none.
        """
        frame = pl.from_arrow(frame) if isinstance(frame, pa.Table) else frame
        if not isinstance(frame, pl.DataFrame):
            frame = pl.DataFrame(frame, infer_schema_length=None)
        absent = [column for column in self.columns if column.name not in frame.columns]
        missing = [column.name for column in absent if not column.nullable]
        unknown = [name for name in frame.columns if name not in self.column_names]
        if missing or unknown:
            raise ValueError(f"rows for {self.name}: missing columns {missing}, unknown columns {unknown}")
        frame = frame.with_columns(pl.lit(None).alias(column.name) for column in absent)
        try:
            frame = frame.select(pl.col(c.name).cast(_POLARS[c.type]) for c in self.columns)
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"rows for {self.name} don't fit the declared types: {error}") from error
        frame = frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))
        for column in self.columns:
            if not column.nullable and (count := frame[column.name].null_count()):
                raise ValueError(f"rows for {self.name}: {column.name} is missing in {count} rows, and may not be")
        return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self.arrow_schema)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
