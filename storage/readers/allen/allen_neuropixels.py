"""Reader of Allen Visual Coding Neuropixels: one session with all its probes, in the NWB files of the AllenSDK."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from storage.readers.allen.allen_facts import (
    facts_of,
    group_at,
    has,
    is_simulated,
    neurodata_types,
    one_id,
    rig_geometry,
    started_at,
    text_or_none,
)
from storage.readers.allen.allen_images import template_rows
from storage.readers.allen.allen_presentations import event_rows
from storage.readers.allen.allen_series import Series, series_at, signal_blocks, times_at
from storage.readers.allen.allen_stimuli import invalid_events, pulse_events, read_invalid_times, stimulus_events
from storage.readers.allen.allen_units import read_channels, read_probes, read_units, spike_blocks
from storage.readers.foreign.hdf5_files import opened_hdf5
from storage.readers.given import Given
from storage.readers.recording import Recording, Refusal
from storage.tables import EVENTS, IMAGES

if TYPE_CHECKING:
    import h5py

NAME = "allen_neuropixels"
VERSION = 1
KNOWS = "Allen Visual Coding Neuropixels: NWB of a session that the AllenSDK wrote"
FORM = "file"
SUFFIXES = (".nwb",)

_SUBJECT = "general/subject"
_RUNNING = {
    "running_speed_cm_per_s": ("processing/running/running_speed",) * 2,
    "running_wheel_rotation_rad": ("processing/running/running_wheel_rotation", "processing/running/running_speed"),
    "raw_running_wheel_rotation_rad": ("acquisition/raw_running_wheel_rotation",) * 2,
    "running_wheel_signal_v": (
        "acquisition/running_wheel_signal_voltage",
        "acquisition/raw_running_wheel_rotation",
    ),
    "running_wheel_supply_v": (
        "acquisition/running_wheel_supply_voltage",
        "acquisition/raw_running_wheel_rotation",
    ),
}
_RUNNING_ENDS = "processing/running/running_speed_end_times"
_ELLIPSES = {"eye": "eye_ellipse_fits", "pupil": "pupil_ellipse_fits", "corneal_reflection": "cr_ellipse_fits"}
# Widths and heights are half axes in the file; the AllenSDK shows twice as much.
_FITS = {
    "center_x_px": "center_x",
    "center_y_px": "center_y",
    "half_width_px": "width",
    "half_height_px": "height",
    "phi_rad": "phi",
}
# Areas are computed in cm, by allensdk.brain_observatory.gaze_mapping, though their unit in the file says pixels.
_GAZE_AREAS = {"eye_area_cm2": "eye_area", "pupil_area_cm2": "pupil_area"}
_GAZE_PLACES = {
    "screen_coordinates_{}_cm": "screen_coordinates",
    "screen_coordinates_spherical_{}_deg": "screen_coordinates_spherical",
}


def recognises(path: Path) -> bool:
    """Whether it is a session of the Allen Institute's Neuropixels, and not the LFP of one of its probes.

    Raises OSError when the file can't be opened.
    """
    return "EcephysSpecimen" in neurodata_types(path, _SUBJECT) and "LFP" not in neurodata_types(path, "acquisition")


def read(given: Given) -> Recording:
    """One session: the units that the AllenSDK shows by default, their spikes, stimuli, running, eye tracking.

    Spikes and signals are read from the file when they are written. Raises Refused when a part is missing, or the
    parts don't fit each other.
    """
    refused = given.refused
    with opened_hdf5(given.path, refused) as file:
        said = {name: text_or_none(file, name, refused) for name in ("identifier", "general/session_id")}
        session_id = given.session_id(*one_id(said, refused))
        channels, probes = read_channels(file, refused), read_probes(file, refused)
        units = read_units(file, session_id, channels, probes, refused)
        invalid = read_invalid_times(file, refused)
        events = [stimulus_events(file, invalid, refused), pulse_events(file, refused), invalid_events(invalid)]
        rows: dict[Any, Any] = {
            EVENTS: event_rows(session_id, [one for one in events if one is not None]),
            IMAGES: template_rows(file, session_id, refused),
        }
        session = given.session(
            session_id,
            unit_count=len(units.at),
            unit_filter=units.unit_filter,
            started_at=started_at(file, refused),
            simulated=is_simulated(file, refused),
            **_session_facts(file, channels, probes, refused),
        )
        series = [*_running_series(file, refused), *_eye_series(file, refused), *_gaze_series(file, refused)]
        blocks = [spike_blocks(file, given, session_id, units)]
    blocks += [signal_blocks(given, session_id, series)] if series else []
    present = {table: of_table for table, of_table in rows.items() if len(of_table)}
    return given.recording([session], units.rows, present, [], blocks)


def _session_facts(file: "h5py.File", channels: pl.DataFrame, probes: pl.DataFrame, refused: Refusal) -> dict[str, Any]:
    subject = facts_of(group_at(file, _SUBJECT, refused), refused)
    age_days = subject.pop("age_in_days", None)
    specimen = subject.get("specimen_name")
    metadata = subject | {
        "session_type": text_or_none(file, "general/stimulus", refused),
        "age": text_or_none(file, f"{_SUBJECT}/age", refused),
        "strain": text_or_none(file, f"{_SUBJECT}/strain", refused),
        "species": text_or_none(file, f"{_SUBJECT}/species", refused),
        "institution": text_or_none(file, "general/institution", refused),
        "eye_tracking_rig_geometry": rig_geometry(file, refused),
        "probes": probes.to_dicts(),
        "channels": _columns(channels),
    }
    return {
        "subject_id": text_or_none(file, f"{_SUBJECT}/subject_id", refused) or specimen,
        "genotype": text_or_none(file, f"{_SUBJECT}/genotype", refused),
        "sex": text_or_none(file, f"{_SUBJECT}/sex", refused),
        "age_days": float(age_days) if isinstance(age_days, int | float) else None,
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }


def _columns(table: pl.DataFrame) -> dict[str, Any]:
    """Each column that says anything as a list, or as its one value where all are the same."""
    told = [column for column in table if column.null_count() < len(column)]
    return {column.name: column[0] if column.n_unique() == 1 else column.to_list() for column in told}


def _running_series(file: "h5py.File", refused: Refusal) -> list[Series]:
    series: list[Series] = []
    for signal, (where, timed) in _RUNNING.items():
        if has(file, where):
            time_s = times_at(file, f"{timed}/timestamps", refused)
            series.append(series_at(file, signal, f"{where}/data", time_s, refused))
    if has(file, _RUNNING_ENDS):
        # A speed holds from its time to its end; NWB keeps ends as the times of another series.
        start_s = times_at(file, "processing/running/running_speed/timestamps", refused)
        series.append(series_at(file, "running_speed_end_s", f"{_RUNNING_ENDS}/timestamps", start_s, refused))
    return series


def _eye_series(file: "h5py.File", refused: Refusal) -> list[Series]:
    series: list[Series] = []
    for name, fits in _ELLIPSES.items():
        where = f"processing/eye_tracking/{fits}"
        if has(file, where):
            time_s = times_at(file, f"{where}/timestamps", refused)
            for suffix, column in _FITS.items():
                series.append(series_at(file, f"{name}_{suffix}", f"{where}/{column}", time_s, refused))
    return series


def _gaze_series(file: "h5py.File", refused: Refusal) -> list[Series]:
    series: list[Series] = []
    for kind in ("raw", "filtered"):
        where = f"processing/{kind}_gaze_mapping"
        if not has(file, where):
            continue
        time_s: np.ndarray = times_at(file, f"{where}/eye_area/timestamps", refused)
        for name, area in _GAZE_AREAS.items():
            series.append(series_at(file, f"{kind}_{name}", f"{where}/{area}/data", time_s, refused))
        for name, place in _GAZE_PLACES.items():
            for column, axis in enumerate("yx"):  # the file has y first
                signal = f"{kind}_{name.format(axis)}"
                series.append(series_at(file, signal, f"{where}/{place}/data", time_s, refused, column=column))
    return series
