"""Open the Prefect page on the runs that nights have left: `python -m flows.server`, which is `make prefect`."""

import argparse
import os
import sys

from flows.prefect_settings import configure_prefect
from storage.settings import Settings


def main() -> None:
    """Start Prefect's server on 127.0.0.1 and stay until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m flows.server", description=main.__doc__)
    parser.add_argument("--port", type=int, default=4200, help="port on 127.0.0.1 (default 4200)")
    port = parser.parse_args().port
    configure_prefect(Settings())
    print(f"prefect   http://127.0.0.1:{port}   (stop with Ctrl-C)", flush=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
