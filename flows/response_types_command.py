"""The command line of response types: `python -m flows.response_types_command`, which is `make response-types`."""

import argparse
import sys

from flows.study_command import run_study, study_parser


def main() -> int:
    """Run the study of one project; returns the exit status."""
    return run_study(_parser(), _loaded)


def _loaded() -> tuple:
    from flows.response_types import ResponseTypesChoice, response_types

    return ResponseTypesChoice, response_types


def _parser() -> argparse.ArgumentParser:
    parser = study_parser(
        "flows.response_types_command",
        "Which ROIs respond, and to what? Regress, select, assign, cluster, compare regions, report.",
    )
    add = parser.add_argument
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
