"""Processes that tests of maintenance start and kill: a writer, and maintenance again and again.

What each begins with is told on standard output, one word a line.
"""

import os
import random
import signal
import sys
import time
from datetime import timedelta

from storage.lake import open_lake
from storage.maintain import merge_small_files, tables_to_merge
from storage.maintain_files import remove_unnamed_files
from storage.maintain_snapshots import expire_snapshots
from storage.settings import Settings
from tests.storage.set_back import set_back
from tests.storage.writer_process import write_session


def write_one(session_id: str, version: str) -> None:
    """Open the lake, and write one session when told to on standard input."""
    with open_lake() as lake:
        print("ready", flush=True)
        sys.stdin.readline()
        write_session(lake, session_id, int(version))


def maintain_until_killed(report: int, seed: int) -> None:
    """Write, merge, expire all that nothing names and remove all that nothing names, without end."""
    settings = Settings()
    for version in range(seed * 100, seed * 100 + 100):
        with open_lake() as lake:
            for number in range(2):
                write_session(lake, f"lab-{(version + number) % 4}", version + number)
        for table in tables_to_merge(settings):
            os.write(report, b"merge\n")
            merge_small_files(settings, table)
        os.write(report, b"expire\n")
        expire_snapshots(settings, keep=timedelta(0))
        set_back(settings, timedelta(days=3))
        os.write(report, b"remove\n")
        remove_unnamed_files(settings, older_than=timedelta(0))


def kill_maintenance(rounds: str, seed: str) -> None:
    """Start maintenance and kill it at a random moment, so many times; only the children open DuckDB."""
    draw = random.Random(int(seed))
    for number in range(1, int(rounds) + 1):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            maintain_until_killed(writing, number)
            os._exit(1)
        os.close(writing)
        # By the phase it is in, not by the clock: a busy machine would else be killed in the first one each time.
        phase = draw.choice([b"merge\n", b"expire\n", b"remove\n"])
        told = b""
        while phase not in told and (more := os.read(reading, 65_536)):
            told += more
        time.sleep(draw.uniform(0, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        print(told.decode().splitlines()[-1], flush=True)


if __name__ == "__main__":
    {"write": write_one, "kill": kill_maintenance}[sys.argv[1]](*sys.argv[2:])
