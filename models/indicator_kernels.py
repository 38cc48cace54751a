"""Kernels of calcium indicators: what one moment of activity does to fluorescence in the frames that follow."""

from dataclasses import dataclass
from math import isfinite, log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from models.simulate_kernels import indicator_kernel

_CHEN = "Chen et al. (2013), suppl. table 3: mouse V1 in vivo, one action potential"
_ZHANG = "Zhang et al. (2023) and janelia.org/jgcamp8-calcium-indicators: cultured neurons, one action potential"


@dataclass(frozen=True)
class Indicator:
    """An indicator as it was measured: time to half decay and, where it is known, to the peak, in seconds."""

    name: str
    half_decay_s: float
    time_to_peak_s: float | None
    source: str

    @property
    def decay_s(self) -> float:
        """Time constant of an exponential that halves in ``half_decay_s``."""
        return self.half_decay_s / log(2)

    @property
    def rise_s(self) -> float | None:
        """Time constant with which (1 - exp(-t / rise)) exp(-t / decay) peaks at ``time_to_peak_s``, or None."""
        if self.time_to_peak_s is None:
            return None
        # The peak is at rise * ln(1 + decay / rise), which grows with the rise from 0 towards the decay constant.
        decay_s, peak_s = self.decay_s, self.time_to_peak_s
        return float(brentq(lambda rise_s: rise_s * np.log1p(decay_s / rise_s) - peak_s, 1e-9 * peak_s, 1e6 * decay_s))


INDICATORS: dict[str, Indicator] = {
    one.name: one
    for one in (
        Indicator("GCaMP6s", 0.550, 0.179, _CHEN),
        Indicator("GCaMP6f", 0.142, 0.045, _CHEN),
        Indicator("jGCaMP7s", 1.69, None, "Dana et al. (2019): cultured neurons, ten action potentials"),
        Indicator("jGCaMP7f", 0.1819, 0.0995, f"{_ZHANG}, control"),
        Indicator("jGCaMP8s", 0.3067, 0.0570, _ZHANG),
        Indicator("jGCaMP8m", 0.1183, 0.0290, _ZHANG),
        Indicator("jGCaMP8f", 0.0674, 0.0248, _ZHANG),
        Indicator("GCaMP5G", 0.510, None, "Akerboom et al. (2012), fig. 8I: mouse V1, median after a grating's end"),
        Indicator("GCaMP3", 0.520, None, "Akerboom et al. (2012), fig. 8I: mouse V1, median after a grating's end"),
        Indicator("OGB-1", 1.510, None, "Akerboom et al. (2012), fig. 8I: mouse V1, median after a grating's end"),
    )
}
# Of larval zebrafish, as the tectum study's own code has them. It names no measurement; its list of ROIs that pass
# comes out with 1.5 s for GCaMP6s, and not with the 1.8 s that stand in the code.
TECTUM_DECAY_S = {"GCaMP6s": 1.8, "GCaMP6f": 0.8}
TECTUM_LIST_DECAY_S = 1.5


def indicator_named(name: str) -> Indicator:
    """The indicator of that name, written in any case and with or without the j: gcamp8m is jGCaMP8m.

    Raises ValueError for an indicator without values here, with those that have some: a decay can be given instead.
    """
    sought = _plain(name)
    for one in INDICATORS.values():
        if _plain(one.name) == sought:
            return one
    raise ValueError(f"no kinetics of indicator {name!r}; known: {', '.join(INDICATORS)}. Give decay_s instead")


@dataclass(frozen=True)
class Kernel:
    """The shape that is chosen: exp(-t / decay), or (1 - exp(-t / rise)) exp(-t / decay) where there is a rise.

    Both are time constants in seconds. Raises ValueError for one that isn't positive and finite.
    """

    decay_s: float
    rise_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("decay_s", "rise_s"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive, got {value}")


def kernel_of(name: str, with_rise: bool = False) -> Kernel:
    """The kernel of an indicator by its literature values, decay alone unless the rise is asked for.

    They are of one spike, mostly in mice: bursts, and larval fish in the cold, decay more slowly, so that a decay
    measured in the recording (``models.decay_estimates``) comes before them. Raises ValueError for an indicator
    without values, or without a time to peak where the rise is asked for.
    """
    indicator = indicator_named(name)
    if with_rise and indicator.rise_s is None:
        raise ValueError(f"no time to peak of {indicator.name} is known here: ask for its decay alone, or give rise_s")
    return Kernel(indicator.decay_s, indicator.rise_s if with_rise else None)


def sampled_kernel(kernel: Kernel, rate_hz: float, n_frames: int) -> NDArray[np.float64]:  # (n_frames,)
    """The kernel at the frames from a stimulus' own on, over a recording's length, normalised to a sum of 1.

    ``rate_hz`` frames per second. With a rise the stimulus' own frame has 0, as the rise starts there. Raises
    ValueError for a rate that isn't positive, no frames, or a kernel over within the first frame, of which nothing
    would be left.
    """
    if not (isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"rate_hz must be positive, got {rate_hz}")
    if n_frames < 1:
        raise ValueError(f"a kernel needs at least one frame, got {n_frames}")
    t_s = np.arange(n_frames) / rate_hz  # (n_frames,)
    if kernel.rise_s is None:
        response = np.exp(-t_s / kernel.decay_s)
    else:
        response = indicator_kernel(t_s, kernel.rise_s, kernel.decay_s)
    if not (total := response.sum()) > 0:
        raise ValueError(f"a kernel with a decay of {kernel.decay_s} s is over within a frame of {1 / rate_hz:g} s")
    return response / total


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "").removeprefix("j")
