"""A DuckDB shell on the lake, for reading: `python -m storage.shell`, which is `make sql`."""

import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

import sql
from storage.attach import LakeMissing, install_extensions, shell_statements, view_statements
from storage.lake import LakeMismatch, open_lake
from storage.object_store import StoreFailed
from storage.settings import Settings
from storage.tables import TABLES

_GREETING = "the lake, for reading; .quit leaves. Tables: "


def main() -> int:
    """Open the shell and stay until it is left; returns its exit status, 2 when it can't be opened."""
    settings = Settings()
    shell = _shell()
    if shell is None:
        print("no DuckDB shell: install the package duckdb-cli beside neurolake", file=sys.stderr)
        return 2
    try:
        open_lake(settings, read_only=True).close()
        install_extensions(settings)
    except (LakeMissing, LakeMismatch, StoreFailed, duckdb.Error) as error:
        print(str(error), file=sys.stderr)
        return 2
    with TemporaryDirectory(prefix="neurolake-") as folder:
        # In a file that nobody else can read: among the arguments, `ps` would show a catalog's password.
        start = Path(folder) / "start.sql"
        script, variables = start_script(settings)
        start.write_text(script, encoding="utf-8")
        process = subprocess.Popen([shell, "-no-init", "-cmd", f".read '{start}'"], env=os.environ | variables)
        # Ctrl-C is for the shell, which ends a query with it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return process.wait()


def start_script(settings: Settings) -> tuple[str, dict[str, str]]:
    """What the shell runs first (the attached lake, guarded, and a greeting), and variables that it needs for it."""
    attach, variables = shell_statements(settings)
    statements = ["SET TimeZone = 'UTC'", *attach, *view_statements()]
    quietly = [".output /dev/null", *(f"{statement};" for statement in statements), ".output"]
    # Safe mode shuts off files outside the lake for SQL and for the shell's own dot commands.
    tables = ", ".join(table.name for table in TABLES)
    commands = [".safe_mode", f".print '{_GREETING}{tables}. Views: {', '.join(sql.views())}'"]
    return "\n".join([*quietly, *commands, ""]), variables


def _shell() -> str | None:
    # The program itself, not the script that the package puts on the PATH: Ctrl-C would kill what that one starts.
    package = find_spec("duckdb_cli")
    if package and package.origin:
        program = Path(package.origin).with_name("duckdb")
        if program.exists():
            return str(program)
    return shutil.which("duckdb", path=str(Path(sys.executable).parent)) or shutil.which("duckdb")


if __name__ == "__main__":
    sys.exit(main())
