"""A project's omission study: effects, decoders, the registered model, and every row of it in one commit."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import polars as pl
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

import sql
from storage.declaration import Table
from storage.due import StudyDue
from storage.lake import Lake, open_lake
from storage.tables import PROMOTIONS, STUDIES
from tasks.attempts import HOUR_S, PATIENT
from tasks.decode import PARTS, decode_study
from tasks.decode_time import SessionAbout, decode_time
from tasks.effects import effects
from tasks.explore import explore
from tasks.recipes import DEFAULT_RECIPE, Recipe
from tasks.register_decoder import register_decoder
from tasks.session_trials import session_trials
from tasks.spike_repeat import spike_repeat
from tasks.study_part import StudyPart

PROTOCOLS = ("published", "rigorous")
STUDY_PARTS = PARTS + 5  # times that `advance` is called


@dataclass(frozen=True)
class Concluded:
    """Ids of a study whose rows are in the lake."""

    project: str
    study_id: str


@task(
    **PATIENT,
    timeout_seconds=24 * HOUR_S,
    cache_policy=NO_CACHE,
    tags=["lake", "registry"],
    task_run_name="omission study of {due.project}",
)
def conclude_study(
    due: StudyDue,
    protocol: str,
    flow_run_id: str | None,
    recipe: Recipe = DEFAULT_RECIPE,
    advance: Callable[[str], None] = lambda _: None,
) -> Concluded:
    """Test, decode, explore and register from the features that are due, and commit the findings together.

    What the data don't allow (a missing cre line, a single mouse) is left out and noted in the study's row.
    """
    with open_lake() as lake:
        snapshot_id = lake.snapshot_id
        statement = sql.query("features_of_project")
        chosen = {"project": due.project, "studies": list(due.feature_studies)}
        features, left_out = _placed(lake.query(statement, **chosen))
        decoded, decodings = decode_study(features, due.study_id, advance)
        parts = [StudyPart(notes=left_out), decoded, *_other_parts(lake, due, features, recipe, advance)]
        rows = _together(parts)
        if protocol in decodings:
            promotion = register_decoder(lake, due, decodings[protocol], statement, snapshot_id)
            rows[PROMOTIONS] = PROMOTIONS.rows([promotion])
        notes = [note for part in parts for note in part.notes]
        rows[STUDIES] = STUDIES.rows([_study_row(due, protocol, chosen, snapshot_id, flow_run_id, recipe, notes)])
        lake.replace(
            rows, message=f"omission study of {due.project}", info={"study": due.study_id, "flow_run": flow_run_id}
        )
    return Concluded(due.project, due.study_id)


def _other_parts(
    lake: Lake, due: StudyDue, features: pl.DataFrame, recipe: Recipe, advance: Callable[[str], None]
) -> Iterator[StudyPart]:
    """Everything beside the decoders of features, one part after the other."""
    studies = list(due.feature_studies)
    yield effects(features, due.study_id)
    advance("effects")
    measured = lake.answer("measured_sessions", studies=studies)
    about = {row.pop("session_id"): SessionAbout(**row) for row in measured.iter_rows(named=True)}
    for protocol in PROTOCOLS:
        trials = (session_trials(lake, session_id, protocol, recipe.window) for session_id in about)
        yield decode_time(trials, about, due.study_id, (protocol,))
        advance(f"decoding through time, {protocol}")
    yield explore(lake.answer("unit_mean_responses", studies=studies), features, due.study_id)
    advance("motifs and maps")
    yield spike_repeat(lake, due.project, studies, due.study_id)
    advance("spike probability")


def _placed(features: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Features of sessions whose group is known, and a note of those that are left out."""
    placed = features.drop_nulls(["cre_line", "exposure_level"])
    unplaced = len(features) - len(placed)
    note = (f"{unplaced} rows of sessions without cre line or exposure level are left out",) if unplaced else ()
    return placed, note


def _together(parts: Sequence[StudyPart]) -> dict[Table, pa.Table]:
    """Rows of all parts, one after the other in each table."""
    tables = dict.fromkeys(table for part in parts for table in part.rows)
    return {
        table: pa.concat_tables([table.rows(part.rows[table]) for part in parts if len(part.rows.get(table, ()))])
        for table in tables
        if any(len(part.rows.get(table, ())) for part in parts)
    }


def _study_row(
    due: StudyDue,
    protocol: str,
    chosen: Mapping,
    snapshot_id: int,
    flow_run_id: str | None,
    recipe: Recipe,
    notes: list[str],
) -> Mapping:
    return {
        "study_id": due.study_id,
        "kind": "omission",
        "project": due.project,
        "session_id": None,
        "protocol": protocol,
        "parameters": json.dumps(
            {"rows": "features_of_project", "recipe": recipe.study, "window": str(recipe.window)} | dict(chosen)
        ),
        "inputs": json.dumps(due.feature_studies),
        "code_version": version("neurolake"),
        "snapshot_id": snapshot_id,
        "flow_run_id": flow_run_id,
        "notes": "\n".join(notes) or None,
        "finished_at": datetime.now(UTC),
    }
