"""The chosen decoder of a study into the registry, and whether it becomes champion."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from storage.due import StudyDue
from storage.lake import Lake
from storage.registry import Registry, Training
from tasks.decode import TARGET, Decoding, accuracy_on_same_folds, fit_chosen
from tasks.figures import as_png, confusion_figure, roc_figure


def register_decoder(lake: Lake, due: StudyDue, decoding: Decoding, statement: str, snapshot_id: int) -> Mapping:
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
