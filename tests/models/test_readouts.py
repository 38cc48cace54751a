"""Readouts by hand, and the Laplace pyramid against SciPy."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from models.readouts import READOUTS, FactorisedReadout, GaussianReadout, PyramidReadout, laplace_pyramid


@pytest.fixture
def features():
    return torch.randn(3, 2, 9, 17, generator=torch.Generator().manual_seed(0))


def weighted(readout, weight, bias):
    with torch.no_grad():
        (readout.raw_weight if isinstance(readout, PyramidReadout) else readout.weight).copy_(torch.tensor(weight))
        readout.bias.copy_(torch.tensor(bias))
    return readout.eval()


def test_a_gaussian_readout_reads_at_its_mean(features):
    readout = weighted(GaussianReadout(2, 9, 17, 3), [[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], [0.0, 0.5, 0.0])
    # Pixel (row 4, column 8) is the centre; the second is halfway between columns 0 and 1; the third outside.
    readout.mean.data = torch.tensor([[0.0, 0.0], [-1 + 1 / 16, 1.0], [9.0, -9.0]])
    found = readout(features)
    assert torch.allclose(found[:, 0], features[:, 0, 4, 8], atol=1e-5)
    assert torch.allclose(found[:, 1], features[:, 1, 8, :2].sum(1) + 0.5, atol=1e-5)
    assert torch.allclose(found[:, 2], features[:, :, 0, 16].sum(1), atol=1e-5)
    assert readout.penalty().item() == pytest.approx(5.0)


def test_a_gaussian_readout_looks_around_in_training_alone(features):
    readout = GaussianReadout(2, 9, 17, 3)
    assert not torch.equal(readout(features), readout(features))
    readout.eval()
    assert torch.equal(readout(features), readout(features))


def test_a_factorised_readout_is_a_mask_times_weights(features):
    readout = weighted(FactorisedReadout(2, 9, 17, 2), [[1.0, -2.0], [0.5, 0.0]], [0.0, 3.0])
    mask = readout.mask.detach().numpy()
    mask = mask / np.sqrt((mask**2).sum(axis=(1, 2), keepdims=True))
    expected = np.einsum("nchw,uhw,uc->nu", features.numpy(), mask, [[1.0, -2.0], [0.5, 0.0]])
    expected[:, 1] += 3.0
    np.testing.assert_allclose(readout(features).detach().numpy(), expected, rtol=1e-4)
    size = np.abs(mask).sum(axis=(1, 2))
    assert readout.penalty().item() == pytest.approx(3 * size[0] + 0.5 * size[1], rel=1e-5)


def test_a_factorised_readouts_position_is_where_its_mask_is():
    readout = FactorisedReadout(2, 9, 17, 1)
    readout.mask.data.zero_()
    readout.mask.data[0, 2, 12] = -4.0
    assert readout.position()[0].tolist() == pytest.approx([0.5, -0.5])


def test_the_pyramids_levels_are_scipys():
    x = np.arange(-2, 3)
    gauss = np.exp(-(x**2) / (2 * 1.042**2))
    blur = np.outer(gauss, gauss) / gauss.sum() ** 2
    image = np.random.default_rng(0).normal(size=(11, 16))
    found = laplace_pyramid(torch.as_tensor(image)[None, None], 2)
    low, expected = image, []
    for _ in range(2):
        less = correlate(low, blur, mode="constant")[::2, ::2]
        spread = np.zeros_like(low)
        spread[::2, ::2] = less
        expected.append(low - correlate(spread, 4 * blur, mode="constant"))
        low = less
    for ours, theirs in zip(found, [*expected, low], strict=True):
        np.testing.assert_allclose(ours[0, 0].numpy(), theirs, atol=1e-6)


def test_the_pyramids_window_is_the_published_one():
    seen = laplace_pyramid(torch.nn.functional.pad(torch.ones(1, 1, 1, 1), (4, 4, 4, 4)), 1)[1][0, 0]
    np.testing.assert_allclose(seen[2, 1:4].numpy(), [0.023792, 0.150342, 0.023792], atol=2e-4)


def test_a_pyramid_readout_weighs_each_level_at_one_place(features):
    readout = weighted(PyramidReadout(2, 9, 17, 1), [[1.0, 0, 0, 2, 0, 0, 3, -4]], [0.25])
    readout.mean.data = torch.zeros(1, 2)
    levels = laplace_pyramid(features, 3)  # 9 x 17, 5 x 9, 3 x 5, 2 x 3
    middle = [levels[0][:, 0, 4, 8], levels[1][:, 1, 2, 4], levels[3][:, 0, :, 1].mean(1)]
    expected = middle[0] + 2 * middle[1] + 3 * middle[2] + 0.25
    assert torch.allclose(readout(features)[:, 0], expected, atol=1e-5)
    readout.constrain()
    assert readout.raw_weight.min() == 0
    assert readout.penalty().item() == pytest.approx(6.0)


@pytest.mark.parametrize("name", READOUTS)
def test_one_unit_each_is_that_unit_of_all(name, features):
    readout = READOUTS[name](2, 9, 17, 4).eval()
    units = torch.tensor([2, 0, 2])
    expected = readout(features)[torch.arange(3), units]
    assert torch.allclose(readout.one_unit_each(features, units), expected, atol=1e-5)


def test_features_too_small_for_a_pyramid_are_refused():
    with pytest.raises(ValueError, match="got 7 x 20"):
        PyramidReadout(2, 7, 20, 1)
