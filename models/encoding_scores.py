"""How well a model predicts neurons it was not shown, against how well they can be predicted at all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.image_reliability import spearman_brown
from models.image_responses import mean_responses
from models.nan_statistics import nan_correlation

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EncodingScores:
    """Scores of every neuron on held-out images, each (n_units,), NaN where one is not defined."""

    correlation_to_mean: Array
    single_trial_correlation: Array
    fraction_of_oracle: Array
    noise_corrected_correlation: Array
    explained_explainable_variance: Array


def encoding_scores(
    predicted: NDArray[np.floating],  # (n_images, n_units)
    trials: NDArray[np.floating],  # (n_units, n_images, n_repeats)
    oracle: NDArray[np.floating],  # (n_units,)
    split_half: NDArray[np.floating],  # (n_units,)
) -> EncodingScores:
    """Score predictions of held-out images against the responses to them.

    ``predicted`` (n_images, n_units) and ``trials`` (n_units, n_images, n_repeats) in one unit, NaN where an image was
    not shown again; ``oracle`` (n_units,), a trial's correlation to the mean of its image's other trials, and
    ``split_half`` (n_units,), the correlation of two halves' means, not yet for twice the trials: both of the same
    trials (``oracle_correlation`` and ``split_half``). Correlation to the mean is over images, that of single trials
    over all trials of all images. The fraction of oracle is single-trial correlation / oracle; the noise-corrected
    correlation is correlation to the mean / sqrt(2 r / (1 + r)), r being the split-half's (Spearman-Brown). Both are
    NaN where what they are divided by isn't positive; neither is bounded by 1 in a sample. Explained explainable
    variance: see ``explained_explainable_variance``. Raises ValueError for sizes that do not match.
    """
    predicted, trials = _checked(predicted, trials)
    oracle, split_half = (np.asarray(one, dtype=np.float64) for one in (oracle, split_half))
    if oracle.shape != (len(trials),) or split_half.shape != (len(trials),):
        raise ValueError(f"oracle and split_half must be ({len(trials)},), got {oracle.shape} and {split_half.shape}")
    to_mean = correlation_to_mean(predicted, trials)
    single = single_trial_correlation(predicted, trials)
    ceiling = np.sqrt(spearman_brown(np.where(split_half > 0, split_half, np.nan)))
    fraction = single / np.where(oracle > 0, oracle, np.nan)
    explained = explained_explainable_variance(predicted, trials)
    return EncodingScores(to_mean, single, fraction, to_mean / ceiling, explained)


def correlation_to_mean(predicted: NDArray[np.floating], trials: NDArray[np.floating]) -> Array:
    """Pearson's correlation over images of the prediction and the mean response, (n_units,).

    ``predicted`` (n_images, n_units), ``trials`` (n_units, n_images, n_repeats), NaN where not shown; images that were
    never shown are left out. NaN where either is constant. Raises ValueError for sizes that do not match.
    """
    predicted, trials = _checked(predicted, trials)
    return nan_correlation(predicted.T, mean_responses(trials))


def single_trial_correlation(predicted: NDArray[np.floating], trials: NDArray[np.floating]) -> Array:
    """Pearson's correlation over all trials of the prediction for its image and the response, (n_units,).

    Arrays and errors as of ``correlation_to_mean``.
    """
    predicted, trials = _checked(predicted, trials)
    each = np.broadcast_to(predicted.T[:, :, None], trials.shape)
    return nan_correlation(each.reshape(len(trials), -1), trials.reshape(len(trials), -1))


def explained_explainable_variance(predicted: NDArray[np.floating], trials: NDArray[np.floating]) -> Array:
    """Fraction explained of the variance that isn't noise, (n_units,), after Cadena et al. (2019).

    1 - (mean squared error over trials - noise) / (variance over trials - noise), noise being the variance (n - 1)
    over an image's trials, averaged over images shown twice or more; trials are weighed alike. 1 at best in
    expectation, below 0 when worse than the mean; NaN without repeats or without variance beyond the noise.
    ``predicted`` (n_images, n_units), ``trials`` (n_units, n_images, n_repeats). Raises ValueError as above.
    """
    predicted, trials = _checked(predicted, trials)
    known = np.isfinite(trials)
    filled = np.where(known, trials, 0.0)
    shown = known.sum(axis=2)  # (n_units, n_images)
    n = np.maximum(shown.sum(axis=1), 1)
    mean = filled.sum(axis=2) / np.maximum(shown, 1)
    within = np.where(known, (filled - mean[:, :, None]) ** 2, 0.0).sum(axis=2) / np.maximum(shown - 1, 1)
    repeated = shown > 1
    noise = np.where(repeated, within, 0.0).sum(axis=1) / np.maximum(repeated.sum(axis=1), 1)
    grand = filled.sum(axis=(1, 2)) / n
    total = np.where(known, (filled - grand[:, None, None]) ** 2, 0.0).sum(axis=(1, 2)) / n
    error = np.where(known, (filled - predicted.T[:, :, None]) ** 2, 0.0).sum(axis=(1, 2)) / n
    explainable = np.where(repeated.any(axis=1) & (total > noise), total - noise, np.nan)
    return 1 - (error - noise) / explainable


def _checked(predicted: NDArray[np.floating], trials: NDArray[np.floating]) -> tuple[Array, Array]:
    predicted, trials = np.asarray(predicted, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if trials.ndim != 3 or predicted.shape != (trials.shape[1], trials.shape[0]):
        raise ValueError(
            "predicted must be (n_images, n_units) of trials (n_units, n_images, n_repeats), "
            f"got {predicted.shape} and {trials.shape}"
        )
    if not np.isfinite(predicted).all():
        raise ValueError(f"predictions must be finite, got {int((~np.isfinite(predicted)).sum())} that are not")
    return predicted, trials
