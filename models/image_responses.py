"""Responses to images: trials by image, means, time courses, and rasters of single spikes, all as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.presentation_counts import SpikeTrains, presentation_counts


@dataclass(frozen=True, eq=False)
class ImagePsth:
    """Each unit's firing rate around the onset of each image.

    ``rate_hz`` and ``sem_hz`` are (n_units, n_images, n_bins): mean and standard error over presentations; the mean is
    NaN without any, the error with fewer than two. ``n_presentations`` is (n_images,); ``centre_s`` (n_bins,) the
    middle of each bin, seconds from onset.
    """

    rate_hz: NDArray[np.float64]
    sem_hz: NDArray[np.float64]
    n_presentations: NDArray[np.int64]
    centre_s: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpikeRaster:
    """Spikes around onsets: ``presentation`` (n_spikes,), its place among the onsets, and ``time_s`` from onset."""

    presentation: NDArray[np.int64]
    time_s: NDArray[np.float64]


def trials_by_image(
    counts: NDArray[np.number],  # (n_units, n_presentations)
    image: NDArray[np.integer],  # (n_presentations,)
    n_images: int,
) -> NDArray[np.float64]:  # (n_units, n_images, n_repeats)
    """Responses sorted by image, (n_units, n_images, n_repeats), each image's in the order they were shown.

    ``counts`` (n_units, n_presentations); ``image`` (n_presentations,) its number from 0, -1 for the blank, which is
    left out. Images shown less often than the others end in NaN; n_repeats is the most that any was shown. Raises
    ValueError for shapes that differ, a number outside -1 to n_images - 1, or no image at all.
    """
    counts, image = np.asarray(counts), np.asarray(image)
    if counts.ndim != 2 or image.shape != counts.shape[1:]:
        raise ValueError(f"image must have one number per presentation of counts {counts.shape}, got {image.shape}")
    if n_images < 1 or not (image >= 0).any():
        raise ValueError(f"images must have been shown, got {n_images} images in {len(image)} presentations")
    if image.min() < -1 or image.max() >= n_images:
        raise ValueError(f"image must be -1 to {n_images - 1}, got {image.min()} to {image.max()}")
    order = np.argsort(image, kind="stable")
    order = order[image[order] >= 0]
    shown = np.bincount(image[order], minlength=n_images)
    first = np.cumsum(shown) - shown
    repeat = np.arange(len(order)) - first[image[order]]
    trials = np.full((len(counts), n_images, shown.max()), np.nan)
    trials[:, image[order], repeat] = counts[:, order]
    return trials


def mean_responses(
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats), NaN where an image has fewer
) -> NDArray[np.float64]:  # (n_units, n_images)
    """Mean over repeats, (n_units, n_images); NaN for an image that was never shown."""
    shown = (~np.isnan(trials)).sum(axis=2)
    return np.where(shown > 0, np.nansum(trials, axis=2) / np.maximum(shown, 1), np.nan)


def image_psth(
    trains: SpikeTrains,
    onset_s: NDArray[np.float64],  # (n_presentations,), seconds
    image: NDArray[np.integer],  # (n_presentations,)
    n_images: int,
    edges_s: NDArray[np.float64],  # (n_bins + 1,), seconds from onset
) -> ImagePsth:
    """Firing rate of each unit around each image; the blank (-1) is left out.

    ``onset_s`` and ``image`` (n_presentations,), ``edges_s`` (n_bins + 1,), seconds from onset and increasing. A spike
    on an edge counts in the bin that it begins. Raises ValueError for bins without length, and as
    `models.presentation_counts.presentation_counts` and `trials_by_image` do.
    """
    width_s = np.diff(edges_s)
    if (width_s <= 0).any():
        raise ValueError(f"edges_s must increase, got {np.asarray(edges_s)}")
    counts = presentation_counts(trains, onset_s, edges_s, closed="left")  # (n_units, n_presentations, n_bins)
    n_units, _, n_bins = counts.shape
    rate, sem = np.empty((2, n_units, n_images, n_bins))
    for unit, of_unit in enumerate(counts):  # one at a time: all trials at once would be NaN-padded copies of them all
        hz = trials_by_image(of_unit.T, image, n_images) / width_s[:, None, None]  # (n_bins, n_images, n_repeats)
        shown = (~np.isnan(hz)).sum(axis=2)
        rate[unit] = mean_responses(hz).T
        squares = np.nansum((hz - mean_responses(hz)[:, :, None]) ** 2, axis=2)
        at_least_two = np.where(shown > 1, shown, np.nan)
        sem[unit] = np.sqrt(squares / (at_least_two - 1) / at_least_two).T
    image = np.asarray(image)
    n_presentations = np.bincount(image[image >= 0], minlength=n_images)
    return ImagePsth(rate, sem, n_presentations, np.asarray(edges_s)[:-1] + width_s / 2)


def spike_raster(
    trains: SpikeTrains,
    unit: int,
    onset_s: NDArray[np.float64],  # (n_presentations,), seconds
    start_s: float,
    stop_s: float,
) -> SpikeRaster:
    """Every spike of a unit, by its place, from ``start_s`` up to ``stop_s`` after each onset; windows may overlap.

    ``onset_s`` (n_presentations,), seconds, in any order. Spikes come by presentation, then time. Raises ValueError
    for a window that doesn't run forward.
    """
    if not start_s < stop_s:
        raise ValueError(f"the window must run forward, got {start_s} to {stop_s} s")
    train, onset_s = trains.train(unit), np.asarray(onset_s)
    first, last = np.searchsorted(train, onset_s + start_s), np.searchsorted(train, onset_s + stop_s)
    count = last - first
    presentation = np.repeat(np.arange(len(onset_s)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return SpikeRaster(presentation, train[first[presentation] + within] - onset_s[presentation])


def binned_activity(
    trains: SpikeTrains, start_s: float, stop_s: float, bin_s: float = 0.1
) -> NDArray[np.float32]:  # (n_units, n_bins)
    """Spikes of each unit in bins of ``bin_s`` from ``start_s``, (n_units, n_bins); a last, shorter bin is left out.

    Each spike is in the bin that it begins or lies in. Raises ValueError where not one bin fits.
    """
    # A bin that is short of its end by rounding alone is whole.
    n_bins = int(np.floor((stop_s - start_s) / bin_s + 1e-9)) if bin_s > 0 else 0
    if n_bins < 1:
        raise ValueError(f"bins of {bin_s} s must fit between {start_s} and {stop_s} s, got none that does")
    edges_s = np.arange(n_bins + 1) * bin_s
    counts = presentation_counts(trains, np.array([start_s]), edges_s, closed="left", dtype=np.int32)
    return counts[:, 0].astype(np.float32)
