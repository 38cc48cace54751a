"""The command line of image coding: `python -m flows.image_coding_command`, which is `make image-coding`."""

import argparse
import sys

from pydantic import ValidationError
from rich.console import Console

from flows.prefect_settings import configure_prefect
from models.devices import chosen_device
from storage.attach import LakeMissing
from storage.due import require_known
from storage.lake import LakeMismatch, open_lake
from storage.settings import Settings


def main() -> int:
    """Run the study of one project; returns the exit status."""
    arguments = {name: value for name, value in vars(_parser().parse_args()).items() if value is not None}
    console = Console()
    try:
        settings = Settings()
        with open_lake(settings, read_only=True) as lake:
            projects = lake.answer("sessions_by_project")["project"].unique().sort().to_list()
    except (ValueError, OSError, LakeMissing, LakeMismatch) as error:
        return _refuse(console, str(error))
    if "project" not in arguments:
        if len(projects) != 1:
            there = ", ".join(projects) or "it has none yet; `make nightly` fills it"
            return _refuse(console, f"name a project of the lake with --project: {there}")
        arguments["project"] = projects[0]
    for pair, names in _PAIRS.items():
        if given := arguments.pop(pair, None):
            arguments |= dict(zip(names, given, strict=True))
    configure_prefect(settings)
    with console.status("starting Prefect (some seconds)"):
        from flows.image_coding import CodingIncomplete, ImageCodingChoice, image_coding
    try:
        choice = ImageCodingChoice(**arguments)
        chosen_device(choice.device)
        with open_lake(settings, read_only=True) as lake:
            require_known(lake, choice.selection_of_sessions)
    except ValidationError as error:
        said = (
            f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors()
        )
        return _refuse(console, "; ".join(said))
    except ValueError as error:
        return _refuse(console, str(error))
    try:
        summary = image_coding(choice)
    except CodingIncomplete as incomplete:
        summary = incomplete.summary
    for line in summary.lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return 1 if summary.failures else 0


_PAIRS = {
    "window": ("window_start_s", "window_stop_s"),
    "size": ("image_height_px", "image_width_px"),
    "screen": ("screen_width_deg", "screen_height_deg"),
}


def _refuse(console: Console, why: str) -> int:
    console.print(why, style="bold red", markup=False, soft_wrap=True)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.image_coding_command",
        description="Which units answer images reliably, what do networks predict of them, and what excites them most?",
        epilog="Reads the sessions that a night has put into the lake; what was computed before is not computed again.",
    )
    add = parser.add_argument
    add("--project", help="the collection of sessions; may be left out where the lake has one")
    add("--protocol", choices=("rigorous", "published"), help="what the findings rest on (default rigorous)")
    add("--session", dest="session_ids", action="append", metavar="ID", help="only this session")
    add("--selection", choices=("by protocol", "reliability", "percentiles"), help="of units (default by protocol)")
    add("--units", dest="unit_count", type=int, metavar="N", help="with exciting inputs (default: 4; all on a GPU)")
    add("--window", nargs=2, type=float, metavar=("START", "STOP"), help="seconds from onset (default: as shown)")
    add("--size", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"), help="pixels of the images (default 60 96)")
    add("--screen", nargs=2, type=float, metavar=("WIDTH", "HEIGHT"), help="degrees of the images (default 120 95)")
    add("--readout", choices=("factorised", "gaussian", "pyramid"), help="of rigorous (default factorised)")
    add("--networks", dest="network_count", type=int, metavar="N", help="seeds of rigorous (default 2)")
    add("--epochs", dest="most_epochs", type=int, metavar="N", help="at the most (default 200)")
    add("--starts", dest="start_count", type=int, metavar="N", help="of each exciting input (default 4)")
    add("--steps", dest="step_count", type=int, metavar="N", help="of each ascent (default 200; published 1000)")
    add("--seed", type=int, help="of the split and the first network (default 0)")
    add("--device", choices=("auto", "cpu", "cuda"), help="what networks run on (default auto)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
