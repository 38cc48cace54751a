"""A session's networks into the registry, and whether they become champion on images that neither learned from."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

import sql
import tasks.served_network as served
from models.encoding_model import configuration, predict, rebuilt, state_bytes
from models.encoding_scores import correlation_to_mean
from models.image_splits import ImageSplit
from storage.image_coding_due import PartDue
from storage.lake import Lake
from storage.model_files import NetworkRegistry, NetworkTraining
from storage.registry import ModelVersion
from tasks.encoding_rows import curve_rows
from tasks.figures import as_png
from tasks.figures_encoding import learning_figure
from tasks.image_sessions import ImageSession, Pictures
from tasks.session_models import SessionModels

_EXAMPLES = 2


def network_name(session_id: str, protocol: str) -> str:
    """What the networks of a session are called in the registry."""
    return f"image-encoding-{session_id}-{protocol}"


def register_network(
    lake: Lake,
    due: PartDue,
    session: ImageSession,
    pictures: Pictures,
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats)
    split: ImageSplit,
    models: SessionModels,
    snapshot_id: int,
) -> Mapping:
    """Register the networks; they are champion where there is none, or where they predict more than it does.

    Both are asked for the same units and for images that neither learned from; without any, the champion stays.
    Returns columns of findings.encoding_models.
    """
    registry = NetworkRegistry(lake.settings)
    name = network_name(due.session_id, due.protocol)
    names = np.array(session.image_name)
    sides = {side: names[getattr(split, side)].tolist() for side in ("train", "validation", "test")}
    said = {
        "model": configuration(models.kept),
        "session_id": due.session_id,
        "protocol": due.protocol,
        "unit_id": session.unit_id[models.kept_units].tolist(),
        "image_names": sides,
        "image_shape": list(pictures.grey.shape[1:]),
        "white": pictures.white,
        "window_s": [session.start_s, session.stop_s],
    }
    kept = next(one for one in models.predictors if one.name == models.kept_name)
    scores = correlation_to_mean(kept.predicted[split.test], trials[kept.units][:, split.test])
    curves = curve_rows(models)
    model = registry.register_network(
        NetworkTraining(
            model_name=name,
            study_id=due.study_id,
            configuration=said,
            weights=state_bytes(models.kept),
            served_by=Path(served.__file__),
            example=pictures.grey[:_EXAMPLES],
            predicted=kept.predicted[:_EXAMPLES],
            rows=pl.DataFrame([{"image_name": one, "side": side} for side, some in sides.items() for one in some]),
            snapshot_id=snapshot_id,
            statement=sql.query("session_spike_counts"),
            parameters={"protocol": due.protocol, "project": due.project, "session": due.session_id}
            | {"model": models.kept_name, "unit_count": len(kept.units), "device": kept.device},
            metrics={"median_correlation_to_mean": _median(scores)},
            curves={
                f"{network}/validation_correlation": curves.filter(network=network)["validation_correlation"].to_list()
                for network in models.curves
            },
            figures={"learning": as_png(learning_figure(curves.with_columns(protocol=pl.lit(due.protocol))))},
        )
    )
    return {
        "model_name": name,
        "model_version": model.version,
        "mlflow_run_id": model.run_id,
    } | _held_against_champion(registry, model, session, pictures, trials, split, models)


def _held_against_champion(
    registry: NetworkRegistry,
    model: ModelVersion,
    session: ImageSession,
    pictures: Pictures,
    trials: NDArray[np.float64],
    split: ImageSplit,
    models: SessionModels,
) -> Mapping:
    kept = next(one for one in models.predictors if one.name == models.kept_name)
    champion = registry.champion(model.name)
    if champion is None or champion == model:
        registry.crown(model)
        of_test = correlation_to_mean(kept.predicted[split.test], trials[kept.units][:, split.test])
        return {"score": _median(of_test), "champion_version": None, "champion_score": None, "promoted": True}
    held = registry.network(champion)
    theirs = set(held.configuration["image_names"]["test"])
    images = np.array([at for at in split.test if session.image_name[at] in theirs], np.int64)
    place = {unit: at for at, unit in enumerate(held.configuration["unit_id"])}
    both = [(at, place[unit]) for at, unit in enumerate(session.unit_id[kept.units].tolist()) if unit in place]
    alike = tuple(held.configuration["image_shape"]) == pictures.grey.shape[1:]
    found = {"score": None, "champion_version": champion.version, "champion_score": None, "promoted": False}
    if len(images) < 2 or not both or not alike:
        return found
    ours_at, theirs_at = (list(some) for some in zip(*both, strict=True))
    measured = trials[kept.units[ours_at]][:, images]
    other = predict(rebuilt(held.configuration["model"], held.weights), pictures.grey[images])[:, theirs_at]
    score = _median(correlation_to_mean(kept.predicted[images][:, ours_at], measured))
    champion_score = _median(correlation_to_mean(other, measured))
    promoted = bool(score > champion_score)
    if promoted:
        registry.crown(model)
    return found | {"score": score, "champion_score": champion_score, "promoted": promoted}


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
