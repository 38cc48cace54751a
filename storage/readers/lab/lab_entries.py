"""The entries of a lab's description: what may be said of its logs, trials, times, labels and signals of the animal."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from storage.tables import EVENTS, TRACES, TRIALS

SIGNALS: tuple[str, ...] = next(column.one_of or () for column in TRACES.columns if column.name == "signal")
OUTCOMES: tuple[str, ...] = next(column.one_of or () for column in TRIALS.columns if column.name == "outcome")
# An image or an omission needs more than a name and a time.
KINDS = tuple(
    kind
    for column in EVENTS.columns
    if column.name == "kind"
    for kind in column.one_of or ()
    if kind not in ("image", "omission")
)
SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "space": ""}
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6}

_BEHAVIOR_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
FRAME_TIMES = {"time_s": 1.0, "time_ms": 1e3}  # how many make a second
_OWN_WORDS = (*FRAME_TIMES, "unit_id", "label")


def _inside(name: str) -> str:
    if not 0 < len(name) <= 1000 or name.startswith("/") or "\\" in name or not name.isprintable():
        raise ValueError("a file in this folder or below it, written with /")
    if {"", ".", ".."} & set(name.split("/")):
        raise ValueError("a file in this folder or below it, without ..")
    return name


def _with_unit(name: str) -> str:
    if not _BEHAVIOR_NAME.fullmatch(name):
        raise ValueError("a name in small letters that ends with its unit, as position_cm or speed_cm_per_s")
    return name


def _variable_name(name: str) -> str:
    return name if name in (*SIGNALS, *_OWN_WORDS) else _with_unit(name)


def _one_of(words: tuple[str, ...]) -> AfterValidator:
    def known(word: str) -> str:
        if word not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return word

    return AfterValidator(known)


FileName = Annotated[str, AfterValidator(_inside)]
Text = Annotated[str, Field(min_length=1)]
Signal = Annotated[str, _one_of(SIGNALS)]
Outcome = Annotated[str, _one_of(OUTCOMES)]
Kind = Annotated[str, _one_of(KINDS)]
BehaviorName = Annotated[str, AfterValidator(_with_unit)]
VariableName = Annotated[str, AfterValidator(_variable_name)]
TimeUnit = Literal["s", "ms", "us"]
Separator = Literal["comma", "tab", "semicolon", "space"]
Orientation = Literal["cells_by_frames", "frames_by_cells"]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ZeroAt(_Said):
    """Where another clock stood when that of the frames read 0."""

    zero_s: float | None = Field(default=None, description="its reading, in seconds")
    zero_event: Text | None = Field(default=None, description="the first event of this name")


Clock = Literal["frames"] | ZeroAt
OtherClock = Literal["frames", "log"] | ZeroAt


class Table(_Said):
    """A file of rows: CSV, TSV, or text with white space between the values."""

    file: FileName
    columns: tuple[Text, ...] | None = Field(default=None, description="names of its columns, if it has no header")
    separator: Separator | None = Field(default=None, description="what stands between values; else by the suffix")
    comment: Text | None = Field(default=None, description="how a line begins that is none of the rows", examples=["#"])


class Log(Table):
    """An event log: one row per event, the header wherever its columns are named; further columns are attributes."""

    time_column: Text = "time"
    event_column: Text = "event"
    time_unit: TimeUnit
    clock: Clock | None = None
    kinds: dict[Text, Kind] = Field(default_factory=dict, description="kinds of events that are more than marks")


class EventVariables(_Said):
    """Events in a .mat file: by name, the variable with their times."""

    variables: dict[Text, Text] = Field(min_length=1)
    time_unit: TimeUnit
    clock: Clock | None = None
    kinds: dict[Text, Kind] = Field(default_factory=dict)


class StartedBy(_Said):
    """Imaging in runs: each event of this name started one, of so many frames."""

    event: Text
    frames: int = Field(ge=1)


class TrialTable(Table):
    """Trials in a file: one row per trial, further columns are attributes."""

    start_column: Text = "start"
    stop_column: Text | None = None
    outcome_column: Text | None = None
    outcomes: dict[str, Outcome] | None = Field(default=None, description="outcomes by the words of the file")
    trial_column: Text | None = None
    response_column: Text | None = None
    reward_column: Text | None = None
    time_unit: TimeUnit
    clock: OtherClock | None = None


class TrialEvents(_Said):
    """Trials in the event log: each begins at one event, ends at another, and has what came of it between them."""

    start_event: Text
    stop_event: Text | None = None
    outcome_events: dict[Text, Outcome] = Field(default_factory=dict)


class TrialVariables(_Said):
    """Trials in a .mat file: variables with one value per trial."""

    start_variable: Text
    stop_variable: Text | None = None
    outcome_variable: Text | None = None
    outcomes: dict[str, Outcome] | None = None
    time_unit: TimeUnit
    clock: OtherClock | None = None


class Vector(_Said):
    """One value per frame: a column of a file, or of the matrix itself; a .npy needs no column."""

    file: FileName | None = None
    column: Text | None = None


class Timestamps(Vector):
    """The time of each frame."""

    time_unit: TimeUnit


class Labels(Vector):
    """What the animal did at each frame, as whole numbers."""

    names: dict[int, Text] = Field(default_factory=dict, description="what the numbers mean")


class Behavior(Vector):
    """A signal of the animal: one value per frame, or at times of its own."""

    time_column: Text | None = None
    time_unit: TimeUnit | None = None
    clock: OtherClock | None = None


class MatVariable(_Said):
    """A variable that lies in another file than the rest, or the other way round."""

    variable: Text
    file: FileName | None = None
    orientation: Orientation | None = None


def _events_form(said: Any) -> str:
    return "EventVariables" if isinstance(said, dict) and "variables" in said else "Log"


def _trials_form(said: Any) -> str:
    keys = set(said) if isinstance(said, dict) else set()
    if keys & {"start_event", "stop_event", "outcome_events"}:
        return "TrialEvents"
    return "TrialVariables" if "start_variable" in keys else "TrialTable"


Events = Annotated[
    Annotated[Log, Tag("Log")] | Annotated[EventVariables, Tag("EventVariables")], Discriminator(_events_form)
]
Trials = Annotated[
    Annotated[TrialTable, Tag("TrialTable")]
    | Annotated[TrialEvents, Tag("TrialEvents")]
    | Annotated[TrialVariables, Tag("TrialVariables")],
    Discriminator(_trials_form),
]
