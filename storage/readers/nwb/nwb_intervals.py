"""Intervals of an NWB file: trials with their outcomes, and every other table of times as events."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from storage.readers.given import Given
from storage.readers.nwb.nwb_contents import Contents
from storage.readers.nwb.nwb_tables import attributes, numbers, row_ids, texts
from storage.readers.recording import Refusal
from storage.tables import TRIALS

_OUTCOMES = next(column.one_of for column in TRIALS.columns if column.name == "outcome") or ()
_OUTCOME_COLUMNS = ("outcome", "trial_outcome", "result", "trial_result", "trial_type")
_CORRECT_COLUMNS = ("correct", "is_correct")
_LABELS = ("label", "name", "event_name", "stimulus_name", "event_type", "annotation", "tags")
_NAMED_KINDS = {
    **dict.fromkeys(("lick", "licks", "licktimes"), "lick"),
    **dict.fromkeys(("reward", "rewards", "rewardtimes"), "reward"),
}


def kind_named(name: str) -> str:
    """The kind of events that a table or series of this name holds."""
    if "presentations" in name.lower():
        return "stimulus"
    return _NAMED_KINDS.get(name.lower().replace("_", ""), "mark")


def trials_of(contents: Contents, session_id: str, given: Given) -> dict[str, list] | None:
    """Columns of recorded.trials, None without trials.

    The outcome is that of a column of words or of true and false, where each of them says one; what else the table
    says stands in attributes. Raises Refused for a trial without a start.
    """
    table, refused, where = contents.trials, given.refused, "intervals/trials"
    if table is None or not len(table.id):
        return None
    ids = row_ids(table, where, refused)
    taken, outcome = _outcomes(table, len(ids), where, refused)
    said, left_out = attributes(table, {"start_time", "stop_time", *taken}, where, refused)
    contents.left_out |= left_out
    return {
        "session_id": [session_id] * len(ids),
        "trial_id": ids.tolist(),
        "start_s": _seconds(table, "start_time", where, refused).tolist(),
        "stop_s": _times(table, "stop_time", where, refused).tolist(),
        "outcome": outcome,
        "attributes": said,
    }


def interval_rows(contents: Contents, besides: Collection[str], given: Given) -> list[dict[str, Any]]:
    """An event for each row of each table but those of images and trials, in no order yet.

    A table named ``*presentations*`` holds stimuli, others marks, or licks or rewards if that is their name. Raises
    Refused for a row without a start.
    """
    named = [(f"intervals/{name}", one) for name, one in contents.intervals.items() if name not in besides]
    rows: list[dict[str, Any]] = []
    for where, table in named + [(placed.where, placed.held) for placed in contents.other_intervals]:
        rows += _rows(table, where, contents, given.refused)
    return rows


def events_of(images: Mapping[str, list], others: Sequence[dict[str, Any]], session_id: str) -> Mapping[str, list]:
    """Columns of recorded.events of images and all others together, numbered in order of onset."""
    if images and not others:
        return images
    rows = [dict(zip(images, row, strict=True)) for row in zip(*images.values(), strict=True)]
    ordered = sorted([*rows, *others], key=lambda row: row["onset_s"])
    names = ("kind", "name", "source_id", "onset_s", "offset_s", "image_name", "is_change", "attributes")
    columns: dict[str, list] = {name: [row.get(name) for row in ordered] for name in names}
    return {"session_id": [session_id] * len(ordered), "event_id": list(range(len(ordered)))} | columns


def _rows(table: Any, where: str, contents: Contents, refused: Refusal) -> list[dict[str, Any]]:
    ids = row_ids(table, where, refused)
    if not len(ids):
        return []
    if "timestamp" in table.colnames and "start_time" not in table.colnames:
        onset_s = _seconds(table, "timestamp", where, refused)
        length_s = _times(table, "duration", where, refused) if "duration" in table.colnames else np.zeros(len(ids))
        offset_s = onset_s + np.where(np.isnan(length_s), 0, length_s)
        taken = {"timestamp", "duration"}
    else:
        onset_s = _seconds(table, "start_time", where, refused)
        offset_s = _times(table, "stop_time", where, refused)
        taken = {"start_time", "stop_time"}
    names: list[str | None] = [table.name.removesuffix("_presentations")] * len(ids)
    for label in _LABELS:
        said = texts(table, label, where, refused)
        if said and any(said):
            names, taken = [one or table.name for one in said], taken | {label}
            break
    other, left_out = attributes(table, taken, where, refused)
    contents.left_out |= left_out
    columns = (names, ids.tolist(), onset_s.tolist(), offset_s.tolist(), other)
    keys = ("name", "source_id", "onset_s", "offset_s", "attributes")
    kind = kind_named(table.name)
    return [{"kind": kind, **dict(zip(keys, row, strict=True))} for row in zip(*columns, strict=True)]


def _seconds(table: Any, name: str, where: str, refused: Refusal) -> np.ndarray:
    time_s = _times(table, name, where, refused)
    if (bad := np.flatnonzero(~np.isfinite(time_s))).size:
        found = f"{time_s[bad[0]]} at row {bad[0]} ({bad.size} of {time_s.size} rows)"
        raise refused(field=f"{where} {name}", found=found, expected="finite seconds")
    return time_s


def _times(table: Any, name: str, where: str, refused: Refusal) -> np.ndarray:
    values = numbers(table, name, refused)
    if values is None:
        found = "text" if name in table.colnames else "no such column"
        raise refused(field=f"{where} {name}", found=found, expected="seconds, one for each row")
    return values.astype(np.float64)


def _outcomes(table: Any, count: int, where: str, refused: Refusal) -> tuple[set[str], list[str | None]]:
    """The column that tells outcomes, if it tells nothing else, and the outcome of each trial."""
    for name in _OUTCOME_COLUMNS:
        said = texts(table, name, where, refused)
        words = [_word(one) for one in said] if said else []
        if any(words) and all(word in (None, *_OUTCOMES) for word in words):
            return {name}, words
    flags = {name: _flags(table, name, where, refused) for name in _OUTCOMES if name in table.colnames}
    flags = {name: values for name, values in flags.items() if values is not None and name != "correct"}
    if len(flags) > 1:
        true = [[name for name, values in flags.items() if values[row]] for row in range(count)]
        # Two at once don't say which of them the trial was; they stay in its attributes.
        return set(), [names[0] if len(names) == 1 else None for names in true]
    for name in _CORRECT_COLUMNS:
        if (values := _flags(table, name, where, refused) if name in table.colnames else None) is not None:
            return {name}, [None if one is None else "correct" if one else "incorrect" for one in values]
    return set(), [None] * count


def _word(said: str | None) -> str | None:
    if said is None or said.lower() in ("nan", "none", "n/a"):
        return None
    word = re.sub(r"[\s-]+", "_", said.lower())
    return {"correct_rejection": "correct_reject"}.get(word, word)


def _flags(table: Any, name: str, where: str, refused: Refusal) -> list[bool | None] | None:
    """The column as true or false, None where it is NaN; None in all when it holds anything else."""
    values = numbers(table, name, refused)
    if values is None or not np.isin(found := values[values == values], (0, 1)).all() or not found.size:
        return None
    return [None if value != value else bool(value) for value in values.tolist()]
