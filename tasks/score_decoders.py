"""Scores of one classifier under either protocol: mice left out, the held-out test, and what chooses between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.decoders import build_decoder, columns_as_numbers
from models.held_out_scores import (
    LeftOutMice,
    Split,
    SplitScore,
    leave_one_mouse_out,
    random_split,
    score_split,
    split_by_mouse,
)
from models.nested_tuning import (
    TuningFold,
    leave_one_mouse_out_at,
    mouse_folds,
    nested_leave_one_mouse_out,
    score_tuned,
    tune,
    tuning_fold,
)
from models.tuned_decoders import RECIPES, Parameters
from tasks.decoder_design import Design


@dataclass(frozen=True, eq=False)
class Folds:
    """The split that tests; under `rigorous` also every mouse left out, the test, and its training mice left out."""

    split: Split
    mice: Sequence[TuningFold] = ()
    test: TuningFold | None = None
    training_mice: Sequence[TuningFold] = ()


@dataclass(frozen=True, eq=False)
class Scored:
    """What one classifier did; under `rigorous` with the parameters chosen for each fold."""

    name: str
    left_out: LeftOutMice
    tested: SplitScore
    parameters: Sequence[Parameters] = ()
    test_parameters: Sequence[Parameters] = ()
    selection: LeftOutMice | None = None

    @property
    def deciding_accuracy(self) -> float:
        """What a decoder is chosen by: the training mice alone under `rigorous`, all mice under `published`."""
        return (self.selection or self.left_out).accuracy


def folds_of(design: Design) -> Folds:
    """The folds that every classifier of a design is scored on. Raises ValueError when mice are too few for them."""
    if design.protocol == "published":
        return Folds(random_split(design.y))
    X, y, mouse_id = design.X, design.y, design.mouse_id
    columns = columns_as_numbers(design.columns, design.categorical)
    split = split_by_mouse(mouse_id, design.cre_line)
    train = split.train
    return Folds(
        split,
        mouse_folds(columns, X, y, mouse_id),
        tuning_fold(columns, X, y, mouse_id, split),
        mouse_folds(columns, X.iloc[train], y[train], mouse_id[train]),
    )


def score_decoder(name: str, design: Design, folds: Folds) -> Scored:
    """Score a classifier: `published` with the source's parameters, `rigorous` with those tuned in each fold.

    The parameters of the test are tuned on its training mice, and kept while those are left out one by one.
    Raises ValueError for rows that the classifier can't learn from.
    """
    y, mouse_id = design.y, design.mouse_id
    if folds.test is None:
        decoder = build_decoder(name, design.columns, design.categorical)
        left_out = leave_one_mouse_out(decoder, design.X, y, mouse_id)
        return Scored(name, left_out, score_split(decoder, design.X, y, folds.split))
    recipe, train = RECIPES[name], folds.split.train
    over_mice = nested_leave_one_mouse_out(recipe, folds.mice, y, mouse_id)
    parameters = tune(recipe, folds.test.inner, y, mouse_id)
    selection = leave_one_mouse_out_at(recipe, parameters, folds.training_mice, y[train])
    tested = score_tuned(recipe, parameters, folds.test.outer, y)
    return Scored(name, over_mice.left_out, tested, over_mice.parameters, (parameters,), selection)
