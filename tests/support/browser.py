"""A headless Chromium for tests of pages; they are skipped if it is not installed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest
from playwright.sync_api import Page, sync_playwright

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip


@contextmanager
def browser_page() -> Iterator[tuple[Page, list[str]]]:
    """A page, and its network requests, errors, dialogs and console messages."""
    program = os.environ.get("ESRGAN_BROWSER") or which("chromium") or which("google-chrome")
    if not program:
        pytest.skip("no Chromium; install it, or set ESRGAN_BROWSER to a browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        messages: list[str] = []
        page.on("pageerror", lambda error: messages.append(f"error: {error}"))
        page.on("dialog", lambda dialog: messages.append(f"dialog: {dialog.message}"))
        page.on("console", lambda message: messages.append(f"console: {message.text}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("data:", "file:"))
                else messages.append(f"request: {request.url}")
            ),
        )
        try:
            yield page, messages
        finally:
            browser.close()


def screenshot_folder(fallback: Path) -> Path:
    """Where to write screenshots: `ESRGAN_SCREENSHOTS`, else a temporary folder."""
    folder = Path(os.environ.get("ESRGAN_SCREENSHOTS", fallback))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
