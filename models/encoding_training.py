"""Training of encoding models: until the validation images say stop, and back to where they were predicted best."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.devices import Device, chosen_device
from models.encoding_model import Averaged, EncodingChoice, EncodingModel, SideBySide
from models.image_responses import mean_responses
from models.image_splits import ImageSplit

LossName = Literal["poisson", "mse"]


@dataclass(frozen=True)
class TrainingChoice:
    """How a model learns; the defaults are those of a CPU of two cores."""

    loss: LossName = "poisson"
    learning_rate: float = 0.003
    batch_size: int = 32  # images
    most_epochs: int = 200
    patience: int = 8  # epochs without a better validation loss before the learning rate falls
    n_decays: int = 2  # times that the learning rate falls, by 0.3, before training ends
    weight_decay: float = 0.0
    shift: int = 0  # most pixels that a training image is moved by, at random, along each side
    seed: int = 0
    device: Device = "auto"

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot train."""
        if self.loss not in ("poisson", "mse"):
            raise ValueError(f"loss must be 'poisson' or 'mse', got {self.loss!r}")
        if not self.learning_rate > 0 or min(self.batch_size - 1, self.most_epochs, self.patience) < 1:
            raise ValueError(f"learning_rate, most_epochs and patience must be positive, batch_size 2 or more: {self}")


@dataclass(frozen=True)
class Epoch:
    """One point of a learning curve; losses are per presentation and neuron, in multiples of the neuron's scale."""

    epoch: int  # from 1
    train_loss: float
    validation_loss: float
    validation_correlation: float  # to the mean responses, mean over neurons
    learning_rate: float
    duration_s: float


@dataclass(frozen=True)
class Trained:
    """A model at its best epoch, and how it came there."""

    model: EncodingModel
    curve: tuple[Epoch, ...]
    best_epoch: int
    device: str
    duration_s: float

    @property
    def validation_loss(self) -> float:
        """That of its best epoch; of the same data, to be compared between models."""
        return self.curve[self.best_epoch - 1].validation_loss


@dataclass(frozen=True)
class _Side:
    """Images of one side of the split, with mean responses and how many presentations stand behind each."""

    images: Tensor  # (n, 1, height, width), standardised
    mean: Tensor  # (n, n_units), in units of each neuron's mean
    weight: Tensor  # (n, n_units), presentations


def train_encoding_model(
    grey: NDArray[np.floating],  # (n_images, height, width)
    trials: NDArray[np.floating],  # (n_units, n_images, n_repeats)
    split: ImageSplit,
    choice: EncodingChoice,
    training: TrainingChoice,
    progress: Callable[[Epoch], None] | None = None,
) -> Trained:
    """Learn one model of all neurons from the training images; the validation images end it, test images stay unseen.

    ``grey`` (n_images, height, width) of the choice's shape, any range; ``trials`` (n_units, n_images, n_repeats)
    responses, NaN where an image was not shown again; ``split`` rows of images. Mean and s.d. of the grey values are
    those of the training images; each neuron is scaled by its mean response to them, or under "mse" by the s.d. of
    its mean responses. A presentation weighs the same whatever image it shows. A neuron without spikes, or with the
    same mean response to all training images, takes no part and is predicted by its mean. AdamW; the learning rate
    falls when the validation loss hasn't for ``patience`` epochs, each time from the best weights so far, which are
    returned. The same seed gives the same weights on one CPU and number of threads; on a GPU sums are taken in any
    order. Raises ValueError for sizes that do not match, pixels that are not finite, negative responses or a linear
    output under the Poisson loss, images of one value, no responses to validation images, and when no neuron can be
    learned.
    """
    grey, trials = _checked(grey, trials, split, choice, training)
    started = time.monotonic()
    device = chosen_device(training.device)
    with torch.random.fork_rng(devices=[0] if device == "cuda" else []):
        torch.manual_seed(training.seed)
        model = EncodingModel(choice, len(trials)).to(device, memory_format=torch.channels_last)
        _standardise(model, grey[split.train], trials[:, split.train], training.loss)
        train, validation = (_side(model, grey, trials, rows) for rows in (split.train, split.validation))
        curve, best_epoch = _descend(model, train, validation, training, progress)
    return Trained(model.eval(), tuple(curve), best_epoch, device, time.monotonic() - started)


def train_ensemble(
    grey: NDArray[np.floating],
    trials: NDArray[np.floating],
    split: ImageSplit,
    choice: EncodingChoice,
    training: TrainingChoice,
    n_models: int = 3,
    progress: Callable[[int, Epoch], None] | None = None,
    first: Trained | None = None,
) -> tuple[Averaged, tuple[Trained, ...]]:
    """Models of the same neurons from seeds ``training.seed``, one more, ..., and their mean prediction.

    Arrays and errors as of ``train_encoding_model``; ``progress`` is also told which model, from 0. ``first`` spares
    the training of the first, when that was done before.
    """
    begun = () if first is None else (first,)
    trained = begun + tuple(
        train_encoding_model(
            grey, trials, split, choice, replace(training, seed=training.seed + at), _told(progress, at)
        )
        for at in range(len(begun), n_models)
    )
    return Averaged([one.model for one in trained]).eval(), trained


def train_unit_by_unit(
    grey: NDArray[np.floating],
    trials: NDArray[np.floating],
    split: ImageSplit,
    choice: EncodingChoice,
    training: TrainingChoice,
    progress: Callable[[int, Epoch], None] | None = None,
) -> tuple[SideBySide, tuple[Trained, ...]]:
    """A model with a core of its own for each neuron, as the source trains them (``published``).

    Arrays and errors as of ``train_encoding_model``; ``progress`` is also told which neuron. All have one seed. A
    neuron that cannot be learned raises ValueError here: leave it out.
    """
    trained = tuple(
        train_encoding_model(grey, trials[[unit]], split, choice, training, _told(progress, unit))
        for unit in range(len(trials))
    )
    return SideBySide([one.model for one in trained]).eval(), trained


def presentation_loss(predicted: Tensor, mean: Tensor, weight: Tensor, loss: LossName) -> Tensor:
    """Loss per presentation and neuron, a scalar, from mean responses: all (n, n_units), ``weight`` presentations.

    "poisson": predicted - mean * ln(predicted), which differs from that of the single presentations by a constant;
    "mse": squared distance to the mean, which differs from theirs by the variance around it. 0 without presentations.
    """
    poisson = loss == "poisson"
    each = predicted - mean * torch.log(predicted.clamp(min=1e-6)) if poisson else (predicted - mean).square()
    return (weight * each).sum() / weight.sum().clamp(min=1)


def _descend(
    model: EncodingModel,
    train: _Side,
    validation: _Side,
    training: TrainingChoice,
    progress: Callable[[Epoch], None] | None,
) -> tuple[list[Epoch], int]:
    optimiser = torch.optim.AdamW(model.parameters(), training.learning_rate, weight_decay=training.weight_decay)
    curve: list[Epoch] = []
    best, best_epoch, best_loss, waited, decays = _copied(model), 0, float("inf"), 0, 0
    for epoch in range(1, training.most_epochs + 1):
        started = time.monotonic()
        train_loss = _one_epoch(model, train, training, optimiser)
        validation_loss, correlation = _judged(model, validation, training.loss)
        rate = optimiser.param_groups[0]["lr"]
        curve.append(Epoch(epoch, train_loss, validation_loss, correlation, rate, time.monotonic() - started))
        if progress is not None:
            progress(curve[-1])
        if validation_loss < best_loss:
            best, best_epoch, best_loss, waited = _copied(model), epoch, validation_loss, 0
            continue
        waited += 1
        if waited >= training.patience:
            if decays == training.n_decays:
                break
            model.load_state_dict(best)
            optimiser.param_groups[0]["lr"] = 0.3 * rate
            waited, decays = 0, decays + 1
    if not best_epoch:
        raise ValueError("the validation loss was never finite: take a smaller learning rate")
    model.load_state_dict(best)
    return curve, best_epoch


def _one_epoch(model: EncodingModel, train: _Side, training: TrainingChoice, optimiser: torch.optim.Optimizer) -> float:
    model.train()
    order = torch.randperm(len(train.images)).to(train.images.device)
    total = 0.0
    for rows in order.split(training.batch_size):
        if len(rows) < 2:
            continue  # batch norm has no variance of one image; another epoch leaves another image out
        images = _shifted(train.images[rows], training.shift)
        loss = presentation_loss(
            model(images) / model.response_scale, train.mean[rows], train.weight[rows], training.loss
        )
        optimiser.zero_grad(set_to_none=True)
        # The penalties are per neuron's summed loss, so that a core's weighs less the more neurons share it.
        (loss + model.penalty() / model.n_units).backward()
        optimiser.step()
        if hasattr(model.readout, "constrain"):
            model.readout.constrain()
        total += float(loss.detach()) * len(rows)
    return total / len(train.images)


def _judged(model: EncodingModel, side: _Side, loss: LossName) -> tuple[float, float]:
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([model(some) for some in side.images.split(128)]) / model.response_scale
        value = presentation_loss(predicted, side.mean, side.weight, loss)
        weight = (side.weight > 0).to(predicted)
        ours, theirs = (one - (weight * one).sum(0) / weight.sum(0).clamp(min=1) for one in (predicted, side.mean))
        sd = ((weight * ours.square()).sum(0) * (weight * theirs.square()).sum(0)).sqrt()
        correlation = (weight * ours * theirs).sum(0)[sd > 0] / sd[sd > 0]
    return float(value), float(correlation.mean()) if len(correlation) else float("nan")


def _shifted(images: Tensor, most: int) -> Tensor:
    """Images moved by up to so many pixels, what comes in being grey as the mean: each by its own amount."""
    if not most:
        return images
    n, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (most,) * 4)
    dy, dx = torch.randint(0, 2 * most + 1, (2, n), device=images.device)
    y = (dy[:, None] + torch.arange(height, device=images.device))[:, :, None]  # (n, height, 1)
    x = (dx[:, None] + torch.arange(width, device=images.device))[:, None, :]  # (n, 1, width)
    return padded[torch.arange(n, device=images.device)[:, None, None], 0, y, x][:, None]


def _standardise(model: EncodingModel, grey: NDArray, trials: NDArray, loss: LossName) -> None:
    """Take mean and s.d. of the grey values and the neurons' means and scales from the training side."""
    responses = mean_responses(trials)  # (n_units, n_images)
    shown = np.isfinite(responses).any(axis=1)
    mean, sd = np.zeros(len(responses)), np.zeros(len(responses))
    mean[shown], sd[shown] = np.nanmean(responses[shown], axis=1), np.nanstd(responses[shown], axis=1)
    constant = sd <= 1e-9 * np.abs(mean)
    if constant.all():
        raise ValueError(f"none of {len(constant)} units has responses that differ between the training images")
    model.grey_mean.fill_(float(grey.mean(dtype=np.float64)))
    model.grey_sd.fill_(float(grey.std(dtype=np.float64)))
    scale = np.where(constant, 1.0, mean if loss == "poisson" else sd)
    for buffer, values in ((model.response_mean, mean), (model.response_scale, scale), (model.constant, constant)):
        buffer.copy_(torch.as_tensor(values))
    # Start from predicting each neuron's mean.
    start = mean / scale - (model.choice.output == "elu_plus_one")
    with torch.no_grad():
        model.readout.bias.copy_(torch.as_tensor(start))


def _side(model: EncodingModel, grey: NDArray, trials: NDArray, rows: NDArray[np.int64]) -> _Side:
    mean = np.nan_to_num(mean_responses(trials[:, rows])).T  # (n, n_units)
    weight = np.isfinite(trials[:, rows]).sum(axis=2).T * ~model.constant.cpu().numpy()  # (n, n_units)
    on = model.grey_mean
    images = model.standardised(torch.as_tensor(grey[rows]))
    return _Side(images, torch.as_tensor(mean).to(on) / model.response_scale, torch.as_tensor(weight).to(on))


def _checked(grey, trials, split: ImageSplit, choice: EncodingChoice, training: TrainingChoice):
    grey, trials = np.asarray(grey, dtype=np.float32), np.asarray(trials, dtype=np.float64)
    if trials.ndim != 3:
        raise ValueError(f"trials must be (n_units, n_images, n_repeats), got {trials.shape}")
    if grey.shape != (trials.shape[1], *choice.image_shape):
        expected = (trials.shape[1], *choice.image_shape)
        raise ValueError(f"grey must be {expected} for these trials and this model, got {grey.shape}; see grey_at")
    if training.loss == "poisson" and choice.output == "linear":
        raise ValueError("a linear output can be below 0, which the Poisson loss does not take; use loss='mse'")
    if training.loss == "poisson" and (negative := int((trials < 0).sum())):
        raise ValueError(f"{negative} responses are below 0, which the Poisson loss does not take; use loss='mse'")
    if (sizes := (len(split.train), len(split.validation))) < (2, 1) or not sizes[1]:
        raise ValueError(f"2 training images and 1 validation image are needed, got {sizes[0]} and {sizes[1]}")
    if n := int((~np.isfinite(grey)).any(axis=(1, 2)).sum()):
        raise ValueError(f"{n} of {len(grey)} images have pixels that are not finite; see grey_at")
    if not np.isfinite(trials[:, split.validation]).any():
        raise ValueError("no validation image was ever shown: there is nothing to end the training by")
    if not grey[split.train].std() > 0:
        raise ValueError("all pixels of all training images have one value: there is nothing to learn from")
    return grey, trials


def _copied(model: EncodingModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _told(progress: Callable[[int, Epoch], None] | None, which: int) -> Callable[[Epoch], None] | None:
    return None if progress is None else lambda epoch: progress(which, epoch)
