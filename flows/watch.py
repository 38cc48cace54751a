"""Start a night when there is something to do: `python -m flows.watch`, which is `make nightly`.

New files are looked for before Prefect is even imported: a night with nothing new ends in seconds.
"""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from flows.prefect_settings import configure_prefect
from storage.due import new_files, reports_due, responses_due, studies_due
from storage.lake import LakeMismatch, open_lake
from storage.settings import Settings
from storage.sources import load_sources
from tasks.recipes import Recipe


def main() -> int:
    """Run a night on the sources if anything is due; returns the exit status."""
    arguments = _arguments()
    protocol, recipe, console = arguments.protocol, Recipe(), Console()
    sources_text = arguments.sources
    if Path(sources_text).exists() or "*" in sources_text:
        sources_text = os.path.abspath(sources_text)
    try:
        settings = Settings()
        sources = load_sources(sources_text)
        with open_lake(settings) as lake:
            search = new_files(lake, sources)
            due = len(search.new) + len(responses_due(lake, protocol, recipe.responses))
            due += len(studies_due(lake, protocol, recipe.responses, recipe.study))
            due += len(reports_due(lake, protocol, recipe.responses, recipe.study))
    except (ValueError, OSError, LakeMismatch) as error:
        console.print(str(error), style="bold red", markup=False, soft_wrap=True)
        return 2
    for pattern in search.missing:
        console.print(f"nothing at {pattern}, named in the sources")
    if not (due or search.known_count):
        console.print("no recordings found; name some in sources.yaml, or with SOURCES=", highlight=False)
        return 2
    if not due:
        console.print(f"nothing new: {search.known_count} files, all known; the lake is as it was")
        _say_where(console, settings)
        return 0
    return _night(sources_text, protocol, settings, console)


def _night(sources: str, protocol: str, settings: Settings, console: Console) -> int:
    configure_prefect(settings)
    with console.status("starting Prefect (some seconds)"):
        from flows.incomplete import Incomplete
        from flows.nightly import NightChoice, nightly
    try:
        summary = nightly(NightChoice(sources=sources, protocol=protocol))
    except Incomplete as incomplete:
        summary = incomplete.summary
    for line in summary.lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return 1 if summary.failures else 0


def _say_where(console: Console, settings: Settings) -> None:
    reports = sorted(settings.reports_folder.glob("*.html"), key=lambda path: path.stat().st_mtime)
    if reports:
        console.print(f"report   {reports[-1]}", highlight=False, soft_wrap=True)
    console.print("ask      make sql        models   make models        runs     make prefect", highlight=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flows.watch",
        description="Look for recordings that the lake hasn't met; then ingest, measure, conclude, report.",
        epilog="Where things live: NEUROLAKE_HOME, by default ~/neurolake.",
    )
    parser.add_argument(
        "--sources",
        required=True,
        help="a sources.yaml, or a folder, file or glob of recordings",
    )
    parser.add_argument(
        "--protocol",
        choices=("rigorous", "published"),
        default="rigorous",
        help="rigorous: no leakage, nothing extrapolated (default); published: as the source study did it",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
