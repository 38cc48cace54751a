"""What either form of CaImAn's results comes to: components, which of them were accepted, and their signals."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from storage.readers.recording import Refusal
from storage.traces import Traces

DENOISED, RESIDUAL = "C", "YrA"
SIGNALS = {DENOISED: "denoised", "S": "deconvolved", "F_dff": "dff"}
CHOICE = "idx_components"
CORRELATION = "Cn"


@dataclass(frozen=True)
class Components:
    """All that a file says. ``accepted`` (n_units,) int64 are rows of C, ``traces`` gives a session's signals."""

    count: int
    frame_count: int
    rate_hz: float | None
    accepted: np.ndarray
    units: list[dict[str, Any]]
    traces: Callable[[str], list[Traces]]
    correlation: np.ndarray | None
    metadata: dict[str, Any]


def signals_of(names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The arrays that add up to each signal, of those that are there.

    C is a model's calcium, in the scale of the ROI's fluorescence; YrA is what it leaves of the demixed fluorescence.
    """
    signals = {signal: (name,) for name, signal in SIGNALS.items() if name in names}
    return signals | ({"demixed": (DENOISED, RESIDUAL)} if RESIDUAL in names else {})


def accepted_of(chosen: np.ndarray | None, count: int, field: str, refused: Refusal) -> np.ndarray:
    """The accepted components in ascending order, (n_units,) int64; all where none were chosen.

    Raises what ``refused`` makes unless ``chosen`` are some of 0 to ``count`` - 1, each once.
    """
    if chosen is None:
        return np.arange(count)
    flat = chosen.ravel()
    fits = (flat >= 0) & (flat < count) & (flat == np.floor(flat)) if flat.dtype.kind in "iuf" else flat != flat
    if not fits.all():
        raise refused(field=field, found=f"component {flat[~fits][0].item()!r}"[:200], expected=f"0 to {count - 1}")
    accepted = np.unique(flat).astype(np.int64)
    if len(accepted) < len(flat):
        raise refused(field=field, found=f"{len(flat) - len(accepted)} twice", expected="each component once")
    if not len(accepted):
        raise refused(field=field, found=f"0 of {count} components", expected="an accepted component")
    return accepted


def require_shape(field: str, found: tuple[int, ...], expected: tuple[int, ...], refused: Refusal) -> None:
    """Raises what ``refused`` makes when an array isn't as large as the others are."""
    if tuple(found) != tuple(expected):
        raise refused(field=field, found=f"shape {tuple(found)}", expected=f"{tuple(expected)}, as {DENOISED}")
