"""Settings of Prefect for a flow that is started by hand, without a server that anyone set up."""

import os

from storage.settings import Settings


def configure_prefect(settings: Settings) -> None:
    """Settings of an in-process run, each of which a person's own environment overrides; before Prefect is imported."""
    settings.home.mkdir(parents=True, exist_ok=True)  # or Prefect waits four minutes for a folder to appear
    for name, value in {
        "PREFECT_HOME": str(settings.home / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "240",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }.items():
        os.environ.setdefault(name, value)
