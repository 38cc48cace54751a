"""The command line of the omission study: `python -m flows.omission`, which is `make omission`."""

import argparse
import sys

from pydantic import ValidationError
from rich.console import Console

from flows.prefect_settings import configure_prefect
from storage.attach import LakeMissing
from storage.due import NothingChosen, require_known
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
    if window := arguments.pop("window", None):
        arguments |= {"window_start_s": window[0], "window_stop_s": window[1]}
    configure_prefect(settings)
    with console.status("starting Prefect (some seconds)"):
        from flows.omission_study import OmissionChoice, StudyIncomplete, omission_study
    try:
        choice = OmissionChoice(**arguments)
        with open_lake(settings, read_only=True) as lake:
            require_known(lake, choice.selection)
        summary = omission_study(choice)
    except NothingChosen as error:
        return _refuse(console, str(error))
    except ValidationError as error:
        return _refuse(console, "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors()))
    except StudyIncomplete as incomplete:
        summary = incomplete.summary
    for line in summary.lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return 1 if summary.failures else 0


def _refuse(console: Console, why: str) -> int:
    console.print(why, style="bold red", markup=False, soft_wrap=True)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.omission",
        description="How do cells respond when an expected image is omitted? Measure, test, decode, report.",
        epilog="Reads the sessions that a night has put into the lake; what was computed before is not computed again.",
    )
    parser.add_argument("--project", help="the collection of sessions; may be left out where the lake has one")
    parser.add_argument("--protocol", choices=("rigorous", "published"), help="rigorous (default), or as published")
    parser.add_argument("--cre-line", dest="cre_lines", action="append", metavar="LINE", help="only this driver line")
    parser.add_argument("--session", dest="session_ids", action="append", metavar="ID", help="only this session")
    parser.add_argument(
        "--window", nargs=2, type=float, metavar=("START", "STOP"), help="seconds from onset (default -1 2)"
    )
    parser.add_argument("--samples", dest="sample_count", type=int, metavar="N", help="samples in it (default 90)")
    parser.add_argument(
        "--per-event", action="store_true", default=None, help="also keep the features of every single response"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
