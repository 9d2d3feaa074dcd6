"""A headless Chromium for tests, with a microphone that plays a recording."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def executable() -> str | None:
    """Where Chromium is; None where it is not."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = (shutil.which(name) for name in names)
    return os.environ.get("CHROMIUM") or next(filter(None, found), None)


needs_chromium = pytest.mark.skipif(
    executable() is None,
    reason="Chromium is missing: apt install chromium, or CHROMIUM=/path",
)


@asynccontextmanager
async def chromium(recording: Path | None = None) -> AsyncIterator[Browser]:
    """A browser that gives the microphone away unasked.

    Args:
        recording: WAV file that the microphone plays over and over; None for its beeps.
    """
    arguments = [
        *QUIET,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
    ]
    if recording is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={recording}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable(), args=arguments
        )
        try:
            yield browser
        finally:
            await browser.close()
