"""Activity in bins of time, with the block of presentations that each bin lies in, as rasters show it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.image_responses import binned_activity
from tasks.image_sessions import ImageSession

BIN_S = 0.1


@dataclass(frozen=True, eq=False)
class RasterActivity:
    """Spikes of each unit in bins of 0.1 s: ``counts`` (n_units, n_bins), ``block`` (n_bins,), 0 between blocks.

    ``begin_s`` (n_bins,) is where each bin begins, on the session's clock.
    """

    counts: NDArray[np.float32]
    block: NDArray[np.int64]
    begin_s: NDArray[np.float64]


def raster_activity(session: ImageSession) -> RasterActivity:
    """Of a session with spike times, from its first presentation to its last. Raises ValueError where no bin fits."""
    onset_s, stop_s = session.onset_s, session.onset_s + session.stop_s
    counts = binned_activity(session.trains, onset_s[0], stop_s[-1], BIN_S)
    begin_s = onset_s[0] + BIN_S * np.arange(counts.shape[1])
    block = np.zeros(len(begin_s), np.int64)
    for number in np.unique(session.block):
        of_block = session.block == number
        inside = (begin_s >= onset_s[of_block].min()) & (begin_s + BIN_S <= stop_s[of_block].max() + BIN_S)
        block[inside] = number
    return RasterActivity(counts, block, begin_s)
