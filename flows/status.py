"""What runs, what is scheduled next, how the last night ended, how large the lake is: `make status`."""

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
from rich.console import Console
from rich.table import Table as Page

from flows.prefect_settings import configure_prefect
from flows.programs import address_of
from flows.running import Running, programs_of, read_running
from flows.start_checks import PREFECT_SECRET
from storage.settings import Settings


def main() -> int:
    """Print it; returns 1 when something that should run doesn't, or when no run is scheduled that should be."""
    settings, console = Settings(), Console()
    zone = ZoneInfo(settings.time_zone)
    for line in disk_use(settings):
        console.print(line, highlight=False, soft_wrap=True)
    running = read_running(settings)
    if running is None or not running.lives:
        left = len(programs_of(settings.home))
        console.print(
            f"make up was killed; {left} programs that it left still run: make down ends them, and so does make up"
            if left
            else "nothing runs; `make up` starts everything",
            style="bold red" if left else None,
            highlight=False,
            soft_wrap=True,
        )
        return 1
    if running.phase != "up":
        console.print(f"make up is {running.phase}", highlight=False)
        return 1
    troubles = list(services_in_trouble(running, console, zone))
    os.environ.setdefault("PREFECT_API_URL", f"{address_of(settings, settings.prefect_port)}/api")
    if secret := os.environ.get(PREFECT_SECRET):
        os.environ.setdefault("PREFECT_API_AUTH_STRING", secret)
    configure_prefect(settings)
    from flows.server_status import show_server

    troubles += show_server(console, zone, began_of(running.services["prefect"]))
    for trouble in troubles:
        console.print(trouble, style="bold red", markup=False, highlight=False, soft_wrap=True)
    return 1 if troubles else 0


def disk_use(settings: Settings) -> Iterator[str]:
    """A line for the lake, for the models, and for the databases behind Prefect and MLflow."""
    folders = {"models": settings.mlflow_folder, "servers": settings.postgres_folder}
    if settings.data_on_s3:
        yield f"{'lake':<9}{settings.data_address}"
    else:
        folders = {"lake": settings.data_folder} | folders
    for name, folder in folders.items():
        if folder.exists():
            free = shutil.disk_usage(folder).free
            yield f"{name:<9}{folder}: {size_of(folder) / 1e9:.2f} GB, {free / 1e9:.0f} GB free there"
        elif name == "lake":
            yield f"{name:<9}{folder}: nothing yet"


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; a file that goes away meanwhile counts as none."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total


def began_of(pid: int) -> datetime:
    """When a process began; now, when it has ended."""
    try:
        return datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC)
    except psutil.NoSuchProcess:
        return datetime.now(UTC)


def services_in_trouble(running: Running, console: Console, zone: ZoneInfo) -> Iterator[str]:
    """Print each service and since when it runs; what to say of those that don't."""
    page = Page("service", "since", box=None)
    for name, pid in running.services.items():
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                raise psutil.NoSuchProcess(pid)
            page.add_row(name, f"{began_of(pid).astimezone(zone):%Y-%m-%d %H:%M}")
        except psutil.NoSuchProcess:
            page.add_row(name, "ended")
            yield f"{name} ended; make up starts it again, see its log"
    console.print(page)


if __name__ == "__main__":
    sys.exit(main())
