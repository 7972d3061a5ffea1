"""A headless Chromium for tests that look at pages; skipped where there is none."""

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
    """A page, and whatever it asks the network for or complains of."""
    program = os.environ.get("ESRGAN_BROWSER") or which("chromium") or which("google-chrome")
    if not program:
        pytest.skip("no Chromium here; install it, or name one with ESRGAN_BROWSER")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        heard: list[str] = []
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: heard.append(f"dialog: {dialog.message}"))
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("data:", "file:"))
                else heard.append(f"request: {request.url}")
            ),
        )
        try:
            yield page, heard
        finally:
            browser.close()


def place_for_screenshots(fallback: Path) -> Path:
    """Where to leave screenshots: `ESRGAN_SCREENSHOTS`, to look at them, else a temporary one."""
    folder = Path(os.environ.get("ESRGAN_SCREENSHOTS", fallback))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
