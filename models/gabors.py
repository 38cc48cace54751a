"""Gabor patches: drawn from parameters, as a session showed them, and as the source project draws them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Protocol = Literal["published", "rigorous"]

# The phase that Allen sessions write beside every Gabor is not an angle: it is the count of cycles drawn by the last of
# the block's 54,675 frames (4 Hz at 60 frames a second), so 3,644.93 cycles. The source takes it for degrees.
SOURCE_PHASE_DEG = 3644.93
SOURCE_WAVELENGTH_PX = np.pi
SOURCE_SIGMA_PX = 5.0


@dataclass(frozen=True)
class Gabors:
    """Parameters of Gabors, (n,) each; x to the right and y up from the image's centre."""

    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    orientation_deg: NDArray[np.float64]  # direction in which luminance changes, anticlockwise of x
    cycles_per_px: NDArray[np.float64]
    phase_deg: NDArray[np.float64]  # of a cosine, at the centre of the patch
    sigma_px: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Make rows of float64; ValueError for rows of other lengths, or a frequency or size that isn't above 0."""
        rows = np.broadcast_arrays(*(np.asarray(one, dtype=np.float64) for one in vars(self).values()))
        if rows[0].ndim != 1 or not all(np.isfinite(row).all() for row in rows):
            raise ValueError(f"Gabors are rows of finite numbers, got {rows[0].shape}")
        if rows[3].min(initial=1) <= 0 or rows[5].min(initial=1) <= 0:
            raise ValueError("Gabors need a frequency and a sigma above 0")
        for name, row in zip(vars(self), rows, strict=True):
            object.__setattr__(self, name, row.copy())


@dataclass(frozen=True)
class Screen:
    """How much of the visual field an image covers; a monitor of the Allen Brain Observatory is 120 x 95 degrees."""

    width_deg: float
    height_deg: float

    def __post_init__(self) -> None:
        """Raise ValueError for a screen without size."""
        if min(self.width_deg, self.height_deg) <= 0:
            raise ValueError(f"a screen has a width and a height above 0, got {self.width_deg} x {self.height_deg} deg")


@dataclass(frozen=True)
class TopGabors:
    """The mean of the Gabors that each unit fired most for."""

    images: NDArray[np.float64]  # (n_units, height, width), in the patches' units
    row: NDArray[np.int64]  # (n_units, n_top), of the patches averaged


@dataclass(frozen=True)
class PredictionMatch:
    """How predicted responses go with measured ones, (n_units,) each; NaN where either never changes."""

    r: NDArray[np.float64]
    slope: NDArray[np.float64]  # measured per predicted
    intercept: NDArray[np.float64]


def gabor_patches(gabors: Gabors, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Cosines under round Gaussian envelopes, (n, height, width), -1 to 1."""
    right, up = (one[..., None, None] for one in (gabors.x_px, gabors.y_px))
    row, column = np.mgrid[: shape[0], : shape[1]]
    right = column - (shape[1] - 1) / 2 - right  # (n, height, width), pixels from the patch's centre
    up = (shape[0] - 1) / 2 - row - up
    envelope = np.exp(-(right**2 + up**2) / (2 * gabors.sigma_px[:, None, None] ** 2))
    return envelope * _wave(right, up, gabors.orientation_deg, gabors.cycles_per_px, gabors.phase_deg)


def source_gabors(orientation_deg: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """The patch that the source draws for each of a session's Gabors, (n, height, width), -1 to 1.

    In the centre wherever it was shown, of a wavelength of pi pixels, sigma 5 and phase 3644.93 degrees.
    """
    centre = np.zeros(len(np.atleast_1d(orientation_deg)))
    frequency = centre + 1 / SOURCE_WAVELENGTH_PX
    drawn = Gabors(centre, centre, orientation_deg, frequency, centre + SOURCE_PHASE_DEG, centre + SOURCE_SIGMA_PX)
    return gabor_patches(drawn, shape)


def session_gabors(
    shape: tuple[int, int],
    screen: Screen,
    x_deg: ArrayLike,  # (n,), to the right of the screen's centre
    y_deg: ArrayLike,  # (n,), upwards
    orientation_deg: ArrayLike,  # (n,), direction in which luminance changes, anticlockwise of x
    *,
    cycles_per_deg: ArrayLike = 0.08,
    size_deg: ArrayLike = 20.0,
    contrast: ArrayLike = 0.8,
    phase_cycles: ArrayLike = 0.0,
    aperture: Literal["disc", "gauss"] = "disc",
) -> NDArray[np.float64]:
    """A session's Gabors as the screen showed them, on grey, (n, height, width), 0 to 1.

    Cosines, which move to where luminance changes to as the phase grows, as PsychoPy draws them (its own angles turn
    clockwise). ``size_deg`` is the diameter of the disc that the Allen Institute's have, or six standard deviations of
    PsychoPy's Gauss. Raises ValueError for a contrast outside 0 .. 1, and where no pixel of a patch is on the screen.
    """
    rows = np.broadcast_arrays(*np.atleast_1d(x_deg, y_deg, orientation_deg, size_deg))
    x_deg, y_deg, orientation_deg, size_deg = rows
    right, up = _degrees(shape, screen)
    right, up = right - x_deg[:, None, None], up - y_deg[:, None, None]  # (n, height, width)
    off_deg = np.hypot(right, up)
    disc = off_deg <= size_deg[:, None, None] / 2
    if not disc.any(axis=(1, 2)).all():
        where = np.flatnonzero(~disc.any(axis=(1, 2)))
        raise ValueError(
            f"{len(where)} of {len(x_deg)} Gabors have no pixel on a screen of {screen.width_deg:g} x "
            f"{screen.height_deg:g} deg, the first at x {x_deg[where[0]]:g}, y {y_deg[where[0]]:g}"
        )
    window = disc if aperture == "disc" else np.exp(-0.5 * (6 * off_deg / size_deg[:, None, None]) ** 2)
    return _on_grey(window, right, up, orientation_deg, cycles_per_deg, phase_cycles, contrast)


def session_gratings(
    shape: tuple[int, int],
    screen: Screen,
    orientation_deg: ArrayLike,  # (n,), direction in which luminance changes, anticlockwise of x
    cycles_per_deg: ArrayLike,  # (n,) or one
    *,
    phase_cycles: ArrayLike = 0.0,
    contrast: ArrayLike = 0.8,
) -> NDArray[np.float64]:
    """A session's gratings over the whole screen, (n, height, width), 0 to 1; contrasts outside 0 .. 1 are refused."""
    right, up = _degrees(shape, screen)
    return _on_grey(1.0, right, up, np.atleast_1d(orientation_deg), cycles_per_deg, phase_cycles, contrast)


def mean_of_top(
    patches: NDArray[np.floating],  # (n_gabors, height, width)
    spike_count: NDArray[np.number],  # (n_units, n_gabors), of the same rows
    protocol: Protocol,
    n_top: int = 3,
) -> TopGabors:
    """The mean of the patches that each unit fired most spikes for, (n_units, height, width).

    Equal counts in the order of the rows. ``published`` keeps the source's row index, which is off by one: the patch of
    the row before each (the last one's for the first row). Raises ValueError for counts of other rows than the
    patches, fewer rows than are averaged, and counts that aren't finite.
    """
    patches, spike_count = np.asarray(patches, dtype=np.float64), np.asarray(spike_count, dtype=np.float64)
    if spike_count.ndim != 2 or spike_count.shape[1] != len(patches):
        raise ValueError(f"{len(patches)} Gabors need counts (n_units, {len(patches)}), got {spike_count.shape}")
    if not 1 <= n_top <= len(patches) or not np.isfinite(spike_count).all():
        raise ValueError(f"the mean of {n_top} of {len(patches)} Gabors takes as many, with finite counts")
    row = np.argsort(-spike_count, axis=1, kind="stable")[:, :n_top]
    if protocol == "published":
        row = (row - 1) % len(patches)
    return TopGabors(patches[row].mean(axis=1), row)


def predicted_against_measured(
    predicted: NDArray[np.floating],  # (n_units, n_stimuli)
    measured: NDArray[np.floating],  # (n_units, n_stimuli), any unit
) -> PredictionMatch:
    """Pearson's r, and the line of measured on predicted responses, per unit.

    Raises ValueError for shapes that differ, fewer than three stimuli, or values that aren't finite.
    """
    predicted, measured = (np.asarray(one, dtype=np.float64) for one in (predicted, measured))
    if predicted.shape != measured.shape or predicted.ndim != 2 or predicted.shape[1] < 3:
        raise ValueError(f"responses must be (n_units, 3 stimuli or more), got {predicted.shape} and {measured.shape}")
    if not (np.isfinite(predicted).all() and np.isfinite(measured).all()):
        raise ValueError("predicted and measured responses must be finite")
    x, y = (one - one.mean(axis=1, keepdims=True) for one in (predicted, measured))
    changes = (np.ptp(predicted, axis=1) > 0) & (np.ptp(measured, axis=1) > 0)
    xx, yy, xy = (np.where(changes, (a * b).sum(axis=1), np.nan) for a, b in ((x, x), (y, y), (x, y)))
    slope = xy / xx
    return PredictionMatch(xy / np.sqrt(xx * yy), slope, measured.mean(axis=1) - slope * predicted.mean(axis=1))


def _wave(
    right: NDArray, up: NDArray, orientation_deg: NDArray, frequency: NDArray, phase_deg: NDArray
) -> NDArray[np.float64]:
    """A cosine along its direction, (n, height, width)."""
    angle = np.deg2rad(orientation_deg)[:, None, None]
    along = right * np.cos(angle) + up * np.sin(angle)
    return np.cos(2 * np.pi * frequency[:, None, None] * along + np.deg2rad(phase_deg)[:, None, None])


def _on_grey(
    window: NDArray | float,
    right: NDArray,
    up: NDArray,
    orientation_deg: NDArray,
    cycles_per_deg: ArrayLike,
    phase_cycles: ArrayLike,
    contrast: ArrayLike,
) -> NDArray[np.float64]:
    each = (np.broadcast_to(one, orientation_deg.shape) for one in (cycles_per_deg, phase_cycles, contrast))
    cycles_per_deg, phase_cycles, contrast = each
    if contrast.min() < 0 or contrast.max() > 1:
        raise ValueError(f"contrast must be 0 to 1, got {contrast.min():g} to {contrast.max():g}")
    wave = _wave(right, up, orientation_deg, cycles_per_deg, -360 * phase_cycles)
    return 0.5 + 0.5 * contrast[:, None, None] * window * wave


def _degrees(shape: tuple[int, int], screen: Screen) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each pixel's middle is, right of and above the screen's centre: (height, width) degrees each."""
    row, column = np.mgrid[: shape[0], : shape[1]]
    right = (column - (shape[1] - 1) / 2) * screen.width_deg / shape[1]
    return right, ((shape[0] - 1) / 2 - row) * screen.height_deg / shape[0]
