"""The encoding model: one core for all neurons, a readout for each, and counts of at least zero."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.functional import elu

from models.image_core import CoreChoice, ImageCore
from models.readouts import READOUTS

ReadoutName = Literal["pyramid", "gaussian", "factorised"]
OutputName = Literal["elu_plus_one", "linear"]


@dataclass(frozen=True)
class EncodingChoice:
    """What a model is made of; with the weights, all that is needed to make it again."""

    image_shape: tuple[int, int] = (60, 96)  # height, width in pixels
    core: CoreChoice = field(default_factory=CoreChoice)
    readout: ReadoutName = "factorised"
    readout_penalty: float = 0.003  # weight of the readouts' summed absolute weights
    output: OutputName = "elu_plus_one"

    def __post_init__(self) -> None:
        """Raise ValueError for names that are not known and images smaller than the core's pooling."""
        if self.readout not in READOUTS:
            raise ValueError(f"readout must be one of {', '.join(READOUTS)}, got {self.readout!r}")
        if self.output not in ("elu_plus_one", "linear"):
            raise ValueError(f"output must be 'elu_plus_one' or 'linear', got {self.output!r}")
        if min(self.image_shape) < self.core.pool:
            raise ValueError(f"images of {self.image_shape} pixels are smaller than the pooling of {self.core.pool}")
        if self.readout_penalty < 0:
            raise ValueError(f"readout_penalty must be 0 or more, got {self.readout_penalty}")


def published_choice(image_shape: tuple[int, int] = (60, 96)) -> EncodingChoice:
    """The source's model: pyramid readout, and no ELU + 1 at the output, which its text names and its code leaves out.

    It learns by the squared error, since its responses can be below 0.
    """
    return EncodingChoice(image_shape, readout="pyramid", readout_penalty=0.0, output="linear")


class EncodingModel(nn.Module):
    """Predicted mean responses of every neuron to an image.

    ``forward`` takes standardised images (n, 1, height, width) and gives (n, n_units) in the unit of the responses
    it learned from: ``response_scale * (ELU(readout) + 1)``, or ``response_scale * readout`` for the linear output.
    ``grey_mean`` and ``grey_sd`` are those of the training images, ``response_mean`` (n_units,) the neurons' mean
    responses to them; ``constant`` (n_units,) marks those that could not be learned and are predicted by that mean.
    """

    def __init__(self, choice: EncodingChoice, n_units: int) -> None:
        """Make the layers with random weights, drawn from torch's global generator."""
        super().__init__()
        if n_units < 1:
            raise ValueError(f"a model needs at least one unit, got {n_units}")
        self.choice, self.n_units = choice, n_units
        self.core = ImageCore(choice.core)
        height, width = (size // choice.core.pool for size in choice.image_shape)
        self.readout = READOUTS[choice.readout](choice.core.channels, height, width, n_units)
        self.register_buffer("grey_mean", torch.tensor(0.0))
        self.register_buffer("grey_sd", torch.tensor(1.0))
        self.register_buffer("response_mean", torch.zeros(n_units))
        self.register_buffer("response_scale", torch.ones(n_units))
        self.register_buffer("constant", torch.zeros(n_units, dtype=torch.bool))

    def forward(self, images: Tensor) -> Tensor:
        """Responses (n, n_units) to standardised images (n, 1, height, width)."""
        read = self._nonlinear(self.readout(self.core(self._checked(images))))
        return torch.where(self.constant, self.response_mean, self.response_scale * read)

    def one_unit_each(self, images: Tensor, units: Tensor) -> Tensor:
        """Response (n,) of neuron ``units[i]`` to standardised image i, without reading the other neurons."""
        read = self._nonlinear(self.readout.one_unit_each(self.core(self._checked(images)), units))
        return torch.where(self.constant[units], self.response_mean[units], self.response_scale[units] * read)

    def standardised(self, grey: Tensor) -> Tensor:
        """Grey images (n, height, width) as the model takes them, (n, 1, height, width)."""
        return ((grey.to(self.grey_mean) - self.grey_mean) / self.grey_sd)[:, None]

    def grey(self, standardised: Tensor) -> Tensor:
        """Standardised images (n, 1, height, width) as grey ones, (n, height, width)."""
        return standardised[:, 0] * self.grey_sd + self.grey_mean

    def penalty(self) -> Tensor:
        """What core and readouts add to the loss, a scalar."""
        return self.core.penalty() + self.choice.readout_penalty * self.readout.penalty()

    def _nonlinear(self, read: Tensor) -> Tensor:
        return elu(read) + 1 if self.choice.output == "elu_plus_one" else read

    def _checked(self, images: Tensor) -> Tensor:
        if tuple(images.shape[1:]) != (1, *self.choice.image_shape):
            expected = f"(n, 1, {self.choice.image_shape[0]}, {self.choice.image_shape[1]})"
            raise ValueError(f"the model takes images of {expected}, got {tuple(images.shape)}; see grey_at")
        return images


class _Several(nn.Module):
    """Models that see the same images."""

    def __init__(self, models: Sequence[EncodingModel]) -> None:
        super().__init__()
        if not models:
            raise ValueError("at least one model is needed")
        if len(shapes := {one.choice.image_shape for one in models}) > 1:
            raise ValueError(f"models must take images of one shape, got {sorted(shapes)}")
        self.models = nn.ModuleList(models)
        self.train(all(one.training for one in models))

    def standardised(self, grey: Tensor) -> Tensor:
        """Grey images (n, height, width) as the first model takes them."""
        return self.models[0].standardised(grey)

    def grey(self, standardised: Tensor) -> Tensor:
        """Standardised images of the first model as grey ones, (n, height, width)."""
        return self.models[0].grey(standardised)

    def _seen_by(self, one: EncodingModel, images: Tensor) -> Tensor:
        # Models that learned from other images have another mean and s.d.
        return images if one is self.models[0] else one.standardised(self.grey(images))


class SideBySide(_Several):
    """Models of different neurons as one: the neurons of each after those of the one before."""

    def __init__(self, models: Sequence[EncodingModel]) -> None:
        """Raises ValueError without models, or when they take images of different shapes."""
        super().__init__(models)
        self.n_units = sum(one.n_units for one in models)

    def forward(self, images: Tensor) -> Tensor:
        """Responses (n, n_units) to standardised images (n, 1, height, width)."""
        return torch.cat([one(self._seen_by(one, images)) for one in self.models], dim=1)

    def one_unit_each(self, images: Tensor, units: Tensor) -> Tensor:
        """Response (n,) of neuron ``units[i]`` to standardised image i, by that neuron's model alone."""
        found, first = images.new_zeros(len(images)), 0
        for one in self.models:
            at = torch.nonzero((units >= first) & (units < first + one.n_units))[:, 0]
            if len(at):
                some = one.one_unit_each(self._seen_by(one, images[at]), units[at] - first)
                found = found.index_put((at,), some)
            first += one.n_units
        return found


class Averaged(_Several):
    """The mean prediction of models of the same neurons that were trained from different seeds."""

    def __init__(self, models: Sequence[EncodingModel]) -> None:
        """Raises ValueError without models, or for models of different numbers of neurons or image shapes."""
        super().__init__(models)
        if len(counts := {one.n_units for one in models}) > 1:
            raise ValueError(f"only models of the same neurons can be averaged, got {sorted(counts)} neurons")
        self.n_units = models[0].n_units

    def forward(self, images: Tensor) -> Tensor:
        """Responses (n, n_units) to standardised images (n, 1, height, width)."""
        return torch.stack([one(self._seen_by(one, images)) for one in self.models]).mean(0)

    def one_unit_each(self, images: Tensor, units: Tensor) -> Tensor:
        """Response (n,) of neuron ``units[i]`` to standardised image i."""
        return torch.stack([one.one_unit_each(self._seen_by(one, images), units) for one in self.models]).mean(0)


Model = EncodingModel | SideBySide | Averaged
_KINDS = {kind.__name__: kind for kind in (EncodingModel, SideBySide, Averaged)}


def predict(
    model: Model,
    grey: NDArray[np.floating],  # (n_images, height, width)
    images_at_once: int = 128,
) -> NDArray[np.float64]:  # (n_images, n_units)
    """Predicted responses to grey images in the range of those that the model learned from, (n_images, n_units).

    In evaluation mode, on the model's device; the model is left as it was. Raises ValueError for images of another
    shape than the model's.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad():
        found = [
            model(model.standardised(torch.as_tensor(grey[first : first + images_at_once]))).cpu()
            for first in range(0, len(grey), images_at_once)
        ]
    model.train(was_training)
    return torch.cat(found).numpy().astype(np.float64)


def configuration(model: Model) -> dict[str, Any]:
    """What JSON holds of a model besides its weights; ``rebuilt`` takes it."""
    if isinstance(model, EncodingModel):
        return {"kind": "EncodingModel", "n_units": model.n_units, "choice": _plain(asdict(model.choice))}
    return {"kind": type(model).__name__, "models": [configuration(one) for one in model.models]}


def state_bytes(model: Model) -> bytes:
    """A model's weights and buffers as safetensors."""
    return save({name: value.cpu().contiguous() for name, value in model.state_dict().items()})


def rebuilt(configured: Mapping[str, Any], state: bytes) -> Model:
    """The model of ``configuration`` with the weights of ``state_bytes``, on the CPU, in evaluation mode.

    Raises ValueError when they are not of one model.
    """
    with torch.random.fork_rng(devices=[]):
        model = _made(configured)
    try:
        model.load_state_dict(load(state))
    except RuntimeError as error:
        raise ValueError(f"the weights are not those of the configuration: {error}") from None
    return model.eval()


def _made(configured: Mapping[str, Any]) -> Model:
    if configured.get("kind") not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {configured.get('kind')!r}")
    if configured["kind"] != "EncodingModel":
        return _KINDS[configured["kind"]]([_made(one) for one in configured["models"]])
    choice = dict(configured["choice"])
    choice |= {"image_shape": tuple(choice["image_shape"]), "core": CoreChoice(**choice["core"])}
    return EncodingModel(EncodingChoice(**choice), configured["n_units"])


def _plain(choice: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(choice))
