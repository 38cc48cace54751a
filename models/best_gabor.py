"""The Gabor that makes a model's unit respond most, at no more norm than a given image has, and its phase tuning."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from models.gabors import Gabors
from models.shown_images import asked, known_units, response_of, response_of_own, shown, true_gradients

# How far a parameter moves where Adam would move it by 1: x and y in pixels, angles in radians, logarithms.
_SCALE = (2.0, 2.0, 0.3, 0.2, 0.6, 0.2)


@dataclass(frozen=True)
class GaborSearch:
    """The grid that is tried, and how the best of it are refined; lengths in pixels."""

    grid_px: float = 8.0
    n_orientations: int = 6
    cycles_per_px: tuple[float, ...] = (0.06, 0.1, 0.16)
    n_phases: int = 4
    sigmas_px: tuple[float, ...] = (3.0, 5.5)
    n_refined: int = 4
    n_steps: int = 60

    def __post_init__(self) -> None:
        """Raise ValueError for an empty grid, or frequencies that pixels can't show."""
        numbers = (self.grid_px, self.n_orientations, self.n_phases, self.n_refined, *self.sigmas_px)
        if not self.sigmas_px or min(numbers) <= 0 or self.n_steps < 0:
            raise ValueError(f"a search needs numbers above 0, got {self}")
        if not self.cycles_per_px or not 0 < min(self.cycles_per_px) <= max(self.cycles_per_px) <= 0.5:
            raise ValueError(f"frequencies must be above 0 and at most .5 cycles per pixel, got {self.cycles_per_px}")


@dataclass(frozen=True)
class BestGabors:
    """Each unit's best Gabor, and what it makes the unit do."""

    unit: NDArray[np.int64]  # (n_units,)
    gabor: Gabors  # (n_units,) each
    images: NDArray[np.float32]  # (n_units, height, width), display units
    response: NDArray[np.float64]  # (n_units,), as the model predicts
    coarse_response: NDArray[np.float64]  # (n_units,), to the best of the grid, before it was refined


@dataclass(frozen=True)
class PhaseTuning:
    """Responses to a Gabor as its phase goes round, and how much of them goes with it."""

    phase_deg: NDArray[np.float64]  # (n_phases,)
    response: NDArray[np.float64]  # (n_units, n_phases)
    modulation: NDArray[np.float64]  # (n_units,), F1 / F0; NaN where no phase excites the unit on average

    @property
    def phase_invariant(self) -> NDArray[np.bool_]:
        """Complex cells, (n_units,): modulation below 1 (Skottun et al. 1991)."""
        return self.modulation < 1


def norm_of(images: NDArray[np.floating], about: float = 0.5) -> NDArray[np.float64]:
    """Root mean square deviation of each image of (n_images, height, width) from a grey, (n_images,)."""
    return np.sqrt(np.mean((shown(images).astype(np.float64) - about) ** 2, axis=(1, 2)))


def shown_gabors(gabors: Gabors, shape: tuple[int, int], norm: ArrayLike, about: float = 0.5) -> NDArray[np.float32]:
    """Gabors at a norm each ((n,) or one) about a grey, then cut at black and white: (n, height, width), 0 to 1."""
    norm = torch.from_numpy(np.array(np.broadcast_to(norm, gabors.x_px.shape), dtype=np.float32))
    return _drawn(_parameters(gabors), shape, norm, about)[:, 0].numpy()


def best_gabors(
    model: nn.Module,
    units: NDArray[np.integer],  # (n_units,)
    shape: tuple[int, int],
    norm: ArrayLike,  # (n_units,) or one, root mean square deviation from the grey, display units
    search: GaborSearch | None = None,
    about: float = 0.5,
    at_once: int = 128,
) -> BestGabors:
    """Search place, direction, frequency, phase and size: one grid for all units, then the gradient from the best.

    ``norm`` is that of each unit's most exciting input (``norm_of``), so that both have the same energy to spend; the
    grid, which all units see, is drawn at its median. The best ``n_refined`` points of a unit are followed by Adam
    through the model, and the best Gabor met is kept. Raises ValueError for a model in training mode, units that it
    doesn't have, images that it can't see, or a norm that isn't above 0.
    """
    search = search or GaborSearch()
    units = known_units(model, units, shape)
    norm = np.array(np.broadcast_to(norm, units.shape), dtype=np.float32)
    if not (norm > 0).all():
        raise ValueError(f"Gabors are matched to a norm above 0, got {norm.min()}")
    device = asked(model)
    grid = _grid(search, shape)  # (n_grid, 6)
    coarse = torch.empty(len(grid), len(units))
    with torch.no_grad():
        typical = torch.full((len(grid),), float(np.median(norm)))
        for first in range(0, len(grid), at_once):
            rows = slice(first, first + at_once)
            images = _drawn(grid[rows], shape, typical[rows], about).to(device)
            coarse[rows] = model(images)[:, units].cpu()
    n_refined = min(search.n_refined, len(grid))
    start = grid[coarse.topk(n_refined, dim=0).indices.T.reshape(-1)]  # (n_units * n_refined, 6)
    own, own_norm = torch.from_numpy(units).repeat_interleave(n_refined), torch.from_numpy(norm)
    own_norm = own_norm.repeat_interleave(n_refined)
    found, response, started_at = [], [], []
    for first in range(0, len(start), at_once):
        rows = slice(first, first + at_once)
        refined = _refined(model, own[rows], start[rows], own_norm[rows], shape, search, about)
        for kept, one in zip((found, response, started_at), refined, strict=True):
            kept.append(one)
    response = torch.cat(response).reshape(len(units), n_refined)
    best = response.argmax(dim=1)
    chosen = torch.cat(found).reshape(len(units), n_refined, -1)[torch.arange(len(units)), best]
    gabors = _gabors(chosen)
    images = shown_gabors(gabors, shape, norm, about)
    at_start = torch.cat(started_at).reshape(len(units), n_refined).amax(dim=1)
    return BestGabors(units, gabors, images, response_of_own(model, images, units), at_start.double().numpy())


def phase_tuning(
    model: nn.Module,
    units: NDArray[np.integer],  # (n_units,)
    gabors: Gabors,  # (n_units,) each
    shape: tuple[int, int],
    norm: ArrayLike,  # (n_units,) or one
    about: float = 0.5,
    n_phases: int = 16,
) -> PhaseTuning:
    """Each unit's responses to its own Gabor at phases all round.

    F0 is the mean response above that to the plain grey, F1 the amplitude of what goes once round with the phase.
    A half-wave rectified linear unit has pi / 2, a sum of squares in quadrature 0. Raises ValueError for fewer than
    four phases, and Gabors of other units.
    """
    if n_phases < 4 or len(gabors.x_px) != len(units):
        raise ValueError(f"takes four phases or more and a Gabor per unit, got {n_phases} and {len(gabors.x_px)}")
    phase_deg = 360 * np.arange(n_phases) / n_phases
    each = {name: np.repeat(row, n_phases) for name, row in vars(gabors).items()}
    turned = Gabors(**each | {"phase_deg": np.tile(phase_deg, len(units))})
    norm = np.repeat(np.broadcast_to(norm, len(units)), n_phases)
    images = shown_gabors(turned, shape, norm, about)  # (n_units * n_phases, height, width)
    response = response_of_own(model, images, np.repeat(units, n_phases)).reshape(len(units), n_phases)
    blank = response_of_own(model, np.full((len(units), *shape), about), units)
    waves = np.abs(np.fft.rfft(response - blank[:, None], axis=1)) / n_phases
    mean = response.mean(axis=1) - blank
    return PhaseTuning(phase_deg, response, np.divide(2 * waves[:, 1], mean, out=mean * np.nan, where=mean > 0))


def _grid(search: GaborSearch, shape: tuple[int, int]) -> Tensor:
    """Every combination, (n_grid, 6): x and y in pixels, direction in radians, log frequency, phase, log sigma."""
    x_px, y_px = (_middle_out(size, search.grid_px) for size in (shape[1], shape[0]))
    directions = np.pi * np.arange(search.n_orientations) / search.n_orientations
    phases = 2 * np.pi * np.arange(search.n_phases) / search.n_phases
    axes = (x_px, y_px, directions, np.log(search.cycles_per_px), phases, np.log(search.sigmas_px))
    return torch.from_numpy(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 6).astype(np.float32))


def _middle_out(size: int, apart: float) -> NDArray[np.float64]:
    n_beside = int((size - 1) / 2 // apart)
    return apart * np.arange(-n_beside, n_beside + 1)


def _refined(
    model: nn.Module,
    units: Tensor,  # (n,)
    start: Tensor,  # (n, 6)
    norm: Tensor,  # (n,)
    shape: tuple[int, int],
    search: GaborSearch,
    about: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The best parameters met on each way (n, 6), the response to them and that to the start, (n,) each."""
    device = asked(model)
    units, start, norm = units.to(device), start.to(device), norm.to(device)
    moved = torch.zeros_like(start, requires_grad=True)
    scale = torch.tensor(_SCALE, device=device)
    optimizer = torch.optim.Adam([moved], lr=0.1)
    best, best_response, first_response = start.clone(), torch.full_like(norm, -torch.inf), None
    for step in range(search.n_steps + 1):
        here = _allowed(start + scale * moved, shape)
        with true_gradients(model):
            response = response_of(model, _drawn(here, shape, norm, about), units)
        better = response.detach() > best_response
        best = torch.where(better[:, None], here.detach(), best)
        best_response = torch.where(better, response.detach(), best_response)
        if step == 0:
            first_response = response.detach()
        if step == search.n_steps:
            break
        # Rows don't see each other: Adam follows each one's own gradient.
        (moved.grad,) = torch.autograd.grad(-response.sum(), moved)
        optimizer.step()
    return best.cpu(), best_response.cpu(), first_response.cpu()


def _allowed(parameters: Tensor, shape: tuple[int, int]) -> Tensor:
    """Within the image, from 1 cycle along it to what pixels can show, from 1 pixel to a quarter of its longer side."""
    longer = max(shape)
    low = parameters.new_tensor([-shape[1] / 2, -shape[0] / 2, -torch.inf, -np.log(longer), -torch.inf, 0.0])
    high = parameters.new_tensor([shape[1] / 2, shape[0] / 2, torch.inf, np.log(0.5), torch.inf, np.log(longer / 4)])
    return torch.maximum(torch.minimum(parameters, high), low)


def _drawn(parameters: Tensor, shape: tuple[int, int], norm: Tensor, about: float) -> Tensor:
    """Images (n, 1, height, width) in display units of parameters (n, 6), at norms (n,)."""
    x_px, y_px, direction, log_frequency, phase, log_sigma = parameters[:, :, None, None].unbind(dim=1)
    column = torch.arange(shape[1], device=parameters.device) - (shape[1] - 1) / 2
    row = (shape[0] - 1) / 2 - torch.arange(shape[0], device=parameters.device)
    right, up = column[None, None] - x_px, row[None, :, None] - y_px
    along = right * direction.cos() + up * direction.sin()
    wave = torch.cos(2 * torch.pi * log_frequency.exp() * along + phase)
    patch = torch.exp(-(right**2 + up**2) / (2 * log_sigma.exp() ** 2)) * wave
    length = patch.square().mean(dim=(-2, -1), keepdim=True).sqrt().clamp(min=1e-9)
    return (about + patch / length * norm[:, None, None]).clamp(0, 1)[:, None]


def _parameters(gabors: Gabors) -> Tensor:
    rows = (
        gabors.x_px,
        gabors.y_px,
        np.deg2rad(gabors.orientation_deg),
        np.log(gabors.cycles_per_px),
        np.deg2rad(gabors.phase_deg),
        np.log(gabors.sigma_px),
    )
    return torch.from_numpy(np.stack(rows, axis=1).astype(np.float32))


def _gabors(parameters: Tensor) -> Gabors:
    x_px, y_px, direction, log_frequency, phase, log_sigma = parameters.double().numpy().T
    # A direction and its opposite are one Gabor, with the phase turned round.
    turns = np.floor(np.rad2deg(direction) / 180)
    phase_deg = np.where(turns % 2, -1, 1) * np.rad2deg(phase) % 360
    return Gabors(x_px, y_px, np.rad2deg(direction) % 180, np.exp(log_frequency), phase_deg, np.exp(log_sigma))
