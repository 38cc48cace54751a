"""Pictures as the encoding models see them: grey, all of one size."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

# ITU-R BT.601, as Pillow's "L" mode.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_AT_ONCE = 64


def grey_at(
    images: NDArray[np.generic],  # (n_images, height, width) or (n_images, height, width, 3)
    shape: tuple[int, int] = (60, 96),
) -> NDArray[np.float32]:
    """Grey images of ``shape`` (height, width) in pixels, (n_images, height, width) float32 in the values' own range.

    ``images`` (n_images, height, width[, 3]), integers or reals, red, green and blue last. Shrunk and stretched by
    bilinear interpolation over all the pixels that a new one covers (torch's ``antialias``); another aspect ratio
    than the images' own stretches them, as the source does. Raises ValueError for other shapes, values that aren't
    finite, and images that are all of one value.
    """
    images = np.asarray(images)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3) or 0 in images.shape:
        raise ValueError(f"images must be (n_images, height, width) or (..., 3), got {images.shape}")
    if min(shape) < 1:
        raise ValueError(f"shape must be a height and width in pixels, got {shape}")
    resized = np.empty((len(images), *shape), dtype=np.float32)
    for first in range(0, len(images), _AT_ONCE):
        some = images[first : first + _AT_ONCE].astype(np.float32)
        grey = some @ _LUMA if some.ndim == 4 else some  # (n_some, height, width)
        if grey.shape[1:] != tuple(shape):
            grey = interpolate(torch.from_numpy(grey)[:, None], size=shape, mode="bilinear", antialias=True)[:, 0]
        resized[first : first + _AT_ONCE] = np.asarray(grey)
    if not np.isfinite(resized).all():
        raise ValueError(
            f"{int((~np.isfinite(resized)).any(axis=(1, 2)).sum())} images have pixels that are not finite"
        )
    if resized.max() == resized.min():
        raise ValueError(f"all pixels of all {len(resized)} images are {resized.flat[0]:g}: there is nothing to see")
    return resized
