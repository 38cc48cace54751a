"""Progress bars of a flow: one row per step, and one failing item never ends the others."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from prefect import Task
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class StepProgress:
    """Runs tasks one item after the other with a bar for each step, and collects what failed."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._bars = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
            console=Console(stderr=True),
        )

    def __enter__(self) -> "StepProgress":
        self._bars.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def each(
        self, step: str, task: Task, items: Sequence[Any], *shared: Any, name: Callable[[Any], str], parts: int = 1
    ) -> list[Any]:
        """Results of the task for each item that it succeeds on; the others are added to ``failures``.

        With ``parts`` above one the task is also given ``advance``, to be called that many times an item.
        """
        if not items:
            return []
        row = self._bars.add_task(step, total=len(items) * parts, now="")
        results = []
        for done, item in enumerate(items):
            self._bars.update(row, now=name(item))
            extra = {"advance": lambda part: self._bars.update(row, advance=1, now=part)} if parts > 1 else {}
            state = task(item, *shared, **extra, return_state=True)
            if state.is_completed():
                results.append(state.result())
            else:
                self.failures.append(f"{step}, {name(item)}: {state.message}")
            self._bars.update(row, completed=(done + 1) * parts)
        self._bars.update(row, now="")
        return results
