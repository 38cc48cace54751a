"""Rows of a session's models: how each learned, what it predicts, and how well."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.encoding_scores import encoding_scores
from models.image_reliability import oracle_correlation, spearman_brown, split_half
from models.image_responses import mean_responses
from models.image_splits import ImageSplit
from tasks.image_sessions import ImageSession
from tasks.session_models import Predictor, SessionModels


def score_rows(
    session: ImageSession,
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats)
    split: ImageSplit,
    models: SessionModels,
    protocol: str,
) -> tuple[pl.DataFrame, list[str]]:
    """Rows of findings.encoding_scores but for the study's, and a note where noise ceilings can't be had."""
    parts, notes = [], []
    for side, images in (("train", split.train), ("test", split.test)):
        of_side = trials[:, images]
        try:
            oracle, halves = oracle_correlation(of_side), split_half(of_side)
        except ValueError as error:
            oracle = halves = np.full(len(trials), np.nan)
            notes.append(f"no noise ceiling of {side} images: {error}")
        ceiling = np.sqrt(spearman_brown(np.where(halves > 0, halves, np.nan)))
        for one in models.predictors:
            scores = encoding_scores(one.predicted[images], of_side[one.units], oracle[one.units], halves[one.units])
            parts.append(
                pl.DataFrame(
                    {"unit_id": session.unit_id[one.units]}
                    | dict(vars(scores))
                    | {"noise_ceiling": ceiling[one.units], "oracle": oracle[one.units]}
                ).with_columns(
                    model=pl.lit(one.name),
                    side=pl.lit(side),
                    protocol=pl.lit(protocol),
                    image_count=pl.lit(len(images), pl.Int32),
                )
            )
    return pl.concat(parts), notes


def prediction_rows(
    session: ImageSession, trials: NDArray[np.float64], split: ImageSplit, models: SessionModels
) -> pl.DataFrame:
    """Rows of derived.predicted_responses but for the study's: images held out, each model and unit."""
    means = mean_responses(trials[:, split.test])  # (n_units, n_test)
    repeats = np.isfinite(trials[:, split.test]).sum(axis=2)
    names = [session.image_name[image] for image in split.test]
    return pl.concat(
        pl.DataFrame(
            {
                "unit_id": np.repeat(session.unit_id[one.units], len(names)),
                "image_name": names * len(one.units),
                "predicted": one.predicted[split.test].T.ravel(),
                "measured": means[one.units].ravel(),
                "presentation_count": repeats[one.units].ravel(),
            }
        ).with_columns(model=pl.lit(one.name))
        for one in models.predictors
    )


def curve_rows(models: SessionModels) -> pl.DataFrame:
    """Rows of derived.learning_curves but for the study's."""
    return pl.DataFrame(
        [
            {
                "network": name,
                "epoch": one.epoch,
                "train_loss": one.train_loss,
                "validation_loss": one.validation_loss,
                "validation_correlation": one.validation_correlation,
                "learning_rate": one.learning_rate,
                "is_best": one.epoch == trained.best_epoch,
            }
            for name, trained in models.curves.items()
            for one in trained.curve
        ]
    )


def model_rows(models: SessionModels, split: ImageSplit, protocol: str) -> pl.DataFrame:
    """Rows of findings.encoding_models but for the study's and what the registry says."""
    return pl.DataFrame([_model_row(one, split, protocol) for one in models.predictors])


def _model_row(one: Predictor, split: ImageSplit, protocol: str) -> dict:
    return {
        "protocol": protocol,
        "model": one.name,
        "kind": one.kind,
        "unit_count": len(one.units),
        "train_count": len(split.train),
        "validation_count": len(split.validation),
        "test_count": len(split.test),
        "height_px": one.shape[0],
        "width_px": one.shape[1],
        "epoch_count": one.epoch_count,
        "device": one.device,
        "duration_s": one.duration_s,
    }
