"""What was shown and done in an Allen Visual Coding Neuropixels session: stimuli, pulses of light, invalid times."""

from typing import TYPE_CHECKING

import polars as pl

from storage.readers.allen.allen_facts import has
from storage.readers.allen.allen_presentations import attributes_of, numbered, presentation_tables
from storage.readers.allen.allen_tables import json_rows, read_table, seconds
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

_INVALID = "intervals/invalid_times"
_PULSES = "processing/optotagging/optogenetic_stimulation"
_SCENES = "natural_scenes"
# What the AllenSDK calls a presentation that fell into a time tagged so.
_INVALID_NAME, _INVALID_TAG = "invalid_presentation", "stimulus"


def read_invalid_times(file: "h5py.File", refused: Refusal) -> pl.DataFrame | None:
    """Spans of time (s) with tags that say what isn't valid then; None where the file has none."""
    if not has(file, _INVALID):
        return None
    needed = ("start_time", "stop_time", "tags")
    table = read_table(file, _INVALID, refused, needed=needed, without=("timeseries",))
    if table["tags"].dtype != pl.List(pl.String):
        raise refused(field=f"{_INVALID}/tags", found=str(table["tags"].dtype), expected="a list of texts in each row")
    return table.with_columns(seconds(table[name], _INVALID, refused) for name in needed[:2])


def stimulus_events(file: "h5py.File", invalid: pl.DataFrame | None, refused: Refusal) -> pl.DataFrame:
    """Presentations as events, their parameters in ``attributes``.

    Natural scenes are of kind 'image', named ``natural_scenes_<frame>``; frame -1 is a gray screen and no image. A
    presentation that overlaps an invalid time of stimuli is renamed as by the AllenSDK, is no image, and keeps its own
    name as ``stimulus_name`` in its attributes. Raises what ``refused`` makes when one has no end.
    """
    events = []
    for where, table in presentation_tables(file, refused).items():
        seconds(table["stop_time"], where, refused)
        table = table.with_columns(masked=_in_invalid(invalid))
        frame = pl.col("frame").cast(pl.Int64) if "frame" in table.columns else pl.lit(None, dtype=pl.Int64)
        scene = pl.col("stimulus_name").str.starts_with(_SCENES) & (frame >= 0) & ~pl.col("masked")
        said = attributes_of(table, without=("masked",))
        renamed = json_rows(table.select("stimulus_name", *_parameters(table)))
        events.append(
            table.select(
                kind=pl.when(scene).then(pl.lit("image")).otherwise(pl.lit("stimulus")),
                name=pl.when("masked").then(pl.lit(_INVALID_NAME)).otherwise("stimulus_name"),
                onset_s="start_time",
                offset_s="stop_time",
                image_name=pl.when(scene).then(pl.format("{}_{}", pl.lit(_SCENES), frame)),
                attributes=pl.when("masked").then(renamed).otherwise(said),
            )
        )
    return numbered(events)


def pulse_events(file: "h5py.File", refused: Refusal) -> pl.DataFrame | None:
    """Pulses of light for optotagging as events; None where the file has none. Raises what ``refused`` makes."""
    if not has(file, _PULSES):
        return None
    without = ("tags", "timeseries")
    needed = ("start_time", "stop_time", "stimulus_name")
    table = read_table(file, _PULSES, refused, needed=needed, without=without, texts=("stimulus_name",))
    told = ("id", "start_time", "stop_time", "stimulus_name")
    return table.select(
        kind=pl.lit("optotagging"),
        name="stimulus_name",
        source_id="id",
        onset_s=seconds(table["start_time"], _PULSES, refused),
        offset_s=seconds(table["stop_time"], _PULSES, refused),
        attributes=json_rows(table.select(name for name in table.columns if name not in told)),
    )


def invalid_events(invalid: pl.DataFrame | None) -> pl.DataFrame | None:
    """Invalid times as marks named 'invalid_time', their tags in the attributes; None where there are none."""
    if invalid is None:
        return None
    return invalid.select(
        kind=pl.lit("mark"),
        name=pl.lit("invalid_time"),
        source_id="id",
        onset_s="start_time",
        offset_s="stop_time",
        attributes=json_rows(invalid.select("tags")),
    )


def _parameters(table: pl.DataFrame) -> list[str]:
    told = ("id", "start_time", "stop_time", "stimulus_name", "masked")
    return [name for name in table.columns if name not in told and table[name].null_count() < len(table)]


def _in_invalid(invalid: pl.DataFrame | None) -> pl.Expr:
    """Whether the presentation touches a time at which stimuli are invalid; both ends count."""
    spans = [] if invalid is None else invalid.filter(pl.col("tags").list.contains(_INVALID_TAG)).iter_rows(named=True)
    touches = [(pl.col("start_time") <= one["stop_time"]) & (pl.col("stop_time") >= one["start_time"]) for one in spans]
    return pl.any_horizontal(pl.lit(False), *touches)
