"""The command line of maintenance: `python -m flows.maintenance`, which is `make maintain`."""

import argparse
import sys

from pydantic import ValidationError
from rich.console import Console

from flows.prefect_settings import configure_prefect
from storage.attach import LakeMissing
from storage.lake import LakeMismatch, open_lake
from storage.settings import Settings


def main() -> int:
    """Run maintenance once; returns the exit status."""
    arguments = {name: value for name, value in vars(_parser().parse_args()).items() if value is not None}
    console = Console()
    try:
        settings = Settings()
        open_lake(settings, read_only=True).close()
    except (ValueError, OSError, LakeMissing, LakeMismatch) as error:
        return _refuse(console, str(error))
    configure_prefect(settings)
    with console.status("starting Prefect (some seconds)"):
        from flows.weekly_maintenance import MaintenanceChoice, MaintenanceIncomplete, maintenance
    try:
        choice = MaintenanceChoice(**arguments)
        with console.status("expiring, merging, removing, checking"):
            summary = maintenance(choice)
    except ValidationError as error:
        return _refuse(console, "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors()))
    except MaintenanceIncomplete as incomplete:
        summary = incomplete.summary
    for line in summary.lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return 1 if summary.failures else 0


def _refuse(console: Console, why: str) -> int:
    console.print(why, style="bold red", markup=False, soft_wrap=True)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.maintenance",
        description="Expire old snapshots, merge small files, remove files that nothing names, and check every row.",
        epilog="Snapshots that a study or a registered model names are always kept.",
    )
    parser.add_argument(
        "--keep-days", type=int, metavar="N", help="keep a snapshot N days after the next one (default 30)"
    )
    parser.add_argument(
        "--remove-after-days",
        type=int,
        metavar="N",
        help="remove a file that no snapshot names once it is N days old (default 7, at least 1)",
    )
    parser.add_argument(
        "--no-checks", dest="run_checks", action="store_false", default=None, help="leave out the data checks"
    )
    parser.add_argument("--dry-run", action="store_true", default=None, help="only say what would be done")
    return parser


if __name__ == "__main__":
    sys.exit(main())
