"""How reliably units answer images: oracle correlation, split halves, explainable variance, signal to noise."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models.nan_statistics import nan_correlation, nan_mean

Measure = Literal["oracle", "split_half", "explainable_variance", "signal_to_noise"]


@dataclass(frozen=True)
class ReliabilityChoice:
    """How reliability is measured: random halves, bootstrap draws over images, and the level of its intervals.

    ``interval_of`` names the measure that gets an interval. Raises ValueError for counts under 1, a level outside 0 to
    1, or a measure that there isn't.
    """

    n_splits: int = 100
    n_draws: int = 1000
    level: float = 0.95
    interval_of: Measure = "oracle"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_splits < 1 or self.n_draws < 1:
            raise ValueError(f"n_splits and n_draws must be at least 1, got {self.n_splits} and {self.n_draws}")
        if not 0 < self.level < 1:
            raise ValueError(f"level must be between 0 and 1, got {self.level}")
        if self.interval_of not in get_args(Measure):
            raise ValueError(f"interval_of must be one of {get_args(Measure)}, got {self.interval_of!r}")


@dataclass(frozen=True, eq=False)
class UnitReliability:
    """Each unit's reliability, (n_units,) each; NaN for a unit that never changes, as one without spikes.

    ``low`` and ``high`` are the interval of the measure that was chosen for it; ``n_images`` were shown more than once
    and ``n_left_out`` only once or never: the measures know nothing of those.
    """

    oracle: NDArray[np.float64]
    split_half: NDArray[np.float64]
    spearman_brown: NDArray[np.float64]
    explainable_variance: NDArray[np.float64]
    signal_to_noise: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_images: int
    n_left_out: int


def unit_reliability(
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats), NaN where an image has fewer
    choice: ReliabilityChoice | None = None,
) -> UnitReliability:
    """Every measure of reliability at once; ``trials`` as in `oracle_correlation`."""
    choice = choice or ReliabilityChoice()
    repeated = _checked(trials)
    halves = split_half(repeated, n_splits=choice.n_splits, seed=choice.seed)
    interval = bootstrap_interval(
        repeated,
        choice.interval_of,
        n_draws=choice.n_draws,
        level=choice.level,
        n_splits=choice.n_splits,
        seed=choice.seed,
    )
    return UnitReliability(
        oracle=oracle_correlation(repeated),
        split_half=halves,
        spearman_brown=spearman_brown(halves),
        explainable_variance=explainable_variance(repeated),
        signal_to_noise=signal_to_noise(repeated),
        low=interval[:, 0],
        high=interval[:, 1],
        n_images=repeated.shape[1],
        n_left_out=trials.shape[1] - repeated.shape[1],
    )


def oracle_correlation(
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats), NaN where an image has fewer
) -> NDArray[np.float64]:  # (n_units,)
    """Correlation of single trials with the mean of the other trials of their image, pooled over trials, (n_units,).

    ``trials`` (n_units, n_images, n_repeats) without the blank, trials without spikes among them; images shown once
    are left out. NaN for a unit that never changes. The oracle of Walker et al. (2019), in closed form: of every
    trial, not of one drawn at random. Raises ValueError unless two images or more were shown more than once, and for
    trials that are missing in some units only, or infinite.
    """
    return _one_value(trials, "oracle")


def split_half(
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats), NaN where an image has fewer
    *,
    n_splits: int = 100,
    seed: int = 0,
) -> NDArray[np.float64]:  # (n_units,)
    """Correlation over images of the means of random halves of the trials, averaged over splits, (n_units,).

    Each image's trials are split anew each time, the odd one going to the second half, the same way for all units;
    images shown once are left out. Not corrected for the halves' length: see `spearman_brown`. NaN for a unit that
    never changes. Raises ValueError for no splits, and as `oracle_correlation` does.
    """
    trials = _checked(trials)
    return nan_mean(np.stack([nan_correlation(*pair) for pair in _halves(trials, n_splits, seed)]))


def spearman_brown(r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reliability of the mean over all trials, from that of halves: 2 r / (1 + r); NaN for r of -1."""
    r = np.asarray(r, np.float64)
    return 2 * r / np.where(r > -1, 1 + r, np.nan)


def explainable_variance(
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats), NaN where an image has fewer
) -> NDArray[np.float64]:  # (n_units,)
    """The fraction of a unit's variance over all trials that isn't variance between repeats, (n_units,).

    After Cadena et al. (2019): (Var[y] - E over images of Var over repeats) / Var[y]; both variances divide by n - 1,
    so that a unit that answers nothing has 0 on average. Images shown once are left out. NaN for a unit that never
    changes. Raises ValueError as `oracle_correlation` does.
    """
    return _one_value(trials, "explainable_variance")


def signal_to_noise(
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats), NaN where an image has fewer
) -> NDArray[np.float64]:  # (n_units,)
    """Variance of the mean responses over images, by the mean variance over repeats of an image, (n_units,).

    The noise that is left in the means is not taken off, so a unit that answers nothing has about 1 / n_repeats.
    Images shown once are left out. NaN where repeats never differ. Raises ValueError as `oracle_correlation` does.
    """
    return _one_value(trials, "signal_to_noise")


def bootstrap_interval(
    trials: NDArray[np.float64],  # (n_units, n_images, n_repeats), NaN where an image has fewer
    measure: Measure,
    *,
    n_draws: int = 1000,
    level: float = 0.95,
    n_splits: int = 100,
    seed: int = 0,
) -> NDArray[np.float64]:  # (n_units, 2)
    """Interval of a measure by the percentile bootstrap over images, (n_units, 2): its lower and upper end.

    Images are drawn with all their trials, the same ones for all units; draws without a value are passed over, and a
    unit where all are is NaN. Trials are halved ``n_splits`` times and each draw of images is taken of all of them.
    Raises ValueError as `ReliabilityChoice` and `oracle_correlation` do.
    """
    ReliabilityChoice(n_splits, n_draws, level, measure, seed)
    trials = _checked(trials)
    n_images = trials.shape[1]
    chance = np.full(n_images, 1 / n_images)
    times = np.random.default_rng(seed).multinomial(n_images, chance, n_draws).astype(float)  # (n_draws, n_images)
    if measure == "split_half":
        halves = _halves(trials, n_splits, seed)
        # One split after the other: the sums of all of them would be n_splits times the trials.
        drawn = sum(_pearson(_sums(*pair, np.ones(n_images)) @ times.T) for pair in halves) / n_splits
    else:
        sums, value = _MEASURES[measure]
        drawn = value(sums(trials) @ times.T)  # (n_units, n_draws)
    interval = np.full((len(trials), 2), np.nan)
    usable = ~np.isnan(drawn).all(axis=1)
    tail = (1 - level) / 2
    interval[usable] = np.nanquantile(drawn[usable], [tail, 1 - tail], axis=1).T
    return interval


def _checked(trials: NDArray[np.float64]) -> NDArray[np.float64]:
    """Trials of the images that were shown more than once."""
    trials = np.asarray(trials, np.float64)
    if trials.ndim != 3 or not len(trials):
        raise ValueError(f"trials must be (n_units, n_images, n_repeats) of one unit or more, got {trials.shape}")
    missing = np.isnan(trials)
    if np.isinf(trials).any() or (missing != missing[:1]).any():
        raise ValueError("trials must be finite, or NaN in every unit where an image was shown fewer times")
    shown = (~missing[:1]).sum(axis=(0, 2))
    if (shown > 1).sum() < 2:
        found = f"{(shown > 1).sum()} of {len(shown)} images"
        raise ValueError(f"reliability needs two images or more that were shown more than once, got {found}")
    return trials[:, shown > 1]


def _centred(trials: NDArray[np.float64]) -> NDArray[np.float64]:
    """Trials about each unit's mean, so that sums of squares keep their digits; 0 for a unit that never changes."""
    still = np.nanmin(trials, axis=(1, 2), keepdims=True) == np.nanmax(trials, axis=(1, 2), keepdims=True)
    return np.where(still, trials * 0, trials - np.nanmean(trials, axis=(1, 2), keepdims=True))


def _one_value(trials: NDArray[np.float64], measure: Measure) -> NDArray[np.float64]:
    sums, value = _MEASURES[measure]
    return value(sums(_checked(trials)).sum(axis=-1))


def _trial_sums(trials: NDArray[np.float64]) -> NDArray[np.float64]:  # (6, n_units, n_images)
    """Sums over the trials of each image, of each trial and the mean of the others, for `_pearson`."""
    known = ~np.isnan(trials)
    n = known.sum(axis=2, keepdims=True)
    one = np.where(known, _centred(trials), 0.0)
    others = np.where(known, (one.sum(axis=2, keepdims=True) - one) / (n - 1), 0.0)
    return _sums(one, others, known)


def _sums(x: NDArray[np.float64], y: NDArray[np.float64], known: NDArray[np.generic]) -> NDArray[np.float64]:
    """Count and sums of pairs, (6, n_units, n_images): over the last axis of (n_units, n_images, n_pairs), if any."""
    n = np.broadcast_to(known, x.shape)
    sums = np.stack([n, x, y, x * x, y * y, x * y])
    return sums.sum(axis=3) if x.ndim == 3 else sums


def _pearson(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's r from `_sums` that were added over images, (6, ...) to (...)."""
    n, x, y, xx, yy, xy = sums
    spread_x, spread_y = n * xx - x * x, n * yy - y * y
    # What rounding leaves of a constant is no spread.
    varies = (spread_x > 1e-9 * n * xx) & (spread_y > 1e-9 * n * yy)
    scale = np.sqrt(np.where(varies, spread_x * spread_y, np.nan))
    return (n * xy - x * y) / scale


def _variance_sums(trials: NDArray[np.float64]) -> NDArray[np.float64]:  # (7, n_units, n_images)
    """For each image: 1, trials, their sum and sum of squares about the unit's mean, variance, mean, its square."""
    known = ~np.isnan(trials)
    n = known.sum(axis=2)
    centred = _centred(trials)
    x, xx = np.nansum(centred, axis=2), np.nansum(centred**2, axis=2)
    variance, mean = np.nanvar(centred, axis=2, ddof=1), x / n
    return np.stack([np.ones_like(x), n.astype(float), x, xx, variance, mean, mean**2])


def _explained(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    n_images, n, x, xx, variance, _, _ = sums
    total = (xx - x * x / n) / (n - 1)
    return (total - variance / n_images) / np.where(total > 0, total, np.nan)


def _signal_over_noise(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    n_images, _, _, _, variance, mean, square = sums
    signal = (square - mean * mean / n_images) / (n_images - 1)
    return signal / np.where(variance > 0, variance / n_images, np.nan)


def _halves(
    trials: NDArray[np.float64], n_splits: int, seed: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Means of each image's first and second half, (n_units, n_images) each, split by split."""
    if n_splits < 1:
        raise ValueError(f"n_splits must be at least 1, got {n_splits}")
    rng = np.random.default_rng(seed)
    known = ~np.isnan(trials[0])  # (n_images, n_repeats)
    n = known.sum(axis=1, keepdims=True)
    centred = np.where(known, _centred(trials), 0.0)
    total = centred.sum(axis=2)
    for _ in range(n_splits):
        place = np.where(known, rng.random(known.shape), np.inf).argsort(axis=1).argsort(axis=1)
        first = np.einsum("uir,ir->ui", centred, (place < n // 2).astype(float), optimize=True)
        yield first / (n // 2)[:, 0], (total - first) / (n - n // 2)[:, 0]


_Sums = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_MEASURES: dict[Measure, tuple[_Sums, _Sums]] = {
    "oracle": (_trial_sums, _pearson),
    "explainable_variance": (_variance_sums, _explained),
    "signal_to_noise": (_variance_sums, _signal_over_noise),
}
