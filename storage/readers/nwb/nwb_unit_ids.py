"""Numbers for the units of a session that several tables of a file name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class UnitGroup:
    """Units of one table: its name, their numbers in it (n_units,) int64, and their columns of recorded.units."""

    name: str
    source_id: np.ndarray
    columns: Mapping[str, Sequence]


def number_units(groups: Sequence[UnitGroup], session_id: str) -> tuple[dict[str, list], list[np.ndarray]]:
    """Columns of recorded.units, and the ids of each group's units, (n_units,) int64.

    A unit keeps its table's number where no two tables give the same; else all are counted through from 0, in the
    order of the groups, and keep '<table>/<number>' as their name.
    """
    source = np.concatenate([group.source_id for group in groups]) if groups else np.empty(0, np.int64)
    clash = np.unique(source).size < source.size
    unit_id = np.arange(source.size) if clash else source
    units: dict[str, list[Any]] = {"session_id": [session_id] * source.size, "unit_id": unit_id.tolist()}
    if clash:
        units["name"] = [f"{group.name}/{one}" for group in groups for one in group.source_id]
    for column in sorted({name for group in groups for name in group.columns}):
        units[column] = []
        for group in groups:
            units[column] += list(group.columns.get(column, [None] * len(group.source_id)))
    parts = np.split(unit_id, np.cumsum([len(group.source_id) for group in groups])[:-1]) if groups else []
    return units, parts
