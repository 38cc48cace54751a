"""Chromium as a scientist uses it, which keeps a picture of what it saw and a list of what it asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

_SLOWEST_MS = 60_000  # a page on a loaded machine
_LOCAL = ("127.0.0.1", "localhost")


@dataclass
class Browsing:
    """One open page of one browser."""

    page: "Page"
    screenshots: Path
    asked_elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def picture(self, name: str) -> Path:
        """Keep what is on the page now, all of it."""
        file = self.screenshots / f"{name}.png"
        self.page.screenshot(path=file, full_page=True)
        return file


@contextmanager
def browsing(executable: str, screenshots: Path) -> Iterator[Browsing]:
    """An empty page in a new browser. Requests to any other machine are refused and written down."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    screenshots.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as driver:
        # As root, Chromium does not start with its sandbox.
        chromium = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(_SLOWEST_MS)
        playwright.expect.set_options(timeout=_SLOWEST_MS)
        opened = Browsing(page, screenshots)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))

        def only_here(route: "Route") -> None:
            if urlsplit(route.request.url).hostname in _LOCAL:
                route.continue_()
            else:
                opened.asked_elsewhere.append(route.request.url)
                route.abort()

        page.route("**/*", only_here)
        try:
            yield opened
        finally:
            chromium.close()
