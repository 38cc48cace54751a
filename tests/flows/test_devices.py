"""Which devices there are, and what a run says of the one that it gets."""

from pathlib import Path

import pytest

from flows.programs import workers
from models.devices import chosen_device, device_in_words, largest_error_of_products, visible_devices

HAS_GPU = any(Path("/dev").glob("nvidia[0-9]*"))


@pytest.mark.parametrize(
    ("named", "devices"),
    [
        ("0,1", ("0", "1")),
        ("3", ("3",)),
        ("GPU-8f2a, GPU-77c1", ("GPU-8f2a", "GPU-77c1")),
        ("", ()),
        ("0,-1,1", ("0",)),
    ],
)
def test_the_devices_are_those_that_the_variable_names(monkeypatch, named: str, devices: tuple[str, ...]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_devices() == devices


def test_a_device_named_twice_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,0")
    with pytest.raises(ValueError, match="names a device twice: '0,1,0'"):
        visible_devices()


def test_each_device_has_a_worker_that_sees_it_alone_and_takes_one_run(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    found = {one.name: one for one in workers()}
    assert [name for name in found if "gpu" in name] == ["worker gpu 2", "worker gpu 5"]
    for device in ("2", "5"):
        one = found[f"worker gpu {device}"]
        assert one.environment["CUDA_VISIBLE_DEVICES"] == device
        assert " ".join(one.command).endswith("--limit 1")
    # A run of the pool `cpu` must not sit down on a device beside one that was given it.
    assert found["worker cpu"].environment["CUDA_VISIBLE_DEVICES"] == ""


def test_without_a_device_one_worker_runs_on_the_cpu(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [one.name for one in workers() if "gpu" in one.name] == ["worker gpu"]


@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_a_run_without_a_gpu_takes_the_cpu_and_says_so(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert chosen_device("auto") == "cpu"
    assert device_in_words("cpu") == "runs on the CPU: torch finds no GPU here (CUDA_VISIBLE_DEVICES='1')"
    with pytest.raises(ValueError, match="'cuda' was asked for, but torch finds no GPU"):
        chosen_device("cuda")


@pytest.mark.skipif(not HAS_GPU, reason="this machine has no GPU")
def test_a_gpu_multiplies_as_numpy_does() -> None:
    assert largest_error_of_products(chosen_device("cuda"), 0) < 1e-3


def test_the_cpu_multiplies_as_numpy_does() -> None:
    assert largest_error_of_products("cpu", 0) < 1e-5
