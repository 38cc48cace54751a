"""The source's second notebook on the same rows, in the tables of decoders under the scheme 'notebook_2'."""

from dataclasses import replace

import polars as pl

from models.held_out_scores import FoldScore, random_split
from models.response_features import FEATURES
from models.second_notebook import second_notebook_scores
from storage.tables import DECODER_SCORES, PREDICTIONS, SPLITS
from tasks.decoder_design import design
from tasks.decoder_rows import named, score_rows, split_rows, tested_rows
from tasks.study_part import StudyPart

COLUMNS = ("unit_id", *FEATURES)


def second_notebook(features: pl.DataFrame, study_id: str) -> StudyPart:
    """Its seven test accuracies of omitted against presented, on a random fifth of the rows.

    Raises ValueError for fewer rows than a stratified split takes.
    """
    its_own = replace(design(features, "rigorous"), protocol="published", columns=COLUMNS, categorical=())
    split = random_split(its_own.y)
    scores, predictions = [], []
    for name, found in second_notebook_scores(its_own.X.astype(float), its_own.y, split).items():
        common = named(its_own, study_id, decoder=name, scheme="notebook_2")
        scores += score_rows(common, [FoldScore.of("test", found, split)])
        predictions += tested_rows(common, its_own, split, found)
    splits = split_rows(named(its_own, study_id, scheme="notebook_2"), its_own.mouse_id, split, "test")
    return StudyPart({DECODER_SCORES: scores, PREDICTIONS: predictions, SPLITS: splits})
