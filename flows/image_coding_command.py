"""The command line of image coding: `python -m flows.image_coding_command`, which is `make image-coding`."""

import argparse
import sys

from flows.study_command import run_study, study_parser
from models.devices import chosen_device

_PAIRS = {
    "window": ("window_start_s", "window_stop_s"),
    "size": ("image_height_px", "image_width_px"),
    "screen": ("screen_width_deg", "screen_height_deg"),
}


def main() -> int:
    """Run the study of one project; returns the exit status."""
    return run_study(_parser(), _loaded, _PAIRS, require_possible=lambda choice: chosen_device(choice.device))


def _loaded() -> tuple:
    from flows.image_coding import ImageCodingChoice, image_coding

    return ImageCodingChoice, image_coding


def _parser() -> argparse.ArgumentParser:
    parser = study_parser(
        "flows.image_coding_command",
        "Which units answer images reliably, what do networks predict of them, and what excites them most?",
    )
    add = parser.add_argument
    add("--selection", choices=("by protocol", "reliability", "percentiles"), help="of units (default by protocol)")
    add("--units", dest="unit_count", type=int, metavar="N", help="with exciting inputs (default: 4; all on a GPU)")
    add("--window", nargs=2, type=float, metavar=("START", "STOP"), help="seconds from onset (default: as shown)")
    add("--size", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"), help="pixels of the images (default 60 96)")
    add("--screen", nargs=2, type=float, metavar=("WIDTH", "HEIGHT"), help="degrees of the images (default 120 95)")
    readouts = ("by validation", "factorised", "gaussian", "pyramid")
    add("--readout", choices=readouts, help="of rigorous (default: the best on validation images)")
    add("--networks", dest="network_count", type=int, metavar="N", help="seeds of rigorous (default 2)")
    add("--epochs", dest="most_epochs", type=int, metavar="N", help="at the most (default 200)")
    add("--starts", dest="start_count", type=int, metavar="N", help="of each exciting input (default 4)")
    add("--steps", dest="step_count", type=int, metavar="N", help="of each ascent (default 200; published 1000)")
    add("--seed", type=int, help="of the split and the first network (default 0)")
    add("--device", choices=("auto", "cpu", "cuda"), help="what networks run on (default auto)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
