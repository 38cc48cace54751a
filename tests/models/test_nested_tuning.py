import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from models.decoders import columns_as_numbers, decoder_of
from models.held_out_scores import leave_one_mouse_out
from models.nested_tuning import (
    inner_splits,
    leave_one_mouse_out_at,
    mouse_folds,
    nested_leave_one_mouse_out,
    tune,
)
from models.tuned_decoders import RECIPES, Recipe

COLUMNS = ("a", "b", "line")


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def responses_of_mice(rng, n_mice=7, n_per_mouse=24, effect=0.8):
    mouse_id = np.repeat([f"m{number}" for number in range(n_mice)], n_per_mouse)
    y = np.tile([0, 1], len(mouse_id) // 2)
    level = np.repeat(rng.normal(0, 0.5, n_mice), n_per_mouse)
    X = pd.DataFrame({"a": effect * y + level + rng.normal(0, 1, len(y)), "b": rng.normal(0, 10, len(y))})
    X["line"] = np.where(np.repeat(np.arange(n_mice) % 2, n_per_mouse), "Vip", "Sst")
    return X, y, mouse_id


@pytest.mark.parametrize("name", ["LR", "KNN", "DT", "SVM"])
def test_nested_tuning_agrees_with_grid_search_within_each_fold(rng, name):
    X, y, mouse_id = responses_of_mice(rng)
    columns, recipe = columns_as_numbers(COLUMNS, ("line",)), RECIPES[name]
    found = nested_leave_one_mouse_out(recipe, mouse_folds(columns, X, y, mouse_id), y, mouse_id)
    for fold, parameters, mouse in zip(found.left_out.folds, found.parameters, np.unique(mouse_id), strict=True):
        train = np.flatnonzero(mouse_id != mouse)
        inner = [(split.train, split.test) for split in inner_splits(y, mouse_id, train)]
        # Two mice of equal size in each inner fold: the mean over folds is the mean over mice.
        points = [{f"classifier__{key}": [value] for key, value in point.items()} for point in recipe.grid]
        search = GridSearchCV(
            decoder_of(recipe.build(recipe.grid[0]), COLUMNS, ("line",)), points, cv=inner, refit=False
        )
        search.fit(X, y)
        scores = np.round(search.cv_results_["mean_test_score"], 12)
        assert parameters == recipe.grid[int(np.argmax(scores))]
        refitted = decoder_of(recipe.build(parameters), COLUMNS, ("line",)).fit(X.iloc[train], y[train])
        assert fold.accuracy == refitted.score(X[mouse_id == mouse], y[mouse_id == mouse])


def test_with_given_parameters_it_is_plain_leaving_out(rng):
    X, y, mouse_id = responses_of_mice(rng)
    folds = mouse_folds(columns_as_numbers(COLUMNS, ("line",)), X, y, mouse_id)
    found = leave_one_mouse_out_at(RECIPES["LR"], {"C": 10.0}, folds, y)
    plain = leave_one_mouse_out(decoder_of(RECIPES["LR"].build({"C": 10.0}), COLUMNS, ("line",)), X, y, mouse_id)
    np.testing.assert_allclose(found.score, plain.score, rtol=1e-12)
    assert found.folds == plain.folds


def test_the_better_depth_is_found_and_the_default_wins_a_tie(rng):
    X, y, mouse_id = responses_of_mice(rng)
    X["a"] = rng.normal(size=len(y)) > 0
    X["b"] = X["a"].to_numpy() ^ (y == 1)  # neither tells the label alone, both together do
    numbers = ColumnTransformer([("all", StandardScaler(), ["a", "b"])])
    fold = mouse_folds(numbers, X.astype({"a": float, "b": float}), y, mouse_id)[0]
    depths = ({"max_depth": 1}, {"max_depth": 2}, {"max_depth": 5})
    recipe = Recipe(lambda: DecisionTreeClassifier(random_state=0), depths)
    assert tune(recipe, fold.inner, y, mouse_id) == {"max_depth": 2}
    assert tune(recipe, (), y, mouse_id) == {"max_depth": 1}


@pytest.mark.parametrize("name", ["LR", "RF", "KNN"])
def test_scaling_and_tuning_see_the_training_mice_alone(rng, name):
    X, y, mouse_id = responses_of_mice(rng)
    columns = columns_as_numbers(COLUMNS, ("line",))
    before = mouse_folds(columns, X, y, mouse_id)[0]
    moved, flipped = X.copy(), y.copy()
    moved.loc[mouse_id == "m0", ["a", "b"]] = 1e9
    flipped[mouse_id == "m0"] = 1 - y[mouse_id == "m0"]
    after = mouse_folds(columns, moved, flipped, mouse_id)[0]
    np.testing.assert_array_equal(after.outer.X_train, before.outer.X_train)
    for one, other in zip(after.inner, before.inner, strict=True):
        np.testing.assert_array_equal(one.X_test, other.X_test)
    assert tune(RECIPES[name], after.inner, flipped, mouse_id) == tune(RECIPES[name], before.inner, y, mouse_id)


def test_inner_scaling_leaves_the_inner_held_out_mice_out(rng):
    X, y, mouse_id = responses_of_mice(rng)
    for inner in mouse_folds(columns_as_numbers(("a",), ()), X, y, mouse_id)[0].inner:
        a = X["a"].to_numpy()[inner.split.train]
        expected = (X["a"].to_numpy()[inner.split.test] - a.mean()) / a.std()
        np.testing.assert_allclose(inner.X_test[:, 0], expected)


def test_inner_splits_hold_out_every_training_mouse_once_and_part_no_mouse(rng):
    _, y, mouse_id = responses_of_mice(rng, n_mice=8)
    order = rng.permutation(len(y))
    y, mouse_id = y[order], mouse_id[order]
    rows = np.flatnonzero(mouse_id != "m3")
    splits = inner_splits(y, mouse_id, rows)
    assert len(splits) == 3
    assert sorted(np.concatenate([split.test for split in splits])) == rows.tolist()
    for split in splits:
        assert not set(mouse_id[split.train]) & set(mouse_id[split.test])
        assert "m3" not in set(mouse_id[split.train]) | set(mouse_id[split.test])


@pytest.mark.parametrize(("lines", "n_folds"), [("aaabbb", 3), ("aaaabb", 2), ("aaaab", 0), ("aaaabbbbb", 3)])
def test_where_labels_are_of_mice_each_inner_side_learns_both(lines, n_folds):
    mouse_id = np.repeat(np.arange(len(lines)), 4)
    y = np.array([int(line == "b") for line in lines])[mouse_id]
    splits = inner_splits(y, mouse_id, np.arange(len(y)))
    assert len(splits) == n_folds
    assert all(set(y[split.train]) == set(y[split.test]) == {0, 1} for split in splits)


@pytest.mark.parametrize("name", ["LR", "DT", "KNN", "RF"])
def test_a_feature_that_names_the_mouse_leaves_shuffled_labels_at_chance(rng, name):
    """Each mouse has a fingerprint and its own share of omissions: known mice are told by it, new ones are not."""
    mouse_id = np.repeat(np.arange(12), 40)
    share = np.where(np.arange(12) % 2, 0.9, 0.1)
    y = (rng.random(480) < share[mouse_id]).astype(int)
    one_hot = pd.DataFrame(np.eye(12)[mouse_id], columns=[f"is_mouse_{number}" for number in range(12)])
    X = pd.concat(
        [one_hot, pd.DataFrame({"number": 486_737.0 + 331 * mouse_id, "unit_id": 1e9 + np.arange(480.0)})], axis=1
    )
    recipe, columns = RECIPES[name], tuple(X.columns)
    known = decoder_of(recipe.build(recipe.grid[0]), columns, ()).fit(X[::2], y[::2])
    assert known.score(X[1::2], y[1::2]) > 0.75
    shuffled = y.copy()
    for mouse in range(12):
        shuffled[mouse_id == mouse] = rng.permutation(np.repeat([0, 1], 20))
    folds = mouse_folds(columns_as_numbers(columns, ()), X, shuffled, mouse_id)
    accuracy = nested_leave_one_mouse_out(recipe, folds, shuffled, mouse_id).left_out.accuracy
    assert accuracy == pytest.approx(0.5, abs=0.08)  # 480 rows: s.d. 0.023


@pytest.mark.parametrize(
    ("y", "mouse_id", "said"),
    [
        ([0, 1, 0, 1], [1, 1, 1, 1], "at least 2 mice, got 1"),
        ([0, 0, 1, 1], [1, 1, 2, 2], "without mouse 1 the training side has one label"),
    ],
)
def test_mice_that_cannot_be_left_out_are_refused(y, mouse_id, said):
    X = pd.DataFrame({"a": np.arange(4.0)})
    with pytest.raises(ValueError, match=said):
        mouse_folds(columns_as_numbers(("a",), ()), X, np.array(y), np.array(mouse_id))
