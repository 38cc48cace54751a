"""Reader of spikes cut out trial by trial, as spyketools' demo has them: spike_times, ii_spike_times, stim_label.

The times run from each trial's onset (in the demo 0 to 0.1 s, the units pooled over 32 sessions), and no file says
when on a clock a trial began. So there is no session clock to put them on: they are counted, unit by unit and trial
by trial, and not stored as recorded.spikes, which would claim that trial 200 happened at the time of trial 1.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from storage.readers.about import About, about_of, native_id
from storage.readers.foreign.named_file import refused_in
from storage.readers.foreign.numpy_files import read_array
from storage.readers.given import Given, as_json
from storage.readers.recording import Recording, Refusal
from storage.tables import EVENTS, SPIKE_COUNTS

NAME = "spike_trials"
VERSION = 1
KNOWS = "spikes by trial: a folder with spike_times.npy, ii_spike_times.npy and stim_label.npy"
FORM = "folder"
SUFFIXES: tuple[str, ...] = ()

_PARTS = ("spike_times.npy", "ii_spike_times.npy", "stim_label.npy")


class AboutTrials(About):
    """What may be said of spikes by trial."""

    window_s: float = Field(default=0.1, gt=0, description="length of the window after each trial's onset, s")


def recognises(path: Path) -> bool:
    """Whether the folder has all three files, by their names."""
    return all((path / name).is_file() for name in _PARTS)


def parts(path: Path, about: Mapping[str, Any] | None = None) -> list[Path]:
    """The three files."""
    return [path / name for name in _PARTS]


def read(given: Given) -> Recording:
    """One session: a grating for each trial, without onset, and the spikes of each unit in the window after it.

    spike_times (n_spikes,) are seconds from the trial's onset, ii_spike_times (n_trials, n_units, 2) say where the
    spikes of each begin and end in them, stim_label (n_trials,) is the grating's orientation in degrees. The window is
    100 ms unless ``about`` says otherwise. Raises Refused for other shapes, spikes that belong to no trial or to two,
    and times outside the window, as those on a session's clock would be.
    """
    refused = given.refused
    about = about_of(given, AboutTrials)
    time_s, spans, label = (read_array(given.path / name, refused_in(given, name)) for name in _PARTS)
    if time_s.ndim != 1 or time_s.dtype.kind != "f":
        found = f"{time_s.dtype} of shape {time_s.shape}"
        raise refused(field="spike_times", found=found, expected="real numbers of shape (n_spikes,)")
    if spans.ndim != 3 or spans.shape[-1] != 2 or spans.dtype.kind not in "iu" or not spans.size:
        found = f"{spans.dtype} of shape {spans.shape}"
        raise refused(field="ii_spike_times", found=found, expected="integers of shape (n_trials, n_units, 2)")
    trial_count, unit_count = spans.shape[:2]
    if label.shape != (trial_count,) or label.dtype.kind not in "iuf" or not np.isfinite(label).all():
        found = f"{label.dtype} of shape {label.shape}"
        raise refused(field="stim_label", found=found, expected=f"degrees of shape ({trial_count},)")
    _require_one_owner(spans, len(time_s), refused)
    outside = ~((time_s >= 0) & (time_s <= about.window_s))
    if outside.any():
        at = int(outside.argmax())
        expected = f"seconds from the trial's onset, 0 to {about.window_s:g}, or about.window_s"
        raise refused(field="spike_times", found=f"{time_s[at]} s at spike {at}", expected=expected)
    session_id = given.session_id(about.session or native_id(given.path), "session")
    metadata = {"spike_times": "counted, not stored: they run from each trial's onset, not on a clock"}
    session = given.session(session_id, unit_count=unit_count, metadata=metadata, **about.session_facts)
    events = {
        "session_id": [session_id] * trial_count,
        "event_id": np.arange(trial_count),
        "kind": ["stimulus"] * trial_count,
        "name": ["grating"] * trial_count,
        "source_id": np.arange(trial_count),
        "attributes": [as_json({"orientation_deg": one}) for one in label],
    }
    count = trial_count * unit_count
    spike_counts = {
        "study_id": [given.study_id] * count,
        "session_id": [session_id] * count,
        "unit_id": np.tile(np.arange(unit_count), trial_count),
        "event_id": np.repeat(np.arange(trial_count), unit_count),
        "start_s": np.zeros(count),
        "stop_s": np.full(count, about.window_s),
        "width_s": np.full(count, about.window_s),
        "spike_count": (spans[..., 1] - spans[..., 0]).ravel(),
    }
    units = {"session_id": [session_id] * unit_count, "unit_id": np.arange(unit_count)}
    return given.recording([session], units, {EVENTS: events, SPIKE_COUNTS: spike_counts})


def _require_one_owner(spans: np.ndarray, spike_count: int, refused: Refusal) -> None:
    begin, end = spans.reshape(-1, 2).astype(np.int64).T
    wrong = (begin > end) | (begin < 0) | (end > spike_count)
    if wrong.any():
        trial, unit = np.unravel_index(int(wrong.argmax()), spans.shape[:2])
        found = f"{begin[wrong][0]} to {end[wrong][0]} for trial {trial} and unit {unit}"
        raise refused(field="ii_spike_times", found=found, expected=f"a span of the {spike_count} spikes")
    # How many spans begin at or before each spike, less how many end there: 1 for each spike that one trial owns.
    owners = np.cumsum(np.bincount(begin, minlength=spike_count + 1) - np.bincount(end, minlength=spike_count + 1))
    if (odd := np.flatnonzero(owners[:spike_count] != 1)).size:
        found = f"{owners[odd[0]]} for spike {odd[0]} ({odd.size} of {spike_count} spikes)"
        raise refused(field="ii_spike_times", found=found, expected="one trial and unit for each spike")
