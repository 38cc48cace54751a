"""Images in display units: what a model of standardised images predicts for them, and what isn't an image."""

import numpy as np
import pytest
import torch
from torch import nn

from models.shown_images import mean_contrast, on_display, predicted_responses, response_of_own, shown
from tests.models.planted_cells import Cells, planted_gabors

SHAPE = (12, 16)


class Standardised(nn.Module):
    """Mean, and mean of the left half, of images of (grey - 100) / 50."""

    def __init__(self):
        super().__init__()
        self.register_buffer("grey_mean", torch.tensor(100.0))
        self.eval()

    def standardised(self, grey):
        return (grey[:, None] - self.grey_mean) / 50

    def forward(self, images):
        return torch.stack([images.mean(dim=(1, 2, 3)), images[..., :8].mean(dim=(1, 2, 3))], dim=1)


class OneUnitEach(Standardised):
    """The same, with a way to read one unit per image."""

    def one_unit_each(self, images, units):
        return self(images).gather(1, units[:, None])[:, 0]


def test_black_and_white_are_the_displays():
    images = np.stack([np.zeros(SHAPE), np.ones(SHAPE), np.full(SHAPE, 0.5)])
    images[2, :, :8] = 1.0
    expected = (np.array([[0, 0], [255, 255], [191.25, 255]]) - 100) / 50
    for model in (Standardised(), OneUnitEach()):
        np.testing.assert_allclose(predicted_responses(on_display(model), images, at_once=2), expected, rtol=1e-6)
        own = response_of_own(on_display(model), images, np.array([0, 1, 1]), at_once=2)
        np.testing.assert_allclose(own, expected[[0, 1, 2], [0, 1, 1]], rtol=1e-6)
    darker = predicted_responses(on_display(Standardised(), black=50, white=150), images[:2])
    np.testing.assert_allclose(darker[:, 0], [-1, 1])


def test_contrast_is_the_mean_over_images():
    images = np.random.default_rng(0).random((4, *SHAPE)) * np.arange(4)[:, None, None]
    assert mean_contrast(images) == pytest.approx(np.mean([one.std(ddof=1) for one in images]))


def test_what_is_no_image_or_no_such_model_is_refused():
    model, image = Cells(planted_gabors(2, SHAPE)), np.full((2, *SHAPE), 0.5)
    with pytest.raises(ValueError, match="Cells has no way to standardise"):
        on_display(model)
    with pytest.raises(ValueError, match="black must be darker"):
        on_display(Standardised(), 255, 0)
    with pytest.raises(ValueError, match="no contrast"):
        mean_contrast(image)
    with pytest.raises(ValueError, match="1 images have pixels that aren't finite"):
        shown(np.stack([image[0], image[0] * np.nan]))
    with pytest.raises(ValueError, match="in training mode"):
        predicted_responses(model.train(), image)
    with pytest.raises(ValueError, match="2 images and 1 units"):
        response_of_own(model.eval(), image, np.array([0]))
    with pytest.raises(ValueError, match=r"units 0 to 1, but was asked for \[2\]"):
        response_of_own(model, image, np.array([0, 2]))
