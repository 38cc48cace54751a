"""Most exciting inputs of 100 neurons from 4 seeds each: all climbed together, beside one image after the other.

    make bench-mei            # ARGS='--device cpu --steps 2': what may be chosen

The network is the encoding model at its usual size (3 layers of 64 channels, 60 x 96 pixels) with random weights, since
how long a step takes doesn't depend on what was learned. One by one is timed on a part of the images: each costs it the
same. Both run the same steps, and the images that both made are held against each other. On a CPU, of which one thread
is used, times are the processor's own, so that what else runs there doesn't count; on a GPU they are the clock's.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console
from rich.table import Table as Page
from torch import nn
from torch.nn.functional import conv2d

from models.ascent_starts import Starts, noise_starts
from models.devices import chosen_device, device_in_words
from models.encoding_model import EncodingChoice, EncodingModel
from models.exciting_inputs import AT_ONCE, Ascent, ExcitingInputs, exciting_inputs, rigorous_ascent
from models.image_stimuli import natural_images
from models.shown_images import asked, on_display

SHAPE = (60, 96)
WANTED = {"cpu": 1.0, "cuda": 10.0}


def main() -> None:
    """Measure both roads on the device, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one"
    )
    parser.add_argument("--neurons", type=int, default=100, help="default 100")
    parser.add_argument("--seeds", type=int, default=4, help="default 4")
    parser.add_argument("--steps", type=int, help="default 2 on a CPU, 100 on a GPU")
    parser.add_argument(
        "--part", type=int, help="images that one by one is timed on (default 32 on a CPU, 12 on a GPU)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="times that each is measured, in turn (default 3)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    device = chosen_device(chosen.device)
    n_steps = chosen.steps or {"cpu": 2, "cuda": 100}[device]
    n_images = chosen.neurons * chosen.seeds
    n_part = min(chosen.part or {"cpu": 32, "cuda": 12}[device], n_images)

    model, ascent = _model(chosen.neurons).to(device), _ascent(n_steps)
    starts = noise_starts(SHAPE, range(chosen.seeds))
    few = replace(ascent, n_steps=1)
    _climbed(model, np.arange(chosen.neurons)[:2], few, starts, at_once=1)  # warm-up, of both sizes of a batch
    _climbed(model, np.arange(chosen.neurons)[: AT_ONCE[device] // chosen.seeds + 1], few, starts, AT_ONCE[device])

    # In turn, so that what else the machine does falls on both alike.
    units, some = np.arange(chosen.neurons), np.arange(max(n_part // chosen.seeds, 1))
    together_ms, alone_ms = [], []
    for _ in range(chosen.rounds):
        seconds, together = _climbed(model, units, ascent, starts, AT_ONCE[device])
        together_ms.append(1e3 * seconds / (n_images * n_steps))
        seconds, alone = _climbed(model, some, ascent, starts, at_once=1)
        alone_ms.append(1e3 * seconds / (alone.response.size * n_steps))
    farthest = float(np.abs(alone.images - together.images[: len(some)]).max())
    _print(device, chosen, n_steps, n_images, alone.response.size, together_ms, alone_ms, farthest, _conv_ms(device))


def _model(n_units: int) -> nn.Module:
    """The encoding model with random weights, in eval mode, its normalisation that of natural images."""
    torch.manual_seed(0)
    model = EncodingModel(EncodingChoice(SHAPE), n_units).eval().requires_grad_(False)
    model.grey_mean.fill_(127.5)
    model.grey_sd.fill_(45.0)
    return on_display(model)


def _ascent(n_steps: int) -> Ascent:
    images = natural_images(50, *SHAPE, np.random.default_rng(0)) / 255
    return replace(rigorous_ascent(images, n_steps), stop=None)


def _climbed(
    model: nn.Module, units: np.ndarray, ascent: Ascent, starts: Starts, at_once: int
) -> tuple[float, ExcitingInputs]:
    """Seconds, with all images back on the CPU, and what was found."""
    clock = _clock(asked(model).type)
    began = clock()
    found = exciting_inputs(model, units, ascent, starts, at_once)
    return clock() - began, found


def _clock(device: str) -> Callable[[], float]:
    return time.perf_counter if device == "cuda" else time.process_time


def _conv_ms(device: str) -> float:
    """Milliseconds per image and step of the core's convolutions alone, forward and back, of images climbed together.

    Median of five after a first one: a convolution's gradient is a convolution with the kernel turned over.
    """
    clock, n, half = _clock(device), AT_ONCE[device], (SHAPE[0] // 2, SHAPE[1] // 2)
    first, hidden = (torch.randn(64, channels, size, size, device=device) for channels, size in ((1, 4), (64, 3)))
    images = torch.randn(n, 1, SHAPE[0] + 3, SHAPE[1] + 3, device=device)
    features = torch.randn(n, 64, *half, device=device)
    full = torch.randn(n, 64, *SHAPE, device=device)
    turned = first.transpose(0, 1).contiguous()
    seconds = []
    for _ in range(6):
        began = clock()
        conv2d(images, first)
        conv2d(full, turned, padding=3)
        for _ in range(4):
            conv2d(features, hidden, padding=1)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(clock() - began)
    return 1e3 * statistics.median(seconds[1:]) / n


def _print(
    device: str,
    chosen: argparse.Namespace,
    n_steps: int,
    n_images: int,
    n_part: int,
    together_ms: list[float],
    alone_ms: list[float],
    farthest: float,
    conv_ms: float,
) -> None:
    together, alone = statistics.median(together_ms), statistics.median(alone_ms)
    page = Page("way", "per image and step", "from to", "400 images x 200 steps")
    page.title = f"{chosen.neurons} neurons x {chosen.seeds} seeds x {n_steps} steps, 60 x 96 pixels"
    page.caption = f"one by one was timed on {n_part} of {n_images} images; medians of {chosen.rounds} after warm-up"
    for name, each in ((f"{AT_ONCE[device]} together", together_ms), ("one by one", alone_ms)):
        median = statistics.median(each)
        span = f"{min(each):.3g} to {max(each):.3g} ms"
        page.add_row(name, f"{median:.3g} ms", span, f"{median * 80:,.0f} s")
    console = Console()
    console.print(page)
    faster = f"together {alone / together:.3g} times as fast; wanted: {WANTED[device]:g}"
    same = f"pixels differ by {farthest:.0e} of 0 to 1"
    bound = f"its convolutions alone take {conv_ms:.3g} ms per image and step, {conv_ms / together:.0%} of it"
    for line in (faster, same, bound, device_in_words(device)):
        console.print(line, highlight=False)


if __name__ == "__main__":
    main()
