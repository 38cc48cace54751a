"""Image-coding sessions written into a lake by hand, from simulated neurons."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from models.simulate_image_coding import BLANK, ImageCodingPlan, SimulatedImageSession, simulate_image_session
from storage.lake import Lake
from storage.row_files import RowBlocks
from storage.tables import EVENTS, IMAGES, SESSIONS, SPIKE_COUNTS, SPIKES, UNITS
from tasks.image_coding_recipe import CodingRecipe

PLAN = ImageCodingPlan(n_units=5, n_images=24, n_repeats=4, height_px=16, width_px=24, n_silent=1, n_blocks=2, seed=3)
RECIPE = CodingRecipe(
    image_shape=(16, 24), unit_count=2, most_epochs=2, step_count=3, start_count=2, diverse_count=2, gabor_grid_px=16.0
)


def simulated(plan: ImageCodingPlan = PLAN) -> SimulatedImageSession:
    return simulate_image_session(plan)


def put_images(
    lake: Lake,
    session_id: str,
    session: SimulatedImageSession,
    *,
    spikes: bool = True,
    counts: bool = False,
    pictures: Sequence[np.ndarray] | None = None,
    gabors: bool = False,
) -> None:
    """Write a session with spike times, or with counts as a source brings them, or neither.

    ``pictures`` replace its own; with ``gabors`` each of six Gabors is shown twice after the images.
    """
    pictures = session.images if pictures is None else pictures
    rows = {
        SESSIONS: [_session(session_id, len(session.unit_id))],
        UNITS: [{"session_id": session_id, "unit_id": unit} for unit in session.unit_id.tolist()],
        EVENTS: _events(session_id, session, timed=spikes or not counts, gabors=gabors),
        IMAGES: [_picture(session_id, number, image) for number, image in enumerate(pictures)],
    }
    if counts:
        rows[SPIKE_COUNTS] = [
            {"study_id": f"source:{session_id}", "session_id": session_id, "unit_id": int(unit), "event_id": event}
            | {"width_s": 0.25, "spike_count": int(session.counts[at, event])}
            for at, unit in enumerate(session.unit_id)
            for event in range(session.counts.shape[1])
        ]
    blocks = [RowBlocks(SPIKES, lambda: iter([_spikes(session_id, session)]))] if spikes else []
    lake.replace({table: table.rows(of) for table, of in rows.items() if len(of)}, blocks=blocks, message="planted")


def with_gabor_spikes(session: SimulatedImageSession) -> SimulatedImageSession:
    """The same session, whose units fire to the twelve Gabors after the images: unit i to each (n + i) % 3 times."""
    start_s = session.offset_s[-1] + 1
    spikes = []
    for unit, train in enumerate(session.spike_s):
        times = [start_s + 0.25 * n + 0.05 * (k + 1) for n in range(12) for k in range((n + unit) % 3)]
        spikes.append(np.concatenate([train, times]) if len(train) else train)
    return replace(session, spike_s=spikes)


def _session(session_id: str, n_units: int) -> dict:
    return {
        "session_id": session_id, "project": "planted", "subject_id": f"m-{session_id}", "location": "VISp",
        "simulated": True, "unit_count": n_units, "source_uri": f"/{session_id}", "content_sha256": session_id,
        "reader": "planted", "reader_version": 1,
    }  # fmt: skip


def _events(session_id: str, session: SimulatedImageSession, timed: bool, gabors: bool) -> list[dict]:
    rows = []
    for event, (image, block) in enumerate(zip(session.image.tolist(), session.block.tolist(), strict=True)):
        is_blank = image == BLANK
        rows.append(
            {
                "session_id": session_id,
                "event_id": event,
                "kind": "stimulus" if is_blank else "image",
                "name": "natural_scenes",
                "onset_s": session.onset_s[event] if timed else None,
                "offset_s": session.offset_s[event] if timed else None,
                "image_name": None if is_blank else f"natural_scenes_{image}",
                "attributes": f'{{"frame":{image},"stimulus_block":{block}}}',
            }
        )
    for number in range(12 if gabors else 0):
        x_deg, orientation = (-20.0, 0.0, 20.0)[number % 3], (0.0, 90.0)[number // 3 % 2]
        said = f'"x_position":{x_deg},"y_position":0.0,"orientation":{orientation},"spatial_frequency":0.08'
        onset_s = session.offset_s[-1] + 1 + 0.25 * number
        rows.append(
            {"session_id": session_id, "event_id": len(rows), "kind": "stimulus", "name": "gabors", "image_name": None}
            | {"onset_s": onset_s, "offset_s": onset_s + 0.25}
            | {"attributes": f'{{{said},"contrast":0.8,"size":"[20.0, 20.0]"}}'}
        )
    return rows


def _picture(session_id: str, number: int, image: np.ndarray) -> dict:
    return {
        "session_id": session_id, "kind": "stimulus", "image_name": f"natural_scenes_{number}", "image_index": number,
        "height_px": image.shape[0], "width_px": image.shape[1], "channel_count": 1, "pixel_type": "uint8",
        "pixels": np.ascontiguousarray(image, np.uint8).tobytes(),
    }  # fmt: skip


def _spikes(session_id: str, session: SimulatedImageSession) -> pa.Table:
    return SPIKES.rows(
        {
            "session_id": [session_id] * sum(len(train) for train in session.spike_s),
            "unit_id": np.repeat(session.unit_id, [len(train) for train in session.spike_s]),
            "spike": np.concatenate([np.arange(len(train)) for train in session.spike_s]),
            "time_s": np.concatenate(session.spike_s),
        }
    )
