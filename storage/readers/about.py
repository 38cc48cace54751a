"""What an owner may say in sources.yaml about a recording that doesn't say it itself."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from storage.readers.given import Given

# Folders and files that pipelines name the same in every recording: alone they would make all sessions clash.
_NAMED_BY_PIPELINES = re.compile(
    r"suite2p|plane\d+|minian.*|neural_data|kilosort[\d._-]*|ks[\d._-]*|phy|sorter_output|sorting|spikes|"
    r"neuropix-.*|imec.*|probe[-_]?.?|continuous|experiment\d+|recording\d+|"
    r"caiman.*|cnmf.*|estimates|analysis_results|output|results?|data",
    re.IGNORECASE,
)
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")


class About(BaseModel):
    """What may be said of any recording; formats that need more extend it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    session: str | None = Field(default=None, min_length=1, description="the session's own name, second in session_id")
    subject: str | None = Field(default=None, min_length=1, description="the animal")
    rate_hz: Annotated[float, Field(gt=0)] | Literal["unknown"] | None = Field(
        default=None, description="frames per second; 'unknown' if nobody knows: frames are then numbered, not timed"
    )
    sample_rate_hz: float | None = Field(default=None, gt=0, description="samples of a probe per second")
    indicator: str | None = Field(default=None, min_length=1, description="calcium indicator", examples=["GCaMP6f"])
    location: str | None = Field(default=None, min_length=1, description="brain area", examples=["VISp"])
    imaging_depth_um: float | None = Field(default=None, description="depth of the plane below the pia, um")
    cre_line: str | None = Field(default=None, min_length=1, description="driver line of the recorded cells")
    genotype: str | None = Field(default=None, min_length=1, description="the animal's full genotype")
    sex: str | None = Field(default=None, min_length=1, description="the animal's sex")
    age_days: float | None = Field(default=None, ge=0, description="the animal's age on that day")
    started_at: datetime | None = Field(default=None, description="start of the recording, with its offset from UTC")
    simulated: bool = Field(default=False, description="true when no animal was recorded")

    @field_validator("session", "subject", mode="before")
    @classmethod
    def _numbers_are_names(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("started_at")
    @classmethod
    def _has_an_offset(cls, started_at: datetime | None) -> datetime | None:
        if started_at is not None and started_at.utcoffset() is None:
            raise ValueError(f"must say its offset from UTC, as 2026-01-05T09:30:00+01:00; got {started_at}")
        return started_at.astimezone(UTC) if started_at else None

    @property
    def session_facts(self) -> dict[str, Any]:
        """Columns of recorded.sessions that the owner fills; those he says nothing of are left out."""
        said = self.model_dump(include=_SESSION_COLUMNS, exclude_none=True)
        return said | ({"subject_id": self.subject} if self.subject is not None else {})


Kind = TypeVar("Kind", bound=About)
_SESSION_COLUMNS = {
    "indicator",
    "location",
    "imaging_depth_um",
    "cre_line",
    "genotype",
    "sex",
    "age_days",
    "started_at",
    "simulated",
}


def about_of(given: Given, kind: type[Kind] = About) -> Kind:
    """What the owner says of the recording, nothing where he says nothing. Raises Refused naming the wrong key."""
    try:
        return kind.model_validate(dict(given.about or {}))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "about"
        if first["type"] == "extra_forbidden":
            found, expected = f"the unknown key {key}", f"one of {', '.join(kind.model_fields)}"
        else:
            found, expected = repr(first["input"])[:200], first["msg"][:200]
        raise given.refused(field=f"about.{key}", found=found, expected=expected) from error


UNKNOWN = "unknown"


def agreed_hz(given: Given, key: str, of_file: float | None, of_owner: float | str | None, where: str) -> float | None:
    """The rate in Hz that the file or its owner says, None where the owner says that nobody knows it.

    Raises Refused when none says it, or they say two. ``key`` is the owner's word for it, ``where`` is where in the
    recording it would stand.
    """
    if of_file is not None and not 0 < of_file < float("inf"):
        raise given.refused(field=where, found=repr(of_file), expected="a rate above 0 Hz")
    if of_file is None and of_owner is None:
        expected = f"`about: {{{key}: ...}}` in sources.yaml"
        raise given.refused(field=key, found=f"{key} unknown: {where} absent", expected=expected)
    if of_file is None and of_owner == UNKNOWN:
        return None
    if of_file is not None and of_owner is not None and of_file != of_owner:
        found = f"{of_file!r} in {where}, {of_owner!r} in sources.yaml"
        raise given.refused(field=key, found=found, expected="one rate")
    return float(of_owner if of_file is None else of_file)


def frame_times_s(frame_count: int, rate_hz: float | None) -> np.ndarray:
    """When each frame was taken, (n_frames,) seconds; its number where the rate is unknown."""
    return np.arange(frame_count, dtype=np.float64) / (rate_hz or 1.0)


def said_of_times(rate_hz: float | None) -> dict[str, str]:
    """What a session's metadata says of frames that are numbered, not timed."""
    return {} if rate_hz is not None else {"frame_times": "frame numbers: the rate is unknown"}


def native_id(path: Path) -> str:
    """A session's name from that of its file or folder, the parent's before it where a pipeline gave the name.

    ``mouse_412/suite2p/plane0`` gives ``mouse_412-suite2p-plane0``; characters that ids don't have become ``_``.
    """
    name = path.name if path.is_dir() else path.stem
    names = [name]
    for parent in path.parents:
        if not _NAMED_BY_PIPELINES.fullmatch(names[0]) or not parent.name:
            break
        names.insert(0, parent.name)
    return "-".join(map(id_part, names))


def id_part(name: str) -> str:
    """The name with ``_`` for what a session_id may not have."""
    return _NOT_IN_IDS.sub("_", name)
