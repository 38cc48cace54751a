"""Fetch sessions of the Allen Institute; in the allen environment, described in deployments/allen/README.md."""

if __name__ == "__main__":
    # The command line sets Prefect up, which must be done before Prefect is imported.
    from flows.fetch import main

    raise SystemExit(main())

from dataclasses import dataclass
from pathlib import Path

from prefect import flow

from flows.fetch_progress import FetchProgress
from flows.notify import TOLD_OF
from storage.settings import Settings
from storage.verified_files import only_writer
from tasks.allen_choice import AllenChoice, Fetched
from tasks.allen_collections import COLLECTIONS, folder_of, hand_over


@dataclass(frozen=True)
class FetchSummary:
    """What a fetch came to: the files that are here now, whole, and where the main environment finds them named."""

    fetched: tuple[Fetched, ...]
    failures: tuple[str, ...]
    sources: Path | None
    note: str | None = None

    @property
    def lines(self) -> list[str]:
        came = [one for one in self.fetched if not one.was_here]
        here = len(self.fetched) - len(came)
        lines = [f"{len(came)} sessions fetched ({sum(one.bytes for one in came) / 1e6:,.1f} MB), {here} were here"]
        lines += [f"failed   {failure}" for failure in self.failures]
        lines += ["run it again: what arrived is kept"] if self.failures else []
        lines += [f"note     {self.note}"] if self.note else []
        lines += [f"read     make nightly SOURCES={self.sources}"] if self.sources else []
        return lines


class FetchIncomplete(Exception):
    """Some sessions could not be fetched; the others are here, and the next run tries again."""

    def __init__(self, summary: FetchSummary) -> None:
        super().__init__("; ".join(summary.failures))
        self.summary = summary


@flow(name="fetch_allen", **TOLD_OF)
def fetch_allen(choice: AllenChoice) -> FetchSummary:
    """Find the sessions that fit the choice, bring their files here whole, and hand them to the readers."""
    settings = Settings()
    folder, collection = folder_of(choice, settings), COLLECTIONS[choice.cache]
    with only_writer(folder), FetchProgress() as progress:
        found = collection.find(choice, folder)
        fetched = progress.each(collection.fetch, found.sessions, choice)
        sources = hand_over(choice, [one.path for one in fetched], settings)
    summary = FetchSummary(tuple(fetched), tuple(progress.failures), sources, found.note)
    if summary.failures:
        raise FetchIncomplete(summary)
    return summary
