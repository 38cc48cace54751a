"""What the AllenSDK's objects show of a file, written out so that another environment can compare value by value.

Tables become ``<name>.parquet`` (columns of arrays as lists, the index as a column), arrays ``<name>.npy``, dicts and
scalars ``<name>.json``. Ids and column names are the SDK's.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from allensdk.brain_observatory.behavior.behavior_ophys_experiment import BehaviorOphysExperiment
from allensdk.brain_observatory.ecephys.ecephys_session import EcephysSession
from allensdk.brain_observatory.ecephys.ecephys_session_api import EcephysNwbSessionApi
from pynwb import NWBHDF5IO

_EXPERIMENT_TABLES = (
    "cell_specimen_table",
    "dff_traces",
    "events",
    "corrected_fluorescence_traces",
    "demixed_traces",
    "motion_correction",
    "stimulus_presentations",
    "trials",
    "licks",
    "rewards",
    "running_speed",
    "raw_running_speed",
    "eye_tracking",
    "stimulus_templates",
)
_SESSION_TABLES = (
    "units",
    "channels",
    "probes",
    "stimulus_presentations",
    "stimulus_conditions",
    "running_speed",
    "optogenetic_stimulation_epochs",
    "invalid_times",
    "inter_presentation_intervals",
)
_SESSION_FACTS = (
    "ecephys_session_id",
    "session_start_time",
    "session_type",
    "specimen_name",
    "full_genotype",
    "sex",
    "age_in_days",
    "rig_equipment_name",
    "stimulus_names",
)


def show_experiment(nwb: Path, folder: Path, everything: bool = False) -> None:
    """Each public table, array and dict of `BehaviorOphysExperiment`; invalid ROIs only with ``everything``."""
    shown = BehaviorOphysExperiment.from_nwb_path(str(nwb), exclude_invalid_rois=not everything)
    folder.mkdir(parents=True, exist_ok=True)
    for name in _EXPERIMENT_TABLES:
        _write_table(folder, name, getattr(shown, name))
    # The SDK's `neuropil_traces` property returns the demixed traces; the cells beneath have the real ones.
    _write_table(folder, "neuropil_traces", shown._cell_specimens.neuropil_traces)
    for name in ("ophys_timestamps", "stimulus_timestamps"):
        np.save(folder / f"{name}.npy", getattr(shown, name))
    for name in ("max_projection", "average_projection", "segmentation_mask_image"):
        np.save(folder / f"{name}.npy", np.asarray(getattr(shown, name).data))
    for name in ("metadata", "task_parameters", "eye_tracking_rig_geometry"):
        _write_json(folder, name, getattr(shown, name))


def show_session(nwb: Path, folder: Path, everything: bool = False) -> None:
    """Each public table, array and dict of `EcephysSession`; units past its filters only with ``everything``."""
    limits = {
        "filter_by_validity": False,
        "filter_out_of_brain_units": False,
        "amplitude_cutoff_maximum": np.inf,
        "presence_ratio_minimum": -np.inf,
        "isi_violations_maximum": np.inf,
    }
    with NWBHDF5IO(str(nwb), "r", load_namespaces=True) as io:
        # Not `EcephysSession.from_nwb_path`: that reads the whole file again for each table.
        api = EcephysNwbSessionApi.from_nwbfile(io.read(), **(limits if everything else {}))
        _show_session(EcephysSession(api), folder)


def _show_session(shown: EcephysSession, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _SESSION_TABLES:
        _write_table(folder, name, getattr(shown, name))
    for name in ("spike_times", "spike_amplitudes"):
        values = getattr(shown, name)
        rows = {"unit_id": list(values), name: [np.asarray(one) for one in values.values()]}
        _write_table(folder, name, pd.DataFrame(rows).set_index("unit_id"))
    waveforms = shown.mean_waveforms
    np.savez(folder / "mean_waveforms.npz", **{str(unit): np.asarray(one) for unit, one in waveforms.items()})
    for name, table in (("pupil_data", shown.get_pupil_data()), ("screen_gaze_data", shown.get_screen_gaze_data())):
        _write_table(folder, name, table)
    _write_table(folder, "rig_geometry", shown.rig_geometry_data)
    # Not `shown.metadata`: it wants a column of the project's cache, which a session read from its file lacks.
    _write_json(folder, "metadata", {name: getattr(shown, name) for name in _SESSION_FACTS})


def _write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    flat = table.reset_index() if table.index.names != [None] else table
    columns = {str(column): _column(flat[column]) for column in flat.columns}
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def _column(values: pd.Series) -> pa.Array:
    if values.dtype != object:
        return pa.Array.from_pandas(values)
    plain = [one.tolist() if isinstance(one, np.ndarray) else one for one in values]
    try:
        return pa.array(plain, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([json.dumps(one, default=_plain) for one in plain])


def _write_json(folder: Path, name: str, value: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(value, indent=2, default=_plain) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
