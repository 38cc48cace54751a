"""Decoders of condition and of cre line, under both protocols, scored on mice that they have not seen."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from models.decoders import CLASSIFIERS, Protocol, build_decoder, columns_as_numbers, decoder_of
from models.held_out_scores import FoldScore, Split, leave_one_mouse_out
from models.nested_tuning import mouse_folds, nested_leave_one_mouse_out, tune, tuning_fold
from models.tuned_decoders import RECIPES
from storage.tables import DECODER_SCORES, DECODER_TESTS, FEATURE_IMPORTANCE, PREDICTIONS, SPLITS
from tasks.decoder_design import LABEL_COLUMN, PROTOCOLS, TARGETS, Design, design
from tasks.decoder_rows import left_out_rows, named, score_rows, split_rows, tested_rows
from tasks.decoder_tests import chance_row, importance_rows
from tasks.score_decoders import Folds, Scored, folds_of, score_decoder
from tasks.second_notebook import second_notebook
from tasks.study_part import StudyPart

TARGET = LABEL_COLUMN["condition"]
PARTS = len(TARGETS) * len(PROTOCOLS) * len(CLASSIFIERS)  # times that `advance` is called


@dataclass(frozen=True, eq=False)
class Decoding:
    """All scores and predictions of one target and protocol, and the decoder that it chooses."""

    design: Design
    scores: list[Mapping]
    predictions: list[Mapping]
    chosen: str

    def accuracies(self, decoder: str, scheme: str) -> list[float]:
        found = (row for row in self.scores if row["decoder"] == decoder and row["scheme"] == scheme)
        return [row["accuracy"] for row in found]


def decode_study(
    features: pl.DataFrame, study_id: str, advance: Callable[[str], None] = lambda _: None
) -> tuple[StudyPart, dict[Protocol, Decoding]]:
    """Rows of every table of decoders, and by protocol how omitted was told from presented.

    ``features`` is the answer of `features_of_project`. What the rows don't allow (one mouse, one cre line, mice
    without numbers) is noted. ``advance`` is called ``PARTS`` times, whatever fails.
    """
    parts: list[StudyPart] = []
    decodings: dict[Protocol, Decoding] = {}
    for target in TARGETS:
        for protocol in PROTOCOLS:
            try:
                part, decoding = decode(design(features, protocol, target), study_id, advance)
            except ValueError as error:
                part = StudyPart(notes=(f"decoders of {target}, {protocol}: {error}",))
                for name in CLASSIFIERS:
                    advance(name)
            else:
                decodings |= {protocol: decoding} if target == "condition" else {}
            parts.append(part)
    try:
        parts.append(second_notebook(features, study_id))
    except ValueError as error:
        parts.append(StudyPart(notes=(f"second notebook: {error}",)))
    tables = dict.fromkeys(table for part in parts for table in part.rows)
    rows = {table: [row for part in parts for row in part.rows.get(table, ())] for table in tables}
    return StudyPart(rows, tuple(note for part in parts for note in part.notes)), decodings


def decode(
    design: Design, study_id: str, advance: Callable[[str], None] = lambda _: None
) -> tuple[StudyPart, Decoding]:
    """Score every classifier, choose one without looking at the mice that test it, and hold it against chance.

    `rigorous` tunes each within the training mice, and chooses by leaving out mice of the training side one by one;
    `published`, as its source did, tunes nothing and chooses by leaving out each of all mice. Under `rigorous` the
    dummy, LR and the chosen one are held against chance. ``advance`` is called with each classifier's name when it is
    scored. A classifier that the rows don't suit is left out and noted. Raises ValueError when no classifier can
    learn from them, and then ``advance`` was not called.
    """
    folds = folds_of(design)
    scored = [score_decoder("dummy", design, folds)]  # what it can't do, none can
    notes: list[str] = []
    names = [name for name in CLASSIFIERS if name != "dummy"]
    found_by_name = _side_by_side(_scored_or_why, [(name, design, folds) for name in names])
    for name, found in zip(names, found_by_name, strict=True):
        if isinstance(found, str):
            notes.append(f"{name} of {design.target}, {design.protocol}: {found}")
        else:
            scored.append(found)
        advance(name)
    advance("dummy")
    chosen = max(scored[1:], key=lambda one: one.deciding_accuracy)
    permuted = {"dummy", "LR", chosen.name} if design.protocol == "rigorous" else set()
    tested = [
        (named(design, study_id, decoder=one.name), design, one.name, one.left_out, folds.mice, one.name in permuted)
        for one in scored
    ]
    of_chosen = named(design, study_id, decoder=chosen.name)
    rows = {
        DECODER_SCORES: [row for one in scored for row in _score_rows(one, design, study_id, folds)],
        DECODER_TESTS: list(_side_by_side(chance_row, tested)),
        FEATURE_IMPORTANCE: importance_rows(of_chosen, design, chosen.name, chosen.parameters),
        SPLITS: _split_rows(scored[0], design, study_id, folds),
        PREDICTIONS: [row for one in scored for row in _prediction_rows(one, design, study_id, folds)],
    }
    return StudyPart(rows, tuple(notes)), Decoding(design, rows[DECODER_SCORES], rows[PREDICTIONS], chosen.name)


def fit_chosen(decoding: Decoding) -> Pipeline:
    """The chosen decoder, fitted on every row; under `rigorous` with parameters tuned on all mice."""
    design = decoding.design
    if design.protocol == "published":
        unfitted = build_decoder(decoding.chosen, design.columns, design.categorical)
    else:
        recipe, everyone = RECIPES[decoding.chosen], np.arange(len(design.y))
        columns = columns_as_numbers(design.columns, design.categorical)
        all_mice = tuning_fold(columns, design.X, design.y, design.mouse_id, Split(everyone, everyone))
        parameters = tune(recipe, all_mice.inner, design.y, design.mouse_id)
        unfitted = decoder_of(recipe.build(parameters), design.columns, design.categorical)
    return unfitted.fit(design.X, design.y)


def accuracy_on_same_folds(other: Pipeline, design: Design) -> float:
    """Leave-one-mouse-out accuracy of another decoder's recipe, tuned and fitted anew in the folds of this design.

    A classifier that is none of ours keeps the parameters that it came with.
    """
    kind = type(other[-1])
    recipe = next((recipe for recipe in RECIPES.values() if type(recipe.unfitted()) is kind), None)
    if design.protocol == "published" or recipe is None:
        return leave_one_mouse_out(clone(other), design.X, design.y, design.mouse_id).accuracy
    folds = mouse_folds(clone(other[0]), design.X, design.y, design.mouse_id)
    return nested_leave_one_mouse_out(recipe, folds, design.y, design.mouse_id).left_out.accuracy


def _scored_or_why(name: str, design: Design, folds: Folds) -> Scored | str:
    try:
        return score_decoder(name, design, folds)
    except ValueError as error:
        return str(error)


def _side_by_side(step: Callable, calls: Sequence[tuple]) -> Iterator:
    """Results of a step in the order of its calls, two at a time: most of a fit runs outside Python's lock."""
    workers = min(2, os.cpu_count() or 1)
    yield from Parallel(workers, return_as="generator")(delayed(step)(*call) for call in calls)


def _score_rows(one: Scored, design: Design, study_id: str, folds: Folds) -> list[Mapping]:
    common = named(design, study_id, decoder=one.name)
    tested = [FoldScore.of("test", one.tested, folds.split)]
    rows = score_rows(common | {"scheme": "leave_one_mouse_out"}, one.left_out.folds, one.parameters)
    rows += score_rows(common | {"scheme": "test"}, tested, one.test_parameters)
    if one.selection:
        tuned = one.test_parameters * len(one.selection.folds)
        rows += score_rows(common | {"scheme": "selection"}, one.selection.folds, tuned)
    return rows


def _prediction_rows(one: Scored, design: Design, study_id: str, folds: Folds) -> list[Mapping]:
    common = named(design, study_id, decoder=one.name)
    rows = left_out_rows(common | {"scheme": "leave_one_mouse_out"}, design, one.left_out)
    return rows + tested_rows(common | {"scheme": "test"}, design, folds.split, one.tested)


def _split_rows(one: Scored, design: Design, study_id: str, folds: Folds) -> list[Mapping]:
    """Of the splits that a classifier was scored on: all have the same."""
    left_out = named(design, study_id, scheme="leave_one_mouse_out")
    selection = named(design, study_id, scheme="selection")
    rows = split_rows(named(design, study_id, scheme="test"), design.mouse_id, folds.split, "test")
    for fold, split in zip(one.left_out.folds, one.left_out.splits, strict=True):
        rows += split_rows(left_out, design.mouse_id, split, str(fold.mouse_id))
    if one.selection:
        training_mice = design.mouse_id[folds.split.train]
        for fold, split in zip(one.selection.folds, one.selection.splits, strict=True):
            rows += split_rows(selection, training_mice, split, str(fold.mouse_id))
    return rows
