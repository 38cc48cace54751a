"""Seven classifiers of omitted against presented, scored on mice that they have not seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from models.decoders import CATEGORICAL, CLASSIFIERS, Protocol, build_decoder, design_columns
from models.held_out_scores import leave_one_mouse_out, random_split, score_split, split_by_mouse
from models.response_features import FEATURES

TARGET = "omitted"


@dataclass(frozen=True)
class Design:
    """What decoders learn from: one row per cell, session and condition, and the columns a protocol lets them see."""

    protocol: Protocol
    rows: pl.DataFrame
    columns: tuple[str, ...]

    @property
    def X(self) -> pd.DataFrame:  # noqa: N802 - the field's name for a design matrix
        return self.rows.select(self.columns).to_pandas()

    @property
    def y(self) -> np.ndarray:
        return self.rows[TARGET].to_numpy()  # (n_rows,), 1 where omitted

    @property
    def mouse_id(self) -> np.ndarray:
        return self.rows["mouse_id"].to_numpy()


@dataclass(frozen=True)
class Decoding:
    """All scores and predictions of one protocol, and the decoder that it chooses."""

    design: Design
    scores: list[Mapping]
    predictions: list[Mapping]
    chosen: str

    def accuracies(self, decoder: str, scheme: str) -> list[float]:
        found = (row for row in self.scores if row["decoder"] == decoder and row["scheme"] == scheme)
        return [row["accuracy"] for row in found]


def design(features: pl.DataFrame, protocol: Protocol) -> Design:
    """The rows with every feature present, as the protocol shows them.

    `published` takes the numbers of cells and mice as numeric features: raises ValueError where mice have no numbers.
    """
    rows = features.drop_nulls([*FEATURES, *CATEGORICAL]).with_columns(
        pl.col("zero_crossings").cast(pl.Float64), (pl.col("condition") == "omitted").cast(pl.Int64).alias(TARGET)
    )
    if protocol == "published":
        if not rows["mouse_id"].str.contains(r"^\d{1,15}$").all():
            raise ValueError("the published protocol takes mouse numbers as a feature, and these mice have names")
        rows = rows.with_columns(pl.col("mouse_id", "unit_id").cast(pl.Float64))
    return Design(protocol, rows, design_columns(protocol, FEATURES))


def decode(design: Design, study_id: str, advance: Callable[[str], None] = lambda _: None) -> Decoding:
    """Score every classifier, and choose one without looking at the mice that test it.

    `rigorous` chooses by leaving one mouse out within the training mice; `published`, as its source did, by
    leaving out each of all mice. ``advance`` is called with each classifier's name when it is done. Raises
    ValueError when there are too few mice or labels.
    """
    X, y, mouse_id = design.X, design.y, design.mouse_id
    rigorous = design.protocol == "rigorous"
    split = split_by_mouse(mouse_id, design.rows["cre_line"].to_numpy()) if rigorous else random_split(y)
    scores: list[Mapping] = []
    predictions: list[Mapping] = []
    for name in CLASSIFIERS:
        decoder = build_decoder(name, design.columns)
        common = {"study_id": study_id, "protocol": design.protocol, "decoder": name}
        left_out = leave_one_mouse_out(decoder, X, y, mouse_id)
        scores += _fold_rows(common | {"scheme": "leave_one_mouse_out"}, left_out.folds)
        everyone = np.arange(len(y))
        predictions += _prediction_rows(
            common | {"scheme": "leave_one_mouse_out"}, design, everyone, mouse_id, left_out.predicted, left_out.score
        )
        tested = score_split(decoder, X, y, split)
        scores.append(
            common
            | {"scheme": "test", "fold": "test", "train_count": len(split.train), "test_count": len(split.test)}
            | {"accuracy": tested.accuracy, "f1": tested.f1, "roc_auc": tested.auc}
        )
        predictions += _prediction_rows(
            common | {"scheme": "test"}, design, split.test, np.full(len(y), "test"), tested.predicted, tested.score
        )
        if rigorous:
            inner = leave_one_mouse_out(decoder, X.iloc[split.train], y[split.train], mouse_id[split.train])
            scores += _fold_rows(common | {"scheme": "selection"}, inner.folds)
        advance(name)
    by = "selection" if rigorous else "leave_one_mouse_out"
    mean = {n: np.mean([r["accuracy"] for r in scores if (r["decoder"], r["scheme"]) == (n, by)]) for n in CLASSIFIERS}
    return Decoding(design, scores, predictions, max(mean, key=mean.__getitem__))


def fit_chosen(decoding: Decoding) -> Pipeline:
    """The chosen decoder, fitted on every row."""
    return build_decoder(decoding.chosen, decoding.design.columns).fit(decoding.design.X, decoding.design.y)


def accuracy_on_same_folds(other: Pipeline, design: Design) -> float:
    """Leave-one-mouse-out accuracy of another decoder's recipe, fitted anew in the folds of this design."""
    return leave_one_mouse_out(clone(other), design.X, design.y, design.mouse_id).accuracy


def _fold_rows(common: Mapping, folds: list) -> list[Mapping]:
    return [
        {
            **common,
            "fold": _fold_name(fold.mouse_id),
            "train_count": fold.n_train,
            "test_count": fold.n_test,
            "accuracy": fold.accuracy,
            "f1": fold.f1,
            "roc_auc": fold.auc,
        }
        for fold in folds
    ]


def _prediction_rows(
    common: Mapping, design: Design, at: np.ndarray, fold: np.ndarray, predicted: np.ndarray, score: np.ndarray
) -> list[Mapping]:
    keys = design.rows[at].select("session_id", pl.col("unit_id").cast(pl.Int64), "condition").iter_rows(named=True)
    return [
        {**common, **key, "fold": _fold_name(fold[row]), "predicted": ("presented", "omitted")[label], "score": value}
        for row, key, label, value in zip(at, keys, predicted.tolist(), score.tolist(), strict=True)
    ]


def _fold_name(fold: object) -> str:
    return str(int(fold)) if isinstance(fold, float) else str(fold)
