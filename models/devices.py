"""Which device networks are trained on, and how a run says so."""

import os
import time
from pathlib import Path
from typing import Literal

import numpy as np

Device = Literal["auto", "cpu", "cuda"]

_SIDE = 512


def visible_devices() -> tuple[str, ...]:
    """Names of the GPUs that runs may use, as CUDA_VISIBLE_DEVICES names them.

    Those of that variable where it is set (as CUDA reads it: nothing counts from an empty or negative entry on), also
    on a machine that has none of them; else all that torch finds.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return tuple(str(index) for index in range(_count()))
    devices = []
    for name in (entry.strip() for entry in named.split(",")):
        if not name or name.startswith("-"):
            break
        devices.append(name)
    if len(set(devices)) < len(devices):
        raise ValueError(f"CUDA_VISIBLE_DEVICES names a device twice: {named!r}; name each one once")
    return tuple(devices)


def chosen_device(device: Device = "auto") -> str:
    """The device that torch takes, ``cuda`` or ``cpu``: for ``auto`` a GPU where there is one.

    Raises ValueError when a GPU is asked for and torch finds none.
    """
    if device == "cpu":
        return "cpu"
    found = _count()
    if device == "cuda" and not found:
        raise ValueError(f"device 'cuda' was asked for, but {_no_gpu()}; take device='auto' or 'cpu'")
    return "cuda" if found else "cpu"


def device_in_words(device: str) -> str:
    """What a run says of the device it uses: the GPU's name, or that and why it is the CPU."""
    if device == "cpu":
        return "runs on the CPU" if _count() else f"runs on the CPU: {_no_gpu()}"
    import torch

    place = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f"runs on the GPU {torch.cuda.get_device_name()}" + (f" (CUDA_VISIBLE_DEVICES={place})" if place else "")


def largest_error_of_products(device: str, duration_s: float) -> float:
    """Multiply matrices on a device for so long; the largest relative error against NumPy's float64 product."""
    import torch

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, _SIDE, _SIDE))
    expected = a @ b
    on_device = [torch.as_tensor(one, dtype=torch.float32, device=device) for one in (a, b)]
    worst, give_up_at = 0.0, time.monotonic() + duration_s
    while True:
        product = (on_device[0] @ on_device[1]).cpu().numpy()
        worst = max(worst, float(np.max(np.abs(product - expected)) / np.max(np.abs(expected))))
        if time.monotonic() >= give_up_at:
            return worst


def _count() -> int:
    # torch takes seconds to import; where the driver has made no device there is nothing to count.
    if not (any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()):
        return 0
    try:
        import torch
    except ModuleNotFoundError:
        return 0
    return torch.cuda.device_count()


def _no_gpu() -> str:
    place = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "torch finds no GPU here" + (f" (CUDA_VISIBLE_DEVICES={place!r})" if place is not None else "")
