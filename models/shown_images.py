"""Images in display units, 0 black to 1 white, and what a trained model predicts for them."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class OnDisplay(nn.Module):
    """A model of standardised images, shown images in display units: see ``on_display``."""

    def __init__(self, model: nn.Module, black: float, white: float) -> None:
        """Keep the model; nothing of it is copied."""
        super().__init__()
        self.model, self.black, self.white = model, black, white
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Predicted responses (n, n_units) to images (n, 1, height, width) of 0 to 1."""
        return self.model(self._as_trained(images))

    def one_unit_each(self, images: Tensor, units: Tensor) -> Tensor:
        """Predicted response of unit ``units[i]`` alone to image i, (n,)."""
        return response_of(self.model, self._as_trained(images), units)

    def _as_trained(self, images: Tensor) -> Tensor:
        return self.model.standardised(self.black + (self.white - self.black) * images[:, 0])


def on_display(model: nn.Module, black: float = 0.0, white: float = 255.0) -> OnDisplay:
    """The same model, in eval mode, taking images of 0 to 1 instead of standardised ones.

    ``model.standardised`` turns grey images (n, height, width) into what the model takes, (n, 1, height, width), as
    encoding models do; ``black`` and ``white`` are the grey values of its training images that a display shows darkest
    and brightest. Raises ValueError for a model that doesn't standardise, and for a display without range.
    """
    if not hasattr(model, "standardised"):
        raise ValueError(f"{type(model).__name__} has no way to standardise grey images: show it its own images")
    if not black < white:
        raise ValueError(f"black must be darker than white, got {black} and {white}")
    return OnDisplay(model, black, white)


def response_of(model: nn.Module, images: Tensor, units: Tensor) -> Tensor:
    """Predicted response of unit ``units[i]`` to image i of (n, 1, height, width): (n,)."""
    if hasattr(model, "one_unit_each"):
        return model.one_unit_each(images, units)
    return model(images).gather(1, units[:, None])[:, 0]


def predicted_responses(
    model: nn.Module,
    images: NDArray[np.floating],  # (n_images, height, width), display units
    at_once: int = 128,
) -> NDArray[np.float64]:
    """Predicted response of every unit to every image, (n_images, n_units).

    Raises ValueError for a model in training mode, and images that aren't (n_images, height, width) and finite.
    """
    images, device = shown(images), asked(model)
    found = []
    with torch.no_grad():
        for first in range(0, len(images), at_once):
            found.append(model(torch.from_numpy(images[first : first + at_once, None]).to(device)).double().cpu())
    return torch.cat(found).numpy()


def response_of_own(
    model: nn.Module,
    images: NDArray[np.floating],  # (n_images, height, width), display units
    units: NDArray[np.integer],  # (n_images,)
    at_once: int = 128,
) -> NDArray[np.float64]:
    """Predicted response of unit ``units[i]`` to image i, (n_images,).

    Raises ValueError as ``predicted_responses``, and for units that the model doesn't have.
    """
    images, device = shown(images), asked(model)
    units = known_units(model, units, images.shape[1:])
    if len(units) != len(images):
        raise ValueError(f"each image needs one unit, got {len(images)} images and {len(units)} units")
    found = []
    with torch.no_grad():
        for first in range(0, len(images), at_once):
            rows = slice(first, first + at_once)
            some, of = torch.from_numpy(images[rows, None]).to(device), torch.from_numpy(units[rows]).to(device)
            found.append(response_of(model, some, of).double().cpu())
    return torch.cat(found).numpy()


def drift_response(
    model: nn.Module,
    units: NDArray[np.integer],  # (n_units,)
    frames: NDArray[np.floating],  # (n_phases, n_gabors, height, width), display units
    at_once: int = 128,
) -> NDArray[np.float64]:
    """Predicted response to drifting Gabors: the mean over the frames of a cycle, (n_units, n_gabors)."""
    predicted = predicted_responses(model, np.reshape(frames, (-1, *np.shape(frames)[2:])), at_once)
    return predicted.reshape(*np.shape(frames)[:2], -1).mean(axis=0).T[units]


def mean_contrast(images: NDArray[np.floating]) -> float:
    """Mean over images (n_images, height, width) of the sample standard deviation of their pixels, in their units.

    Raises ValueError when no image has any contrast.
    """
    images = shown(images)
    contrast = float(images.std(axis=(1, 2), ddof=1, dtype=np.float64).mean())
    if contrast == 0:
        raise ValueError(f"every one of the {len(images)} images is of one grey: they have no contrast")
    return contrast


def shown(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Images (n_images, height, width) as float32; ValueError for another shape, no image, or pixels not finite."""
    images = np.ascontiguousarray(images, dtype=np.float32)
    if images.ndim != 3 or 0 in images.shape:
        raise ValueError(f"images must be (n_images, height, width), got {images.shape}")
    if not np.isfinite(images).all():
        raise ValueError(f"{int((~np.isfinite(images)).any(axis=(1, 2)).sum())} images have pixels that aren't finite")
    return images


@contextmanager
def true_gradients(model: nn.Module) -> Iterator[None]:
    """Within it, gradients through the model's batch norms are right for a single image too.

    On a CPU torch 2.13 reads the wrong numbers where the gradient that comes back to a batch norm is of one image and
    laid out channels last, as an einsum leaves it, and what went in is not: without an error, responses are right and
    gradients are not. Here it is laid out as the rest first.
    """
    norms = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    hooks = [part.register_forward_hook(_lay_out_gradient) for part in norms]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def asked(model: nn.Module) -> torch.device:
    """Where a model lies; raises ValueError in training mode, where batch norm would mix the images."""
    if any(part.training for part in model.modules()):
        raise ValueError("the model is in training mode, where images shown together change each other: model.eval()")
    # A wrapper made of plain functions has neither; it lies where torch makes tensors.
    held = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.get_default_device() if held is None else held.device


def known_units(model: nn.Module, units: NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Unit numbers as int64; ValueError where the model has fewer, or refuses images of this height and width."""
    units = np.atleast_1d(np.asarray(units))
    if units.ndim != 1 or not len(units) or not np.issubdtype(units.dtype, np.integer):
        raise ValueError(f"units must be one row of whole numbers, got {units.dtype} {units.shape}")
    blank = torch.full((1, 1, *shape), 0.5, device=asked(model))
    try:
        with torch.no_grad():
            n_units = model(blank).shape[1]
    except RuntimeError as refusal:
        raise ValueError(f"the model can't see images of {shape[0]} x {shape[1]} pixels: {refusal}") from refusal
    if units.min() < 0 or units.max() >= n_units:
        unknown = units[(units < 0) | (units >= n_units)]
        raise ValueError(f"the model predicts units 0 to {n_units - 1}, but was asked for {unknown.tolist()}")
    return units.astype(np.int64)


def _lay_out_gradient(norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    if output.requires_grad:
        output.register_hook(torch.Tensor.contiguous)
