"""A project's response types: how many ROIs of each region respond, to what, and whether regions differ."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import combinations

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.region_shares import holm, over_animals, over_rois
from storage.lake import open_lake
from storage.response_types_due import TypesDue
from storage.tables import RESPONSE_TYPE_TESTS, RESPONSE_TYPES, STUDIES
from tasks.attempts import HOUR_S, PATIENT
from tasks.conclude import Concluded
from tasks.response_type_recipe import DEFAULT_RECIPE, TypesRecipe

OVER_ROIS = "takes ROIs of one animal as independent"
_OF_REGION = ["protocol", "region"]


@task(
    **PATIENT,
    timeout_seconds=HOUR_S,
    cache_policy=NO_CACHE,
    tags=["lake"],
    task_run_name="response types of {due.project}",
)
def conclude_types(
    due: TypesDue, protocol: str, flow_run_id: str | None, recipe: TypesRecipe = DEFAULT_RECIPE
) -> Concluded:
    """Count the types of each region under both protocols, compare regions, and commit the findings together."""
    with open_lake() as lake:
        snapshot_id = lake.snapshot_id
        rois = lake.answer("roi_table", studies=list(due.fit_studies))
        notes = _missing_regions(rois, recipe)
        if recipe.regions:
            rois = rois.filter(pl.col("region").is_in(recipe.regions))
        of_study = {"study_id": pl.lit(due.study_id)}
        rows = {STUDIES: STUDIES.rows([_study_row(due, protocol, snapshot_id, flow_run_id, recipe, notes)])}
        if len(rois):
            types, tests = type_counts(rois), region_tests(rois)
            rows[RESPONSE_TYPES] = RESPONSE_TYPES.rows(types.with_columns(**of_study))
            if len(tests):
                rows[RESPONSE_TYPE_TESTS] = RESPONSE_TYPE_TESTS.rows(tests.with_columns(**of_study))
        lake.replace(
            rows, message=f"response types of {due.project}", info={"study": due.study_id, "flow_run": flow_run_id}
        )
    return Concluded(due.project, due.study_id)


def type_counts(rois: pl.DataFrame) -> pl.DataFrame:
    """Rows of findings.response_types from those of `roi_table`: every type of a protocol in each of its regions."""
    regions = rois.group_by(_OF_REGION).agg(
        region_roi_count=pl.len(),
        session_count=pl.col("session_id").n_unique(),
        animal_count=pl.col("animal_id").n_unique(),
    )
    types = rois.select("protocol", "response_type").unique()
    counts = rois.group_by(*_OF_REGION, "response_type").agg(roi_count=pl.len(), mean_r2=pl.col("r2").mean())
    return (
        regions.join(types, on="protocol")
        .join(counts, on=[*_OF_REGION, "response_type"], how="left")
        .with_columns(pl.col("roi_count").fill_null(0))
        .with_columns(share=pl.col("roi_count") / pl.col("region_roi_count"))
        .sort("protocol", "region", "response_type")
    )


def region_tests(rois: pl.DataFrame) -> pl.DataFrame:
    """Rows of findings.response_type_tests: every pair of regions in each type, p corrected within a protocol."""
    tests = [pl.DataFrame(list(_tests(of_protocol))) for _, of_protocol in rois.group_by("protocol")]
    tests = [
        one.with_columns(p_holm=pl.Series(holm(one["p"].cast(pl.Float64).to_numpy()))) for one in tests if len(one)
    ]
    return pl.concat(tests).sort("protocol", "response_type") if tests else pl.DataFrame()


def _tests(rois: pl.DataFrame) -> Iterator[dict]:
    """Of one protocol: over animals where each region has two; over ROIs as published, or with too few animals."""
    protocol = rois["protocol"][0]
    regions = rois["region"].unique().sort().to_list()
    for response_type in rois["response_type"].unique().sort():
        is_type = pl.col("response_type") == response_type
        for region_a, region_b in combinations(regions, 2):
            of_regions = [rois.filter(region=region) for region in (region_a, region_b)]
            by_animal = [one.group_by("animal_id").agg(share=is_type.mean())["share"] for one in of_regions]
            animals = [len(shares) for shares in by_animal]
            if protocol == "rigorous" and min(animals) >= 2:
                found, warning = over_animals(*(shares.to_numpy() for shares in by_animal)), None
            else:
                found = over_rois(*(n for one in of_regions for n in (one.select(is_type.sum()).item(), len(one))))
                warning = OVER_ROIS
            yield {
                "protocol": protocol, "response_type": response_type, "region_a": region_a, "region_b": region_b,
                "animals_a": animals[0], "animals_b": animals[1], "warning": warning,
            } | asdict(found)  # fmt: skip


def _missing_regions(rois: pl.DataFrame, recipe: TypesRecipe) -> list[str]:
    there = set(rois["region"])
    missing = [region for region in recipe.regions if region not in there]
    return [f"no ROI lies in {', '.join(missing)}; there are {', '.join(sorted(there)) or 'none'}"] * bool(missing)


def _study_row(
    due: TypesDue,
    protocol: str,
    snapshot_id: int,
    flow_run_id: str | None,
    recipe: TypesRecipe,
    notes: list[str],
) -> dict:
    return {
        "study_id": due.study_id,
        "kind": "response_types",
        "project": due.project,
        "session_id": None,
        "protocol": protocol,
        "parameters": json.dumps(asdict(recipe)),
        "inputs": json.dumps(due.fit_studies),
        "code_version": version("neurolake"),
        "snapshot_id": snapshot_id,
        "flow_run_id": flow_run_id,
        "notes": "\n".join(notes) or None,
        "finished_at": datetime.now(UTC),
    }
