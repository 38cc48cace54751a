"""What a part of a study hands back: rows for the lake, and what it could not compute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from storage.declaration import Table


@dataclass(frozen=True)
class StudyPart:
    """Rows by table, as `Table.rows` takes them, and notes in words for whatever is missing from them."""

    rows: Mapping[Table, pl.DataFrame | Sequence[Mapping]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
