"""Sessions of an image-coding study whose spikes and responses a report draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.image_responses import mean_responses, trials_by_image
from storage.lake import Lake
from tasks.image_coding_rows import CodingRows
from tasks.image_sessions import ImageSession, image_session
from tasks.raster_activity import RasterActivity, raster_activity

_MOST_SESSIONS = 2


@dataclass(frozen=True, eq=False)
class ShownCoding:
    """A session with its mean responses (n_units, n_images), and its activity where it has spike times."""

    session: ImageSession
    means: NDArray[np.float64]
    activity: RasterActivity | None

    @property
    def session_id(self) -> str:
        return self.session.session_id


def shown_coding(lake: Lake, rows: CodingRows) -> Sequence[ShownCoding]:
    """The sessions with most units; none where none was measured."""
    measured = rows.measured.sort("measured_count", "session_id", descending=[True, False])
    found = []
    for session_id in measured["session_id"].head(_MOST_SESSIONS):
        session = image_session(lake, session_id, rows.recipe)
        means = mean_responses(trials_by_image(session.counts, session.image, session.n_images))
        activity = None if session.trains is None else raster_activity(session)
        found.append(ShownCoding(session, means, activity))
    return found
