"""Rows of the lake that say what decoders did: scores by fold, splits, predictions."""

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from models.held_out_scores import FoldScore, LeftOutMice, Split, SplitScore
from models.tuned_decoders import Parameters
from tasks.decoder_design import Design


def named(design: Design, study_id: str, **more: str) -> dict[str, str]:
    """The columns that every row about a design begins with."""
    return {"study_id": study_id, "protocol": design.protocol, "target": design.target, **more}


def score_rows(common: Mapping, folds: Iterable[FoldScore], tuned: Sequence[Parameters] | None = None) -> list[Mapping]:
    """A row per fold; ``tuned`` are the parameters chosen in each."""
    chosen = [json.dumps(dict(parameters)) for parameters in tuned] if tuned else None
    return [
        {
            **common,
            "fold": str(fold.mouse_id),
            "train_count": fold.n_train,
            "test_count": fold.n_test,
            "accuracy": fold.accuracy,
            "f1": fold.f1,
            "roc_auc": fold.auc,
            "brier": fold.brier,
            "tuned": chosen[number] if chosen else None,
        }
        for number, fold in enumerate(folds)
    ]


def left_out_rows(common: Mapping, design: Design, found: LeftOutMice) -> list[Mapping]:
    """A prediction per row of the design, its fold named by its mouse."""
    everyone = np.arange(len(found.predicted))
    return _prediction_rows(common, design, everyone, design.mouse_id, found.predicted, found.score)


def tested_rows(common: Mapping, design: Design, split: Split, found: SplitScore) -> list[Mapping]:
    """A prediction per row of the test side."""
    fold = np.full(len(design.rows), "test")
    return _prediction_rows(common, design, split.test, fold, found.predicted, found.score)


def split_rows(common: Mapping, mouse_id: np.ndarray, split: Split, fold: str) -> list[Mapping]:
    """A row per mouse and side that it has rows on; the split counts the rows of ``mouse_id``."""
    return [
        {**common, "fold": fold, "subject_id": str(mouse), "side": side, "row_count": int(count)}
        for side, rows in (("train", split.train), ("test", split.test))
        for mouse, count in zip(*np.unique(mouse_id[rows], return_counts=True), strict=True)
    ]


def _prediction_rows(
    common: Mapping, design: Design, at: np.ndarray, fold: np.ndarray, predicted: np.ndarray, score: np.ndarray
) -> list[Mapping]:
    keys = design.rows[at].select("session_id", pl.col("unit_id").cast(pl.Int64), "condition").iter_rows(named=True)
    truth = design.y[at]
    return [
        {**common, **key, "fold": str(fold[row]), "score": value}
        | {"truth": design.labels[true], "predicted": design.labels[label]}
        for row, key, true, label, value in zip(at, keys, truth, predicted, score.tolist(), strict=True)
    ]
