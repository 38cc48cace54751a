"""Readouts: how each neuron turns the features of a core, (n, channels, height, width), into one number.

Positions are (x, y), -1 and 1 being the centres of the outermost pixels of the feature map.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, grid_sample

# A Gauss of s.d. 1.042 pixels: the 5 x 5 window of neuralpredictors' "gauss5x5" to within 1e-4.
_GAUSS = torch.exp(-(torch.arange(-2.0, 3.0) ** 2) / (2 * 1.042**2))


class GaussianReadout(nn.Module):
    """A position per neuron, drawn from a Gauss in training and its mean otherwise, and a weight per channel.

    After Lurz et al. (2021), with one standard deviation per neuron.
    """

    def __init__(self, channels: int, height: int, width: int, n_units: int) -> None:
        """Positions start near the centre."""
        super().__init__()
        self.mean = nn.Parameter(torch.empty(n_units, 2).uniform_(-0.1, 0.1))
        self.log_sd = nn.Parameter(torch.full((n_units, 1), -1.2))
        self.weight = nn.Parameter(_near(1 / channels, n_units, channels))
        self.bias = nn.Parameter(torch.zeros(n_units))

    def position(self) -> Tensor:
        """Where each neuron reads, (n_units, 2)."""
        return self.mean.clamp(-1, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Read every neuron from every image: (n, n_units)."""
        at = self._drawn(len(features), self.mean, self.log_sd)  # (n, n_units, 2)
        return torch.einsum("ncu,uc->nu", _sampled(features, at), self.weight) + self.bias

    def one_unit_each(self, features: Tensor, units: Tensor) -> Tensor:
        """Read image i by neuron ``units[i]`` alone: (n,)."""
        at = self._drawn(1, self.mean[units], self.log_sd[units])[0, :, None]  # (n, 1, 2)
        return (_sampled(features, at)[..., 0] * self.weight[units]).sum(1) + self.bias[units]

    def penalty(self) -> Tensor:
        """Summed absolute weights."""
        return self.weight.abs().sum()

    def _drawn(self, n: int, mean: Tensor, log_sd: Tensor) -> Tensor:
        at = mean.expand(n, -1, -1)
        if self.training:
            at = at + log_sd.exp() * torch.randn_like(at)
        return at.clamp(-1, 1)


class PyramidReadout(nn.Module):
    """A position per neuron on each level of a Laplace pyramid, and non-negative weights per level and channel.

    After Sinz et al. (2018) and Walker et al. (2019): ``n_scales`` band-passed levels of the features and what
    remains, all read at one position.
    """

    n_scales = 3

    def __init__(self, channels: int, height: int, width: int, n_units: int) -> None:
        """Positions start near the centre; raises ValueError when the features are too small for the levels."""
        super().__init__()
        if min(height, width) < 2**self.n_scales:
            raise ValueError(
                f"{self.n_scales} scales need features of {2**self.n_scales} pixels or more, got {height} x {width}: "
                "take larger images or another readout"
            )
        self.mean = nn.Parameter(torch.empty(n_units, 2).uniform_(-0.1, 0.1))
        self.raw_weight = nn.Parameter(_near(1 / channels, n_units, (self.n_scales + 1) * channels))
        self.bias = nn.Parameter(torch.zeros(n_units))

    @property
    def weight(self) -> Tensor:
        """Non-negative weights, (n_units, (n_scales + 1) * channels): finest band first, what remains last."""
        return self.raw_weight.clamp(min=0)

    def position(self) -> Tensor:
        """Where each neuron reads, (n_units, 2)."""
        return self.mean.clamp(-1, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Read every neuron from every image: (n, n_units)."""
        at = self.position().expand(len(features), -1, -1)
        return torch.einsum("ncu,uc->nu", self._levels_at(features, at), self.weight) + self.bias

    def one_unit_each(self, features: Tensor, units: Tensor) -> Tensor:
        """Read image i by neuron ``units[i]`` alone: (n,)."""
        levels = self._levels_at(features, self.position()[units][:, None])[..., 0]
        return (levels * self.weight[units]).sum(1) + self.bias[units]

    def penalty(self) -> Tensor:
        """Summed weights, which aren't negative."""
        return self.weight.sum()

    def constrain(self) -> None:
        """After a step: weights below zero become zero, so that they can grow again, and positions stay inside."""
        with torch.no_grad():
            self.raw_weight.clamp_(min=0)
            self.mean.clamp_(-1, 1)

    def _levels_at(self, features: Tensor, at: Tensor) -> Tensor:
        return torch.cat([_sampled(level, at) for level in laplace_pyramid(features, self.n_scales)], dim=1)


class FactorisedReadout(nn.Module):
    """A mask over places per neuron, of norm 1, and a weight per channel (Klindt et al. 2017)."""

    def __init__(self, channels: int, height: int, width: int, n_units: int) -> None:
        """The mask starts as a Gauss at the centre."""
        super().__init__()
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        centre = torch.exp(-(x**2 + y**2) / (2 * 0.4**2))
        self.mask = nn.Parameter(centre.expand(n_units, -1, -1) + 0.01 * torch.randn(n_units, height, width))
        self.weight = nn.Parameter(_near(1 / channels, n_units, channels))
        self.bias = nn.Parameter(torch.zeros(n_units))
        self.register_buffer("x", x, persistent=False)
        self.register_buffer("y", y, persistent=False)

    def normed_mask(self) -> Tensor:
        """Masks of norm 1, (n_units, height, width)."""
        return self.mask / self.mask.norm(dim=(1, 2), keepdim=True).clamp(min=1e-12)

    def position(self) -> Tensor:
        """Where each neuron's absolute mask has its centre of mass, (n_units, 2)."""
        size = self.mask.abs() / self.mask.abs().sum(dim=(1, 2), keepdim=True)
        return torch.stack([(size * axis).sum(dim=(1, 2)) for axis in (self.x, self.y)], dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Read every neuron from every image: (n, n_units)."""
        seen = torch.einsum("nchw,uhw->ncu", features, self.normed_mask())
        return torch.einsum("ncu,uc->nu", seen, self.weight) + self.bias

    def one_unit_each(self, features: Tensor, units: Tensor) -> Tensor:
        """Read image i by neuron ``units[i]`` alone: (n,)."""
        # Not einsum: its gradient is channels-last for a single image, and torch 2.13's batch norm then goes wrong.
        seen = (features * self.normed_mask()[units][:, None]).sum((2, 3))
        return (seen * self.weight[units]).sum(1) + self.bias[units]

    def penalty(self) -> Tensor:
        """Summed absolute products of mask and weight, each neuron's mask in multiples of a single pixel's."""
        return (self.normed_mask().abs().sum(dim=(1, 2)) * self.weight.abs().sum(1)).sum()


READOUTS = {"pyramid": PyramidReadout, "gaussian": GaussianReadout, "factorised": FactorisedReadout}


def laplace_pyramid(features: Tensor, n_scales: int) -> list[Tensor]:
    """Band-passed features, finest first, and what remains; each half as large as the one before.

    ``features`` (n, channels, height, width) of any size. A band is what is lost when the features are blurred by a
    5 x 5 Gauss, every second pixel kept, and those spread out again (Burt and Adelson 1983); zero outside.
    """
    channels = features.shape[1]
    blur = (torch.outer(_GAUSS, _GAUSS) / _GAUSS.sum() ** 2).to(features).expand(channels, 1, -1, -1)
    levels = []
    for _ in range(n_scales):
        low = conv2d(features, blur, stride=2, padding=2, groups=channels)
        more = tuple((size + 1) % 2 for size in features.shape[-2:])
        spread = conv_transpose2d(low, 4 * blur, stride=2, padding=2, output_padding=more, groups=channels)
        levels.append(features - spread)
        features = low
    return [*levels, features]


def _sampled(features: Tensor, at: Tensor) -> Tensor:
    """Features at positions (n, n_places, 2), between pixels in proportion: (n, channels, n_places)."""
    return grid_sample(features, at[:, :, None], padding_mode="border", align_corners=True)[..., 0]


def _near(value: float, *shape: int) -> Tensor:
    # Not all alike: equal weights would make neurons at one position learn the same.
    return value * (1 + 0.1 * torch.randn(*shape))
