"""A DuckDB shell on the lake, for reading: `python -m storage.shell`, which is `make sql`."""

import os
import shutil
import sys
from pathlib import Path

from storage.attach import LakeMissing, attach_statements, install_extensions
from storage.lake import LakeMismatch, open_lake
from storage.settings import Settings
from storage.tables import TABLES

_GREETING = "the lake, for reading; .quit leaves. Tables: "


def main() -> int:
    """Open the shell and stay until it is left; returns the exit status when it can't be opened."""
    settings = Settings()
    beside = Path(sys.executable).with_name("duckdb")
    shell = str(beside) if beside.exists() else shutil.which("duckdb")
    if shell is None:
        print("no DuckDB shell: install the package duckdb-cli beside neurolake", file=sys.stderr)
        return 2
    try:
        open_lake(settings, read_only=True).close()
    except (LakeMissing, LakeMismatch) as error:
        print(str(error), file=sys.stderr)
        return 2
    install_extensions(settings)
    os.execv(shell, [shell, *shell_arguments(settings)])


def shell_arguments(settings: Settings) -> list[str]:
    """What the shell is started with: the attached lake, guarded, and a greeting."""
    arguments = ["-no-init"]
    for statement in attach_statements(settings, read_only=True):
        arguments += ["-cmd", f"{statement};"]
    # Safe mode shuts off files outside the lake for SQL and for the shell's own dot commands.
    return [*arguments, "-cmd", ".safe_mode", "-cmd", f".print {_GREETING}{', '.join(t.name for t in TABLES)}"]


if __name__ == "__main__":
    sys.exit(main())
