"""A Visual Coding Neuropixels session planted in the AllenSDK's own objects, and written by the AllenSDK.

The steps are those of `allensdk.brain_observatory.ecephys.write_nwb.__main__.write_ecephys_nwb`, which itself asks the
Institute's internal database and can't be called elsewhere.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pynwb
from allensdk.brain_observatory.behavior.data_objects.stimuli.presentations import Presentations
from allensdk.brain_observatory.ecephys._channel import Channel
from allensdk.brain_observatory.ecephys._channels import Channels
from allensdk.brain_observatory.ecephys._probe import Probe
from allensdk.brain_observatory.ecephys._unit import Unit
from allensdk.brain_observatory.ecephys._units import Units
from allensdk.brain_observatory.ecephys.optotagging import OptotaggingTable
from allensdk.brain_observatory.ecephys.probes import Probes
from allensdk.brain_observatory.ecephys.write_nwb import __main__ as sdk
from allensdk.brain_observatory.nwb import add_invalid_times, add_stimulus_timestamps
from planted_gratings import presentations

PROBES = {"probeA": (757984808, ("APN", "LP", "CA1", "VISam")), "probeC": (757984814, ("LGd", "DG", "CA3", "VISp"))}
CHANNELS_PER_PROBE = 40
SAMPLES = 82


@dataclass(frozen=True)
class PlantedSession:
    """Which session is planted. The defaults are ids of a real one; the values in it are not."""

    units: int = 12
    minutes: float = 3.0
    seed: int = 7
    ecephys_session_id: int = 715093703
    specimen_id: int = 699733581
    specimen_name: str = "Sst-IRES-Cre;Ai32-386129"
    full_genotype: str = "Sst-IRES-Cre/wt;Ai32(RCL-ChR2(H134R)_EYFP)/wt"
    sex: str = "M"
    age_in_days: float = 118.0
    session_type: str = "brain_observatory_1.1"
    acquired: datetime = datetime(2019, 1, 19, 0, 54, 18, tzinfo=UTC)
    as_released: bool = True  # a channel's number on its probe is called local_index, as in the files of 2019 to 2021


def write_session(planted: PlantedSession, path: Path) -> None:
    """Write the session's NWB file. Of each ten units one is noise, of each ten channels one is out of the brain."""
    rng = np.random.default_rng(planted.seed)
    nwbfile = pynwb.NWBFile(
        session_description="Data and metadata for an Ecephys session",
        identifier=f"{planted.ecephys_session_id}",
        session_id=f"{planted.ecephys_session_id}",
        session_start_time=planted.acquired,
        institution="Allen Institute",
    )
    sdk.add_metadata_to_nwbfile(nwbfile, _metadata(planted))
    shown = Presentations(presentations(planted.minutes, rng), sort_columns=False)
    add_stimulus_timestamps(nwbfile, shown.value["start_time"].to_numpy())
    shown.to_nwb(nwbfile)
    add_invalid_times(nwbfile, _invalid_epochs(shown.value))
    end_s = float(shown.value["stop_time"].max())
    OptotaggingTable(_optotagging(end_s + 5)).to_nwb(nwbfile)
    _probes(planted, shown.value, end_s + 40, rng).to_nwb(nwbfile)
    running, raw = _running(end_s, rng)
    sdk.add_running_speed_to_nwbfile(nwbfile, running)
    sdk.add_raw_running_data_to_nwbfile(nwbfile, raw)
    sdk.add_eye_tracking_rig_geometry_data_to_nwbfile(nwbfile, _RIG)
    camera_s, ellipses, gaze = _eye(end_s, rng)
    sdk.add_eye_tracking_data_to_nwbfile(nwbfile, camera_s, ellipses, gaze)
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(nwbfile, cache_spec=True)
    if planted.as_released:
        _name_channels_as_released(path)


def _name_channels_as_released(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        electrodes = file["general/extracellular_ephys/electrodes"]
        electrodes.move("probe_channel_number", "local_index")
        names = ["local_index" if name == "probe_channel_number" else name for name in electrodes.attrs["colnames"]]
        electrodes.attrs["colnames"] = names


def _metadata(planted: PlantedSession) -> dict:
    return {
        "specimen_name": planted.specimen_name,
        "age_in_days": planted.age_in_days,
        "full_genotype": planted.full_genotype,
        "strain": "C57BL/6J",
        "sex": planted.sex,
        "stimulus_name": planted.session_type,
        "donor_id": planted.specimen_id,
        "species": "Mus musculus",
    }


def _invalid_epochs(shown: pd.DataFrame) -> list[dict]:
    flash = shown[shown["stimulus_name"] == "flashes"].iloc[1]
    stimulus = {"type": "EcephysSession", "id": 1, "label": "stimulus", "start_time": flash["start_time"] + 0.01}
    probe = {"type": "EcephysProbe", "id": 757984814, "label": "probeC", "start_time": 1.0, "end_time": 2.5}
    return [stimulus | {"end_time": flash["stop_time"] - 0.01}, probe]


def _optotagging(start_s: float) -> pd.DataFrame:
    conditions = {"pulse": (0.005, "a single square pulse"), "fast_pulses": (1.0, "2.5 ms pulses at 10 Hz")}
    rows = []
    for trial in range(12):
        name = "fast_pulses" if trial % 3 == 2 else "pulse"
        duration, condition = conditions[name]
        onset = start_s + 2.1 * trial
        rows.append((onset, condition, 1.3 + 0.2 * (trial % 4), onset + duration, name, duration))
    return pd.DataFrame(rows, columns=["start_time", "condition", "level", "stop_time", "stimulus_name", "duration"])


def _probes(planted: PlantedSession, shown: pd.DataFrame, end_s: float, rng: np.random.Generator) -> Probes:
    onsets = shown.loc[shown["stimulus_name"] == "flashes", "start_time"].to_numpy()
    probes, planted_units = [], np.array_split(np.arange(planted.units), len(PROBES))
    for (name, (probe_id, structures)), numbers in zip(PROBES.items(), planted_units, strict=True):
        channels = [_channel(probe_id, number, structures) for number in range(CHANNELS_PER_PROBE)]
        units = [_unit(int(unit), local, channels, onsets, end_s, rng) for local, unit in enumerate(numbers)]
        probes.append(Probe(probe_id, name, Channels(channels), Units(units), sampling_rate=29999.96))
    return Probes(probes)


def _channel(probe_id: int, number: int, structures: tuple[str, ...]) -> Channel:
    outside = number >= CHANNELS_PER_PROBE * 9 // 10
    layer = number * len(structures) // CHANNELS_PER_PROBE
    return Channel(
        id=850_000_000 + probe_id % 1000 * 1000 + 2 * number,
        probe_id=probe_id,
        valid_data=number != 17,
        probe_channel_number=number,
        probe_vertical_position=20 * (number // 2 + 1),
        probe_horizontal_position=(43, 11, 59, 27)[number % 4],
        structure_acronym="None" if outside else structures[layer],
        anterior_posterior_ccf_coordinate=np.nan if outside else 8000.0 + number,
        dorsal_ventral_ccf_coordinate=np.nan if outside else 4000.0 - 20 * number,
        left_right_ccf_coordinate=np.nan if outside else 7500.0 + 3 * number,
    )


def _unit(
    number: int, local: int, channels: list[Channel], onsets: np.ndarray, end_s: float, rng: np.random.Generator
) -> Unit:
    """Fires at random at a rate of its own, and every second unit answers flashes 50 to 150 ms after their onset."""
    at = (3 * number + 2) % CHANNELS_PER_PROBE
    rate_hz = float(rng.uniform(3, 12))
    spikes = rng.uniform(0, end_s, rng.poisson(rate_hz * end_s))
    if number % 2 == 0:
        answers = np.repeat(onsets, rng.poisson(3, onsets.size))
        spikes = np.concatenate([spikes, answers + rng.uniform(0.05, 0.15, answers.size)])
    wave = -100e-6 * np.exp(-0.5 * ((np.arange(SAMPLES) - 20) / 4) ** 2)
    fall = np.exp(-0.5 * ((np.arange(CHANNELS_PER_PROBE) - at) / 3) ** 2)
    return Unit(
        id=950_000_000 + 5 * number,
        peak_channel_id=channels[at].id,
        local_index=local,
        cluster_id=2 * local,
        quality="noise" if number % 10 == 9 else "good",
        firing_rate=spikes.size / end_s,
        isi_violations=0.9 if number % 10 == 7 else 0.02,
        presence_ratio=0.5 if number % 10 == 5 else 0.99,
        amplitude_cutoff=0.3 if number % 10 == 3 else 0.01,
        mean_waveforms=fall[:, None] * wave[None, :],  # (n_channels, n_samples), volt
        spike_amplitudes=rng.normal(100e-6, 10e-6, spikes.size),
        spike_times=spikes,
        isolation_distance=np.nan if number == 4 else float(rng.uniform(20, 100)),
        l_ratio=float(rng.uniform(0, 0.1)),
        d_prime=float(rng.uniform(2, 8)),
        nn_hit_rate=float(rng.uniform(0.7, 1)),
        nn_miss_rate=float(rng.uniform(0, 0.02)),
        max_drift=float(rng.uniform(5, 60)),
        cumulative_drift=float(rng.uniform(50, 600)),
        silhouette_score=float(rng.uniform(0, 0.3)),
        waveform_duration=float(rng.uniform(0.2, 0.8)),
        waveform_halfwidth=float(rng.uniform(0.1, 0.3)),
        PT_ratio=float(rng.uniform(0.2, 0.8)),
        repolarization_slope=float(rng.uniform(0.2, 1)),
        recovery_slope=float(rng.uniform(-0.3, -0.05)),
        amplitude=float(rng.uniform(60, 300)),
        spread=float(rng.integers(20, 100)),
        velocity_above=float(rng.uniform(-1, 1)),
        velocity_below=np.nan if number == 2 else float(rng.uniform(-1, 1)),
        snr=float(rng.uniform(1, 6)),
    )


def _running(end_s: float, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    start_s = np.arange(1.0, end_s, 1 / 60)
    velocity = 15 * np.clip(np.sin(start_s / 20), 0, None) + rng.normal(0, 0.5, start_s.size)
    running = pd.DataFrame(
        {
            "start_time": start_s,
            "end_time": start_s + 1 / 60,
            "velocity": velocity,
            "net_rotation": velocity / 60 / 5.5,
        }
    )
    raw = {"frame_time": start_s, "dx": velocity / 60, "vsig": velocity % 5, "vin": np.full(start_s.size, 5.0)}
    return running, pd.DataFrame(raw)


_RIG = {
    "monitor_position_mm": [118.6, 86.2, 31.6],
    "monitor_rotation_deg": [0.0, 0.0, 0.0],
    "camera_position_mm": [130.0, 0.0, 0.0],
    "camera_rotation_deg": [0.0, 0.0, 13.1],
    "led_position": [265.1, -39.3, 1.0],
    "equipment": "NP.1",
}


def _eye(end_s: float, rng: np.random.Generator) -> tuple[pd.Series, dict, dict]:
    camera_s = pd.Series(np.arange(2.0, end_s, 1 / 30))
    n = camera_s.size
    blink = np.arange(n) % 300 < 5

    def ellipse(half_width: float, half_height: float) -> pd.DataFrame:
        columns = {"center_x": 320.0, "center_y": 240.0, "height": half_height, "phi": 0.1, "width": half_width}
        table = pd.DataFrame({name: value + rng.normal(0, 0.05, n) for name, value in columns.items()})
        table[blink] = np.nan
        return table

    fits = {"pupil_params": ellipse(40, 38), "cr_params": ellipse(6, 5), "eye_params": ellipse(140, 110)}

    def gaze(name: str) -> dict:
        cm = pd.DataFrame({"y_pos_cm": rng.normal(0, 2, n), "x_pos_cm": rng.normal(0, 3, n)})
        deg = pd.DataFrame({"y_pos_deg": cm["y_pos_cm"] * 3, "x_pos_deg": cm["x_pos_cm"] * 3})
        return {
            f"{name}_eye_areas": pd.Series(rng.normal(0.07, 0.001, n)),
            f"{name}_pupil_areas": pd.Series(rng.normal(0.006, 0.0005, n)),
            f"{name}_screen_coordinates": cm,
            f"{name}_screen_coordinates_spherical": deg,
        }

    return camera_s, fits, {**gaze("raw"), **gaze("new"), "synced_frame_timestamps": camera_s}
