"""Trials, licks and rewards of an NWB file of Allen Visual Behavior."""

from typing import TYPE_CHECKING

import polars as pl

from storage.readers.allen.allen_facts import has
from storage.readers.allen.allen_presentations import without_numbers
from storage.readers.allen.allen_series import times_at
from storage.readers.allen.allen_tables import flags, json_rows, read_table, seconds
from storage.readers.foreign.hdf5_files import numbers_at
from storage.readers.recording import Refusal

if TYPE_CHECKING:
    import h5py

_TRIALS = "intervals/trials"
_LICKS = "processing/licking/licks"
_REWARDS = "processing/rewards"
_OUTCOMES = ("hit", "miss", "false_alarm", "correct_reject", "aborted", "auto_rewarded")
_TIMES = {"change_time": "change_s", "response_time": "response_s", "reward_time": "reward_s"}
_IMAGES = ("initial_image_name", "change_image_name")
# What NWB adds to every table of intervals, and what the AllenSDK drops from older files.
_WITHOUT = ("tags", "timeseries", "lick_events")


def trial_rows(file: "h5py.File", session_id: str, refused: Refusal) -> pl.DataFrame | None:
    """Rows of recorded.trials; None where the file has no trials.

    A response latency that the file gives as infinite, for no response, is null. Raises what ``refused`` makes unless
    each trial has one outcome.
    """
    if not has(file, _TRIALS):
        return None
    table = read_table(
        file,
        _TRIALS,
        refused,
        needed=("start_time", "stop_time", *_OUTCOMES),
        without=_WITHOUT,
        numbers=("start_time", "stop_time", *_TIMES),
        texts=_IMAGES,
    )
    table = without_numbers(table)
    facts = {new: pl.col(old).cast(pl.Float64) for old, new in _TIMES.items() if old in table.columns}
    facts |= {name: pl.col(name).replace({"": None}) for name in _IMAGES if name in table.columns}
    told = ("id", "start_time", "stop_time", *_OUTCOMES, *_TIMES, *_IMAGES)
    return table.select(
        session_id=pl.lit(session_id),
        trial_id=pl.col("id"),
        start_s=seconds(table["start_time"], _TRIALS, refused),
        stop_s=seconds(table["stop_time"], _TRIALS, refused),
        outcome=_outcomes(table, refused),
        attributes=json_rows(table.select(name for name in table.columns if name not in told)),
        **facts,
    )


def lick_events(file: "h5py.File", refused: Refusal) -> pl.DataFrame | None:
    """Licks as events, with the monitor's frame; None where the file has none. Raises what ``refused`` makes."""
    if not has(file, _LICKS):
        return None
    onset_s = times_at(file, f"{_LICKS}/timestamps", refused)
    frame = numbers_at(file, f"{_LICKS}/data", refused, ndim=1)
    return _instants("lick", "licks", onset_s, {"frame": frame}, refused, f"{_LICKS}/data")


def reward_events(file: "h5py.File", refused: Refusal) -> pl.DataFrame | None:
    """Rewards as events, with their volume (ml); None where the file has none. Raises what ``refused`` makes."""
    if not has(file, _REWARDS):
        return None
    onset_s = times_at(file, f"{_REWARDS}/autorewarded/timestamps", refused)
    free = f"{_REWARDS}/autorewarded/data"
    said = {
        "volume_ml": numbers_at(file, f"{_REWARDS}/volume/data", refused, ndim=1),
        "auto_rewarded": flags(pl.Series("data", numbers_at(file, free, refused, kinds="biuf", ndim=1)), free, refused),
    }
    return _instants("reward", "rewards", onset_s, said, refused, free)


def _outcomes(table: pl.DataFrame, refused: Refusal) -> pl.Series:
    said = pl.DataFrame([flags(table[name], _TRIALS, refused) for name in _OUTCOMES])
    count = said.select(pl.sum_horizontal(pl.all().fill_null(False).cast(pl.Int32))).to_series()
    wrong = (count != 1).arg_true()
    if len(wrong):
        row = int(wrong[0])
        names = [name for name in _OUTCOMES if said[name][row]]
        found = (
            f"{' and '.join(names) or 'none of them'} in trial {table['id'][row]} ({len(wrong)} of {len(table)} trials)"
        )
        raise refused(field=f"{_TRIALS} outcome", found=found, expected=f"one of {', '.join(_OUTCOMES)}")
    return said.select(pl.coalesce(pl.when(name).then(pl.lit(name)) for name in _OUTCOMES)).to_series()


def _instants(kind: str, name: str, onset_s, said: dict, refused: Refusal, field: str) -> pl.DataFrame:
    lengths = {len(onset_s), *(len(values) for values in said.values())}
    if len(lengths) > 1:
        found = ", ".join(f"{len(values)} of {key}" for key, values in {"times": onset_s, **said}.items())
        raise refused(field=field, found=found, expected="as many values as times")
    return pl.DataFrame(
        {
            "kind": [kind] * len(onset_s),
            "name": [name] * len(onset_s),
            "source_id": range(len(onset_s)),
            "onset_s": onset_s,
            "offset_s": onset_s,
            "attributes": json_rows(pl.DataFrame(said)),
        },
        schema_overrides={"kind": pl.String, "name": pl.String, "source_id": pl.Int64},
    )
