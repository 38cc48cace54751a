"""Progress of downloads: one bar per session with its bytes, and one failing session never ends the others."""

from collections.abc import Sequence
from types import TracebackType

from prefect import Task
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from tasks.allen_choice import AllenChoice, AllenSession, Fetched


class FetchProgress:
    """Runs a fetching task session by session with a bar for the bytes, and collects what failed."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )

    def __enter__(self) -> "FetchProgress":
        self._bars.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def each(self, task: Task, sessions: Sequence[AllenSession], choice: AllenChoice) -> list[Fetched]:
        """What the task gives for each session that it succeeds on; the others are added to ``failures``."""
        fetched = []
        for at, session in enumerate(sessions, start=1):
            row = self._bars.add_task(f"{at} of {len(sessions)}  {session.session_id}", total=None)
            state = task(session, choice, self._advance(row), return_state=True)
            self._bars.remove_task(row)
            if state.is_completed():
                one = state.result()
                fetched.append(one)
                self._say(session, f"{'was here' if one.was_here else 'fetched'}, {one.bytes / 1e6:,.1f} MB")
            else:
                self.failures.append(f"{session.session_id}: {state.result(raise_on_failure=False)}")
                self._say(session, "failed")
        return fetched

    def _advance(self, row: int):
        return lambda done, total: self._bars.update(row, completed=done, total=total)

    def _say(self, session: AllenSession, outcome: str) -> None:
        line = f"{session.session_id}  {session.about}: {outcome}"
        self._bars.console.print(line, highlight=False, markup=False, soft_wrap=True)
