"""The convolutional core of an encoding model: what all neurons of an area share."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

_LAPLACE = torch.tensor([[[[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]]]])


@dataclass(frozen=True)
class CoreChoice:
    """Size and regularisation of a core; the defaults are the source's."""

    channels: int = 64
    n_layers: int = 3
    input_kernel: int = 4  # pixels
    hidden_kernel: int = 3  # pixels of the pooled image
    pool: int = 2  # pixels averaged along each side after the first layer
    smoothness: float = 0.1  # weight of the input kernels' roughness
    sparsity: float = 0.1  # weight of the hidden kernels' group sparsity

    def __post_init__(self) -> None:
        """Raise ValueError for a size below 1 or a negative weight."""
        sizes = (self.channels, self.n_layers, self.input_kernel, self.hidden_kernel, self.pool)
        if min(sizes) < 1 or min(self.smoothness, self.sparsity) < 0:
            raise ValueError(f"sizes must be 1 or more and weights 0 or more, got {self}")


class ImageCore(nn.Module):
    """Layers of convolution, batch norm and ELU, with average pooling after the first.

    Takes images (n, 1, height, width) and gives features (n, channels, height // pool, width // pool), since the
    convolutions keep the size (an even kernel has one more pixel of padding before than after).
    """

    def __init__(self, choice: CoreChoice) -> None:
        """Make the layers, with torch's initial weights."""
        super().__init__()
        self.choice = choice
        layers = []
        for at in range(choice.n_layers):
            kernel = choice.hidden_kernel if at else choice.input_kernel
            pad = nn.ZeroPad2d((kernel // 2, (kernel - 1) // 2) * 2)
            conv = nn.Conv2d(choice.channels if at else 1, choice.channels, kernel, bias=False)
            pool = [] if at else [nn.AvgPool2d(choice.pool)]
            layers.append(nn.Sequential(pad, conv, nn.BatchNorm2d(choice.channels), nn.ELU(), *pool))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, channels, height // pool, width // pool) of images (n, 1, height, width)."""
        return self.layers(images)

    def penalty(self) -> Tensor:
        """What the kernels add to the loss, a scalar."""
        first, *hidden = (layer[1].weight for layer in self.layers)
        found = self.choice.smoothness * roughness(first)
        if hidden:
            found = found + self.choice.sparsity * torch.stack([mean_kernel_norm(one) for one in hidden]).mean()
        return found


def roughness(kernels: Tensor) -> Tensor:
    """Summed square of the kernels' Laplacian over the summed square of the kernels, (n_out, n_in, h, w) to a scalar.

    Zero outside the kernel, so that one which ends abruptly is rough; the same for a kernel and any multiple of it.
    Equals ``LaplaceL2norm`` of neuralpredictors.
    """
    each = kernels.reshape(-1, 1, *kernels.shape[-2:])
    return conv2d(each, _LAPLACE.to(each), padding=1).square().sum() / each.square().sum()


def mean_kernel_norm(kernels: Tensor) -> Tensor:
    """Mean Euclidean norm of the kernels, (n_out, n_in, h, w) to a scalar: pushes whole kernels to zero."""
    # The gradient of a root at exactly zero is not finite.
    return (kernels.square().sum(dim=(-2, -1)) + 1e-12).sqrt().mean()
