"""Chromium, driven by Playwright: what the system has installed, without a window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reid_edge.errors import UsageError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 600_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser.

    Raises:
        UsageError: none is installed.
    """
    from playwright.sync_api import sync_playwright

    found = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        raise UsageError("No Chromium is installed.", "On Debian: apt install chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"], timeout=TIMEOUT_MS)
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser: Browser, address: str, person: str, path: str = "/", **options: Any) -> Page:
    """A page in a browser of its own, of somebody who has given a name."""
    context = browser.new_context(**options)
    context.add_cookies([{"name": "reid_edge_person", "value": person, "url": address}])
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(address + path)
    return page
