"""Progress of a flow: one bar per step here and on the run's page, and one failing item never ends the others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from prefect import Task
from prefect.client.schemas.objects import State
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flows.progress_page import StepPage
from storage.settings import Settings
from tasks.per_session import PER_SESSION

if TYPE_CHECKING:
    from flows.runner import Cluster


class StepProgress:
    """Runs a step's task for each of its items with a bar for the step, and collects what failed.

    Here, one item after the other; with the setting ``runner`` at 'dask', work per session is spread over a cluster.
    """

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._settings = Settings()
        self._stack = ExitStack()
        self._cluster: Cluster | None = None
        self._bars = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
            console=Console(stderr=True),
        )

    def __enter__(self) -> "StepProgress":
        self._stack.enter_context(self._bars)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def each(
        self, step: str, task: Task, items: Sequence[Any], *shared: Any, name: Callable[[Any], str], parts: int = 1
    ) -> list[Any]:
        """Results of the task for each item that it succeeds on; the others are added to ``failures``.

        Both in the order of the items. With ``parts`` above one the task is also given ``advance``, to be called that
        many times an item.
        """
        if not items:
            return []
        row = _StepRow(self._bars, step, len(items) * parts)
        states: dict[int, State] = {}
        if self._settings.runner == "dask" and PER_SESSION in task.tags:
            ending = self._spread(step, task, items, shared)
        else:
            ending = self._here(task, items, shared, name, parts, row)
        for place, state in ending:
            states[place] = state
            row.reach(len(states) * parts, name(items[place]))
        in_order = sorted(states.items())
        self.failures += [
            f"{step}, {name(items[place])}: {state.message}" for place, state in in_order if not state.is_completed()
        ]
        done = [state.result() for _, state in in_order if state.is_completed()]
        row.end(f"{len(done)} of {len(items)} done")
        return done

    def _here(
        self,
        task: Task,
        items: Sequence[Any],
        shared: Sequence[Any],
        name: Callable[[Any], str],
        parts: int,
        row: "_StepRow",
    ) -> Iterator[tuple[int, State]]:
        """Run the task for one item after the other; the place of each and the state that it ended in."""
        extra = {"advance": row.advance} if parts > 1 else {}
        for place, item in enumerate(items):
            row.reach(place * parts, name(item))
            yield place, task(item, *shared, **extra, return_state=True)

    def _spread(
        self, step: str, task: Task, items: Sequence[Any], shared: Sequence[Any]
    ) -> Iterator[tuple[int, State]]:
        """Run the task for the items side by side; the place of each and the state that it ended in, as they end."""
        from flows.runner import Cluster, NoCluster  # here: a night without Dask need not wait for its import

        try:
            self._cluster = self._cluster or self._stack.enter_context(Cluster(self._settings))
        except NoCluster as error:
            self.failures.append(f"{step}: {error}")
            return
        yield from self._cluster.states(task, [(item, *shared) for item in items])


class _StepRow:
    """One step's progress, as a bar in the terminal and on the run's page."""

    def __init__(self, bars: Progress, step: str, total: int) -> None:
        self._bars, self._total, self._done = bars, total, 0
        self._row = bars.add_task(step, total=total, now="")
        self._page = StepPage(step)

    def reach(self, done: int, now: str) -> None:
        self._done = done
        self._bars.update(self._row, completed=done, now=now)
        self._page.show(done / self._total, now)

    def advance(self, part: str) -> None:
        self.reach(self._done + 1, part)

    def end(self, outcome: str) -> None:
        self._bars.update(self._row, now="")
        self._page.close(outcome)
