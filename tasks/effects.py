"""Effects of omission on response features: the source's tests over cells, and what holds over mice."""

from collections import defaultdict
from collections.abc import Sequence

import polars as pl

from storage.declaration import Table
from tasks.mouse_effects import mouse_effects
from tasks.published_effects import published_effects
from tasks.study_part import StudyPart

MEASURES = ("peak_dff", "peak_latency_s", "auc_dff_s")


def effects(features: pl.DataFrame, study_id: str, measures: Sequence[str] = MEASURES) -> StudyPart:
    """Rows of findings.anova, contrasts, group_tests and mixed_effects under both protocols, whichever runs.

    ``features`` answers `features_of_project`, of sessions with cre line and exposure level. ``measures`` are peak,
    latency and AUC of one signal, in that order.
    """
    parts = [part(features, study_id, measures) for part in (published_effects, mouse_effects)]
    frames: dict[Table, list[pl.DataFrame]] = defaultdict(list)
    for part in parts:
        for table, rows in part.rows.items():
            frames[table].append(pl.from_arrow(table.rows(rows)))
    return StudyPart(
        {table: pl.concat(of_table) for table, of_table in frames.items()},
        tuple(note for part in parts for note in part.notes),
    )
