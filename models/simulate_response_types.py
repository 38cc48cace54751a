"""Recordings of ROIs that answer to one stimulus each, or to running, or to nothing, simulated with planted truth."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from models.indicator_kernels import Kernel
from models.regressors import event_regressors, frames_at_rate

NO_RESPONSE = -1
RUNNING = -2
_FIRST_STIMULUS_S = 20.0


@dataclass(frozen=True)
class ResponseTypesPlan:
    """What is simulated: regions of one animal imaged one after the other, stimuli, ROIs of each class, noise.

    ``rois_per_class`` ROIs of each region answer to each stimulus, ``running_rois`` follow running speed,
    ``noise_rois`` nothing. ``snr`` is the standard deviation of a ROI's noise-free response over that of its noise, on
    average; ROIs vary about it by ``snr_spread`` (log-normal). Noise is autocorrelated with ``noise_decay_s`` in
    ``slow_share`` of its variance, white in the rest; ``noise_dff`` its standard deviation. Stimuli are shown
    ``repeats`` times each, ``interval_s`` apart, give or take ``jitter_s``, one kind after the other as in the tectum
    study when ``in_blocks``, else shuffled. Each class has its own place in a field of ``field_um``, about which its
    ROIs spread by ``place_sd_um``. ``drift_dff`` bleaches traces by so much over the recording. Raises ValueError for
    what cannot be.
    """

    regions: tuple[str, ...] = ("left_tectum", "right_tectum")
    stimuli: tuple[str, ...] = ("prey", "looming", "dimming")
    rois_per_class: int = 20
    running_rois: int = 0
    noise_rois: int = 60
    repeats: int = 8
    interval_s: float = 20.0
    jitter_s: float = 4.0
    in_blocks: bool = False
    rate_hz: float = 2.0
    decay_s: float = 1.5
    snr: float = 1.0
    snr_spread: float = 0.2
    noise_dff: float = 0.1
    noise_decay_s: float = 3.0
    slow_share: float = 0.5
    drift_dff: float = 0.0
    field_um: float = 400.0
    place_sd_um: float = 40.0
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not np.isfinite(value):
                raise ValueError(f"{field.name} must be finite, got {value}")
        for name in ("regions", "stimuli"):
            given = getattr(self, name)
            if not given or len(set(given)) < len(given):
                raise ValueError(f"{name} must be one or more different names, got {given}")
        for name in ("rois_per_class", "running_rois", "noise_rois", "snr", "snr_spread", "drift_dff", "place_sd_um"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("repeats", "rate_hz", "decay_s", "noise_dff", "noise_decay_s", "interval_s", "field_um"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.jitter_s < self.interval_s / 2:
            raise ValueError(f"jitter_s must be under half of interval_s {self.interval_s}, got {self.jitter_s}")
        if not 0 <= self.slow_share <= 1:
            raise ValueError(f"slow_share must be 0 to 1, got {self.slow_share}")
        if self.n_rois < 1:
            raise ValueError("a plan needs at least one ROI, got none")

    @property
    def n_rois(self) -> int:
        """ROIs of a region."""
        return len(self.stimuli) * self.rois_per_class + self.running_rois + self.noise_rois

    @property
    def n_frames(self) -> int:
        last_s = _FIRST_STIMULUS_S + len(self.stimuli) * self.repeats * self.interval_s
        return int((last_s + self.interval_s) * self.rate_hz)


@dataclass(frozen=True, eq=False)
class SimulatedRecording:
    """One region's recording and the truth behind it.

    ROIs (n_rois,): ``unit_id`` unique over regions, ``x_um`` and ``y_um`` in the plane, ``response_class`` the planted
    number of a stimulus in ``stimuli``, ``RUNNING`` or ``NO_RESPONSE``, and ``snr`` what each was given. ``dff``
    (n_rois, n_frames) float32, a fraction; ``frame_s`` (n_frames,), seconds; ``running_cm_s`` (n_frames,). Events
    (n_events,), in order of time: ``onset_s``, seconds, and ``stimulus``, a name each.
    """

    session_name: str
    subject_id: str
    region: str
    stimuli: tuple[str, ...]
    unit_id: NDArray[np.int64]
    x_um: NDArray[np.float64]
    y_um: NDArray[np.float64]
    response_class: NDArray[np.int64]
    snr: NDArray[np.float64]
    frame_s: NDArray[np.float64]
    dff: NDArray[np.float32]
    running_cm_s: NDArray[np.float64]
    onset_s: NDArray[np.float64]
    stimulus: list[str]


def simulate_response_types(plan: ResponseTypesPlan) -> Iterator[SimulatedRecording]:
    """A recording of each region of the plan, one at a time.

    The same plan gives the same recordings; each region has its own stream of random numbers, so that it stays the same
    when regions are added after it.
    """
    streams = np.random.SeedSequence(plan.seed).spawn(len(plan.regions))
    for number, (region, stream) in enumerate(zip(plan.regions, streams, strict=True)):
        yield _recording(plan, number, region, np.random.default_rng(stream))


def _recording(plan: ResponseTypesPlan, number: int, region: str, rng: np.random.Generator) -> SimulatedRecording:
    onset_s, stimulus = _stimuli(plan, rng)
    n_rois, n_frames, n_classes = plan.n_rois, plan.n_frames, len(plan.stimuli)
    response_class = np.repeat(
        [*range(n_classes), RUNNING, NO_RESPONSE],
        [*[plan.rois_per_class] * n_classes, plan.running_rois, plan.noise_rois],
    )
    # As extraction numbers ROIs: in no order of what they answer to.
    response_class = rng.permutation(response_class).astype(np.int64)
    frames = {
        name: frames_at_rate(onset_s[[one == name for one in stimulus]], plan.rate_hz, n_frames, name)
        for name in plan.stimuli
    }
    evoked = event_regressors(frames, Kernel(plan.decay_s), plan.rate_hz, n_frames).values
    running = np.maximum(20 * _slow(rng, 1, n_frames, 15.0, plan.rate_hz)[0], 0.0)  # (n_frames,), cm/s, half at rest
    shapes = np.vstack([evoked, running, np.zeros(n_frames)])
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    spread = shapes.std(axis=1, keepdims=True)
    shapes = np.divide(shapes, spread, out=np.zeros_like(shapes), where=spread > 0)  # (n_classes + 2, n_frames)
    snr = plan.snr * rng.lognormal(0.0, plan.snr_spread, n_rois)
    snr[response_class == NO_RESPONSE] = 0.0
    row = response_class.copy()
    row[response_class == RUNNING], row[response_class == NO_RESPONSE] = n_classes, n_classes + 1
    slow = _slow(rng, n_rois, n_frames, plan.noise_decay_s, plan.rate_hz)
    white = rng.standard_normal((n_rois, n_frames))
    noise = np.sqrt(plan.slow_share) * slow + np.sqrt(1 - plan.slow_share) * white
    bleach = plan.drift_dff * np.exp(-3 * np.arange(n_frames) / n_frames)
    place = rng.uniform(0.2, 0.8, (n_classes, 2)) * plan.field_um
    x_um, y_um = rng.uniform(0, plan.field_um, (2, n_rois))
    placed = response_class >= 0
    around = place[response_class[placed]] + rng.normal(0, plan.place_sd_um, (placed.sum(), 2))
    x_um[placed], y_um[placed] = np.clip(around, 0, plan.field_um).T
    return SimulatedRecording(
        session_name=f"fish_{plan.seed:03d}_{region}",
        subject_id=f"fish_{plan.seed:03d}",
        region=region,
        stimuli=plan.stimuli,
        unit_id=100_000 * (number + 1) + np.arange(n_rois, dtype=np.int64),
        x_um=x_um,
        y_um=y_um,
        response_class=response_class,
        snr=snr,
        frame_s=np.arange(n_frames) / plan.rate_hz,
        dff=(plan.noise_dff * (snr[:, None] * shapes[row] + noise) + bleach).astype(np.float32),
        running_cm_s=running,
        onset_s=onset_s,
        stimulus=stimulus,
    )


def _stimuli(plan: ResponseTypesPlan, rng: np.random.Generator) -> tuple[NDArray[np.float64], list[str]]:
    stimulus = np.repeat(plan.stimuli, plan.repeats)
    if not plan.in_blocks:
        stimulus = rng.permutation(stimulus)
    onset_s = _FIRST_STIMULUS_S + plan.interval_s * np.arange(len(stimulus))
    return onset_s + rng.uniform(-plan.jitter_s, plan.jitter_s, len(stimulus)), [str(one) for one in stimulus]


def _slow(
    rng: np.random.Generator, n_rows: int, n_frames: int, decay_s: float, rate_hz: float
) -> NDArray[np.float64]:  # (n_rows, n_frames)
    """Autoregressive noise of order one, of unit variance from its first frame on."""
    keep = np.exp(-1 / (rate_hz * decay_s))
    drawn = rng.standard_normal((n_rows, n_frames))
    drawn[:, 1:] *= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], drawn, axis=1)
