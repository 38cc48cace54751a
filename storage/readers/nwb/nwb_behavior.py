"""Signals of the animal in an NWB file, as blocks of recorded.behavior_signals; and what happened, as events."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from storage.readers.foreign.hdf5_files import opened_hdf5, texts_at
from storage.readers.given import Given, as_json
from storage.readers.nwb.nwb_contents import Contents, Placed, kind_of
from storage.readers.nwb.nwb_intervals import kind_named
from storage.readers.nwb.nwb_series import Samples, samples_of
from storage.readers.nwb.nwb_tables import MOST_ROWS, MOST_VALUES, stored_in
from storage.row_files import RowBlocks
from storage.tables import BEHAVIOR_SIGNALS

if TYPE_CHECKING:
    import h5py

_MOST_COLUMNS = 8
_ROWS_PER_BLOCK = 1_000_000
_UNITS = {
    **dict.fromkeys(("meter", "meters", "metre", "metres"), "m"),
    **dict.fromkeys(("centimeter", "centimeters", "centimetre", "centimetres"), "cm"),
    **dict.fromkeys(("millimeter", "millimeters", "millimetre", "millimetres"), "mm"),
    **dict.fromkeys(("pixel", "pixels"), "px"),
    **dict.fromkeys(("degree", "degrees"), "deg"),
    **dict.fromkeys(("radian", "radians"), "rad"),
    **dict.fromkeys(("second", "seconds", "sec"), "s"),
    **dict.fromkeys(("volt", "volts"), "v"),
    **dict.fromkeys(("a_u", "arbitrary_units", "arbitrary_unit"), "au"),
    **dict.fromkeys(("none", "na", "n_a", "n_per_a", "unknown", "unitless", "dimensionless", "no_unit"), ""),
}


@dataclass(frozen=True)
class _Signal:
    name: str
    samples: Samples
    column: int | None


def behavior_signals(contents: Contents, session_id: str, given: Given) -> list[RowBlocks]:
    """Every series of up to eight columns of numbers, a signal for each column; others are named as left out.

    A signal is called as its series, with its column and its unit: 'position_x_cm'; series of one name are called by
    their whole place. As the blocks are read, times that aren't finite or run backwards are refused.
    """
    kept: list[Placed] = []
    for placed in contents.signals:
        if _is_signal(placed.held):
            kept.append(placed)
        else:
            contents.left_out[placed.where] = kind_of(placed.held)
    often = Counter(_snake(placed.held.name) for placed in kept)
    signals: list[_Signal] = []
    for placed in kept:
        alone = often[_snake(placed.held.name)] == 1
        signals += _signals(placed, _snake(placed.held.name if alone else placed.where), given)
    if not signals:
        return []
    return [RowBlocks(BEHAVIOR_SIGNALS, lambda: _blocks(signals, session_id, given))]


def happenings(contents: Contents, given: Given) -> list[dict[str, Any]]:
    """An event for each sample of a series of behavioural events, and for each annotation, in no order yet."""
    rows: list[dict[str, Any]] = []
    for placed in contents.happenings:
        if not _is_signal(placed.held, MOST_VALUES):
            contents.left_out[placed.where] = kind_of(placed.held)
            continue
        samples = samples_of(placed.held, placed.where, given.refused, kinds="fiub")
        time_s, values = _whole(samples, contents.file, given)
        unit = placed.held.unit
        kind, name = kind_named(placed.held.name), placed.held.name
        said = [as_json({"value": value, "unit": unit}) for value in values.tolist()]
        rows += [_event(kind, name, at, other) for at, other in zip(time_s.tolist(), said, strict=True)]
    for placed in contents.annotations:
        data = stored_in(placed.held.data)
        times = stored_in(placed.held.timestamps)
        if data is None or times is None or data.shape != times.shape:
            contents.left_out[placed.where] = kind_of(placed.held)
            continue
        names = texts_at(data.file, data.name, given.refused)
        time_s = _finite(times[:].astype(float), placed.where, given)
        rows += [_event("mark", name, at, None) for name, at in zip(names, time_s.tolist(), strict=True)]
    return rows


def _event(kind: str, name: str, onset_s: float, said: str | None) -> dict[str, Any]:
    return {"kind": kind, "name": name, "onset_s": onset_s, "offset_s": onset_s, "attributes": said}


def _is_signal(series: Any, most_columns: int = _MOST_COLUMNS) -> bool:
    data = stored_in(series.data)
    if data is None or data.dtype.kind not in "fiub" or not len(data.shape) or not len(data):
        return False
    return data.ndim == 1 or (data.ndim == 2 and data.shape[1] <= most_columns)


def _whole(samples: Samples, file: "h5py.File", given: Given) -> tuple[np.ndarray, np.ndarray]:
    if len(samples) > MOST_ROWS:
        expected = f"at most {MOST_ROWS} events"
        raise given.refused(field=f"{samples.where} data", found=f"{len(samples)} samples", expected=expected)
    time_s, values = samples.time_s(file, 0, len(samples)), samples.values(file, 0, len(samples))
    return _finite(time_s, samples.where, given), values


def _finite(time_s: np.ndarray, where: str, given: Given, first: int = 0) -> np.ndarray:
    if (bad := np.flatnonzero(~np.isfinite(time_s))).size:
        found = f"{time_s[bad[0]]} at sample {first + bad[0]}"
        raise given.refused(field=f"{where} timestamps", found=found, expected="finite seconds")
    return time_s


def _signals(placed: Placed, name: str, given: Given) -> list[_Signal]:
    samples = samples_of(placed.held, placed.where, given.refused, kinds="fiub")
    unit = unit_suffix(placed.held.unit)
    if len(samples.shape) == 1 or samples.shape[1] == 1:
        return [_Signal(_joined(name, unit), samples, None if len(samples.shape) == 1 else 0)]
    spatial = type(placed.held).__name__ == "SpatialSeries" and samples.shape[1] <= 3
    axes = "xyz" if spatial else [str(one) for one in range(samples.shape[1])]
    return [_Signal(_joined(f"{name}_{axes[one]}", unit), samples, one) for one in range(samples.shape[1])]


def _blocks(signals: list[_Signal], session_id: str, given: Given) -> Iterator[pa.Table]:
    for signal in signals:
        samples, last_s = signal.samples, -np.inf
        for start in range(0, len(samples), _ROWS_PER_BLOCK):
            stop = min(start + _ROWS_PER_BLOCK, len(samples))
            with opened_hdf5(given.path, given.refused) as file:
                time_s = _finite(samples.time_s(file, start, stop), samples.where, given, start)
                values = samples.values(file, start, stop, signal.column).astype(np.float64)
            steps = np.diff(time_s, prepend=last_s)
            if (back := np.flatnonzero(steps < 0)).size:
                found = f"time running backwards at sample {start + back[0]}, to {float(time_s[back[0]])!r} s"
                expected = "seconds in ascending order"
                raise given.refused(field=f"{samples.where} timestamps", found=found, expected=expected)
            last_s = float(time_s[-1])
            columns = [
                pa.repeat(session_id, stop - start),
                pa.repeat(signal.name, stop - start),
                np.arange(start, stop, dtype=np.int32),
                time_s,
                pa.array(values, mask=np.isnan(values)),
            ]
            yield pa.table(columns, schema=BEHAVIOR_SIGNALS.arrow_schema)


def unit_suffix(unit: str | None) -> str:
    """The unit as the end of a signal's name: 'cm/s' is cm_per_s, 'pixels^2' px2, '' what has none."""
    parts = []
    for part in re.split(r"\s*/\s*|\s+per\s+", (unit or "").strip().lower()):
        part = part.replace("%", "percent").replace("µ", "u").replace("²", "2").replace("^", "")
        plain = re.sub(r"[^a-z0-9]+", "_", part).strip("_")
        base, power = re.fullmatch(r"(.*?)(\d?)", plain).groups()  # type: ignore[union-attr]
        parts.append(_UNITS.get(base, base) + power)
    suffix = "_per_".join(parts)
    return _UNITS.get(suffix, suffix)


def _joined(name: str, unit: str) -> str:
    return name if not unit or name.endswith(f"_{unit}") else f"{name}_{unit}"


def _snake(name: str) -> str:
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")
