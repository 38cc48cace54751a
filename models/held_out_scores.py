"""Scores of decoders on rows they have not seen: mice left out one by one, or one split."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import train_test_split


@dataclass(frozen=True)
class FoldScore:
    """Scores on the rows of one held-out mouse; NaN where a score is undefined, as in ``SplitScore``."""

    mouse_id: int | str
    accuracy: float
    f1: float
    auc: float
    brier: float
    n_train: int
    n_test: int

    @classmethod
    def of(cls, mouse_id: int | str, scored: "SplitScore", split: "Split") -> "FoldScore":
        sizes = (len(split.train), len(split.test))
        return cls(mouse_id, scored.accuracy, scored.f1, scored.auc, scored.brier, *sizes)


@dataclass(frozen=True, eq=False)
class LeftOutMice:
    """Folds and their splits in the order of mouse ids, and each row's held-out ``predicted`` and ``score``, both (n,).

    ``score`` is the probability of label 1, or for a classifier without one (SVM) its decision function.
    """

    folds: list[FoldScore]
    splits: list["Split"]
    predicted: NDArray[np.int64]
    score: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Mean accuracy over mice, each counting once."""
        return float(np.mean([fold.accuracy for fold in self.folds]))

    @property
    def has_probabilities(self) -> bool:
        """Whether ``score`` is a probability."""
        return not np.isnan(self.folds[0].brier)


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of the training and the test side, no row on both."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class SplitScore:
    """Scores on a test side; ``predicted`` and ``score`` are (n_test,), in the order of ``Split.test``.

    ``f1`` is of label 1, NaN where neither truth nor prediction has it; ``auc`` the area under the ROC curve of
    ``score``, NaN where the side has one label; ``brier`` the mean squared error of the probability of label 1, NaN
    for a classifier that gives none (SVM), whose ``score`` is its decision function.
    """

    accuracy: float
    f1: float
    auc: float
    brier: float
    predicted: NDArray[np.int64]
    score: NDArray[np.float64]


def leave_one_mouse_out(
    decoder: ClassifierMixin,
    X: pd.DataFrame,
    y: NDArray[np.integer],  # (n,), 0 or 1
    mouse_id: NDArray[np.generic],  # (n,)
) -> LeftOutMice:
    """Fit a fresh copy of the decoder without each mouse in turn, and score it on that mouse.

    ``X`` has n rows, ``y`` (n,) labels 0 or 1, ``mouse_id`` (n,). Everything in the decoder, scaling
    included, is fitted within the training rows. Accuracies equal ``cross_val_score(...,
    cv=LeaveOneGroupOut())``. Raises ValueError for fewer than two mice, other labels, or a training side with
    one label only.
    """
    y = _labels(y, len(X))
    mouse_id = _per_row("mouse_id", mouse_id, len(X))
    mice = np.unique(mouse_id)
    if len(mice) < 2:
        raise ValueError(f"leaving one mouse out needs at least 2 mice, got {len(mice)}")
    folds, splits, predicted, score = [], [], np.empty(len(X), dtype=np.int64), np.empty(len(X))
    for mouse in mice.tolist():
        split = Split(np.flatnonzero(mouse_id != mouse), np.flatnonzero(mouse_id == mouse))
        scored = score_split(decoder, X, y, split)
        predicted[split.test], score[split.test] = scored.predicted, scored.score
        folds.append(FoldScore.of(mouse, scored, split))
        splits.append(split)
    return LeftOutMice(folds, splits, predicted, score)


def score_split(
    decoder: ClassifierMixin,
    X: pd.DataFrame,
    y: NDArray[np.integer],  # (n,), 0 or 1
    split: Split,
) -> SplitScore:
    """Fit a fresh copy of the decoder on one side of a split and score it on the other.

    ``X`` has n rows, ``y`` (n,) labels 0 or 1. Raises ValueError for other labels, an empty test side, a row on both
    sides, or a training side with one label.
    """
    y = _labels(y, len(X))
    if len(split.test) == 0:
        raise ValueError("the test side is empty")
    both = np.intersect1d(split.train, split.test)
    if len(both):
        raise ValueError(f"{len(both)} rows are on both sides of the split, the first is {both[0]}")
    y_train, y_test = y[split.train], y[split.test]
    if len(np.unique(y_train)) < 2:
        raise ValueError(f"the training side needs both labels, got {np.unique(y_train).tolist()}")
    return score_fitted(clone(decoder).fit(X.iloc[split.train], y_train), X.iloc[split.test], y_test)


def score_fitted(
    fitted: ClassifierMixin,
    X_test: pd.DataFrame | NDArray[np.floating],
    y_test: NDArray[np.integer],  # (n_test,), 0 or 1
) -> SplitScore:
    """Scores of a fitted decoder on rows that it has not seen."""
    predicted = np.asarray(fitted.predict(X_test), dtype=np.int64)
    has_probabilities = hasattr(fitted, "predict_proba")
    score = fitted.predict_proba(X_test)[:, 1] if has_probabilities else fitted.decision_function(X_test)
    score = np.asarray(score, dtype=np.float64)
    return SplitScore(
        accuracy=float(np.mean(predicted == y_test)),
        f1=float(f1_score(y_test, predicted, zero_division=np.nan)),
        auc=float(roc_auc_score(y_test, score)) if len(np.unique(y_test)) == 2 else float("nan"),
        brier=float(np.mean((score - y_test) ** 2)) if has_probabilities else float("nan"),
        predicted=predicted,
        score=score,
    )


def random_split(y: NDArray[np.integer], test_fraction: float = 0.2, seed: int = 42) -> Split:
    """The `published` split: rows at random, stratified by label, so cells of one mouse fall on both sides.

    ``y`` (n,) labels 0 or 1. Raises ValueError for other labels or a fraction outside 0 .. 1.
    Method: ``sklearn.model_selection.train_test_split(stratify=y, random_state=seed)``.
    """
    y = _labels(y, len(y))
    _check_fraction(test_fraction)
    train, test = train_test_split(np.arange(len(y)), test_size=test_fraction, random_state=seed, stratify=y)
    return Split(train, test)


def split_by_mouse(
    mouse_id: NDArray[np.generic],  # (n,)
    stratum: NDArray[np.generic],  # (n,), such as the cre line
    test_fraction: float = 0.2,
    seed: int = 42,
) -> Split:
    """The `rigorous` split: whole mice on one side, and each stratum on both.

    ``mouse_id`` and ``stratum`` are (n,), per row. Of each stratum ``test_fraction`` of its mice, rounded, at
    least one and never all, are drawn for the test side; the draw depends on the seed and the mice present,
    not on the order of rows. Raises ValueError for a mouse in two strata, a stratum with one mouse, or a
    fraction outside 0 .. 1.
    """
    mouse_id = _per_row("mouse_id", mouse_id, len(mouse_id))
    stratum = _per_row("stratum", stratum, len(mouse_id))
    _check_fraction(test_fraction)
    rng = np.random.default_rng(seed)
    test_mice: list[np.generic] = []
    for level in np.unique(stratum):
        mice = np.unique(mouse_id[stratum == level])
        elsewhere = mice[np.isin(mice, mouse_id[stratum != level])]
        if len(elsewhere):
            raise ValueError(f"a mouse must belong to one stratum, {elsewhere[0]} is in {level} and another")
        if len(mice) < 2:
            raise ValueError(f"stratum {level} has one mouse, two are needed to have one on each side")
        n_test = min(max(1, round(test_fraction * len(mice))), len(mice) - 1)
        test_mice.extend(rng.choice(mice, size=n_test, replace=False))
    in_test = np.isin(mouse_id, test_mice)
    return Split(np.flatnonzero(~in_test), np.flatnonzero(in_test))


def _labels(y: NDArray[np.integer], n: int) -> NDArray[np.integer]:
    y = _per_row("y", y, n)
    if not (np.issubdtype(y.dtype, np.integer) and np.isin(y, (0, 1)).all()):
        raise ValueError(f"y must be integer labels 0 and 1, got {np.unique(y)[:5].tolist()} of {y.dtype}")
    return y


def _per_row(name: str, column: NDArray[np.generic], n: int) -> NDArray[np.generic]:
    column = np.asarray(column)
    if column.shape != (n,):
        raise ValueError(f"{name} must have one entry per row ({n},), got {column.shape}")
    if pd.isna(column).any():
        raise ValueError(f"{name} must have no missing entries, got {int(pd.isna(column).sum())}")
    return column


def _check_fraction(test_fraction: float) -> None:
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must lie between 0 and 1, got {test_fraction}")
