"""Running, eye tracking and motion correction in an NWB file of Allen Visual Behavior."""

from typing import TYPE_CHECKING

import numpy as np

from storage.readers.allen.allen_facts import has
from storage.readers.allen.allen_series import Series, series_at, times_at
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

_RUNNING = {
    "running_speed_cm_per_s": ("processing/running/speed",) * 2,
    "running_speed_unfiltered_cm_per_s": ("processing/running/speed_unfiltered",) * 2,
    "running_wheel_dx_cm": ("processing/running/dx",) * 2,
    # The AllenSDK shows the voltages on the times of dx.
    "running_wheel_signal_v": ("acquisition/v_sig", "processing/running/dx"),
    "running_wheel_supply_v": ("acquisition/v_in", "processing/running/dx"),
}
_EYE = "acquisition/EyeTracking"
_ELLIPSES = {
    "eye": "eye_tracking",
    "pupil": "pupil_tracking",
    "corneal_reflection": "corneal_reflection_tracking",
}
# Widths and heights are half axes: an area is pi times their product.
_FITS = {"half_width_px": "width", "half_height_px": "height", "phi_rad": "angle", "area_px2": "area"}
_FITS |= {"area_raw_px2": "area_raw"}
_MOTION = "processing/ophys/ophys_motion_correction_"
_STIMULUS_TIMES = "processing/stimulus/timestamps/timestamps"


def behavior_series(file: "h5py.File", frame_s: np.ndarray, refused: Refusal) -> list[Series]:
    """What the file has of these signals, their values unread; ``frame_s`` (n_frames,) s are those of imaging.

    Raises what ``refused`` makes when times run backwards, or values and times are not as many.
    """
    series: list[Series] = []
    clocks: dict[str, np.ndarray] = {}
    for signal, (where, timed) in _RUNNING.items():
        if has(file, where):
            clock = clocks.setdefault(timed, times_at(file, f"{timed}/timestamps", refused))
            series.append(series_at(file, signal, f"{where}/data", clock, refused))
    if has(file, _EYE):
        series += _eye_series(file, refused)
    for axis in ("x", "y"):
        if has(file, f"{_MOTION}{axis}"):
            signal = f"motion_correction_{axis}_px"
            series.append(series_at(file, signal, f"{_MOTION}{axis}/data", frame_s, refused))
    if has(file, _STIMULUS_TIMES):
        series.append(Series("stimulus_frame", None, times_at(file, _STIMULUS_TIMES, refused)))
    return series


def _eye_series(file: "h5py.File", refused: Refusal) -> list[Series]:
    time_s = times_at(file, f"{_EYE}/eye_tracking/timestamps", refused)
    series: list[Series] = []
    for name, part in _ELLIPSES.items():
        where = f"{_EYE}/{part}"
        for column, axis in enumerate("xy"):
            signal = f"{name}_center_{axis}_px"
            series.append(series_at(file, signal, f"{where}/data", time_s, refused, column=column))
        for suffix, field in _FITS.items():
            series.append(series_at(file, f"{name}_{suffix}", f"{where}/{field}", time_s, refused))
    if has(file, f"{_EYE}/likely_blink"):
        series.append(series_at(file, "likely_blink", f"{_EYE}/likely_blink/data", time_s, refused))
    return series
