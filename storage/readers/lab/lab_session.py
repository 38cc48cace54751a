"""A described recording as a session of the lake: its cells and frames, what the animal did, events and trials."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from storage.declaration import Table
from storage.readers.about import UNKNOWN, frame_times_s, said_of_times
from storage.readers.foreign.named_file import refused_in
from storage.readers.given import Given, frame_rows, median_rate_hz
from storage.readers.lab.lab_behavior import Timed, behavior_blocks, timed_signal
from storage.readers.lab.lab_contents import Contents, Files, contents_of
from storage.readers.lab.lab_description import LabDescription
from storage.readers.lab.lab_entries import EventVariables, StartedBy, TrialEvents, TrialTable
from storage.readers.lab.lab_events import Event, event_rows, log_events, names_of, variable_events, zero_s
from storage.readers.lab.lab_mat import vector_in
from storage.readers.lab.lab_trials import event_trials, table_trials, trial_rows, variable_trials
from storage.readers.recording import Recording
from storage.tables import EVENTS, FRAME_LABELS, FRAMES, TRIALS, UNITS


@dataclass(frozen=True)
class _Log:
    """The events on the log's own clock, what that reads when the frames' clock reads 0, and lines that are none."""

    events: list[Event] = field(default_factory=list)
    zero_s: float = 0.0
    notes: list[str] = field(default_factory=list)


def lab_recording(given: Given, description: LabDescription, files: Files, native: str) -> Recording:
    """The one session that the description and its files are. Raises Refused for what is wrong in a file."""
    session_id = given.session_id(native, "session")
    contents = contents_of(given, description, files)
    log = _log(given, description, files)
    time_s, of_frames = _frame_times(given, description, contents, log)
    rows: dict[Table, Any] = {FRAMES: frame_rows(session_id, time_s)}
    if contents.label is not None:
        rows[FRAME_LABELS] = _label_rows(session_id, contents)
    if description.events is not None:
        events = event_rows(log.events, description.events.kinds, session_id, log.zero_s)
        rows[EVENTS] = events or EVENTS.arrow_schema.empty_table()
    if description.trials is not None:
        rows[TRIALS] = _trials(given, description, files, log, session_id) or TRIALS.arrow_schema.empty_table()
    behavior = _behavior(given, description, files, contents, log, time_s)
    metadata = dict(description.metadata) | dict(contents.metadata) | of_frames
    metadata |= {"files": {key: path.name for key, path in files.items()}}
    metadata |= {"log_notes": log.notes} if log.notes else {}
    rate_hz = description.rate_hz if description.rate_hz is not None else median_rate_hz(time_s)
    session = given.session(
        session_id,
        unit_count=contents.cells.cell_count,
        frame_count=len(time_s),
        rate_hz=None if rate_hz == UNKNOWN else rate_hz,
        metadata=metadata,
        **description.session_facts,
    )
    unit_id, names = contents.cells.unit_ids()
    units = {"session_id": [session_id] * len(unit_id), "unit_id": unit_id}
    percent = {"dff": 100.0} if description.dff_unit == "percent" else {}
    return given.recording(
        [session],
        UNITS.rows(units | ({"name": names} if names is not None else {})),
        rows,
        [
            (signal.divided(percent[name]) if name in percent else signal).traces(session_id, name, unit_id)
            for name, signal in contents.cells.signals.items()
        ],
        [behavior_blocks(session_id, behavior)] if behavior else [],
    )


def _log(given: Given, description: LabDescription, files: Files) -> _Log:
    said = description.events
    if said is None:
        return _Log()
    if isinstance(said, EventVariables):
        path = files["file"]
        refused = refused_in(given, path.name)
        events, notes = variable_events(said, lambda name: vector_in(path, name, refused), refused), []
    else:
        path = files["events.file"]
        refused = refused_in(given, path.name)
        events, notes = log_events(said, path, refused)
    return _Log(events, zero_s(said.clock, events, 0.0, refused), notes)


def _frame_times(
    given: Given, description: LabDescription, contents: Contents, log: _Log
) -> tuple[np.ndarray, dict[str, Any]]:
    """The time of each frame (n_frames,) in seconds, and what there is to say of it."""
    if contents.time_s is not None:
        return contents.time_s, {}
    frame_count = contents.cells.frame_count
    if description.rate_hz == UNKNOWN:
        return frame_times_s(frame_count, None), said_of_times(None)
    if description.started_by is None:
        return np.arange(frame_count) / description.rate_hz, {}
    said: StartedBy = description.started_by
    starts = np.array([event.time_s for event in log.events if event.name == said.event]) - log.zero_s
    if len(starts) * said.frames != frame_count:
        found = f"{len(starts)} events {said.event} for {frame_count} frames, among {names_of(log.events)}"
        raise given.refused(field="started_by", found=found, expected=f"one for every {said.frames} frames")
    times = starts[:, np.newaxis] + np.arange(said.frames) / description.rate_hz  # (n_runs, n_frames of a run)
    return times.ravel(), {"started_by": said.model_dump()}


def _label_rows(session_id: str, contents: Contents) -> dict[str, Any]:
    labels = contents.label.tolist()
    return {
        "session_id": [session_id] * len(labels),
        "frame": range(len(labels)),
        "label": labels,
        "label_name": [contents.label_names.get(label) for label in labels],
    }


def _trials(
    given: Given, description: LabDescription, files: Files, log: _Log, session_id: str
) -> list[dict[str, Any]]:
    said = description.trials
    if isinstance(said, TrialEvents):
        refused = refused_in(given, files["events.file"].name) if "events.file" in files else given.refused
        return trial_rows(event_trials(said, log.events, refused), session_id, log.zero_s)
    path = files["trials.file"] if isinstance(said, TrialTable) else files["file"]
    refused = refused_in(given, path.name)
    if isinstance(said, TrialTable):
        trials = table_trials(said, path, refused)
    else:
        trials = variable_trials(said, lambda name: vector_in(path, name, refused), refused)
    return trial_rows(trials, session_id, zero_s(said.clock, log.events, log.zero_s, refused))


def _behavior(
    given: Given, description: LabDescription, files: Files, contents: Contents, log: _Log, time_s: np.ndarray
) -> dict[str, Timed]:
    signals = {name: (time_s, values) for name, values in contents.per_frame.items()}
    for name, said in description.behavior.items():
        if said.time_column is not None:
            path = files[f"behavior.{name}.file"]
            refused = refused_in(given, path.name)
            times, values = timed_signal(said, path, refused)
            signals[name] = times - zero_s(said.clock, log.events, log.zero_s, refused), values
    return signals
