"""One part of a session's image coding, written under the id that was due: its rows, or why there are none."""

from collections.abc import Callable
from dataclasses import asdict

import polars as pl

from storage.declaration import Table
from storage.image_coding_due import PartDue
from storage.lake import Lake, open_lake
from storage.tables import STUDIES
from tasks.image_coding_recipe import CodingRecipe
from tasks.image_sessions import Unfit
from tasks.session_study import session_study_row


def write_part(
    due: PartDue,
    kind: str,
    title: str,
    named: str,
    flow_run_id: str | None,
    recipe: CodingRecipe,
    computed: Callable[[Lake, PartDue, CodingRecipe], tuple[dict[Table, pl.DataFrame], list[str]]],
) -> str:
    """Write what was ``computed``, rows by table and notes, in one transaction; returns the id that was due.

    ``named`` is what the part is computed by, as the recipe names it. A session that can't take part (Unfit) gets a
    study without rows, whose notes say why.
    """
    with open_lake() as lake:
        snapshot_id = lake.snapshot_id
        rows: dict[Table, pl.DataFrame] = {}
        try:
            rows, notes = computed(lake, due, recipe)
        except Unfit as reason:
            notes = [str(reason)]
        keyed = {"study_id": pl.lit(due.study_id), "session_id": pl.lit(due.session_id)}
        tables = {table: table.rows(found.with_columns(**keyed)) for table, found in rows.items() if len(found)}
        parameters = asdict(recipe) | {"recipe": named}
        row = session_study_row(due, kind, due.protocol, parameters, snapshot_id, flow_run_id, notes)
        tables[STUDIES] = STUDIES.rows([row])
        lake.replace(tables, message=title, info={"study": due.study_id, "flow_run": flow_run_id})
    return due.study_id
