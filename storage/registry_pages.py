"""Addresses of a training's pages, where the registry is a server that people open in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import storage.registry  # noqa: F401  which sets MLflow up, before that is imported
from storage.settings import Settings

# Under one name, so that a report that is written again takes the place of the first.
_REPORT = "report.html"


class PagesMissing(Exception):
    """The registry's server doesn't know a training, or doesn't answer; says why, without its address."""


@dataclass(frozen=True)
class RegistryPages:
    """Where a browser finds the run that trained a model, the version that it registered, and the study's report."""

    run: str
    model: str
    report: str


def pages_of(settings: Settings, model_name: str, model_version: int, run_id: str) -> RegistryPages | None:
    """Pages of a training; None where the registry is no server, as nothing has an address that stands then.

    Raises PagesMissing.
    """
    if (base := page_address(settings.mlflow)) is None:
        return None
    with _in_words(run_id):
        experiment_id = _client(settings).get_run(run_id).info.experiment_id
    run = f"{base}/#/experiments/{experiment_id}/runs/{run_id}"
    return RegistryPages(
        run=run,
        model=f"{base}/#/models/{quote(model_name, safe='')}/versions/{model_version}",
        report=f"{run}/artifacts/{_REPORT}",
    )


def keep_report(settings: Settings, run_id: str, report: Path) -> None:
    """Put a study's report beside its model. Raises PagesMissing."""
    with _in_words(run_id):
        _client(settings).log_text(run_id, report.read_text(encoding="utf-8"), _REPORT)


def page_address(tracking: str | None) -> str | None:
    """The tracking server's address as it may be shown: without the name and password that it may hold.

    None for a registry that is no server.
    """
    parts = urlsplit(tracking or "")
    if parts.scheme not in ("http", "https"):
        return None
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def _client(settings: Settings):
    from mlflow import MlflowClient  # takes seconds

    return MlflowClient(settings.mlflow)


@contextmanager
def _in_words(run_id: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise PagesMissing(f"MLflow's run {run_id}: {error.error_code}") from None
