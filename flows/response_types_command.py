"""The command line of response types: `python -m flows.response_types_command`, which is `make response-types`."""

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
    arguments = vars(_parser().parse_args())
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
    configure_prefect(settings)
    with console.status("starting Prefect (some seconds)"):
        from flows.response_types import ResponseTypesChoice, TypesIncomplete, response_types
    try:
        choice = ResponseTypesChoice(**arguments)
        with open_lake(settings, read_only=True) as lake:
            require_known(lake, choice.selection)
        summary = response_types(choice)
    except NothingChosen as error:
        return _refuse(console, str(error))
    except ValidationError as error:
        said = (
            f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors()
        )
        return _refuse(console, "; ".join(said))
    except TypesIncomplete as incomplete:
        summary = incomplete.summary
    for line in summary.lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return 1 if summary.failures else 0


def _refuse(console: Console, why: str) -> int:
    console.print(why, style="bold red", markup=False, soft_wrap=True)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.response_types_command",
        argument_default=argparse.SUPPRESS,  # what isn't given is left to the form's defaults
        description="Which ROIs respond, and to what? Regress, select, assign, cluster, compare regions, report.",
        epilog="Reads the sessions that a night has put into the lake; what was computed before is not computed again.",
    )
    add = parser.add_argument
    add("--project", help="the collection of sessions; may be left out where the lake has one")
    add("--protocol", choices=("rigorous", "published"), help="what the findings rest on (default rigorous)")
    add("--session", dest="session_ids", action="append", metavar="ID", help="only this session")
    add("--signal", help="signal of recorded.traces (default dff)")
    add("--baseline", choices=("own percentile", "running percentile"), help="of raw fluorescence, under rigorous")
    add("--tau", dest="tau_s", type=float, metavar="S", help="decay of the kernel in seconds, for both protocols")
    add(
        "--kernel-from",
        choices=("indicator", "between events", "best fit"),
        help="of rigorous (default indicator)",
    )
    add("--indicator", help="calcium indicator (default: as each session names it)")
    add("--with-rise", action="store_true", help="a kernel that rises and decays")
    add("--slowest", dest="slowest_s", type=float, metavar="S", help="rigorous takes slower changes out (default 200)")
    add("--keep-drift", dest="slowest_s", action="store_const", const=None, help="take none out")
    add("--event", dest="events", action="append", metavar="KIND", help="only events of this kind: stimulus, lick ...")
    add("--each-image", action="store_true", help="a regressor for each image")
    add("--behavior", action="append", metavar="SIGNAL", help="signal of the animal (default running_speed_cm_per_s)")
    add("--no-behavior", dest="behavior", action="store_const", const=[], help="no signal of the animal")
    add("--r2", dest="smallest_r2", type=float, metavar="R2", help="what published selects by (default .05)")
    add("--fdr", type=float, help="false discoveries among what rigorous selects (default .05)")
    add("--margin-level", type=float, metavar="P", help="of the largest coefficient's lead (default .05)")
    add("--frames", dest="response_frames", type=int, metavar="N", help="frames of a mean response (default 5)")
    add("--linkage", dest="cluster_method", metavar="METHOD", help="average (default), complete, ward ...")
    add("--distance", choices=("correlation", "euclidean"), help="between traces (default correlation)")
    add("--clusters", dest="cluster_count", type=int, metavar="N", help="how many (default: by silhouette, stability)")
    add("--most-clustered", type=int, metavar="N", help="sessions with more ROIs are not clustered (default 2000)")
    add("--region", dest="regions", action="append", metavar="NAME", help="count and compare only this region")
    add("--csv", action="store_true", help="also write every table as CSV beside the report")
    return parser


if __name__ == "__main__":
    sys.exit(main())
