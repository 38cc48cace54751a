"""What a lab says of a recording of its own: a few lines of YAML beside the files, or `about:` in sources.yaml."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import AliasChoices, Field

from storage.readers.about import UNKNOWN, About
from storage.readers.lab.lab_entries import (
    FRAME_TIMES,
    Behavior,
    BehaviorName,
    Events,
    EventVariables,
    FileName,
    Labels,
    MatVariable,
    Orientation,
    Separator,
    Signal,
    StartedBy,
    Table,
    Text,
    Timestamps,
    TrialEvents,
    Trials,
    TrialVariables,
    VariableName,
    Vector,
    ZeroAt,
)


class LabDescription(About):
    """What every format has in common."""

    location: str | None = Field(
        default=None, min_length=1, validation_alias=AliasChoices("location", "area"), description="brain area"
    )
    dff_unit: Literal["fraction", "percent"] = Field(default="fraction", description="unit of the signal dff")
    behavior: dict[BehaviorName, Behavior] = Field(default_factory=dict, description="signals of the animal")
    events: Events | None = Field(default=None, description="the event log")
    started_by: StartedBy | None = Field(default=None, description="imaging in runs, each started by an event")
    trials: Trials | None = Field(default=None, description="the trials and what came of them")
    metadata: dict[str, Any] = Field(default_factory=dict, description="whatever else there is to say")

    @property
    def native(self) -> str | None:
        """What the session is called: as is said, else by subject and start; None where neither is."""
        if self.session is not None or self.subject is None or self.started_at is None:
            return self.session
        return f"{self.subject}-{self.started_at:%Y%m%dT%H%M%SZ}"

    @property
    def frame_times(self) -> str | None:
        """The key that gives the time of each frame, beside rate_hz."""
        return None

    @property
    def unnamed_file(self) -> str | None:
        """The key whose file is left to the name of the description, None where all are named."""
        return None

    def files(self) -> Iterator[tuple[str, str]]:
        """The key of every file that is named, and its name."""
        for key in ("events", "trials"):
            if isinstance(entry := getattr(self, key), Table):
                yield f"{key}.file", entry.file
        for name, signal in self.behavior.items():
            if signal.file is not None:
                yield f"behavior.{name}.file", signal.file

    def contradiction(self) -> tuple[str, str, str] | None:
        """The first key that others rule out or ask for, what is found there, and what is expected."""
        times = self.frame_times
        rate_known = self.rate_hz not in (None, UNKNOWN)
        if self.sample_rate_hz is not None:
            return "sample_rate_hz", "a rate of samples", "rate_hz, of frames"
        if self.rate_hz is None and times is None:
            return "rate_hz", "neither rate_hz nor a time of each frame", "`rate_hz: 30`, in frames per second"
        if self.rate_hz is not None and times is not None:
            return "rate_hz", f"rate_hz as well as {times}", "one of them"
        if self.started_by is not None and not (rate_known and self.events is not None):
            return "started_by", "runs without a rate, or without events", "rate_hz in numbers, and events"
        timed = {"events": self.events, "trials": self.trials}
        timed |= {f"behavior.{name}": one for name, one in self.behavior.items() if isinstance(one, Behavior)}
        for key, entry in timed.items():
            if entry is not None and (wrong := self._wrong_in(key, entry)):
                return wrong
        return None

    def _wrong_in(self, key: str, entry: Any) -> tuple[str, str, str] | None:
        if isinstance(entry, Behavior):
            if (entry.time_column is None) != (entry.time_unit is None):
                return key, "only one of time_column and time_unit", "both, or none for one value per frame"
            if entry.file is None and (entry.time_column is not None or self.format != "matrix"):
                return f"{key}.file", "no file", "the file of the column"
            if entry.time_column is None and entry.clock is not None:
                return f"{key}.clock", "a clock of values without times", "time_column and time_unit"
        if isinstance(entry, TrialEvents):
            return None if self.events else (key, "start_event", "events, among which it is")
        if isinstance(entry, EventVariables | TrialVariables) and self.format != "mat":
            return key, "variables", "`format: mat`, or a file"
        if isinstance(entry, Behavior) and entry.time_column is None:
            return None
        if self.rate_hz == UNKNOWN:
            return key, "times, but rate_hz unknown", "the rate, without which they can't be laid beside the frames"
        if entry.clock is None and not (key == "events" and self.started_by):
            expected = "`frames` (it reads 0 when the frames' clock does), {zero_event: NAME} or {zero_s: seconds}"
            return f"{key}.clock", "nothing", expected if key == "events" else f"{expected}; `log`: that of the events"
        if entry.clock == "log" and self.events is None:
            return f"{key}.clock", "the log's clock, and no events", "events, or another clock"
        if isinstance(entry.clock, ZeroAt) and (entry.clock.zero_s is None) == (entry.clock.zero_event is None):
            return f"{key}.clock", "none or both of its keys", "zero_s or zero_event"
        if key != "events" and getattr(entry.clock, "zero_event", None) is not None:
            return f"{key}.clock", "zero_event", "`log`, `frames` or {zero_s: seconds}"
        return None


class MatrixDescription(LabDescription):
    """Cells x frames or frames x cells: CSV, TSV, text with white space, or npy."""

    format: Literal["matrix"]
    orientation: Orientation = Field(description="cells_by_frames: one row per cell; or frames_by_cells")
    matrix: FileName | None = Field(default=None, description="the file; without it, the one beside of the same name")
    matrices: dict[Signal, FileName] | None = Field(default=None, description="files by signal, if there are several")
    signal: Signal | None = Field(default=None, description="what was measured", examples=["dff"])
    separator: Separator | None = Field(default=None, description="what stands between values; else by the suffix")
    header: bool = Field(default=False, description="the first line names the columns")
    index: bool = Field(default=False, description="the first column names the rows")
    comment: Text | None = Field(default=None, description="how a line begins that is none of the rows")
    leave_out: tuple[Text, ...] = Field(default=(), description="columns that are neither cells nor told below")
    timestamps: Timestamps | None = Field(default=None, description="the time of each frame")
    labels: Labels | None = Field(default=None, description="what the animal did at each frame")

    @property
    def frame_times(self) -> str | None:
        return "timestamps" if self.timestamps else None

    @property
    def unnamed_file(self) -> str | None:
        return "matrix" if self.matrix is None and self.matrices is None else None

    @property
    def columns_taken(self) -> tuple[str, ...]:
        """Columns of the matrix's own file that hold something other than a cell."""
        vectors = [one for one in (self.timestamps, self.labels, *self.behavior.values()) if one is not None]
        return (*self.leave_out, *(one.column for one in vectors if one.file is None and one.column is not None))

    def files(self) -> Iterator[tuple[str, str]]:
        yield from super().files()
        if self.matrix is not None:
            yield "matrix", self.matrix
        yield from ((f"matrices.{signal}", name) for signal, name in (self.matrices or {}).items())
        for key, vector in (("timestamps", self.timestamps), ("labels", self.labels)):
            if vector is not None and vector.file is not None:
                yield f"{key}.file", vector.file

    def contradiction(self) -> tuple[str, str, str] | None:
        if self.matrices is not None and (self.matrix is not None or self.signal is not None):
            return "matrices", "matrix or signal beside it", "either `signal: dff`, or matrices by signal"
        if self.matrices is None and self.signal is None:
            return "signal", "no key signal", "what the values are: `signal: dff`, or another of the signals"
        vectors: dict[str, Vector | None] = {"timestamps": self.timestamps, "labels": self.labels}
        for key, vector in (vectors | {f"behavior.{name}": one for name, one in self.behavior.items()}).items():
            if vector is not None and vector.file is None and vector.column is None:
                return key, "neither file nor column", "the file, or the column of the matrix's own file"
        if self.columns_taken and not (self.header and self.orientation == "frames_by_cells" and not self.matrices):
            return "columns", f"columns {', '.join(self.columns_taken)}", "one matrix, frames_by_cells, `header: true`"
        return super().contradiction()


class MovementDescription(LabDescription):
    """The movement format: frame, one column per neuron, label 0, 1 or 2."""

    format: Literal["movement"]
    file: FileName | None = Field(default=None, description="the file; without it, the one beside of the same name")
    signal: Signal = Field(default="dff", description="what was measured")

    @property
    def unnamed_file(self) -> str | None:
        return "file" if self.file is None else None

    def files(self) -> Iterator[tuple[str, str]]:
        yield from super().files()
        if self.file is not None:
            yield "file", self.file


class MatDescription(LabDescription):
    """Variables of MATLAB files."""

    format: Literal["mat"]
    orientation: Orientation = Field(description="cells_by_frames: one row per cell; or frames_by_cells")
    file: FileName | None = Field(default=None, description="the file; without it, the one beside of the same name")
    variables: dict[VariableName, Text | MatVariable] = Field(
        description="by what they hold: a signal, time_s or time_ms of each frame, unit_id, label, or position_cm",
        min_length=1,
    )
    label_names: dict[int, Text] = Field(default_factory=dict, description="what the numbers of label mean")

    @property
    def unnamed_file(self) -> str | None:
        own = [v for v in self.variables.values() if not isinstance(v, MatVariable) or v.file is None]
        inside = any(isinstance(entry, EventVariables | TrialVariables) for entry in (self.events, self.trials))
        return "file" if self.file is None and (own or inside) else None

    @property
    def frame_times(self) -> str | None:
        return next((f"variables.{one}" for one in FRAME_TIMES if one in self.variables), None)

    def contradiction(self) -> tuple[str, str, str] | None:
        if len(both := [one for one in FRAME_TIMES if one in self.variables]) > 1:
            return f"variables.{both[1]}", " and ".join(both), "one of them"
        return super().contradiction()

    def files(self) -> Iterator[tuple[str, str]]:
        yield from super().files()
        if self.file is not None:
            yield "file", self.file
        for key, variable in self.variables.items():
            if isinstance(variable, MatVariable) and variable.file is not None:
                yield f"variables.{key}.file", variable.file


FORMATS: dict[str, type[LabDescription]] = {
    "matrix": MatrixDescription,
    "movement": MovementDescription,
    "mat": MatDescription,
}
