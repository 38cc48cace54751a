"""A study's command line: one project of the lake, chosen as in the web form, and the summary in the terminal."""

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from rich.console import Console

from flows.prefect_settings import configure_prefect
from storage.attach import LakeMissing
from storage.due import require_known
from storage.lake import LakeMismatch, open_lake
from storage.settings import Settings

if TYPE_CHECKING:
    from prefect import Flow


def study_parser(module: str, description: str) -> argparse.ArgumentParser:
    """The options that every study has; one that isn't given is absent, so that the form's default holds."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        epilog="Reads the sessions that a night has put into the lake; what was computed before is not computed again.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add("--project", help="the collection of sessions; may be left out where the lake has one")
    add("--protocol", choices=("rigorous", "published"), help="what the findings rest on (default rigorous)")
    add("--session", dest="session_ids", action="append", metavar="ID", help="only this session")
    return parser


def run_study(
    parser: argparse.ArgumentParser,
    load: Callable[[], "tuple[type[BaseModel], Flow]"],
    pairs: Mapping[str, tuple[str, str]] | None = None,
    require_possible: Callable[[BaseModel], object] | None = None,
) -> int:
    """Run the study of one project as the command line says; returns the exit status.

    ``load`` imports the form and the flow, which takes seconds. ``pairs``: options of two values, by the two fields of
    the form that these are. ``require_possible`` raises ValueError for a form that can't be done on this machine.
    """
    arguments = vars(parser.parse_args())
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
        form, study = load()
        from flows.incomplete import Incomplete
    try:
        choice = form(**_as_fields(arguments, pairs or {}))
        with open_lake(settings, read_only=True) as lake:
            require_known(lake, choice.chosen_sessions)
        if require_possible:
            require_possible(choice)
    except ValidationError as error:
        return _refuse(console, "; ".join(_said(one) for one in error.errors()))
    except ValueError as error:
        return _refuse(console, str(error))
    try:
        summary = study(choice)
    except Incomplete as incomplete:
        summary = incomplete.summary
    for line in summary.lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return 1 if summary.failures else 0


def _as_fields(arguments: Mapping[str, Any], pairs: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    fields = {name: value for name, value in arguments.items() if name not in pairs}
    for pair in pairs.keys() & arguments.keys():
        fields |= dict(zip(pairs[pair], arguments[pair], strict=True))
    return fields


def _said(error: Mapping[str, Any]) -> str:
    where = ".".join(map(str, error["loc"]))
    return (f"{where}: " if where else "") + error["msg"].removeprefix("Value error, ")


def _refuse(console: Console, why: str) -> int:
    console.print(why, style="bold red", markup=False, soft_wrap=True)
    return 2
