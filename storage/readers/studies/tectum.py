"""Reader of a tectum recording of zebrafish: traces of ROIs, the stimulus protocol, and Femtonics' metadata as text."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from storage.readers.about import about_of, agreed_hz, native_id
from storage.readers.foreign.csv_rows import csv_rows, plain, real
from storage.readers.foreign.declared_sizes import shown
from storage.readers.foreign.named_file import refused_in
from storage.readers.foreign.named_parts import files_named, one_of_each
from storage.readers.given import Given, as_json, frame_rows
from storage.readers.recording import Recording, Refusal
from storage.tables import EVENTS, FRAMES
from storage.traces import TraceMatrix

NAME = "zebrafish_tectum"
VERSION = 1
KNOWS = "a zebrafish tectum recording: a folder with all_rois*.csv, *protocol*.csv and Femtonics' *metadata*.txt"
FORM = "folder"
SUFFIXES: tuple[str, ...] = ()

# The ROIs go by all_rois: rois_r2_pass.csv beside it is what its authors' analysis kept of them, renumbered.
_PARTS = {"rois": "all_rois*.csv", "protocol": "*protocol*.csv", "metadata": "*metadata*.txt"}
# Columns of the protocol, and what its authors call the stimulus that they tell of.
_STIMULI = {"stim1": "prey", "stim2": "looming", "stim3": "dimming"}
_BLOCK_BYTES = 1 << 24
_MOST_METADATA_BYTES = 1 << 20


def recognises(path: Path) -> bool:
    """Whether the folder has files of all three names."""
    return all(files_named(path, _PARTS).values())


def parts(path: Path, about: Mapping[str, Any] | None = None) -> list[Path]:
    """The matrix of ROIs, the protocol and the metadata, however many of each there are."""
    return [file for files in files_named(path, _PARTS).values() for file in files]


def read(given: Given) -> Recording:
    """One session: dF/F (n_rois, n_frames), a fraction, frames as Femtonics timed them, and the stimuli as events.

    A stimulus stands at the time of the frame in which the protocol says that it was shown: the authors' analysis
    starts its responses there. The protocol writes that line when the stimulus ends (delay_1 and the stimulus' own
    duration after before_stim), so it began up to that duration before; ``logged_s`` is the line's own time.

    Raises Refused when there is more than one file of a kind, a frame time can't be had, the frames aren't numbered
    from 0 or not as many as the microscope took, a cell is no number, or a stimulus is shown after the last frame.
    """
    refused = given.refused
    files = one_of_each(given.path, _PARTS, refused)
    about = about_of(given)
    session_id = given.session_id(about.session or native_id(given.path), "session")
    metadata = _metadata(files["metadata"], refused_in(given, files["metadata"].name))
    step_s, origin_s = _step_s(metadata, refused), _number(metadata, "VOXEL.D3Origin", refused, absent=0.0) / 1000
    rate_hz = agreed_hz(given, "rate_hz", 1 / step_s if step_s else None, about.rate_hz, "VOXEL.D3Step")
    step_s = step_s or 1 / rate_hz
    unit_id, values = _rois(files["rois"], refused_in(given, files["rois"].name))
    frame_count = values.shape[1]
    if (taken := metadata.get("SIZE.D3Size")) is not None and taken != str(frame_count):
        found = f"{frame_count} frames in {files['rois'].name}, {taken} in {files['metadata'].name}"
        raise refused(field="SIZE.D3Size", found=found, expected="as many frames as were taken")
    time_s = origin_s + np.arange(frame_count) * step_s
    session = given.session(
        session_id,
        unit_count=len(unit_id),
        frame_count=frame_count,
        rate_hz=rate_hz,
        metadata={"femtonics": metadata},
        **about.session_facts,
    )
    rows = {FRAMES: frame_rows(session_id, time_s)}
    in_protocol = refused_in(given, files["protocol"].name)
    if events := _events(files["protocol"], session_id, time_s, time_s[-1] + step_s, in_protocol):
        rows[EVENTS] = events
    units = {"session_id": [session_id] * len(unit_id), "unit_id": unit_id}
    return given.recording([session], units, rows, [TraceMatrix(session_id, "dff", unit_id, values)])


def _metadata(path: Path, refused: Refusal) -> dict[str, str]:
    """The microscope's ``key : value`` lines, each key after the section that it stands in: VOXEL.D3Step."""
    if (size := path.stat().st_size) > _MOST_METADATA_BYTES:
        raise refused(field="file", found=f"{size} bytes", expected=f"at most {_MOST_METADATA_BYTES} bytes")
    section, found = "", {}
    for line in path.read_bytes().decode("latin-1").splitlines():
        if begun := re.match(r"[%>]+\s*(\w+)", line):
            section = f"{begun[1]}."
        elif line.startswith("<"):
            section = ""
        elif " : " in line:
            key, _, value = line.partition(" : ")
            found.setdefault(section + key.strip(), value.strip())
    return found


def _step_s(metadata: dict[str, str], refused: Refusal) -> float | None:
    """Time from frame to frame, s; None where the metadata has none."""
    step_ms = _number(metadata, "VOXEL.D3Step", refused)
    unit = metadata.get("VOXEL.D3Unit")
    if step_ms is not None and (unit != "ms" or step_ms <= 0):
        raise refused(field="VOXEL.D3Step", found=f"{step_ms} {unit}", expected="above 0, in ms")
    return None if step_ms is None else step_ms / 1000


def _number(metadata: dict[str, str], name: str, refused: Refusal, absent: float | None = None) -> float | None:
    try:
        number = float(metadata[name]) if name in metadata else absent
    except ValueError:
        number = math.nan
    if number is not None and not math.isfinite(number):
        raise refused(field=name, found=repr(metadata[name][:80]), expected="a number")
    return number


def _rois(path: Path, refused: Refusal) -> tuple[np.ndarray, np.ndarray]:
    """ROIs (n_rois,) int64 and their dF/F (n_rois, n_frames) float32, NaN where a cell is empty."""
    try:
        with open(path, "rb") as file:
            header = file.readline(_BLOCK_BYTES).decode("utf-8-sig").rstrip("\r\n").split(",")
    except UnicodeDecodeError as error:
        raise refused(field="file", found=shown(error), expected="UTF-8") from error
    frames = [str(frame) for frame in range(len(header) - 1)]
    if header[1:] != frames or not frames:
        odd = next((name for name, frame in zip(header[1:], frames, strict=True) if name != frame), "no frames")
        found = f"{odd[:80]!r} in the header"
        raise refused(field="file", found=found, expected="the ROI's number, then frames 0, 1, 2 ...")
    reading = pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=["roi", *frames], skip_rows=1)
    types = {"roi": pa.int64()} | dict.fromkeys(frames, pa.float64())
    converting = pa.csv.ConvertOptions(column_types=types, null_values=["", "nan", "NaN"])
    unit_id, values = [], []
    try:
        with pa.csv.open_csv(path, reading, convert_options=converting) as reader:
            for batch in reader:
                if unnamed := batch["roi"].null_count:
                    raise refused(field="file", found=f"{unnamed} rows without a ROI", expected="a number in each")
                unit_id.append(batch["roi"].to_numpy())
                columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns[1:]]
                values.append(np.stack(columns, axis=1, dtype=np.float32, casting="same_kind"))
    except pa.ArrowException as error:
        raise refused(field="file", found=shown(error), expected="a table of numbers") from error
    if not sum(map(len, unit_id)):
        raise refused(field="file", found="a header and no rows", expected="a row for each ROI")
    return np.concatenate(unit_id), np.concatenate(values)


def _events(path: Path, session_id: str, time_s: np.ndarray, end_s: float, refused: Refusal) -> list[dict[str, Any]]:
    events = []
    for place, (line, row) in enumerate(csv_rows(path, refused, ["t", "stim1_presence"])):
        present = {one: real(row.get(f"{one}_presence") or "0") for one in _STIMULI}
        stimuli = [one for one, presence in present.items() if presence is None or presence > 0]
        if not stimuli:
            continue
        if len(stimuli) > 1 or None in present.values():
            found = f"presence of {' and '.join(stimuli)} on line {line}"
            raise refused(field="file", found=found, expected="one stimulus at a time, 0 or 1")
        logged_s = real(row["t"])
        if logged_s is None or not time_s[0] <= logged_s < end_s:
            expected = f"a time within the recording, {time_s[0]:g} to {end_s:g} s"
            raise refused(field="t", found=f"{row['t'][:80]!r} on line {line}", expected=expected)
        frame = int(np.searchsorted(time_s, logged_s, side="right")) - 1
        told = (f"{stimuli[0]}_", "stim_type", "delay_", "prey_direction")
        said = {name: plain(text) for name, text in row.items() if text and name.startswith(told)}
        attributes = said | {"stimulus": stimuli[0], "frame": frame, "logged_s": logged_s}
        event = {"kind": "stimulus", "name": _STIMULI[stimuli[0]], "source_id": place, "onset_s": time_s[frame]}
        events.append(event | {"session_id": session_id, "attributes": as_json(attributes)})
    events.sort(key=lambda event: event["onset_s"])
    return [event | {"event_id": number} for number, event in enumerate(events)]
