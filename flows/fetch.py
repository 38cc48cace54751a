"""The command line of `fetch_allen`: `python -m flows.fetch_allen`, which is `make fetch`."""

import argparse
import os

from pydantic import ValidationError
from rich.console import Console

from flows.prefect_settings import configure_prefect
from storage.settings import Settings


def main() -> int:
    """Find sessions, and fetch them unless they are only to be listed; returns the exit status."""
    arguments = vars(_parser().parse_args())
    only_list = arguments.pop("list")
    console = Console()
    try:
        settings = Settings()
        settings.home.mkdir(parents=True, exist_ok=True)
        configure_prefect(settings)
        with console.status("starting (some seconds)"):
            from storage.resumable_download import DownloadFailed
            from storage.verified_files import FolderBusy, only_writer
            from tasks.allen_choice import AllenChoice
            from tasks.allen_collections import COLLECTIONS, folder_of, hand_over
        choice = AllenChoice(**{name: value for name, value in arguments.items() if value is not None})
    except ValidationError as error:
        return _refuse(console, "; ".join(_in_words(one) for one in error.errors()))
    folder = folder_of(choice, settings)
    try:
        with only_writer(folder), console.status("looking for sessions"):
            found = COLLECTIONS[choice.cache].find.fn(choice, folder)
    except ModuleNotFoundError as error:
        return _refuse(console, f"{error}: this needs the allen environment; make allen, and run it from .venv-allen")
    except (ValueError, OSError, DownloadFailed, FolderBusy) as error:
        return _refuse(console, str(error))
    here = sum(session.is_here for session in found.sessions)
    if only_list:
        lines = [f"{one.session_id}  {one.about}{'  (here)' if one.is_here else ''}" for one in found.sessions]
        _say(console, [*lines, f"{len(found.sessions)} sessions fit, {here} are here; nothing was fetched"])
        return 0
    if here == len(found.sessions) and not choice.verify_all:
        sources = hand_over(choice, [session.path for session in found.sessions], settings)
        _say(console, [f"nothing to fetch: all {here} sessions are here", f"read     make nightly SOURCES={sources}"])
        return 0
    with console.status("starting Prefect (some seconds)"):
        from flows.fetch_allen import FetchIncomplete, fetch_allen
    try:
        summary = fetch_allen(choice)
    except FetchIncomplete as incomplete:
        summary = incomplete.summary
    except FolderBusy as error:
        return _refuse(console, str(error))
    _say(console, summary.lines)
    return 1 if summary.failures else 0


def _say(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _refuse(console: Console, why: str) -> int:
    console.print(why, style="bold red", markup=False, soft_wrap=True)
    return 2


def _in_words(error: dict) -> str:
    where = ".".join(str(part) for part in error["loc"])
    why = error["msg"].removeprefix("Value error, ")
    return f"{where}: {why}" if where else why


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.fetch_allen",
        description="Find sessions of the Allen Institute and fetch those of their files that aren't here whole.",
        epilog="An option that may stand several times takes any of its values. Files go to NEUROLAKE_HOME/allen.",
    )
    parser.add_argument(
        "--cache",
        choices=("visual_behavior", "neuropixels"),
        help="Visual Behavior 2P, from S3 (default); or Visual Coding Neuropixels, from the warehouse",
    )
    several = {"action": "append", "metavar": "NAME"}
    parser.add_argument("--project", dest="projects", **several, help="project code; of neuropixels, session type")
    parser.add_argument("--cre-line", dest="cre_lines", **several, help="driver line, such as Vip-IRES-Cre")
    parser.add_argument("--structure", dest="structures", **several, help="brain structure, such as VISp")
    parser.add_argument(
        "--session",
        dest="session_ids",
        action="append",
        metavar="ID",
        help="ophys experiment, ophys session (all its planes), or ecephys session",
    )
    parser.add_argument(
        "--behavior", choices=("any", "active", "passive"), help="visual_behavior: task or passive viewing"
    )
    parser.add_argument(
        "--experience-level",
        dest="experience_levels",
        **several,
        help="visual_behavior: Familiar, 'Novel 1', 'Novel >1'",
    )
    parser.add_argument("--max-sessions", metavar="N", help="at most so many, those with the lowest ids")
    parser.add_argument("--folder", type=os.path.abspath, help="folder of the cache")
    parser.add_argument("--release", help="visual_behavior: release of the data, such as 1.1.0")
    parser.add_argument("--verify-all", action="store_true", default=None, help="read every file that is here again")
    parser.add_argument("--warehouse", metavar="ADDRESS", help="neuropixels: the warehouse, or a mirror of it")
    parser.add_argument("--list", action="store_true", help="only list the sessions that fit")
    return parser
