"""Does a run get its device? Matrices multiplied on it, compared with NumPy's: for whoever sets up a GPU machine."""

import os
from dataclasses import dataclass
from typing import Annotated

from prefect import flow, get_run_logger
from pydantic import BaseModel, ConfigDict, Field

from models.devices import Device, chosen_device, device_in_words, largest_error_of_products
from tasks.form import as_form

_LARGEST_ERROR = 1e-3  # float32, or TF32 on a GPU, against float64


class DeviceChoice(BaseModel):
    """Which device is tried, and for how long."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=as_form)

    device: Annotated[
        Device, Field(description="'auto': a GPU where there is one; 'cuda': a GPU or nothing; 'cpu'")
    ] = "auto"
    duration_s: Annotated[
        float, Field(title="Duration (s)", description="how long to keep the device busy", ge=0, le=3600)
    ] = 1.0


@dataclass(frozen=True)
class DeviceFound:
    """What a run found: torch's device, the CUDA_VISIBLE_DEVICES that its worker gave it, and its products' error."""

    device: str
    visible_devices: str | None
    largest_error: float


@flow(name="device_check")
def device_check(choice: DeviceChoice) -> DeviceFound:
    """Multiply matrices on the device that this run gets, and say which one that is."""
    device = chosen_device(choice.device)
    get_run_logger().info(device_in_words(device))
    error = largest_error_of_products(device, choice.duration_s)
    if error > _LARGEST_ERROR:
        raise ArithmeticError(f"products on {device} are off by {error:.1e}, more than {_LARGEST_ERROR:.0e}")
    return DeviceFound(device, os.environ.get("CUDA_VISIBLE_DEVICES"), error)
