"""Stimulus presentations of an NWB file, as rows of recorded.events."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from storage.readers.nwb.nwb_tables import column
from storage.readers.recording import Refusal

_NEEDED = ("image_name", "omitted")
READ = ("start_time", "stop_time", *_NEEDED, "is_change", "exposure_level")


def image_table(intervals: Mapping[str, Any], refused: Refusal) -> tuple[str, Any] | None:
    """Name and table of the image presentations: named ``*presentations*``, and telling images and omissions.

    None where no such table has either column. Raises what ``refused`` makes for several, or one with half of them.
    """
    named = {name: table for name, table in intervals.items() if "presentations" in name.lower()}
    some = {name: table for name, table in named.items() if set(_NEEDED) & set(table.colnames)}
    whole = {name: table for name, table in some.items() if set(_NEEDED) <= set(table.colnames)}
    if some and not whole:
        name, table = next(iter(some.items()))
        absent = [needed for needed in _NEEDED if needed not in table.colnames]
        found = f"no column {', '.join(absent)} among {', '.join(table.colnames)}"
        raise refused(field=f"intervals/{name} {absent[0]}", found=found, expected="image_name and omitted")
    if len(whole) > 1:
        raise refused(field="intervals", found=", ".join(whole), expected="one table of image presentations")
    return whole.popitem() if whole else None


def events_and_exposure(
    table: Any, where: str, session_id: str, refused: Refusal
) -> tuple[dict[str, list], str | None]:
    """Columns of recorded.events, and the exposure level where all presentations agree on one.

    Raises what ``refused`` makes when a value is none that its column can hold, or a row begins before the one above.
    """
    onset_s, offset_s = (_seconds(table, name, where, refused) for name in ("start_time", "stop_time"))
    if (back := np.flatnonzero(np.diff(onset_s) < 0)).size:
        row = int(back[0]) + 1
        found = f"{float(onset_s[row])!r} s at row {row}, after {float(onset_s[row - 1])!r} s"
        raise refused(field=f"{where} start_time", found=found, expected="presentations in order of onset")
    omitted = _flags(table, "omitted", where, refused)
    if None in omitted:
        row = omitted.index(None)
        raise refused(field=f"{where} omitted", found=f"nothing at row {row}", expected="true or false")
    images = [_text(image) for image in column(table, "image_name", where, refused)]
    for row, (image, gap) in enumerate(zip(images, omitted, strict=True)):
        if not image and not gap:
            raise refused(field=f"{where} image_name", found=f"no name at row {row}", expected="the image shown")
    is_change = _flags(table, "is_change", where, refused) if "is_change" in table.colnames else [None] * len(images)
    levels = set()
    if "exposure_level" in table.colnames:
        levels = {_text(level) for level in column(table, "exposure_level", where, refused)}
    names = [None if gap else image for image, gap in zip(images, omitted, strict=True)]
    rows = {
        "session_id": [session_id] * len(onset_s),
        "event_id": list(range(len(onset_s))),
        "kind": ["omission" if gap else "image" for gap in omitted],
        "onset_s": onset_s.tolist(),
        "offset_s": offset_s.tolist(),
        "image_name": names,
        "is_change": is_change,
    }
    return rows, (levels.pop() or None) if len(levels) == 1 else None


def _seconds(table: Any, name: str, where: str, refused: Refusal) -> np.ndarray:
    time_s = np.asarray(column(table, name, where, refused), dtype=np.float64)
    if (bad := np.flatnonzero(~np.isfinite(time_s))).size:
        found = f"{time_s[bad[0]]} at row {bad[0]} ({bad.size} of {time_s.size} rows)"
        raise refused(field=f"{where} {name}", found=found, expected="finite seconds")
    return time_s


def _flags(table: Any, name: str, where: str, refused: Refusal) -> list[bool | None]:
    """The column as true or false, None where it is NaN."""
    values = np.asarray(column(table, name, where, refused))
    numbers = values.astype(np.float64) if values.dtype.kind in "biuf" else np.full(len(values), 2.0)
    if (bad := np.flatnonzero(~(np.isnan(numbers) | (numbers == 0) | (numbers == 1)))).size:
        found = f"{_text(values[bad[0]])!r} at row {bad[0]}"
        raise refused(field=f"{where} {name}", found=found, expected="true or false")
    return [None if np.isnan(number) else bool(number) for number in numbers]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
