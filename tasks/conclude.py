"""A project's omission study: effects, decoders, the registered model, and every row of it in one commit."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

import sql
from models.decoders import CLASSIFIERS
from storage.due import StudyDue
from storage.lake import Lake, open_lake
from storage.registry import Registry, Training
from storage.tables import ANOVA, CONTRASTS, DECODER_SCORES, PREDICTIONS, PROMOTIONS, STUDIES
from tasks.decode import TARGET, Decoding, accuracy_on_same_folds, decode, design, fit_chosen
from tasks.effects import anova_rows, contrast_rows
from tasks.figures import as_png, confusion_figure, roc_figure
from tasks.recipes import STUDY_RECIPE

DECODER_COUNT = 2 * len(CLASSIFIERS)  # times that `advance` is called


@dataclass(frozen=True)
class Concluded:
    """Ids of a study whose rows are in the lake."""

    project: str
    study_id: str


@task(cache_policy=NO_CACHE, tags=["lake", "registry"], task_run_name="omission study of {due.project}")
def conclude_study(
    due: StudyDue,
    protocol: str,
    flow_run_id: str | None,
    advance: Callable[[str], None] = lambda _: None,
) -> Concluded:
    """Test, decode and register from the features that are due, and commit the findings together.

    What the data don't allow (a missing cre line, a single mouse) is left out and noted in the study's row.
    """
    with open_lake() as lake:
        snapshot_id = lake.snapshot_id
        statement = sql.query("features_of_project")
        chosen = {"project": due.project, "studies": list(due.feature_studies)}
        features = lake.query(statement, **chosen)
        notes: list[str] = []
        placed = features.drop_nulls(["cre_line", "exposure_level"])
        if unplaced := len(features) - len(placed):
            notes.append(f"{unplaced} rows of sessions without cre line or exposure level are left out")
        features = placed
        rows: dict = {}
        try:
            rows[ANOVA] = ANOVA.rows(anova_rows(features, due.study_id))
        except ValueError as error:
            notes.append(f"ANOVA: {error}")
        contrasts, reasons = contrast_rows(features, due.study_id)
        notes += reasons
        if contrasts:
            rows[CONTRASTS] = CONTRASTS.rows(contrasts)
        decodings = _decodings(features, due.study_id, notes, advance)
        if decodings:
            rows[DECODER_SCORES] = DECODER_SCORES.rows([r for d in decodings.values() for r in d.scores])
            rows[PREDICTIONS] = PREDICTIONS.rows([r for d in decodings.values() for r in d.predictions])
        if protocol in decodings:
            promotion = _register(lake, due, decodings[protocol], statement, snapshot_id)
            rows[PROMOTIONS] = PROMOTIONS.rows([promotion])
        rows[STUDIES] = STUDIES.rows([_study_row(due, protocol, chosen, snapshot_id, flow_run_id, notes)])
        lake.replace(
            rows, message=f"omission study of {due.project}", info={"study": due.study_id, "flow_run": flow_run_id}
        )
    return Concluded(due.project, due.study_id)


def _decodings(
    features: pl.DataFrame, study_id: str, notes: list[str], advance: Callable[[str], None]
) -> dict[str, Decoding]:
    found = {}
    for protocol in ("published", "rigorous"):
        try:
            found[protocol] = decode(design(features, protocol), study_id, advance)
        except ValueError as error:
            notes.append(f"decoders, {protocol}: {error}")
    return found


def _register(lake: Lake, due: StudyDue, decoding: Decoding, statement: str, snapshot_id: int) -> Mapping:
    """Register the chosen decoder, and let it be champion if it beats the present one on these folds."""
    registry = Registry(lake.settings)
    protocol = decoding.design.protocol
    name = f"omitted-or-presented-{due.project}-{protocol}"
    folds = decoding.accuracies(decoding.chosen, "leave_one_mouse_out")
    accuracy = float(np.mean(folds))
    predictions = pl.DataFrame(decoding.predictions)
    model = registry.register(
        Training(
            model_name=name,
            study_id=due.study_id,
            decoder=fit_chosen(decoding),
            rows=decoding.design.rows.select(*decoding.design.columns, TARGET),
            columns=decoding.design.columns,
            target=TARGET,
            snapshot_id=snapshot_id,
            statement=statement,
            parameters={"protocol": protocol, "decoder": decoding.chosen, "project": due.project}
            | {"feature_study_count": len(due.feature_studies)},
            metrics={
                "leave_one_mouse_out_accuracy": accuracy,
                "test_accuracy": decoding.accuracies(decoding.chosen, "test")[0],
            },
            fold_metrics={"fold_accuracy": folds},
            figures={
                "roc": as_png(roc_figure(predictions, protocol)),
                "confusion": as_png(confusion_figure(predictions, protocol)),
            },
        )
    )
    champion = registry.champion(name)
    if champion is None or champion == model:
        registry.crown(model)
        champion_accuracy, promoted, champion = None, True, None
    else:
        champion_accuracy = accuracy_on_same_folds(registry.decoder(champion), decoding.design)
        promoted = accuracy > champion_accuracy
        if promoted:
            registry.crown(model)
    return {
        "study_id": due.study_id,
        "model_name": name,
        "model_version": model.version,
        "decoder": decoding.chosen,
        "mlflow_run_id": model.run_id,
        "accuracy": accuracy,
        "champion_version": champion.version if champion else None,
        "champion_accuracy": champion_accuracy,
        "promoted": promoted,
    }


def _study_row(
    due: StudyDue,
    protocol: str,
    chosen: Mapping,
    snapshot_id: int,
    flow_run_id: str | None,
    notes: list[str],
) -> Mapping:
    return {
        "study_id": due.study_id,
        "kind": "omission",
        "project": due.project,
        "session_id": None,
        "protocol": protocol,
        "parameters": json.dumps({"rows": "features_of_project", "recipe": STUDY_RECIPE} | dict(chosen)),
        "inputs": json.dumps(due.feature_studies),
        "code_version": version("neurolake"),
        "snapshot_id": snapshot_id,
        "flow_run_id": flow_run_id,
        "notes": "; ".join(notes) or None,
        "finished_at": datetime.now(UTC),
    }
