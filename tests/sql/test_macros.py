"""Macros: the counts of a session's spikes in SQL are those of the arrays."""

import numpy as np
import pytest

from models.presentation_counts import SpikeTrains, presentation_counts
from models.simulate_image_coding import ImageCodingPlan, simulate_image_session
from samples.write_image_sessions import write_image_session
from storage.lake import Lake, open_lake
from storage.readers.choose import read_recording
from storage.settings import Settings

PLAN = ImageCodingPlan(n_units=8, n_images=6, n_repeats=5, n_silent=2)


@pytest.fixture(scope="module")
def session():
    return simulate_image_session(PLAN)


@pytest.fixture
def lake(settings: Settings, session, tmp_path):
    path = tmp_path / "session.nwb"
    write_image_session(session, PLAN, path)
    recording = read_recording(path, "sim")
    with open_lake(settings) as opened:
        opened.replace(recording.rows, blocks=recording.blocks, message="a session")
    with open_lake(settings, read_only=True) as opened:
        yield opened


def counted(lake: Lake, start_s: float, stop_s: float, **named: str) -> np.ndarray:
    """(n_units, n_presentations), units and presentations in ascending order."""
    session_id = lake.query("SELECT session_id FROM recorded.sessions").item()
    only = ", event_name := $event_name" if named else ""
    found = lake.query(
        f"FROM presentation_spike_counts($session_id, $start_s, $stop_s{only}) ORDER BY unit_id, event_id",
        session_id=session_id, start_s=start_s, stop_s=stop_s, **named,
    )  # fmt: skip
    return found["spike_count"].to_numpy().reshape(PLAN.n_units, -1)


def test_counts_in_sql_are_those_of_the_arrays(lake, session):
    np.testing.assert_array_equal(counted(lake, 0, 0.25, event_name="natural_scenes"), session.counts)
    assert counted(lake, 0, 0.25, event_name="gabors").size == 0
    trains = SpikeTrains.of(session.spike_s)
    for window in ((-0.1, 0.4), (0.05, 0.06), (-3.0, 3.0)):  # those of the last overlap
        expected = presentation_counts(trains, session.onset_s, np.array(window), closed="left")[:, :, 0]
        np.testing.assert_array_equal(counted(lake, *window), expected)
