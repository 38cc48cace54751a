"""Stimulus presentations of an NWB file, as rows of recorded.events."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from storage.readers.recording import Refusal

_NEEDED = ("image_name", "omitted")


def events_and_exposure(
    intervals: Mapping[str, Any] | None, session_id: str, refused: Refusal
) -> tuple[dict[str, list], str | None]:
    """Columns of recorded.events, and the exposure level where all presentations agree on one.

    Takes the table of ``intervals`` named ``*presentations*``; of several, the one that tells images and omissions.
    No table, or an empty one, gives no events. Raises Refused when a column is missing or a value is none it can hold.
    """
    named = {name: table for name, table in (intervals or {}).items() if "presentations" in name.lower()}
    whole = {name: table for name, table in named.items() if set(_NEEDED) <= set(table.colnames)}
    if not named:
        return _rows(session_id, np.empty(0), np.empty(0), [], [], []), None
    if not whole:
        name, table = next(iter(named.items()))
        absent = [column for column in _NEEDED if column not in table.colnames]
        found = f"no column {', '.join(absent)} among {', '.join(table.colnames)}"
        raise refused(field=f"intervals/{name} {absent[0]}", found=found, expected="image_name and omitted")
    if len(whole) > 1:
        raise refused(field="intervals", found=", ".join(whole), expected="one table of image presentations")
    name, table = whole.popitem()
    where = f"intervals/{name}"
    onset_s, offset_s = (_seconds(table, column, where, refused) for column in ("start_time", "stop_time"))
    omitted = _flags(table, "omitted", where, refused)
    if None in omitted:
        row = omitted.index(None)
        raise refused(field=f"{where} omitted", found=f"nothing at row {row}", expected="true or false")
    images = [_text(image) for image in table["image_name"][:]]
    for row, (image, gap) in enumerate(zip(images, omitted, strict=True)):
        if not image and not gap:
            raise refused(field=f"{where} image_name", found=f"no name at row {row}", expected="the image shown")
    is_change = _flags(table, "is_change", where, refused) if "is_change" in table.colnames else [None] * len(images)
    levels = {_text(level) for level in table["exposure_level"][:]} if "exposure_level" in table.colnames else set()
    names = [None if gap else image for image, gap in zip(images, omitted, strict=True)]
    rows = _rows(session_id, onset_s, offset_s, omitted, names, is_change)
    return rows, (levels.pop() or None) if len(levels) == 1 else None


def _rows(
    session_id: str, onset_s: np.ndarray, offset_s: np.ndarray, omitted: list, names: list, is_change: list
) -> dict[str, list]:
    return {
        "session_id": [session_id] * len(onset_s),
        "event_id": list(range(len(onset_s))),
        "kind": ["omission" if gap else "image" for gap in omitted],
        "onset_s": onset_s.tolist(),
        "offset_s": offset_s.tolist(),
        "image_name": names,
        "is_change": is_change,
    }


def _seconds(table: Any, column: str, where: str, refused: Refusal) -> np.ndarray:
    time_s = np.asarray(table[column][:], dtype=np.float64)
    if (bad := np.flatnonzero(~np.isfinite(time_s))).size:
        found = f"{time_s[bad[0]]} at row {bad[0]} ({bad.size} of {time_s.size} rows)"
        raise refused(field=f"{where} {column}", found=found, expected="finite seconds")
    return time_s


def _flags(table: Any, column: str, where: str, refused: Refusal) -> list[bool | None]:
    """The column as true or false, None where it is NaN."""
    values = np.asarray(table[column][:])
    numbers = values.astype(np.float64) if values.dtype.kind in "biuf" else np.full(len(values), 2.0)
    if (bad := np.flatnonzero(~(np.isnan(numbers) | (numbers == 0) | (numbers == 1)))).size:
        found = f"{_text(values[bad[0]])!r} at row {bad[0]}"
        raise refused(field=f"{where} {column}", found=found, expected="true or false")
    return [None if np.isnan(number) else bool(number) for number in numbers]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
