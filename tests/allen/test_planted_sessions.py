"""The planted files hold what was planted, as the AllenSDK's own objects show it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from allensdk.brain_observatory.behavior.behavior_ophys_experiment import BehaviorOphysExperiment
from allensdk.brain_observatory.session_api_utils import sessions_are_equal
from planted_gratings import presentations
from planted_neuropixels import PlantedSession, write_session
from planted_visual_behavior import PlantedExperiment, planted_experiment, write_experiment
from sdk_views import show_experiment, show_session

MINUTES = 0.4


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"session_type": "OPHYS_5_images_B_passive", "equipment_name": "CAM2P.3", "imaging_plane_group": None},
    ],
    ids=["four planes, active", "one plane, passive"],
)
def test_an_experiment_reads_as_it_was_planted(tmp_path: Path, kind: dict):
    planted = PlantedExperiment(cells=6, minutes=0.8, **kind)
    file = tmp_path / "planted.nwb"
    write_experiment(planted, file)
    read = BehaviorOphysExperiment.from_nwb_path(str(file), exclude_invalid_rois=False)
    assert sessions_are_equal(planted_experiment(planted), read, reraise=True)
    show_experiment(file, tmp_path / "shown")
    shown = pd.read_parquet(tmp_path / "shown" / "dff_traces.parquet").set_index("cell_specimen_id")
    valid = read.cell_specimen_table.query("valid_roi").index
    np.testing.assert_array_equal(np.stack(shown["dff"]), np.stack(read.dff_traces.loc[valid, "dff"]))
    assert len(shown) == 5
    assert json.loads((tmp_path / "shown" / "metadata.json").read_text())["ophys_experiment_id"] == 951980471
    assert len(read.licks) > 0 or planted.passive


def test_a_session_reads_as_it_was_planted(tmp_path: Path):
    planted = PlantedSession(units=10, minutes=MINUTES)
    file = tmp_path / "planted.nwb"
    write_session(planted, file)
    show_session(file, tmp_path / "all", everything=True)
    show_session(file, tmp_path / "shown")
    every = pd.read_parquet(tmp_path / "all" / "units.parquet").set_index("unit_id")
    assert sorted(every.index) == [950_000_000 + 5 * number for number in range(10)]
    # By the SDK's filters: amplitude cutoff, presence, violations, quality, and a channel out of the brain.
    kept = set(pd.read_parquet(tmp_path / "shown" / "units.parquet")["unit_id"])
    assert {(unit - 950_000_000) // 5 for unit in set(every.index) - kept} == {3, 5, 7, 9}
    spikes = pd.read_parquet(tmp_path / "all" / "spike_times.parquet").set_index("unit_id")["spike_times"]
    assert all((np.diff(times) >= 0).all() for times in spikes)
    rates = {unit: len(times) for unit, times in spikes.items()}
    assert rates == (every["firing_rate"] * (_end_s() + 40)).round().astype(int).to_dict()
    shown = pd.read_parquet(tmp_path / "shown" / "stimulus_presentations.parquet")
    meant = presentations(MINUTES, np.random.default_rng(planted.seed))
    np.testing.assert_array_equal(shown["start_time"], meant["start_time"])
    assert (shown["stimulus_name"] == "invalid_presentation").sum() == 1


def _end_s() -> float:
    return float(presentations(MINUTES, np.random.default_rng(7))["stop_time"].max())
