"""Change-detection sessions seen through two-photon imaging, simulated with planted truth.

Mice watch a train of flashed images; now and then one is omitted. In familiar sets Vip cells ramp through an
omission; Sst cells follow the flashes and do not respond to omissions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from models.simulate_kernels import (
    Shape,
    flash_drive,
    flash_response,
    ramp_drive,
    ramp_peak_latency_s,
    ramp_response,
    support_s,
)

CreLine = Literal["Vip-IRES-Cre", "Sst-IRES-Cre"]
Exposure = Literal["familiar", "novel"]

IMAGES: dict[Exposure, tuple[str, ...]] = {
    "familiar": ("im061", "im062", "im063", "im065", "im066", "im069", "im077", "im085"),
    "novel": ("im000", "im031", "im035", "im045", "im054", "im073", "im075", "im106"),
}
_FIRST_FLASH_S = 5.0
_FLASHES_BEFORE_ANY_OMISSION = 10
_FIELD_PX = 512
_SHARED_NOISE_TIME_CONSTANT_S = 5.0


@dataclass(frozen=True)
class ChangeDetectionPlan:
    """What is simulated: mice, clock, planted effects, their spread, noise and indicator.

    Amplitudes (`_dff`) are peaks in dF/F of the noise-free response of the mean cell. A mouse shifts the
    flash amplitude of all its cells, and if Vip their omission ramp, by draws of s.d. ``mouse_sd_dff``; each
    cell adds its own draws of s.d. ``cell_sd_dff``; both are kept from the familiar to the novel session.
    ``omitted_fraction`` is the chance that a flash which may be omitted is. ``shared_noise_dff`` is a
    fluctuation (5 s) common to a session's cells, ``noise_dff`` is each cell's white noise per frame. A spike
    evokes a transient of ``spike_dff`` (GCaMP6f in V1: 19 %, same source); ``inference_noise`` is the white
    noise of inferred spikes, in spikes per frame.
    Indicator defaults: after GCaMP6f's one action potential in mouse V1 (Chen et al. 2013: 45 ms to peak,
    half decay 142 ms), here 48 ms to peak and a decay constant of 142 ms / ln 2. Raises ValueError for what
    cannot be.
    """

    n_vip_mice: int = 6
    n_sst_mice: int = 6
    cells_per_mouse: int = 20
    duration_s: float = 600.0
    frame_rate_hz: float = 31.0
    flash_interval_s: float = 0.75
    flash_s: float = 0.25
    omitted_fraction: float = 0.05
    vip_omission_ramp_dff: float = 0.10
    novel_omission_fraction: float = 0.3
    vip_flash_familiar_dff: float = 0.01
    vip_flash_novel_dff: float = 0.06
    sst_flash_familiar_dff: float = 0.08
    sst_flash_novel_dff: float = 0.12
    mouse_sd_dff: float = 0.01
    cell_sd_dff: float = 0.02
    noise_dff: float = 0.05
    shared_noise_dff: float = 0.01
    indicator_rise_s: float = 0.02
    indicator_decay_s: float = 0.205
    spike_dff: float = 0.19
    inference_noise: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not np.isfinite(getattr(self, field.name)):
                raise ValueError(f"{field.name} must be finite, got {getattr(self, field.name)}")
        counts, spreads = ("n_vip_mice", "n_sst_mice"), ("mouse_sd_dff", "cell_sd_dff")
        for name in (*counts, *spreads, "noise_dff", "shared_noise_dff", "inference_noise"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("frame_rate_hz", "flash_s", "indicator_rise_s", "indicator_decay_s", "spike_dff"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.n_vip_mice + self.n_sst_mice < 1:
            raise ValueError("a plan needs at least one mouse, got none")
        if not 1 <= self.cells_per_mouse <= 10_000:
            raise ValueError(f"cells_per_mouse must be 1 to 10000, got {self.cells_per_mouse}")
        if not self.flash_s < self.flash_interval_s:
            raise ValueError(f"flash_s {self.flash_s} must be under flash_interval_s {self.flash_interval_s}")
        if not 0 <= self.omitted_fraction <= 1:
            raise ValueError(f"omitted_fraction must be 0 to 1, got {self.omitted_fraction}")
        shortest_s = _FIRST_FLASH_S + (_FLASHES_BEFORE_ANY_OMISSION + 2) * self.flash_interval_s
        if self.duration_s < shortest_s:
            raise ValueError(f"duration_s must be at least {shortest_s}, got {self.duration_s}")

    def without_effect(self) -> "ChangeDetectionPlan":
        """The null: flashes and omissions evoke nothing on average; spread and noise stay."""
        return replace(
            self,
            vip_omission_ramp_dff=0.0,
            vip_flash_familiar_dff=0.0,
            vip_flash_novel_dff=0.0,
            sst_flash_familiar_dff=0.0,
            sst_flash_novel_dff=0.0,
        )


@dataclass(frozen=True, eq=False)
class SessionTruth:
    """What was planted: amplitudes per cell (n_units,), in dF/F at the peak of the noise-free response.

    The ramp alone peaks ``ramp_peak_latency_s`` after the expected onset of the omitted flash;
    ``models.simulate_kernels.omission_response`` gives the whole response, flanking flashes included.
    """

    omission_ramp_dff: NDArray[np.float64]
    flash_dff: NDArray[np.float64]
    ramp_peak_latency_s: float


@dataclass(frozen=True, eq=False)
class SimulatedSession:
    """One imaging session: fluorescence, events, cells and the truth behind them.

    Cells (n_units,): ``unit_id`` is unique over mice and the same in a mouse's two sessions; ``x_px``,
    ``y_px``, ``radius_px`` in a field of 512 px. ``dff`` (n_units, n_frames) float32, a fraction; ``spike_prob``,
    of the same shape, expected spikes per frame: no inference was run, it is the planted drive of flashes and
    omissions plus noise, what is below 0 set to 0; ``frame_s`` (n_frames,), seconds. Events, each (n_events,), one
    per flash shown or omitted: ``onset_s`` and ``offset_s`` in seconds on the frames' clock (of an omission, when
    the flash would have been), ``image_name`` ("omitted" for omissions), ``omitted``, ``is_change`` (first flash
    of a new image).
    """

    session_name: str
    subject_id: str
    cre_line: CreLine
    genotype: str
    exposure_level: Exposure
    unit_id: NDArray[np.int64]
    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    frame_s: NDArray[np.float64]
    dff: NDArray[np.float32]
    spike_prob: NDArray[np.float32]
    onset_s: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    image_name: list[str]
    omitted: NDArray[np.bool_]
    is_change: NDArray[np.bool_]
    truth: SessionTruth


def simulate_change_detection(plan: ChangeDetectionPlan) -> Iterator[SimulatedSession]:
    """Two sessions of each mouse, familiar then novel, Vip mice first, one at a time.

    The same plan gives the same sessions; each mouse has its own stream of random numbers, so a mouse stays
    the same when mice are added after it.
    """
    lines: list[CreLine] = ["Vip-IRES-Cre"] * plan.n_vip_mice + ["Sst-IRES-Cre"] * plan.n_sst_mice
    streams = np.random.SeedSequence(plan.seed).spawn(len(lines))
    for mouse, (line, stream) in enumerate(zip(lines, streams, strict=True)):
        yield from _mouse(plan, mouse, line, np.random.default_rng(stream), np.random.default_rng(*stream.spawn(1)))


def _mouse(
    plan: ChangeDetectionPlan,
    mouse: int,
    line: CreLine,
    rng: np.random.Generator,
    inference_rng: np.random.Generator,
) -> Iterator[SimulatedSession]:
    n, vip = plan.cells_per_mouse, line == "Vip-IRES-Cre"
    subject_id = str(900_001 + mouse)
    flash_shift = rng.normal(0, plan.mouse_sd_dff) + rng.normal(0, plan.cell_sd_dff, n)
    ramp_shift = rng.normal(0, plan.mouse_sd_dff) + rng.normal(0, plan.cell_sd_dff, n)
    ramp_familiar = plan.vip_omission_ramp_dff + ramp_shift if vip else np.zeros(n)
    ramp = {"familiar": ramp_familiar, "novel": plan.novel_omission_fraction * ramp_familiar}
    if vip:
        flash = {"familiar": plan.vip_flash_familiar_dff, "novel": plan.vip_flash_novel_dff}
    else:
        flash = {"familiar": plan.sst_flash_familiar_dff, "novel": plan.sst_flash_novel_dff}
    cells = {
        "unit_id": 1_086_000_000 + mouse * 10_000 + np.arange(n, dtype=np.int64),
        "x_px": rng.uniform(10, _FIELD_PX - 10, n),
        "y_px": rng.uniform(10, _FIELD_PX - 10, n),
        "radius_px": rng.uniform(4, 8, n),
    }
    peak_s = ramp_peak_latency_s(plan.flash_interval_s, plan.indicator_rise_s, plan.indicator_decay_s)
    exposures: tuple[Exposure, ...] = ("familiar", "novel")
    for exposure in exposures:
        truth = SessionTruth(ramp[exposure], flash[exposure] + flash_shift, peak_s)
        onset_s, image_name, omitted, is_change = _events(plan, exposure, rng)
        frame_s = np.arange(int(plan.duration_s * plan.frame_rate_hz)) / plan.frame_rate_hz
        yield SimulatedSession(
            session_name=f"{subject_id}_{exposure}",
            subject_id=subject_id,
            cre_line=line,
            genotype=f"{line}/wt;Ai148(TIT2L-GC6f-ICL-tTA2)/wt",
            exposure_level=exposure,
            **cells,
            frame_s=frame_s,
            dff=_fluorescence(plan, truth, frame_s, onset_s, omitted, rng),
            spike_prob=_spike_prob(plan, truth, frame_s, onset_s, omitted, inference_rng),
            onset_s=onset_s,
            offset_s=onset_s + plan.flash_s,
            image_name=image_name,
            omitted=omitted,
            is_change=is_change,
            truth=truth,
        )


def _events(
    plan: ChangeDetectionPlan, exposure: Exposure, rng: np.random.Generator
) -> tuple[NDArray[np.float64], list[str], NDArray[np.bool_], NDArray[np.bool_]]:
    n_events = int((plan.duration_s - _FIRST_FLASH_S) // plan.flash_interval_s)
    onset_s = _FIRST_FLASH_S + plan.flash_interval_s * np.arange(n_events)
    is_change = np.zeros(n_events, dtype=bool)
    names: list[str] = []
    image = rng.choice(IMAGES[exposure])
    while len(names) < n_events:
        # An image repeats 5 to 12 times, sooner more often than later, as in the Allen's task.
        names += [str(image)] * min(4 + rng.geometric(0.3), 12)
        if len(names) < n_events:
            is_change[len(names)] = True
        image = rng.choice([other for other in IMAGES[exposure] if other != image])
    omitted = rng.random(n_events) < plan.omitted_fraction
    # Not at the start, not in place of a change, and never last: a ramp ends with the flash that follows.
    omitted[:_FLASHES_BEFORE_ANY_OMISSION] = False
    omitted[-1] = False
    omitted[is_change] = False
    for event in range(1, n_events):
        omitted[event] &= not omitted[event - 1]
    shown = ["omitted" if gone else name for gone, name in zip(omitted, names[:n_events], strict=True)]
    return onset_s, shown, omitted, is_change


def _fluorescence(
    plan: ChangeDetectionPlan,
    truth: SessionTruth,
    frame_s: NDArray[np.float64],
    onset_s: NDArray[np.float64],
    omitted: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Amplitudes times shapes plus noise, (n_units, n_frames)."""
    flashes = _summed_shape(plan, frame_s, onset_s[~omitted], plan.flash_s, flash_response)
    ramps = _summed_shape(plan, frame_s, onset_s[omitted], plan.flash_interval_s, ramp_response)
    # A slow fluctuation of unit variance: an autoregressive process of order one.
    keep = np.exp(-1 / (plan.frame_rate_hz * _SHARED_NOISE_TIME_CONSTANT_S))
    start = [keep * rng.normal()]
    slow, _ = lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.normal(size=len(frame_s)), zi=start)
    shapes = np.stack([truth.flash_dff, truth.omission_ramp_dff], axis=1) @ np.stack([flashes, ramps])
    dff = rng.standard_normal(shapes.shape, dtype=np.float32)
    dff *= np.float32(plan.noise_dff)
    dff += shapes + plan.shared_noise_dff * slow
    return dff


def _spike_prob(
    plan: ChangeDetectionPlan,
    truth: SessionTruth,
    frame_s: NDArray[np.float64],
    onset_s: NDArray[np.float64],
    omitted: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Amplitudes times the drives behind the shapes, as spikes, plus noise, not below 0, (n_units, n_frames)."""
    flashes = _summed_shape(plan, frame_s, onset_s[~omitted], plan.flash_s, flash_drive)
    ramps = _summed_shape(plan, frame_s, onset_s[omitted], plan.flash_interval_s, ramp_drive)
    drives = np.stack([truth.flash_dff, truth.omission_ramp_dff], axis=1) @ np.stack([flashes, ramps])
    spikes = rng.standard_normal(drives.shape, dtype=np.float32)
    spikes *= np.float32(plan.inference_noise)
    spikes += drives / (plan.spike_dff * plan.frame_rate_hz)
    return np.maximum(spikes, 0, out=spikes)


def _summed_shape(
    plan: ChangeDetectionPlan,
    frame_s: NDArray[np.float64],
    onset_s: NDArray[np.float64],
    drive_s: float,
    shape: Shape,
) -> NDArray[np.float64]:  # (n_frames,)
    """The sum over events of one response shape, sampled at the frames."""
    n_around = int(np.ceil(support_s(drive_s, plan.indicator_decay_s) * plan.frame_rate_hz))
    frame = np.searchsorted(frame_s, onset_s)[:, None] + np.arange(n_around)
    inside = frame < len(frame_s)
    since_s = (frame_s[np.minimum(frame, len(frame_s) - 1)] - onset_s[:, None])[inside]
    evoked = shape(since_s, drive_s, plan.indicator_rise_s, plan.indicator_decay_s)
    return np.bincount(frame[inside], evoked, minlength=len(frame_s))
