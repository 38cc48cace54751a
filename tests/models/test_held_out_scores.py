import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from models.decoders import build_decoder
from models.held_out_scores import Split, leave_one_mouse_out, random_split, score_split, split_by_mouse


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def responses_of_mice(rng, n_mice=8, n_per_mouse=40, effect=1.0):
    """Omissions raise ``peak``; every mouse has a level of its own."""
    mouse_id = np.repeat(np.arange(n_mice), n_per_mouse)
    y = np.tile([0, 1], len(mouse_id) // 2)
    level = rng.normal(0, 0.3, n_mice)[mouse_id]
    X = pd.DataFrame({"peak": effect * y + level + rng.normal(0, 0.5, len(y)), "noise": rng.normal(size=len(y))})
    return X, y, mouse_id


@pytest.mark.parametrize("name", ["LR", "DT", "SVM", "KNN"])
def test_a_planted_effect_is_found_and_shuffled_labels_score_at_chance(rng, name):
    X, y, mouse_id = responses_of_mice(rng, n_mice=10, n_per_mouse=80, effect=2.0)
    decoder = build_decoder(name, ("peak", "noise"), ())
    assert leave_one_mouse_out(decoder, X, y, mouse_id).accuracy > 0.85
    # 800 rows: accuracy at chance has an s.d. of 0.018.
    shuffled = leave_one_mouse_out(decoder, X, rng.permutation(y), mouse_id).accuracy
    assert shuffled == pytest.approx(0.5, abs=0.07)


def test_what_tells_mice_apart_does_not_help_on_a_mouse_left_out(rng):
    # Each mouse has one label and a fingerprint: across a random split that decodes; across mice it cannot.
    mouse_id = np.repeat(np.arange(20), 20)
    y = rng.permutation(np.repeat([0, 1], 10))[mouse_id]
    X = pd.DataFrame(rng.normal(size=(20, 3))[mouse_id] + rng.normal(0, 0.01, (400, 3)), columns=list("abc"))
    decoder = build_decoder("KNN", ("a", "b", "c"), ())
    assert score_split(decoder, X, y, random_split(y)).accuracy == 1.0
    assert leave_one_mouse_out(decoder, X, y, mouse_id).accuracy < 0.75


def test_each_row_gets_its_held_out_label_and_score(rng):
    X, y, mouse_id = responses_of_mice(rng)
    order = rng.permutation(len(y))
    X, y, mouse_id = X.iloc[order], y[order], mouse_id[order]
    found = leave_one_mouse_out(build_decoder("LR", ("peak", "noise"), ()), X, y, mouse_id)
    assert [fold.mouse_id for fold in found.folds] == list(range(8))
    np.testing.assert_array_equal(found.predicted, found.score > 0.5)
    for fold, split in zip(found.folds, found.splits, strict=True):
        rows = mouse_id == fold.mouse_id
        assert split.test.tolist() == np.flatnonzero(rows).tolist()
        assert not set(mouse_id[split.train]) & set(mouse_id[split.test])
        assert fold.brier == pytest.approx(brier_score_loss(y[rows], found.score[rows]))
        assert fold.accuracy == np.mean(found.predicted[rows] == y[rows])
        assert (fold.n_train, fold.n_test) == (280, 40)


def test_scaling_is_fitted_without_the_mouse_left_out(rng):
    X, y, mouse_id = responses_of_mice(rng)
    decoder = build_decoder("LR", ("peak",), ())
    expected = leave_one_mouse_out(decoder, X, y, mouse_id).folds[0].accuracy
    # The other mice are decoded as before whatever mouse 0 holds, and the decoder passed in is never fitted.
    moved = X.copy()
    moved.loc[mouse_id == 0, "peak"] = 1e6
    alone = Split(np.flatnonzero(mouse_id != 0), np.flatnonzero(mouse_id == 0))
    assert score_split(decoder, X, y, alone).accuracy == expected
    assert (score_split(decoder, moved, y, alone).predicted == 1).all()
    assert not hasattr(decoder, "classes_")


def test_a_support_vector_machine_is_scored_by_its_decision_function(rng):
    X, y, _ = responses_of_mice(rng)
    scored = score_split(build_decoder("SVM", ("peak", "noise"), ()), X, y, random_split(y))
    np.testing.assert_array_equal(scored.predicted, scored.score > 0)
    assert scored.score.min() < -0.5
    assert scored.auc > 0.8
    assert np.isnan(scored.brier)


def test_a_test_side_with_one_label_has_no_auc(rng):
    X, y, _ = responses_of_mice(rng)
    test = np.flatnonzero(y == 0)[:10]
    scored = score_split(build_decoder("LR", ("peak",), ()), X, y, Split(np.setdiff1d(np.arange(len(y)), test), test))
    assert np.isnan(scored.auc)


def test_mice_named_by_text_are_left_out_too(rng):
    X, y, mouse_id = responses_of_mice(rng, n_mice=3)
    names = pd.Series(mouse_id).map({0: "a", 1: "b", 2: "c"}).to_numpy()
    found = leave_one_mouse_out(build_decoder("LR", ("peak",), ()), X, y, names)
    assert [fold.mouse_id for fold in found.folds] == ["a", "b", "c"]


def test_the_random_split_keeps_the_share_of_labels_and_every_row_once():
    y = np.repeat([0, 1], [300, 100])
    split = random_split(y)
    assert len(split.test) == 80
    assert y[split.test].mean() == 0.25
    assert sorted([*split.train, *split.test]) == list(range(400))


def test_a_split_by_mouse_keeps_mice_whole_and_each_stratum_on_both_sides(rng):
    mouse_id = rng.permutation(np.repeat(np.arange(100, 113), 30))
    line = np.where(mouse_id < 107, "Sst", "Vip")
    split = split_by_mouse(mouse_id, line)
    assert not set(mouse_id[split.train]) & set(mouse_id[split.test])
    assert set(line[split.train]) == set(line[split.test]) == {"Sst", "Vip"}
    assert sorted([*split.train, *split.test]) == list(range(len(mouse_id)))


def test_the_mice_drawn_do_not_depend_on_the_order_of_rows(rng):
    mouse_id = np.repeat(np.arange(12), 5)
    line = np.where(mouse_id < 6, "Sst", "Vip")
    first = set(mouse_id[split_by_mouse(mouse_id, line, 0.4).test])
    order = rng.permutation(len(mouse_id))
    assert set(mouse_id[order][split_by_mouse(mouse_id[order], line[order], 0.4).test]) == first
    assert len(first) == 4
    assert any(set(mouse_id[split_by_mouse(mouse_id, line, 0.4, seed).test]) != first for seed in range(5))


FOUR = pd.DataFrame({"peak": np.arange(4.0)})
LR = build_decoder("LR", ("peak",), ())
Y = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: leave_one_mouse_out(LR, FOUR, Y, np.zeros(4)), "at least 2 mice, got 1"),
        (lambda: leave_one_mouse_out(LR, FOUR, Y, np.array([1, 2, 1, 2])), r"both labels, got \[1\]"),
        (lambda: leave_one_mouse_out(LR, FOUR, Y, np.zeros(3)), "one entry per row"),
        (lambda: leave_one_mouse_out(LR, FOUR, Y, np.array([1, 2, np.nan, 1])), "no missing entries, got 1"),
        (lambda: leave_one_mouse_out(LR, FOUR, Y + 1, np.array([1, 1, 2, 2])), r"0 and 1, got \[1, 2\]"),
        (lambda: leave_one_mouse_out(LR, FOUR, Y * 1.0, np.array([1, 1, 2, 2])), "of float64"),
        (lambda: score_split(LR, FOUR, Y, Split(np.arange(3), np.arange(2, 4))), "1 rows are on both sides"),
        (lambda: score_split(LR, FOUR, Y, Split(np.arange(4), np.arange(0))), "test side is empty"),
        (lambda: random_split(Y, 1.0), "between 0 and 1, got 1.0"),
        (lambda: split_by_mouse(np.array([1, 1, 2, 3]), np.array(list("abab"))), "1 is in a and another"),
        (lambda: split_by_mouse(np.array([1, 1, 2, 3]), np.array(list("aabb"))), "stratum a has one mouse"),
    ],
)
def test_rows_that_cannot_be_scored_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
