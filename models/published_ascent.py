"""The ascent of the source project, step for step."""

import numpy as np
from numpy.typing import NDArray

from models.ascent_slots import Blur, RawStep, ResponseAtContrast, SmoothGradient, UnitRange
from models.exciting_inputs import Ascent
from models.shown_images import mean_contrast


def published_ascent(
    images: NDArray[np.floating],  # (n_images, height, width), the model's training images, display units
    n_steps: int = 1000,
) -> Ascent:
    """The source's loop: raw steps of 0.1, blur from 7 pixels, a penalty on contrast, and 0 to 1 after every step.

    Its habits, kept: the weights of the gradient's frequencies leave out that half of the rows stand for negative
    frequencies; the step is not scaled, so that how far an image gets depends on how large a unit's responses are;
    stretching to 0 .. 1 overrules the penalty, which asks for the images' mean contrast. The order is gradient,
    weights, step, blur, stretch. Raises ValueError for images without contrast.
    """
    return Ascent(
        n_steps=n_steps,
        step=RawStep(0.1),
        aim=ResponseAtContrast(mean_contrast(images), weight=2.0),
        precondition=SmoothGradient(power=0.25, vertical="non-negative"),
        after=(Blur(published_sigmas(n_steps)), UnitRange()),
    )


def published_sigmas(n_steps: int, first_px: float = 7.0, last_px: float = 0.001) -> tuple[float, ...]:
    """The blur of each step, (n_steps,) pixels: sigma moves by (last - sigma) * i / n_steps after step i.

    That is a Gauss of the step, not a line: of 1000 steps, the 39th has half of the first one's blur, and the 90th and
    later ones have less than 1/8 pixel, which a kernel cut at 4 sigma no longer shows.
    """
    sigmas = [first_px]
    for step in range(n_steps - 1):
        sigmas.append(sigmas[-1] + (last_px - sigmas[-1]) * step / n_steps)
    return tuple(sigmas)
