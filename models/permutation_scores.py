"""Is a decoder better than chance: labels are exchanged by whole mice, and mice left out anew for each exchange."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, clone

from models.nested_tuning import SplitNumbers


@dataclass(frozen=True, eq=False)
class Relabelings:
    """Other labels that the null hypothesis holds for as likely as the true ones, which are not among them.

    ``y`` is (n_relabelings, n_rows). ``are_all`` when there are no more: then p is exact.
    """

    y: NDArray[np.int64]
    are_all: bool


@dataclass(frozen=True)
class ChanceTest:
    """A score against chance; ``accuracy`` and ``chance_accuracy`` are means over mice left out."""

    accuracy: float
    chance_accuracy: float
    p: float
    n_permutations: int
    is_exact: bool


def exchanges_within_mice(
    y: NDArray[np.integer],  # (n_rows,), 0 or 1, both in each mouse
    mouse_id: NDArray[np.generic],  # (n_rows,)
    n_relabelings: int,
    seed: int = 0,
) -> Relabelings:
    """The two labels exchanged, or not, in all rows of a mouse at once: for labels that vary within a mouse.

    Cells of a mouse share its noise and its effect, so rows shuffled one by one would be a null hypothesis too easy
    to reject. The first mouse keeps its labels, for to exchange all of them says the same; of the other
    2^(n_mice - 1) - 1 patterns all are taken when they are at most ``n_relabelings``, else that many are drawn, each
    once. Raises ValueError for a mouse with one label. Method: sign flips of Winkler et al. (2014), whole block.
    """
    mice = np.unique(mouse_id)
    for mouse in mice.tolist():
        if len(found := np.unique(y[mouse_id == mouse])) < 2:
            raise ValueError(f"labels can't be exchanged within mouse {mouse}, which has {found.tolist()} only")
    n_free = len(mice) - 1
    if 2**n_free - 1 <= n_relabelings:
        patterns = [pattern for pattern in product((False, True), repeat=n_free) if any(pattern)]
    else:
        rng = np.random.default_rng(seed)
        patterns = _distinct(lambda: tuple((rng.random(n_free) < 0.5).tolist()), (False,) * n_free, n_relabelings)
    relabeled = [np.where(np.isin(mouse_id, mice[1:][list(pattern)]), 1 - y, y) for pattern in patterns]
    return Relabelings(_stacked(relabeled, len(y)), len(patterns) == 2**n_free - 1)


def exchanges_between_mice(
    y: NDArray[np.integer],  # (n_rows,), 0 or 1, one in each mouse
    mouse_id: NDArray[np.generic],  # (n_rows,)
    n_relabelings: int,
    seed: int = 0,
) -> Relabelings:
    """Whole mice change labels, as many keeping each: for labels that are a property of the mouse, as its cre line.

    Of n_mice over n_mice-with-label-1 assignments all others are taken when they are at most ``n_relabelings``, else
    that many are drawn, each once. Raises ValueError for a mouse with both labels.
    """
    mice = np.unique(mouse_id)
    label = []
    for mouse in mice.tolist():
        if len(found := np.unique(y[mouse_id == mouse])) > 1:
            raise ValueError(f"labels can't be exchanged between mice: mouse {mouse} has both")
        label.append(int(found[0]))
    true = tuple(np.flatnonzero(label).tolist())
    n_others = comb(len(mice), len(true)) - 1
    if n_others <= n_relabelings:
        chosen = [ones for ones in combinations(range(len(mice)), len(true)) if ones != true]
    else:
        rng = np.random.default_rng(seed)
        chosen = _distinct(
            lambda: tuple(sorted(rng.choice(len(mice), len(true), replace=False).tolist())), true, n_relabelings
        )
    relabeled = [np.isin(mouse_id, mice[list(ones)]).astype(np.int64) for ones in chosen]
    return Relabelings(_stacked(relabeled, len(y)), len(chosen) == n_others)


def chance_test(
    classifier: ClassifierMixin,
    folds: Sequence[SplitNumbers],
    y: NDArray[np.integer],  # (n_rows,), 0 or 1
    relabelings: Relabelings,
) -> ChanceTest:
    """Accuracy over mice left out, against the same with other labels to learn from and to be tested on.

    ``classifier`` has parameters that don't come from these labels; ``folds`` hold out one mouse each. p is the share
    of labelings, the true one counted, that score at least as well: exact when all were tried, valid when some were
    drawn. Raises ValueError for no other labeling, or one that leaves a training side with one label. Method: Phipson
    and Smyth (2010); ``sklearn.model_selection.permutation_test_score`` gives the same on the same labels.
    """
    if not len(relabelings.y):
        raise ValueError("there is no other labeling to compare with")
    accuracy = _accuracy(classifier, folds, y)
    permuted = np.array([_accuracy(classifier, folds, relabeled) for relabeled in relabelings.y])
    n = len(permuted)
    # Means of the same fractions can differ in their last digit.
    at_least_as_good = int((permuted >= accuracy - 1e-12).sum())
    return ChanceTest(accuracy, float(permuted.mean()), (1 + at_least_as_good) / (1 + n), n, relabelings.are_all)


def _accuracy(classifier: ClassifierMixin, folds: Sequence[SplitNumbers], y: NDArray[np.integer]) -> float:
    found = []
    for fold in folds:
        y_train = y[fold.split.train]
        if y_train.min() == y_train.max():
            raise ValueError("other labels leave a training side with one label: too few mice to test against chance")
        predicted = clone(classifier).fit(fold.X_train, y_train).predict(fold.X_test)
        found.append(np.mean(predicted == y[fold.split.test]))
    return float(np.mean(found))


def _distinct(draw: Callable[[], tuple], true: tuple, n: int) -> list[tuple]:
    found: dict[tuple, None] = {}
    while len(found) < n:
        if (drawn := draw()) != true:
            found[drawn] = None
    return list(found)


def _stacked(relabeled: list[NDArray[np.integer]], n_rows: int) -> NDArray[np.int64]:
    return np.array(relabeled, dtype=np.int64).reshape(-1, n_rows)
