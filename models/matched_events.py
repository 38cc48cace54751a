"""Equal numbers of events for conditions that are compared by their mean responses."""

import numpy as np
from numpy.typing import NDArray


def equal_numbers(condition: NDArray[np.generic], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which events to average so that every condition has as many as the rarest one.

    ``condition`` (n_events,), a label per event; returns (n_events,), True for the rarest condition's events and
    for as many of each other condition, drawn without replacement. The largest value of a mean over few events is
    larger by noise alone, as are its energy and its zero crossings: one omission in twenty flashes would look like
    an effect of omission. Raises ValueError for labels that are not one per event.
    """
    condition = np.asarray(condition)
    if condition.ndim != 1:
        raise ValueError(f"condition must have one label per event (n_events,), got shape {condition.shape}")
    kept = np.zeros(len(condition), dtype=np.bool_)
    labels, counts = np.unique(condition, return_counts=True)
    for label in labels:
        kept[rng.choice(np.flatnonzero(condition == label), size=counts.min(), replace=False)] = True
    return kept
