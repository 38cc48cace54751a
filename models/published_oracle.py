"""The oracle correlation as the source of the image-coding study reckoned it, all units and draws at once."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from models.image_responses import trials_by_image
from models.nan_statistics import nan_correlation, nan_mean


def published_oracle(
    counts: NDArray[np.number],  # (n_units, n_presentations)
    image: NDArray[np.integer],  # (n_presentations,)
    *,
    n_draws: int = 50,
    seed: int = 0,
) -> NDArray[np.float64]:  # (n_units,)
    """The oracle as the study's source reckoned it (protocol `published`), (n_units,).

    ``counts`` (n_units, n_presentations); ``image`` (n_presentations,), -1 for the blank, which counts as an image.
    Trials without spikes are dropped first. Of each image that is left with more than one, one trial is drawn and
    ranked (ties get their average rank) against the mean of the others: Spearman's correlation over images, averaged
    over ``n_draws``, times the fraction of images with more than one trial. Draws that can't be correlated (fewer
    than two images, or all the same) are passed over; NaN where all are, and 0 where no image has two. Raises
    ValueError for shapes that differ or no draws.
    """
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}")
    _, number = np.unique(np.asarray(image), return_inverse=True)  # the blank is one more image
    trials = trials_by_image(counts, number, int(number.max(initial=0)) + 1)
    dropped = ~(trials > 0)
    trials[dropped] = 0
    n_kept = (~dropped).sum(axis=2)  # (n_units, n_images)
    several = n_kept > 1
    # Kept trials first, so that a number below n_kept draws one of them.
    trials = np.take_along_axis(trials, np.argsort(dropped, axis=2, kind="stable"), axis=2)
    total = trials.sum(axis=2)
    rng = np.random.default_rng(seed)
    drawn = (rng.random((n_draws, *n_kept.shape)) * n_kept).astype(np.int64)  # (n_draws, n_units, n_images)
    one = np.moveaxis(np.take_along_axis(trials, np.moveaxis(drawn, 0, 2), axis=2), 2, 0)
    others = (total - one) / np.maximum(n_kept - 1, 1)
    ranks = [rankdata(np.where(several, of, np.nan), axis=2, nan_policy="omit") for of in (one, others)]
    r = nan_correlation(*ranks)  # (n_draws, n_units)
    fraction = several.mean(axis=1)
    return np.where(fraction > 0, fraction * nan_mean(r), 0.0)
