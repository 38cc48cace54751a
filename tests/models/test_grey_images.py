"""Grey images against Pillow's, and by hand."""

import numpy as np
import pytest
from PIL import Image

from models.grey_images import grey_at


def test_grey_is_pillows_within_its_rounding():
    rgb = np.random.default_rng(0).integers(0, 256, (2, 12, 18, 3), dtype=np.uint8)
    theirs = [np.asarray(Image.fromarray(one).convert("L"), dtype=float) for one in rgb]
    np.testing.assert_allclose(grey_at(rgb, (12, 18)), theirs, atol=1.0)


def test_shrinking_is_pillows_bilinear():
    grey = np.random.default_rng(0).random((1, 24, 30)).astype(np.float32)
    theirs = Image.fromarray(grey[0], mode="F").resize((10, 8), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(grey_at(grey, (8, 10))[0], np.asarray(theirs), atol=1e-5)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3)), "n_images, height, width"),
        (np.zeros((2, 4, 4, 4)), "n_images, height, width"),
        (np.full((2, 4, 4), 7), "all 2 images are 7"),
        (np.array([[[np.nan, 1.0]]]), "1 images have pixels that are not finite"),
    ],
)
def test_what_is_no_picture_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        grey_at(images, (2, 2))
