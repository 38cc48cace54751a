"""End what `make up` started: `python -m flows.down`, which is `make down`."""

import os
import signal
import sys
import time
from contextlib import suppress

from flows.running import AlreadyRuns, end, forget_running, only_one, programs_of, read_running
from storage.postgres import stop_left_behind
from storage.settings import Settings

_WITHIN_S = 120


def main() -> int:
    """Tell `make up` to stop and wait until it has; or end what a killed one left. Returns the exit status."""
    settings = Settings()
    running = read_running(settings)
    if running is not None and running.lives:
        with suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGINT)
        give_up_at = time.monotonic() + _WITHIN_S
        while running.lives:
            if time.monotonic() > give_up_at:
                print(f"process {running.pid} did not stop within {_WITHIN_S} s", file=sys.stderr)
                return 1
            time.sleep(0.2)
        print("stopped")
        return 0
    if not settings.services_folder.exists():
        print("nothing runs here")
        return 0
    try:
        with only_one(settings):
            left = programs_of(settings.home)
            end(left)
            postgres = stop_left_behind(settings)
            forget_running(settings)
    except AlreadyRuns:
        print("make up is just starting; try again in a moment", file=sys.stderr)
        return 1
    ended = f"ended {len(left)} programs{' and the Postgres' if postgres else ''} that a killed make up had left"
    print(ended if left or postgres else "nothing runs here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
