"""The core's shapes, and its penalties by hand."""

import pytest
import torch

from models.image_core import CoreChoice, ImageCore, mean_kernel_norm, roughness


@pytest.mark.parametrize(
    ("size", "choice", "expected"),
    [
        ((60, 96), CoreChoice(channels=4), (4, 30, 48)),
        ((29, 31), CoreChoice(channels=3, input_kernel=5, n_layers=1), (3, 14, 15)),
        ((12, 12), CoreChoice(channels=2, pool=3, hidden_kernel=5), (2, 4, 4)),
    ],
)
def test_only_pooling_changes_the_size(size, choice, expected):
    assert ImageCore(choice)(torch.zeros(2, 1, *size)).shape == (2, *expected)


def test_the_defaults_are_the_sources():
    first, *hidden = [layer[1].weight.shape for layer in ImageCore(CoreChoice()).layers]
    assert first == (64, 1, 4, 4)
    assert hidden == [(64, 64, 3, 3)] * 2


def test_roughness_of_a_point_and_of_a_slope():
    point = torch.zeros(1, 1, 3, 3)
    point[0, 0, 1, 1] = 5.0
    assert roughness(point).item() == pytest.approx(4**2 + 4 * 1)
    # One row of 1, 2, zero around: the Laplacian is 4 - 2 and 8 - 1, squares 4 + 49, over 1 + 4.
    assert roughness(torch.tensor([[[[1.0, 2.0]]]])).item() == pytest.approx(53 / 5)


def test_group_sparsity_is_the_mean_norm_and_can_leave_zero():
    kernels = torch.tensor([[[[3.0, 4.0]], [[0.0, 0.0]]]], requires_grad=True)  # norms 5 and 0
    found = mean_kernel_norm(kernels)
    found.backward()
    assert found.item() == pytest.approx(2.5, abs=1e-5)
    assert torch.isfinite(kernels.grad).all()


def test_the_penalty_weighs_both():
    core = ImageCore(CoreChoice(channels=2, smoothness=0.3, sparsity=0.7))
    first, second, third = (layer[1].weight for layer in core.layers)
    expected = 0.3 * roughness(first) + 0.7 * (mean_kernel_norm(second) + mean_kernel_norm(third)) / 2
    assert core.penalty().item() == pytest.approx(expected.item())


def test_a_core_without_channels_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        CoreChoice(channels=0)
