"""The command line of the omission study: `python -m flows.omission`, which is `make omission`."""

import argparse
import sys

from flows.study_command import run_study, study_parser

_PAIRS = {"window": ("window_start_s", "window_stop_s")}


def main() -> int:
    """Run the study of one project; returns the exit status."""
    return run_study(_parser(), _loaded, _PAIRS)


def _loaded() -> tuple:
    from flows.omission_study import OmissionChoice, omission_study

    return OmissionChoice, omission_study


def _parser() -> argparse.ArgumentParser:
    parser = study_parser(
        "flows.omission", "How do cells respond when an expected image is omitted? Measure, test, decode, report."
    )
    add = parser.add_argument
    add("--cre-line", dest="cre_lines", action="append", metavar="LINE", help="only this driver line")
    add("--window", nargs=2, type=float, metavar=("START", "STOP"), help="seconds from onset (default -1 2)")
    add("--samples", dest="sample_count", type=int, metavar="N", help="samples in it (default 90)")
    add("--per-event", action="store_true", help="also keep the features of every single response")
    return parser


if __name__ == "__main__":
    sys.exit(main())
