"""Leaving mice out with nested tuning: parameters are chosen anew within the training mice of each fold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, TransformerMixin, clone

from models.held_out_scores import FoldScore, LeftOutMice, Split, SplitScore, score_fitted
from models.tuned_decoders import Parameters, Recipe

INNER_FOLDS = 3


@dataclass(frozen=True, eq=False)
class SplitNumbers:
    """A split with its columns as numbers, scaled and spread by what the training side alone shows.

    ``X_train`` is (n_train, n_columns), ``X_test`` (n_test, n_columns).
    """

    split: Split
    X_train: NDArray[np.float64]
    X_test: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TuningFold:
    """A split, and ``inner`` splits of its training side by whole mice; none where mice are too few to tune."""

    name: int | str
    outer: SplitNumbers
    inner: tuple[SplitNumbers, ...]


@dataclass(frozen=True, eq=False)
class TunedMice:
    """Scores of mice left out, and the parameters chosen without each, in the order of its folds."""

    left_out: LeftOutMice
    parameters: tuple[Parameters, ...]


def tuning_fold(
    columns: TransformerMixin,
    X: pd.DataFrame,
    y: NDArray[np.integer],  # (n,), 0 or 1
    mouse_id: NDArray[np.generic],  # (n,)
    split: Split,
    name: int | str = "test",
) -> TuningFold:
    """One split made ready for any number of classifiers.

    ``columns`` (unfitted) turns rows of ``X`` into numbers: it is fitted on the training side for the outer split,
    and on the inner training side for each inner one, so that no held-out row has a part in scaling. Each inner
    split holds out a third of the training mice, each label's mice spread evenly; where a label has one mouse only,
    no inner split can be made and ``inner`` is empty.
    """
    inner = [_numbers(columns, X, inner) for inner in inner_splits(y, mouse_id, split.train)]
    return TuningFold(name, _numbers(columns, X, split), tuple(inner))


def mouse_folds(
    columns: TransformerMixin,
    X: pd.DataFrame,
    y: NDArray[np.integer],  # (n,), 0 or 1
    mouse_id: NDArray[np.generic],  # (n,)
) -> list[TuningFold]:
    """One ``tuning_fold`` per mouse left out, in the order of mouse ids.

    Raises ValueError for fewer than two mice, or a training side with one label.
    """
    mice = np.unique(mouse_id)
    if len(mice) < 2:
        raise ValueError(f"leaving one mouse out needs at least 2 mice, got {len(mice)}")
    folds = []
    for mouse in mice.tolist():
        split = Split(np.flatnonzero(mouse_id != mouse), np.flatnonzero(mouse_id == mouse))
        if len(np.unique(y[split.train])) < 2:
            raise ValueError(f"without mouse {mouse} the training side has one label only")
        folds.append(tuning_fold(columns, X, y, mouse_id, split, mouse))
    return folds


def inner_splits(
    y: NDArray[np.integer],  # (n,), 0 or 1
    mouse_id: NDArray[np.generic],  # (n,)
    rows: NDArray[np.intp],  # (n_rows,), row numbers
    n_folds: int = INNER_FOLDS,
) -> list[Split]:
    """Splits of these rows by whole mice, every mouse held out once and both labels left to learn from.

    Mice are dealt to the folds in turn, in the order of their share of label 1 and then of their ids. With fewer
    mice of a label than ``n_folds`` there are as many folds as mice; with one mouse of a label there are none.
    """
    mouse_of_row, y_of_row = mouse_id[rows], y[rows]
    share = {mouse: y_of_row[mouse_of_row == mouse].mean() for mouse in np.unique(mouse_of_row).tolist()}
    n_folds = min(n_folds, sum(s > 0 for s in share.values()), sum(s < 1 for s in share.values()))
    if n_folds < 2:
        return []
    # Sorted by share, mice with a label stand together, so that dealing in turn leaves some of them in each fold.
    order = sorted(share, key=lambda mouse: (share[mouse], mouse))
    held_out = [np.isin(mouse_of_row, order[fold::n_folds]) for fold in range(n_folds)]
    return [Split(rows[~out], rows[out]) for out in held_out]


def tune(recipe: Recipe, inner: Sequence[SplitNumbers], y: NDArray[np.integer], mouse_id: NDArray) -> Parameters:
    """The point of the recipe's grid with the best accuracy on inner held-out mice, each mouse counting once.

    On a tie the first, and the first without inner splits: that is the recipe's default.
    """
    if not inner or len(recipe.grid) == 1:
        return recipe.grid[0]
    means = [np.mean(_mouse_accuracies(recipe.build(point, quick=True), inner, y, mouse_id)) for point in recipe.grid]
    return recipe.grid[int(np.argmax(np.round(means, 12)))]


def score_tuned(recipe: Recipe, parameters: Parameters, numbers: SplitNumbers, y: NDArray[np.integer]) -> SplitScore:
    """The recipe with these parameters, fitted on one side and scored on the other."""
    fitted = recipe.build(parameters).fit(numbers.X_train, y[numbers.split.train])
    return score_fitted(fitted, numbers.X_test, y[numbers.split.test])


def nested_leave_one_mouse_out(
    recipe: Recipe,
    folds: Sequence[TuningFold],
    y: NDArray[np.integer],  # (n,), 0 or 1
    mouse_id: NDArray[np.generic],  # (n,)
) -> TunedMice:
    """Tune within each fold's training mice, fit on them, and score the mouse left out.

    ``folds`` as ``mouse_folds`` gives. Equals ``GridSearchCV`` within each fold of ``LeaveOneGroupOut``. Method:
    nested cross-validation after Varma and Simon (2006).
    """
    chosen = tuple(tune(recipe, fold.inner, y, mouse_id) for fold in folds)
    return TunedMice(_left_out(recipe, chosen, folds, y), chosen)


def leave_one_mouse_out_at(
    recipe: Recipe, parameters: Parameters, folds: Sequence[TuningFold], y: NDArray[np.integer]
) -> LeftOutMice:
    """The same folds with parameters that are given, tuned on all of their mice: to choose by, not to conclude from."""
    return _left_out(recipe, [parameters] * len(folds), folds, y)


def _left_out(
    recipe: Recipe, parameters: Sequence[Parameters], folds: Sequence[TuningFold], y: NDArray[np.integer]
) -> LeftOutMice:
    scores, predicted, score = [], np.empty(len(y), dtype=np.int64), np.empty(len(y))
    for fold, point in zip(folds, parameters, strict=True):
        split = fold.outer.split
        found = score_tuned(recipe, point, fold.outer, y)
        predicted[split.test], score[split.test] = found.predicted, found.score
        scores.append(FoldScore.of(fold.name, found, split))
    return LeftOutMice(scores, [fold.outer.split for fold in folds], predicted, score)


def _mouse_accuracies(
    classifier: ClassifierMixin, inner: Sequence[SplitNumbers], y: NDArray[np.integer], mouse_id: NDArray[np.generic]
) -> list[float]:
    found = []
    for numbers in inner:
        test = numbers.split.test
        is_right = clone(classifier).fit(numbers.X_train, y[numbers.split.train]).predict(numbers.X_test) == y[test]
        found += [float(is_right[mouse_id[test] == mouse].mean()) for mouse in np.unique(mouse_id[test])]
    return found


def _numbers(columns: TransformerMixin, X: pd.DataFrame, split: Split) -> SplitNumbers:
    fitted = clone(columns).fit(X.iloc[split.train])
    return SplitNumbers(split, fitted.transform(X.iloc[split.train]), fitted.transform(X.iloc[split.test]))
