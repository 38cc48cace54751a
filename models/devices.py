"""Which device networks are trained on."""

import os
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]


def device_count() -> int:
    """GPUs that this process may use: those of CUDA_VISIBLE_DEVICES where it is set, else those that torch finds."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not visible.strip():
        return 0
    return torch.cuda.device_count()
