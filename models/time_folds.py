"""Which rows a decoder learns from and which it is tested on: strata, whole mice, or blocks of time with a gap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from models.linear_decoders import two_labels
from models.matched_events import equal_numbers


@dataclass(frozen=True, eq=False)
class Fold:
    """Row numbers learned from and tested on, no row on both sides."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


def stratified_folds(y: NDArray[np.integer], n_folds: int = 10, seed: int = 42) -> NDArray[np.intp]:
    """The fold that holds each row out under `published`, (n_rows,): rows at random, labels spread evenly.

    ``y`` (n_rows,) labels 0 and 1. Raises ValueError when a label has fewer rows than there are folds.
    ``sklearn.model_selection.StratifiedKFold(n_folds, shuffle=True, random_state=seed)``.
    """
    y = two_labels(y, len(y))
    rarest = int(np.bincount(y).min())
    if rarest < n_folds:
        raise ValueError(f"{n_folds} folds need at least {n_folds} rows of each label, got {rarest}")
    fold = np.empty(len(y), dtype=np.intp)
    splits = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(y, y)
    for number, (_, test) in enumerate(splits):
        fold[test] = number
    return fold


def folds_of(fold: NDArray[np.integer]) -> list[Fold]:
    """The folds, given for each row the one that holds it out, (n_rows,)."""
    return [Fold(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in np.unique(fold)]


def time_block_folds(
    onset_s: NDArray[np.floating],  # (n_events,), seconds
    omitted: NDArray[np.bool_],  # (n_events,)
    rng: np.random.Generator,
    n_folds: int = 5,
    gap_s: float = 5.0,
    fewest: int = 2,
) -> list[Fold]:
    """Blocks of a session's time, each tested by what is learned ``gap_s`` or more away from it.

    ``onset_s`` (n_events,), seconds; ``omitted`` (n_events,). Blocks are cut so that each holds as many
    omissions as the others, and in each as many presented events are drawn as it has omissions: no block's
    decoder learns from its own surplus of one label. Events that aren't drawn are in no fold. Raises
    ValueError for onsets that are not finite, or a block with fewer than ``fewest`` of a condition.
    """
    onset_s, omitted = np.asarray(onset_s), np.asarray(omitted, dtype=bool)
    if not np.isfinite(onset_s).all():
        raise ValueError(f"blocks of time need onsets, got {int((~np.isfinite(onset_s)).sum())} that are not finite")
    omission_s = np.sort(onset_s[omitted])
    if len(omission_s) < n_folds * fewest:
        raise ValueError(f"{n_folds} blocks need at least {n_folds * fewest} omissions, got {len(omission_s)}")
    cut = np.arange(1, n_folds) * len(omission_s) // n_folds
    block = np.searchsorted((omission_s[cut - 1] + omission_s[cut]) / 2, onset_s)
    drawn = np.zeros(len(onset_s), dtype=bool)
    for number in range(n_folds):
        inside = np.flatnonzero(block == number)
        drawn[inside[equal_numbers(omitted[inside], rng)]] = True
        n_each = min(int((drawn & (block == number) & which).sum()) for which in (omitted, ~omitted))
        if n_each < fewest:
            raise ValueError(f"block {number} of {n_folds} has {n_each} events of a condition, needs {fewest}")
    folds = []
    for number in range(n_folds):
        test = np.flatnonzero(drawn & (block == number))
        away = (onset_s < onset_s[test].min() - gap_s) | (onset_s > onset_s[test].max() + gap_s)
        folds.append(Fold(np.flatnonzero(drawn & away & (block != number)), test))
    return folds
