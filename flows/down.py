"""End what `make up` started: `python -m flows.down`, which is `make down`."""

import json
import os
import signal
import sys
import time

from storage.settings import Settings

_WITHIN_S = 90


def main() -> int:
    """Tell `make up` to stop, and wait until it has; returns the exit status."""
    state = Settings().services_folder / "running.json"
    if not state.exists():
        print("nothing runs here")
        return 0
    pid = json.loads(state.read_text())["pid"]
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        state.unlink(missing_ok=True)
        print("nothing runs here; what ran was killed")
        return 0
    give_up_at = time.monotonic() + _WITHIN_S
    while _lives(pid):
        if time.monotonic() > give_up_at:
            print(f"process {pid} did not stop within {_WITHIN_S} s", file=sys.stderr)
            return 1
        time.sleep(0.2)
    print("stopped")
    return 0


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
