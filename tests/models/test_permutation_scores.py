from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, permutation_test_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from models.decoders import columns_as_numbers, decoder_of
from models.nested_tuning import mouse_folds
from models.permutation_scores import Relabelings, chance_test, exchanges_between_mice, exchanges_within_mice

LR = LogisticRegression(solver="newton-cholesky")


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def folds_of(X, y, mouse_id):
    return [fold.outer for fold in mouse_folds(columns_as_numbers(tuple(X.columns), ()), X, y, mouse_id)]


def test_the_test_agrees_with_scikit_learn_on_the_same_labels(rng):
    # 4 mice of 8 rows: accuracies are exact in binary, so that ties are ties to both.
    mouse_id = np.repeat(np.arange(4), 8)
    y = np.tile([0, 1], 16)
    X = pd.DataFrame({"a": 0.5 * y + rng.normal(size=32), "b": rng.normal(size=32)})
    decoder = decoder_of(LR, ("a", "b"), ())
    accuracy, permuted, p = permutation_test_score(
        decoder, X, y, groups=mouse_id, cv=LeaveOneGroupOut(), n_permutations=20, random_state=9
    )
    # scikit-learn shuffles within groups, in the order of their names, from one generator.
    generator, relabeled = np.random.RandomState(9), []
    for _ in range(20):
        order = np.arange(32)
        for mouse in range(4):
            order[mouse_id == mouse] = generator.permutation(order[mouse_id == mouse])
        relabeled.append(y[order])
    labels = Relabelings(np.array(relabeled), False)
    found = chance_test(LR, folds_of(X, y, mouse_id), y, labels)
    assert found.accuracy == pytest.approx(accuracy)
    assert found.chance_accuracy == pytest.approx(permuted.mean())
    assert found.p == pytest.approx(p)
    assert found.n_permutations == 20


@pytest.mark.parametrize("n_mice", [3, 5, 7])
def test_an_effect_in_every_mouse_has_the_smallest_exact_p(n_mice):
    mouse_id = np.repeat(np.arange(n_mice), 8)
    y = np.tile([0, 1], 4 * n_mice)
    X = pd.DataFrame({"peak": y * 1.0})
    relabelings = exchanges_within_mice(y, mouse_id, 200)
    assert relabelings.are_all
    found = chance_test(DecisionTreeClassifier(max_depth=1), folds_of(X, y, mouse_id), y, relabelings)
    assert found.accuracy == 1.0
    assert found.is_exact
    assert found.p == 1 / 2 ** (n_mice - 1)


def test_lines_told_without_error_have_p_of_one_assignment_and_its_mirror():
    # 3 against 3 mice: 20 assignments, of which the true one and the one with names exchanged are told apart.
    mouse_id = np.repeat(np.arange(6), 4)
    y = (mouse_id >= 3).astype(int)
    X = pd.DataFrame({"latency": y * 1.0})
    relabelings = exchanges_between_mice(y, mouse_id, 99)
    found = chance_test(DecisionTreeClassifier(max_depth=1), folds_of(X, y, mouse_id), y, relabelings)
    assert (found.accuracy, found.n_permutations, found.is_exact) == (1.0, 19, True)
    assert found.p == 2 / 20


def test_exchanges_within_mice_turn_whole_mice_and_never_all():
    mouse_id = np.array(list("bbaacc" * 2))
    y = np.array([0, 1, 1, 0, 0, 1] * 2)
    found = exchanges_within_mice(y, mouse_id, 99).y
    assert len(found) == 3  # of a, b, c the first stays: b, c, or both
    turned = {tuple(bool((row[mouse_id == m] != y[mouse_id == m]).all()) for m in "abc") for row in found}
    assert turned == {(False, True, False), (False, False, True), (False, True, True)}
    assert all(set((row == y)[mouse_id == m]) in ({True}, {False}) for row in found for m in "abc")


@pytest.mark.parametrize("exchanges", [exchanges_within_mice, exchanges_between_mice])
def test_with_many_mice_distinct_labelings_are_drawn_anew_with_the_seed(exchanges):
    mouse_id = np.repeat(np.arange(14), 2)
    y = np.tile([0, 1], 14) if exchanges is exchanges_within_mice else (mouse_id < 6).astype(int)
    found = exchanges(y, mouse_id, 50)
    assert found.y.shape == (50, 28)
    assert not found.are_all
    assert len({tuple(row) for row in [*found.y.tolist(), y.tolist()]}) == 51
    assert (found.y.sum(axis=1) == y.sum()).all()
    np.testing.assert_array_equal(exchanges(y, mouse_id, 50).y, found.y)
    assert (exchanges(y, mouse_id, 50, seed=1).y != found.y).any()


def test_every_assignment_of_lines_to_mice_is_tried_once():
    mouse_id = np.repeat(np.arange(5), 3)
    y = np.isin(mouse_id, [1, 4]).astype(int)
    found = exchanges_between_mice(y, mouse_id, 9).y
    assert len({tuple(row) for row in found.tolist()}) == 9  # 5 over 2, less the true one
    assert all(len(set(row[mouse_id == mouse])) == 1 for row in found for mouse in range(5))


def test_effects_that_differ_between_mice_are_no_effect(rng):
    """Omissions shift all cells of a mouse, some up and some down: shuffled rows find that, exchanged mice don't."""
    p_by_mouse, p_by_row = [], []
    mouse_id, y = np.repeat(np.arange(5), 12), np.tile([0, 1], 30)
    for _ in range(24):
        X = pd.DataFrame({"peak": y * np.repeat(rng.normal(0, 2, 5), 12) + rng.normal(size=60)})
        folds = folds_of(X, y, mouse_id)
        shuffled = np.array([y[np.lexsort((rng.random(60), mouse_id))] for _ in range(15)])
        p_by_mouse.append(chance_test(KNeighborsClassifier(15), folds, y, exchanges_within_mice(y, mouse_id, 15)).p)
        p_by_row.append(chance_test(KNeighborsClassifier(15), folds, y, Relabelings(shuffled, False)).p)
    # At p = 1 / 16 some 1.5 of 24 data sets are expected, and more than 5 in 3 of 1,000 such runs.
    found = (np.sum(np.array(p_by_mouse) <= 1 / 16), np.sum(np.array(p_by_row) <= 1 / 16))
    assert found[0] <= 5
    assert found[1] >= 6


def test_p_does_not_shrink_as_the_effect_does(rng):
    mouse_id = np.repeat(np.arange(6), 20)
    y = np.tile([0, 1], 60)
    noise = rng.normal(size=120)
    relabelings = exchanges_within_mice(y, mouse_id, 31)
    found = []
    for effect in (3.0, 0.3, 0.0):
        X = pd.DataFrame({"peak": effect * y + noise})
        found.append(chance_test(LR, folds_of(X, y, mouse_id), y, relabelings))
    assert all(a.p <= b.p for a, b in pairwise(found))
    assert found[0].p == 1 / 32


MICE = np.array([1, 1, 2, 2])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: exchanges_within_mice(np.array([0, 1, 0, 0]), MICE, 9), r"within mouse 2, which has \[0\]"),
        (lambda: exchanges_between_mice(np.array([0, 1, 0, 0]), MICE, 9), "mouse 1 has both"),
        (lambda: chance_test(None, [], MICE, Relabelings(np.empty((0, 4), int), True)), "no other labeling"),
    ],
)
def test_labels_that_cannot_be_exchanged_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
