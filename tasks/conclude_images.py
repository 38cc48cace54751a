"""A project's image coding: how much each kind of model predicts, and whether a network beats the linear ones."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.paired_differences import paired_difference
from storage.image_coding_due import CodingDue
from storage.lake import open_lake
from storage.tables import IMAGE_CODING, STUDIES
from tasks.attempts import HOUR_S, PATIENT
from tasks.conclude import Concluded
from tasks.image_coding_recipe import DEFAULT_RECIPE, CodingRecipe

OVER_UNITS = "takes units of one animal as independent"
_MEASURES = (
    "correlation_to_mean",
    "single_trial_correlation",
    "fraction_of_oracle",
    "noise_corrected_correlation",
    "explained_explainable_variance",
    "noise_ceiling",
)
_UNIT = ["session_id", "unit_id"]


@task(**PATIENT, timeout_seconds=HOUR_S, cache_policy=NO_CACHE, tags=["lake"], task_run_name="coding of {due.project}")
def conclude_images(
    due: CodingDue, protocol: str, flow_run_id: str | None, recipe: CodingRecipe = DEFAULT_RECIPE
) -> Concluded:
    """Hold the models of all sessions against each other under both protocols, and commit the findings together."""
    with open_lake() as lake:
        snapshot_id = lake.snapshot_id
        scores = lake.answer("encoding_score_table", studies=list(due.part_studies))
        rows = {STUDIES: STUDIES.rows([_study_row(due, protocol, snapshot_id, flow_run_id, recipe)])}
        if len(found := model_summaries(scores)):
            rows[IMAGE_CODING] = IMAGE_CODING.rows(found.with_columns(study_id=pl.lit(due.study_id)))
        info = {"study": due.study_id, "flow_run": flow_run_id}
        lake.replace(rows, message=f"image coding of {due.project}", info=info)
    return Concluded(due.project, due.study_id)


def model_summaries(scores: pl.DataFrame) -> pl.DataFrame:
    """Rows of findings.image_coding from those of `encoding_score_table`: medians over units of images held out.

    Each network is held against the linear model that is best on the same images, whatever its protocol: chosen so,
    it is flattered if anything.
    """
    held_out = scores.filter(side="test")
    linear = _best_linear(held_out)
    return pl.DataFrame(list(_summaries(held_out, linear)), infer_schema_length=None)


def _best_linear(held_out: pl.DataFrame) -> str | None:
    found = held_out.filter(kind="linear").group_by("model").agg(pl.col("correlation_to_mean").median())
    found = found.drop_nulls().sort("correlation_to_mean", "model", descending=[True, False])
    return found["model"][0] if len(found) else None


def _summaries(held_out: pl.DataFrame, linear: str | None) -> Iterator[dict]:
    of_linear = held_out.filter(kind="linear", model=linear) if linear else held_out.clear()
    for (protocol, model, kind), rows in held_out.group_by("protocol", "model", "kind", maintain_order=True):
        medians = {name: rows[name].median() for name in _MEASURES}
        row = {
            "protocol": protocol,
            "model": model,
            "kind": kind,
            "session_count": rows["session_id"].n_unique(),
            "unit_count": len(rows),
        } | medians
        both = rows.join(of_linear.select(*_UNIT, linear_r="correlation_to_mean"), on=_UNIT)
        if linear is None or model == linear or both.is_empty():
            yield row
            continue
        pair = (both[name].cast(pl.Float64).to_numpy() for name in ("correlation_to_mean", "linear_r"))
        found = paired_difference(*pair)
        yield row | {
            "linear_model": linear,
            "difference": found.median,
            "ci_low": found.low,
            "ci_high": found.high,
            "p": found.p,
            "warning": OVER_UNITS,
        }


def _study_row(due: CodingDue, protocol: str, snapshot_id: int, flow_run_id: str | None, recipe: CodingRecipe) -> dict:
    return {
        "study_id": due.study_id,
        "kind": "image_coding",
        "project": due.project,
        "session_id": None,
        "protocol": protocol,
        "parameters": json.dumps(asdict(recipe)),
        "inputs": json.dumps(due.part_studies),
        "code_version": version("neurolake"),
        "snapshot_id": snapshot_id,
        "flow_run_id": flow_run_id,
        "notes": None,
        "finished_at": datetime.now(UTC),
    }
