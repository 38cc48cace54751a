"""Sessions in which neurons of primary visual cortex see natural images and Gabors, simulated with planted filters."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.gabors import Screen, session_gabors
from models.image_stimuli import gabor_conditions, natural_images
from models.planted_filters import PlantedFilters, plant_filters, planted_responses

BLANK = -1
_FIRST_ONSET_S = 5.0
_PAUSE_S = 10.0
_GABOR_REPEATS = 15
_DRIFT_PHASES = 8
SCREEN = Screen(width_deg=120.0, height_deg=95.0)  # that of the Allen Brain Observatory


@dataclass(frozen=True)
class ImageCodingPlan:
    """What is simulated; the defaults have the shape of an Allen session: 135 units, 118 images and a blank, 50 times.

    Images of ``height_px`` x ``width_px`` fill ``SCREEN`` and are shown for ``presentation_s`` each, in a new order at
    each repeat and without pauses but between ``n_blocks`` blocks; ``with_gabors`` puts 3,645 Gabors before them (81
    positions, 3 orientations, 15 times). Of the units ``unresponsive_fraction`` fire at a constant rate, ``n_silent``
    never, ``complex_fraction`` of the others are complex and the rest simple cells. ``mean_count`` is what images evoke
    per presentation in the median unit, beside a ``baseline_count`` without any. Raises ValueError for what cannot be.
    """

    n_units: int = 135
    n_images: int = 118
    n_repeats: int = 50
    height_px: int = 60
    width_px: int = 96
    with_gabors: bool = False
    complex_fraction: float = 0.5
    unresponsive_fraction: float = 0.2
    n_silent: int = 0
    mean_count: float = 1.5
    baseline_count: float = 0.3
    presentation_s: float = 0.25
    n_blocks: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_units", "n_images", "n_repeats", "n_blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if min(self.height_px, self.width_px) < 8:
            raise ValueError(f"images must be at least 8 x 8 px, got {self.height_px} x {self.width_px}")
        for name in ("complex_fraction", "unresponsive_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be 0 to 1, got {getattr(self, name)}")
        if not 0 <= self.n_silent <= self.n_units:
            raise ValueError(f"n_silent must be 0 to n_units {self.n_units}, got {self.n_silent}")
        for name, least in (("mean_count", 0), ("baseline_count", 0), ("presentation_s", 1e-6)):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= least):
                raise ValueError(f"{name} must be finite and at least {least}, got {getattr(self, name)}")
        if self.n_blocks > self.n_repeats:
            raise ValueError(f"n_blocks must be at most n_repeats {self.n_repeats}, got {self.n_blocks}")


@dataclass(frozen=True, eq=False)
class GaborBlock:
    """Presentations of Gabors, all (n_presentations,) but ``counts`` (n_units, n_presentations).

    ``condition`` is the number of the patch in `models.image_stimuli.gabor_conditions`; positions are degrees from the
    screen's centre, right and up; times are seconds.
    """

    onset_s: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    condition: NDArray[np.int64]
    x_position: NDArray[np.float64]
    y_position: NDArray[np.float64]
    orientation_deg: NDArray[np.float64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SimulatedImageSession:
    """One session: what was shown, what was fired, and the filters behind it.

    ``images`` (n_images, height_px, width_px), 0 to 255. Presentations of images, (n_presentations,) each: ``image``
    (its number, -1 for the blank), ``block`` (1 to n_blocks), ``onset_s`` and ``offset_s``. ``counts`` (n_units,
    n_presentations) are the spikes between the two. ``spike_s`` has, for each unit, its spike times over the whole
    session, seconds in ascending order; it is empty where they weren't asked for.
    """

    images: NDArray[np.uint8]
    image: NDArray[np.int64]
    block: NDArray[np.int64]
    onset_s: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    unit_id: NDArray[np.int64]
    counts: NDArray[np.int64]
    truth: PlantedFilters
    gabors: GaborBlock | None = None
    spike_s: list[NDArray[np.float64]] = field(default_factory=list)


def simulate_image_session(plan: ImageCodingPlan, *, with_spikes: bool = True) -> SimulatedImageSession:
    """The session of a plan; the same plan gives the same session, with or without spike times.

    Counts are Poisson about `models.planted_filters.planted_responses`. Spikes of a presentation lie strictly between
    its onset and its offset, most densely a third of the way.
    """
    for_images, for_filters, for_order, for_counts, for_gabors, for_spikes = (
        np.random.default_rng(stream) for stream in np.random.SeedSequence(plan.seed).spawn(6)
    )
    images = natural_images(plan.n_images, plan.height_px, plan.width_px, for_images)
    kind = _kinds(plan, for_filters)
    truth = plant_filters(kind, images, plan.mean_count, plan.baseline_count, for_filters)
    start_s = _FIRST_ONSET_S
    gabors = None
    if plan.with_gabors:
        gabors = _gabor_block(plan, truth, start_s, for_gabors)
        start_s = float(gabors.offset_s[-1]) + _PAUSE_S
    image, block = _order(plan, for_order)
    onset_s = start_s + plan.presentation_s * np.arange(len(image)) + _PAUSE_S * (block - 1)
    expected = np.concatenate([planted_responses(truth, images), truth.baseline[:, None]], axis=1)  # the blank last
    counts = for_counts.poisson(expected[:, image])  # (n_units, n_presentations)
    spike_s: list[NDArray[np.float64]] = []
    if with_spikes:
        onsets = onset_s if gabors is None else np.concatenate([gabors.onset_s, onset_s])
        of_all = counts if gabors is None else np.concatenate([gabors.counts, counts], axis=1)
        spike_s = [_spikes(onsets, of_unit, plan.presentation_s, for_spikes) for of_unit in of_all]
    return SimulatedImageSession(
        images=images,
        image=image,
        block=block,
        onset_s=onset_s,
        offset_s=onset_s + plan.presentation_s,
        unit_id=950_000_000 + np.arange(plan.n_units, dtype=np.int64),
        counts=counts,
        truth=truth,
        gabors=gabors,
        spike_s=spike_s,
    )


def gabor_responses(truth: PlantedFilters) -> NDArray[np.float64]:  # (n_units, 243)
    """Expected spikes of each unit to each patch of `gabor_conditions`, (n_units, 243), per presentation.

    A patch of 4 Hz drifts through one cycle in the 250 ms that it is shown for, so this is the mean over its phases.
    The images fill ``SCREEN``.
    """
    patches = gabor_conditions()
    where = (truth.even.shape[1:], SCREEN, patches["x_position"], patches["y_position"], patches["orientation"])
    phases = np.arange(_DRIFT_PHASES) / _DRIFT_PHASES
    return np.mean(
        [planted_responses(truth, 255 * session_gabors(*where, phase_cycles=phase)) for phase in phases], axis=0
    )


def _kinds(plan: ImageCodingPlan, rng: np.random.Generator) -> NDArray[np.str_]:
    firing = plan.n_units - plan.n_silent
    n_unresponsive = round(plan.unresponsive_fraction * firing)
    n_complex = round(plan.complex_fraction * (firing - n_unresponsive))
    n_simple = firing - n_unresponsive - n_complex
    names = ("silent", "unresponsive", "complex", "simple")
    return rng.permutation(np.repeat(names, [plan.n_silent, n_unresponsive, n_complex, n_simple]))


def _order(plan: ImageCodingPlan, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Image and block of each presentation: every image and the blank once a repeat, in a new order each time."""
    each = np.append(np.arange(plan.n_images), BLANK)
    image = rng.permuted(np.tile(each, (plan.n_repeats, 1)), axis=1)
    block = 1 + np.arange(plan.n_repeats) * plan.n_blocks // plan.n_repeats
    return image.ravel(), np.repeat(block, len(each))


def _gabor_block(plan: ImageCodingPlan, truth: PlantedFilters, start_s: float, rng: np.random.Generator) -> GaborBlock:
    patches = gabor_conditions()
    expected = gabor_responses(truth)
    condition = rng.permutation(np.repeat(np.arange(expected.shape[1]), _GABOR_REPEATS))
    onset_s = start_s + plan.presentation_s * np.arange(len(condition))
    return GaborBlock(
        onset_s=onset_s,
        offset_s=onset_s + plan.presentation_s,
        condition=condition,
        x_position=patches["x_position"][condition],
        y_position=patches["y_position"][condition],
        orientation_deg=patches["orientation"][condition],
        counts=rng.poisson(expected[:, condition]),
    )


def _spikes(
    onset_s: NDArray[np.float64],
    counts: NDArray[np.int64],
    presentation_s: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    # Away from both ends, so that no rounding puts a spike into the neighbouring presentation.
    since_onset = rng.beta(2, 3, int(counts.sum())).clip(0.001, 0.999) * presentation_s
    return np.sort(np.repeat(onset_s, counts) + since_onset)
