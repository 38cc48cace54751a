"""What the data files of a described recording hold, whatever their format: cells, and values for each frame."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from storage.readers.foreign.named_file import refused_in
from storage.readers.given import Given
from storage.readers.lab.lab_cells import Cells, matrix_cells, vector_values
from storage.readers.lab.lab_description import LabDescription, MatDescription, MatrixDescription, MovementDescription
from storage.readers.lab.lab_entries import FRAME_TIMES, PER_SECOND, Vector
from storage.readers.lab.lab_mat import mat_contents
from storage.readers.lab.movement_table import LABEL_NAMES, movement_table
from storage.readers.recording import Refusal, require_increasing

Files = Mapping[str, Path]
"""The files of a recording by the key of the description that names them."""


@dataclass(frozen=True)
class Contents:
    """The cells, and for each frame its time in seconds, its label, and signals of the animal: (n_frames,) each."""

    cells: Cells
    time_s: np.ndarray | None = None
    label: np.ndarray | None = None
    label_names: Mapping[int, str] = field(default_factory=dict)
    per_frame: Mapping[str, np.ndarray] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


def contents_of(given: Given, description: LabDescription, files: Files) -> Contents:
    """The contents, one value per frame wherever there is one. Raises Refused for what is wrong in a file."""
    if isinstance(description, MovementDescription):
        path = files["file"]
        movement = movement_table(path, description.signal, refused_in(given, path.name))
        first = {"first_frame": movement.first_frame} if movement.first_frame else {}
        found = Contents(movement.cells, label=movement.label, label_names=LABEL_NAMES, metadata=first)
    elif isinstance(description, MatDescription):
        found = _of_mat(given, description, files)
    else:
        found = _of_matrices(given, description, files)
    behavior = {
        name: _vector(given, f"behavior.{name}", signal, files, found.cells)
        for name, signal in description.behavior.items()
        if signal.time_column is None
    }
    per_frame = dict(found.per_frame) | behavior
    for name, values in ({"time": found.time_s, "label": found.label} | per_frame).items():
        if values is not None and len(values) != found.cells.frame_count:
            wanted = f"{found.cells.frame_count}, one for each frame"
            raise given.refused(field=name, found=f"{len(values)} values", expected=wanted)
    if found.time_s is not None:
        require_increasing(found.time_s, f"{description.frame_times}", given.source_uri)
    label = None if found.label is None else _whole(given, found.label)
    return Contents(found.cells, found.time_s, label, found.label_names, per_frame, found.metadata)


def _of_matrices(given: Given, description: MatrixDescription, files: Files) -> Contents:
    if description.matrices is None:
        matrices = {str(description.signal): files["matrix"]}
    else:
        matrices = {signal: files[f"matrices.{signal}"] for signal in description.matrices}
    cells = matrix_cells(description, matrices, lambda name: refused_in(given, name))
    time_s = label = None
    if (timestamps := description.timestamps) is not None:
        time_s = _vector(given, "timestamps", timestamps, files, cells) / PER_SECOND[timestamps.time_unit]
    if description.labels is not None:
        label = _vector(given, "labels", description.labels, files, cells)
    return Contents(cells, time_s, label, description.labels.names if description.labels else {})


def _of_mat(given: Given, description: MatDescription, files: Files) -> Contents:
    def refused_of(name: str) -> Refusal:
        return refused_in(given, name) if name else given.refused

    found = mat_contents(description, files, refused_of)
    vectors = {word: _numbers(given, word, values) for word, values in found.vectors.items()}
    times = {word: vectors.pop(word) for word in FRAME_TIMES if word in vectors}
    time_s = next((values / FRAME_TIMES[word] for word, values in times.items()), None)
    label = vectors.pop("label", None)
    return Contents(found.cells, time_s, label, description.label_names, vectors)


def _vector(given: Given, key: str, vector: Vector, files: Files, cells: Cells) -> np.ndarray:
    path = files.get(f"{key}.file")
    refused = refused_in(given, path.name) if path is not None else given.refused
    return vector_values(vector, path, cells.columns, refused)


def _numbers(given: Given, word: str, values: Any) -> np.ndarray:
    if not isinstance(values, np.ndarray):
        raise given.refused(field=f"variables.{word}", found="texts", expected="numbers, one for each frame")
    return values.astype(np.float64)


def _whole(given: Given, label: np.ndarray) -> np.ndarray:
    """The labels as int64. Raises Refused for one that is missing, or no whole number of 32 bits."""
    fits = np.isfinite(label) & (label == np.round(label)) & (np.abs(label) < 2**31)
    if (bad := np.flatnonzero(~fits)).size:
        raise given.refused(field="label", found=f"{label[bad[0]]:g} at frame {bad[0]}", expected="whole numbers")
    return label.astype(np.int64)
