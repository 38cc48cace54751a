"""What sets units apart in their mean responses to images: entropy, variance, outliers, likeness to each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class OutlyingUnits:
    """Units that an isolation forest sets apart, (n_units,) each.

    ``outlying`` is False and ``score`` NaN for units that weren't in the forest; a score is lower the more outlying.
    """

    outlying: NDArray[np.bool_]
    score: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UnitCorrelations:
    """How alike units' mean responses are.

    ``r`` (n_units, n_units), Pearson's over images, NaN for units that never change. ``most_alike`` and ``least_alike``
    (n_units,) are the places of the partner of highest and lowest r, -1 without any; ``highest_r`` and ``lowest_r``
    (n_units,) those correlations.
    """

    r: NDArray[np.float64]
    most_alike: NDArray[np.int64]
    highest_r: NDArray[np.float64]
    least_alike: NDArray[np.int64]
    lowest_r: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UnitPairs:
    """Pairs of units, (n_pairs,) each: their places, ``first`` below ``second``, and their correlation."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    r: NDArray[np.float64]


def response_entropy(
    mean_responses: NDArray[np.float64],  # (n_units, n_images)
) -> NDArray[np.float64]:  # (n_units,), nats
    """Entropy of the distribution of each unit's mean responses over their distinct values, (n_units,), nats.

    Log of the number of images for a unit whose means all differ, 0 for one that never changes. As in the study's
    source: ``scipy.stats.entropy`` of how often each value comes. Images that were never shown (NaN) don't count.
    """
    mean_responses = _responses(mean_responses)
    entropy = np.full(len(mean_responses), np.nan)
    for unit, of_unit in enumerate(mean_responses):
        _, times = np.unique(of_unit[~np.isnan(of_unit)], return_counts=True)
        if len(times):
            share = times / times.sum()
            entropy[unit] = max(-(share * np.log(share)).sum(), 0.0)
    return entropy


def response_variance(
    mean_responses: NDArray[np.float64],  # (n_units, n_images)
) -> NDArray[np.float64]:  # (n_units,)
    """Variance of each unit's mean responses over images, dividing by their number, (n_units,), of the responses'
    unit squared; images that were never shown (NaN) don't count."""
    mean_responses = _responses(mean_responses)
    known = (~np.isnan(mean_responses)).sum(axis=1)
    mean = np.nansum(mean_responses, axis=1) / np.where(known > 0, known, np.nan)
    return np.nansum((mean_responses - mean[:, None]) ** 2, axis=1) / np.where(known > 0, known, np.nan)


def outlying_units(
    profiles: NDArray[np.float64],  # (n_units, n_images)
    *,
    n_trees: int = 100,
    random_state: int = 42,
) -> OutlyingUnits:
    """Units whose profile of mean responses is easily isolated, by scikit-learn's isolation forest (Liu et al. 2008).

    ``profiles`` (n_units, n_images). Units without any response are left out of the forest, and so is an image that
    was never shown (NaN in all units). With fewer than two units left none is outlying. Trees and seed are the
    source's. Raises ValueError for a value that is missing in some units only.
    """
    from sklearn.ensemble import IsolationForest

    profiles = _responses(profiles)
    missing = np.isnan(profiles)
    if (missing != missing[:1]).any():
        raise ValueError("profiles must be NaN for all units or none of an image, got one that is NaN for some")
    profiles = profiles[:, ~missing[:1].ravel()] if len(profiles) else profiles
    responding = (profiles != 0).any(axis=1)
    outlying, score = np.zeros(len(profiles), bool), np.full(len(profiles), np.nan)
    if responding.sum() >= 2:
        forest = IsolationForest(n_estimators=n_trees, random_state=random_state).fit(profiles[responding])
        outlying[responding] = forest.predict(profiles[responding]) < 0
        score[responding] = forest.score_samples(profiles[responding])
    return OutlyingUnits(outlying, score)


def unit_correlations(
    mean_responses: NDArray[np.float64],  # (n_units, n_images)
) -> UnitCorrelations:
    """Correlation of every two units' mean responses over images, and each unit's most and least alike partner.

    ``mean_responses`` (n_units, n_images); an image that was never shown (NaN in any unit) is left out. Of partners
    that are equally alike, the first. Raises ValueError where fewer than two images are left.
    """
    mean_responses = _responses(mean_responses)
    shown = mean_responses[:, ~np.isnan(mean_responses).any(axis=0)]
    if shown.shape[1] < 2:
        raise ValueError(f"correlations need two images or more that all units saw, got {shown.shape[1]}")
    changes = shown.min(axis=1) < shown.max(axis=1)
    scored = np.where(changes[:, None], shown - shown.mean(axis=1, keepdims=True), np.nan)
    scored /= np.linalg.norm(scored, axis=1, keepdims=True)
    r = np.clip(scored @ scored.T, -1, 1)  # (n_units, n_units)
    np.fill_diagonal(r, np.where(changes, 1.0, np.nan))
    partners = np.where(np.eye(len(r), dtype=bool) | np.isnan(r), np.nan, r)
    alone = np.isnan(partners).all(axis=1)
    most = np.where(np.isnan(partners), -np.inf, partners).argmax(axis=1) if len(r) else np.zeros(0, np.int64)
    least = np.where(np.isnan(partners), np.inf, partners).argmin(axis=1) if len(r) else np.zeros(0, np.int64)
    rows = np.arange(len(r))
    return UnitCorrelations(
        r, np.where(alone, -1, most), partners[rows, most], np.where(alone, -1, least), partners[rows, least]
    )


def extreme_pairs(
    r: NDArray[np.float64],  # (n_units, n_units)
    *,
    above: float = 0.7,
    below: float = -0.55,
) -> UnitPairs:
    """Pairs of units whose correlation is above one limit or below the other, the highest first.

    ``r`` (n_units, n_units), symmetric, as in UnitCorrelations. The limits are the source's.
    """
    first, second = np.triu_indices(len(r), 1)
    of_pair = r[first, second]
    kept = np.flatnonzero((of_pair > above) | (of_pair < below))
    kept = kept[np.argsort(-of_pair[kept], kind="stable")]
    return UnitPairs(first[kept], second[kept], of_pair[kept])


def _responses(mean_responses: NDArray[np.float64]) -> NDArray[np.float64]:
    mean_responses = np.asarray(mean_responses, np.float64)
    if mean_responses.ndim != 2 or not mean_responses.shape[1] or np.isinf(mean_responses).any():
        raise ValueError(f"responses must be (n_units, n_images), finite or NaN, got {mean_responses.shape}")
    return mean_responses
