"""The HDF5 file that CaImAn's CNMF.save() writes: its groups estimates and params."""

from typing import TYPE_CHECKING, Any

import numpy as np

from storage.readers.about import About, agreed_hz
from storage.readers.foreign.hdf5_files import dataset_at, numbers_at, opened_hdf5, texts_at
from storage.readers.given import Given, as_json
from storage.readers.pipelines.caiman_components import (
    CHOICE,
    CORRELATION,
    DENOISED,
    RESIDUAL,
    SIGNALS,
    Components,
    accepted_of,
    require_shape,
    signals_of,
)
from storage.readers.pipelines.whole_signals import as_float32
from storage.readers.recording import Refusal
from storage.traces import Traces, TraceStream

if TYPE_CHECKING:
    import h5py

_ABSENT = "NoneType"  # how CNMF.save() writes None
_SCORES = ("SNR_comp", "r_values", "cnn_preds")
_RATE = "data/fr"
_VALUES_PER_BLOCK = 4_000_000
_LONGEST_SETTING = 1_000


def components_of_hdf5(given: Given, about: About) -> Components:
    """The components, their footprints' centres and areas, and CaImAn's parameters. Raises Refused."""
    refused = given.refused
    with opened_hdf5(given.path, refused) as file:
        estimates = file["estimates"]
        here = [name for name in (*SIGNALS, RESIDUAL) if _is_there(estimates, name)]
        shape = dataset_at(estimates, DENOISED, refused, kinds="f", ndim=2).shape
        for name in here:
            found = dataset_at(estimates, name, refused, kinds="f", ndim=2).shape
            require_shape(f"estimates/{name}", found, shape, refused)
        if not all(shape):
            raise refused(field=f"estimates/{DENOISED}", found=f"shape {shape}", expected="components x frames")
        settings = _settings(file, refused)
        rate_hz = agreed_hz(given, "rate_hz", settings.get(_RATE), about.rate_hz, f"params/{_RATE}")
        chosen = numbers_at(estimates, CHOICE, refused) if _is_there(estimates, CHOICE) else None
        accepted = accepted_of(chosen, shape[0], f"estimates/{CHOICE}", refused)
        units = _units(file, accepted, shape[0], refused)
        correlation = numbers_at(estimates, CORRELATION, refused) if _is_there(estimates, CORRELATION) else None

    def traces(session_id: str) -> list[Traces]:
        return [
            TraceStream(session_id, signal, accepted, shape[1], _reader(given, summed, accepted))
            for signal, summed in signals_of(here).items()
        ]

    return Components(*shape, rate_hz, accepted, units, traces, correlation, {"params": settings})


def _reader(given: Given, summed: tuple[str, ...], accepted: np.ndarray) -> Any:
    def read(start: int, stop: int) -> np.ndarray:
        values = np.empty((len(accepted), stop - start), np.float32)  # (n_units, n_frames)
        with opened_hdf5(given.path, given.refused) as file:
            stored = [dataset_at(file["estimates"], name, given.refused, kinds="f", ndim=2) for name in summed]
            step = max(1, _VALUES_PER_BLOCK // (stop - start))
            for first in range(0, stored[0].shape[0], step):
                here = np.flatnonzero((accepted >= first) & (accepted < first + step))
                if len(here):
                    blocks = [one[first : first + step, start:stop][accepted[here] - first] for one in stored]
                    values[here] = as_float32(sum(blocks))
        return values

    return read


def _is_there(group: "h5py.Group", name: str) -> bool:
    """Whether it is, and isn't None."""
    import h5py

    found = group.get(name)
    if isinstance(found, h5py.Dataset) and found.shape == () and h5py.check_string_dtype(found.dtype):
        held = found[()]
        return (held.decode("utf-8", "replace") if isinstance(held, bytes) else held) != _ABSENT
    return found is not None


def _units(file: "h5py.File", accepted: np.ndarray, count: int, refused: Refusal) -> list[dict[str, Any]]:
    estimates = file["estimates"]
    there = {name: numbers_at(estimates, name, refused).ravel() for name in _SCORES if _is_there(estimates, name)}
    scores = {name: of_components for name, of_components in there.items() if of_components.size}  # [] is none
    for name, of_components in scores.items():
        require_shape(f"estimates/{name}", of_components.shape, (count,), refused)
    footprints = _footprints(file, accepted, count, refused)
    return [
        {"unit_id": component}
        | footprints.get(component, {})
        | ({"attributes": as_json({name: of[component] for name, of in scores.items()})} if scores else {})
        for component in accepted.tolist()
    ]


def _footprints(
    file: "h5py.File", accepted: np.ndarray, count: int, refused: Refusal
) -> dict[int, dict[str, float | None]]:
    """Centre of mass and area of each accepted component of a plane, from A in compressed sparse columns.

    A has a column per component and a row per pixel, those of an image column after one another.
    """
    import h5py

    matrix = file.get("estimates/A")
    if not isinstance(matrix, h5py.Group):
        return {}
    stored = {
        name: numbers_at(matrix, name, refused, kinds=kinds, ndim=1)
        for name, kinds in (("data", "f"), ("indices", "iu"), ("indptr", "iu"), ("shape", "iu"))
    }
    where = next((one for one in ("estimates/dims", "params/data/dims") if _is_there(file, one)), None)
    size = numbers_at(file, where, refused, ndim=1).tolist() if where else []
    if len(size) != 2:
        return {}  # a volume, or a plane of unknown height
    weights, pixels, begins = stored["data"], stored["indices"].astype(np.int64), stored["indptr"].astype(np.int64)
    if stored["shape"].tolist() != [size[0] * size[1], count] or len(begins) != count + 1:
        found = f"shape {stored['shape'].tolist()} and {len(begins) - 1} columns"
        raise refused(field="estimates/A", found=found, expected=f"[{size[0]} x {size[1]}, {count}]")
    whole = begins[0] == 0 and begins[-1] == len(weights) == len(pixels) and (np.diff(begins) >= 0).all()
    if not whole or (len(pixels) and not 0 <= pixels.min() <= pixels.max() < size[0] * size[1]):
        raise refused(field="estimates/A", found="columns or pixels out of range", expected="a whole sparse matrix")
    if not np.isfinite(weights).all():
        raise refused(field="estimates/A/data", found="values that aren't finite", expected="finite weights")
    rows: dict[int, dict[str, float | None]] = {}
    for component in accepted.tolist():
        span = slice(begins[component], begins[component + 1])
        x, y = np.divmod(pixels[span], int(size[0]))
        held, total = weights[span], weights[span].sum()
        centred = {"x_px": float(held @ x / total), "y_px": float(held @ y / total)} if total > 0 else {}
        rows[component] = centred | {"area_px": float(np.count_nonzero(held)) or None}
    return rows


def _settings(file: "h5py.File", refused: Refusal) -> dict[str, Any]:
    """The single numbers and texts in params, by group and name, and the movie's files."""
    import h5py

    settings: dict[str, Any] = {}
    params = file.get("params")
    for group, held in params.items() if isinstance(params, h5py.Group) else ():
        for name, one in held.items() if isinstance(held, h5py.Group) else ():
            is_text = isinstance(one, h5py.Dataset) and h5py.check_string_dtype(one.dtype) is not None
            if not isinstance(one, h5py.Dataset) or one.size is None or one.size > (100 if is_text else 1):
                continue
            if is_text:
                texts = texts_at(held, name, refused)
                told: Any = texts[0] if len(texts) == 1 else texts
                if told != _ABSENT and len(str(told)) <= _LONGEST_SETTING:
                    settings[f"{group}/{name}"] = told
            elif one.dtype.kind in "fiub" and one.size == 1:
                settings[f"{group}/{name}"] = numbers_at(held, name, refused, kinds="fiub").ravel()[0].item()
    if not isinstance(settings.get(_RATE, 1.0), int | float):
        raise refused(field=f"params/{_RATE}", found=repr(settings[_RATE])[:200], expected="frames per second")
    return settings
