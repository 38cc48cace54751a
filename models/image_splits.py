"""Which images a model learns from, which end its training, and which it is judged by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageSplit:
    """Rows of the three sides, increasing; an image is on one side only."""

    train: NDArray[np.int64]  # (n_train,)
    validation: NDArray[np.int64]  # (n_validation,)
    test: NDArray[np.int64]  # (n_test,)


def split_images(
    image_of_row: NDArray[np.generic],  # (n_rows,)
    fractions: tuple[float, float, float] = (0.70, 0.15, 0.15),
    seed: int = 0,
) -> ImageSplit:
    """Split rows into training, validation and test rows by their image: all repeats of an image stay together.

    ``image_of_row`` (n_rows,) names each row's image, whatever a row is (an image, or a presentation of one);
    ``fractions`` are those of the images, the last side taking what rounding leaves. The split depends on the set
    of names and the seed, not on the rows' order or on how often an image was shown. Raises ValueError for fractions
    that are not positive or do not sum to 1, and when a side would be empty.
    """
    image_of_row = np.asarray(image_of_row)
    if image_of_row.ndim != 1:
        raise ValueError(f"image_of_row must name one image per row, (n_rows,), got {image_of_row.shape}")
    if min(fractions) <= 0 or not np.isclose(sum(fractions), 1):
        raise ValueError(f"fractions must be positive and sum to 1, got {fractions}")
    images, image = np.unique(image_of_row, return_inverse=True)
    first, second = (round(len(images) * share) for share in np.cumsum(fractions)[:2])
    if not 0 < first < second < len(images):
        raise ValueError(f"{len(images)} images are too few to be split {fractions}: a side would have none")
    side = np.empty(len(images), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(images))
    for at, some in enumerate(np.split(order, [first, second])):
        side[some] = at
    return ImageSplit(*(np.flatnonzero(side[image] == at) for at in range(3)))
