"""The .npz of CaImAn's scripts and of its own tests: C or C_full, and what else was saved with it."""

from typing import Any

import numpy as np

from storage.readers.about import About, agreed_hz
from storage.readers.foreign.numpy_files import arrays_in, read_arrays
from storage.readers.given import Given
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
from storage.readers.pipelines.whole_signals import as_float32, whole_signal
from storage.traces import Traces

_OF_ALL_FRAMES = "C_full"  # in CaImAn's tests, beside the C_patch of parts of the plane
_INFORMATION = "information"


def components_of_npz(given: Given, about: About) -> Components:
    """The components. A (footprints) are pickled sparse matrices, which aren't opened. Raises Refused."""
    known = arrays_in(given.path, given.refused)
    name_of = {DENOISED: _OF_ALL_FRAMES} if _OF_ALL_FRAMES in known else {}
    here = [name for name in (*SIGNALS, RESIDUAL) if name_of.get(name, name) in known]
    if DENOISED not in here:
        found = f"no {DENOISED}; there are {', '.join(known)}"[:200]
        raise given.refused(field="arrays", found=found, expected="components x frames")
    shape = known[name_of.get(DENOISED, DENOISED)][0]
    for name in here:
        found, dtype = known[name_of.get(name, name)]
        require_shape(name, found, shape, given.refused)
        if len(found) != 2 or not all(found) or dtype.kind != "f":
            raise given.refused(field=name, found=f"{dtype} of shape {found}", expected="components x frames")
    settings = _information(given) if _INFORMATION in known else {}
    where = f"{_INFORMATION} params final_frate" if settings else _INFORMATION
    rate_hz = agreed_hz(given, "rate_hz", settings.get("params", {}).get("final_frate"), about.rate_hz, where)
    # None is kept as an object, and means that nobody chose.
    plain = {one for one in (CHOICE, CORRELATION) if one in known and known[one][1].kind != "O"}
    beside = read_arrays(given.path, given.refused, names=plain)
    accepted = accepted_of(beside.get(CHOICE), shape[0], CHOICE, given.refused)

    def traces(session_id: str) -> list[Traces]:
        def load(summed: tuple[str, ...]) -> np.ndarray:
            stored = [name_of.get(name, name) for name in summed]
            arrays = read_arrays(given.path, given.refused, names=stored)
            return as_float32(sum(arrays[name][accepted] for name in stored))

        return [
            whole_signal(session_id, signal, accepted, shape[1], lambda summed=summed: load(summed))
            for signal, summed in signals_of(here).items()
        ]

    read = {*(name_of.get(name, name) for name in here), *plain, _INFORMATION}
    metadata = {_INFORMATION: settings, "not_read": sorted(set(known) - read)}
    units = [{"unit_id": component} for component in accepted.tolist()]
    return Components(*shape, rate_hz, accepted, units, traces, beside.get(CORRELATION), metadata)


def _information(given: Given) -> dict[str, Any]:
    """What CaImAn's tests say of how the file was made, without their timings and differences."""
    held = read_arrays(given.path, given.refused, names=[_INFORMATION], pickled=[_INFORMATION])[_INFORMATION]
    if held.shape != () or type(held[()]) is not dict:
        found = f"{held.dtype} of shape {held.shape}"
        raise given.refused(field=_INFORMATION, found=found, expected="a dict")
    said = held[()]
    params = said.get("params", {})
    if type(params) is not dict:
        raise given.refused(field=f"{_INFORMATION} params", found=repr(params)[:200], expected="a dict")
    if type(rate := params.get("final_frate", 1.0)) not in (int, float):
        raise given.refused(field=f"{_INFORMATION} params final_frate", found=repr(rate)[:200], expected="a rate in Hz")
    return {name: said[name] for name in ("params", "time", "platform", "processor") if name in said}
