"""Chromium for tests of pages and for the pictures of the documentation, driven by Playwright.

It is the Chromium of the machine, so Playwright downloads none. Playwright's own ``Page`` does the rest; here is what
tests of pages say again and again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 60_000.0
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """Start the Chromium at this path without its sandbox, which root cannot use; it ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, timeout=PATIENCE_MS, chromium_sandbox=False)
        yield browser
        browser.close()


def show(page: Page, target: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
    """Load a file or an address in a window of this size and wait until it is done."""
    look(page, width=width, height=height, dark=dark)
    page.goto(target if isinstance(target, str) else target.resolve().as_uri())
    return page


def look(page: Page, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
    """Show the page that is open in a window of this size, in this colour scheme."""
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if dark else "light")


def complaints(page: Page) -> list[str]:
    """Return the warnings and errors on the console of the page that is open, and the exceptions of its scripts."""
    messages = page.console_messages(filter="since-navigation")
    told = [message.text for message in messages if message.type in ("error", "warning", "assert")]
    return told + [str(error) for error in page.page_errors(filter="since-navigation")]


def fetched(page: Page) -> list[str]:
    """Return every address that the page asked for, without those that hold their own content."""
    return [request.url for request in page.requests() if not request.url.startswith("data:")]


def opens_within(page: Page, limit_ms: float, *, tries: int = 20) -> bool:
    """Whether the page opens in this time. A busy machine may delay some attempts, so the quickest one counts."""
    for _ in range(tries):
        if page.evaluate("performance.getEntriesByType('navigation')[0].domComplete") < limit_ms:
            return True
        page.reload()
    return False
