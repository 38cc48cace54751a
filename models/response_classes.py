"""Which stimulus a ROI answers to: by its largest coefficient, and by how sure it is that it is the largest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

NOT_SELECTED = -1
AMBIGUOUS = -2


@dataclass(frozen=True, eq=False)
class ResponseClasses:
    """The class of each ROI and what it rests on.

    ``response_class`` (n_rois,): the number of a regressor, ``AMBIGUOUS`` or ``NOT_SELECTED``; ``largest`` (n_rois,)
    the regressor with the largest coefficient, clear or not; ``margin`` (n_rois,), how far that is above the next
    (dF/F per unit of the regressors), or above 0 where the next is below; ``z`` (n_rois,), the margin over its standard
    error. NaN, and ``largest`` -1, for ROIs that aren't selected.
    """

    response_class: NDArray[np.int64]
    largest: NDArray[np.int64]
    margin: NDArray[np.float64]
    z: NDArray[np.float64]


def largest_coefficient(
    coefficient: NDArray[np.floating],  # (n_rois, n_regressors)
    selected: NDArray[np.bool_],  # (n_rois,)
    among: NDArray[np.bool_] | None = None,  # (n_regressors,)
) -> NDArray[np.int64]:  # (n_rois,)
    """The stimulus with the largest coefficient for selected ROIs, the first of equals, else ``NOT_SELECTED``.

    ``among`` says which regressors can be a class: all when it is None. A ROI that the stimuli only suppress gets the
    one that suppresses it least, as in the source. Raises ValueError for shapes that don't fit, or no class.
    """
    coefficient, selected, candidates = _checked(coefficient, selected, among)
    found = np.full(len(coefficient), NOT_SELECTED, dtype=np.int64)
    if selected.any():
        found[selected] = candidates[coefficient[np.ix_(selected, candidates)].argmax(axis=1)]
    return found


def clear_largest_coefficient(
    coefficient: NDArray[np.floating],  # (n_rois, n_regressors)
    covariance: NDArray[np.floating],  # (n_rois, n_regressors, n_regressors)
    selected: NDArray[np.bool_],  # (n_rois,)
    among: NDArray[np.bool_] | None = None,  # (n_regressors,)
    level: float = 0.05,
) -> ResponseClasses:
    """The stimulus with the largest coefficient where it is surely the largest, else ``AMBIGUOUS``.

    It must exceed each other stimulus' coefficient, and 0, by more standard errors of the difference than a normal
    variable does by chance on either side: a ROI that answers alike to two stimuli passes with probability ``level``,
    one that is only suppressed answers to none. ``covariance`` as of ``models.regressor_fits.coefficient_covariance``.
    Raises ValueError for shapes that don't fit, no class, or a level not between 0 and 1.
    """
    coefficient, selected, candidates = _checked(coefficient, selected, among)
    if covariance.shape != (*coefficient.shape, coefficient.shape[1]):
        raise ValueError(f"coefficients {coefficient.shape} need a covariance each, got {covariance.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    largest = largest_coefficient(coefficient, selected, among)
    margin, z = np.full(len(coefficient), np.nan), np.full(len(coefficient), np.nan)
    for roi in np.flatnonzero(selected):
        own, values, spread = largest[roi], coefficient[roi], covariance[roi]
        others = candidates[candidates != own]
        # 0 is the coefficient of a stimulus that evokes nothing, known without an error.
        above = np.append(values[own] - values[others], values[own])
        variance = np.append(spread[own, own] + np.diag(spread)[others] - 2 * spread[own, others], spread[own, own])
        margin[roi] = above.min()
        z[roi] = (above / np.sqrt(variance)).min()
    response_class = largest.copy()
    response_class[selected & ~(z > norm.isf(level / 2))] = AMBIGUOUS
    return ResponseClasses(response_class, largest, margin, z)


def mean_responses(
    dff: NDArray[np.floating],  # (n_rois, n_frames)
    event_frames: Mapping[str, NDArray[np.integer]],  # (n_events,) of each stimulus
    n_frames: int = 5,
) -> NDArray[np.float64]:  # (n_rois, n_stimuli)
    """Mean dF/F of each ROI in the ``n_frames`` frames from each stimulus on, over that stimulus' events.

    Of an event near the end, over the frames there are. Raises ValueError for less than a frame, no stimulus, a
    stimulus without events, or frames outside the recording.
    """
    return np.stack([trials.mean(axis=1) for trials in _trials(dff, event_frames, n_frames)], axis=1)


def published_mean_responses(
    dff: NDArray[np.floating],  # (n_rois, n_frames)
    event_frames: Mapping[str, NDArray[np.integer]],  # (n_events,) of each stimulus
    n_frames: int = 5,
) -> NDArray[np.float64]:  # (n_rois, n_stimuli)
    """The same as the tectum study has it: every stimulus' sum over the number of events of the first stimulus.

    Where the first has more events than another, the other's mean is too small by that factor: with 6 prey, 3 looming
    and 3 dimming events the latter two are halved. Raises ValueError as ``mean_responses``, or for a stimulus with more
    events than the first, which the source can't do. Source: mean_for_timepoints_with_ROIs of
    amgfernandes/Imaging_analysis.
    """
    trials = _trials(dff, event_frames, n_frames)
    first = trials[0].shape[1]
    for name, one in zip(event_frames, trials, strict=True):
        if one.shape[1] > first:
            raise ValueError(f"the source takes no more events than the first stimulus has, {first}; {name} has more")
    return np.stack([one.sum(axis=1) / first for one in trials], axis=1)


def class_counts(response_class: NDArray[np.integer], names: Sequence[str]) -> dict[str, int]:
    """How many ROIs are in each class by name, then how many are 'ambiguous', and 'not selected'."""
    counts = {name: int((response_class == number).sum()) for number, name in enumerate(names)}
    return counts | {
        "ambiguous": int((response_class == AMBIGUOUS).sum()),
        "not selected": int((response_class == NOT_SELECTED).sum()),
    }


def _trials(
    dff: NDArray[np.floating], event_frames: Mapping[str, NDArray[np.integer]], n_frames: int
) -> list[NDArray[np.float64]]:
    """Mean of the frames after each event, (n_rois, n_events) of each stimulus."""
    dff = np.asarray(dff, dtype=np.float64)
    if n_frames < 1 or not event_frames:
        raise ValueError(f"a mean response needs a frame or more and a stimulus, got {n_frames}, {len(event_frames)}")
    for name, frames in event_frames.items():
        if not len(frames) or np.min(frames) < 0 or np.max(frames) >= dff.shape[1]:
            raise ValueError(f"stimulus {name} needs events within frames 0 to {dff.shape[1] - 1}, got {list(frames)}")
    return [
        np.stack([dff[:, frame : frame + n_frames].mean(axis=1) for frame in frames], axis=1)
        for frames in event_frames.values()
    ]


def _checked(
    coefficient: NDArray[np.floating], selected: NDArray[np.bool_], among: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.intp]]:
    coefficient, selected = np.asarray(coefficient, dtype=np.float64), np.asarray(selected, dtype=bool)
    if coefficient.ndim != 2 or selected.shape != coefficient.shape[:1]:
        raise ValueError(f"selected must be one of each ROI, got {selected.shape} for {coefficient.shape}")
    among = np.ones(coefficient.shape[1], dtype=bool) if among is None else np.asarray(among, dtype=bool)
    if among.shape != coefficient.shape[1:] or not among.any():
        raise ValueError(f"classes need at least one of {coefficient.shape[1]} regressors, got {among.tolist()}")
    if not np.isfinite(coefficient[selected]).all():
        raise ValueError("a ROI that wasn't fitted can't be selected")
    return coefficient, selected, np.flatnonzero(among)
