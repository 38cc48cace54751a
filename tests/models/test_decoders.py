import warnings

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score

from models.decoders import CATEGORICAL, CLASSIFIERS, build_decoder, columns_as_numbers, decoder_of, design_columns
from models.held_out_scores import leave_one_mouse_out, random_split, score_split
from models.response_features import FEATURES
from models.tuned_decoders import RECIPES

PUBLISHED_MICE = {
    "LR": 0.902,
    "DT": 0.890,
    "RF": 0.9315,
    "SVM": 0.880,
    "KNN": 0.873,
    "GB": 0.945,
    "XGB": 0.947,
}
PUBLISHED_SPLIT = {
    "LR": 0.953,
    "DT": 0.938,
    "RF": 0.969,
    "SVM": 0.914,
    "KNN": 0.898,
    "GB": 0.977,
    "XGB": 0.969,
}
RIGOROUS_MICE = {"LR": 0.9077, "GB": 0.9491}


def labels(table):
    return table["omitted"].to_numpy().astype(int), table["mouse_id"].to_numpy()


@pytest.mark.parametrize("name", PUBLISHED_MICE)
def test_the_published_scores_come_back(published_table, name):
    y, mouse_id = labels(published_table)
    decoder = build_decoder(name, design_columns("published", FEATURES))
    over_mice = leave_one_mouse_out(decoder, published_table, y, mouse_id)
    assert over_mice.accuracy == pytest.approx(PUBLISHED_MICE[name], abs=6e-4)
    assert sum(fold.n_test for fold in over_mice.folds) == 640
    assert len(over_mice.folds) == 13
    scored = score_split(decoder, published_table, y, random_split(y))
    assert scored.accuracy == pytest.approx(PUBLISHED_SPLIT[name], abs=6e-4)
    if name == "GB":
        assert (scored.f1, scored.auc) == pytest.approx((0.976, 0.997), abs=6e-4)


@pytest.mark.parametrize("name", RIGOROUS_MICE)
def test_without_identifiers_the_rigorous_scores_come_back(published_table, name):
    y, mouse_id = labels(published_table)
    decoder = build_decoder(name, design_columns("rigorous", FEATURES))
    found = leave_one_mouse_out(decoder, published_table, y, mouse_id).accuracy
    assert found == pytest.approx(RIGOROUS_MICE[name], abs=6e-4)


@pytest.mark.parametrize("name", ["LR", "SVM", "DT"])
def test_leaving_mice_out_agrees_with_scikit_learn(published_table, name):
    y, mouse_id = labels(published_table)
    decoder = build_decoder(name, design_columns("rigorous", FEATURES))
    found = leave_one_mouse_out(decoder, published_table, y, mouse_id)
    expected = cross_val_score(decoder, published_table, y, groups=mouse_id, cv=LeaveOneGroupOut())
    assert [fold.accuracy for fold in found.folds] == pytest.approx(expected.tolist(), abs=1e-12)


def test_no_classifier_warns_of_a_parameter_that_will_go(published_table):
    y, _ = labels(published_table)
    rows = published_table[:60]
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        for name in CLASSIFIERS:
            build_decoder(name, design_columns("rigorous", FEATURES)).fit(rows, y[:60])


def test_the_dummy_knows_the_labels_and_nothing_else(published_table):
    y, mouse_id = labels(published_table)
    decoder = build_decoder("dummy", design_columns("rigorous", FEATURES))
    assert leave_one_mouse_out(decoder, published_table, y, mouse_id).accuracy == 0.5
    assert len(np.unique(decoder.fit(published_table, y).predict_proba(published_table), axis=0)) == 1


def test_each_classifier_has_a_recipe_whose_grid_it_takes():
    assert list(RECIPES) == list(CLASSIFIERS)
    for name, recipe in RECIPES.items():
        assert type(recipe.unfitted()) is type(CLASSIFIERS[name]())
        for point in recipe.grid:
            assert recipe.build(point).get_params().items() >= point.items()
            assert recipe.build(point, quick=True).get_params().items() >= {**point, **recipe.quick}.items()


def test_columns_are_seen_in_the_order_of_the_published_table():
    assert design_columns("published", FEATURES) == ("unit_id", "mouse_id", *FEATURES, *CATEGORICAL)
    assert design_columns("rigorous", FEATURES) == (*FEATURES, *CATEGORICAL)
    assert design_columns("rigorous", ["a"], identifiers=(), categorical=()) == ("a",)


def test_a_decoder_scales_numbers_and_spreads_categories(published_table):
    decoder = build_decoder("LR", ("peak_dff", "cre_line"), ("cre_line",))
    seen = decoder.fit(published_table, labels(published_table)[0])[:-1].transform(published_table)
    assert seen.shape == (640, 3)
    assert seen[:, 0].mean() == pytest.approx(0, abs=1e-12)
    assert seen[:, 0].std() == pytest.approx(1)
    assert np.unique(seen[:, 1:]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: design_columns("sloppy", FEATURES), "'published' or 'rigorous', got 'sloppy'"),
        (lambda: design_columns("rigorous", ()), "at least one feature"),
        (lambda: design_columns("rigorous", ("a", "mouse_id")), r"more than once: \['mouse_id'\]"),
        (lambda: build_decoder("MLP", ("a",), ()), "one of dummy, LR, DT, RF, SVM, KNN, GB, XGB, got 'MLP'"),
        (lambda: columns_as_numbers(("a",), ("b",)), r"got \['b'\]"),
        (lambda: decoder_of(CLASSIFIERS["LR"](), ("b",), ("b",)), "at least one numeric"),
    ],
)
def test_a_decoder_that_cannot_be_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
